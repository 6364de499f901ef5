//! What an earlier version wrote stays readable: `tests/fixtures` holds a pool of each released
//! format, and of the one that is to be released.
//!
//! A format that changes before its release replaces its fixture, or leaves it there under another name
//! where it is still read: run this with `MILLPOND_WRITE_FIXTURES=1`. After a release the fixture
//! stays, and gets a sibling.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use millpond::{Container, ContainerOptions, Durability, Pool, PoolOptions};

use crate::attacks::{copy_dir, files_in};

/// The one of today, and one with segments of format 1.
const FIXTURES: [&str; 2] = [env!("CARGO_PKG_VERSION"), "0.1.0-segment-1"];

fn fixture(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(version)
}

/// What every fixture holds: short and empty values, and one that is in a segment.
fn expected() -> BTreeMap<Vec<u8>, Vec<u8>> {
    let value = |number: usize| match number % 7 {
        0 => Vec::new(),
        6 if number == 48 => (0..9000).map(|byte| (byte % 251) as u8).collect(),
        length => vec![number as u8; 9 * length],
    };
    let mut entries: BTreeMap<_, _> =
        (0..200).map(|number| (format!("key-{number:03}").into_bytes(), value(number))).collect();
    entries.insert(Vec::new(), b"of the empty key".to_vec());
    entries.insert(b"\0\xFF".to_vec(), b"\0".to_vec());
    entries
}

fn write(dir: &Path) {
    let pool = Pool::create(&format!("file://{}", dir.display()), PoolOptions::default()).expect("a pool");
    let options = ContainerOptions {
        log_bytes: Some(64 << 10),
        durability: Some(Durability::Sync),
        ..ContainerOptions::default()
    };
    let container = pool.create_container(Some("kv"), options).expect("a container");
    let dict = container.create_dict("d").expect("a dictionary");
    let entries = expected();
    // Some in a run, one of them replaced and one deleted since, and some in the log.
    dict.put_many(entries.iter().take(150)).expect("put");
    dict.put_many([("key-000", "old"), ("gone", "old")]).expect("put");
    container.compact().expect("compacted");
    dict.put(b"key-000", &entries[&b"key-000"[..]]).expect("put");
    dict.delete(b"gone").expect("deleted");
    dict.put_many(entries.iter().skip(150)).expect("put");
    container.set_attribute("note", "kept").expect("set");
    container.close().expect("closed");
    drop((dict, container, pool));
    // Nothing is read of what these hold.
    for file in
        files_in(dir).into_iter().filter(|file| file.ends_with("reserve") || file.ends_with("control"))
    {
        fs::remove_file(file).expect("removed");
    }
}

#[test]
fn what_an_earlier_version_wrote_is_read_and_written_on() {
    for version in FIXTURES {
        let fixture = fixture(version);
        if std::env::var_os("MILLPOND_WRITE_FIXTURES").is_some() && version == env!("CARGO_PKG_VERSION") {
            let _ = fs::remove_dir_all(&fixture);
            write(&fixture);
        }
        let scratch = tempfile::tempdir().expect("a directory");
        let dir = scratch.path().join("pool");
        copy_dir(&fixture, &dir);

        let name = format!("file://{}/kv", dir.display());
        let container = Container::open(&name).unwrap_or_else(|error| panic!("{version}: {error}"));
        assert_eq!(container.attribute("note").expect("read"), "kept", "{version}");
        let dict = container.dict("d").expect("opened");
        let read: BTreeMap<_, _> = dict
            .iter()
            .expect("begun")
            .map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())).expect("read"))
            .collect();
        assert!(read == expected(), "{version}: something else is in it");
        assert_eq!(dict.len().expect("counted"), read.len() as u64, "{version}");

        dict.put(b"new", b"value").expect("put");
        container.compact().expect("compacted");
        assert!(container.check(false).expect("checked").damages.is_empty(), "{version}");
        container.close().expect("closed");
        let again = Container::open(&name).expect("opened").dict("d").expect("opened");
        assert_eq!(again.get(b"new").expect("read").as_deref(), Some(&b"value"[..]), "{version}");
        assert_eq!(again.len().expect("counted"), read.len() as u64 + 1, "{version}");
    }
}
