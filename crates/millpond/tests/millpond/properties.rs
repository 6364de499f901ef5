//! Properties and attributes of pools and containers.

use std::collections::BTreeMap;

use millpond::{
    Container, ContainerOptions, ContainerType, Durability, ErrorKind, OpenOptions, Pool, PoolOptions,
    limits::{ATTRIBUTE_BYTES_MAX, NAME_BYTES_MAX},
};

use crate::scratch::{Scratch, refused};

on_every_backend!(
    unknown_properties_name_the_known_ones,
    a_container_has_properties,
    the_size_of_a_pool_is_its_quota,
    attributes_are_kept,
    the_inline_size_says_what_goes_to_segments,
    what_is_not_mapped_is_read_all_the_same,
);

fn property(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

fn unknown_properties_name_the_known_ones(scratch: &Scratch) {
    let invalid = ErrorKind::InvalidArgument;
    let options = PoolOptions { properties: property("colour", "red"), ..PoolOptions::default() };
    refused(Pool::create(&scratch.url, options), invalid, "label, size");
    let pool = scratch.pool();
    refused(pool.set_property("colour", "red"), invalid, "label, size");
    refused(pool.set_property("label", "other"), invalid, "fixed");
    let options = ContainerOptions { properties: property("colour", "red"), ..ContainerOptions::default() };
    refused(
        pool.create_container(None, options),
        invalid,
        "durability, inline-size, label, log-size, mapped, snapshot-keep, type, watch-retention",
    );
    let container = pool.create_container(None, ContainerOptions::default()).expect("created");
    refused(
        container.set_property("colour", "red"),
        invalid,
        "durability, inline-size, label, log-size, mapped, snapshot-keep, type, watch-retention",
    );
    refused(container.set_property("type", "KV"), invalid, "fixed");
    refused(container.set_property("log-size", "1MiB"), invalid, "fixed");
    refused(container.set_property("durability", "maybe"), invalid, "sync");
    refused(container.set_property("inline-size", "4KiB"), invalid, "2048");
    refused(container.set_property("mapped", "maybe"), invalid, "true");
}

fn a_container_has_properties(scratch: &Scratch) {
    let pool = scratch.pool();
    let options = ContainerOptions {
        container_type: ContainerType::KV,
        properties: BTreeMap::from([
            ("durability".to_owned(), "async".to_owned()),
            ("label".to_owned(), "kv".to_owned()),
        ]),
        ..ContainerOptions::default()
    };
    let container = pool.create_container(None, options).expect("created");
    assert_eq!(container.durability(), Durability::Async);
    let expected = |durability: &str| {
        BTreeMap::from(
            [
                ("durability", durability),
                ("inline-size", "2048"),
                ("label", "kv"),
                ("log-size", "1048576"),
                ("mapped", "true"),
                ("snapshot-keep", "none"),
                ("type", "KV"),
                ("watch-retention", "256MiB,1day"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        )
    };
    assert_eq!(container.properties().expect("read"), expected("async"));
    container.set_property("durability", "sync").expect("set");
    assert_eq!(container.properties().expect("read"), expected("sync"));
    assert_eq!(container.durability(), Durability::Async, "an open handle keeps its own");
    let again = Container::open(&format!("{}/kv", pool.url())).expect("opened");
    assert_eq!(again.durability(), Durability::Sync);
}

fn the_size_of_a_pool_is_its_quota(scratch: &Scratch) {
    let pool = scratch.pool();
    assert_eq!(pool.properties().expect("read")["size"], "unlimited");
    pool.set_property("size", "2GiB").expect("set");
    assert_eq!(pool.properties().expect("read")["size"], (2u64 << 30).to_string());
    assert_eq!(Pool::open(&scratch.url).expect("opened").query().expect("queried").size, Some(2 << 30));
    refused(pool.set_property("size", "2G"), ErrorKind::InvalidArgument, "2GiB");
    pool.set_property("size", "unlimited").expect("set");
    assert_eq!(pool.query().expect("queried").size, None);
}

fn attributes_are_kept(scratch: &Scratch) {
    let container = scratch.container();
    let pool = Pool::open(&scratch.url).expect("opened");
    let name = "n".repeat(NAME_BYTES_MAX);
    let value = "v".repeat(ATTRIBUTE_BYTES_MAX);

    pool.set_attribute(&name, &value).expect("set");
    pool.set_attribute("owner", "é").expect("set");
    assert_eq!(pool.attribute("owner").expect("read"), "é");
    assert_eq!(pool.attributes().expect("read").len(), 2);
    pool.delete_attribute(&name).expect("deleted");
    refused(pool.delete_attribute(&name), ErrorKind::NotFound, "no attribute");
    refused(pool.attribute("none"), ErrorKind::NotFound, "none");
    refused(pool.set_attribute("", ""), ErrorKind::InvalidArgument, "1 to 512");
    refused(pool.set_attribute("n", &format!("{value}v")), ErrorKind::ValueTooLong, "2048");

    container.set_attribute("owner", "me").expect("set");
    container.set_attribute("owner", "you").expect("set");
    let again = Container::open(&container.url()).expect("opened");
    assert_eq!(again.attributes().expect("read"), property("owner", "you"));
    refused(again.attribute("none"), ErrorKind::NotFound, "none");
    again.delete_attribute("owner").expect("deleted");
    refused(container.attribute("owner"), ErrorKind::NotFound, "owner");
    refused(container.set_attribute(&format!("{name}n"), ""), ErrorKind::InvalidArgument, "not 513");
}

fn the_inline_size_says_what_goes_to_segments(scratch: &Scratch) {
    let pool = scratch.pool();
    let options = ContainerOptions { container_type: ContainerType::BLOB, ..ContainerOptions::default() };
    let blobs = pool.create_container(Some("blobs"), options).expect("created");
    assert_eq!(blobs.properties().expect("read")["inline-size"], "512", "the type's default");
    let bulk_bytes = |container: &Container| {
        container.store().compact().expect("compacted");
        container.store().statistics().expect("read").bytes_segments
    };
    let dict = blobs.create_dict("d").expect("created");
    dict.put(b"short", &[7; 512]).expect("put");
    assert_eq!(bulk_bytes(&blobs), 0, "512 bytes stay with their key");
    dict.put(b"long", &[7; 513]).expect("put");
    assert!(bulk_bytes(&blobs) >= 513, "513 bytes are in a segment");

    blobs.set_property("inline-size", "0").expect("set");
    let again = pool.open_container("blobs", OpenOptions::default()).expect("opened");
    let before = bulk_bytes(&again);
    let again_dict = again.dict("d").expect("opened");
    let mut batch = again_dict.batch();
    batch.put(b"one", b"1").expect("added").put(b"none", b"").expect("added");
    batch.commit().expect("committed");
    assert!(bulk_bytes(&again) > before, "a handle that is opened later goes by the new value");
    for (key, value) in [(&b"short"[..], &[7; 512][..]), (b"long", &[7; 513]), (b"one", b"1"), (b"none", b"")]
    {
        assert_eq!(again_dict.get(key).expect("read").as_deref(), Some(value));
    }
}

fn what_is_not_mapped_is_read_all_the_same(scratch: &Scratch) {
    let pool = scratch.pool();
    let options = ContainerOptions {
        durability: Some(Durability::Async),
        properties: property("mapped", "false"),
        ..ContainerOptions::default()
    };
    let container = pool.create_container(Some("c"), options).expect("created");
    assert_eq!(container.properties().expect("read")["mapped"], "false");
    let dict = container.create_dict("d").expect("created");
    for number in 0..500u32 {
        dict.put(&number.to_be_bytes(), &number.to_le_bytes()).expect("put");
    }
    container.compact().expect("compacted");
    container.close().expect("closed");
    for mapped in ["false", "true"] {
        let container = pool.open_container("c", OpenOptions::default()).expect("opened");
        let dict = container.dict("d").expect("opened");
        for number in 0..500u32 {
            let value = dict.get(&number.to_be_bytes()).expect("read");
            assert_eq!(value.as_deref(), Some(&number.to_le_bytes()[..]), "mapped={mapped}");
        }
        assert_eq!(dict.iter().expect("a walk").count(), 500);
        container.set_property("mapped", "true").expect("set");
        container.close().expect("closed");
    }
}
