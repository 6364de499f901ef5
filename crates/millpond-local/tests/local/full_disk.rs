//! The disk is full, of others' data or of our own.
//!
//! What can break: a commit that the disk had no room for is there in part; deletes, which alone
//! can make room, fail for want of it; a checkpoint that couldn't be written leaves something behind.

use std::sync::Arc;

use millpond_core::{
    At, Commit, Direction, Durability, Error, ErrorKind, Key, KeyRange, Op, Outcome, Result, Store, Write,
};
use millpond_testkit::{
    random::{Random, test_seed},
    sim::SimMachine,
};

use crate::subject::SUBJECT;

const P: &[u8] = b"p";
const TALLY: Key<'static> = Key { partition: b"tally", sort: b"" };

fn put(store: &dyn Store, number: u64, random: &mut Random) -> Result<Outcome> {
    let sort = number.to_be_bytes();
    let mut extents = Vec::new();
    if random.chance(300) {
        let mut writer = store.segments().writer()?;
        let length = random.index(20_000);
        writer.append(&random.bytes(length))?;
        extents = writer.finish()?;
    }
    let length = 1 + random.index(1500);
    let value = random.bytes(length);
    let op = Op::Put { value: &value, extents: &extents };
    let writes = vec![Write { key: Key::new(P, &sort), op, tally: Some(TALLY) }];
    let durability = if random.chance(500) { Durability::Sync } else { Durability::Async };
    store.index().commit(&Commit { writes, durability, ..Commit::default() })
}

/// Puts until the disk is full; answers the error.
fn fill(store: &dyn Store, next: &mut u64, random: &mut Random) -> Error {
    for _ in 0..10_000 {
        match put(store, *next, random) {
            Ok(_) => *next += 1,
            Err(error) => return error,
        }
    }
    panic!("the disk is never full");
}

fn numbers(store: &dyn Store) -> Vec<u64> {
    let view = store.index().view(At::Latest).expect("a view");
    let mut cursor = view.scan(KeyRange::all(P), Direction::Forward).expect("a cursor");
    let mut numbers = Vec::new();
    while cursor.advance().expect("read") {
        numbers.push(u64::from_be_bytes(cursor.key().try_into().expect("a number")));
    }
    assert_eq!(view.counter(TALLY).expect("read"), numbers.len() as i64);
    numbers
}

#[test]
fn deletes_make_room_again() {
    let seed = test_seed(1);
    let mut stuck = 0;
    for round in 0..12 {
        let mut random = Random::new(seed + round);
        let machine = SimMachine::new(seed + round);
        machine.record(false);
        (SUBJECT.create)(machine.process()).expect("created");
        let store: Arc<dyn Store> = (SUBJECT.open)(machine.process()).expect("opened");
        let mut next = 0;
        for _ in 0..20 {
            put(&*store, next, &mut random).expect("there is room");
            next += 1;
        }
        machine.full_disk(Some(machine.bytes_allocated() + 300_000 + random.below(1_500_000)));
        for turn in 0..3 {
            let error = fill(&*store, &mut next, &mut random);
            assert_eq!(error.kind(), ErrorKind::NoSpace, "round {round}: {error}");
            let there = numbers(&*store);
            let holds = |number: &u64| there.binary_search(number).is_ok();
            let first = there.first().copied().unwrap_or(next);
            assert!((first..next).all(|number| holds(&number)), "round {round}: what was committed is there");

            // Half at a time, so that many commits come while nothing else has room.
            for number in &there[..there.len() * 3 / 4] {
                let sort = number.to_be_bytes();
                let writes = vec![Write { key: Key::new(P, &sort), op: Op::Delete, tally: Some(TALLY) }];
                let commit = Commit { writes, durability: Durability::Sync, ..Commit::default() };
                match store.index().commit(&commit) {
                    Ok(Outcome::Committed { existed, .. }) => assert_eq!(existed, [true]),
                    other => panic!("round {round}, turn {turn}: a delete of {number} ended in {other:?}"),
                }
            }
            if let Err(error) = store.compact() {
                // What lives is more than there is room to write it anew.
                assert_eq!(error.kind(), ErrorKind::NoSpace, "round {round}, turn {turn}: {error}");
                stuck += 1;
                machine.full_disk(None);
                store.compact().expect("there is room now");
                machine.full_disk(Some(machine.bytes_allocated() + 300_000));
            }
            store.compact().unwrap_or_else(|error| panic!("round {round}, turn {turn}: compacting: {error}"));
            let before = next;
            for _ in 0..5 {
                put(&*store, next, &mut random)
                    .unwrap_or_else(|error| panic!("round {round}, turn {turn}: no room came back: {error}"));
                next += 1;
            }
            assert_eq!(next, before + 5);
        }
        // All that was there is there after a loss of power too, with the disk as full as it was.
        store.index().flush().expect("flushed");
        let expected = numbers(&*store);
        let cut = machine.power_cut(random.number());
        let left = (SUBJECT.open)(cut.process()).expect("opened on a full disk");
        assert_eq!(numbers(&*left), expected, "round {round}");
        let mut damages = Vec::new();
        left.verify(&mut |damage| damages.push(damage)).expect("verified");
        assert_eq!(damages, []);
    }
    println!("{stuck} of 36 times compaction needed more room than there was");
}

/// Each segment is mostly dead, and the disk has room for what lives in one of them, not in all.
#[test]
fn compaction_gives_space_back_where_there_is_little_of_it() {
    let seed = test_seed(1);
    let (segments, values) = (10u64, 12u64);
    let machine = SimMachine::new(seed);
    machine.record(false);
    (SUBJECT.create)(machine.process()).expect("created");
    let mut random = Random::new(seed);
    let mut store: Arc<dyn Store> = (SUBJECT.open)(machine.process()).expect("opened");
    let bulk: Vec<Vec<u8>> = (0..segments * values).map(|_| random.bytes(20_000)).collect();
    for segment in 0..segments {
        for value in 0..values {
            let number = segment * values + value;
            let mut writer = store.segments().writer().expect("a writer");
            writer.append(&bulk[number as usize]).expect("appended");
            let extents = writer.finish().expect("finished");
            let op = Op::Put { value: b"bulk", extents: &extents };
            let sort = number.to_be_bytes();
            let writes = vec![Write { key: Key::new(P, &sort), op, tally: Some(TALLY) }];
            let commit = Commit { writes, durability: Durability::Async, ..Commit::default() };
            store.index().commit(&commit).expect("put");
        }
        // The next process writes to a segment of its own.
        store.close().expect("closed");
        drop(store);
        store = (SUBJECT.open)(machine.process()).expect("opened");
    }
    let is_dead = |number: u64| !number.is_multiple_of(3);
    for number in (0..segments * values).filter(|number| is_dead(*number)) {
        let sort = number.to_be_bytes();
        let writes = vec![Write { key: Key::new(P, &sort), op: Op::Delete, tally: Some(TALLY) }];
        let commit = Commit { writes, durability: Durability::Async, ..Commit::default() };
        store.index().commit(&commit).expect("deleted");
    }
    store.index().flush().expect("flushed");
    let before = machine.bytes_allocated();
    machine.full_disk(Some(before + 150_000));
    store.compact().expect("there is room to compact piece by piece");
    let after = machine.bytes_allocated();
    let dead = segments * values * 2 / 3 * 20_000;
    assert!(after + dead * 3 / 4 < before, "{after} bytes are left of {before}, of which {dead} were dead");
    let view = store.index().view(At::Latest).expect("a view");
    for number in 0..segments * values {
        let found = view.get(Key::new(P, &number.to_be_bytes())).expect("read");
        assert_eq!(found.is_none(), is_dead(number));
        let Some(record) = found else { continue };
        let mut bytes = vec![0; 20_000];
        store.segments().read(&record.extents[0], 0, &mut bytes).expect("read");
        assert!(bytes == bulk[number as usize], "value {number}");
    }
}
