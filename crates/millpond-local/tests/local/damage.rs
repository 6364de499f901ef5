//! A block of a run is damaged, and others go on being read.
//!
//! What can break: a damaged block hides records of its neighbours; or, where the versions of one key
//! fill several blocks, an older one is shown because the newest can't be read.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use millpond_core::{
    At, Commit, Direction, Epoch, ErrorKind, Key, KeyRange, Op, Outcome, RETAINED, Store, Write,
};
use millpond_testkit::sim::SimMachine;

use crate::subject::{DIR, SUBJECT};

const P: &[u8] = b"p";

fn open(machine: &SimMachine) -> Arc<dyn Store> {
    (SUBJECT.open)(machine.process()).expect("opened")
}

/// Puts a version that stays readable.
fn put(store: &dyn Store, sort: &[u8], version: u8, length: usize) -> Epoch {
    let value = vec![version; length];
    let op = Op::Put { value: &value, extents: &[] };
    let kept = Op::Put { value: b"kept", extents: &[] };
    let name = [sort, &[version]].concat();
    let writes = vec![
        Write { key: Key::new(P, sort), op, tally: None },
        Write { key: Key::new(RETAINED, &name), op: kept, tally: None },
    ];
    match store.index().commit(&Commit { writes, ..Commit::default() }).expect("committed") {
        Outcome::Committed { epoch, .. } => epoch,
        other => panic!("{other:?}"),
    }
}

/// The keys that a scan shows, each checked to be in its newest version, and the errors it met.
fn keys(store: &dyn Store, direction: Direction, newest: u8) -> (BTreeSet<Vec<u8>>, usize) {
    let view = store.index().view(At::Latest).expect("a view");
    let mut cursor = view.scan(KeyRange::all(P), direction).expect("a cursor");
    let (mut keys, mut errors) = (BTreeSet::new(), 0);
    loop {
        match cursor.advance() {
            Ok(true) => {
                assert!(
                    cursor.record().value.iter().all(|byte| *byte == newest),
                    "{:?} is shown in an older version",
                    cursor.key().escape_ascii().to_string()
                );
                assert!(keys.insert(cursor.key().to_vec()), "a key is shown twice");
            }
            Ok(false) => return (keys, errors),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                errors += 1;
                assert!(errors < 100, "the scan never ends");
            }
        }
    }
}

/// A count is right or an error, and an error only where a scan meets one.
fn check_count(store: &dyn Store, expected: usize, errors: usize) {
    let view = store.index().view(At::Latest).expect("a view");
    // What is found out by the first one is kept for the second.
    for _ in 0..2 {
        match view.count(KeyRange::all(P)) {
            Ok(count) => assert_eq!(count, expected as u64),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                assert!(errors > 0, "a scan meets no error, but a count does: {error}");
            }
        }
    }
}

#[test]
fn a_damaged_block_hides_its_own_records_only_in_either_direction() {
    const VERSIONS: u8 = 9;
    let machine = SimMachine::new(1);
    (SUBJECT.create)(machine.process()).expect("created");
    let store = open(&machine);
    for version in 1..=VERSIONS {
        for number in 0..10u8 {
            // Of some keys, all versions together fill several blocks.
            let length = if number % 5 == 2 { 1500 } else { 150 };
            put(&*store, &[b'a' + number], version, length);
        }
    }
    store.compact().expect("compacted");
    let (all, errors) = keys(&*store, Direction::Forward, VERSIONS);
    assert_eq!((all.len(), errors), (10, 0));
    store.close().expect("closed");
    drop(store);

    let runs = machine.files(&Path::new(DIR).join("runs")).expect("listed");
    let [run] = &runs[..] else { panic!("one run, not {runs:?}") };
    let length = machine.content(run).expect("read").len() as u64;
    let mut damaged = 0;
    for byte in (48..length).step_by(61) {
        let machine = machine.fork();
        machine.flip(run, byte, 0x10).expect("flipped");
        let store = open(&machine);
        let (forth, errors_forth) = keys(&*store, Direction::Forward, VERSIONS);
        let (back, errors_back) = keys(&*store, Direction::Backward, VERSIONS);
        let hidden = all.len() - forth.len();
        check_count(&*store, all.len(), errors_forth);
        assert_eq!(forth, back, "byte {byte}: the direction makes a difference");
        // Older versions may be damaged without anyone missing them.
        assert!(hidden == 0 || errors_forth > 0 && errors_back > 0, "byte {byte} hides keys silently");
        // A block of 4 KiB holds no more than three of these keys.
        assert!(hidden <= 3, "byte {byte} hides {hidden} keys");
        damaged += usize::from(hidden > 0);
        for key in &all {
            let got = store.index().get(Key::new(P, key));
            match got {
                Ok(record) => assert_eq!(record.expect("there").value[0], VERSIONS, "byte {byte}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                    assert!(!forth.contains(key), "byte {byte}: a scan reads what a get can't");
                }
            }
        }
    }
    assert!(damaged > 100, "most flips are in blocks, not {damaged}");
}

/// Where a newer run is damaged, what an older one has of the same keys isn't the truth.
#[test]
fn what_damage_hides_is_not_shown_as_it_was_before() {
    const KEYS: u8 = 250;
    let machine = SimMachine::new(1);
    (SUBJECT.create)(machine.process()).expect("created");
    let store = open(&machine);
    let is_replaced = |number: u8| number.is_multiple_of(5);
    for number in 0..KEYS {
        put(&*store, &[number], if is_replaced(number) { 1 } else { 2 }, 150);
    }
    store.compact().expect("compacted");
    let first = machine.files(&Path::new(DIR).join("runs")).expect("listed");
    for number in (0..KEYS).filter(|number| is_replaced(*number)) {
        put(&*store, &[number], 2, 150);
    }
    // Until the log is long enough for a checkpoint, into a second run.
    let listed = || machine.files(&Path::new(DIR).join("runs")).expect("listed");
    for number in 0u32.. {
        if listed().len() > first.len() {
            break;
        }
        let (sort, op) = (number.to_be_bytes(), Op::Put { value: &[0; 1000], extents: &[] });
        let writes = vec![Write { key: Key::new(b"q", &sort), op, tally: None }];
        store.index().commit(&Commit { writes, ..Commit::default() }).expect("committed");
    }
    store.close().expect("closed");
    drop(store);
    let runs = listed();
    let run = runs.iter().find(|run| !first.contains(run)).expect("a second run");
    assert_eq!(runs.len(), 2, "the first one is still there");

    // The keys at hand are in the first blocks.
    let mut damaged = 0;
    for byte in (48..8 << 10).step_by(31) {
        let machine = machine.fork();
        machine.flip(run, byte, 0x10).expect("flipped");
        let store = open(&machine);
        for direction in [Direction::Forward, Direction::Backward] {
            let (shown, errors) = keys(&*store, direction, 2);
            // About a block's worth, and what the filter is wrong about.
            assert!(
                KEYS as usize - shown.len() <= 40,
                "byte {byte} hides {} keys",
                KEYS as usize - shown.len()
            );
            assert!(shown.len() == KEYS as usize || errors > 0, "byte {byte} hides keys silently");
            damaged += usize::from(errors > 0);
        }
    }
    assert!(damaged > 50, "most flips are in blocks, not {damaged}");
}
