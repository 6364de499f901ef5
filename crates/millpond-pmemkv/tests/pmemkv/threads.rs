//! Many threads at once, on every engine, whatever pmemkv says of it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use millpond_pmemkv::{Engine, Range, Shape, Traits};
use millpond_testkit::random::{Random, test_scale, test_seed};

use crate::support::{Opened, eight, engines};

fn counter(engine: &Engine, key: &[u8]) -> u64 {
    let value = engine.get(key).expect("read").expect("there");
    u64::from_be_bytes((*value).try_into().expect("8 bytes"))
}

/// Sixteen threads count one number up by compare-and-swap, and pass another record around: nothing is lost,
/// nothing counted twice.
#[test]
fn sixteen_threads_of_compare_and_swap_lose_nothing() {
    let rounds = 40 * test_scale();
    for name in engines(|engine| engine.name != "blackhole") {
        let opened = Opened::new(name);
        let engine = &opened.engine;
        let [number, token] = [eight(1), eight(2)];
        engine.put(&number, &eight(0)).expect("put");
        let taken = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..rounds {
                        loop {
                            let now = engine.get(&number).expect("read").expect("there");
                            let next = u64::from_be_bytes((*now).try_into().expect("8 bytes")) + 1;
                            if engine
                                .compare_and_swap(&number, Some(&now), Some(&eight(next)))
                                .expect("swapped")
                            {
                                break;
                            }
                        }
                        if engine.compare_and_swap(&token, None, Some(&eight(7))).expect("made")
                            && engine.compare_and_swap(&token, Some(&eight(7)), None).expect("taken")
                        {
                            taken.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(counter(engine, &number), 16 * rounds, "{name}");
        assert!(taken.into_inner() > 0, "{name}");
        assert_eq!(engine.count(Range::All).expect("counted"), 1, "{name}");
    }
}

/// Writers, readers and scanners at once: every value that is seen was put under its key, and what is there at
/// the end is what was put last.
#[test]
fn every_engine_may_be_used_by_many_threads() {
    let seed = test_seed(6);
    for traits in Traits::all().iter().filter(|traits| traits.name != "blackhole") {
        let name = traits.name;
        let opened = Opened::new(name);
        let engine = &opened.engine;
        // A writer's keys are its own; a value has the writer and the round.
        let (writers, keys, rounds) = (4u64, 24, 250 * test_scale());
        let key_of = |writer: u64, key: u64| eight(writer << 32 | key);
        let expected: Vec<Vec<Option<u64>>> = thread::scope(|scope| {
            let writing: Vec<_> = (0..writers)
                .map(|writer| {
                    scope.spawn(move || {
                        let mut random = Random::new(seed ^ writer);
                        let mut last = vec![None; keys as usize];
                        for round in 0..rounds {
                            let key = random.below(keys);
                            if random.chance(250) {
                                let was = engine.remove(&key_of(writer, key)).expect("removed");
                                assert_eq!(was, last[key as usize].is_some(), "{name}");
                                last[key as usize] = None;
                            } else {
                                let value = writer << 32 | round;
                                engine.put(&key_of(writer, key), &eight(value)).expect("put");
                                last[key as usize] = Some(value);
                            }
                        }
                        last
                    })
                })
                .collect();
            for reader in 0..2 {
                scope.spawn(move || {
                    let mut random = Random::new(seed ^ (100 + reader));
                    for _ in 0..rounds / 10 {
                        let (writer, key) = (random.below(writers), random.below(keys));
                        if let Some(value) = engine.get(&key_of(writer, key)).expect("read") {
                            assert_eq!(value[..4], (writer as u32).to_be_bytes(), "{name}");
                        }
                        let mut records = engine.records(Range::All, false, Shape::Items).expect("scanned");
                        let mut before: Option<Vec<u8>> = None;
                        while let Some((key, value)) = records.next_record().expect("read") {
                            assert_eq!(key[..4], value.as_ref()[..4], "{name}");
                            if traits.sorted {
                                assert!(before.is_none_or(|before| *before < *key), "{name}");
                            }
                            before = Some(key.to_vec());
                        }
                        assert!(engine.count(Range::All).expect("counted") <= writers * keys, "{name}");
                    }
                });
            }
            writing.into_iter().map(|writer| writer.join().expect("joined")).collect()
        });
        let mut left = 0;
        for (writer, last) in expected.iter().enumerate() {
            for (key, value) in last.iter().enumerate() {
                let found = engine.get(&key_of(writer as u64, key as u64)).expect("read");
                assert_eq!(found.as_deref(), value.map(eight).as_ref().map(|value| &value[..]), "{name}");
                left += u64::from(value.is_some());
            }
        }
        assert_eq!(engine.count(Range::All).expect("counted"), left, "{name}");
    }
}
