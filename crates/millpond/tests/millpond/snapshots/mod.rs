//! Snapshots: taken, listed, destroyed, opened, compared, and gone back to.

mod deaths;
mod model;
mod objects;
mod processes;

use millpond::{
    Container, ContainerOptions, DifferenceKind, DifferentKey, DifferentObject, Epoch, ErrorKind,
    OpenOptions, Result, TransactionOptions,
};

use crate::scratch::{Scratch, noise, refused};

on_every_backend!(
    a_snapshot_shows_what_was,
    snapshots_are_listed_and_destroyed,
    a_handle_at_a_snapshot_changes_nothing,
    names_are_checked_and_taken_once,
    a_rule_keeps_and_destroys,
    differences_are_told_by_dictionary_and_key,
    differences_of_dictionaries_that_come_and_go,
    a_rollback_gives_back_everything,
    a_rollback_gives_back_dictionaries,
    a_rollback_to_what_is_there_does_nothing,
    what_snapshots_hold_back_is_told,
    a_transaction_reads_at_a_snapshot,
    own_records_outlive_a_rollback,
);

/// The differences as `+d key` and the like.
pub fn differences(container: &Container, from: &str, to: Option<&str>) -> Vec<String> {
    let diff = match to {
        Some(to) => container.diff(from, to),
        None => container.diff(from, ()),
    };
    diff.expect("compared").map(|difference| difference.expect("read").to_string()).collect()
}

fn a_snapshot_shows_what_was(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let long = noise(1, 100_000);
    dict.put_many([(&b"a"[..], &b"1"[..]), (b"b", b"1"), (b"long", &long)]).expect("put");
    let snapshot = container.snapshot("then").expect("taken");
    assert_eq!((snapshot.name.as_str(), snapshot.rule.as_deref()), ("then", None));
    assert!(snapshot.created_millis > 1_600_000_000_000);
    for round in 0u8..4 {
        dict.put_many([(&b"a"[..], &[round; 30][..]), (b"c", b"2"), (b"long", &noise(2, 50_000))])
            .expect("put");
        dict.delete(b"b").expect("deleted");
        container.compact().expect("compacted");
        let then = container.at("then").expect("opened");
        let old = then.dict("d").expect("opened");
        assert_eq!(old.len().expect("counted"), 3);
        assert_eq!(old.get(b"a").expect("read").as_deref(), Some(&b"1"[..]));
        assert_eq!(old.get(b"b").expect("read").as_deref(), Some(&b"1"[..]));
        assert!(old.get(b"long").expect("read").is_some_and(|value| value == long));
        assert_eq!(old.get(b"c").expect("read"), None);
        let keys: Vec<_> = old.iter().expect("listed").map(|entry| entry.expect("read").0).collect();
        assert_eq!(keys, [&b"a"[..], b"b", b"long"]);
        let same = container.at(snapshot.epoch).expect("the same state by its epoch");
        assert_eq!(same.dict("d").expect("opened").len().expect("counted"), 3);
    }
    assert_eq!(dict.get(b"b").expect("read"), None);
    container.create_dict("later").expect("created");
    let then = container.at("then").expect("opened");
    assert_eq!(then.dicts().expect("listed"), ["d"]);
    refused(then.dict("later").map(drop), ErrorKind::NotFound, "at the snapshot \"then\"");
}

fn snapshots_are_listed_and_destroyed(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    for name in ["c", "a", "b"] {
        dict.put(b"k", name.as_bytes()).expect("put");
        container.snapshot(name).expect("taken");
    }
    let names = |container: &Container| -> Vec<String> {
        container.snapshots().expect("listed").into_iter().map(|snapshot| snapshot.name).collect()
    };
    assert_eq!(names(&container), ["c", "a", "b"], "the oldest first");
    let at_a = container.at("a").expect("opened");
    let old = at_a.dict("d").expect("opened");
    assert_eq!(old.get(b"k").expect("read").as_deref(), Some(&b"a"[..]));
    assert_eq!(names(&at_a), ["c", "a"], "those that there were then, itself among them");
    container.destroy_snapshot("a").expect("destroyed");
    refused(old.get(b"k"), ErrorKind::NotFound, "the snapshot \"a\"");
    refused(at_a.dicts(), ErrorKind::NotFound, "was destroyed");
    refused(container.at("a"), ErrorKind::NotFound, "\"a\"");
    refused(container.destroy_snapshot("a"), ErrorKind::NotFound, "\"a\"");
    refused(container.diff("c", "a").map(drop), ErrorKind::NotFound, "\"a\"");
    refused(container.rollback("a").map(drop), ErrorKind::NotFound, "\"a\"");
    assert_eq!(names(&container), ["c", "b"]);
    container.compact().expect("compacted");
    for name in ["c", "b"] {
        let value = container.at(name).expect("opened").dict("d").expect("opened").get(b"k").expect("read");
        assert_eq!(value.as_deref(), Some(name.as_bytes()));
    }
    // One of the same name is another snapshot.
    dict.put(b"k", b"again").expect("put");
    container.snapshot("a").expect("taken");
    refused(old.get(b"k"), ErrorKind::NotFound, "was destroyed");
}

fn a_handle_at_a_snapshot_changes_nothing(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put(b"k", b"v").expect("put");
    container.snapshot("s").expect("taken");
    let then = container.at("s").expect("opened");
    assert!(then.is_read_only() && !container.is_read_only());
    let old = then.dict("d").expect("opened");
    refused(old.put(b"k", b"w"), ErrorKind::ReadOnly, "at the snapshot \"s\"");
    refused(old.put(b"k", &[1; 100_000]), ErrorKind::ReadOnly, "for reading only");
    refused(old.delete(b"k"), ErrorKind::ReadOnly, "for reading only");
    refused(then.create_dict("e").map(drop), ErrorKind::ReadOnly, "for reading only");
    refused(then.destroy_dict("d"), ErrorKind::ReadOnly, "for reading only");
    refused(then.set_property("snapshot-keep", "last:1"), ErrorKind::ReadOnly, "for reading only");
    for asked in [
        then.snapshot("t").map(drop),
        then.destroy_snapshot("s"),
        then.rollback("s").map(drop),
        then.at("s").map(drop),
        then.diff("s", ()).map(drop),
        then.compact(),
    ] {
        refused(asked, ErrorKind::InvalidArgument, "the container's own handle");
    }
    then.close().expect("it lets go of nothing");
    assert_eq!(dict.get(b"k").expect("read").as_deref(), Some(&b"v"[..]));
    let reader =
        Container::open_with(&container.url(), OpenOptions { read_only: true, ..OpenOptions::default() })
            .expect("opened");
    assert_eq!(reader.at("s").expect("opened").dict("d").expect("opened").len().expect("counted"), 1);
    refused(reader.snapshot("t").map(drop), ErrorKind::ReadOnly, "for reading only");
    refused(reader.rollback("s").map(drop), ErrorKind::ReadOnly, "for reading only");
}

fn names_are_checked_and_taken_once(scratch: &Scratch) {
    let container = scratch.container();
    for name in ["", "17", &"x".repeat(513)] {
        refused(container.snapshot(name).map(drop), ErrorKind::InvalidArgument, "name of a snapshot");
    }
    let first = container.snapshot("é / ü").expect("taken");
    refused(container.snapshot("é / ü").map(drop), ErrorKind::AlreadyExists, "already");
    assert_eq!(container.snapshots().expect("listed"), [first]);
    let newest = Epoch(container.query().expect("asked").statistics.epoch + 5);
    refused(container.at(newest).map(drop), ErrorKind::InvalidArgument, "epoch");
}

fn a_rule_keeps_and_destroys(scratch: &Scratch) {
    let container = scratch.container();
    refused(container.snapshot_by_rule().map(drop), ErrorKind::InvalidArgument, "snapshot-keep");
    refused(container.set_property("snapshot-keep", "daily:x"), ErrorKind::InvalidArgument, "hourly:24");
    assert_eq!(container.properties().expect("read")["snapshot-keep"], "none");
    container.set_property("snapshot-keep", "last:3").expect("set");
    container.snapshot("by hand").expect("taken");
    let dict = container.create_dict("d").expect("created");
    let mut made = Vec::new();
    for round in 0u8..6 {
        dict.put(b"k", &[round]).expect("put");
        made.push(container.snapshot_by_rule().expect("taken"));
    }
    assert!(made.iter().all(|snapshot| snapshot.rule.as_deref() == Some("last:3")));
    let left = container.snapshots().expect("listed");
    assert_eq!(left[0].name, "by hand");
    assert_eq!(left[1..], made[3..]);
    container.set_property("snapshot-keep", "last:1").expect("set");
    container.compact().expect("compacted");
    let left = container.snapshots().expect("listed");
    assert_eq!(left[1..], made[5..], "a compaction goes by the rule too");
    container.set_property("snapshot-keep", "none").expect("set");
    container.compact().expect("compacted");
    assert_eq!(container.snapshots().expect("listed").len(), 2, "without a rule, all stay");
}

fn differences_are_told_by_dictionary_and_key(scratch: &Scratch) {
    let container = scratch.container();
    let (one, two) =
        (container.create_dict("one").expect("made"), container.create_dict("two").expect("made"));
    for number in 0u32..2000 {
        one.put(&number.to_be_bytes(), b"before").expect("put");
    }
    two.put_many([("same", "1"), ("changed", "1"), ("removed", "1")]).expect("put");
    container.snapshot("a").expect("taken");
    container.compact().expect("compacted");
    assert_eq!(differences(&container, "a", None), [""; 0]);
    two.put_many([("changed", "2"), ("added", "2"), ("same", "1")]).expect("put");
    two.delete(b"removed").expect("deleted");
    two.put(b"passing", b"2").expect("put");
    container.snapshot("b").expect("taken");
    one.put(&17u32.to_be_bytes(), b"after").expect("put");
    two.delete(b"passing").expect("deleted");
    for _ in 0..2 {
        let expected = ["+ two added", "~ two changed", "+ two passing", "- two removed"];
        assert_eq!(differences(&container, "a", Some("b")), expected);
        let backward = ["- two added", "~ two changed", "- two passing", "+ two removed"];
        assert_eq!(differences(&container, "b", Some("a")), backward);
        let mut now = differences(&container, "b", None);
        now.sort();
        assert_eq!(now, ["- two passing", "~ one \\x00\\x00\\x00\\x11"]);
        assert_eq!(differences(&container, "b", Some("b")), [""; 0]);
        container.compact().expect("compacted");
    }
    let diff = container.diff("a", "b").expect("compared");
    let (from, to) = diff.epochs();
    assert!(from < to);
    let first = diff.map(|difference| difference.expect("read")).next().expect("a difference");
    assert_eq!(first.object, DifferentObject::Dict("two".into()));
    assert_eq!(
        (first.key, first.change),
        (Some(DifferentKey::Entry(b"added".to_vec())), DifferenceKind::Added)
    );
}

fn differences_of_dictionaries_that_come_and_go(scratch: &Scratch) {
    let container = scratch.container();
    container.create_dict("goes").expect("made").put(b"k", b"1").expect("put");
    container.snapshot("a").expect("taken");
    container.destroy_dict("goes").expect("destroyed");
    container.create_dict("comes").expect("made").put(b"k", b"1").expect("put");
    container.create_dict("empty").expect("made");
    let mut found = differences(&container, "a", None);
    found.sort();
    assert_eq!(found, ["+ comes", "+ comes k", "+ empty", "- goes", "- goes k"]);
}

fn a_rollback_gives_back_everything(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let long = noise(3, 150_000);
    dict.put_many([(&b"same"[..], &b"1"[..]), (b"changed", b"1"), (b"removed", b"1"), (b"long", &long)])
        .expect("put");
    container.snapshot("good").expect("taken");
    for round in 0u8..5 {
        dict.put_many([(&b"changed"[..], &[round][..]), (b"added", b"2"), (b"long", b"short")]).expect("put");
        dict.delete(b"removed").expect("deleted");
        if round % 2 == 1 {
            container.compact().expect("compacted");
        }
        container.snapshot(&format!("bad {round}")).expect("taken");
        let done = container.rollback("good").expect("rolled back");
        assert_eq!(done.keys, 4, "and the count is the same");
        assert_eq!(dict.len().expect("counted"), 4);
        assert_eq!(dict.get(b"changed").expect("read").as_deref(), Some(&b"1"[..]));
        assert_eq!(dict.get(b"removed").expect("read").as_deref(), Some(&b"1"[..]));
        assert_eq!(dict.get(b"added").expect("read"), None);
        assert!(dict.get(b"long").expect("read").is_some_and(|value| value == long));
        assert_eq!(differences(&container, "good", None), [""; 0]);
        if round % 2 == 0 {
            container.compact().expect("compacted");
        }
    }
    assert!(container.check(false).expect("checked").is_clean());
    // And forth again.
    container.rollback("bad 2").expect("rolled back");
    assert_eq!(dict.get(b"changed").expect("read").as_deref(), Some(&[2][..]));
    assert_eq!(dict.get(b"long").expect("read").as_deref(), Some(&b"short"[..]));
    // What was given back stays when all snapshots are gone.
    container.rollback("good").expect("rolled back");
    for snapshot in container.snapshots().expect("listed") {
        container.destroy_snapshot(&snapshot.name).expect("destroyed");
    }
    for round in 0u8..4 {
        dict.put(b"another", &[round]).expect("put");
        container.compact().expect("compacted");
        assert!(dict.get(b"long").expect("read").is_some_and(|value| value == long), "round {round}");
    }
    assert!(container.check(false).expect("checked").is_clean());
}

fn a_rollback_gives_back_dictionaries(scratch: &Scratch) {
    let container = scratch.container();
    let goes = container.create_dict("goes").expect("made");
    for number in 0u32..5000 {
        goes.put(&number.to_be_bytes(), b"1").expect("put");
    }
    container.snapshot("s").expect("taken");
    container.destroy_dict("goes").expect("destroyed");
    let comes = container.create_dict("comes").expect("made");
    comes.put(b"k", b"1").expect("put");
    let other = container.create_dict("goes").expect("another one of the name");
    other.put(b"k", b"2").expect("put");
    container.rollback("s").expect("rolled back");
    assert_eq!(container.dicts().expect("listed"), ["goes"]);
    assert_eq!(container.query().expect("asked").dicts, 1);
    let back = container.dict("goes").expect("opened");
    assert_eq!(back.len().expect("counted"), 5000);
    assert_eq!(back.iter().expect("listed").count(), 5000);
    for gone in [&comes, &other] {
        refused(gone.put(b"k", b"3").map(drop), ErrorKind::NotFound, "dictionary");
    }
    back.put(b"new", b"1").expect("it can be written");
    // What a destruction still has to clear away is none of it.
    container.compact().expect("compacted");
    assert_eq!(container.dict("goes").expect("opened").iter().expect("listed").count(), 5001);
    assert!(container.check(false).expect("checked").is_clean());
}

fn a_rollback_to_what_is_there_does_nothing(scratch: &Scratch) {
    let container = scratch.container();
    container.create_dict("d").expect("made").put(b"k", b"1").expect("put");
    container.snapshot("s").expect("taken");
    let before = container.query().expect("asked").statistics.epoch;
    let done = container.rollback("s").expect("rolled back");
    assert_eq!((done.keys, done.epoch.0), (0, before));
    assert_eq!(container.query().expect("asked").statistics.epoch, before);
}

fn what_snapshots_hold_back_is_told(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("made");
    assert!(container.snapshot_sizes().expect("told").is_empty());
    dict.put_many([("kept by both", vec![1; 100_000]), ("kept by one", vec![2; 50_000])]).expect("put");
    container.snapshot("one").expect("taken");
    dict.put("kept by one".as_bytes(), b"short").expect("put");
    container.snapshot("two").expect("taken");
    let bytes = |container: &Container| -> Vec<u64> {
        container.snapshot_sizes().expect("told").into_iter().map(|size| size.bytes).collect()
    };
    let sizes = bytes(&container);
    assert!((50_000..51_000).contains(&sizes[0]) && sizes[1] < 500, "{sizes:?}");
    let space = container.snapshot_space().expect("told");
    assert_eq!(space.snapshots, 2);
    assert!((50_000..51_000).contains(&space.bytes_held), "{space:?}");
    assert!((100_000..102_000).contains(&space.bytes_shared), "{space:?}");
    assert!(space.bytes_unshared < 1000, "{space:?}");
    dict.delete(b"kept by both").expect("deleted");
    dict.put(b"new", &[3; 30_000]).expect("put");
    let space = container.snapshot_space().expect("told");
    assert!((150_000..151_500).contains(&space.bytes_held), "{space:?}");
    assert!(space.bytes_shared < 2000, "{space:?}");
    assert!((30_000..31_000).contains(&space.bytes_unshared), "{space:?}");
    let sizes = bytes(&container);
    assert!((50_000..51_000).contains(&sizes[0]) && sizes[1] < 500, "both hold the other one: {sizes:?}");
    container.destroy_snapshot("one").expect("destroyed");
    let sizes = bytes(&container);
    assert!((100_000..101_000).contains(&sizes[0]), "{sizes:?}");
}

fn a_transaction_reads_at_a_snapshot(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("made");
    dict.put(b"k", b"1").expect("put");
    let snapshot = container.snapshot("s").expect("taken");
    dict.put(b"k", b"2").expect("put");
    container.compact().expect("compacted");
    let at = TransactionOptions { at: Some(snapshot.epoch), ..TransactionOptions::default() };
    let read = |container: &Container, options| {
        container.transaction_with(options, |tx| tx.dict("d")?.get(b"k")).expect("read")
    };
    assert_eq!(read(&container, at).as_deref(), Some(&b"1"[..]));
    let then = container.at("s").expect("opened");
    assert_eq!(read(&then, TransactionOptions::default()).as_deref(), Some(&b"1"[..]));
    let written: Result<()> = then.transaction(|tx| tx.dict("d")?.put(b"k", b"3").map(drop));
    refused(written, ErrorKind::ReadOnly, "for reading only");
    // A transaction that a rollback comes in between of is run again.
    let mut tries = 0;
    container
        .transaction(|tx| {
            tries += 1;
            let within = tx.dict("d")?;
            let value = within.get(b"k")?.expect("there");
            if tries == 1 {
                container.rollback("s")?;
            }
            within.put(b"seen", &value).map(drop)
        })
        .expect("committed");
    assert_eq!(tries, 2);
    assert_eq!(dict.get(b"seen").expect("read").as_deref(), Some(&b"1"[..]));
    let inside = container.transaction(|tx| tx.container().snapshot("t").map(drop));
    refused(inside, ErrorKind::InvalidArgument, "the container's own handle");
}

fn own_records_outlive_a_rollback(scratch: &Scratch) {
    let container = scratch.container();
    container.create_dict("d").expect("made").put(b"k", b"1").expect("put");
    container.snapshot("first").expect("taken");
    container.snapshot("second").expect("taken");
    container.dict("d").expect("opened").put(b"k", b"2").expect("put");
    container.destroy_snapshot("second").expect("destroyed");
    container.snapshot("third").expect("taken");
    container.rollback("first").expect("rolled back");
    let names: Vec<_> = container.snapshots().expect("listed").into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["first", "third"]);
    assert_eq!(differences(&container, "third", None), ["~ d k"]);
}

#[test]
fn a_rule_can_be_given_when_a_container_is_created() {
    let scratch = Scratch::memory();
    let options = ContainerOptions {
        properties: [("snapshot-keep".to_owned(), "daily:2".to_owned())].into(),
        ..ContainerOptions::default()
    };
    let container = scratch.pool().create_container(Some("c"), options).expect("created");
    assert_eq!(container.snapshot_by_rule().expect("taken").rule.as_deref(), Some("daily:2"));
}
