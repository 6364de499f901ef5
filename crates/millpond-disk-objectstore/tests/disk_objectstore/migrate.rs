//! A folder becomes a native store: all of it, or what was missing; damaged objects are named and left out.

use std::{fs, path::Path};

use millpond::{
    BlobSettings, BlobStore, Blobs, Container, ContainerOptions, Error, ErrorKind, HashType, InsertOptions,
    Pool, PoolOptions, Progress, Result, Silent,
};
use millpond_disk_objectstore::{Config, Folder, MigrateOptions, Migrated};
use millpond_testkit::{
    process::{Part, role, tell},
    random::{Random, test_seed},
};

use crate::scratch::{add, content, folder, place};

/// A native store in a pool in `dir`.
fn native(dir: &Path, hash: HashType) -> Blobs {
    let url = format!("file://{}/pool-{hash}", dir.display());
    let pool = Pool::create(&url, PoolOptions::default()).expect("a pool");
    let container = pool.create_container(Some("files"), ContainerOptions::default()).expect("created");
    container.create_blobs("blobs", BlobSettings { hash, ..BlobSettings::default() }).expect("created")
}

fn migrate(folder: &Folder, store: &Blobs) -> Migrated {
    folder.migrate(store, &MigrateOptions::default(), &mut Silent).expect("migrated")
}

/// Fails after so many objects.
struct Until(u64);

impl Progress for Until {
    fn begin(&mut self, _: u64, _: &str) -> Result<()> {
        Ok(())
    }

    fn advance(&mut self, by: u64) -> Result<()> {
        self.0 = self.0.checked_sub(by).ok_or_else(|| Error::new(ErrorKind::Conflict, "enough"))?;
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

/// All files below a directory, with their content.
fn files(dir: &Path, all: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, all);
        } else {
            all.push((path.display().to_string(), fs::read(&path).expect("read")));
        }
    }
    all.sort();
}

#[test]
fn all_objects_are_migrated_and_the_folder_stays_as_it_was() {
    let seed = test_seed(31);
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let (dir, folder) = folder();
    let mut contents: Vec<_> = (0..120).map(|_| content(&mut random)).collect();
    add(&folder, &contents[..60], true);
    add(&folder, &contents[60..90], false);
    for content in &contents[90..] {
        folder.add_loose(&mut content.as_slice()).expect("added");
    }
    contents.sort();
    contents.dedup();
    let bytes: usize = contents.iter().map(Vec::len).sum();
    let mut before = Vec::new();
    files(&folder.path().join("packs"), &mut before);
    files(&folder.path().join("loose"), &mut before);

    let store = native(dir.path(), HashType::Sha256);
    let known = store.insert(contents[7][..].into(), &InsertOptions::default()).expect("inserted");
    let dry = MigrateOptions { dry_run: true, ..MigrateOptions::default() };
    let expected = Migrated {
        count: contents.len() as u64 - 1,
        bytes: bytes as u64 - known.raw_size,
        present: 1,
        damaged: Vec::new(),
    };
    assert_eq!(folder.migrate(&store, &dry, &mut Silent).expect("counted"), expected);
    assert_eq!(store.count().expect("counted"), 1);
    // It is interrupted, and goes on.
    let stopped = folder.migrate(&store, &MigrateOptions::default(), &mut Until(40));
    assert_eq!(stopped.expect_err("enough").kind(), ErrorKind::Conflict);
    migrate(&folder, &store);
    let again = migrate(&folder, &store);
    assert_eq!((again.count, again.present), (0, contents.len() as u64));
    assert_eq!(store.count().expect("counted"), contents.len() as u64);
    for content in &contents {
        let id = HashType::Sha256.hash(content);
        assert!(store.extract(&id).expect("there") == *content);
    }
    assert!(store.validate(true, &mut Silent).expect("validated").is_valid());
    let mut after = Vec::new();
    files(&folder.path().join("packs"), &mut after);
    files(&folder.path().join("loose"), &mut after);
    assert!(before == after, "the source changed");
}

#[test]
fn a_damaged_object_is_named_and_left_out() {
    let (dir, folder) = folder();
    let contents: Vec<_> = (0..20u8).map(|number| vec![number; 3000]).collect();
    let ids = add(&folder, &contents, false);
    let pack = folder.path().join("packs/0");
    let mut bytes = fs::read(&pack).expect("read");
    let at = bytes.iter().position(|&byte| byte == 11).expect("the object");
    bytes[at + 5] ^= 1;
    fs::write(&pack, bytes).expect("written");
    let store = native(dir.path(), HashType::Sha256);
    let migrated = migrate(&folder, &store);
    assert_eq!(migrated.count, 19);
    assert_eq!(migrated.damaged.len(), 1);
    assert_eq!(migrated.damaged[0].0, ids[11]);
    assert!(migrated.damaged[0].1.contains(&ids[11].to_string()), "{:?}", migrated.damaged);
    assert_eq!(store.count().expect("counted"), 19);
    assert!(!store.has_many(&[ids[11]]).expect("looked")[0]);
}

#[test]
fn the_hashes_have_to_be_the_same() {
    let (dir, path) = place();
    let config = Config { hash_type: HashType::Sha1, ..Config::default() };
    let folder = Folder::init(&path, &config).expect("made");
    add(&folder, &[b"abc".to_vec()], false);
    let store = native(dir.path(), HashType::Sha256);
    let refused = folder.migrate(&store, &MigrateOptions::default(), &mut Silent).expect_err("refused");
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    assert!(refused.to_string().contains("make a store of sha1"), "{refused}");
    assert_eq!(migrate(&folder, &native(dir.path(), HashType::Sha1)).count, 1);
}

/// Tells the one who began this process of each object.
struct Telling;

impl Progress for Telling {
    fn begin(&mut self, _: u64, _: &str) -> Result<()> {
        Ok(())
    }

    fn advance(&mut self, by: u64) -> Result<()> {
        tell(by);
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_killed_migration_goes_on() {
    const FOLDER: &str = "MILLPOND_TEST_FOLDER";
    if let Some(url) = role() {
        let folder = Folder::open(std::env::var_os(FOLDER).expect("a folder")).expect("opened");
        let container = Container::open(&url).expect("opened");
        let blobs = container.blobs("blobs").expect("opened");
        folder.migrate(&blobs, &MigrateOptions::default(), &mut Telling).expect("migrated");
        return;
    }
    let (dir, folder) = folder();
    // Enough for some commits of the store.
    let contents: Vec<_> = (0..300u64).map(|number| Random::new(number).bytes(400_000)).collect();
    add(&folder, &contents, false);
    let store = native(dir.path(), HashType::Sha256);
    let mut there = 0;
    for told in [1, 0, 30] {
        let mut process = Part::new("migrate::a_killed_migration_goes_on", store.container().url())
            .env(FOLDER, folder.path())
            .start();
        for _ in 0..=told {
            process.told();
        }
        process.kill();
        let count = store.count().expect("counted");
        assert!(count >= there, "{count} of {there} are left");
        there = count;
    }
    assert!(there > 0, "nothing was kept");
    let migrated = migrate(&folder, &store);
    assert_eq!(migrated.count + migrated.present, contents.len() as u64);
    assert!(store.validate(true, &mut Silent).expect("validated").is_valid());
    assert!(store.container().check(false).expect("checked").is_clean());
}
