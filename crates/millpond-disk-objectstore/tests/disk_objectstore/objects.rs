//! Objects: stored, read, sought, moved under their readers.

use std::{
    collections::BTreeSet,
    fs,
    io::{Cursor, Read, Seek, SeekFrom, Write},
};

use millpond::{BlobId, BlobStore, ErrorKind, InsertOptions};
use millpond_disk_objectstore::{
    AddOptions, Config, Folder, FromReader, FromSeekable, ObjectMeta, PackLooseOptions, RepackOptions, Source,
};
use millpond_testkit::random::{Random, test_seed};

use crate::{
    oracle::pack,
    scratch::{Notes, add, content, folder, place},
};

#[test]
fn a_reader_seeks_as_a_plain_file_does() {
    let (_dir, folder) = folder();
    let mut random = Random::new(test_seed(4));
    let long: Vec<u8> = (0..9_000_000).map(|_| random.below(20) as u8).collect();
    let contents = [content(&mut random), b"".to_vec(), random.bytes(70_000), vec![7; 300_000], long];
    let mut ids = add(&folder, &contents[..3], false);
    ids.extend(add(&folder, &contents[3..], true));
    let loose = random.bytes(100_000);
    ids.push(folder.add_loose(&mut loose.as_slice()).expect("added"));
    for (id, content) in ids.iter().zip(contents.iter().chain([&loose])) {
        let mut plain = Cursor::new(content);
        let mut reader = folder.stream(id).expect("opened");
        for _ in 0..40 {
            let length = content.len() as i64;
            let to = match random.below(3) {
                0 => SeekFrom::Start(random.below(length as u64 + 10)),
                1 => SeekFrom::Current(random.below(2 * length as u64 + 2) as i64 - length),
                _ => SeekFrom::End(random.below(length as u64 + 10) as i64 - length - 3),
            };
            match (plain.seek(to), reader.seek(to)) {
                (Ok(expected), Ok(found)) => assert_eq!(found, expected, "{to:?}"),
                (Err(_), Err(_)) => {}
                (expected, found) => panic!("{to:?}: {found:?}, not {expected:?}"),
            }
            let wanted = random.index(20_000);
            let (mut expected, mut found) = (Vec::new(), Vec::new());
            plain.by_ref().take(wanted as u64).read_to_end(&mut expected).expect("read");
            reader.by_ref().take(wanted as u64).read_to_end(&mut found).expect("read");
            assert!(found == expected, "{wanted} bytes after {to:?}");
        }
        assert_eq!(&folder.read(id).expect("read"), content);
    }
}

#[test]
fn readers_go_on_whatever_becomes_of_packs() {
    for keep_ids in [false, true] {
        let (_dir, path) = place();
        let config = Config { pack_size_target: 50_000, ..Config::default() };
        let folder = Folder::init(&path, &config).expect("made");
        let mut random = Random::new(6);
        let contents: Vec<_> = (0..60).map(|number| [&[number][..], &random.bytes(4000)].concat()).collect();
        let ids = add(&folder, &contents, false);
        let content_of = |id: &BlobId| &contents[ids.iter().position(|other| other == id).expect("known")];
        let other = Folder::open(&path).expect("opened");
        // Held open, in the middle, and a list that was begun.
        let mut reader = other.stream(&ids[0]).expect("opened");
        let mut half = vec![0; 2000];
        reader.read_exact(&mut half).expect("read");
        let mut objects = other.streams(ids.clone(), false).expect("asked");
        let mut seen = BTreeSet::new();
        for round in 0..4 {
            for found in objects.by_ref().take(15) {
                let found = found.expect("found");
                assert!(seen.insert(found.id), "{} comes twice", found.id);
                let content = found.reader.expect("a stream").content().expect("read");
                assert_eq!(&content, content_of(&found.id), "round {round}");
            }
            folder.repack(RepackOptions { keep_ids, ..Default::default() }, None).expect("repacked");
            // New packs take the numbers of old ones.
            add(&folder, &[random.bytes(60_000), random.bytes(60_000)], false);
        }
        assert_eq!(seen.len(), ids.len());
        reader.read_to_end(&mut half).expect("read");
        assert_eq!(half, contents[0]);
        for id in &ids {
            assert_eq!(&other.read(id).expect("read"), content_of(id));
        }
    }
}

#[test]
fn what_is_known_leaves_no_hole() {
    let (_dir, folder) = folder();
    let mut random = Random::new(8);
    let contents = [random.bytes(10), random.bytes(100_000), random.bytes(3 << 20), Vec::new()];
    add(&folder, &contents, false);
    let size = fs::metadata(pack(folder.path(), 0)).expect("a pack").len();
    let readers = || contents.iter().chain(&contents).map(|content| FromReader(content.as_slice()));
    for compress in [false, true] {
        let options = AddOptions { compress, ..AddOptions::default() };
        folder.add_to_pack(readers(), options, None).expect("added");
        assert_eq!(fs::metadata(pack(folder.path(), 0)).expect("a pack").len(), size);
    }
    let twice = contents.iter().map(|content| FromSeekable(Cursor::new(content.clone())));
    let options = AddOptions { no_holes: true, read_twice: true, ..AddOptions::default() };
    folder.add_to_pack(twice, options, Some(&mut Notes::default())).expect("added");
    // In one go, too, where none of them is in the index yet.
    let fresh = random.bytes(2 << 20);
    let both = [fresh.as_slice(), &fresh].map(FromReader);
    let ids = folder.add_to_pack(both, AddOptions::default(), None).expect("added");
    assert_eq!(ids[0], ids[1]);
    assert_eq!(fs::metadata(pack(folder.path(), 0)).expect("a pack").len(), size + (2 << 20));
    assert_eq!(folder.count_objects().expect("counted").packed, 5);
}

#[test]
fn what_was_not_committed_is_seen_by_its_handle_alone() {
    let (_dir, folder) = folder();
    let other = Folder::open(folder.path()).expect("opened");
    let options = AddOptions { commit: false, ..AddOptions::default() };
    let id = folder.add_to_pack([b"waits".as_slice()], options, None).expect("added")[0];
    assert_eq!(folder.read(&id).expect("read"), b"waits");
    assert!(!other.has(&id).expect("asked"));
    folder.commit().expect("committed");
    assert_eq!(other.read(&id).expect("read"), b"waits");
    let id = folder.add_to_pack([b"is forgotten".as_slice()], options, None).expect("added")[0];
    folder.close().expect("closed");
    assert!(!folder.has(&id).expect("asked"));
    assert!(folder.validate(None).expect("validated").is_valid());
}

/// A stream that breaks.
struct Broken(u64);

impl Read for Broken {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(1).ok_or_else(|| std::io::Error::other("it broke"))?;
        room.fill(9);
        Ok(room.len())
    }
}

#[test]
fn a_stream_that_breaks_leaves_nothing() {
    let (_dir, folder) = folder();
    let kept = add(&folder, &[b"kept".to_vec()], false)[0];
    for reads in [0, 1, 50] {
        let error = folder.add_loose(&mut FromReader(Broken(reads))).expect_err("broken");
        assert!(error.to_string().contains("it broke"), "{error}");
        for compress in [false, true] {
            let sources: [Box<dyn Source>; 2] =
                [Box::new(b"before".as_slice()), Box::new(FromReader(Broken(reads)))];
            let options = AddOptions { compress, ..AddOptions::default() };
            folder.add_to_pack(sources, options, None).expect_err("broken");
        }
        assert_eq!(folder.count_objects().expect("counted").loose, 0);
        assert_eq!(fs::metadata(pack(folder.path(), 0)).expect("a pack").len(), 4);
        assert!(fs::read_dir(folder.path().join("sandbox")).expect("a directory").next().is_none());
    }
    // After one that broke, others are added as they should be.
    let mut adder = folder.pack_adder(AddOptions { compress: true, ..AddOptions::default() }).expect("begun");
    adder.add(&mut FromReader(Broken(50))).expect_err("broken");
    let after = adder.add(&mut b"after".as_slice()).expect("added");
    adder.finish().expect("finished");
    assert_eq!(folder.read(&after).expect("read"), b"after");
    assert_eq!(folder.read(&kept).expect("read"), b"kept");
}

#[test]
fn a_damaged_loose_object_is_replaced_when_it_is_added_again() {
    let (_dir, folder) = folder();
    let content = b"as it should be".repeat(50_000);
    let id = folder.add_loose(&mut content.as_slice()).expect("added");
    let text = id.to_string();
    let path = folder.path().join("loose").join(&text[..2]).join(&text[2..]);
    for damage in [&b"damaged"[..], b""] {
        fs::write(&path, damage).expect("written");
        assert_eq!(folder.read(&id).expect_err("damaged").kind(), ErrorKind::Corrupt);
        assert_eq!(folder.validate(None).expect("validated").invalid_hashes_loose, [id]);
        let error = folder.pack_all_loose(PackLooseOptions::default(), None).expect_err("damaged");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        folder.add_loose(&mut FromReader(content.as_slice())).expect("added again");
        assert_eq!(folder.read(&id).expect("read"), content);
    }
}

#[test]
fn loose_objects_come_and_go() {
    let (_dir, folder) = folder();
    let packed = add(&folder, &[b"packed".repeat(1000)], true)[0];
    let path = folder.loosen(&packed).expect("loosened");
    assert_eq!(fs::read(&path).expect("a file"), b"packed".repeat(1000));
    assert_eq!(folder.count_objects().expect("counted").loose, 1);
    assert!(matches!(folder.meta(&packed).expect("known"), ObjectMeta::Packed(_)));
    assert_eq!(folder.as_store().expect("a store").count().expect("counted"), 1);
    // A pack that is too short isn't trusted to have what the loose file has.
    let pack = fs::OpenOptions::new().write(true).open(pack(folder.path(), 0)).expect("opened");
    let length = pack.metadata().expect("known").len();
    pack.set_len(length - 1).expect("cut");
    folder.clean_storage(false).expect("cleaned");
    assert!(path.exists());
    let deleted = folder.delete([packed, packed]).expect("deleted");
    assert_eq!(deleted, [packed]);
    assert!(!path.exists() && !folder.has(&packed).expect("asked"));
    let error = folder.read(&packed).expect_err("there is none");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn duplicates_are_put_in_place_or_removed() {
    let (_dir, folder) = folder();
    let id = folder.add_loose(&mut b"content".as_slice()).expect("added");
    let duplicates = folder.path().join("duplicates");
    let duplicate = |digit: &str, bytes: &[u8]| {
        fs::write(duplicates.join(format!("{id}.{}", digit.repeat(32))), bytes).expect("written");
    };
    duplicate("a", b"content");
    folder.clean_storage(false).expect("cleaned");
    assert!(fs::read_dir(&duplicates).expect("listed").next().is_none());
    let text = id.to_string();
    fs::write(folder.path().join("loose").join(&text[..2]).join(&text[2..]), b"damaged").expect("written");
    duplicate("b", b"damaged, too");
    assert_eq!(folder.clean_storage(false).expect_err("all damaged").kind(), ErrorKind::Corrupt);
    duplicate("c", b"content");
    folder.clean_storage(false).expect("cleaned");
    assert_eq!(folder.read(&id).expect("read"), b"content");
    assert!(fs::read_dir(&duplicates).expect("listed").next().is_none());
    duplicate("d", b"content");
    assert_eq!(folder.delete([id]).expect("deleted"), [id]);
    assert!(fs::read_dir(&duplicates).expect("listed").next().is_none());
}

#[test]
fn it_is_a_store_of_blobs() {
    let (_dir, folder) = folder();
    let store = folder.as_store().expect("a store");
    let options = InsertOptions::default();
    let one = store.insert(b"one"[..].into(), &options).expect("inserted");
    assert!(one.is_new);
    assert!(!store.insert(b"one"[..].into(), &options).expect("inserted").is_new);
    let file = folder.path().parent().expect("a directory").join("file");
    fs::File::create(&file).expect("made").write_all(b"two").expect("written");
    let sources = vec![
        Ok(millpond::BlobSource::Path(file)),
        Ok(millpond::BlobSource::Reader(Box::new(b"three".as_slice()))),
        Ok(b"one"[..].into()),
    ];
    let inserted = store.insert_many(Box::new(sources.into_iter()), &options).expect("begun");
    let inserted: Vec<_> = inserted.map(|one| one.expect("inserted")).collect();
    let told: Vec<_> = inserted.iter().map(|one| (one.raw_size, one.is_new)).collect();
    assert_eq!(told, [(3, true), (5, true), (3, false)]);
    let absent = store.hash_type().hash(b"absent");
    let ids: Vec<_> = inserted.iter().map(|one| one.id).chain([absent]).collect();
    assert_eq!(store.has_many(&ids).expect("asked"), [true, true, true, false]);
    assert_eq!(store.extract(&ids[1]).expect("read"), b"three"[..]);
    let found = store.extract_many(Box::new(ids.clone().into_iter())).expect("asked");
    let found: Vec<_> = found.map(|one| one.expect("found").content.is_some()).collect();
    assert_eq!(found, [true, true, true, false]);
    assert_eq!(store.count().expect("counted"), 3);
    assert_eq!(store.meta_many(&ids).expect("known")[1].as_ref().map(|meta| meta.raw_size), Some(5));
    assert!(store.open(&absent).expect("asked").is_none());
    let note = InsertOptions { note: Some(bytes::Bytes::from_static(b"a note")), ..InsertOptions::default() };
    assert_eq!(store.insert(b"x"[..].into(), &note).expect_err("refused").kind(), ErrorKind::NotSupported);
}

/// Files that this process has open below a directory.
fn open_below(path: &std::path::Path) -> Vec<std::path::PathBuf> {
    let open =
        fs::read_dir("/proc/self/fd").expect("listed").filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
    open.filter(|file| file.starts_with(path)).collect()
}

#[test]
fn nothing_stays_open() {
    let (_dir, folder) = folder();
    let ids = add(&folder, &[b"one".to_vec(), b"two".repeat(1000)], true);
    folder.add_loose(&mut b"loose".as_slice()).expect("added");
    for _ in 0..3 {
        folder.pack_all_loose(PackLooseOptions::default(), None).expect("packed");
        folder.repack(RepackOptions::default(), None).expect("repacked");
        assert!(folder.validate(None).expect("validated").is_valid());
        for found in folder.streams(ids.clone(), true).expect("asked") {
            found.expect("found").reader.expect("a stream").content().expect("read");
        }
        folder.read(&folder.config().expect("known").hash_type.hash(b"absent")).expect_err("there is none");
        let index_only = |file: &std::path::PathBuf| {
            file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("packs.idx"))
        };
        let open = open_below(folder.path());
        assert!(open.len() <= 3 && open.iter().all(index_only), "{open:?}");
    }
    folder.close().expect("closed");
    assert_eq!(open_below(folder.path()), Vec::<std::path::PathBuf>::new());
}
