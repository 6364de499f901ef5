//! Backups: a container comes back from one as it was, and those that follow share what didn't change.

mod concurrent;
mod damage;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use millpond::{
    Backup, BlobSettings, BlobStore, Container, ContainerOptions, ContainerType, ErrorKind, InsertOptions,
    OpenOptions, Pool, PoolOptions, Progress, Result, Silent, WatchOptions,
};

use crate::scratch::{Scratch, noise, refused};

/// Where backups go.
fn place(scratch: &Scratch) -> PathBuf {
    scratch.dir.path().join("backups")
}

/// Another pool, to restore to.
fn other_pool(scratch: &Scratch) -> Pool {
    let url = format!("file://{}/other", scratch.dir.path().display());
    Pool::create(&url, PoolOptions::default()).expect("a pool")
}

fn back_up(container: &Container, to: &Path) -> Backup {
    container.backup(to, None, &mut Silent).expect("backed up")
}

fn put(container: &Container, dict: &str, from: u64, to: u64) {
    let dict = container.open_or_create_dict(dict).expect("a dict");
    for key in from..to {
        let length = if key % 7 == 0 { 30_000 } else { 40 };
        dict.put(&key.to_be_bytes(), &noise(key, length)).expect("put");
    }
}

fn entries(container: &Container, dict: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let dict = container.dict(dict).expect("a dict");
    let entries = dict.iter().expect("begun").map(|entry| entry.expect("read"));
    entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// The files of a backup by their path in it, with their inodes.
fn files(backup: &Path) -> BTreeMap<String, u64> {
    let mut files = BTreeMap::new();
    for part in ["", "log", "runs", "segments"] {
        for entry in fs::read_dir(backup.join(part)).expect("a directory") {
            let entry = entry.expect("an entry");
            let metadata = entry.metadata().expect("metadata");
            if metadata.is_file() {
                files.insert(format!("{part}/{}", entry.file_name().to_string_lossy()), metadata.ino());
            }
        }
    }
    files
}

/// The names in the directory of backups.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn all_of_a_container_comes_back() {
    let scratch = Scratch::file();
    let options = ContainerOptions { container_type: ContainerType::BLOB, ..ContainerOptions::default() };
    let container = scratch.pool().create_container(Some("files"), options).expect("created");
    put(&container, "d", 0, 300);
    let blobs = container.create_blobs("blobs", BlobSettings::default()).expect("created");
    let ids: Vec<_> = (0..50)
        .map(|number| {
            let content = noise(number, 1000 * number as usize);
            blobs.insert(content[..].into(), &InsertOptions::default()).expect("inserted").id
        })
        .collect();
    container.snapshot("then").expect("taken");
    put(&container, "d", 100, 200);
    container.dict("d").expect("a dict").delete(&7u64.to_be_bytes()).expect("deleted");
    container.set_attribute("owner", "ada").expect("set");
    let expected = entries(&container, "d");

    let backup = back_up(&container, &place(&scratch));
    assert_eq!(backup.container, container.uuid());
    assert_eq!(backup.bytes_linked, 0);
    put(&container, "d", 1000, 1100);

    let pool = other_pool(&scratch);
    let restored = pool.restore(&backup.path, None, &mut Silent).expect("restored");
    assert_eq!((restored.label(), restored.uuid()), (Some("files"), container.uuid()));
    assert_eq!(restored.container_type(), ContainerType::BLOB);
    assert_eq!(restored.attribute("owner").expect("set"), "ada");
    assert!(entries(&restored, "d") == expected);
    assert_eq!(restored.snapshots().expect("listed").len(), 1);
    let blobs = restored.blobs("blobs").expect("opened");
    for (number, id) in ids.iter().enumerate() {
        assert!(blobs.extract(id).expect("extracted") == noise(number as u64, 1000 * number));
    }
    assert!(restored.check(false).expect("checked").is_clean());
    // It is a container like any other, and no longer the one that it was.
    put(&restored, "d", 2000, 2300);
    restored.compact().expect("compacted");
    restored.close().expect("closed");
    let restored = pool.container("files").expect("opened again");
    assert_eq!(entries(&restored, "d").len(), expected.len() + 300);
    assert!(restored.check(false).expect("checked").is_clean());
    assert_eq!(entries(&container, "d").len(), expected.len() + 100);
    assert!(container.check(false).expect("checked").is_clean());
}

#[test]
fn what_did_not_change_is_shared() {
    let scratch = Scratch::file();
    let container = scratch.container();
    put(&container, "d", 0, 400);
    container.close().expect("closed");
    let container = Pool::open(&scratch.url).expect("a pool").container("kv").expect("opened");
    let first = back_up(&container, &place(&scratch));
    put(&container, "d", 400, 420);
    let second = back_up(&container, &place(&scratch));
    assert!(second.epoch > first.epoch);
    let (before, after) = (files(&first.path), files(&second.path));
    let shared: Vec<_> = before.iter().filter(|(name, inode)| after.get(*name) == Some(inode)).collect();
    assert!(shared.iter().any(|(name, _)| name.starts_with("runs/")), "{before:?} {after:?}");
    assert!(shared.iter().any(|(name, _)| name.starts_with("segments/")), "{before:?} {after:?}");
    assert!(!shared.iter().any(|(name, _)| name.starts_with("/") || name.starts_with("log/")));
    assert!(second.bytes_linked > second.bytes / 4 && second.bytes_linked < second.bytes, "{second:?}");
    // Nothing changed: only the books are written anew.
    let third = back_up(&container, &place(&scratch));
    assert!(third.bytes - third.bytes_linked < 2 << 20, "{third:?}");
    assert_eq!(
        fs::read_link(place(&scratch).join("last-backup")).ok(),
        third.path.file_name().map(Into::into)
    );
    // Each is whole without the others.
    fs::remove_dir_all(&first.path).expect("removed");
    fs::remove_dir_all(&third.path).expect("removed");
    let restored = other_pool(&scratch).restore(&second.path, None, &mut Silent).expect("restored");
    assert!(entries(&restored, "d") == entries(&container, "d"));
    assert!(restored.check(false).expect("checked").is_clean());
}

#[test]
fn an_open_segment_is_copied_when_it_was_written_to() {
    let scratch = Scratch::file();
    let container = scratch.container();
    put(&container, "d", 0, 50);
    let first = back_up(&container, &place(&scratch));
    put(&container, "d", 50, 100);
    let second = back_up(&container, &place(&scratch));
    // The first one didn't grow.
    for backup in [&first, &second] {
        let pool = Pool::create(&format!("file://{}-pool", backup.path.display()), PoolOptions::default())
            .expect("a pool");
        let restored = pool.restore(&backup.path, None, &mut Silent).expect("restored");
        let expected = if backup.epoch == first.epoch { 50 } else { 100 };
        assert_eq!(entries(&restored, "d").len(), expected);
        assert!(restored.check(false).expect("checked").is_clean());
    }
}

#[test]
fn so_many_are_kept_as_was_asked_for() {
    let scratch = Scratch::file();
    let container = scratch.container();
    let to = place(&scratch);
    let mut made = Vec::new();
    for round in 0..5 {
        put(&container, "d", 10 * round, 10 * round + 10);
        let backup = container.backup(&to, (round > 2).then_some(2), &mut Silent).expect("backed up");
        made.push(backup.path.file_name().expect("a name").to_string_lossy().into_owned());
        let kept = if round > 2 { 2 } else { round as usize + 1 };
        let mut expected: Vec<_> = made[made.len() - kept..].to_vec();
        expected.extend(["last-backup".into(), "lock".into()]);
        expected.sort();
        assert_eq!(names(&to), expected);
    }
    refused(container.backup(&to, Some(0), &mut Silent), ErrorKind::InvalidArgument, "keep 1");
    // The newest one stands for the directory.
    let restored = other_pool(&scratch).restore(&to, Some("again"), &mut Silent).expect("restored");
    assert_eq!(restored.label(), Some("again"));
    assert_eq!(entries(&restored, "d").len(), 50);
}

#[test]
fn what_an_interruption_left_is_cleaned_away() {
    let scratch = Scratch::file();
    let container = scratch.container();
    put(&container, "d", 0, 10);
    let to = place(&scratch);
    for left in [".new-backup_20200101000000_0000/runs", ".old-backup_20200101000000_0001/log"] {
        fs::create_dir_all(to.join(left)).expect("made");
    }
    std::os::unix::fs::symlink("nowhere", to.join(".new-last-backup")).expect("linked");
    fs::write(to.join("mine"), "a file of the user's").expect("written");
    let backup = back_up(&container, &to);
    let name = backup.path.file_name().expect("a name").to_string_lossy().into_owned();
    assert_eq!(names(&to), [name.as_str(), "last-backup", "lock", "mine"]);
}

#[test]
fn what_cannot_be_is_refused() {
    let scratch = Scratch::file();
    let container = scratch.container();
    let pool = container.pool().clone();
    put(&container, "d", 0, 10);
    let to = place(&scratch);
    let backup = back_up(&container, &to);

    refused(pool.restore(&backup.path, None, &mut Silent), ErrorKind::AlreadyExists, "another pool");
    refused(pool.restore(&backup.path, Some("new"), &mut Silent), ErrorKind::AlreadyExists, "another pool");
    refused(pool.restore(&to.join("nothing"), None, &mut Silent), ErrorKind::NotFound, "nothing");
    refused(pool.restore(scratch.dir.path(), None, &mut Silent), ErrorKind::NotFound, "no backup");
    let other = pool.create_container(Some("other"), ContainerOptions::default()).expect("created");
    refused(other.backup(&to, None, &mut Silent), ErrorKind::InvalidArgument, "directory of its own");
    let snapshot = container.snapshot("then").expect("taken");
    let then = container.at(&snapshot.name).expect("opened");
    assert!(then.backup(&to, None, &mut Silent).is_err());
    assert_eq!(names(&to).len(), 3);

    // Its label may be taken where its UUID isn't.
    let elsewhere = other_pool(&scratch);
    elsewhere.create_container(Some("kv"), ContainerOptions::default()).expect("created");
    refused(elsewhere.restore(&to, None, &mut Silent), ErrorKind::AlreadyExists, "kv already");
    assert_eq!(elsewhere.restore(&to, Some("old"), &mut Silent).expect("restored").uuid(), container.uuid());

    let memory = Scratch::memory();
    refused(memory.container().backup(&to, None, &mut Silent), ErrorKind::NotSupported, "directories");
    let pool = Pool::open(&memory.url).expect("a pool");
    refused(pool.restore(&to, None, &mut Silent), ErrorKind::NotSupported, "directories");
}

#[test]
fn a_destroyed_container_is_restored_where_it_was() {
    let scratch = Scratch::file();
    let container = scratch.container();
    let pool = container.pool().clone();
    put(&container, "d", 0, 200);
    let expected = entries(&container, "d");
    let read_only = OpenOptions { read_only: true, ..OpenOptions::default() };
    back_up(&pool.open_container("kv", read_only).expect("opened"), &place(&scratch));
    container.close().expect("closed");
    drop(container);
    pool.destroy_container("kv", true).expect("destroyed");
    let used = pool.query().expect("told").used;
    let restored = pool.restore(&place(&scratch), None, &mut Silent).expect("restored");
    assert!(entries(&restored, "d") == expected);
    assert!(pool.query().expect("told").used > used);
}

#[test]
fn a_cursor_knows_that_its_log_stayed_behind() {
    let scratch = Scratch::file();
    let container = scratch.container();
    let options = |name| WatchOptions::default().cursor(name);
    let mut behind = container.watch(options("behind")).expect("a watch");
    let mut done = container.watch(options("done")).expect("a watch");
    put(&container, "d", 0, 20);
    let next = |watch: &mut millpond::Watch| {
        watch.next_within(Duration::ZERO).expect("no error").map(|changes| changes.epoch())
    };
    let first = next(&mut behind).expect("a commit");
    behind.acknowledge(first).expect("acknowledged");
    let mut last = None;
    while let Some(epoch) = next(&mut done) {
        last = Some(epoch);
    }
    done.acknowledge(last.expect("commits")).expect("acknowledged");
    drop((behind, done));
    back_up(&container, &place(&scratch));
    let restored = other_pool(&scratch).restore(&place(&scratch), None, &mut Silent).expect("restored");
    // To acknowledge is a commit, too, so that neither stands at the end of the log.
    for name in ["behind", "done"] {
        let error = restored.watch(options(name)).expect_err("what it stands in isn't there");
        assert_eq!(error.kind(), ErrorKind::Lagged, "{error}");
        let restart = error.restart_epoch().expect("where to go on");
        let mut watch = restored.watch(options(name).after(restart)).expect("a watch");
        restored.dict("d").expect("a dict").put(b"new", b"value").expect("put");
        assert!(next(&mut watch).is_some_and(|epoch| epoch >= restart));
    }
}

/// Fails at its so many-th call.
struct Fickle(u64);

impl Fickle {
    fn call(&mut self) -> Result<()> {
        self.0 = self.0.saturating_sub(1);
        if self.0 > 0 { Ok(()) } else { Err(millpond::Error::new(ErrorKind::Conflict, "enough")) }
    }
}

impl Progress for Fickle {
    fn begin(&mut self, total: u64, _: &str) -> Result<()> {
        assert!(total > 0);
        self.call()
    }

    fn advance(&mut self, _: u64) -> Result<()> {
        self.call()
    }

    fn end(&mut self) -> Result<()> {
        self.call()
    }
}

#[test]
fn whoever_follows_may_end_it() {
    let scratch = Scratch::file();
    let container = scratch.container();
    put(&container, "d", 0, 100);
    let to = place(&scratch);
    let mut calls = 1;
    while container.backup(&to, None, &mut Fickle(calls)).is_err() {
        assert_eq!(names(&to), ["lock"], "after {calls} calls");
        calls += 1;
    }
    assert!(calls > 4);
    let pool = other_pool(&scratch);
    let mut calls = 1;
    while pool.restore(&to, None, &mut Fickle(calls)).is_err() {
        assert_eq!(pool.containers().expect("listed").len(), 0, "after {calls} calls");
        let left = names(&scratch.dir.path().join("other/containers"));
        assert!(left.is_empty(), "{left:?}");
        calls += 1;
    }
    assert!(calls > 4);
}

#[test]
fn a_quota_holds_for_what_is_restored() {
    let scratch = Scratch::file();
    let container = scratch.container();
    put(&container, "d", 0, 400);
    let backup = back_up(&container, &place(&scratch));
    let url = format!("file://{}/small", scratch.dir.path().display());
    let options = PoolOptions { size: Some(backup.bytes / 2), ..PoolOptions::default() };
    let pool = Pool::create(&url, options).expect("a pool");
    refused(pool.restore(&backup.path, None, &mut Silent), ErrorKind::NoSpace, "quota");
    pool.set_property("size", "unlimited").expect("set");
    pool.restore(&backup.path, None, &mut Silent).expect("restored");
}

/// The test of a test: with this bug planted, it fails.
#[cfg(feature = "planted-bugs")]
#[track_caller]
fn assert_noticed(bug: millpond_local::bugs::Bug, test: fn()) {
    let _planted = millpond_local::bugs::plant(bug);
    assert!(std::panic::catch_unwind(test).is_err(), "{bug:?} was not noticed");
}
