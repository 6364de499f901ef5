//! Durable records of the log, headers of its files and ends of runs are damaged.
//!
//! What can break: the container doesn't open; what a lost record replaced or deleted comes back, in a
//! get, a scan or a counter; what was written after it can't be read; someone writes before the loss is
//! accepted; a repair loses more than was damaged, or, interrupted, forgets that something is lost.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use millpond_core::{
    At, Commit, Damage, Direction, Durability, Error, ErrorKind, Key, KeyRange, Op, Result, Store, Write,
};
use millpond_testkit::{
    random::{Random, test_scale, test_seed},
    sim::{Killed, SimMachine, SimMedia},
};

use crate::{
    flips::spared,
    subject::{DIR, SUBJECT},
};

const P: &[u8] = b"p";
/// A key that shows that the container can be written.
const EXTRA: u32 = 1_000_000;
const TALLY: &[u8] = b"tally";

/// What is there: keys with their values, and of each the number of the commit that wrote it last.
type Model = BTreeMap<u32, (Option<Vec<u8>>, usize)>;

/// A value that is long enough not to occur by chance.
fn value(number: u32, version: usize) -> Vec<u8> {
    Random::new(u64::from(number) << 32 | version as u64).bytes(60)
}

fn commit(store: &dyn Store, writes: &[(u32, Option<Vec<u8>>)]) -> Result<()> {
    let keys: Vec<_> = writes.iter().map(|(number, _)| number.to_be_bytes()).collect();
    let writes = keys.iter().zip(writes).map(|(key, (_, value))| Write {
        key: Key::new(P, key),
        op: value.as_ref().map_or(Op::Delete, |value| Op::Put { value, extents: &[] }),
        tally: Some(Key::new(TALLY, b"")),
    });
    let commit = Commit { writes: writes.collect(), durability: Durability::Sync, ..Commit::default() };
    store.index().commit(&commit).map(drop)
}

/// A closed container: some keys in a run, replaced and deleted since, in commits of four, some of which
/// replace what another one in the log wrote.
fn filled(seed: u64) -> (SimMachine, Model) {
    let machine = SimMachine::new(seed);
    machine.record(false);
    (SUBJECT.create)(machine.process()).expect("created");
    let store = open(&machine);
    let mut model = Model::new();
    for step in 0..30usize {
        let numbers = if step < 20 {
            4 * step as u32..4 * step as u32 + 4
        } else {
            8 * (step as u32 - 20)..8 * (step as u32 - 20) + 3
        };
        let writes: Vec<_> = numbers
            .map(|number| (number, (number % 8 != 1 || step < 20).then(|| value(number, step))))
            .collect();
        commit(&*store, &writes).expect("committed");
        model.extend(writes.into_iter().map(|(number, value)| (number, (value, step))));
        if step == 9 {
            store.compact().expect("compacted");
        }
    }
    store.close().expect("closed");
    (machine.power_cut_none(), model)
}

fn open(machine: &SimMachine) -> Arc<dyn Store> {
    (SUBJECT.open)(machine.process()).expect("no damage keeps it from being opened")
}

fn assert_corrupt(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

/// Reads all by gets and scans, which agree. Answers the keys that can't be read, and those that are
/// read, with their values.
fn read(store: &dyn Store, model: &Model, what: &str) -> (Vec<u32>, BTreeMap<u32, Option<Vec<u8>>>) {
    let view = store.index().view(At::Latest).expect("a view");
    let (mut hidden, mut found) = (Vec::new(), BTreeMap::new());
    for number in model.keys() {
        match view.get(Key::new(P, &number.to_be_bytes())) {
            Ok(record) => {
                found.insert(*number, record.map(|record| record.value.to_vec()));
            }
            Err(error) => {
                assert_corrupt(&error);
                hidden.push(*number);
            }
        }
    }
    for direction in [Direction::Forward, Direction::Backward] {
        let mut cursor = view.scan(KeyRange::all(P), direction).expect("a cursor");
        let (mut seen, mut errors) = (BTreeMap::new(), 0);
        loop {
            match cursor.advance() {
                Ok(true) => {
                    let number = u32::from_be_bytes(cursor.key().try_into().expect("a number"));
                    if number != EXTRA {
                        seen.insert(number, Some(cursor.record().value.to_vec()));
                    }
                }
                Ok(false) => break,
                Err(error) => {
                    assert_corrupt(&error);
                    errors += 1;
                    assert!(errors < 200, "{what}: the scan never ends");
                }
            }
        }
        let there = found.iter().filter(|(_, value)| value.is_some());
        assert!(seen.iter().eq(there), "{what}: {direction:?} shows other entries than gets");
        assert!(hidden.is_empty() || errors > 0, "{what}: {direction:?} hides keys silently");
    }
    (hidden, found)
}

/// Checks what is read of a damaged container: it is right, and what is absent was never there.
fn assert_right(model: &Model, found: &BTreeMap<u32, Option<Vec<u8>>>, what: &str) {
    for (number, value) in found {
        assert!(model[number].0 == *value, "{what}: key {number} is not as it was written last");
    }
}

fn damages(store: &dyn Store) -> Vec<Damage> {
    let mut damages = Vec::new();
    store.verify(&mut |damage| damages.push(damage)).expect("verified");
    damages
}

fn repair(store: &dyn Store) -> (u64, Vec<Damage>) {
    let mut reported = Vec::new();
    let lost = store.repair(&mut |damage| reported.push(damage)).expect("repaired");
    (lost, reported)
}

/// Where the log has a record that puts this value: the file, and where in it its key is.
fn key_in_log(machine: &SimMachine, number: u32, value: &[u8]) -> (PathBuf, u64) {
    for path in machine.files(&Path::new(DIR).join("log")).expect("listed") {
        let content = machine.content(&path).expect("read");
        let Some(end) = content.windows(value.len()).position(|window| window == value) else { continue };
        let key = [P, &number.to_be_bytes()].concat();
        let place = content[..end].windows(key.len()).rposition(|window| window == key);
        return (path, place.expect("the key stands before the value") as u64);
    }
    panic!("the value is not in the log");
}

#[test]
fn a_lost_record_puts_older_versions_in_doubt_until_a_repair_accepts_it() {
    let (machine, model) = filled(test_seed(1));
    // The commit of step 15 put keys 60 to 63; that of step 28 put keys 64 and 66 since.
    let (path, place) = key_in_log(&machine, 61, &value(61, 15));
    machine.flip(&path, place, 0x20).expect("flipped");
    let is_newer = |number: &u32| model[number].1 > 15;
    for round in 0..2 {
        let store = open(&machine);
        let other = open(&machine);
        for store in [&*store, &*other] {
            let (hidden, found) = read(store, &model, "damaged");
            assert_right(&model, &found, "damaged");
            assert!(found.keys().all(is_newer) && !hidden.iter().any(is_newer), "round {round}: {hidden:?}");
            // Of a number that is counted up and down since, the beginning is in doubt.
            let counter = store.index().view(At::Latest).expect("a view").counter(Key::new(TALLY, b""));
            assert_corrupt(&counter.expect_err("it counted what is lost"));
            assert_corrupt(&store.index().get(Key::new(P, b"never there")).expect_err("it may have been"));
            // Nobody writes.
            assert_corrupt(&commit(store, &[(1, None)]).expect_err("refused"));
            assert_corrupt(&store.compact().expect_err("refused"));
            let found = damages(store);
            assert!(
                found.len() == 1 && path.ends_with(&found[0].place) && found[0].offset < place,
                "{found:?}"
            );
        }
        other.close().expect("closed");
        store.close().expect("closed");
    }

    let store = open(&machine);
    let other = open(&machine);
    let (lost, reported) = repair(&*other);
    assert!(lost == 1 && reported.len() == 1 && path.ends_with(&reported[0].place), "{reported:?}");
    assert_eq!(repair(&*store), (0, Vec::new()), "it is reported once");
    for store in [&*store, &*other] {
        let (hidden, found) = read(store, &model, "repaired");
        assert_eq!(hidden, [0; 0]);
        for (number, value) in &found {
            let right = if model[number].1 == 15 { &None } else { &model[number].0 };
            assert!(value == right, "key {number}");
        }
        assert_eq!(damages(store), []);
    }
    commit(&*store, &[(61, Some(value(61, 99)))]).expect("it is written again");
    commit(&*other, &[(62, Some(value(62, 99)))]).expect("by anyone");
    for store in [store, other] {
        store.compact().expect("compacted");
        store.close().expect("closed");
    }
    let store = open(&machine.power_cut_worst());
    let (hidden, found) = read(&*store, &model, "opened again");
    assert!(hidden.is_empty() && found[&61] == Some(value(61, 99)) && found[&62] == Some(value(62, 99)));
    assert!(found[&60].is_none() && found[&59] == model[&59].0);
}

/// What must hold of a container with that damage, before and after a repair.
fn assert_survives(machine: &SimMachine, model: &Model, may_lose: usize, what: &str) -> usize {
    let store = (SUBJECT.open)(machine.process()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (hidden, found) = read(&*store, model, what);
    assert_right(model, &found, what);
    let before = damages(&*store);
    assert!(
        hidden.is_empty() || !before.is_empty(),
        "{what}: {} keys are hidden, and nothing is found",
        hidden.len()
    );
    store.close().expect("closed");
    drop(store);

    let store = open(machine);
    let (lost, reported) = repair(&*store);
    assert!(reported.len() as u64 >= lost);
    let (still, found) = read(&*store, model, what);
    assert!(still.iter().all(|number| hidden.contains(number)), "{what}: a repair hides something");
    // What was given up: of so many commits at most, in the version before.
    let wrong: Vec<_> = found.iter().filter(|(number, value)| model[*number].0 != **value).collect();
    let mut steps: Vec<_> = wrong.iter().map(|(number, _)| model[*number].1).collect();
    steps.dedup();
    assert!(steps.len() <= if lost > 0 { may_lose } else { 0 }, "{what}: {lost} lost, of commits {steps:?}");
    assert_eq!(repair(&*store), (0, Vec::new()), "{what}: it is repaired");
    match commit(&*store, &[(EXTRA, Some(vec![7; 30]))]) {
        Ok(()) => {}
        // Whether the key was there is in the same damage.
        Err(error) if !still.is_empty() => assert_corrupt(&error),
        Err(error) => panic!("{what}: {error}"),
    }
    store.close().expect("closed");
    let store = open(machine);
    assert_eq!(read(&*store, model, what), (still, found), "{what}: opened again");
    store.close().expect("closed");
    hidden.len()
}

/// The bytes of all files that hold anything, in order: the zeros that the log has ahead all at once.
fn places(machine: &SimMachine) -> Vec<(PathBuf, u64)> {
    let mut places = Vec::new();
    for path in machine.files(Path::new(DIR)).expect("listed") {
        if spared(&path) || path.ends_with("control") || path.ends_with("reserve") {
            continue;
        }
        let content = machine.content(&path).expect("read");
        let end = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        places.extend((0..(end + 16).min(content.len()) as u64).map(|place| (path.clone(), place)));
    }
    places
}

#[test]
fn any_changed_byte_hides_what_it_must_and_a_repair_gives_up_no_more() {
    changed_bytes(test_seed(1));
}

/// Changes bytes, one at a time.
pub fn changed_bytes(seed: u64) {
    let (machine, model) = filled(seed);
    let places = places(&machine);
    let looks = (400 * test_scale() as usize).min(places.len());
    let mut random = Random::new(seed);
    let (mut hid, mut first) = (0, random.index(places.len() / looks));
    while first < places.len() {
        let (path, place) = &places[first];
        let copy = machine.power_cut_none();
        let mask = 1 << random.below(8);
        copy.flip(path, *place, mask).expect("flipped");
        let what = format!("seed {seed}, bit {mask:#x} of byte {place} of {}", path.display());
        hid += usize::from(assert_survives(&copy, &model, 1, &what) > 0);
        first += places.len() / looks;
    }
    println!("{hid} of {looks} changed bytes hid something");
    assert!(hid > looks / 10);
}

#[test]
fn a_changed_page_hides_what_it_must_and_a_repair_gives_up_no_more() {
    let seed = test_seed(1);
    let (machine, model) = filled(seed);
    let places = places(&machine);
    let mut random = Random::new(seed);
    for _ in 0..60 * test_scale() {
        let (path, place) = &places[random.index(places.len())];
        let length = 1 << random.below(10);
        let from = place / length * length;
        let copy = machine.power_cut_none();
        let end = copy.content(path).expect("read").len() as u64;
        for byte in from..(from + length).min(end) {
            copy.flip(path, byte, 1 + random.below(255) as u8).expect("flipped");
        }
        let what = format!("seed {seed}, {length} bytes at {from} of {}", path.display());
        assert_survives(&copy, &model, 30, &what);
    }
}

#[test]
fn a_repair_whose_device_fails_is_begun_again() {
    interrupted_repairs(|process, call, _| process.fail_from(call, libc::EIO));
}

#[test]
fn a_repair_whose_process_dies_is_begun_again() {
    interrupted_repairs(|process, call, random| {
        process.unwind_when_killed();
        process.kill_at_torn(call, random.number());
    });
}

/// Has each call of a repair interrupted, and the power fail behind it, or not.
fn interrupted_repairs(interrupt: impl Fn(&SimMedia, u64, &mut Random)) {
    let seed = test_seed(1);
    let (machine, model) = filled(seed);
    let (path, place) = key_in_log(&machine, 61, &value(61, 15));
    machine.flip(&path, place, 0x20).expect("flipped");
    let mut random = Random::new(seed);
    for call in 1.. {
        let machine = machine.power_cut_none();
        let process = machine.process();
        let store = (SUBJECT.open)(process.clone()).expect("opened");
        interrupt(&process, call, &mut random);
        let ended = catch_unwind(AssertUnwindSafe(|| store.repair(&mut |_| ()).is_ok()));
        let is_whole = ended.unwrap_or_else(|payload| {
            assert!(payload.is::<Killed>(), "call {call}: a panic");
            false
        });
        process.kill();
        drop(store);
        let machine = match random.below(3) {
            0 => machine,
            1 => machine.power_cut_worst(),
            _ => machine.power_cut(random.number()),
        };
        let store = open(&machine);
        let (hidden, found) = read(&*store, &model, "interrupted");
        let is_lossy = !hidden.is_empty();
        if is_lossy {
            assert_right(&model, &found, "interrupted");
            assert_corrupt(&commit(&*store, &[(EXTRA, Some(vec![7; 30]))]).expect_err("in doubt"));
            assert_eq!(repair(&*store).0, 1, "call {call}");
        }
        assert!(!is_whole || !is_lossy, "call {call}: a repair that was done is undone");
        let (hidden, found) = read(&*store, &model, "repaired");
        assert!(hidden.is_empty());
        let wrong: Vec<_> = found.iter().filter(|(number, value)| model[*number].0 != **value).collect();
        assert!(wrong.iter().all(|(number, _)| (60..64).contains(*number)), "call {call}: {wrong:?}");
        store.close().expect("closed");
        if is_whole {
            assert!(call > 40, "a repair has more calls than {call}");
            break;
        }
    }
}
