//! Persistent engines: created, opened and refused as pmemkv's manual says.

use std::{fs, path::Path};

use millpond::{Pool, PoolOptions};
use millpond_pmemkv::{Config, Engine, Range, Result, Status};

use crate::support::{eight, engines, status};

const SIZE: u64 = 64 << 20;

/// A configuration with a path, in which `flags` are 1.
fn config(path: &Path, size: Option<u64>, flags: &[&str]) -> Config {
    let mut config = Config::default();
    config.put("path", path.to_str().expect("a path")).expect("an item");
    if let Some(size) = size {
        config.put("size", size).expect("an item");
    }
    for flag in flags {
        config.put(flag, 1u64).expect("an item");
    }
    config
}

#[track_caller]
fn assert_invalid(opened: Result<Engine>, what: &str) {
    assert_eq!(status(opened), Status::InvalidArgument, "{what}");
}

#[test]
fn the_flags_say_whether_it_may_be_there() {
    for name in engines(|engine| engine.persistent) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("pool");
        let open = |size, flags: &[&str]| Engine::open(name, &config(&path, size, flags));
        assert_invalid(open(Some(SIZE), &[]), "nothing is there");
        assert_invalid(open(Some(SIZE), &["create_if_missing", "create_or_error_if_exists"]), "both");
        assert_invalid(open(Some(SIZE), &["create_if_missing", "force_create"]), "both, by the older name");
        for flag in ["create_if_missing", "create_or_error_if_exists", "force_create"] {
            assert_invalid(open(None, &[flag]), "no size");
            assert_invalid(open(Some((8 << 20) - 1), &[flag]), "too small");
            assert_invalid(open(Some(u64::MAX), &[flag]), "too great");
        }
        assert!(!path.exists(), "{name}: what is refused leaves nothing");

        let engine = open(Some(SIZE), &["create_or_error_if_exists"]).expect("created");
        engine.put(&eight(1), &eight(2)).expect("put");
        engine.close().expect("closed");
        assert_invalid(open(Some(SIZE), &["create_or_error_if_exists"]), "it is there");
        assert_invalid(open(Some(SIZE), &["force_create"]), "it is there");
        for flags in [&["create_if_missing"][..], &[]] {
            // A size is of use to who creates.
            let engine = open(None, flags).expect("opened");
            assert_eq!(engine.get(&eight(1)).expect("read").expect("there"), eight(2), "{name}");
            engine.close().expect("closed");
        }
        // The newer name counts where both are given.
        let given = config(&path, Some(SIZE), &["force_create"]).with("create_or_error_if_exists", false);
        Engine::open(name, &given.expect("a configuration")).expect("opened, not created");
    }
}

#[test]
fn what_is_no_place_of_a_pool_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    fs::write(&file, "PMEMPOOLSET").expect("written");
    let full = directory.path().join("full");
    fs::create_dir(&full).expect("made");
    fs::write(full.join("something"), "else").expect("written");
    for name in engines(|engine| engine.persistent) {
        for flag in ["create_if_missing", "create_or_error_if_exists"] {
            for path in [
                "/",
                "",
                "//",
                ",./;'[]-=<>?:\"{}|_+!@#$%^&*()`~",
                "/dev/null",
                file.to_str().expect("a path"),
                full.to_str().expect("a path"),
                directory.path().join("absent/pool").to_str().expect("a path"),
            ] {
                assert_invalid(Engine::open(name, &config(Path::new(path), Some(SIZE), &[flag])), path);
            }
        }
    }
    let told = |path: &Path| {
        let refused = Engine::open("cmap", &config(path, Some(SIZE), &["create_if_missing"]));
        refused.expect_err("refused").to_string()
    };
    assert!(told(Path::new("/dev/null")).contains("is a device"), "{}", told(Path::new("/dev/null")));
    assert!(told(&file).contains("poolset"), "{}", told(&file));
    assert_eq!(fs::read_dir(&full).expect("listed").count(), 1);
}

#[test]
fn a_path_of_any_characters_is_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a b%20c?#\"ü");
    let engine = Engine::open("stree", &config(&path, Some(SIZE), &["create_if_missing"])).expect("created");
    engine.put(b"key", b"value").expect("put");
    engine.close().expect("closed");
    assert!(path.is_dir());
    let engine = Engine::open("stree", &config(&path, None, &[])).expect("opened");
    assert_eq!(engine.get(b"key").expect("read").expect("there"), b"value");
}

#[test]
fn an_oid_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pool");
    for name in engines(|engine| engine.persistent) {
        let both = config(&path, Some(SIZE), &["create_if_missing"]).with("oid", Config::default());
        assert_invalid(Engine::open(name, &both.expect("a configuration")), "a path and an oid");
        let oid = Config::default().with("oid", Config::default()).expect("a configuration");
        assert_eq!(status(Engine::open(name, &oid)), Status::NotSupported, "{name}");
        let number = Config::default().with("oid", 7u64).expect("a configuration");
        assert_eq!(status(Engine::open(name, &number)), Status::ConfigTypeError, "{name}");
        assert_invalid(Engine::open(name, &Config::default()), "neither a path nor an oid");
        for (item, value) in [("path", 7u64), ("create_if_missing", 1)] {
            let mut given = Config::default();
            if item != "path" {
                given.put("path", path.to_str().expect("a path")).expect("an item");
                given.put(item, "1").expect("an item");
            } else {
                given.put(item, value).expect("an item");
            }
            assert_eq!(status(Engine::open(name, &given)), Status::ConfigTypeError, "{name} {item}");
        }
        let durability = config(&path, Some(SIZE), &["create_if_missing"]).with("durability", "perhaps");
        assert_invalid(Engine::open(name, &durability.expect("a configuration")), "durability");
    }
    assert!(!path.exists());
}

#[test]
fn an_engine_does_not_open_what_another_one_made() {
    let persistent = engines(|engine| engine.persistent);
    for maker in &persistent {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("pool");
        let made = Engine::open(maker, &config(&path, Some(SIZE), &["create_if_missing"])).expect("created");
        made.put(&eight(1), &eight(2)).expect("put");
        for other in persistent.iter().filter(|other| *other != maker) {
            for flags in [&[][..], &["create_if_missing"]] {
                let refused = Engine::open(other, &config(&path, Some(SIZE), flags)).expect_err("refused");
                assert_eq!(refused.status(), Status::InvalidArgument, "{maker} {other}");
                assert!(refused.to_string().contains(&format!("by the engine {maker}:")), "{refused}");
            }
        }
        assert_eq!(made.count(Range::All).expect("counted"), 1);
    }
}

#[test]
fn a_creation_that_was_cut_off_is_completed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pool");
    let url = format!("file://{}", path.display());
    let pool =
        Pool::create(&url, PoolOptions { size: Some(SIZE), ..PoolOptions::default() }).expect("a pool");
    assert_invalid(Engine::open("radix", &config(&path, None, &[])), "no container");
    drop(pool.create_container(Some("pmemkv_radix"), Default::default()).expect("a container"));
    assert_invalid(Engine::open("radix", &config(&path, None, &[])), "no map");
    let engine = Engine::open("radix", &config(&path, None, &["create_if_missing"])).expect("completed");
    engine.put(b"key", b"value").expect("put");
}

#[test]
fn an_engine_is_shared_by_who_opens_it() {
    for name in engines(|engine| engine.persistent) {
        let directory = tempfile::tempdir().expect("a directory");
        let given = config(&directory.path().join("pool"), Some(SIZE), &["create_if_missing"]);
        let [one, other] = [(); 2].map(|()| Engine::open(name, &given).expect("opened"));
        one.put(&eight(1), &eight(2)).expect("put");
        assert_eq!(other.get(&eight(1)).expect("read").expect("there"), eight(2), "{name}");
        one.close().expect("closed");
        assert!(other.remove(&eight(1)).expect("removed"), "{name}");
    }
}
