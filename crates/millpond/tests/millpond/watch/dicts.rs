//! What a watch tells of dictionaries, on every backend.

use std::time::Duration;

use millpond::{
    Change, ChangeSet, Container, ErrorKind, Watch, WatchOptions, limits::VALUE_INLINE_BYTES_MAX,
};

use crate::scratch::{Scratch, noise, refused};

on_every_backend!(
    each_commit_is_told_as_what_it_did,
    dicts_come_and_go,
    only_what_is_asked_for_is_told,
    long_values_are_read_when_they_are_wanted,
    a_huge_commit_is_told_whole,
    a_huge_commit_that_was_left_says_so,
    a_transaction_is_one_commit,
    a_cursor_goes_on_where_it_was,
    a_cursor_without_interest_does_not_hold_back,
    an_iterator_waits_for_the_next_commit,
    a_closed_container_ends_its_watches,
);

const PATIENCE: Duration = Duration::from_secs(60);

fn watch(container: &Container, options: WatchOptions) -> Watch {
    container.watch(options).expect("a watch")
}

#[track_caller]
fn next(watch: &mut Watch) -> ChangeSet {
    watch.next_within(PATIENCE).expect("no error").expect("a commit")
}

#[track_caller]
fn assert_nothing(watch: &mut Watch) {
    assert!(watch.next_within(Duration::ZERO).expect("no error").is_none());
}

/// A change as one text.
fn text(change: &Change) -> String {
    let key = change.key().map(|key| key.escape_ascii().to_string());
    let value = change.value().expect("read").map(|value| value.escape_ascii().to_string());
    let words = [Some(change.kind().as_str().to_owned()), change.dict().map(str::to_owned), key, value];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn texts(set: ChangeSet) -> Vec<String> {
    let mut texts: Vec<_> = set.map(|change| text(&change.expect("read"))).collect();
    texts.sort();
    texts
}

fn each_commit_is_told_as_what_it_did(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let mut all = watch(&container, WatchOptions::default());
    dict.put(b"a", b"1").expect("put");
    dict.put_many([("b", "2"), ("c", "")]).expect("put");
    dict.delete(b"a").expect("deleted");
    assert_eq!(texts(next(&mut all)), ["put d a 1"]);
    let both = next(&mut all);
    let epoch = both.epoch();
    assert_eq!(all.epoch(), epoch);
    assert_eq!(texts(both), ["put d b 2", "put d c "]);
    assert_eq!(texts(next(&mut all)), ["delete d a"]);
    assert_nothing(&mut all);
    let mut again = watch(&container, WatchOptions::default().after(epoch));
    assert_eq!(texts(next(&mut again)), ["delete d a"]);
}

fn dicts_come_and_go(scratch: &Scratch) {
    let container = scratch.container();
    let old = container.create_dict("old").expect("created");
    old.put(b"k", b"v").expect("put");
    let mut all = watch(&container, WatchOptions::default());
    let mut one = watch(&container, WatchOptions::default().dict("new"));
    container.destroy_dict("old").expect("destroyed");
    let dict = container.create_dict("new").expect("created");
    dict.put(b"k", b"v").expect("put");
    container.destroy_dict("new").expect("destroyed");
    let again = container.create_dict("new").expect("created");
    again.put(b"k", b"w").expect("put");
    assert_eq!(texts(next(&mut all)), ["destroy old"], "and nothing of its entries");
    let mut ids = Vec::new();
    for texts_of in ["create new", "put new k v", "destroy new", "create new", "put new k w"] {
        for watch in [&mut all, &mut one] {
            let change = next(watch).next().expect("a change").expect("read");
            assert_eq!(text(&change), texts_of);
            ids.push(change.object());
        }
    }
    assert_nothing(&mut all);
    assert_nothing(&mut one);
    ids.dedup();
    assert_eq!(ids.len(), 2, "two dictionaries had that name");
}

fn only_what_is_asked_for_is_told(scratch: &Scratch) {
    let container = scratch.container();
    let (one, two) =
        (container.create_dict("one").expect("made"), container.create_dict("two").expect("made"));
    let options = WatchOptions::default;
    let mut of_one = watch(&container, options().dict("one"));
    let mut of_prefix = watch(&container, options().prefix("run-"));
    let mut of_both = watch(&container, options().dict("two").prefix("run-"));
    let mut of_none = watch(&container, options().dict("none"));
    one.put(b"run-1", b"").expect("put");
    two.put(b"run-2", b"").expect("put");
    two.put_many([("other", ""), ("run-3", "")]).expect("put");
    one.put(b"other", b"").expect("put");
    let all = |watch: &mut Watch| {
        let mut all = Vec::new();
        while let Some(set) = watch.next_within(Duration::ZERO).expect("no error") {
            all.push(texts(set).join(", "));
        }
        all
    };
    assert_eq!(all(&mut of_one), ["put one run-1 ", "put one other "]);
    assert_eq!(all(&mut of_prefix), ["put one run-1 ", "put two run-2 ", "put two run-3 "]);
    assert_eq!(all(&mut of_both), ["put two run-2 ", "put two run-3 "]);
    assert!(all(&mut of_none).is_empty());
    let last = container.query().expect("asked").statistics.epoch;
    assert_eq!(of_none.epoch().0, last, "what is passed over counts as seen");
}

fn long_values_are_read_when_they_are_wanted(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let mut watch = watch(&container, WatchOptions::default());
    let long = |round: u64| noise(round, 40 * VALUE_INLINE_BYTES_MAX);
    for round in 0..4 {
        dict.put(b"k", &long(round)).expect("put");
    }
    container.compact().expect("compacted");
    let mut last = None;
    for round in 0..4 {
        let change = next(&mut watch).next().expect("a change").expect("read");
        assert_eq!(change.value_length().expect("asked"), Some(long(round).len() as u64));
        assert!(change.value().expect("read").expect("a value") == long(round), "round {round}");
        last = Some(change);
    }
    // The newest one can be read wherever its bytes went; one that was replaced may be gone later.
    assert_nothing(&mut watch);
    drop(watch);
    container.compact().expect("compacted");
    container.compact().expect("compacted");
    let last = last.expect("four");
    assert!(last.value().expect("read").expect("a value") == long(3));
    dict.delete(b"k").expect("deleted");
    container.compact().expect("compacted");
    container.compact().expect("compacted");
    refused(last.value(), ErrorKind::EpochGone, "replaced or deleted since");
}

fn a_huge_commit_is_told_whole(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let mut watch = watch(&container, WatchOptions::default());
    let keys: Vec<_> = (0..5000u32).map(u32::to_be_bytes).collect();
    dict.put_many(keys.iter().map(|key| (key, noise(7, 600)))).expect("put");
    let set = next(&mut watch);
    let mut told: Vec<_> = set
        .map(|change| {
            let change = change.expect("read");
            assert_eq!(change.value_length().expect("asked"), Some(600));
            change.key().expect("a key").to_vec()
        })
        .collect();
    told.sort();
    assert!(told.iter().eq(&keys));
    assert_nothing(&mut watch);
}

fn a_huge_commit_that_was_left_says_so(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let mut watch = watch(&container, WatchOptions::default());
    dict.put_many((0..3000u32).map(|key| (key.to_be_bytes(), b"v"))).expect("put");
    dict.put(b"behind", b"v").expect("put");
    let huge = next(&mut watch);
    assert_eq!(texts(next(&mut watch)), ["put d behind v"]);
    let taken: Vec<_> = huge.collect();
    let (last, told) = taken.split_last().expect("some");
    assert!(told.len() < 3000 && told.iter().all(Result::is_ok));
    let error = last.as_ref().expect_err("the rest is gone");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
}

fn a_transaction_is_one_commit(scratch: &Scratch) {
    let container = scratch.container();
    for name in ["one", "two"] {
        container.create_dict(name).expect("created");
    }
    let mut watch = watch(&container, WatchOptions::default());
    container
        .transaction(|tx| {
            tx.dict("one")?.put(b"a", b"1")?;
            tx.dict("two")?.put(b"b", b"2")?;
            Ok(())
        })
        .expect("committed");
    assert_eq!(texts(next(&mut watch)), ["put one a 1", "put two b 2"]);
    assert_nothing(&mut watch);
}

fn a_cursor_goes_on_where_it_was(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let options = || WatchOptions::default().cursor("plots");
    let mut first = watch(&container, options());
    for round in 0..5u8 {
        dict.put(&[b'0' + round], b"").expect("put");
        container.compact().expect("compacted");
    }
    for _ in 0..2 {
        let epoch = next(&mut first).epoch();
        first.acknowledge(epoch).expect("acknowledged");
    }
    assert_eq!(texts(next(&mut first)), ["put d 2 "]);
    drop(first);
    let mut again = watch(&container, options());
    for key in ["2", "3", "4"] {
        assert_eq!(texts(next(&mut again)), [format!("put d {key} ")]);
    }
    let cursors = container.watch_cursors().expect("listed");
    assert_eq!(cursors.len(), 1);
    assert_eq!(cursors[0].name, "plots");
    container.remove_watch_cursor("plots").expect("removed");
    assert!(container.watch_cursors().expect("listed").is_empty());
    refused(container.remove_watch_cursor("plots"), ErrorKind::NotFound, "plots");
    let epoch = again.epoch();
    refused(again.acknowledge(epoch), ErrorKind::NotFound, "plots");
    let epoch = container.query().expect("asked").statistics.epoch;
    refused(
        watch(&container, WatchOptions::default()).acknowledge(millpond::Epoch(epoch)),
        ErrorKind::InvalidArgument,
        "cursor",
    );
}

fn a_cursor_without_interest_does_not_hold_back(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let mut watch = watch(&container, WatchOptions::default().dict("other").cursor("idle"));
    let begun = container.watch_cursors().expect("listed")[0].epoch;
    dict.put(b"a", b"").expect("put");
    std::thread::sleep(Duration::from_millis(1100));
    assert_nothing(&mut watch);
    assert!(container.watch_cursors().expect("listed")[0].epoch > begun, "it stays behind");
}

fn an_iterator_waits_for_the_next_commit(scratch: &Scratch) {
    let container = scratch.container();
    let dict = container.create_dict("d").expect("created");
    let mut watch = watch(&container, WatchOptions::default());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..3u8 {
                std::thread::sleep(Duration::from_millis(5));
                dict.put(&[b'0' + round], b"").expect("put");
            }
        });
        for round in 0..3 {
            let set = Iterator::next(&mut watch).expect("endless").expect("no error");
            assert_eq!(texts(set), [format!("put d {round} ")]);
        }
    });
}

fn a_closed_container_ends_its_watches(scratch: &Scratch) {
    let container = scratch.container();
    let mut watch = watch(&container, WatchOptions::default());
    container.close().expect("closed");
    refused(watch.next_within(PATIENCE), ErrorKind::Closed, "");
    refused(container.watch(WatchOptions::default()), ErrorKind::Closed, "");
}
