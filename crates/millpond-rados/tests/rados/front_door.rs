//! Dictionaries in a cluster, by way of the front door: what a user sees.
//!
//! The front door takes the cluster from `CEPH_CONF`, as Ceph's own programs do.

use std::{collections::BTreeMap, env};

use millpond::{Container, ContainerOptions, DictRange, ErrorKind, OpenOptions, Pool, PoolOptions};

use crate::cluster::{CEPH_POOL, alone, conf};

fn url() -> String {
    assert_eq!(
        env::var_os("CEPH_CONF"),
        Some(conf().into()),
        "set CEPH_CONF to what MILLPOND_TEST_CEPH_CONF is"
    );
    format!("rados://{CEPH_POOL}")
}

fn new_pool() -> Pool {
    match Pool::destroy(&url(), true) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        other => other.expect("destroyed"),
    }
    Pool::create(&url(), PoolOptions::default()).expect("created")
}

#[test]
fn a_dictionary_in_a_cluster() {
    let _alone = alone();
    let pool = new_pool();
    assert_eq!((pool.url(), pool.label()), (url(), CEPH_POOL));
    let again = Pool::create(&url(), PoolOptions::default()).expect_err("there is one");
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    let container = pool.create_container(Some("kv"), ContainerOptions::default()).expect("created");
    let dict = container.create_dict("planets").expect("created");
    let mut expected = BTreeMap::new();
    for number in 0..2500u32 {
        // Some are long, so that they are in segments.
        let length = if number % 500 == 0 { 200_000 } else { number as usize % 300 };
        expected.insert(number.to_be_bytes().to_vec(), vec![number as u8; length]);
    }
    dict.put_many(expected.clone()).expect("put");
    dict.delete(&7u32.to_be_bytes()).expect("deleted");
    expected.remove(&7u32.to_be_bytes()[..]);
    dict.put(b"\0\x01binary\xFF", b"").expect("put");
    expected.insert(b"\0\x01binary\xFF".to_vec(), Vec::new());
    container.close().expect("closed");

    let name = format!("{}/kv", url());
    let container = Container::open_with(&name, OpenOptions { read_only: true, ..OpenOptions::default() });
    let container = container.expect("opened");
    assert_eq!(container.url(), name);
    let dict = container.dict("planets").expect("there");
    assert_eq!(dict.len().expect("counted"), expected.len() as u64);
    let pair = |entry: millpond::Result<(bytes::Bytes, bytes::Bytes)>| {
        entry.map(|(key, value)| (key.to_vec(), value.to_vec())).expect("read")
    };
    assert!(dict.iter().expect("iterated").map(pair).eq(expected.clone()));
    let backward = DictRange { reverse: true, ..DictRange::default() };
    assert!(dict.range(backward).expect("iterated").map(pair).eq(expected.clone().into_iter().rev()));
    assert_eq!(dict.put(b"a", b"b").expect_err("it is read-only").kind(), ErrorKind::ReadOnly);
    let busy = pool.destroy_container("kv", false).expect_err("it is open");
    assert_eq!(busy.kind(), ErrorKind::Busy);
    container.close().expect("closed");

    let container = pool.container("kv").expect("opened");
    let report = container.check(false).expect("checked");
    assert!(report.damages.is_empty(), "{report:?}");
    container.destroy_dict("planets").expect("destroyed");
    container.compact().expect("compacted");
    let statistics = container.query().expect("answered").statistics;
    assert_eq!(statistics.bytes_segments, 0, "{statistics:?}");
    container.close().expect("closed");
    Pool::destroy(&url(), true).expect("destroyed");
    assert_eq!(Pool::open(&url()).expect_err("it is gone").kind(), ErrorKind::NotFound);
}

#[test]
fn a_full_pool_refuses_puts_and_lets_deletes_through() {
    let _alone = alone();
    new_pool().set_property("size", "4MiB").expect("set");
    let pool = Pool::open(&url()).expect("opened");
    let container = pool.create_container(Some("kv"), ContainerOptions::default()).expect("created");
    let dict = container.create_dict("big").expect("created");
    let value = vec![1; 1 << 20];
    let mut put = 0u32;
    let error = loop {
        assert!(put < 10, "the quota isn't kept");
        match dict.put(&put.to_be_bytes(), &value) {
            Ok(_) => put += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    assert!(put >= 2, "only {put} MiB fit");
    for number in 0..put {
        assert!(dict.delete(&number.to_be_bytes()).expect("deletes pass"));
    }
    container.compact().expect("compacted");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    dict.put(b"again", &value).expect("there is room again");
}

#[test]
fn what_is_not_there_says_so_at_once() {
    let _alone = alone();
    url();
    let missing = Pool::open("rados://no-such-ceph-pool").expect_err("there is none");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let refused =
        Pool::create("rados://no-such-ceph-pool", PoolOptions::default()).expect_err("it has to be there");
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    assert!(refused.to_string().contains("ceph osd pool create no-such-ceph-pool"), "{refused}");
    let denied = Pool::open(&format!("rados://nobody@{CEPH_POOL}")).expect_err("there is no such user");
    assert_eq!(denied.kind(), ErrorKind::PermissionDenied, "{denied}");
}
