//! Processes are killed while they roll back, take and destroy snapshots.

use std::time::Duration;

use millpond::{Container, ContainerOptions, Durability, Pool, PoolOptions};
use millpond_testkit::{
    process::{Part, role, tell},
    random::{Random, test_scale, test_seed},
};

use super::differences;
use crate::scratch::{Scratch, noise};

const KEYS: u32 = 300;

fn length(number: u32) -> usize {
    if number.is_multiple_of(10) { 9000 } else { 60 }
}

/// Puts every key with values of one generation.
fn put_all(container: &Container, generation: u64) {
    let dict = container.dict("d").expect("opened");
    dict.put_many(
        (0..KEYS).map(|number| {
            (number.to_be_bytes(), noise(generation * 1000 + u64::from(number), length(number)))
        }),
    )
    .expect("put");
}

/// The generation that all keys are of; panics where they are of several.
fn generation_of(container: &Container) -> u64 {
    let dict = container.dict("d").expect("opened");
    let first = dict.get(&0u32.to_be_bytes()).expect("read").expect("there");
    let generation = (0..3)
        .find(|generation| first == noise(generation * 1000, length(0)))
        .expect("a generation that was put");
    let mut seen = 0;
    for entry in dict.iter().expect("listed") {
        let (key, value) = entry.expect("read");
        let number = u32::from_be_bytes((*key).try_into().expect("a number"));
        assert_eq!(value, noise(generation * 1000 + u64::from(number), length(number)), "{number}");
        seen += 1;
    }
    assert_eq!((seen, dict.len().expect("counted")), (KEYS, KEYS.into()));
    generation
}

/// Wherever a process dies, all of a rollback has taken effect or nothing, every snapshot is whole, and
/// the bytes that versions share are there.
#[test]
fn a_rollback_takes_effect_whole_or_not_at_all() {
    if let Some(url) = role() {
        let container = Container::open(&url).expect("opened");
        tell("ready");
        for round in 0u64.. {
            container.rollback(if round % 2 == 0 { "one" } else { "two" }).expect("rolled back");
            if round % 3 == 2 {
                container.compact().expect("compacted");
            }
            if round % 5 == 4 {
                // They never are what a rollback goes back to.
                let name = format!("passing {round} of {}", std::process::id());
                container.snapshot(&name).expect("taken");
                container.destroy_snapshot(&name).expect("destroyed");
            }
        }
    }
    let seed = test_seed(1);
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let scratch = Scratch::file();
    let pool = Pool::create(&scratch.url, PoolOptions::default()).expect("a pool");
    let options = ContainerOptions {
        log_bytes: Some(64 << 10),
        durability: Some(Durability::Async),
        ..ContainerOptions::default()
    };
    let container = pool.create_container(Some("kv"), options).expect("a container");
    container.create_dict("d").expect("created");
    for (generation, name) in [(1, "one"), (2, "two")] {
        put_all(&container, generation);
        container.snapshot(name).expect("taken");
    }
    let url = container.url();
    container.close().expect("closed");
    drop(container);
    for round in 0..12 * test_scale() {
        let part = Part::new("snapshots::deaths::a_rollback_takes_effect_whole_or_not_at_all", url.clone());
        let mut process = part.start();
        assert_eq!(process.told().as_deref(), Some("ready"));
        std::thread::sleep(Duration::from_micros(random.below(150_000)));
        process.kill();
        let container = Container::open(&url).expect("opened");
        let now = generation_of(&container);
        assert!(now == 1 || now == 2);
        for (generation, name) in [(1, "one"), (2, "two")] {
            assert_eq!(generation_of(&container.at(name).expect("opened")), generation, "round {round}");
        }
        let same = if now == 1 { "one" } else { "two" };
        container.rollback(same).expect("rolled back");
        // Long values that compaction moved apart may count as changed.
        let really = differences(&container, same, None);
        assert!(really.iter().all(|line| line.starts_with('~')), "{really:?}");
        if round % 4 == 3 {
            container.compact().expect("compacted");
            assert_eq!(generation_of(&container), now);
        }
        let report = container.check(false).expect("checked");
        assert!(report.is_clean(), "{report:?}");
        container.close().expect("closed");
    }
}
