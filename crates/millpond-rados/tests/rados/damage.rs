//! What was changed behind our back is told, with its place, and never taken for what was written.
//!
//! Ceph's own checksums don't see it, since it is changed through Ceph.

use millpond_core::{ErrorKind, PoolStore, Store};
use millpond_rados::bugs::{Bug, plant};
use uuid::Uuid;

use crate::{
    cluster::{alone, new_container, new_pool, open},
    raw,
    steps::{commit, key, put, put_bulk, read_bulk, store_bulk, value},
};

/// The omap key of the record `sort` of the tests' partition, see `layout/keys.rs`.
fn record_key(sort: &[u8]) -> Vec<u8> {
    [b"rp\x01\x01", sort, b"\x01\x01"].concat()
}

fn damages(store: &dyn Store) -> Vec<millpond_core::Damage> {
    let mut found = Vec::new();
    store.verify(&mut |damage| found.push(damage)).expect("verified");
    found
}

fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 0x10;
}

fn flip_record(container: Uuid, sort: &[u8]) {
    let mut stored = raw::value(container, &record_key(sort));
    let last = stored.len() - 1;
    flip(&mut stored, last);
    raw::set_value(container, &record_key(sort), &stored);
}

#[test]
fn a_flipped_byte_of_a_record_is_told_with_its_place() {
    let _alone = alone();
    let pool = new_pool();
    let container = new_container(&pool);
    let store = open(&pool, container);
    commit(&*store, &[put(b"a", b"value"), put(b"b", b"value"), put(b"c", b"value")]);
    assert_eq!(damages(&*store), []);
    flip_record(container, b"b");
    let error = store.index().get(key(b"b")).expect_err("it is damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let message = error.to_string();
    assert!(message.contains("rp\\x01\\x01b") && message.contains(&container.to_string()), "{message}");
    let found = damages(&*store);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].place.contains("rp\\x01\\x01b"), "{found:?}");

    // A scan tells of the one, and goes on with the others.
    let view = store.index().view(millpond_core::At::Latest).expect("a view");
    for direction in [millpond_core::Direction::Forward, millpond_core::Direction::Backward] {
        let range = millpond_core::KeyRange::all(crate::steps::P);
        let mut cursor = view.scan(range, direction).expect("a cursor");
        let (mut whole, mut damaged) = (0, 0);
        loop {
            match cursor.advance() {
                Ok(true) => whole += 1,
                Ok(false) => break,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt);
                    damaged += 1;
                }
            }
        }
        assert_eq!((whole, damaged), (3, 1), "a, c and the tally; b");
    }
    assert_eq!(value(&*store, b"c"), Some(b"value".to_vec()));
}

#[test]
fn a_flipped_byte_of_a_value_is_told_with_its_place() {
    let _alone = alone();
    let pool = new_pool();
    let container = new_container(&pool);
    let store = open(&pool, container);
    let bytes: Vec<u8> = (0..5_000_000u32).map(|at| (at % 251) as u8).collect();
    let extents = store_bulk(&*store, &bytes);
    commit(&*store, &[put_bulk(b"big", b"header", &extents)]);
    assert!(read_bulk(&*store, &extents).expect("read") == bytes);
    let object =
        raw::objects(container).into_iter().rfind(|name| name.starts_with("segment.")).expect("there");
    let mut stored = raw::data(container, &object);
    flip(&mut stored, 70_000);
    raw::set_data(container, &object, &stored);

    let error = read_bulk(&*store, &extents).expect_err("it is damaged");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(&object) && error.to_string().contains("65545"), "{error}");
    let found = damages(&*store);
    assert_eq!(found.len(), 1, "one frame is damaged: {found:?}");
    assert_eq!((found[0].place.as_str(), found[0].offset), (object.as_str(), 65_545));

    // What lies before it is read as ever.
    let mut start = vec![0; 4 << 20];
    store.segments().read(&extents[0], 0, &mut start).expect("the first object is whole");
    assert!(start == bytes[..4 << 20]);
    stored.truncate(100_000);
    raw::set_data(container, &object, &stored);
    assert_eq!(read_bulk(&*store, &extents).expect_err("it is cut off").kind(), ErrorKind::Corrupt);
}

#[test]
fn a_record_in_another_one_s_place_is_not_taken_for_it() {
    let _alone = alone();
    let pool = new_pool();
    let container = new_container(&pool);
    let store = open(&pool, container);
    commit(&*store, &[put(b"a", b"one"), put(b"b", b"two")]);
    let other = raw::value(container, &record_key(b"a"));
    raw::set_value(container, &record_key(b"b"), &other);
    assert_eq!(store.index().get(key(b"b")).expect_err("it isn't b's").kind(), ErrorKind::Corrupt);
}

#[test]
fn a_damaged_head_stops_everything() {
    let _alone = alone();
    let pool = new_pool();
    let container = new_container(&pool);
    let store = open(&pool, container);
    commit(&*store, &[put(b"a", b"one")]);
    let mut head = raw::value(container, b"a.head");
    flip(&mut head, 42);
    raw::set_value(container, b"a.head", &head);
    let error = store.index().get(key(b"a")).expect_err("nothing can be trusted");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("a.head"), "{error}");
    let refused = crate::steps::try_commit(&*store, &[], &[put(b"a", b"two")]);
    assert_eq!(refused.expect_err("nor built upon").kind(), ErrorKind::Corrupt);
    assert_eq!(damages(&*store).len(), 1);
    pool.space().expect("the other containers are counted all the same");
    pool.destroy(container, true).expect("destroyed");
    assert_eq!(raw::objects(container), Vec::<String>::new());
}

/// Of the test: without the comparison of checksums, the flipped byte is answered as if it were
/// what was written.
#[test]
fn the_flip_is_there_to_be_seen() {
    let _alone = alone();
    let pool = new_pool();
    let container = new_container(&pool);
    let store = open(&pool, container);
    commit(&*store, &[put(b"b", b"value")]);
    flip_record(container, b"b");
    let _bug = plant(Bug::AcceptDamage);
    assert_eq!(value(&*store, b"b"), Some(b"valuu".to_vec()));
}
