//! A bit of a file turns over while nobody looks.
//!
//! What can break: wrong data is returned as right; a damaged record of the log is taken for the
//! torn end of it, and what follows is cut off; a damaged manifest or run is read as something else.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use millpond_core::{
    At, Commit, Damage, Direction, Durability, ErrorKind, Key, KeyRange, Op, Outcome, Store, Write,
};
use millpond_testkit::{
    crash::{Sweep, flip_sweep, mixed_workload},
    random::{Random, test_seed},
    sim::SimMachine,
};

use crate::subject::{DIR, SUBJECT};

const P: &[u8] = b"p";

/// The lock file is never read.
pub fn spared(path: &Path) -> bool {
    path.ends_with("lock")
}

#[test]
fn a_flipped_bit_is_noticed_or_does_not_matter() {
    let seed = test_seed(1);
    let mut noticed = 0;
    for round in 0..4 {
        let sweep =
            Sweep { seed: seed + round, points_max: 250, two_processes: round % 2 == 1, ..Sweep::default() };
        noticed += flip_sweep(&SUBJECT, &mixed_workload(60), spared, sweep)
            .unwrap_or_else(|violation| panic!("{violation}"));
    }
    println!("{noticed} flips were noticed");
    assert!(noticed > 100, "most of what is flipped matters");
}

/// A value that is found in the files by its bytes.
fn value(number: u32) -> Vec<u8> {
    Random::new(0x7661_6C75 + u64::from(number)).bytes(90)
}

fn put(store: &dyn Store, numbers: &[u32], value: &dyn Fn(u32) -> Vec<u8>) {
    let pairs: Vec<_> = numbers.iter().map(|number| (number.to_be_bytes(), value(*number))).collect();
    let write = |(key, value)| Write {
        key: Key::new(P, key),
        op: Op::Put { value, extents: &[] },
        tally: Some(Key::new(b"tally", b"")),
    };
    let writes = pairs.iter().map(|(key, value)| write((&key[..], &value[..]))).collect();
    let commit = Commit { writes, durability: Durability::Sync, ..Commit::default() };
    assert!(matches!(store.index().commit(&commit), Ok(Outcome::Committed { .. })));
}

fn open(machine: &SimMachine) -> Arc<dyn Store> {
    (SUBJECT.open)(machine.process()).expect("one damaged place keeps nothing from being opened")
}

/// Reads every key, each by itself and in a scan of either direction that goes on behind damage;
/// answers those whose values are lost.
fn lost_keys(store: &dyn Store, count: u32) -> Vec<u32> {
    let view = store.index().view(At::Latest).expect("a view");
    let mut lost = Vec::new();
    for number in 0..count {
        match view.get(Key::new(P, &number.to_be_bytes())) {
            Ok(found) => assert_eq!(found.expect("it is there").value, value(number), "key {number}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                lost.push(number);
            }
        }
    }
    for direction in [Direction::Forward, Direction::Backward] {
        let mut cursor = view.scan(KeyRange::all(P), direction).expect("a cursor");
        let mut seen = Vec::new();
        loop {
            match cursor.advance() {
                Ok(true) => seen.push(u32::from_be_bytes(cursor.key().try_into().expect("a number"))),
                Ok(false) => break,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
            }
        }
        if direction == Direction::Backward {
            seen.reverse();
        }
        let intact: Vec<_> = (0..count).filter(|number| !lost.contains(number)).collect();
        assert_eq!(seen, intact, "{direction:?}");
    }
    lost
}

fn damages(store: &dyn Store) -> Vec<Damage> {
    let mut damages = Vec::new();
    store.verify(&mut |damage| damages.push(damage)).expect("verified");
    damages
}

/// A machine with a store of `count` keys, closed; `compacted` or all in the log.
fn filled(seed: u64, count: u32, compacted: bool) -> SimMachine {
    let machine = SimMachine::new(seed);
    machine.record(false);
    (SUBJECT.create)(machine.process()).expect("created");
    let store = open(&machine);
    let numbers: Vec<_> = (0..count).collect();
    numbers.chunks(5).for_each(|numbers| put(&*store, numbers, &value));
    if compacted {
        store.compact().expect("compacted");
    }
    store.close().expect("closed");
    machine.power_cut_none()
}

/// Where the bytes of `value` lie, in which of the files of `dir`.
fn find(machine: &SimMachine, dir: &str, value: &[u8]) -> (PathBuf, u64) {
    let dir = Path::new(DIR).join(dir);
    for path in machine.files(&dir).expect("listed") {
        let content = machine.content(&path).expect("read");
        if let Some(place) = content.windows(value.len()).position(|window| window == value) {
            return (path, place as u64);
        }
    }
    panic!("the value is not in {}", dir.display());
}

#[test]
fn a_flipped_value_in_the_log_hides_its_key_only() {
    let count = 60;
    let seed = test_seed(1);
    let mut random = Random::new(seed);
    let machine = filled(seed, count, false);
    for round in 0..20 {
        let copy = machine.power_cut_none();
        let victim = random.below(count.into()) as u32;
        let (path, place) = find(&copy, "log", &value(victim));
        copy.flip(&path, place + random.below(90), 1 << random.below(8)).expect("flipped");
        let mut store = open(&copy);
        assert_eq!(lost_keys(&*store, count), [victim], "round {round}");
        let found = damages(&*store);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(path.ends_with(&found[0].place) && found[0].offset < place, "{found:?}");

        // What is damaged stays known when the log is gone, and other keys are written meanwhile.
        let other = (victim + 1) % count;
        put(&*store, &[other], &value);
        for again in [false, true] {
            store.compact().expect("compacted");
            assert_eq!(lost_keys(&*store, count), [victim], "round {round}, {again}");
            assert_eq!(damages(&*store).len(), 1);
            store.close().expect("closed");
            drop(store);
            store = open(&copy);
        }
        let counter = || store.index().view(At::Latest)?.counter(Key::new(b"tally", b""));
        assert_eq!(counter().expect("read"), i64::from(count));
        // A write of the key mends it.
        put(&*store, &[victim], &value);
        assert_eq!(lost_keys(&*store, count), [0u32; 0]);
        assert_eq!(counter().expect("read"), i64::from(count));
        store.compact().expect("compacted");
        assert_eq!(damages(&*store), []);
    }
}

/// What a damaged block hides is not answered from an older run, in a scan that goes on behind it.
#[test]
fn what_a_flipped_block_supersedes_does_not_come_back() {
    let (seed, count) = (test_seed(1), 400);
    let mut random = Random::new(seed);
    let machine = SimMachine::new(seed);
    machine.record(false);
    (SUBJECT.create)(machine.process()).expect("created");
    let store = open(&machine);
    let numbers: Vec<_> = (0..count).collect();
    put(&*store, &numbers, &|number| value(number + count));
    store.compact().expect("compacted");
    // So much at once is a run of its own.
    put(&*store, &numbers, &value);
    store.close().expect("closed");
    drop(store);
    let machine = machine.power_cut_none();
    for round in 0..10 {
        let copy = machine.power_cut_none();
        let victim = random.below(count.into()) as u32;
        let (path, place) = find(&copy, "runs", &value(victim));
        copy.flip(&path, place + random.below(90), 1 << random.below(8)).expect("flipped");
        let lost = lost_keys(&*open(&copy), count);
        assert!(lost.contains(&victim) && lost.len() < 60, "round {round}: {lost:?}");
    }
}

#[test]
fn a_flipped_block_of_a_run_hides_its_records_only() {
    let count = 400;
    let seed = test_seed(1);
    let mut random = Random::new(seed);
    let machine = filled(seed, count, true);
    for round in 0..20 {
        let copy = machine.power_cut_none();
        let victim = random.below(count.into()) as u32;
        let (path, place) = find(&copy, "runs", &value(victim));
        copy.flip(&path, place + random.below(90), 1 << random.below(8)).expect("flipped");
        let store = open(&copy);
        let lost = lost_keys(&*store, count);
        // Neighbours of the same block of 4 KiB, and no others.
        assert!(lost.contains(&victim) && lost.len() < 60, "round {round}: {lost:?}");
        assert!(lost.windows(2).all(|pair| pair[0] + 1 == pair[1]), "round {round}: {lost:?}");
        let found = damages(&*store);
        assert!(found.len() == 1 && path.ends_with(&found[0].place), "{found:?}");
        // Writes elsewhere go on, and what is damaged stays known.
        let elsewhere = (victim + count / 2) % count;
        put(&*store, &[elsewhere], &value);
        store.close().expect("closed");
        assert_eq!(lost_keys(&*open(&copy), count), lost, "round {round}");
    }
}
