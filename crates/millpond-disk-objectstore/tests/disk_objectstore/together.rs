//! Many at once on one folder: writers of loose objects, one who packs, cleans and repacks, readers, and one
//! who validates; and disk-objectstore among them, as far as its rules allow.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use millpond::{ErrorKind, HashType};
use millpond_disk_objectstore::{
    AddOptions, Config, Folder, FolderOptions, PackId, PackLooseOptions, RepackOptions,
};
use millpond_testkit::process::{Part, role};
use serde_json::json;

use crate::{
    oracle::{Oracle, hex},
    scratch::{folder, place},
};

const DIR: &str = "MILLPOND_TEST_DIR";
const OBJECTS: u64 = 60;

/// Half of the objects are everybody's.
fn content(writer: u64, number: u64) -> Vec<u8> {
    let writer = if number.is_multiple_of(2) { 0 } else { writer };
    format!("object {number} of {writer}, ").into_bytes().repeat(1 + number as usize * 20)
}

fn play(part: &str, path: &Path) {
    let folder = Folder::open(path).expect("opened");
    match part {
        "pack" => {
            for round in 0..12 {
                folder.pack_all_loose(PackLooseOptions::default(), None).expect("packed");
                folder.clean_storage(round % 3 == 0).expect("cleaned");
                folder
                    .repack(RepackOptions { keep_ids: round % 2 == 0, ..Default::default() }, None)
                    .expect("repacked");
            }
        }
        "validate" => {
            for _ in 0..12 {
                let issues = folder.validate(None).expect("validated");
                assert!(issues.is_valid(), "{issues:?}");
            }
        }
        writer => {
            let writer = writer.parse().expect("a number");
            for number in 0..OBJECTS {
                let content = content(writer, number);
                let id = folder.add_loose(&mut content.as_slice()).expect("added");
                // What was added is there from then on, wherever it is moved.
                for number in (0..=number).step_by(7) {
                    let content = self::content(writer, number);
                    let id = HashType::Sha256.hash(&content);
                    assert_eq!(folder.read(&id).expect("read"), content);
                    assert_eq!(
                        folder.stream_and_meta(&id).expect("opened").0.content().expect("read"),
                        content
                    );
                }
                assert!(folder.has(&id).expect("asked"));
            }
            let ids = (0..OBJECTS).map(|number| HashType::Sha256.hash(&content(writer, number)));
            for _ in 0..5 {
                let mut count = 0;
                for found in folder.streams(ids.clone(), false).expect("asked") {
                    let found = found.expect("found");
                    let content = found.reader.expect("a stream").content().expect("read");
                    assert_eq!(HashType::Sha256.hash(&content), found.id);
                    count += 1;
                }
                assert_eq!(count, OBJECTS);
            }
        }
    }
}

#[test]
fn eight_processes_lose_nothing() {
    const TEST: &str = "together::eight_processes_lose_nothing";
    if let Some(part) = role() {
        return play(&part, Path::new(&std::env::var(DIR).expect("a directory")));
    }
    let (_dir, path) = place();
    let config = Config { pack_size_target: 100_000, ..Config::default() };
    let folder = Folder::init(&path, &config).expect("made");
    let parts = ["pack", "validate", "1", "2", "3", "4", "5", "6"];
    let processes: Vec<_> = parts.map(|part| Part::new(TEST, part).env(DIR, &path).start()).into();
    processes.into_iter().for_each(|process| process.finish());
    for (writer, number) in (1..7).flat_map(|writer| (0..OBJECTS).map(move |number| (writer, number))) {
        let content = content(writer, number);
        assert_eq!(folder.read(&HashType::Sha256.hash(&content)).expect("read"), content);
    }
    assert!(folder.validate(None).expect("validated").is_valid());
    if let Some(mut oracle) = Oracle::start(TEST) {
        oracle.at(&path);
        oracle.finds_nothing_wrong();
    }
}

#[test]
fn disk_objectstore_adds_loose_objects_while_we_pack() {
    let Some(mut oracle) = Oracle::start("together::disk_objectstore_adds_loose_objects_while_we_pack")
    else {
        return;
    };
    let (_dir, folder) = folder();
    oracle.at(folder.path());
    let is_done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for number in 0..OBJECTS {
                oracle.does(json!(["add_loose", [hex(&content(1, number))]]));
            }
            is_done.store(true, Ordering::Release);
        });
        while !is_done.load(Ordering::Acquire) {
            let options = PackLooseOptions { clean_per_pack: true, ..Default::default() };
            folder.pack_all_loose(options, None).expect("packed");
        }
    });
    folder.pack_all_loose(PackLooseOptions::default(), None).expect("packed");
    folder.clean_storage(true).expect("cleaned");
    let count = folder.count_objects().expect("counted");
    assert_eq!((count.packed, count.loose), (OBJECTS, 0));
    oracle.at(folder.path());
    oracle.finds_nothing_wrong();
}

#[test]
fn one_packs_at_a_time() {
    let (_dir, folder) = folder();
    let adder = folder.pack_adder(AddOptions::default()).expect("begun");
    let options = FolderOptions { timeout: Duration::from_millis(30), ..FolderOptions::default() };
    let other = Folder::with_options(folder.path(), options);
    let error = other.pack_all_loose(PackLooseOptions::default(), None).expect_err("somebody packs");
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    let id = other.add_loose(&mut b"loose".as_slice()).expect("added nevertheless");
    drop(adder);
    other.pack_all_loose(PackLooseOptions::default(), None).expect("packed");
    assert_eq!(folder.read(&id).expect("read"), b"loose");
    // disk-objectstore's lock counts, too, as long as whoever made it lives.
    let lock = folder.path().join("packs/0.lock");
    let held = std::fs::OpenOptions::new().write(true).create_new(true).open(&lock).expect("locked");
    let add = || other.add_to_pack([b"packed".as_slice()], AddOptions::default(), None);
    assert_eq!(add().expect_err("it is locked").kind(), ErrorKind::Timeout);
    drop(held);
    add().expect("whoever made it is gone");
    assert!(!lock.exists());
    let locked = folder.lock_pack(PackId::new(0).expect("a pack")).expect("locked");
    assert!(lock.exists() && locked.path().exists());
    assert_eq!(add().expect_err("it is locked").kind(), ErrorKind::Timeout);
    drop(locked);
    assert!(!lock.exists());
}

#[test]
fn a_lock_that_disk_objectstore_removed_is_made_again() {
    let Some(mut oracle) = Oracle::start("together::a_lock_that_disk_objectstore_removed_is_made_again")
    else {
        return;
    };
    let (_dir, folder) = folder();
    oracle.at(folder.path());
    let mut adder = folder.pack_adder(AddOptions::default()).expect("begun");
    adder.add(&mut b"ours".as_slice()).expect("added");
    let lock = folder.path().join("packs/0.lock");
    assert!(lock.exists());
    // It finds the pack locked, and removes the lock all the same.
    let error = oracle.ask(json!(["add_to_pack", ["00"], false])).expect_err("it is locked");
    assert!(error.starts_with("FileExistsError"), "{error}");
    assert!(!lock.exists());
    adder.add(&mut b"ours, too".as_slice()).expect("added");
    adder.finish().expect("committed");
    oracle.at(folder.path());
    oracle.finds_nothing_wrong();
    // Where it goes on to write, ours are given up.
    let mut adder = folder.pack_adder(AddOptions::default()).expect("begun");
    adder.add(&mut b"given up".as_slice()).expect("added");
    oracle.ask(json!(["add_to_pack", ["00"], false])).expect_err("it is locked");
    oracle.does(json!(["add_to_pack", ["00"], false]));
    let error = adder.finish().expect_err("not alone");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    oracle.finds_nothing_wrong();
    assert_eq!(folder.count_objects().expect("counted").packed, 3);
    assert!(folder.validate(None).expect("validated").is_valid());
}

#[test]
fn what_a_killed_repack_of_disk_objectstore_leaves_is_read_and_put_right() {
    for has_old in [false, true] {
        let (_dir, folder) = folder();
        let ids =
            folder.add_to_pack([b"one".as_slice(), b"two"], AddOptions::default(), None).expect("added");
        let packs = folder.path().join("packs");
        // The pack was written anew, the index says so, and there it was killed.
        std::fs::copy(packs.join("0"), packs.join("-1")).expect("copied");
        std::fs::write(packs.join("-1.lock"), b"").expect("written");
        if !has_old {
            std::fs::remove_file(packs.join("0")).expect("removed");
        }
        folder.close().expect("closed");
        let index = rusqlite::Connection::open(folder.path().join("packs.idx")).expect("opened");
        index.execute("UPDATE db_object SET pack_id = -1", []).expect("changed");
        drop(index);
        assert_eq!(folder.read(&ids[1]).expect("read"), b"two");
        assert!(folder.validate(None).expect("validated").is_valid());
        folder.repack(RepackOptions::default(), None).expect("repacked");
        assert_eq!(folder.read(&ids[1]).expect("read"), b"two");
        let left: Vec<_> =
            std::fs::read_dir(&packs).expect("listed").map(|entry| entry.expect("one").file_name()).collect();
        assert_eq!(left.len(), 1, "{left:?}");
        if let Some(mut oracle) = Oracle::start("together::what_a_killed_repack") {
            oracle.at(folder.path());
            oracle.finds_nothing_wrong();
        }
    }
}
