//! A million keys, opened again.

use std::time::{Duration, Instant};

use millpond::{Container, ContainerOptions, DictRange, Durability, Pool, PoolOptions};
use millpond_testkit::random::{Random, test_seed};

use super::url_of;

const BATCH: u64 = 100_000;
/// It takes seconds; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// Keys in no order, of which none occurs twice.
fn key(number: u64) -> [u8; 8] {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()
}

fn value(number: u64) -> Vec<u8> {
    Random::new(number).bytes(20 + (number % 40) as usize)
}

#[test]
fn a_million_keys_are_there_again() {
    open_again(1_000_000);
}

/// The test of the test: an index whose levels are too few for so many blocks.
#[cfg(feature = "planted-bugs")]
#[test]
fn an_index_of_two_levels() {
    super::assert_noticed(millpond_local::bugs::Bug::IndexOfTwoLevels, |bug| {
        let _planted = super::plant(bug);
        open_again(500_000);
    });
}

/// Puts so many keys, and opens them again.
fn open_again(keys: u64) {
    let seed = test_seed(1);
    let began = Instant::now();
    let dir = tempfile::tempdir().expect("a directory");
    let pool = Pool::create(&url_of(&dir.path().join("pool")), PoolOptions::default()).expect("a pool");
    let options = ContainerOptions { durability: Some(Durability::Async), ..ContainerOptions::default() };
    let container = pool.create_container(Some("kv"), options).expect("a container");
    let dict = container.create_dict("d").expect("created");
    for batch in 0..keys / BATCH {
        let numbers = batch * BATCH..(batch + 1) * BATCH;
        dict.put_many(numbers.map(|number| (key(number), value(number)))).expect("put");
    }
    // And some that change what is in the runs, and stay in the log.
    let changed = |number: u64| number % 1000 == 7;
    for number in (0..keys).filter(|number| changed(*number)) {
        dict.put(&key(number), b"changed").expect("put");
    }
    container.close().expect("closed");
    drop((dict, container));
    for round in 0..2 {
        let container = Container::open(&format!("{}/kv", pool.url())).expect("opened");
        let dict = container.dict("d").expect("opened");
        assert_eq!(dict.len().expect("counted"), keys);
        let mut random = Random::new(seed + round);
        for _ in 0..2000 {
            let number = random.below(keys);
            let right = if changed(number) { b"changed".to_vec() } else { value(number) };
            assert_eq!(dict.get(&key(number)).expect("read").as_deref(), Some(&right[..]), "{number}");
            assert_eq!(dict.get(&key(keys + number)).expect("read"), None);
        }
        let mut last: Option<Vec<u8>> = None;
        let mut count = 0;
        for found in dict.range(DictRange::default()).expect("begun").keys_only() {
            let found = found.expect("read").to_vec();
            assert!(last.as_ref().is_none_or(|last| *last < found), "the keys are out of order");
            last = Some(found);
            count += 1;
        }
        assert_eq!(count, keys);
        container.compact().expect("compacted");
        container.close().expect("closed");
    }
    assert!(began.elapsed() < PATIENCE, "it took {:?}", began.elapsed());
}
