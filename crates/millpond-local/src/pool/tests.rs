//! What a pool must do: keep its description whole among several who change it, let nobody destroy
//! what others use, count what is stored, and say what is wrong with a directory that is none.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use millpond_core::{
    At, Commit, ContainerEntry, ContainerSpec, Durability, Error, ErrorKind, Key, Label, Op, PoolDocument,
    PoolStore, Store, StoreOptions, Write,
};
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    LocalPool, container_dir,
    lock::{Byte, PoolLock},
    quota::Quota,
};
use crate::{
    media::{Media, SystemMedia},
    sick_media::SickMedia,
};

const CONTAINER: Uuid = Uuid::from_u128(0xC0);

/// A directory for pools.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("pool")
    }

    fn create(&self) -> LocalPool {
        self.create_sized(None)
    }

    fn create_sized(&self, size: Option<u64>) -> LocalPool {
        LocalPool::create(&self.dir(), &document(size)).expect("a pool")
    }

    fn open(&self) -> LocalPool {
        LocalPool::open(&self.dir()).expect("the pool")
    }

    fn quota(&self) -> Quota {
        Quota::new(Arc::new(SystemMedia), &self.dir()).expect("the quota")
    }

    fn container(&self) -> PathBuf {
        container_dir(&self.dir(), CONTAINER)
    }
}

fn document(size: Option<u64>) -> PoolDocument {
    PoolDocument {
        uuid: Uuid::from_u128(7),
        label: Label::new("pydaos").expect("a label"),
        created: 1_700_000_000,
        size,
        properties: [("a".to_owned(), "b".to_owned())].into(),
        attributes: [].into(),
        containers: [].into(),
    }
}

fn with_container(pool: &LocalPool) -> Arc<dyn Store> {
    pool.create(CONTAINER, &ContainerSpec { log_bytes: 64 << 10 }).expect("a container");
    pool.open(CONTAINER, &StoreOptions::default()).expect("the container")
}

fn put(store: &dyn Store, key: &[u8], value: &[u8]) -> Result<(), Error> {
    let op = Op::Put { value, extents: &[] };
    let writes = vec![Write { key: Key::new(b"p", key), op, tally: None }];
    let commit =
        Commit { preconditions: Vec::new(), writes, durability: Durability::Async, ..Commit::default() };
    store.index().commit(&commit).map(drop)
}

fn refusal<T>(result: Result<T, Error>, kind: ErrorKind, expected: &str) {
    let Err(error) = result else { panic!("it was not refused: {expected}") };
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(expected), "{error}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it exists").permissions().mode() & 0o777
}

#[test]
fn a_pool_comes_back_and_is_its_owners_alone() {
    let place = Place::new();
    let dir = place.0.path().join("a/b/pool");
    let pool = LocalPool::create(&dir, &document(Some(9))).expect("a pool");
    assert_eq!(pool.document().expect("its description"), document(Some(9)));
    assert_eq!(LocalPool::peek(&dir).expect("readable"), Some(document(Some(9))));
    assert_eq!(pool.space().expect("its space").size, Some(9));
    refusal(LocalPool::create(&dir, &document(None)), ErrorKind::AlreadyExists, "pydaos is already in");
    drop(pool);
    assert_eq!(LocalPool::open(&dir).expect("the pool").document().expect("readable"), document(Some(9)));
    for private in [dir.clone(), dir.join("containers")] {
        assert_eq!(mode(&private), 0o700, "{}", private.display());
    }
    for private in ["pool.json", "lock", "control"] {
        assert_eq!(mode(&dir.join(private)), 0o600, "{private}");
    }
}

#[test]
fn a_directory_without_a_pool_is_named() {
    let place = Place::new();
    let (dir, file) = (place.dir(), place.0.path().join("file"));
    fs::write(&file, "something").expect("a file");
    assert_eq!(LocalPool::peek(&dir).expect("nothing there"), None);
    assert_eq!(LocalPool::peek(&file).expect("no directory"), None);
    refusal(LocalPool::open(&dir), ErrorKind::NotFound, "millpond pool create");
    refusal(LocalPool::open(&file), ErrorKind::NotFound, "millpond pool create");
    refusal(LocalPool::create(&file, &document(None)), ErrorKind::AlreadyExists, "/file");
    refusal(LocalPool::create(&file.join("x"), &document(None)), ErrorKind::InvalidArgument, "/file/x");
    refusal(LocalPool::create(place.0.path(), &document(None)), ErrorKind::AlreadyExists, "\"file\"");
    assert_eq!(fs::read(&file).expect("untouched"), b"something");
}

#[test]
fn a_description_that_cannot_be_trusted_is_named() {
    let place = Place::new();
    drop(place.create());
    let path = place.dir().join("pool.json");
    let intact = fs::read(&path).expect("the file");
    let newer = String::from_utf8(intact.clone()).expect("text").replace("\"format\":1", "\"format\":2");
    let flipped = String::from_utf8(intact.clone()).expect("text").replace("pydaos", "pydaot");
    for (bytes, kind, expected) in [
        (newer.as_bytes(), ErrorKind::Incompatible, "has format 2"),
        (&intact[..intact.len() / 2], ErrorKind::Corrupt, "restore the file from a copy"),
        (b"", ErrorKind::Corrupt, "it is empty"),
        (b"#!/bin/sh", ErrorKind::Incompatible, "isn't a description of a pool"),
        (flipped.as_bytes(), ErrorKind::Corrupt, "checksum"),
    ] {
        fs::write(&path, bytes).expect("written");
        refusal(LocalPool::open(&place.dir()), kind, expected);
        refusal(LocalPool::open(&place.dir()), kind, "pool.json");
        refusal(LocalPool::create(&place.dir(), &document(None)), kind, expected);
    }
    fs::write(&path, &intact).expect("written");
    assert_eq!(place.open().document().expect("readable"), document(None));
}

#[test]
fn nobody_elses_files_become_a_pool() {
    let place = Place::new();
    drop(with_container(&place.create()));
    let path = place.dir().join("pool.json");
    let intact = fs::read(&path).expect("the file");
    fs::remove_file(&path).expect("removed");
    refusal(LocalPool::open(&place.dir()), ErrorKind::NotFound, "no pool");
    refusal(LocalPool::create(&place.dir(), &document(None)), ErrorKind::Corrupt, "pool.json is missing");
    fs::write(&path, intact).expect("restored");
    place.open().spec(CONTAINER).expect("the container is still there");
}

#[test]
fn a_network_file_system_is_refused() {
    let place = Place::new();
    drop(place.create());
    let media = Arc::new(SickMedia::default());
    media.network.store(true, Ordering::Relaxed);
    let elsewhere = place.0.path().join("elsewhere");
    refusal(
        LocalPool::create_on(media.clone(), &elsewhere, &document(None)),
        ErrorKind::NotSupported,
        "network",
    );
    assert!(!elsewhere.exists(), "nothing was made");
    refusal(LocalPool::open_on(media, &place.dir()), ErrorKind::NotSupported, "network");
}

#[test]
fn a_full_disk_leaves_the_old_description() {
    let place = Place::new();
    drop(place.create());
    let media = Arc::new(SickMedia::default());
    let pool = LocalPool::open_on(media.clone(), &place.dir()).expect("the pool");
    media.full.store(true, Ordering::Relaxed);
    let change = |document: &mut PoolDocument| {
        document.size = Some(1);
        Ok(())
    };
    refusal(pool.update(&mut { change }), ErrorKind::NoSpace, "make room");
    refusal(pool.create(CONTAINER, &ContainerSpec::default()), ErrorKind::NoSpace, "");
    assert_eq!(pool.document().expect("readable"), document(None));
    let left = |dir: &Path| SystemMedia.list(dir).expect("listed");
    assert!(!left(&place.dir()).iter().any(|name| name.ends_with(".tmp")));
    assert!(left(&place.dir().join("containers")).is_empty());
    media.full.store(false, Ordering::Relaxed);
    pool.update(&mut { change }).expect("changed");
    assert_eq!(pool.document().expect("readable"), document(Some(1)));
}

/// Runs `check` as a user to whom nothing here belongs, if this user can do that: only this
/// thread's effective user changes, not the process's.
fn as_nobody(check: impl FnOnce() + Send) -> bool {
    thread::scope(|scope| {
        let nobody = scope.spawn(|| {
            // SAFETY: the call takes three numbers; glibc's wrapper would change all threads.
            if unsafe { libc::syscall(libc::SYS_setresuid, -1, 65534, -1) } != 0 {
                return false;
            }
            check();
            true
        });
        nobody.join().expect("the checks hold")
    })
}

#[test]
fn another_user_is_told_why() {
    let place = Place::new();
    drop(with_container(&place.create()));
    let checked = as_nobody(|| {
        let remedy = "must belong to the user";
        refusal(LocalPool::open(&place.dir()), ErrorKind::PermissionDenied, remedy);
        refusal(LocalPool::peek(&place.dir()), ErrorKind::PermissionDenied, "pool.json");
    });
    fs::set_permissions(place.0.path(), fs::Permissions::from_mode(0o755)).expect("readable");
    let create = as_nobody(|| {
        let dir = place.0.path().join("new");
        refusal(LocalPool::create(&dir, &document(None)), ErrorKind::PermissionDenied, "/new");
    });
    // Readable, but not writable.
    fs::set_permissions(place.dir(), fs::Permissions::from_mode(0o755)).expect("readable");
    fs::set_permissions(place.dir().join("pool.json"), fs::Permissions::from_mode(0o644)).expect("readable");
    let open = as_nobody(|| {
        refusal(LocalPool::open(&place.dir()), ErrorKind::PermissionDenied, "must belong to the user");
    });
    assert!(checked == create && create == open, "it works each time or never");
}

#[test]
fn changes_of_several_at_once_are_all_kept() {
    let place = Place::new();
    drop(place.create());
    let changes = 20;
    let change = |pool: &LocalPool| {
        for _ in 0..changes {
            pool.update(&mut |document| {
                let count = document.attributes.get("count").map_or(0, |count| count.parse().unwrap_or(0));
                document.attributes.insert("count".into(), (count + 1u32).to_string());
                Ok(())
            })
            .expect("changed");
        }
    };
    let (first, second) = (place.open(), place.open());
    thread::scope(|scope| {
        for pool in [&first, &first, &second, &second] {
            scope.spawn(move || change(pool));
        }
    });
    let count = &first.document().expect("readable").attributes["count"];
    assert_eq!(count, &(4 * changes).to_string());
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let place = Place::new();
    let pool = place.create();
    let refused = pool.update(&mut |document| {
        document.attributes.insert("a".into(), "b".into());
        Err(Error::new(ErrorKind::InvalidArgument, "no"))
    });
    refusal(refused, ErrorKind::InvalidArgument, "no");
    assert_eq!(pool.document().expect("readable"), document(None));
}

#[test]
fn whoever_holds_a_lock_for_too_long_is_named() {
    let place = Place::new();
    drop(place.create());
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    let [first, second] = [(); 2].map(|()| PoolLock::open(&media, &place.dir()).expect("a lock file"));
    let held = first.hold(Byte::Change).expect("held");
    refusal(second.hold_within(Byte::Change, Duration::from_millis(20)), ErrorKind::Timeout, "changing");
    drop(second.hold_within(Byte::Door, Duration::ZERO).expect("another byte is free"));
    drop(held);
    second.hold_within(Byte::Change, Duration::ZERO).expect("free again");
}

#[test]
fn a_container_comes_back() {
    let place = Place::new();
    let pool = place.create();
    let spec = ContainerSpec { log_bytes: 128 << 10 };
    pool.create(CONTAINER, &spec).expect("a container");
    refusal(pool.create(CONTAINER, &spec), ErrorKind::AlreadyExists, "exists already");
    let store = pool.open(CONTAINER, &StoreOptions::default()).expect("the container");
    put(&*store, b"k", b"v").expect("put");
    drop((store, pool));

    let pool = place.open();
    assert_eq!(pool.spec(CONTAINER).expect("its spec"), spec);
    let options = StoreOptions { read_only: true, ..StoreOptions::default() };
    let store = pool.open(CONTAINER, &options).expect("the container");
    let record = store.index().view(At::Latest).expect("a view").get(Key::new(b"p", b"k")).expect("a get");
    assert_eq!(record.expect("the record").value, &b"v"[..]);
    refusal(put(&*store, b"k", b"w"), ErrorKind::ReadOnly, "");
    assert_eq!(mode(&place.container()), 0o700);
    assert_eq!(mode(&place.container().join("container.json")), 0o600);
}

#[test]
fn a_container_that_cannot_be_trusted_is_named() {
    let place = Place::new();
    let pool = place.create();
    let other = Uuid::from_u128(0xC1);
    let missing = pool.open(other, &StoreOptions::default()).map(drop);
    refusal(missing, ErrorKind::NotFound, "it doesn't exist");
    refusal(pool.spec(other), ErrorKind::NotFound, "it doesn't exist");
    refusal(pool.destroy(other, true), ErrorKind::NotFound, &other.to_string());
    drop(with_container(&pool));
    pool.create(other, &ContainerSpec::default()).expect("a container");
    let (path, foreign) =
        (place.container().join("container.json"), container_dir(&place.dir(), other).join("container.json"));
    let intact = fs::read_to_string(&path).expect("the file");
    let foreign = fs::read_to_string(foreign).expect("the file");
    let newer = intact.replace("\"format\":1", "\"format\":2");
    for (text, kind, expected) in [
        (newer.as_str(), ErrorKind::Incompatible, "has format 2"),
        (&intact[..20], ErrorKind::Corrupt, "restore the file from a copy"),
        ("[]", ErrorKind::Incompatible, "isn't a description of a container"),
        (&foreign, ErrorKind::Incompatible, "belongs to container"),
    ] {
        fs::write(&path, text).expect("written");
        refusal(pool.spec(CONTAINER), kind, expected);
        let opened = pool.open(CONTAINER, &StoreOptions::default()).map(drop);
        refusal(opened, kind, &CONTAINER.to_string());
    }
    fs::remove_file(&path).expect("removed");
    refusal(pool.spec(CONTAINER), ErrorKind::Corrupt, "container.json is missing");
    pool.destroy(CONTAINER, false).expect("a damaged container can be destroyed");
    refusal(pool.spec(CONTAINER), ErrorKind::NotFound, "was destroyed");
}

#[test]
fn an_open_container_is_destroyed_by_force_only() {
    let place = Place::new();
    let (pool, other) = (place.create(), place.open());
    let store = with_container(&pool);
    put(&*store, b"k", b"v").expect("put");
    refusal(pool.destroy(CONTAINER, false), ErrorKind::Busy, "is open");
    refusal(other.destroy(CONTAINER, false), ErrorKind::Busy, "is open");
    put(&*store, b"k", b"w").expect("it is still there");
    other.destroy(CONTAINER, true).expect("destroyed");
    refusal(put(&*store, b"k", b"x"), ErrorKind::Closed, "was destroyed");
    refusal(pool.open(CONTAINER, &StoreOptions::default()).map(drop), ErrorKind::NotFound, "was destroyed");
    drop(store);
    assert!(!place.container().exists());
    assert_eq!(SystemMedia.list(&place.dir().join("containers")).expect("listed"), Vec::<String>::new());

    drop(with_container(&pool));
    pool.destroy(CONTAINER, false).expect("nobody has it open");
}

#[test]
fn what_a_crash_left_is_removed_by_who_comes_in_alone() {
    let place = Place::new();
    let pool = place.create();
    drop(with_container(&pool));
    let containers = place.dir().join("containers");
    let left = [
        containers.join(".trash-1"),
        containers.join(".new-2"),
        place.dir().join("pool.json.1.tmp"),
        place.dir().join("control.2.tmp"),
    ];
    for directory in &left[..2] {
        fs::create_dir_all(directory.join("runs")).expect("a directory");
        fs::write(directory.join("runs/x"), "x").expect("a file");
    }
    left[2..].iter().for_each(|file| fs::write(file, "x").expect("a file"));
    let other = place.open();
    assert!(left.iter().all(|path| path.exists()), "others may be at work with them");
    drop((pool, other));
    let pool = place.open();
    assert!(!left.iter().any(|path| path.exists()));
    pool.spec(CONTAINER).expect("the container is still there");
}

#[test]
fn a_pool_is_destroyed_when_nobody_uses_it_or_by_force() {
    let place = Place::new();
    let pool = place.create();
    let store = with_container(&pool);
    refusal(pool.destroy_pool(false), ErrorKind::Busy, &CONTAINER.to_string());
    drop(store);
    let other = place.open();
    refusal(pool.destroy_pool(false), ErrorKind::Busy, "is open");
    other.document().expect("it is still there");
    drop(other);
    place.open().document().expect("others may come in again");
    pool.destroy_pool(false).expect("destroyed");
    assert!(!place.dir().exists());
    refusal(pool.document(), ErrorKind::NotFound, "no pool");
    refusal(pool.update(&mut |_| Ok(())), ErrorKind::NotFound, "");

    let (pool, other) = (place.create(), place.open());
    let store = with_container(&other);
    fs::write(place.dir().join("notes"), "mine").expect("a file of somebody else");
    pool.destroy_pool(true).expect("destroyed");
    refusal(put(&*store, b"k", b"v"), ErrorKind::Closed, "was destroyed");
    assert_eq!(SystemMedia.list(&place.dir()).expect("listed"), ["notes"]);
}

#[test]
fn an_interrupted_destruction_makes_room_for_another_pool() {
    let place = Place::new();
    drop(with_container(&place.create()));
    fs::rename(place.dir().join("pool.json"), place.dir().join("pool.json.destroyed")).expect("renamed");
    assert_eq!(LocalPool::peek(&place.dir()).expect("readable"), None);
    let pool = place.create();
    refusal(pool.spec(CONTAINER), ErrorKind::NotFound, "it doesn't exist");
    assert!(!place.dir().join("pool.json.destroyed").exists());
}

#[test]
fn the_quota_is_one_for_all() {
    let place = Place::new();
    let _pool = place.create_sized(Some(1000));
    let (first, second) = (place.quota(), place.quota());
    first.charge(600).expect("it fits");
    let runs = place.container().join("runs");
    fs::create_dir_all(&runs).expect("a directory");
    fs::write(runs.join("1.run"), vec![7; 600]).expect("a file");
    refusal(second.charge(401), ErrorKind::NoSpace, "has a quota of 1000 bytes");
    refusal(second.charge(u64::MAX), ErrorKind::NoSpace, "millpond pool set-prop pydaos");
}

#[test]
fn the_count_follows_charges_and_the_limit_the_description() {
    let place = Place::new();
    let pool = place.create_sized(Some(1000));
    let (first, second) = (place.quota(), place.quota());
    first.charge(1000).expect("it fits");
    second.charge_unchecked(200);
    assert_eq!((first.used().expect("used"), pool.space().expect("space").used), (1200, 1200));
    second.release(700);
    second.charge(500).expect("it fits");
    let resize = |size| {
        let mut change = |document: &mut PoolDocument| {
            document.size = size;
            Ok(())
        };
        pool.update(&mut change).expect("changed");
    };
    resize(Some(2000));
    first.charge(1000).expect("it fits");
    resize(None);
    first.charge(1 << 40).expect("there is no limit");
    resize(Some(10));
    drop((first, second, pool));
    // Nothing is stored, so that nothing is used.
    let quota = place.quota();
    assert_eq!(quota.used().expect("used"), 0);
    refusal(quota.charge(11), ErrorKind::NoSpace, "has a quota of 10 bytes");
    quota.charge(10).expect("it fits");
}

#[test]
fn a_count_that_is_too_great_is_put_right_before_anyone_is_refused() {
    let place = Place::new();
    let pool = place.create_sized(Some(10_000));
    let runs = place.container().join("runs");
    fs::create_dir_all(&runs).expect("a directory");
    fs::write(runs.join("1.run"), vec![7; 4000]).expect("a file");
    let quota = place.quota();
    // As by processes that died before they wrote anything.
    quota.charge(9000).expect("it fits");
    quota.charge(5000).expect("the files were counted again");
    assert_eq!(quota.used().expect("used"), 9000);
    quota.charge_unchecked(5000);
    pool.recount().expect("counted");
    assert_eq!(quota.used().expect("used"), 4000);
    refusal(quota.charge(6001), ErrorKind::NoSpace, "of which 4000 are used");
}

#[test]
fn a_forked_child_counts_on_its_own() {
    let place = Place::new();
    let pool = place.create_sized(Some(1000));
    let quota = place.quota();
    quota.charge(100).expect("it fits");
    // SAFETY: the child touches only what is safe in it (see `fork`), and ends with `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let charged = quota.charge(200).is_ok() && quota.used().ok() == Some(300);
        let changed = pool.update(&mut |document| {
            document.size = Some(301);
            Ok(())
        });
        drop((quota, pool));
        // SAFETY: it ends the process at once.
        unsafe { libc::_exit(i32::from(!(charged && changed.is_ok()))) };
    }
    let mut status = -1;
    // SAFETY: `child` is ours, and `status` a place to write to.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0, "the child's checks hold");
    assert_eq!(quota.used().expect("used"), 300);
    assert_eq!(pool.document().expect("readable").size, Some(301));
}

#[test]
fn a_full_quota_refuses_values_and_not_deletions() {
    let place = Place::new();
    let size = 1 << 20;
    let pool = place.create_sized(Some(size));
    let store = with_container(&pool);
    let value = vec![7; 1000];
    let mut keys = 0..20_000u32;
    let refused =
        keys.find_map(|key| put(&*store, &key.to_be_bytes(), &value).err().map(|error| (key, error)));
    let (count, error) = refused.expect("it was never refused");
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    assert!(count > 500, "only {count} values fit");
    // Moving records from the log to a run takes room for both, for a while.
    store.compact().expect("compacted");
    let used = pool.space().expect("space").used;
    assert!(used <= size + size / 4, "{used} bytes are used");
    for key in 0..count {
        let key = key.to_be_bytes();
        let writes = vec![Write { key: Key::new(b"p", &key), op: Op::Delete, tally: None }];
        let commit =
            Commit { preconditions: Vec::new(), writes, durability: Durability::Async, ..Commit::default() };
        store.index().commit(&commit).expect("deleted");
    }
    store.compact().expect("compacted");
    let left = pool.space().expect("space").used;
    assert!(left < used / 2, "{left} bytes are still used");
    put(&*store, b"k", &value).expect("there is room again");
    drop((store, pool));
    let counted = place.open().space().expect("space").used;
    assert!(counted < used / 2, "{counted} bytes are counted");
}

#[test]
fn the_count_is_that_of_the_files_whatever_is_written() {
    let place = Place::new();
    let pool = place.create_sized(Some(64 << 20));
    let store = with_container(&pool);
    let drift = |when: &str| {
        let before = pool.space().expect("space").used;
        pool.recount().expect("counted");
        assert_eq!(before, pool.space().expect("space").used, "{when}");
    };
    let mut writer = store.segments().writer().expect("a writer");
    for key in 0..60u32 {
        writer.append(&vec![7; 3000 + 100 * key as usize]).expect("appended");
        let extents = writer.finish().expect("finished");
        let op = Op::Put { value: b"long", extents: &extents };
        let key = key.to_be_bytes();
        let writes = vec![Write { key: Key::new(b"p", &key), op, tally: None }];
        let commit =
            Commit { preconditions: Vec::new(), writes, durability: Durability::Async, ..Commit::default() };
        store.index().commit(&commit).expect("put");
    }
    drift("after values in segments");
    writer.append(&[7; 100_000]).expect("appended");
    writer.abandon();
    drift("after a value that was given up");
    writer.append(&[7; 10]).expect("appended");
    writer.finish().expect("finished");
    drop(writer);
    drift("after a value that nobody named");
    for key in 0..50u32 {
        let key = key.to_be_bytes();
        let writes = vec![Write { key: Key::new(b"p", &key), op: Op::Delete, tally: None }];
        let commit =
            Commit { preconditions: Vec::new(), writes, durability: Durability::Async, ..Commit::default() };
        store.index().commit(&commit).expect("deleted");
    }
    store.compact().expect("compacted");
    drift("after a compaction");
}

#[test]
fn entries_of_containers_are_kept() {
    let place = Place::new();
    let pool = place.create();
    let entry = ContainerEntry {
        label: Some(Label::new("kv").expect("a label")),
        container_type: "PYTHON".into(),
        created: 1,
        properties: [].into(),
        attributes: [("k".to_owned(), "v".to_owned())].into(),
        path: None,
        last_scrub: None,
    };
    pool.update(&mut |document| {
        document.containers.insert(CONTAINER, entry.clone());
        Ok(())
    })
    .expect("changed");
    assert_eq!(place.open().document().expect("readable").containers[&CONTAINER], entry);
}
