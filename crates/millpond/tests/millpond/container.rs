//! Containers: created, opened, closed, destroyed, and the dictionaries in them.

use millpond::{
    Container, ContainerOptions, ContainerType, Durability, ErrorKind, OpenOptions, Pool,
    limits::NAME_BYTES_MAX,
};

use crate::scratch::{Scratch, refused};

on_every_backend!(
    a_container_tells_about_itself,
    labels_are_unique_in_a_pool,
    a_container_without_a_label_is_found_by_uuid,
    an_open_container_is_busy,
    force_closes_the_handles,
    a_closed_handle_stays_closed,
    a_read_only_handle_refuses_changes,
    dicts_are_listed_by_name,
    a_destroyed_dict_is_gone_for_every_handle,
    a_new_dict_of_the_same_name_is_another_one,
    the_records_of_a_destroyed_dict_are_given_back,
    the_destruction_of_a_dict_goes_on_after_a_crash,
    dict_names_have_limits,
);

fn a_container_tells_about_itself(scratch: &Scratch) {
    let pool = scratch.pool();
    let options = ContainerOptions {
        container_type: ContainerType::PYTHON,
        durability: Some(Durability::Async),
        log_bytes: Some(64 << 10),
        ..ContainerOptions::default()
    };
    let container = pool.create_container(Some("kvstore"), options).expect("created");
    container.create_dict("a").expect("created");
    container.create_dict("b").expect("created");
    container.destroy_dict("a").expect("destroyed");

    let again = Container::open(&container.url()).expect("opened by its URL");
    assert_eq!(again.url(), format!("{}/kvstore", pool.url()));
    assert_eq!((again.durability(), again.is_read_only()), (Durability::Async, false));
    let query = again.query().expect("queried");
    assert_eq!((query.uuid, query.dicts), (container.uuid(), 1));
    assert_eq!((query.pool.as_str(), query.label.as_deref()), (pool.label(), Some("kvstore")));
    assert_eq!((query.container_type, query.durability), (ContainerType::PYTHON, Durability::Async));
    assert!(query.statistics.epoch > 0);
    assert_eq!(query.properties["log-size"], "65536");

    let sync = OpenOptions { durability: Some(Durability::Sync), ..OpenOptions::default() };
    let overridden = Container::open_with(&container.url(), sync).expect("opened");
    assert_eq!(overridden.durability(), Durability::Sync);
}

fn labels_are_unique_in_a_pool(scratch: &Scratch) {
    let pool = scratch.pool();
    let first = pool.create_container(Some("kv"), ContainerOptions::default()).expect("created");
    let used = pool.query().expect("queried").used;
    refused(
        pool.create_container(Some("kv"), ContainerOptions::default()),
        ErrorKind::AlreadyExists,
        &first.uuid().to_string(),
    );
    assert_eq!(pool.containers().expect("listed").len(), 1);
    assert_eq!(pool.query().expect("queried").used, used, "nothing is left of the second one");

    let other = pool.create_container(Some("other"), ContainerOptions::default()).expect("created");
    refused(other.set_property("label", "kv"), ErrorKind::AlreadyExists, "kv");
    other.set_property("label", "third").expect("a free label");
    other.set_property("label", "third").expect("its own label");
    assert_eq!(pool.container("third").expect("found").uuid(), other.uuid());
    refused(pool.container("other"), ErrorKind::NotFound, "kv, third");
    for bad in ["2f2a3c1e-6f0b-4a51-8d5d-0d8c3c1b9a77", "a/b", "", "."] {
        let created = pool.create_container(Some(bad), ContainerOptions::default());
        refused(created, ErrorKind::InvalidArgument, "can't be a label");
    }
}

fn a_container_without_a_label_is_found_by_uuid(scratch: &Scratch) {
    let pool = scratch.pool();
    let container = pool.create_container(None, ContainerOptions::default()).expect("created");
    assert_eq!(container.label(), None);
    assert_eq!(container.url(), format!("{}/{}", pool.url(), container.uuid()));
    assert_eq!(Container::open(&container.url()).expect("opened").uuid(), container.uuid());
    container.close().expect("closed");
    drop(container);
    let uuid = pool.containers().expect("listed")[0].uuid.to_string();
    pool.destroy_container(&uuid, false).expect("destroyed");
    assert!(pool.containers().expect("listed").is_empty());
}

fn an_open_container_is_busy(scratch: &Scratch) {
    let pool = scratch.pool();
    let container = pool.create_container(Some("kv"), ContainerOptions::default()).expect("created");
    let second = pool.container("kv").expect("opened");
    refused(pool.destroy_container("kv", false), ErrorKind::Busy, "");
    container.close().expect("closed");
    refused(pool.destroy_container("kv", false), ErrorKind::Busy, "");
    second.create_dict("d").expect("still usable");
    drop(second);
    pool.destroy_container("kv", false).expect("destroyed");
    refused(pool.container("kv"), ErrorKind::NotFound, "kv");
    refused(pool.destroy_container("kv", true), ErrorKind::NotFound, "kv");
}

fn force_closes_the_handles(scratch: &Scratch) {
    let pool = scratch.pool();
    let container = pool.create_container(Some("kv"), ContainerOptions::default()).expect("created");
    let dict = container.create_dict("d").expect("created");
    dict.put(b"key", b"value").expect("put");
    pool.destroy_container("kv", true).expect("destroyed");
    refused(dict.get(b"key"), ErrorKind::Closed, "");
    refused(dict.put(b"key", b""), ErrorKind::Closed, "");
    refused(dict.len(), ErrorKind::Closed, "");
    refused(container.query(), ErrorKind::Closed, "");
    refused(container.set_attribute("a", "b"), ErrorKind::Closed, "");
    drop(pool.create_container(Some("kv"), ContainerOptions::default()).expect("the label is free again"));
}

fn a_closed_handle_stays_closed(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put(b"key", b"value").expect("put");
    let clone = container.clone();
    let second = Container::open(&container.url()).expect("opened");
    container.close().expect("closed");
    clone.close().expect("closing again does nothing");
    refused(dict.get(b"key"), ErrorKind::Closed, "");
    refused(dict.put(b"key", b"v"), ErrorKind::Closed, "");
    refused(dict.iter(), ErrorKind::Closed, "");
    refused(clone.dicts(), ErrorKind::Closed, "");
    refused(container.flush(), ErrorKind::Closed, "");
    refused(container.properties(), ErrorKind::Closed, "");
    let value = second.dict("d").expect("opened").get(b"key").expect("another handle isn't closed");
    assert_eq!(value.as_deref(), Some(&b"value"[..]));
}

fn a_read_only_handle_refuses_changes(scratch: &Scratch) {
    let writable = scratch.container();
    let dict = writable.create_dict("d").expect("created");
    dict.put(b"key", b"value").expect("put");
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let container = Container::open_with(&writable.url(), options).expect("opened");
    assert!(container.is_read_only());
    let dict = container.dict("d").expect("opened");
    assert_eq!(dict.get(b"key").expect("read").as_deref(), Some(&b"value"[..]));
    assert_eq!(dict.len().expect("counted"), 1);
    let read_only = ErrorKind::ReadOnly;
    refused(dict.put(b"key", b"v"), read_only, "reading only");
    refused(dict.put(b"key", &[0; 10_000]), read_only, "reading only");
    refused(dict.delete(b"key"), read_only, "reading only");
    refused(dict.delete(b"none"), read_only, "reading only");
    refused(dict.take(b"none"), read_only, "reading only");
    refused(dict.take_last(), read_only, "reading only");
    refused(dict.clear(), read_only, "reading only");
    refused(dict.insert_if_absent(b"new", b""), read_only, "reading only");
    refused(dict.put_many([("a", "b")]), read_only, "reading only");
    refused(dict.writer(b"key").map(drop), read_only, "reading only");
    refused(container.create_dict("e"), read_only, "reading only");
    refused(container.open_or_create_dict("e"), read_only, "reading only");
    refused(container.destroy_dict("d"), read_only, "reading only");
    refused(container.set_attribute("a", "b"), read_only, "reading only");
    refused(container.set_property("durability", "async"), read_only, "reading only");
    refused(container.check(true), read_only, "reading only");
    assert!(container.check(false).expect("checked").is_clean());
}

fn dicts_are_listed_by_name(scratch: &Scratch) {
    let container = scratch.container();
    assert!(container.dicts().expect("listed").is_empty());
    for name in ["b", "é", "a\0b", "a"] {
        container.create_dict(name).expect("created");
    }
    refused(container.create_dict("b"), ErrorKind::AlreadyExists, "already");
    assert_eq!(container.open_or_create_dict("b").expect("opened").name(), "b");
    container.open_or_create_dict("c").expect("created");
    assert_eq!(container.dicts().expect("listed"), ["a", "a\0b", "b", "c", "é"]);
    refused(container.dict("x"), ErrorKind::NotFound, "create it");
    refused(container.destroy_dict("x"), ErrorKind::NotFound, "x");
    container.destroy_dict("b").expect("destroyed");
    assert_eq!(container.dicts().expect("listed"), ["a", "a\0b", "c", "é"]);
    assert_eq!(container.query().expect("queried").dicts, 4);
}

fn a_destroyed_dict_is_gone_for_every_handle(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let (empty, other) = (container.create_dict("e").expect("created"), dict.clone());
    dict.put(b"key", b"value").expect("put");
    let mut batch = dict.batch();
    batch.put(b"late", b"").expect("added");
    let mut iter = dict.iter().expect("begun");
    container.destroy_dict("d").expect("destroyed");
    container.destroy_dict("e").expect("destroyed");

    let gone = ErrorKind::NotFound;
    refused(other.get(b"key"), gone, "was destroyed");
    refused(other.get_many(&[b"key"]), gone, "was destroyed");
    refused(other.contains(b"key"), gone, "was destroyed");
    refused(other.put(b"key", b"value"), gone, "was destroyed");
    refused(other.put(b"key", &[0; 10_000]), gone, "was destroyed");
    refused(other.delete(b"key"), gone, "was destroyed");
    refused(other.take(b"key"), gone, "was destroyed");
    refused(other.insert_if_absent(b"key", b""), gone, "was destroyed");
    refused(other.iter().map(drop), gone, "was destroyed");
    refused(other.reader(b"key").map(drop), gone, "was destroyed");
    refused(other.clear(), gone, "was destroyed");
    refused(other.batch().commit(), gone, "was destroyed");
    refused(batch.commit(), gone, "was destroyed");
    refused(other.len(), gone, "was destroyed");
    refused(empty.len(), gone, "was destroyed");
    refused(empty.take_last(), gone, "was destroyed");
    let (key, value) = iter.next().expect("its view is older").expect("an entry");
    assert_eq!((&key[..], &value[..]), (&b"key"[..], &b"value"[..]));
}

fn a_new_dict_of_the_same_name_is_another_one(scratch: &Scratch) {
    let container = scratch.container();
    let old = container.create_dict("d").expect("created");
    old.put(b"key", b"old").expect("put");
    container.destroy_dict("d").expect("destroyed");
    let new = container.create_dict("d").expect("created");
    assert_eq!(new.len().expect("counted"), 0);
    refused(old.put(b"key", b"old"), ErrorKind::NotFound, "was destroyed");
    new.put(b"key", b"new").expect("put");
    refused(old.get(b"other"), ErrorKind::NotFound, "was destroyed");
    assert_eq!(new.get(b"key").expect("read").as_deref(), Some(&b"new"[..]));
}

fn the_records_of_a_destroyed_dict_are_given_back(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put_many((0..10_000u32).map(|number| (number.to_be_bytes(), b"value"))).expect("put");
    dict.put(b"long", &[7; 100_000]).expect("put");
    container.compact().expect("compacted");
    let full = container.query().expect("queried").statistics;
    container.destroy_dict("d").expect("destroyed");
    container.compact().expect("compacted");
    let empty = container.query().expect("queried").statistics;
    assert!(full.records > 10_000 && empty.records < 10, "{full:?}, then {empty:?}");
    assert!(empty.bytes_segments_live < 100_000, "{empty:?}");
    assert!(container.check(true).expect("checked").is_clean());
}

fn the_destruction_of_a_dict_goes_on_after_a_crash(scratch: &Scratch) {
    use millpond_core::{At, Commit, Direction, Key, KeyRange, Op, Write};

    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put_many((0..100u32).map(|number| (number.to_be_bytes(), b"value"))).expect("put");

    // What `destroy_dict` leaves when its process dies just after its first commit.
    let index = container.store().index();
    let catalogue = [0u8; 18];
    let named = index.get(Key::new(&catalogue, b"dd")).expect("read").expect("the name's record");
    let id = named.value[1..].to_vec();
    let partition = [&id[..], &[0, 0]].concat();
    let (object, reap) = ([b"o", &id[..]].concat(), [b"r", &id[..]].concat());
    let count = Key::new(&catalogue, b"n");
    let delete = |key| Write { key, op: Op::Delete, tally: None };
    let writes = vec![
        Write { tally: Some(count), ..delete(Key::new(&catalogue, b"dd")) },
        delete(Key::new(&catalogue, &object)),
        delete(Key::new(&partition, &[0])),
        delete(Key::new(&partition, &[1])),
        Write { key: Key::new(&catalogue, &reap), op: Op::Put { value: &[1], extents: &[] }, tally: None },
    ];
    index.commit(&Commit { writes, ..Commit::default() }).expect("committed");
    refused(dict.get(b"none"), ErrorKind::NotFound, "was destroyed");

    let again = Container::open(&container.url()).expect("opened");
    let view = again.store().index().view(At::Latest).expect("a view");
    let mut left = view.scan(KeyRange::all(&partition), Direction::Forward).expect("a scan");
    assert!(!left.advance().expect("read"), "opening it clears what is left");
    assert!(view.get(Key::new(&catalogue, &reap)).expect("read").is_none());
    assert!(again.check(false).expect("checked").is_clean());
}

fn dict_names_have_limits(scratch: &Scratch) {
    let container = scratch.container();
    let longest = "x".repeat(NAME_BYTES_MAX);
    container.create_dict(&longest).expect("created");
    container.dict(&longest).expect("opened");
    let longer = "x".repeat(NAME_BYTES_MAX + 1);
    refused(container.create_dict(&longer), ErrorKind::InvalidArgument, "512 bytes, not 513");
    refused(container.dict(""), ErrorKind::InvalidArgument, "1 to 512");
}

#[test]
fn pools_in_memory_are_shared_by_the_process() {
    let scratch = Scratch::memory();
    let dict = scratch.container().create_dict("d").expect("created");
    dict.put(b"key", b"value").expect("put");
    let again = Pool::open(&scratch.url).expect("opened").container("kv").expect("opened");
    assert_eq!(again.dict("d").expect("opened").get(b"key").expect("read").as_deref(), Some(&b"value"[..]));
}
