//! Folders in every setting, made by one and used by the other.

use std::fs;

use millpond::{ErrorKind, HashType};
use millpond_disk_objectstore::{AddOptions, CompressMode, Config, Folder, PackLooseOptions};
use millpond_testkit::random::Random;
use serde_json::json;

use crate::{
    oracle::{Oracle, hex, pack},
    scratch::{add, content, place},
};

/// Every prefix length, both hashes, some levels.
fn configs() -> impl Iterator<Item = Config> {
    (0..=4).flat_map(|loose_prefix_len| {
        [(HashType::Sha256, 1), (HashType::Sha1, 9), (HashType::Sha256, 6)].map(|(hash_type, zlib_level)| {
            Config { loose_prefix_len, hash_type, zlib_level, pack_size_target: 30_000, ..Config::default() }
        })
    })
}

fn contents(seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    let mut contents: Vec<_> = (0..25).map(|_| content(&mut random)).collect();
    contents.push(Vec::new());
    contents
}

#[test]
fn what_disk_objectstore_wrote_is_read_and_the_reverse() {
    let Some(mut oracle) = Oracle::start("settings::what_disk_objectstore_wrote_is_read_and_the_reverse")
    else {
        return;
    };
    for (number, config) in configs().enumerate() {
        let contents = contents(number as u64);
        let digits: Vec<_> = contents.iter().map(|content| hex(content)).collect();
        let (_dir, theirs) = place();
        let options = json!({
            "loose_prefix_len": config.loose_prefix_len, "hash_type": config.hash_type,
            "pack_size_target": config.pack_size_target, "compression_algorithm": config.compression_algorithm(),
        });
        oracle.does(json!(["init", theirs, options]));
        oracle.does(json!(["add_loose", digits[..8]]));
        oracle.does(json!(["add_to_pack", digits[8..14], false]));
        oracle.does(json!(["add_to_pack", digits[14..], true]));
        let keys = oracle.does(json!(["list"]));
        oracle.does(json!(["close"]));

        let folder = Folder::open(&theirs).expect("opened");
        let read = folder.config().expect("a configuration");
        assert_eq!(read, &Config { container_id: read.container_id.clone(), ..config.clone() });
        let mut ids: Vec<_> =
            folder.ids().expect("listed").map(|id| id.expect("an id").to_string()).collect();
        ids.sort();
        assert_eq!(json!(ids), keys);
        for content in &contents {
            assert_eq!(&folder.read(&config.hash_type.hash(content)).expect("read"), content);
        }
        assert!(folder.validate(None).expect("validated").is_valid());

        let (_dir, path) = place();
        let folder = Folder::init(&path, &config).expect("made");
        for content in &contents[..8] {
            folder.add_loose(&mut content.as_slice()).expect("added");
        }
        add(&folder, &contents[8..14], false);
        add(&folder, &contents[14..], true);
        folder.close().expect("closed");
        oracle.at(&path);
        oracle.finds_nothing_wrong();
        assert_eq!(oracle.does(json!(["list"])), keys);
        let ids: Vec<_> = contents.iter().map(|content| config.hash_type.hash(content).to_string()).collect();
        assert_eq!(oracle.does(json!(["read", ids])), json!(digits));
    }
}

#[test]
fn packs_are_the_same_to_the_byte() {
    let Some(mut oracle) = Oracle::start("settings::packs_are_the_same_to_the_byte") else { return };
    let contents: Vec<_> =
        contents(7).into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    let digits: Vec<_> = contents.iter().map(|content| hex(content)).collect();
    for zlib_level in 1..=9 {
        let config = Config { zlib_level, ..Config::default() };
        let ((_dir, theirs), (_other_dir, path)) = (place(), place());
        oracle.does(json!(["init", theirs, {"compression_algorithm": config.compression_algorithm()}]));
        oracle.does(json!(["add_to_pack", digits, true]));
        let folder = Folder::init(&path, &config).expect("made");
        add(&folder, &contents, true);
        let packs = [&theirs, &path].map(|folder| fs::read(pack(folder, 0)).expect("a pack"));
        assert!(packs[0] == packs[1], "at level {zlib_level}");
    }
}

#[test]
fn both_find_the_same_objects_worth_compressing() {
    let Some(mut oracle) = Oracle::start("settings::both_find_the_same_objects_worth_compressing") else {
        return;
    };
    let (_dir, path) = place();
    let folder = Folder::init(&path, &Config::default()).expect("made");
    let mut random = Random::new(millpond_testkit::random::test_seed(3));
    let mut decisions = Vec::new();
    for turn in 0..150 {
        // Random bytes among others, so that many are near the threshold.
        let length = if turn % 10 == 0 { random.below(1 << 20) } else { random.below(3000) } as usize;
        let permille = 550 + random.below(450);
        let content: Vec<u8> =
            (0..length).map(|_| if random.chance(permille) { random.below(256) as u8 } else { 0 }).collect();
        let id = folder.add_loose(&mut content.as_slice()).expect("added");
        decisions.push((id, oracle.would_compress(&content)));
    }
    let options = PackLooseOptions { compress: CompressMode::Auto, ..PackLooseOptions::default() };
    folder.pack_all_loose(options, None).expect("packed");
    let mut counts = [0, 0];
    for (id, is_worth) in decisions {
        let meta = folder.meta(&id).expect("known");
        let millpond_disk_objectstore::ObjectMeta::Packed(place) = meta else { panic!("{id} is {meta:?}") };
        assert_eq!(place.is_compressed, is_worth, "{id}, {} bytes", place.size);
        counts[usize::from(is_worth)] += 1;
    }
    assert!(counts.iter().all(|&count| count > 20), "one-sided: {counts:?}");
}

#[test]
fn the_index_has_the_same_schema() {
    let Some(mut oracle) = Oracle::start("settings::the_index_has_the_same_schema") else { return };
    let ((_dir, theirs), (_other_dir, path)) = (place(), place());
    oracle.does(json!(["init", theirs, {}]));
    oracle.does(json!(["close"]));
    Folder::init(&path, &Config::default()).expect("made").close().expect("closed");
    let [theirs, ours] = [theirs, path].map(|folder| {
        let index = rusqlite::Connection::open(folder.join("packs.idx")).expect("opened");
        let mut statement =
            index.prepare("SELECT type, name, sql FROM sqlite_master ORDER BY name").expect("asked");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
        let rows: Vec<(String, String, String)> =
            rows.expect("asked").map(|row| row.expect("a row")).collect();
        let mode: String = index.query_row("PRAGMA journal_mode", [], |row| row.get(0)).expect("a mode");
        (rows, mode)
    });
    assert_eq!(ours, theirs);
}

#[test]
fn a_folder_is_made_once_and_in_an_empty_directory() {
    let (_dir, path) = place();
    let config = Config { loose_prefix_len: 3, ..Config::default() };
    let folder = Folder::init(&path, &config).expect("made");
    let id = folder.add_loose(&mut b"here".as_slice()).expect("added");
    assert_eq!(Folder::init(&path, &config).expect_err("refused").kind(), ErrorKind::AlreadyExists);
    assert!(folder.has(&id).expect("asked"));
    let folder = Folder::init_cleared(&path, &Config::default()).expect("made anew");
    assert!(!folder.has(&id).expect("asked"));
    // As a beginning that was killed leaves it.
    drop(folder);
    fs::remove_file(path.join("config.json")).expect("removed");
    assert_eq!(Folder::open(&path).expect_err("refused").kind(), ErrorKind::NotFound);
    assert!(!Folder::at(&path).is_initialised());
    Folder::init(&path, &config).expect("made after all");
    fs::remove_file(path.join("config.json")).expect("removed");
    fs::write(path.join("else"), b"of somebody else").expect("written");
    assert_eq!(Folder::init(&path, &config).expect_err("refused").kind(), ErrorKind::AlreadyExists);
}

#[test]
fn another_version_is_refused() {
    let (_dir, path) = place();
    Folder::init(&path, &Config::default()).expect("made");
    fs::write(path.join("config.json"), br#"{"container_version": 2}"#).expect("written");
    let error = Folder::open(&path).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(error.to_string().contains("config.json"), "{error}");
    fs::write(path.join("config.json"), b"{}").expect("written");
    let folder = Folder::open(&path).expect("all defaults");
    let ids = folder.add_to_pack([b"x".as_slice()], AddOptions::default(), None).expect("added");
    assert_eq!(folder.read(&ids[0]).expect("read"), b"x");
}
