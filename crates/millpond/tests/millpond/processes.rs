//! Several processes on one container, without anything between them but the files.

use millpond::{Container, ErrorKind, Pool, limits::VALUE_INLINE_BYTES_MAX};
use millpond_testkit::process::{Part, role, tell};

use crate::scratch::{Scratch, noise, refused};

#[test]
fn processes_share_a_dict() {
    const PROCESSES: u32 = 3;
    const KEYS: u32 = 60;
    if let Some(role) = role() {
        let (number, url) = role.split_once(' ').expect("a number and a URL");
        let number: u32 = number.parse().expect("a number");
        let dict = Container::open(url).expect("opened").open_or_create_dict("d").expect("opened");
        for key in 0..KEYS {
            let value = noise(key.into(), if key % 10 == 0 { 5000 } else { 50 });
            assert!(!dict.put(&(number * 1000 + key).to_be_bytes(), &value).expect("put"));
            dict.put(b"shared", &value).expect("put");
            dict.delete(b"shared").expect("deleted");
            dict.insert_if_absent(&(100_000 + key).to_be_bytes(), &value).expect("inserted");
        }
        return;
    }
    let scratch = Scratch::file();
    let container = scratch.container();
    let processes: Vec<_> = (0..PROCESSES)
        .map(|number| {
            Part::new("processes::processes_share_a_dict", format!("{number} {}", container.url())).start()
        })
        .collect();
    processes.into_iter().for_each(|process| process.finish());
    let dict = container.dict("d").expect("opened");
    assert_eq!(dict.len().expect("counted"), u64::from((PROCESSES + 1) * KEYS));
    for number in [0, 1, 2, 100] {
        for key in 0..KEYS {
            let value = dict.get(&(number * 1000 + key).to_be_bytes()).expect("read").expect("a value");
            assert!(value == noise(key.into(), if key % 10 == 0 { 5000 } else { 50 }));
        }
    }
    assert!(container.check(false).expect("checked").is_clean());
}

/// The length of a value: some of them go to segments.
fn length(key: u32) -> usize {
    if key.is_multiple_of(4) { 4 * VALUE_INLINE_BYTES_MAX } else { 10 }
}

#[test]
fn what_a_killed_process_was_told_is_kept() {
    if let Some(url) = role() {
        let dict = Container::open(&url).expect("opened").dict("d").expect("opened");
        for key in 0u32.. {
            let long = length(key);
            dict.put_many(
                (0..3u8).map(|part| ([&key.to_be_bytes()[..], &[part]].concat(), noise(key.into(), long))),
            )
            .expect("put");
            tell(key);
        }
    }
    let scratch = Scratch::file();
    let container = scratch.container();
    container.create_dict("d").expect("created");
    for commits in [1, 20, 50] {
        let dict = container.dict("d").expect("opened");
        dict.clear().expect("cleared");
        let mut process =
            Part::new("processes::what_a_killed_process_was_told_is_kept", container.url()).start();
        for _ in 0..commits {
            process.told().expect("a commit");
        }
        process.kill();
        let mut last = commits - 1;
        while let Some(told) = process.told() {
            last = told.parse().expect("a number");
        }
        let entries: Vec<_> = dict.iter().expect("begun").map(|entry| entry.expect("read")).collect();
        assert_eq!(entries.len() as u64, dict.len().expect("counted"));
        assert!(entries.len() % 3 == 0, "a commit is there in part");
        let count = entries.len() / 3;
        assert!(count as u32 == last + 1 || count as u32 == last + 2, "{count} commits, {last} was told");
        for (place, (key, value)) in entries.iter().enumerate() {
            let number = (place / 3) as u32;
            assert_eq!(key[..4], number.to_be_bytes());
            assert!(*value == noise(number.into(), length(number)));
        }
    }
    assert!(container.check(false).expect("checked").is_clean());
}

#[test]
fn a_container_that_another_process_has_open_is_busy() {
    if let Some(url) = role() {
        let dict = Container::open(&url).expect("opened").dict("d").expect("opened");
        tell("open");
        // Until the container is gone under its hands.
        let error = loop {
            if let Err(error) = dict.put(b"key", b"value").and_then(|_| dict.get(b"key")) {
                break error;
            }
        };
        tell(format!("{:?}", error.kind()));
        return;
    }
    let scratch = Scratch::file();
    let container = scratch.container();
    container.create_dict("d").expect("created");
    let url = container.url();
    let mut process = Part::new("processes::a_container_that_another_process_has_open_is_busy", &url).start();
    assert_eq!(process.told().as_deref(), Some("open"));
    container.close().expect("closed");
    drop(container);
    let pool = Pool::open(&scratch.url).expect("opened");
    refused(pool.destroy_container("kv", false), ErrorKind::Busy, "");
    pool.destroy_container("kv", true).expect("destroyed");
    assert_eq!(process.told().as_deref(), Some("Closed"));
    process.finish();
    refused(Container::open(&url), ErrorKind::NotFound, "kv");
}
