//! Transactions are serializable, see their own writes, and take effect whole or not at all.

use std::sync::atomic::{AtomicUsize, Ordering};

use millpond::{Container, Dict, DictRange, ErrorKind, Transaction, TransactionOptions};

use crate::scratch::{Scratch, noise, refused};

on_every_backend!(
    a_transaction_sees_its_own_writes_and_nobody_else_does,
    what_was_read_must_be_unchanged,
    a_scan_is_protected_as_far_as_it_got,
    writers_of_what_others_did_not_read_never_conflict,
    several_dictionaries_change_together,
    dictionaries_come_and_go_in_a_transaction,
    one_that_only_reads_never_conflicts,
    an_old_state_can_be_read,
    long_values_take_part,
    a_view_of_a_transaction_never_changes,
    one_that_has_ended_says_so,
    an_error_of_the_body_aborts,
    it_gives_up_after_many_conflicts,
    threads_lose_no_update,
    there_is_no_limit_of_writes,
);

pub fn begin(container: &Container) -> Transaction {
    container.begin(TransactionOptions::default()).expect("begun")
}

pub fn keys(dict: &Dict) -> Vec<Vec<u8>> {
    let entries = dict.range(DictRange::default()).expect("begun");
    entries.keys_only().map(|key| key.expect("read").to_vec()).collect()
}

fn a_transaction_sees_its_own_writes_and_nobody_else_does(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put_many([("a", "1"), ("c", "3"), ("e", "5")]).expect("put");
    let tx = begin(&container);
    let within = tx.dict("d").expect("opened");
    within.put(b"b", b"2").expect("put");
    assert!(within.delete(b"c").expect("deleted"));
    assert!(within.put(b"a", b"one").expect("put"), "it existed");
    assert_eq!(keys(&within), [b"a", b"b", b"e"]);
    assert_eq!(within.get(b"a").expect("read").as_deref(), Some(&b"one"[..]));
    assert_eq!(within.get(b"c").expect("read"), None);
    assert_eq!(within.len().expect("counted"), 3);
    let found = within.get_many(&["a", "b", "c", "e"]).expect("read");
    assert_eq!(
        found.iter().map(Option::as_deref).collect::<Vec<_>>(),
        [Some(&b"one"[..]), Some(b"2"), None, Some(b"5")]
    );
    let last: Vec<_> = within
        .range(DictRange { reverse: true, ..DictRange::default() })
        .expect("begun")
        .keys_only()
        .map(|key| key.expect("read"))
        .collect();
    assert_eq!(last, ["e", "b", "a"]);
    assert_eq!(keys(&dict), [b"a", b"c", b"e"]);
    tx.commit().expect("committed");
    assert_eq!(keys(&dict), [b"a", b"b", b"e"]);
    assert_eq!(dict.len().expect("counted"), 3);
}

fn what_was_read_must_be_unchanged(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put(b"there", b"1").expect("put");
    type Act = fn(&Dict);
    let reads: [(&str, Act); 4] = [
        ("a value", |within| drop(within.get(b"there").expect("read"))),
        ("an absence", |within| assert!(within.get(b"absent").expect("read").is_none())),
        ("the count", |within| assert_eq!(within.len().expect("counted"), 1)),
        ("all keys", |within| assert_eq!(keys(within).len(), 1)),
    ];
    let changes: [(&str, Act, [bool; 4]); 4] = [
        ("overwrites", |dict| assert!(dict.put(b"there", b"2").expect("put")), [true, false, false, true]),
        ("deletes", |dict| assert!(dict.delete(b"there").expect("deleted")), [true, false, true, true]),
        ("inserts", |dict| assert!(!dict.put(b"absent", b"1").expect("put")), [false, true, true, true]),
        ("does nothing", |_| (), [false; 4]),
    ];
    for (change, act, conflicts) in changes {
        for ((what, read), conflicts) in std::iter::zip(reads, conflicts) {
            dict.clear().expect("cleared");
            dict.put(b"there", b"1").expect("put");
            let tx = begin(&container);
            let within = dict.within(&tx).expect("of it");
            read(&within);
            container.create_dict("elsewhere").expect("created").put(b"x", b"y").expect("put");
            act(&dict);
            within.put(b"result", b"r").expect("put");
            let committed = tx.commit();
            container.destroy_dict("elsewhere").expect("destroyed");
            match committed {
                Ok(_) => assert!(!conflicts, "it read {what}, another one {change}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
                    assert!(conflicts, "it read {what}, another one {change}: {error}");
                }
            }
            assert_eq!(dict.contains(b"result").expect("asked"), !conflicts, "whole or not at all");
        }
    }
}

fn a_scan_is_protected_as_far_as_it_got(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    for reverse in [false, true] {
        for (inserted, conflicts) in
            [(&b"ba"[..], true), (b"cb", true), (b"aa", !reverse), (b"ea", reverse), (b"fa", reverse)]
        {
            dict.clear().expect("cleared");
            dict.put_many(["a", "b", "c", "d", "e", "f"].map(|key| (key, "v"))).expect("put");
            let tx = begin(&container);
            let within = dict.within(&tx).expect("of it");
            let range = DictRange { reverse, ..DictRange::default() };
            let taken = if reverse { 5 } else { 4 };
            assert_eq!(within.range(range).expect("begun").take(taken).count(), taken);
            dict.put(inserted, b"phantom").expect("put");
            within.put(b"z", b"result").expect("put");
            let committed = tx.commit();
            assert_eq!(committed.is_err(), conflicts, "{inserted:?}, reverse: {reverse}");
        }
    }
}

fn writers_of_what_others_did_not_read_never_conflict(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let transactions: Vec<_> = (0..10u8)
        .map(|number| {
            let tx = begin(&container);
            dict.within(&tx).expect("of it").put(&[number], b"v").expect("put");
            tx
        })
        .collect();
    for tx in transactions {
        tx.commit().expect("no conflict");
    }
    assert_eq!(dict.len().expect("counted"), 10);
    assert!(container.check(false).expect("checked").is_clean());
}

fn several_dictionaries_change_together(scratch: &Scratch) {
    let container = scratch.container();
    let (ann, bob) =
        (container.create_dict("ann").expect("made"), container.create_dict("bob").expect("made"));
    let epoch = container
        .transaction(|tx| {
            ann.within(tx)?.put(b"x", b"1")?;
            bob.within(tx)?.put(b"x", b"1")?;
            Ok(tx.epoch())
        })
        .expect("committed");
    let old = TransactionOptions { at: Some(epoch), ..TransactionOptions::default() };
    assert!(container.begin(old).is_ok() || !ann.is_empty().expect("asked"));
    assert_eq!((ann.len().expect("counted"), bob.len().expect("counted")), (1, 1));
}

fn dictionaries_come_and_go_in_a_transaction(scratch: &Scratch) {
    let container = scratch.container();
    let old = container.create_dict("old").expect("created");
    old.put(b"k", b"v").expect("put");
    let tx = begin(&container);
    let made = tx.container().create_dict("new").expect("created");
    made.put_many([("a", "1"), ("b", "2")]).expect("put");
    tx.container().destroy_dict("old").expect("destroyed");
    refused(tx.dict("old"), ErrorKind::NotFound, "old");
    assert_eq!(made.len().expect("counted"), 2);
    assert_eq!(tx.container().dicts().expect("listed"), ["new"]);
    assert_eq!(container.dicts().expect("listed"), ["old"]);
    tx.commit().expect("committed");
    assert_eq!(container.dicts().expect("listed"), ["new"]);
    refused(old.get(b"k"), ErrorKind::NotFound, "destroyed");
    assert_eq!(container.dict("new").expect("opened").len().expect("counted"), 2);
    let report = container.check(false).expect("checked");
    assert!(report.is_clean(), "{report:?}");

    let tx = begin(&container);
    tx.container().create_dict("never").expect("created").put(b"a", b"1").expect("put");
    tx.container().destroy_dict("never").expect("destroyed");
    tx.commit().expect("committed");
    assert_eq!(container.dicts().expect("listed"), ["new"]);
    let report = container.check(false).expect("checked");
    assert!(report.is_clean(), "{report:?}");
}

fn one_that_only_reads_never_conflicts(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put(b"k", b"1").expect("put");
    let tx = container.begin(TransactionOptions { read_only: true, ..Default::default() }).expect("begun");
    let within = dict.within(&tx).expect("of it");
    assert_eq!(within.get(b"k").expect("read").as_deref(), Some(&b"1"[..]));
    dict.put(b"k", b"2").expect("put");
    assert_eq!(within.get(b"k").expect("read").as_deref(), Some(&b"1"[..]), "one state, all along");
    refused(within.put(b"k", b"3"), ErrorKind::ReadOnly, "reading");
    tx.commit().expect("no conflict");
}

fn an_old_state_can_be_read(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put(b"k", b"1").expect("put");
    let now = begin(&container);
    dict.put(b"k", b"2").expect("put");
    let options = TransactionOptions { at: Some(now.epoch()), ..TransactionOptions::default() };
    let tx = container.begin(options).expect("begun");
    assert_eq!(dict.within(&tx).expect("of it").get(b"k").expect("read").as_deref(), Some(&b"1"[..]));
    refused(dict.within(&tx).expect("of it").put(b"k", b"3"), ErrorKind::ReadOnly, "reading");
}

fn long_values_take_part(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let (first, second) = (noise(1, 100_000), noise(2, 300_000));
    let tx = begin(&container);
    let within = dict.within(&tx).expect("of it");
    within.put(b"a", &first).expect("put");
    within.put(b"b", &second).expect("put");
    within.put(b"a", &second).expect("put again");
    assert!(within.get(b"a").expect("read").as_deref() == Some(&second[..]));
    assert_eq!(dict.len().expect("counted"), 0);
    tx.commit().expect("committed");
    container.compact().expect("compacted");
    assert!(dict.get(b"a").expect("read").as_deref() == Some(&second[..]));
    assert!(dict.get(b"b").expect("read").as_deref() == Some(&second[..]));

    let tx = begin(&container);
    dict.within(&tx).expect("of it").put(b"c", &first).expect("put");
    tx.abort();
    container.compact().expect("compacted");
    let report = container.check(false).expect("checked");
    assert!(report.is_clean(), "{report:?}");
}

fn a_view_of_a_transaction_never_changes(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put_many((0..200u32).map(|number| (number.to_be_bytes(), b"v"))).expect("put");
    let tx = begin(&container);
    let within = dict.within(&tx).expect("of it");
    within.put_many((200..400u32).map(|number| (number.to_be_bytes(), b"v"))).expect("put");
    let mut seen = 0u32;
    for entry in within.iter().expect("begun") {
        let (key, value) = entry.expect("read");
        assert_eq!((&key[..], &value[..]), (&seen.to_be_bytes()[..], &b"v"[..]));
        within.put(&key, b"changed").expect("put");
        within.delete(&(seen + 1).to_be_bytes()).expect("deleted");
        within.put(&(seen + 1000).to_be_bytes(), b"behind").expect("put");
        seen += 1;
    }
    assert_eq!(seen, 400);
}

fn one_that_has_ended_says_so(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let tx = begin(&container);
    let within = dict.within(&tx).expect("of it");
    let mut entries = within.iter().expect("begun");
    refused(tx.container().begin(TransactionOptions::default()), ErrorKind::InvalidArgument, "nest");
    refused(tx.container().flush(), ErrorKind::InvalidArgument, "flush");
    tx.commit().expect("committed");
    refused(within.get(b"k"), ErrorKind::Closed, "ended");
    refused(within.put(b"k", b"v"), ErrorKind::Closed, "ended");
    refused(entries.next().expect("an answer"), ErrorKind::Closed, "ended");
}

fn an_error_of_the_body_aborts(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let runs = AtomicUsize::new(0);
    let result = container.transaction(|tx| {
        runs.fetch_add(1, Ordering::Relaxed);
        dict.within(tx)?.put(b"k", b"v")?;
        tx.dict("nowhere").map(drop)
    });
    refused(result, ErrorKind::NotFound, "nowhere");
    assert_eq!((runs.into_inner(), dict.len().expect("counted")), (1, 0));
}

fn it_gives_up_after_many_conflicts(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let runs = AtomicUsize::new(0);
    let options = TransactionOptions { retries: Some(3), ..TransactionOptions::default() };
    let result = container.transaction_with(options, |tx| {
        let number = runs.fetch_add(1, Ordering::Relaxed);
        let within = dict.within(tx)?;
        within.get(b"k")?;
        dict.put(b"k", number.to_string().as_bytes())?;
        within.put(b"mine", b"v").map(drop)
    });
    refused(result, ErrorKind::Conflict, "4 tries");
    assert_eq!(runs.into_inner(), 4);
    assert!(!dict.contains(b"mine").expect("asked"));
}

fn threads_lose_no_update(scratch: &Scratch) {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 50;
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    dict.put(b"sum", b"0").expect("put");
    let number = |dict: &Dict| -> millpond::Result<u64> {
        let text = dict.get(b"sum")?.expect("it is there");
        Ok(std::str::from_utf8(&text).expect("digits").parse().expect("a number"))
    };
    let options = TransactionOptions {
        retries: Some(10_000),
        durability: Some(millpond::Durability::Async),
        ..TransactionOptions::default()
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    container
                        .transaction_with(options, |tx| {
                            let within = dict.within(tx)?;
                            let next = number(&within)? + 1;
                            within.put(b"sum", next.to_string().as_bytes()).map(drop)
                        })
                        .expect("committed");
                }
            });
        }
    });
    assert_eq!(number(&dict).expect("read"), THREADS * ROUNDS);
}

fn there_is_no_limit_of_writes(scratch: &Scratch) {
    /// More than DAOS takes.
    const WRITES: u32 = 70_000;
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    // Far less than the writes take.
    let options = TransactionOptions { memory: Some(1 << 20), ..TransactionOptions::default() };
    let tx = container.begin(options).expect("begun");
    let within = dict.within(&tx).expect("of it");
    for number in 0..WRITES {
        within.put(&number.to_be_bytes(), &noise(number.into(), 40)).expect("put");
    }
    assert_eq!(within.len().expect("counted"), u64::from(WRITES));
    assert_eq!(dict.len().expect("counted"), 0);
    let mut seen = 0u32;
    for entry in within.iter().expect("begun") {
        let (key, value) = entry.expect("read");
        assert_eq!(&key[..], seen.to_be_bytes());
        assert!(!seen.is_multiple_of(100) || value == noise(seen.into(), 40));
        seen += 1;
    }
    assert_eq!(seen, WRITES);
    tx.commit().expect("committed");
    assert_eq!(dict.len().expect("counted"), u64::from(WRITES));
    for number in (0..WRITES).step_by(997) {
        let value = dict.get(&number.to_be_bytes()).expect("read");
        assert!(value.as_deref() == Some(&noise(number.into(), 40)[..]));
    }
}
