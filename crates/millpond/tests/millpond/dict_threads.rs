//! Threads at once on one dictionary: nothing is lost, nothing is taken twice, the count is exact.

use std::{collections::BTreeSet, io::Read, thread};

use millpond::{Container, ErrorKind};

use crate::scratch::{Scratch, noise};

on_every_backend!(
    the_count_is_exact_whoever_writes,
    each_entry_is_taken_by_one,
    the_last_entry_is_the_last_when_it_is_taken,
    one_inserts_and_the_others_see_it,
    a_batch_is_seen_whole_or_not_at_all,
    destroying_races_with_writing,
    one_creates_and_the_others_open,
    long_values_are_read_while_they_are_moved,
);

const THREADS: usize = 4;

fn the_count_is_exact_whoever_writes(scratch: &Scratch) {
    let container = scratch.container();
    container.create_dict("d").expect("created");
    let url = container.url();
    let final_keys: BTreeSet<u32> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS as u32)
            .map(|thread| {
                let url = &url;
                scope.spawn(move || {
                    // Each has a handle of its own, and all write one key in common.
                    let dict = Container::open(url).expect("opened").dict("d").expect("opened");
                    let mut mine = BTreeSet::new();
                    for step in 0..150u32 {
                        let key = thread * 1000 + step % 40;
                        match step % 5 {
                            0..=2 => {
                                assert_eq!(
                                    dict.put(&key.to_be_bytes(), b"v").expect("put"),
                                    !mine.insert(key)
                                );
                            }
                            3 => {
                                assert_eq!(
                                    dict.delete(&key.to_be_bytes()).expect("deleted"),
                                    mine.remove(&key)
                                );
                            }
                            _ => {
                                dict.put_many([(b"shared", noise(step.into(), 50))]).expect("put");
                                dict.delete(b"shared").expect("deleted");
                            }
                        }
                    }
                    mine
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let dict = container.dict("d").expect("opened");
    dict.delete(b"shared").expect("deleted");
    let keys: BTreeSet<u32> = dict
        .iter()
        .expect("begun")
        .keys_only()
        .map(|key| u32::from_be_bytes(key.expect("a key")[..].try_into().expect("four bytes")))
        .collect();
    assert_eq!(keys, final_keys);
    assert_eq!(dict.len().expect("counted"), final_keys.len() as u64);
    assert!(container.check(false).expect("checked").is_clean());
}

fn each_entry_is_taken_by_one(scratch: &Scratch) {
    let dict = scratch.container().create_dict("d").expect("created");
    dict.put_many((0..120u32).map(|number| (number.to_be_bytes(), number.to_be_bytes()))).expect("put");
    let mut taken: Vec<u32> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let dict = dict.clone();
                scope.spawn(move || {
                    let mut mine = Vec::new();
                    if thread % 2 == 0 {
                        while let Some((key, value)) = dict.take_last().expect("taken") {
                            assert_eq!(key, value);
                            mine.push(u32::from_be_bytes(key[..].try_into().expect("four bytes")));
                        }
                    } else {
                        for number in 0..120u32 {
                            if dict.take(&number.to_be_bytes()).expect("taken").is_some() {
                                mine.push(number);
                            }
                        }
                    }
                    mine
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    taken.sort_unstable();
    assert_eq!(taken, (0..120).collect::<Vec<u32>>());
    assert_eq!(dict.len().expect("counted"), 0);
}

/// A greater key that is there before the last one is taken is the one to be taken.
fn the_last_entry_is_the_last_when_it_is_taken(scratch: &Scratch) {
    let dict = scratch.container().create_dict("d").expect("created");
    // Long enough that a greater key often comes while its value is read.
    let long = noise(1, 3_000_000);
    for round in 0..25 {
        dict.put(b"a", &long).expect("put");
        let (taken, was_there) = thread::scope(|scope| {
            let taker = scope.spawn(|| dict.take_last().expect("taken").expect("an entry").0);
            thread::sleep(std::time::Duration::from_micros(200 * round));
            dict.put(b"b", b"greater").expect("put");
            let was_there = dict.contains(b"a").expect("looked up");
            (taker.join().expect("no panic"), was_there)
        });
        assert!(taken == b"b"[..] || !was_there, "{round}: a was taken while b was there");
        dict.clear().expect("cleared");
    }
}

fn one_inserts_and_the_others_see_it(scratch: &Scratch) {
    let dict = scratch.container().create_dict("d").expect("created");
    for round in 0..20u32 {
        let key = round.to_be_bytes();
        let answers: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let dict = &dict;
                    scope.spawn(move || {
                        let mine = noise(thread as u64, if round % 2 == 0 { 20 } else { 3000 });
                        (mine.clone(), dict.insert_if_absent(&key, &mine).expect("inserted"))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let value = dict.get(&key).expect("read").expect("a value");
        let winners: Vec<_> = answers.iter().filter(|(_, existing)| existing.is_none()).collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(winners[0].0, value);
        assert!(
            answers.iter().filter_map(|(_, existing)| existing.as_ref()).all(|existing| *existing == value)
        );
    }
    assert_eq!(dict.len().expect("counted"), 20);
}

fn a_batch_is_seen_whole_or_not_at_all(scratch: &Scratch) {
    let dict = scratch.container().create_dict("d").expect("created");
    let keys: Vec<[u8; 1]> = (0..20).map(|number| [number]).collect();
    dict.put_many(keys.iter().map(|key| (key, noise(0, 8)))).expect("put");
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 1..100u64 {
                let length = if round % 10 == 0 { 3000 } else { 8 };
                dict.put_many(keys.iter().map(|key| (key, noise(round, length)))).expect("put");
            }
        });
        while !writer.is_finished() {
            let values = dict.get_many(&keys).expect("read");
            assert!(values.iter().all(|value| value == &values[0]), "a batch is seen in part");
            let walked: BTreeSet<_> =
                dict.iter().expect("begun").map(|entry| entry.expect("read").1).collect();
            assert_eq!(walked.len(), 1, "a batch is seen in part");
        }
        writer.join().expect("no panic");
    });
}

fn destroying_races_with_writing(scratch: &Scratch) {
    let container = scratch.container();
    for _ in 0..5 {
        let dict = container.create_dict("d").expect("created");
        thread::scope(|scope| {
            for thread in 0..2u32 {
                let dict = &dict;
                scope.spawn(move || {
                    for number in 0.. {
                        match dict.put(&(thread * 10_000 + number).to_be_bytes(), b"v") {
                            Ok(existed) => assert!(!existed),
                            Err(error) => {
                                assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                                break;
                            }
                        }
                    }
                });
            }
            thread::sleep(std::time::Duration::from_millis(5));
            container.destroy_dict("d").expect("destroyed");
        });
    }
    container.compact().expect("compacted");
    assert!(container.check(false).expect("checked").is_clean());
    let records = container.query().expect("queried").statistics.records;
    assert!(records < 20, "{records} records are left of nothing");
}

fn one_creates_and_the_others_open(scratch: &Scratch) {
    let container = scratch.container();
    thread::scope(|scope| {
        for thread in 0..THREADS as u8 {
            let container = &container;
            scope.spawn(move || {
                let dict = container.open_or_create_dict("d").expect("opened");
                dict.put(&[thread], b"v").expect("put");
            });
        }
    });
    assert_eq!(container.dict("d").expect("opened").len().expect("counted"), THREADS as u64);
    assert_eq!(container.dicts().expect("listed"), ["d"]);
}

fn long_values_are_read_while_they_are_moved(scratch: &Scratch) {
    const KEYS: u64 = 12;
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    // A value tells its seed in its first eight bytes.
    let value = |seed: u64| [&seed.to_le_bytes()[..], &noise(seed, 60_000)].concat();
    let is_whole = |bytes: &[u8]| {
        let seed = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
        *bytes == value(seed)[..]
    };
    dict.put_many((0..KEYS).map(|key| (key.to_be_bytes(), value(key)))).expect("put");
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..30 {
                for key in 0..KEYS / 2 {
                    dict.put(&(2 * key).to_be_bytes(), &value(round * 100 + key)).expect("put");
                }
                container.compact().expect("compacted");
            }
        });
        let mut reads = 0;
        while !writer.is_finished() || reads == 0 {
            for key in 0..KEYS {
                assert!(is_whole(&dict.get(&key.to_be_bytes()).expect("read").expect("a value")));
            }
            for entry in dict.iter().expect("begun") {
                assert!(is_whole(&entry.expect("read").1));
            }
            let mut streamed = Vec::new();
            let mut stream = dict.reader(&0u64.to_be_bytes()).expect("opened").expect("a value");
            stream.read_to_end(&mut streamed).expect("read");
            assert!(is_whole(&streamed));
            reads += 1;
        }
        writer.join().expect("no panic");
    });
    assert_eq!(dict.len().expect("counted"), KEYS);
    assert!(container.check(false).expect("checked").is_clean());
}
