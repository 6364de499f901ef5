//! The suite for pools: containers created, opened and destroyed, and the description that lists
//! them.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use millpond_core::{ContainerEntry, ContainerSpec, Error, ErrorKind, Label, PoolStore, StoreOptions};
use uuid::Uuid;

use super::steps::{P, all, commit, commit_async, get, keep, key, put, store_bulk, try_commit};

/// A test of a pool.
pub type PoolTest = fn(&dyn PoolStore);

const TESTS: &[(&str, PoolTest)] = &[
    ("the_document_is_replaced_whole", the_document_is_replaced_whole),
    ("a_refused_change_changes_nothing", a_refused_change_changes_nothing),
    ("updates_of_threads_do_not_get_lost", updates_of_threads_do_not_get_lost),
    ("containers_are_apart", containers_are_apart),
    ("a_spec_is_kept", a_spec_is_kept),
    ("what_is_missing_says_so", what_is_missing_says_so),
    ("an_open_container_is_busy", an_open_container_is_busy),
    ("force_closes_the_handles", force_closes_the_handles),
    ("read_only_refuses_changes", read_only_refuses_changes),
    ("space_is_counted", space_is_counted),
];

/// Runs every test, each on a new pool that `make` creates; panics at the end with the names of
/// those that failed.
pub fn run(make: impl Fn() -> Arc<dyn PoolStore>) {
    let mut failed = Vec::new();
    for (name, test) in TESTS {
        let outcome = catch_unwind(AssertUnwindSafe(|| test(&*make())));
        println!("conformance pools::{name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
        if outcome.is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "{} conformance tests of pools failed: {}", failed.len(), failed.join(", "));
}

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(0x6D69_6C6C_706F_6E64_8000_0000_0000_0000 + number)
}

fn the_document_is_replaced_whole(pool: &dyn PoolStore) {
    let before = pool.document().expect("a document");
    let entry = ContainerEntry {
        label: Some(Label::new("kvstore").expect("a label")),
        container_type: "PYTHON".into(),
        created: 7,
        properties: BTreeMap::from([("durability".into(), "async".into())]),
        attributes: BTreeMap::from([("note".into(), "a\0b\u{fffd}é".into())]),
        path: Some("/somewhere".into()),
        last_scrub: None,
    };
    let mut change = |document: &mut millpond_core::PoolDocument| {
        document.containers.insert(uuid(1), entry.clone());
        document.attributes.insert("key".into(), "value".into());
        document.size = Some(1 << 40);
        Ok(())
    };
    pool.update(&mut change).expect("updated");
    let after = pool.document().expect("a document");
    assert_eq!((after.uuid, &after.label, after.created), (before.uuid, &before.label, before.created));
    assert_eq!(after.containers[&uuid(1)], entry);
    assert_eq!(after.attributes["key"], "value");
    assert_eq!(after.size, Some(1 << 40));
}

fn a_refused_change_changes_nothing(pool: &dyn PoolStore) {
    let before = pool.document().expect("a document");
    let refused = pool.update(&mut |document| {
        document.attributes.insert("key".into(), "value".into());
        Err(Error::new(ErrorKind::AlreadyExists, "refused"))
    });
    assert_eq!(refused.expect_err("refused").kind(), ErrorKind::AlreadyExists);
    assert_eq!(pool.document().expect("a document"), before);
}

fn updates_of_threads_do_not_get_lost(pool: &dyn PoolStore) {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let counted = pool.update(&mut |document| {
                        let count = document.attributes.entry("count".into()).or_insert_with(|| "0".into());
                        *count = (count.parse::<u64>().expect("a number") + 1).to_string();
                        Ok(())
                    });
                    counted.expect("updated");
                }
            });
        }
    });
    assert_eq!(pool.document().expect("a document").attributes["count"], "40");
}

fn containers_are_apart(pool: &dyn PoolStore) {
    for number in 0..3 {
        pool.create(uuid(number), &ContainerSpec::default()).expect("created");
        let store = pool.open(uuid(number), &StoreOptions::default()).expect("opened");
        commit(&*store, &[put(b"number", &[number as u8 + 1])]);
        store.close().expect("closed");
    }
    for number in 0..3 {
        let store = pool.open(uuid(number), &StoreOptions::default()).expect("opened");
        assert_eq!(all(&*store), [(b"number".to_vec(), vec![number as u8 + 1])]);
    }
    let again = pool.create(uuid(1), &ContainerSpec::default()).expect_err("it exists");
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    pool.destroy(uuid(1), false).expect("destroyed");
    assert!(pool.open(uuid(1), &StoreOptions::default()).is_err());
    let store = pool.open(uuid(2), &StoreOptions::default()).expect("the others stay");
    assert_eq!(all(&*store).len(), 1);
    pool.create(uuid(1), &ContainerSpec::default()).expect("created again");
    let store = pool.open(uuid(1), &StoreOptions::default()).expect("opened");
    assert_eq!(all(&*store), [], "nothing of the destroyed one is left");
}

fn a_spec_is_kept(pool: &dyn PoolStore) {
    let spec = ContainerSpec { log_bytes: 1 << 16 };
    pool.create(uuid(1), &spec).expect("created");
    assert_eq!(pool.spec(uuid(1)).expect("a spec"), spec);
}

fn what_is_missing_says_so(pool: &dyn PoolStore) {
    let errors = [
        pool.open(uuid(9), &StoreOptions::default()).err(),
        pool.spec(uuid(9)).err(),
        pool.destroy(uuid(9), false).err(),
    ];
    for error in errors {
        let error = error.expect("there is no such container");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains(&uuid(9).to_string()), "{error} names it");
    }
}

fn an_open_container_is_busy(pool: &dyn PoolStore) {
    pool.create(uuid(1), &ContainerSpec::default()).expect("created");
    let first = pool.open(uuid(1), &StoreOptions::default()).expect("opened");
    let second = pool.open(uuid(1), &StoreOptions::default()).expect("opened twice");
    commit(&*first, &[put(b"a", b"1")]);
    assert_eq!(all(&*second).len(), 1);
    first.close().expect("closed");
    let busy = pool.destroy(uuid(1), false).expect_err("one is still open");
    assert_eq!(busy.kind(), ErrorKind::Busy, "{busy}");
    assert_eq!(pool.destroy_pool(false).expect_err("so is the pool").kind(), ErrorKind::Busy);
    commit(&*second, &[put(b"b", b"1")]);
    second.close().expect("closed");
    drop((first, second));
    pool.destroy(uuid(1), false).expect("destroyed");
}

fn force_closes_the_handles(pool: &dyn PoolStore) {
    pool.create(uuid(1), &ContainerSpec::default()).expect("created");
    let store = pool.open(uuid(1), &StoreOptions::default()).expect("opened");
    commit(&*store, &[put(b"a", b"1")]);
    pool.destroy(uuid(1), true).expect("destroyed");
    let refused = try_commit(&*store, &[], &[put(b"a", b"2")]).expect_err("it is gone");
    assert_eq!(refused.kind(), ErrorKind::Closed, "{refused}");
    let refused = store.index().get(key(b"a")).expect_err("it is gone");
    assert_eq!(refused.kind(), ErrorKind::Closed, "{refused}");
    drop(store);
    pool.create(uuid(1), &ContainerSpec::default()).expect("created again");
    let store = pool.open(uuid(1), &StoreOptions::default()).expect("opened");
    assert_eq!(all(&*store), []);
}

fn read_only_refuses_changes(pool: &dyn PoolStore) {
    pool.create(uuid(1), &ContainerSpec::default()).expect("created");
    let store = pool.open(uuid(1), &StoreOptions::default()).expect("opened");
    commit(&*store, &[put(b"a", b"1")]);
    let options = StoreOptions { read_only: true, ..StoreOptions::default() };
    let reader = pool.open(uuid(1), &options).expect("opened for reading");
    let refused = try_commit(&*reader, &[], &[put(b"a", b"2")]).expect_err("read only");
    assert_eq!(refused.kind(), ErrorKind::ReadOnly, "{refused}");
    let refused = reader.segments().writer().and_then(|mut writer| {
        writer.append(b"x")?;
        writer.finish()
    });
    assert_eq!(refused.expect_err("read only").kind(), ErrorKind::ReadOnly);
    let refused = try_commit(&*reader, &[], &[keep(b"snapshot")]).expect_err("read only");
    assert_eq!(refused.kind(), ErrorKind::ReadOnly, "{refused}");
    commit_async(&*store, &[put(b"b", b"1")]);
    assert_eq!(all(&*reader).len(), 2, "it sees what others commit");
    assert!(get(&*reader, b"b").is_some());
    reader.close().expect("closed");
    store.close().expect("closed");
    let reader = pool.open(uuid(1), &options).expect("opened alone");
    assert_eq!(all(&*reader).len(), 2);
}

fn space_is_counted(pool: &dyn PoolStore) {
    pool.create(uuid(1), &ContainerSpec::default()).expect("created");
    let store = pool.open(uuid(1), &StoreOptions::default()).expect("opened");
    let before = pool.space().expect("space");
    let extents = store_bulk(&*store, &[1; 2_000_000], 100_000);
    let write = millpond_core::Write {
        key: millpond_core::Key::new(P, b"big"),
        op: millpond_core::Op::Put { value: b"header", extents: &extents },
        tally: None,
    };
    commit(&*store, &[write]);
    let after = pool.space().expect("space");
    assert!(after.used >= before.used + 2_000_000, "{before:?}, then {after:?}");
    assert_eq!(after.size, pool.document().expect("a document").size);
    store.close().expect("closed");
    drop(store);
    pool.destroy(uuid(1), false).expect("destroyed");
    let gone = pool.space().expect("space");
    assert!(gone.used < before.used + 2_000_000, "{gone:?}");
}
