//! What a transaction read stays protected: however much it is, through merges, and up to its end.

use millpond::{Dict, DictRange, Durability, ErrorKind};

use crate::{
    attacks::small_log,
    scratch::{Scratch, noise, refused},
    transactions::{begin, keys},
};

on_every_backend!(
    however_much_is_read_all_of_it_is_protected,
    a_change_is_noticed_through_merges,
    what_is_read_while_it_ends_is_right_or_refused,
    what_it_destroyed_is_gone_for_it,
    a_count_is_of_what_the_transaction_sees_and_is_protected,
);

/// More keys and scans than are remembered one by one.
fn however_much_is_read_all_of_it_is_protected(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let other = container.create_dict("other").expect("created");
    type Act = fn(&Dict);
    let reads: [(&str, Act); 2] = [
        ("keys", |within| {
            let keys: Vec<_> = (0..70_000u32).map(u32::to_be_bytes).collect();
            assert!(within.get_many(&keys).expect("read").iter().all(Option::is_none));
        }),
        ("scans", |within| {
            for number in 0..5000u32 {
                let range = DictRange::prefix(number.to_be_bytes());
                assert_eq!(within.range(range).expect("begun").count(), 0);
            }
        }),
    ];
    for (what, read) in reads {
        for changed in [Some(0u32), Some(1234), Some(4999), None] {
            let tx = begin(&container);
            let within = dict.within(&tx).expect("the same container");
            read(&within);
            let others = if changed.is_some() { &dict } else { &other };
            let key = changed.unwrap_or_default().to_be_bytes();
            others.put(&key, b"v").expect("put");
            within.put(b"result", b"v").expect("put");
            assert_eq!(tx.commit().is_err(), changed.is_some(), "{what}: {changed:?}");
            others.delete(&key).expect("deleted");
            dict.delete(b"result").expect("deleted");
        }
    }
}

/// What was changed since a transaction began may have left the log, and what is deleted leaves runs.
fn a_change_is_noticed_through_merges(scratch: &Scratch) {
    let container =
        scratch.pool().create_container(Some("kv"), small_log(Durability::Async)).expect("created");
    let (dict, other) =
        (container.create_dict("d").expect("made"), container.create_dict("o").expect("made"));
    type Act = fn(&Dict);
    let reads: [Act; 3] = [
        |within| drop(within.get(b"b").expect("read")),
        |within| drop(within.get(b"x").expect("read")),
        |within| assert_eq!(keys(within).len(), 3),
    ];
    let changes: [(Act, [bool; 3]); 4] = [
        (|dict| assert!(dict.delete(b"b").expect("deleted")), [true, false, true]),
        (|dict| assert!(dict.put(b"b", b"2").expect("put")), [true, false, true]),
        (|dict| assert!(!dict.put(b"x", b"2").expect("put")), [false, true, true]),
        // So much at once that it never is in the log.
        (
            |dict| {
                let many = (0..2000u32).map(|number| (format!("x{number}").into_bytes(), noise(1, 1000)));
                let whole = [(b"b".to_vec(), b"2".to_vec()), (b"x".to_vec(), b"2".to_vec())];
                dict.put_many(many.chain(whole)).expect("put");
            },
            [true, true, true],
        ),
    ];
    for (change, conflicts) in changes {
        for (place, (read, conflicts)) in std::iter::zip(reads, conflicts).enumerate() {
            dict.clear().expect("cleared");
            dict.put_many([("a", "1"), ("b", "1"), ("c", "1")]).expect("put");
            container.compact().expect("compacted");
            let tx = begin(&container);
            read(&dict.within(&tx).expect("the same container"));
            change(&dict);
            for round in 0..3u8 {
                other.put_many((0..100u8).map(|number| ([round, number], noise(1, 1000)))).expect("put");
                container.compact().expect("compacted");
            }
            other.within(&tx).expect("the same container").put(b"result", b"v").expect("put");
            assert_eq!(tx.commit().is_err(), conflicts, "read {place}");
        }
    }
    assert!(container.check(false).expect("checked").is_clean());
}

/// A commit looks at what was read before it: nothing must be answered behind its back, and least of all
/// what was there before the transaction's own write.
fn what_is_read_while_it_ends_is_right_or_refused(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    for round in 0..300 {
        dict.put_many([("a", "old"), ("b", "old")]).expect("put");
        let tx = begin(&container);
        let within = dict.within(&tx).expect("the same container");
        within.put_many([("a", "new"), ("b", "new")]).expect("put");
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                loop {
                    let read = match round % 3 {
                        0 => within.get(b"a"),
                        1 => within.get_many(&["a"]).map(|mut values| values.remove(0)),
                        _ => within.iter().and_then(|mut entries| {
                            entries.next().transpose().map(|entry| entry.map(|(_, value)| value))
                        }),
                    };
                    match read {
                        Ok(value) => assert_eq!(value.as_deref(), Some(&b"new"[..]), "round {round}"),
                        Err(error) => return refused::<()>(Err(error), ErrorKind::Closed, "ended"),
                    }
                }
            });
            std::thread::sleep(std::time::Duration::from_micros(round % 50));
            tx.commit().expect("no conflict");
            reader.join().expect("no panic");
        });
    }
}

fn what_it_destroyed_is_gone_for_it(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put(b"k", b"v").expect("put");
    let tx = begin(&container);
    let within = dict.within(&tx).expect("the same container");
    assert!(within.contains(b"k").expect("asked"));
    tx.container().destroy_dict("d").expect("destroyed");
    refused(within.get(b"k"), ErrorKind::NotFound, "destroyed");
    refused(within.contains(b"k"), ErrorKind::NotFound, "destroyed");
    refused(within.value_length(b"k"), ErrorKind::NotFound, "destroyed");
    refused(within.len(), ErrorKind::NotFound, "destroyed");
    assert!(dict.contains(b"k").expect("asked"), "it isn't committed");
}

/// What it counted, and what it wrote itself, in every order; and a key that comes into the range later is one
/// that it has read of.
fn a_count_is_of_what_the_transaction_sees_and_is_protected(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let keys: Vec<_> = (0..300u32).map(u32::to_be_bytes).collect();
    dict.put_many(keys.iter().take(200).map(|key| (key, b"v"))).expect("put");
    let range = DictRange::after(keys[49]);
    let tx = begin(&container);
    let within = dict.within(&tx).expect("the same container");
    assert_eq!(within.count(&range).expect("counted"), 150);
    // One that is there, many that aren't, some that go, and one that comes and goes.
    within.put(&keys[60], b"again").expect("put");
    within.put_many(keys[200..].iter().map(|key| (key, b"new"))).expect("put");
    keys[100..120].iter().for_each(|key| assert!(within.delete(key).expect("deleted")));
    assert!(within.delete(&keys[250]).expect("deleted"));
    within.put(&keys[10], b"outside").expect("put");
    let expected = 150 + 100 - 20 - 1;
    assert_eq!(within.count(&range).expect("counted"), expected);
    assert_eq!(within.range(range.clone()).expect("begun").count() as u64, expected);
    assert_eq!(within.count(&DictRange::default()).expect("counted"), within.len().expect("its length"));
    assert_eq!(dict.count(&range).expect("counted"), 150, "others don't see it");
    tx.commit().expect("committed");
    assert_eq!(dict.count(&range).expect("counted"), expected);

    for (key, is_inside) in [(keys[20], false), (keys[110], true)] {
        let tx = begin(&container);
        let within = dict.within(&tx).expect("the same container");
        within
            .count(&DictRange { end: std::ops::Bound::Excluded(keys[120].to_vec()), ..range.clone() })
            .expect("counted");
        assert!(dict.delete(&key).expect("deleted") || dict.put(&key, b"v").is_ok());
        within.put(b"\xFFresult", b"v").expect("put");
        assert_eq!(tx.commit().is_err(), is_inside, "{key:?}");
    }
}
