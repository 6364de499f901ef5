//! The check of a container: what it finds, and what it puts right.
//!
//! Records are removed and changed below the front door, as damage or a fault in the product would.

use std::{
    fs,
    path::{Path, PathBuf},
};

use millpond::{Container, ErrorKind};
use millpond_core::{Commit, Key, Op, Write};

use crate::scratch::{Scratch, noise, refused};

on_every_backend!(
    a_sound_container_is_clean,
    a_dict_without_a_name_is_found_and_relinked,
    a_dict_without_a_header_gets_it_back,
    a_wrong_count_is_corrected,
    a_malformed_entry_is_named,
);

const CATALOGUE: [u8; 18] = [0; 18];

/// A container with a dict "d" of ten entries.
fn container(scratch: &Scratch) -> Container {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put_many((0..10u8).map(|number| ([number], "value"))).expect("put");
    dict.put(&[0], &[7; 5000]).expect("put");
    container
}

/// The id of the dict "d".
fn id(container: &Container) -> Vec<u8> {
    let record = container.store().index().get(Key::new(&CATALOGUE, b"dd")).expect("read");
    record.expect("the name's record").value[1..].to_vec()
}

fn commit(container: &Container, partition: &[u8], sort: &[u8], op: Op<'_>) {
    let write = Write { key: Key::new(partition, sort), op, tally: None };
    container
        .store()
        .index()
        .commit(&Commit { writes: vec![write], ..Commit::default() })
        .expect("committed");
}

fn a_sound_container_is_clean(scratch: &Scratch) {
    let container = container(scratch);
    for repair in [false, true] {
        let report = container.check(repair).expect("checked");
        assert!(report.is_clean(), "{report:?}");
        assert!(report.bytes > 5000, "{report:?}");
    }
}

fn a_dict_without_a_name_is_found_and_relinked(scratch: &Scratch) {
    let container = container(scratch);
    let id = id(&container);
    commit(&container, &CATALOGUE, b"dd", Op::Delete);
    refused(container.dict("d"), ErrorKind::NotFound, "no dictionary");

    let hexadecimal: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let report = container.check(false).expect("checked");
    assert_eq!((report.leaked, report.relinked.len()), (vec![hexadecimal.clone()], 0));
    let report = container.check(true).expect("checked");
    assert_eq!(report.leaked, [hexadecimal.as_str()]);
    let name = format!("lost+found-{hexadecimal}");
    assert_eq!(report.relinked, [name.as_str()]);
    let dict = container.dict(&name).expect("it is back");
    assert_eq!(dict.len().expect("counted"), 10);
    assert_eq!(dict.get(&[0]).expect("read").as_deref(), Some(&[7; 5000][..]));
    let report = container.check(true).expect("checked");
    assert!(report.is_clean(), "its header says its new name: {report:?}");
    container.destroy_dict(&name).expect("destroyed");
    assert!(container.check(false).expect("checked").is_clean());
}

fn a_dict_without_a_header_gets_it_back(scratch: &Scratch) {
    let container = container(scratch);
    let partition = [&id(&container)[..], &[0, 0]].concat();
    commit(&container, &partition, &[0], Op::Delete);
    refused(container.dict("d"), ErrorKind::Corrupt, "lost its header");
    let report = container.check(false).expect("checked");
    assert!(report.damages.iter().any(|damage| damage.what.contains("header is missing")), "{report:?}");
    container.check(true).expect("checked");
    assert_eq!(container.dict("d").expect("opened").len().expect("counted"), 10);
    assert!(container.check(false).expect("checked").is_clean());
}

fn a_wrong_count_is_corrected(scratch: &Scratch) {
    let container = container(scratch);
    let partition = [&id(&container)[..], &[0, 0]].concat();
    commit(&container, &partition, &[1], Op::Adjust(5));
    let report = container.check(true).expect("checked");
    assert_eq!(report.damages.len(), 1);
    assert!(report.damages[0].what.contains("counts 15 entries, but holds 10"), "{report:?}");
    assert_eq!(container.dict("d").expect("opened").len().expect("counted"), 10);
    assert!(container.check(false).expect("checked").is_clean());
}

fn a_malformed_entry_is_named(scratch: &Scratch) {
    let container = container(scratch);
    let partition = [&id(&container)[..], &[0, 0]].concat();
    commit(&container, &partition, &[2, 3], Op::Put { value: &[2, 0x80], extents: &[] });
    let report = container.check(false).expect("checked");
    assert_eq!(report.damages.len(), 1, "{report:?}");
    assert!(report.damages[0].what.contains("\"\\x03\""), "{report:?}");
    refused(container.dict("d").expect("opened").get(&[3]), ErrorKind::Corrupt, "\\x03");
}

/// The files below a directory, the longest first.
fn files(directory: &Path, found: &mut Vec<(u64, PathBuf)>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.metadata().expect("a file").len(), path));
        }
    }
    found.sort_by(|a, b| b.cmp(a));
}

#[test]
fn damaged_bytes_are_found_and_hide_their_own_entries_alone() {
    let scratch = Scratch::file();
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put_many((0..20_000u32).map(|key| (key.to_be_bytes(), noise(key.into(), 100)))).expect("put");
    container.compact().expect("compacted");
    let url = container.url();
    container.close().expect("closed");
    drop((dict, container));

    let mut found = Vec::new();
    files(&scratch.dir.path().join("pool"), &mut found);
    found.retain(|(_, path)| path.extension().is_some_and(|extension| extension == "run"));
    let (length, run) = &found[0];
    assert!(*length > 2_000_000, "{found:?}");
    let mut bytes = fs::read(run).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(run, bytes).expect("written");

    let container = Container::open(&url).expect("opened");
    let dict = container.dict("d").expect("opened");
    let (mut read, mut damaged) = (0, 0);
    for key in 0..20_000u32 {
        match dict.get(&key.to_be_bytes()) {
            Ok(value) => {
                assert!(value.as_deref() == Some(&noise(key.into(), 100)[..]), "a wrong value of {key}");
                read += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                damaged += 1;
            }
        }
    }
    assert!((1..200).contains(&damaged), "{damaged} entries are hidden");
    let mut walked = 0;
    let mut errors = 0;
    for entry in dict.iter().expect("begun") {
        match entry {
            Ok((key, value)) => {
                let key = u32::from_be_bytes(key[..].try_into().expect("four bytes"));
                assert!(value == noise(key.into(), 100));
                walked += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                errors += 1;
            }
        }
    }
    assert_eq!((walked, errors > 0), (read, true), "the iteration goes on behind the damage");
    assert_eq!(dict.len().expect("counted"), 20_000);

    let place = run.file_name().and_then(|name| name.to_str()).expect("a name");
    for repair in [false, true] {
        let report = container.check(repair).expect("checked");
        assert!(report.damages.iter().any(|damage| damage.place.contains(place)), "{report:?}");
        assert!(report.leaked.is_empty(), "{report:?}");
    }
    assert_eq!(dict.len().expect("counted"), 20_000, "what can't be read isn't counted out");
}
