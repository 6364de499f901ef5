//! Snapshots among processes: what one takes or destroys, the others know.

use millpond::{Container, Durability, ErrorKind, OpenOptions};
use millpond_testkit::process::{Part, role, tell};

use super::differences;
use crate::scratch::{Scratch, noise, refused};

#[test]
fn another_process_sees_a_snapshot() {
    if let Some(role) = role() {
        let options = OpenOptions { read_only: true, ..OpenOptions::default() };
        let container = Container::open_with(&role, options).expect("opened");
        let names: Vec<_> = container.snapshots().expect("listed").into_iter().map(|s| s.name).collect();
        assert_eq!(names, ["then"]);
        let old = container.at("then").expect("opened").dict("d").expect("opened");
        assert_eq!(old.len().expect("counted"), 2000);
        for entry in old.iter().expect("listed") {
            let (key, value) = entry.expect("read");
            let number = u32::from_be_bytes((*key).try_into().expect("a number"));
            assert_eq!(value, noise(number.into(), length(number)));
        }
        assert_eq!(differences(&container, "then", None).len(), 2001);
        return;
    }
    let scratch = Scratch::file();
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let put = |from: u32, salt: u64| {
        dict.put_many(
            (0..2000u32)
                .map(|number| (number.to_be_bytes(), noise(u64::from(number) + salt, length(number)))),
        )
        .expect("put");
        dict.put(b"salt", &from.to_be_bytes()).expect("put");
    };
    put(0, 0);
    dict.delete(b"salt").expect("deleted");
    container.snapshot("then").expect("taken");
    put(1, 5000);
    let run = || {
        Part::new("snapshots::processes::another_process_sees_a_snapshot", container.url()).start().finish()
    };
    run();
    container.compact().expect("compacted");
    run();
}

fn length(number: u32) -> usize {
    if number.is_multiple_of(100) { 30_000 } else { 40 }
}

/// What a reader holds open of a snapshot stays right, or is told to be gone.
#[test]
fn a_snapshot_is_destroyed_while_another_process_reads_it() {
    if let Some(role) = role() {
        let (url, sign) = role.split_once(' ').expect("a URL and a path");
        let container = Container::open(url).expect("opened");
        let old = container.at("then").expect("opened").dict("d").expect("opened");
        // An iterator holds a view, and a view its files.
        let mut entries = old.iter().expect("listed");
        let mut seen = 0;
        for entry in entries.by_ref().take(10) {
            entry.expect("read");
            seen += 1;
        }
        tell("reading");
        while !std::path::Path::new(sign).exists() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        for entry in entries {
            let (key, value) = entry.expect("what was begun is read to its end");
            let number = u32::from_be_bytes((*key).try_into().expect("a number"));
            assert_eq!(value, noise(number.into(), length(number)), "{number}");
            seen += 1;
        }
        assert_eq!(seen, 1000);
        refused(old.get(&1u32.to_be_bytes()), ErrorKind::NotFound, "was destroyed");
        return;
    }
    let scratch = Scratch::file();
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let put = |salt: u64| {
        dict.put_many(
            (0..1000u32)
                .map(|number| (number.to_be_bytes(), noise(u64::from(number) + salt, length(number)))),
        )
        .expect("put");
    };
    put(0);
    container.snapshot("then").expect("taken");
    put(7000);
    let sign = scratch.dir.path().join("go on");
    let part = Part::new(
        "snapshots::processes::a_snapshot_is_destroyed_while_another_process_reads_it",
        format!("{} {}", container.url(), sign.display()),
    );
    let mut reader = part.start();
    assert_eq!(reader.told().as_deref(), Some("reading"));
    container.destroy_snapshot("then").expect("destroyed");
    for round in 0..3 {
        put(9000 + round);
        container.compact().expect("compacted");
    }
    std::fs::write(&sign, "").expect("written");
    reader.finish();
}

/// Writers go on in other objects and in the same one while one process rolls back again and again.
#[test]
fn rollbacks_meet_writers() {
    const ROUNDS: u32 = 200;
    if let Some(url) = role() {
        let options = OpenOptions { durability: Some(Durability::Async), ..OpenOptions::default() };
        let container = Container::open_with(&url, options).expect("opened");
        let (pairs, own) = (container.dict("pairs").expect("opened"), container.dict("own").expect("opened"));
        for number in 0..ROUNDS {
            let mut batch = pairs.batch();
            let value = number.to_be_bytes();
            for half in [&b"left"[..], b"right", &value] {
                batch.put(half, &value).expect("put");
            }
            batch.commit().expect("committed");
            own.put(&value, &value).expect("put");
        }
        return;
    }
    let scratch = Scratch::file();
    let container = scratch.container();
    let pairs = container.create_dict("pairs").expect("created");
    let own = container.create_dict("own").expect("created");
    pairs.put_many([("left", "first"), ("right", "first")]).expect("put");
    container.snapshot("s").expect("taken");
    let other = Part::new("snapshots::processes::rollbacks_meet_writers", container.url()).start();
    let mut rollbacks = 0;
    while own.len().expect("counted") < u64::from(ROUNDS) || rollbacks < 20 {
        match container.rollback("s") {
            Ok(_) => rollbacks += 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
        }
        let found = pairs.get_many(&["left", "right"]).expect("read");
        assert_eq!(found[0], found[1], "half of a rollback is seen, or half of a commit");
        assert!(found[0].is_some());
        if own.len().expect("counted") == 0 && rollbacks > 10_000 {
            panic!("the writer doesn't come to write");
        }
        if rollbacks >= 20 {
            break;
        }
    }
    other.finish();
    container.rollback("s").expect("nobody writes any more");
    assert_eq!(pairs.len().expect("counted"), 2);
    assert!(own.is_empty().expect("counted"));
    assert!(container.check(false).expect("checked").is_clean());
}
