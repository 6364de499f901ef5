//! Watching: each commit, whole, in order and once.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use millpond_core::{
    Change, ChangeKind, Commit, Epoch, ErrorKind, Key, Outcome, Store, Watch, WatchOptions,
    watch::{CURSORS, CURSORS_MAX, Cursors},
};

use super::{Fixture, Tests, steps::*};

pub(super) const TESTS: Tests = &[
    ("delivers_each_commit_whole_and_in_order", delivers_each_commit_whole_and_in_order),
    ("begins_behind_the_newest_commit", begins_behind_the_newest_commit),
    ("goes_on_after_an_epoch", goes_on_after_an_epoch),
    ("tells_of_counters", tells_of_counters),
    ("a_huge_commit_comes_whole", a_huge_commit_comes_whole),
    ("what_is_not_read_is_passed_over", what_is_not_read_is_passed_over),
    ("compaction_hides_nothing", compaction_hides_nothing),
    ("bulk_bytes_stay_for_a_watch", bulk_bytes_stay_for_a_watch),
    ("a_cursor_is_kept_up_with", a_cursor_is_kept_up_with),
    ("a_cursor_acknowledges", a_cursor_acknowledges),
    ("cursors_are_listed_and_removed", cursors_are_listed_and_removed),
    ("cursors_are_not_told_of", cursors_are_not_told_of),
    ("an_epoch_that_never_was_is_said_to_be_lost", an_epoch_that_never_was_is_said_to_be_lost),
    ("waits_until_something_comes", waits_until_something_comes),
    ("what_is_delivered_is_durable", what_is_delivered_is_durable),
    ("misses_nothing_beside_many_writers", misses_nothing_beside_many_writers),
    ("ends_with_its_store", ends_with_its_store),
];

/// Long enough for a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(60);

fn watch(store: &dyn Store, options: WatchOptions<'_>) -> Box<dyn Watch> {
    store.index().watch(&options).expect("a watch")
}

fn after(epoch: Epoch) -> WatchOptions<'static> {
    WatchOptions { after: Some(epoch), ..WatchOptions::default() }
}

fn cursor(name: &str) -> WatchOptions<'_> {
    WatchOptions { cursor: Some(name), ..WatchOptions::default() }
}

/// The changes of the commit that the watch is at, by key.
fn changes(watch: &mut dyn Watch) -> BTreeMap<Vec<u8>, ChangeKind> {
    let mut all = BTreeMap::new();
    while let Some(Change { key, kind }) = watch.change().expect("read") {
        assert!(all.insert(key.to_vec(), kind).is_none(), "{key:?} is told of twice");
    }
    all
}

/// The next commit.
#[track_caller]
fn next(watch: &mut dyn Watch) -> (Epoch, BTreeMap<Vec<u8>, ChangeKind>) {
    let epoch = watch.next(PATIENCE).expect("no error").expect("a commit");
    assert_eq!(watch.epoch(), epoch);
    (epoch, changes(watch))
}

#[track_caller]
fn assert_nothing(watch: &mut dyn Watch) {
    assert_eq!(watch.next(Duration::ZERO).expect("no error"), None);
}

fn put_of(value: &[u8]) -> ChangeKind {
    ChangeKind::Put { value: value.to_vec().into(), extents: Vec::new() }
}

fn full(sort: &[u8]) -> Vec<u8> {
    key(sort).concat()
}

fn with_cursors<T>(store: &dyn Store, work: impl FnOnce(Cursors<'_>) -> T) -> T {
    let get = |key: Key<'_>| store.index().get(key);
    work(Cursors { get: &get, commit: &|commit: &Commit<'_>| store.index().commit(commit) })
}

fn delivers_each_commit_whole_and_in_order(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut watch = watch(store, WatchOptions::default());
    assert_nothing(&mut *watch);
    let mut made = Vec::new();
    for round in 0u16..300 {
        let sort = round.to_be_bytes();
        let writes = [put(&sort, b"v"), put(b"same", &[1; 300]), delete(b"none")];
        made.push(match round % 3 {
            0 => commit(store, &writes).0,
            _ => commit_async(store, &writes).0,
        });
    }
    for (round, epoch) in made.iter().enumerate() {
        let expected = BTreeMap::from([
            (full(&(round as u16).to_be_bytes()), put_of(b"v")),
            (full(b"same"), put_of(&[1; 300])),
            (full(b"none"), ChangeKind::Delete),
        ]);
        assert_eq!(next(&mut *watch), (*epoch, expected));
    }
    assert_nothing(&mut *watch);
}

fn begins_behind_the_newest_commit(fixture: &mut Fixture) {
    let store = fixture.store();
    let (before, _) = commit_async(store, &[put(b"a", b"1")]);
    let mut watch = watch(store, WatchOptions::default());
    assert_eq!(watch.epoch(), before);
    assert_nothing(&mut *watch);
    let (epoch, _) = commit(store, &[put(b"b", b"1")]);
    assert_eq!(next(&mut *watch).0, epoch);
}

fn goes_on_after_an_epoch(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut first = watch(store, WatchOptions::default());
    let epochs: Vec<_> = (0u8..40).map(|round| commit_async(store, &[put(&[round], b"v")]).0).collect();
    // The first watch still needs them all, and so they are there for others.
    for (place, epoch) in epochs.iter().enumerate() {
        let mut other = watch(store, after(*epoch));
        assert_eq!(other.epoch(), *epoch);
        match epochs.get(place + 1) {
            Some(following) => assert_eq!(next(&mut *other).0, *following),
            None => assert_nothing(&mut *other),
        }
        assert_eq!(next(&mut *first).0, *epoch);
    }
}

fn tells_of_counters(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut watch = watch(store, WatchOptions::default());
    commit(store, &[tallied(put(b"a", b"1"), b"#"), tallied(put(b"b", b"1"), b"#"), adjust(b"n", -3)]);
    commit(store, &[tallied(put(b"a", b"2"), b"#"), tallied(delete(b"b"), b"#")]);
    let (_, first) = next(&mut *watch);
    assert_eq!(first[&full(b"#")], ChangeKind::Adjust(2));
    assert_eq!(first[&full(b"n")], ChangeKind::Adjust(-3));
    assert_eq!(first.len(), 4);
    let (_, second) = next(&mut *watch);
    assert_eq!(second[&full(b"#")], ChangeKind::Adjust(-1));
    assert_eq!(second[&full(b"b")], ChangeKind::Delete);
}

fn a_huge_commit_comes_whole(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"gone", b"1")]);
    let mut watch = watch(store, WatchOptions::default());
    let sorts: Vec<_> = (0u32..3000).map(u32::to_be_bytes).collect();
    let value = |sort: &[u8; 4]| [&sort[..], &[9; 1000]].concat();
    let values: Vec<_> = sorts.iter().map(value).collect();
    let mut writes: Vec<_> =
        std::iter::zip(&sorts, &values).map(|(sort, value)| tallied(put(sort, value), b"#")).collect();
    writes.push(tallied(delete(b"gone"), b"#"));
    let (huge, _) = commit(store, &writes);
    let (small, _) = commit(store, &[put(b"behind", b"1")]);
    store.compact().expect("compacted");
    let (epoch, all) = next(&mut *watch);
    assert_eq!((epoch, all.len()), (huge, 3002));
    for (sort, value) in std::iter::zip(&sorts, &values) {
        assert_eq!(all[&full(sort)], put_of(value));
    }
    assert_eq!(all[&full(b"gone")], ChangeKind::Delete);
    assert_eq!(next(&mut *watch).0, small);
}

fn what_is_not_read_is_passed_over(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut watch = watch(store, WatchOptions::default());
    let (first, _) = commit(store, &[put(b"a", b"1"), put(b"b", b"1")]);
    let (second, _) = commit(store, &[put(b"c", b"1")]);
    assert_eq!(watch.next(PATIENCE).expect("no error"), Some(first));
    assert!(watch.change().expect("read").is_some());
    assert_eq!(next(&mut *watch), (second, BTreeMap::from([(full(b"c"), put_of(b"1"))])));
    assert_eq!(watch.change().expect("at the end"), None);
}

fn compaction_hides_nothing(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut watch = watch(store, WatchOptions::default());
    let mut made = Vec::new();
    for round in 0u16..600 {
        made.push(commit_async(store, &[put(b"same", &[round as u8; 700])]).0);
        if round % 150 == 149 {
            store.compact().expect("compacted");
        }
        if round % 200 == 0 {
            assert_eq!(next(&mut *watch).0, made.remove(0));
        }
    }
    for epoch in made {
        assert_eq!(next(&mut *watch).0, epoch);
    }
    assert_nothing(&mut *watch);
}

fn bulk_bytes_stay_for_a_watch(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut watch = watch(store, WatchOptions::default());
    let bulk = |round: u8| vec![round; 100_000];
    for round in 0..6 {
        let extents = store_bulk(store, &bulk(round), 30_000);
        commit(store, &[put_bulk(b"big", b"header", &extents)]);
    }
    // Five of them are superseded now, and their space could be given back.
    store.compact().expect("compacted");
    store.compact().expect("compacted");
    for round in 0..6 {
        let (_, all) = next(&mut *watch);
        let ChangeKind::Put { extents, .. } = &all[&full(b"big")] else { panic!("{all:?}") };
        assert_eq!(read_bulk(store, extents).expect("read"), bulk(round));
    }
    assert_nothing(&mut *watch);
    commit(store, &[delete(b"big")]);
    assert_eq!(next(&mut *watch).1[&full(b"big")], ChangeKind::Delete);
    drop(watch);
    commit(store, &[put(b"behind", b"1")]);
    store.compact().expect("compacted");
    store.compact().expect("compacted");
    let left = store.statistics().expect("statistics").bytes_segments;
    assert!(left < 100_000, "nobody needs them any more, and {left} bytes are there");
}

fn a_cursor_is_kept_up_with(fixture: &mut Fixture) {
    let options = cursor("plots");
    let begun = watch(fixture.store(), options).epoch();
    let mut made = Vec::new();
    for round in 0u8..20 {
        for _ in 0..10 {
            made.push(commit_async(fixture.store(), &[put(b"same", &[round; 500])]).0);
        }
        fixture.store().compact().expect("compacted");
        if round % 7 == 3 {
            fixture.reopen();
        }
    }
    let mut watch = watch(fixture.store(), options);
    assert_eq!(watch.epoch(), begun);
    for epoch in made {
        assert_eq!(next(&mut *watch).0, epoch);
    }
    assert_nothing(&mut *watch);
}

fn a_cursor_acknowledges(fixture: &mut Fixture) {
    let mut made = Vec::new();
    {
        let store = fixture.store();
        let mut watch = watch(store, cursor("plots"));
        made.extend((0u8..30).map(|round| commit_async(store, &[put(&[round], b"v")]).0));
        for epoch in &made[..10] {
            assert_eq!(next(&mut *watch).0, *epoch);
        }
        watch.acknowledge(made[9]).expect("acknowledged");
        watch.acknowledge(made[4]).expect("that is known");
        let other = store.index().watch(&WatchOptions::default()).expect("a watch").acknowledge(made[9]);
        assert_eq!(other.expect_err("it has no cursor").kind(), ErrorKind::InvalidArgument);
    }
    fixture.reopen();
    fixture.store().compact().expect("compacted");
    let store = fixture.store();
    let mut again = watch(store, cursor("plots"));
    assert_eq!(again.epoch(), made[9]);
    assert_eq!(next(&mut *again).0, made[10]);
    drop(again);
    // Where it begins may be said, too; what it acknowledged stays.
    let options = WatchOptions { after: Some(made[19]), ..cursor("plots") };
    assert_eq!(next(&mut *watch(store, options)).0, made[20]);
    assert_eq!(watch(store, cursor("plots")).epoch(), made[9]);
}

fn cursors_are_listed_and_removed(fixture: &mut Fixture) {
    let store = fixture.store();
    let (epoch, _) = commit(store, &[put(b"a", b"1")]);
    for name in ["b", "a", "é"] {
        watch(store, cursor(name));
    }
    let names = |store: &dyn Store| {
        let mut names: Vec<_> = with_cursors(store, |cursors| cursors.list().expect("a list"))
            .into_iter()
            .map(|cursor| cursor.name)
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(store), ["a", "b", "é"]);
    assert!(with_cursors(store, |cursors| cursors.find("a")).expect("found").expect("there") >= epoch);
    let mut held = watch(store, cursor("a"));
    with_cursors(store, |cursors| cursors.remove("a")).expect("removed");
    assert_eq!(names(store), ["b", "é"]);
    assert_eq!(held.acknowledge(epoch).map_err(|error| error.kind()), Err(ErrorKind::NotFound));
    let gone = with_cursors(store, |cursors| cursors.remove("a")).expect_err("it is gone");
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    for place in 0..CURSORS_MAX - 2 {
        watch(store, cursor(&format!("{place}")));
    }
    let full = store.index().watch(&cursor("too many")).err().expect("no place is left");
    assert_eq!(full.kind(), ErrorKind::InvalidArgument);
    assert_eq!(watch(store, cursor("b")).epoch(), epoch, "one that is there needs no place");
    for name in ["", &"x".repeat(600)] {
        let error = store.index().watch(&cursor(name)).err().expect("no name");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}

fn cursors_are_not_told_of(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut other = watch(store, WatchOptions::default());
    let mut watch = watch(store, cursor("plots"));
    let (first, _) = commit(store, &[put(b"a", b"1")]);
    assert_eq!(next(&mut *watch).0, first);
    watch.acknowledge(first).expect("acknowledged");
    // A commit of a data model that moves a cursor along is told of, but for that.
    let record = [&first.0.to_le_bytes()[..], b"mine"].concat();
    let own = put_at(Key::new(CURSORS, &[CURSORS_MAX - 1]), &record);
    let (second, _) = commit(store, &[own, put(b"b", b"1")]);
    for watch in [&mut watch, &mut other] {
        if watch.epoch() < first {
            assert_eq!(next(&mut **watch).0, first);
        }
        assert_eq!(next(&mut **watch), (second, BTreeMap::from([(full(b"b"), put_of(b"1"))])));
        assert_nothing(&mut **watch);
    }
}

fn an_epoch_that_never_was_is_said_to_be_lost(fixture: &mut Fixture) {
    let store = fixture.store();
    let (epoch, _) = commit(store, &[put(b"a", b"1")]);
    let error = store.index().watch(&after(Epoch(epoch.0 + 1))).err().expect("it isn't there");
    assert_eq!((error.kind(), error.restart_epoch()), (ErrorKind::Lagged, Some(epoch)), "{error}");
    let mut watch = watch(store, after(epoch));
    let (following, _) = commit(store, &[put(b"a", b"2")]);
    assert_eq!(next(&mut *watch).0, following);
}

fn waits_until_something_comes(fixture: &mut Fixture) {
    let store = fixture.shared();
    let mut watch = watch(&*store, WatchOptions::default());
    let asleep = Instant::now();
    assert_eq!(watch.next(Duration::from_millis(30)).expect("no error"), None);
    assert!(asleep.elapsed() >= Duration::from_millis(30));
    for round in 0u8..20 {
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| next(&mut *watch).0);
            if round % 2 == 0 {
                std::thread::sleep(Duration::from_millis(u64::from(round)));
            }
            let (epoch, _) = match round % 3 {
                0 => commit(&*store, &[put(&[round], b"v")]),
                _ => commit_async(&*store, &[put(&[round], b"v")]),
            };
            assert_eq!(waiting.join().expect("no panic"), epoch);
        });
    }
}

fn what_is_delivered_is_durable(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut durable = watch(store, WatchOptions::default());
    let mut visible = watch(store, WatchOptions { durable: false, ..WatchOptions::default() });
    for round in 0u8..10 {
        let (epoch, _) = commit_async(store, &[put(&[round], b"v")]);
        assert_eq!(next(&mut *visible).0, epoch);
        assert_eq!(next(&mut *durable).0, epoch);
        assert!(store.statistics().expect("statistics").epoch_synced >= epoch.0);
    }
}

fn misses_nothing_beside_many_writers(fixture: &mut Fixture) {
    const WRITERS: u8 = 4;
    const COMMITS: u16 = 150;
    let store = fixture.shared();
    let mut watch = watch(&*store, WatchOptions::default());
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || {
                for round in 0..COMMITS {
                    let (one, two) = ([writer, 1], [writer, 2]);
                    let value = round.to_be_bytes();
                    let writes = [put(&one, &value), put(&two, &value)];
                    let done = match round % 5 {
                        0 => commit_if(&**store, &[], &writes),
                        _ => Outcome::Committed { epoch: commit_async(&**store, &writes).0, existed: vec![] },
                    };
                    assert_committed(done);
                    if round % 50 == 49 {
                        store.compact().expect("compacted");
                    }
                }
            });
        }
        let (mut seen, mut last) = ([0u16; WRITERS as usize], Epoch::ZERO);
        for _ in 0..u32::from(WRITERS) * u32::from(COMMITS) {
            let (epoch, all) = next(&mut *watch);
            assert!(epoch > last, "epoch {epoch} comes after {last}");
            last = epoch;
            let (sort, first) = all.first_key_value().expect("a change");
            let writer = sort[sort.len() - 2];
            let round = &mut seen[usize::from(writer)];
            assert_eq!(*first, put_of(&round.to_be_bytes()), "writer {writer}");
            assert_eq!(all[&full(&[writer, 2])], *first, "a commit is told of in part");
            *round += 1;
        }
    });
    assert_nothing(&mut *watch);
}

fn ends_with_its_store(fixture: &mut Fixture) {
    let store = fixture.another();
    let mut watch = watch(&*store, WatchOptions::default());
    commit(&*store, &[put(b"a", b"1")]);
    next(&mut *watch);
    // Other handles of the process may keep the container open; then the watch may go on.
    fixture.store().close().expect("closed");
    store.close().expect("closed");
    assert_eq!(watch.next(PATIENCE).map_err(|error| error.kind()), Err(ErrorKind::Closed));
    drop(watch);
    drop(store);
}
