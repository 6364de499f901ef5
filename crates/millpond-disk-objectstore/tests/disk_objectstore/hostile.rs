//! Folders that are damaged, or made to do harm. What is read is right, or an error says what is wrong;
//! nothing panics, and nothing takes more memory than there is.

use std::{fs, io::Read, path::Path};

use millpond::{BlobId, ErrorKind, Result};
use millpond_disk_objectstore::{AddOptions, Config, Folder, ImportOptions, RepackOptions};
use millpond_testkit::{
    process::{Part, role},
    random::{Random, test_scale, test_seed},
};

use crate::{
    oracle::pack,
    scratch::{add, folder, place},
};

/// A folder with an object of each kind, and what they are.
fn small() -> (tempfile::TempDir, Folder, Vec<(BlobId, Vec<u8>)>) {
    let (dir, folder) = folder();
    let contents = [b"plain in a pack".to_vec(), b"compressed in a pack, ".repeat(20), b"loose".to_vec()];
    let mut ids = add(&folder, &contents[..1], false);
    ids.extend(add(&folder, &contents[1..2], true));
    ids.push(folder.add_loose(&mut contents[2].as_slice()).expect("added"));
    folder.close().expect("closed");
    (dir, folder, ids.into_iter().zip(contents).collect())
}

/// Everything that reads. Answers how many objects were read; wrong bytes panic.
fn read_all(path: &Path, objects: &[(BlobId, Vec<u8>)]) -> usize {
    let folder = Folder::at(path);
    let mut read = 0;
    for (id, content) in objects {
        if let Ok(found) = folder.read(id) {
            assert_eq!(&found, content, "{id} is wrong");
            read += 1;
        }
        let _ = (folder.meta(id), folder.has(id));
    }
    if let Ok(found) = folder.streams(objects.iter().map(|(id, _)| *id), false) {
        for found in found.flatten() {
            let Some(Ok(content)) = found.reader.map(|reader| reader.content()) else { continue };
            let expected = objects.iter().find(|(id, _)| *id == found.id);
            assert_eq!(Some(&content), expected.map(|(_, content)| content), "{} is wrong", found.id);
        }
    }
    if let Ok(ids) = folder.ids() {
        assert!(ids.count() < 100);
    }
    let _ = (folder.count_objects(), folder.total_size(), folder.validate(None));
    read
}

#[test]
fn whatever_byte_is_changed_nothing_wrong_is_read() {
    let (_dir, folder, objects) = small();
    let path = folder.path().to_owned();
    let text = objects[2].0.to_string();
    let mut random = Random::new(test_seed(2));
    let (mut changes, mut noticed) = (0, 0);
    for (name, share) in [
        ("config.json".to_owned(), 1),
        ("packs/0".to_owned(), 1),
        (format!("loose/{}/{}", &text[..2], &text[2..]), 1),
        ("packs.idx".to_owned(), 40 / test_scale().min(40)),
    ] {
        let file = path.join(name);
        let sound = fs::read(&file).expect("read");
        for at in (0..sound.len()).filter(|_| random.below(share) == 0).collect::<Vec<_>>() {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << random.below(8);
            fs::write(&file, &bytes).expect("written");
            changes += 1;
            noticed += usize::from(read_all(&path, &objects) < objects.len());
            // What SQLite has made of it beside it.
            for suffix in ["-wal", "-shm"] {
                let _ = fs::remove_file(path.join(format!("packs.idx{suffix}")));
            }
        }
        fs::write(&file, &sound).expect("written");
    }
    println!("{noticed} of {changes} changes were noticed");
    assert!(noticed > 50, "{noticed} of {changes}: nothing was read");
    assert_eq!(read_all(&path, &objects), objects.len());
}

#[test]
fn a_pack_that_was_cut_or_lost_is_told_of() {
    let (_dir, folder, objects) = small();
    let (id, content) = &objects[0];
    let file = pack(folder.path(), 0);
    let sound = fs::read(&file).expect("read");
    for length in 0..sound.len() {
        fs::write(&file, &sound[..length]).expect("cut");
        match folder.read(id) {
            Ok(found) => assert_eq!(&found, content),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}"),
        }
        let issues = folder.validate(None).expect("validated");
        assert!(issues.invalid_hashes_packed.contains(&objects[1].0), "{issues:?}");
        folder.repack(RepackOptions::default(), None).expect_err("there is nothing to repack");
        assert_eq!(folder.packs().expect("listed").len(), 1, "a pack was left behind");
    }
    fs::remove_file(&file).expect("removed");
    let error = folder.read(id).expect_err("it is gone");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("packs/0"), "{error}");
    // Nothing else may take the place of what is lost.
    let added = folder.add_to_pack([b"another".as_slice()], AddOptions::default(), None);
    assert_eq!(added.expect_err("refused").kind(), ErrorKind::Corrupt);
}

/// The memory that a hostile folder has to do with.
const MEMORY: u64 = 100 << 20;

/// What a small pack decompresses to.
const BOMB: u64 = 256 << 20;

fn limit_memory() {
    let statm = fs::read_to_string("/proc/self/statm").expect("known");
    let pages: u64 = statm.split(' ').next().and_then(|pages| pages.parse().ok()).expect("a number");
    let limit = pages * 4096 + MEMORY;
    let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    // SAFETY: a plain call, with a limit that outlives it.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
}

fn set_row(folder: &Folder, what: &str) {
    folder.close().expect("closed");
    let index = rusqlite::Connection::open(folder.path().join("packs.idx")).expect("opened");
    index.execute(&format!("UPDATE db_object SET {what}"), []).expect("changed");
}

fn corrupt<T: std::fmt::Debug>(what: &str, result: Result<T>) {
    let error = result.expect_err(what);
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
}

#[test]
fn sizes_that_lie_and_bombs_take_no_memory() {
    const TEST: &str = "hostile::sizes_that_lie_and_bombs_take_no_memory";
    if role().is_none() {
        // In a process of its own, whose memory is limited.
        Part::new(TEST, "limited").start().finish();
        return;
    }
    limit_memory();
    let (_dir, folder) = folder();
    let mut zeros = millpond_disk_objectstore::FromReader(std::io::repeat(0).take(BOMB));
    let options = AddOptions { compress: true, ..AddOptions::default() };
    let bomb = folder.add_one_to_pack(&mut zeros, options).expect("added");
    let length = fs::metadata(pack(folder.path(), 0)).expect("a pack").len();
    // What it is, it is: more than there is memory for. As a stream it is read.
    let error = folder.read(&bomb).expect_err("it doesn't fit");
    assert_ne!(error.kind(), ErrorKind::Corrupt, "{error}");
    let mut reader = folder.stream(&bomb).expect("opened");
    assert_eq!(std::io::copy(&mut reader, &mut std::io::sink()).expect("read"), BOMB);
    for row in [
        "size = 100".to_owned(),
        "size = 1 << 62".to_owned(),
        format!("size = {length} * 1032"),
        "size = -1".to_owned(),
        "compressed = 0, size = 1 << 40, length = 1 << 40".to_owned(),
        "compressed = 1, size = 1 << 40, length = 1 << 40".to_owned(),
        "\"offset\" = 9223372036854775807, length = 1, size = 1".to_owned(),
        "pack_id = -7, length = 1, size = 1, \"offset\" = 0".to_owned(),
        "pack_id = 0, size = 'text'".to_owned(),
    ] {
        set_row(&folder, &row);
        if !row.contains("1032") {
            corrupt(&row, folder.read(&bomb));
        }
        let streams = folder.streams([bomb], false).and_then(|mut found| found.next().expect("one"));
        let drained = streams.and_then(|found| {
            let mut reader = found.reader.expect("a stream");
            let drained = std::io::copy(&mut reader, &mut std::io::sink());
            drained.map_err(|error| error.downcast::<millpond::Error>().expect("an error of ours"))
        });
        corrupt(&row, drained);
        let issues = folder.validate(None);
        assert!(
            issues.is_ok_and(|issues| !issues.is_valid()) || row.contains("-7") || row.contains("text"),
            "{row}"
        );
        let (_other_dir, path) = place();
        let into = Folder::init(path, &Config::default()).expect("made");
        corrupt(&row, into.import([bomb], &folder, ImportOptions::default(), None));
        assert_eq!(into.count_objects().expect("counted").packed, 0);
    }
}

#[test]
fn a_damaged_row_hides_its_object_alone() {
    let (_dir, folder, objects) = small();
    let loosened = folder.loosen(&objects[1].0).expect("loosened");
    set_row(&folder, "\"offset\" = -1 WHERE compressed");
    // There is another copy of it.
    assert_eq!(read_all(folder.path(), &objects), objects.len());
    let found: Vec<_> = folder.streams(objects.iter().map(|(id, _)| *id), false).expect("asked").collect();
    assert!(found.len() == objects.len() && found.iter().all(Result::is_ok), "{found:?}");
    fs::remove_file(loosened).expect("removed");
    assert_eq!(read_all(folder.path(), &objects), objects.len() - 1);
    corrupt("alone", folder.read(&objects[1].0));
    let found: Vec<_> = folder.streams(objects.iter().map(|(id, _)| *id), false).expect("asked").collect();
    assert_eq!((found.len(), found.iter().filter(|found| found.is_err()).count()), (objects.len(), 1));
}
