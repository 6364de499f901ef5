//! Pools: found by label, UUID and URL, described and destroyed.

use std::{collections::BTreeMap, fs, path::PathBuf};

use millpond::{Container, ContainerOptions, ErrorKind, OpenOptions, Pool, PoolOptions};

use millpond_testkit::process::{Part, role};

use crate::scratch::{Scratch, refused};

on_every_backend!(
    a_second_create_is_refused,
    a_pool_tells_about_itself,
    a_missing_pool_says_where_it_was_looked_for,
    a_pool_with_containers_is_destroyed_by_force_only,
    the_handles_of_a_destroyed_pool_are_closed,
    a_pool_of_no_bytes_is_refused,
    a_missing_container_names_those_that_there_are,
);

fn a_second_create_is_refused(scratch: &Scratch) {
    let pool = scratch.pool();
    refused(Pool::create(&scratch.url, PoolOptions::default()), ErrorKind::AlreadyExists, "already");
    assert_eq!(Pool::open(&scratch.url).expect("it is still there").uuid(), pool.uuid());
}

fn a_pool_tells_about_itself(scratch: &Scratch) {
    let pool = scratch.pool_of(Some(1 << 30));
    let container = pool.create_container(Some("b"), ContainerOptions::default()).expect("created");
    pool.create_container(Some("a"), ContainerOptions::default()).expect("created");
    pool.create_container(None, ContainerOptions::default()).expect("created");
    let dict = container.create_dict("d").expect("created");
    dict.put(b"key", b"value").expect("put");

    let again = Pool::open(&pool.url()).expect("opened by its URL");
    let query = again.query().expect("queried");
    assert_eq!((query.uuid, query.label.as_str()), (pool.uuid(), pool.label()));
    assert_eq!((query.url.as_str(), query.size), (pool.url().as_str(), Some(1 << 30)));
    assert!(query.used > 0 && query.created > 1_500_000_000);
    let labels: Vec<_> = query.containers.iter().map(|summary| summary.label.as_deref()).collect();
    assert_eq!(labels, [Some("a"), Some("b"), None]);
    assert_eq!(query.properties["size"], (1u64 << 30).to_string());
}

fn a_missing_pool_says_where_it_was_looked_for(scratch: &Scratch) {
    let place = scratch.url.rsplit(['/', ':']).next().expect("a name");
    refused(Pool::open(&scratch.url), ErrorKind::NotFound, place);
    refused(Container::open(&format!("{}/kv", scratch.url)), ErrorKind::NotFound, place);
    refused(Pool::destroy(&scratch.url, true), ErrorKind::NotFound, place);
}

fn a_pool_with_containers_is_destroyed_by_force_only(scratch: &Scratch) {
    drop(scratch.container());
    refused(Pool::destroy(&scratch.url, false), ErrorKind::Busy, "1 containers");
    Pool::destroy(&scratch.url, true).expect("destroyed");
    refused(Pool::open(&scratch.url), ErrorKind::NotFound, "create");
    drop(scratch.pool());
    Pool::destroy(&scratch.url, false).expect("an empty one goes without force");
}

fn the_handles_of_a_destroyed_pool_are_closed(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put(b"key", b"value").expect("put");
    Pool::destroy(&scratch.url, true).expect("destroyed");
    refused(dict.put(b"key", b"value"), ErrorKind::Closed, "");
    refused(dict.get(b"key"), ErrorKind::Closed, "");
    refused(container.create_dict("e"), ErrorKind::Closed, "");
}

fn a_pool_of_no_bytes_is_refused(scratch: &Scratch) {
    let properties = BTreeMap::from([("size".to_owned(), "0".to_owned())]);
    let options = PoolOptions { properties, ..PoolOptions::default() };
    refused(Pool::create(&scratch.url, options), ErrorKind::InvalidArgument, "unlimited");
}

fn a_missing_container_names_those_that_there_are(scratch: &Scratch) {
    let pool = scratch.pool();
    refused(pool.container("kv"), ErrorKind::NotFound, "no labelled containers");
    drop(pool.create_container(Some("other"), ContainerOptions::default()).expect("created"));
    refused(pool.container("kv"), ErrorKind::NotFound, "it has other");
    let uuid = "2f2a3c1e-6f0b-4a51-8d5d-0d8c3c1b9a77";
    refused(pool.open_container(uuid, OpenOptions::default()), ErrorKind::NotFound, uuid);
    refused(pool.container("no label"), ErrorKind::InvalidArgument, "can't be a label");
}

#[test]
fn malformed_locations_are_refused() {
    for (location, says) in [
        ("a b", "can't be a label"),
        ("/data/pool", "file:///DIRECTORY"),
        ("file:pool", "absolute"),
        ("s3://bucket", "mem:LABEL"),
        ("mem:", "mem:LABEL"),
    ] {
        refused(Pool::open(location), ErrorKind::InvalidArgument, says);
        refused(Pool::create(location, PoolOptions::default()), ErrorKind::InvalidArgument, says);
    }
    let uuid = "2f2a3c1e-6f0b-4a51-8d5d-0d8c3c1b9a77";
    refused(Pool::create(uuid, PoolOptions::default()), ErrorKind::InvalidArgument, "is a UUID");
    refused(Container::open("no-slash"), ErrorKind::InvalidArgument, "POOL/CONTAINER");
}

#[test]
fn a_pool_in_a_directory_takes_its_label_from_it_or_from_a_property() {
    let dir = tempfile::tempdir().expect("a directory");
    let url = format!("file://{}/deep/er/my%20pool", dir.path().display());
    refused(Pool::create(&url, PoolOptions::default()), ErrorKind::InvalidArgument, "property label");
    let properties = BTreeMap::from([("label".to_owned(), "mine".to_owned())]);
    let pool = Pool::create(&url, PoolOptions { properties, ..PoolOptions::default() }).expect("created");
    assert_eq!(pool.label(), "mine");
    assert_eq!(Pool::open(&pool.url()).expect("opened").label(), "mine");
    assert!(dir.path().join("deep/er/my pool/pool.json").is_file());
}

/// Runs the test `name` of this module in a process of its own, with `MILLPOND_HOME` set to an empty
/// directory; answers that directory in that process, nothing in this one.
fn at_home(name: &str) -> Option<PathBuf> {
    if role().is_some() {
        return Some(millpond::home().expect("a home"));
    }
    let home = tempfile::tempdir().expect("a directory");
    let new = home.path().join("new");
    Part::new(&format!("pool::{name}"), "at home").env("MILLPOND_HOME", &new).start().finish();
    assert!(new.is_dir(), "the test ran nowhere");
    None
}

#[test]
fn pools_are_listed_under_the_home() {
    let Some(home) = at_home("pools_are_listed_under_the_home") else { return };
    assert_eq!(Pool::list().expect("a home that isn't there yet").len(), 0);
    let options = PoolOptions { size: Some(1 << 30), ..PoolOptions::default() };
    let pool = Pool::create("pydaos", options).expect("created");
    drop(pool.create_container(Some("kv"), ContainerOptions::default()).expect("created"));
    drop(Pool::create("another", PoolOptions::default()).expect("created"));
    fs::create_dir(home.join("no-pool")).expect("made");
    fs::write(home.join("file"), "").expect("made");
    fs::create_dir(home.join("broken")).expect("made");
    fs::write(home.join("broken/pool.json"), "{}").expect("made");

    let pools = Pool::list().expect("listed");
    let labels: Vec<_> = pools.iter().map(|summary| summary.label.as_str()).collect();
    assert_eq!(labels, ["another", "broken", "pydaos"]);
    assert!(pools[0].problem.is_none() && pools[1].problem.is_some());
    assert_eq!((pools[2].uuid, pools[2].size, pools[2].containers), (pool.uuid(), Some(1 << 30), 1));
    assert_eq!(pools[2].url, pool.url());
}

#[test]
fn pools_are_found_by_label_and_uuid() {
    let Some(home) = at_home("pools_are_found_by_label_and_uuid") else { return };
    let pool = Pool::create("pydaos", PoolOptions::default()).expect("created");
    let container = pool.create_container(Some("kv"), ContainerOptions::default()).expect("created");
    assert_eq!(
        pool.url(),
        format!("file://{}", home.join("pydaos").canonicalize().expect("a path").display())
    );
    let uuid = pool.uuid().to_string();
    for name in ["pydaos", &uuid, &pool.url()] {
        assert_eq!(Pool::open(name).expect(name).uuid(), pool.uuid());
        let again = Container::open(&format!("{name}/kv")).expect(name);
        assert_eq!((again.uuid(), again.url()), (container.uuid(), container.url()));
    }
    let by_uuid = Container::open(&format!("pydaos/{}", container.uuid())).expect("by UUID");
    assert_eq!(by_uuid.label(), Some("kv"));

    refused(Pool::create("pydaos", PoolOptions::default()), ErrorKind::AlreadyExists, "already");
    refused(Pool::open("pydoas"), ErrorKind::NotFound, "millpond pool create pydoas");
    let unknown = "2f2a3c1e-6f0b-4a51-8d5d-0d8c3c1b9a77";
    refused(Pool::open(unknown), ErrorKind::NotFound, "millpond pool list");

    // A pool that was moved is found under the new name.
    drop((container, by_uuid, pool));
    fs::rename(home.join("pydaos"), home.join("moved")).expect("moved");
    assert_eq!(Pool::open(&uuid).expect("found").label(), "moved");
    refused(Pool::open("pydaos"), ErrorKind::NotFound, "pydaos");
}
