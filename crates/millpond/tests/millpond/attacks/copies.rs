//! A pool's directory is copied, and the copy is opened beside its original.
//!
//! What can break: the two are taken for one, since they have the same identity; the copy trusts
//! control memory that was copied along; a copy of a store that was being written, of which each
//! file is of another moment, is taken for whole.

use std::{collections::BTreeSet, path::Path};

use millpond::{Container, Durability, ErrorKind};
use millpond_testkit::{
    process::{Part, role, tell},
    random::{Random, test_scale, test_seed},
};

use super::{container_in, copy_dir, plant, url_of};
use crate::scratch::noise;

fn open(pool: &Path) -> Container {
    Container::open(&format!("{}/kv", url_of(pool))).expect("opened")
}

fn keys(container: &Container) -> BTreeSet<Vec<u8>> {
    let dict = container.dict("d").expect("opened");
    let keys: BTreeSet<_> =
        dict.iter().expect("begun").map(|entry| entry.expect("read").0.to_vec()).collect();
    assert_eq!(dict.len().expect("counted"), keys.len() as u64);
    keys
}

#[test]
fn a_copy_of_a_closed_pool_is_a_pool_of_its_own() {
    open_a_copy_beside_its_original("attacks::copies::a_copy_of_a_closed_pool_is_a_pool_of_its_own", 0);
}

/// The test of the test.
#[cfg(feature = "planted-bugs")]
#[test]
fn containers_that_are_known_by_their_uuid() {
    const TEST: &str = "attacks::copies::containers_that_are_known_by_their_uuid";
    match role() {
        Some(_) => open_a_copy_beside_its_original(TEST, 0),
        None => super::assert_noticed(millpond_local::bugs::Bug::EngineByUuid, |bug| {
            open_a_copy_beside_its_original(TEST, bug);
        }),
    }
}

fn open_a_copy_beside_its_original(test: &str, bug: u32) {
    let _planted = plant(bug);
    if let Some(role) = role() {
        let container = open(Path::new(&role));
        let dict = container.dict("d").expect("opened");
        for number in 0..200u64 {
            dict.put(format!("other-{number}").as_bytes(), &noise(number, 500)).expect("put");
        }
        return container.close().expect("closed");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let (original, copy) = (dir.path().join("original"), dir.path().join("copy"));
    let container = container_in(&original, Durability::Sync);
    let dict = container.create_dict("d").expect("created");
    dict.put_many((0..500u64).map(|number| (format!("both-{number}"), noise(number, 400)))).expect("put");
    container.close().expect("closed");
    copy_dir(&original, &copy);

    let both = [open(&original), open(&copy)];
    let before = keys(&both[0]);
    assert_eq!(before, keys(&both[1]));
    for (number, container) in both.iter().enumerate() {
        let dict = container.dict("d").expect("opened");
        for key in 0..300u64 {
            dict.put(format!("of-{number}-{key}").as_bytes(), &noise(key, 700)).expect("put");
        }
        dict.put(b"long", &noise(number as u64, 50_000)).expect("put");
    }
    // Another process works on the copy only.
    Part::new(test, copy.display().to_string()).start().finish();
    for (number, container) in both.iter().enumerate() {
        let added = &keys(container) - &before;
        let foreign = format!("of-{}-", 1 - number).into_bytes();
        assert!(!added.iter().any(|key| key.starts_with(&foreign)), "the two are mixed up");
        assert_eq!(added.len(), if number == 0 { 301 } else { 501 });
        let long = container.dict("d").expect("opened").get(b"long").expect("read").expect("a value");
        assert!(long == noise(number as u64, 50_000), "the two are mixed up");
        container.compact().expect("compacted");
        assert!(container.check(false).expect("checked").is_clean());
        container.close().expect("closed");
    }
}

/// What a pair of entries of the writer below is made of.
fn pair(number: u64) -> [(String, Vec<u8>); 2] {
    let length = if number.is_multiple_of(10) { 5000 } else { 300 };
    ["a", "b"].map(|part| (format!("{number:08}-{part}"), noise(number, length)))
}

#[test]
fn a_copy_of_a_pool_that_is_being_written_is_sound_or_refused() {
    const TEST: &str = "attacks::copies::a_copy_of_a_pool_that_is_being_written_is_sound_or_refused";
    if let Some(role) = role() {
        let container = open(Path::new(&role));
        let dict = container.dict("d").expect("opened");
        for number in 0u64.. {
            dict.put_many(pair(number)).expect("put");
            if number % 200 == 199 {
                container.compact().expect("compacted");
            }
            tell(number);
        }
    }
    let seed = test_seed(1);
    let mut random = Random::new(seed);
    let dir = tempfile::tempdir().expect("a directory");
    let original = dir.path().join("original");
    let container = container_in(&original, Durability::Async);
    container.create_dict("d").expect("created");
    let mut writer = Part::new(TEST, original.display().to_string()).start();
    let (mut sound, mut refused) = (0, 0);
    for round in 0..12 * test_scale() {
        std::thread::sleep(std::time::Duration::from_millis(random.below(60)));
        let told = writer.told_already().last().map_or(0, |told| told.parse().expect("a number"));
        let copy = dir.path().join(format!("copy-{round}"));
        copy_dir(&original, &copy);
        match look(&copy, told) {
            Ok(()) => sound += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "seed {seed}, round {round}: {error}");
                refused += 1;
            }
        }
        std::fs::remove_dir_all(&copy).expect("removed");
    }
    writer.kill();
    println!("{sound} copies were sound, {refused} were refused");
    assert!(sound > 0, "none of the copies was sound: the test shows little");
    assert!(container.check(false).expect("checked").is_clean());
}

/// Reads all of a copy: what was done before it was made is there, and pairs are whole.
fn look(copy: &Path, told: u64) -> millpond::Result<()> {
    let container = Container::open(&format!("{}/kv", url_of(copy)))?;
    let dict = container.dict("d")?;
    let mut next = 0;
    let mut entries = dict.iter()?;
    while let Some(first) = entries.next() {
        let found = [first?, entries.next().expect("half a pair")?];
        let whole = pair(next).map(|(key, value)| (key.into_bytes(), value));
        let found = found.map(|(key, value)| (key.to_vec(), value.to_vec()));
        assert!(found == whole, "pair {next} is another one");
        next += 1;
    }
    assert!(next >= told, "{told} was done before the copy was made, {next} are there");
    assert_eq!(dict.len()?, 2 * next);
    dict.put(b"after", b"it can be written")?;
    container.close()
}
