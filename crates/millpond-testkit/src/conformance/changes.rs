//! What was changed since an epoch.

use millpond_core::{At, Epoch, ErrorKind, Key, Result, View};

use super::{Fixture, Tests, steps::*};

pub(super) const TESTS: Tests = &[
    ("changes_are_told_once_each_in_order", changes_are_told_once_each_in_order),
    ("changes_from_the_beginning_are_all_there_is", changes_from_the_beginning_are_all_there_is),
    ("changes_between_two_past_epochs", changes_between_two_past_epochs),
    ("changes_of_a_prefix", changes_of_a_prefix),
    ("changes_of_counters_and_large_commits", changes_of_counters_and_large_commits),
    ("changes_since_what_is_gone_are_refused", changes_since_what_is_gone_are_refused),
];

/// A changed key, and its value if it exists.
type Changed = (Vec<u8>, Option<Vec<u8>>);

/// The changed keys of the test partition, without it, and their values.
pub(super) fn changes(view: &dyn View, since: Epoch, prefix: &[u8]) -> Result<Vec<Changed>> {
    let mut cursor = view.changes(since, prefix)?;
    let mut found = Vec::new();
    while cursor.advance()? {
        if let Some(record) = cursor.record() {
            assert!(record.version > since && record.version <= view.epoch());
        }
        let value = cursor.record().map(|record| record.value.to_vec());
        if let Some(sort) = cursor.key().strip_prefix(P) {
            found.push((sort.to_vec(), value));
        }
    }
    Ok(found)
}

fn changed(sort: &[u8], value: &[u8]) -> Changed {
    (sort.to_vec(), Some(value.to_vec()))
}

fn gone(sort: &[u8]) -> Changed {
    (sort.to_vec(), None)
}

fn changes_are_told_once_each_in_order(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"a", b"1"), put(b"b", b"1"), put(b"d", b"1"), put(b"e", b"1")]);
    let (then, _) = commit(store, &[keep(b"then")]);
    commit(store, &[put(b"b", b"2"), delete(b"d"), put(b"c", b"2")]);
    store.compact().expect("compacted");
    commit(store, &[put(b"b", b"3"), put(b"\xFF", b"3"), put(b"", b"3")]);
    let expected =
        [changed(b"", b"3"), changed(b"b", b"3"), changed(b"c", b"2"), gone(b"d"), changed(b"\xFF", b"3")];
    for _ in 0..3 {
        let view = latest(fixture.store());
        assert_eq!(changes(&*view, then, b"").expect("told"), expected);
        assert_eq!(changes(&*view, view.epoch(), b"").expect("told"), []);
        drop(view);
        fixture.store().compact().expect("compacted");
        fixture.reopen();
    }
    let view = latest(fixture.store());
    let after = Epoch(view.epoch().0 + 1);
    assert_eq!(view.changes(after, b"").err().expect("later").kind(), ErrorKind::InvalidArgument);
}

fn changes_from_the_beginning_are_all_there_is(fixture: &mut Fixture) {
    let store = fixture.store();
    let sorts: Vec<[u8; 4]> = (0u32..3000).map(u32::to_be_bytes).collect();
    commit(store, &sorts.iter().map(|sort| put(sort, b"x")).collect::<Vec<_>>());
    commit(store, &[delete(&sorts[5]), put_at(Key::new(b"another", b"k"), b"1")]);
    for _ in 0..2 {
        let view = latest(fixture.store());
        let found = changes(&*view, Epoch::ZERO, b"").expect("told");
        assert_eq!(found.len(), 2999);
        assert!(found.iter().all(|(_, value)| value.as_deref() == Some(b"x")));
        let mut cursor = view.changes(Epoch::ZERO, b"").expect("told");
        assert!(cursor.advance().expect("read"));
        assert_eq!(cursor.key(), b"anotherk", "of all partitions, in order");
        drop((cursor, view));
        fixture.store().compact().expect("compacted");
        fixture.reopen();
    }
}

fn changes_between_two_past_epochs(fixture: &mut Fixture) {
    let store = fixture.store();
    let (first, _) = commit(store, &[put(b"a", b"1"), put(b"b", b"1"), put(b"c", b"1"), keep(b"1")]);
    let (second, _) = commit(store, &[put(b"a", b"2"), delete(b"b"), put(b"d", b"2"), keep(b"2")]);
    let (third, _) =
        commit(store, &[put(b"a", b"3"), put(b"b", b"3"), delete(b"d"), put(b"e", b"3"), keep(b"3")]);
    commit(store, &[delete(b"a"), delete(b"b"), delete(b"c"), delete(b"e")]);
    for _ in 0..2 {
        fixture.store().compact().expect("compacted");
        let view = |epoch| fixture.store().index().view(At::Epoch(epoch)).expect("kept");
        let between = |since, at| changes(&*view(at), since, b"").expect("told");
        // What exists at neither end may be said to be gone.
        let found: Vec<_> = between(first, second).into_iter().filter(|(sort, _)| sort != b"e").collect();
        assert_eq!(found, [changed(b"a", b"2"), gone(b"b"), changed(b"d", b"2")]);
        assert_eq!(
            between(second, third),
            [changed(b"a", b"3"), changed(b"b", b"3"), gone(b"d"), changed(b"e", b"3")]
        );
        let all: Vec<_> = between(first, third).into_iter().filter(|(sort, _)| sort != b"d").collect();
        assert_eq!(all, [changed(b"a", b"3"), changed(b"b", b"3"), changed(b"e", b"3")]);
        assert!(between(second, second).iter().all(|(_, value)| value.is_none()));
        fixture.reopen();
    }
}

fn changes_of_a_prefix(fixture: &mut Fixture) {
    let store = fixture.store();
    let (then, _) = commit(store, &[put(b"a1", b"1"), put(b"b1", b"1"), keep(b"then")]);
    commit(store, &[put(b"a2", b"2"), put(b"b1", b"2"), put(b"b2", b"2"), put(b"c", b"2"), delete(b"a1")]);
    commit(store, &[put_at(Key::new(b"q", b"b"), b"2")]);
    for _ in 0..2 {
        let view = latest(fixture.store());
        assert_eq!(changes(&*view, then, b"pb").expect("told"), [changed(b"b1", b"2"), changed(b"b2", b"2")]);
        assert_eq!(changes(&*view, then, b"p").expect("told").len(), 5);
        assert_eq!(changes(&*view, then, b"pz").expect("told"), []);
        assert_eq!(changes(&*view, Epoch::ZERO, b"pa").expect("told"), [changed(b"a2", b"2")]);
        drop(view);
        fixture.store().compact().expect("compacted");
    }
}

fn changes_of_counters_and_large_commits(fixture: &mut Fixture) {
    let store = fixture.store();
    let sorts: Vec<[u8; 4]> = (0u32..3000).map(u32::to_be_bytes).collect();
    let value = [1; 500];
    commit(store, &[adjust(b"n", 10), adjust(b"still", 1)]);
    store.compact().expect("compacted");
    let (then, _) = commit(store, &[keep(b"then"), adjust(b"n", 1)]);
    commit_async(store, &sorts.iter().map(|sort| put(sort, &value)).collect::<Vec<_>>());
    commit(store, &[adjust(b"n", 5)]);
    commit(store, &[adjust(b"n", -7), delete(&sorts[17])]);
    for _ in 0..2 {
        let view = latest(fixture.store());
        let found = changes(&*view, then, b"").expect("told");
        let there = found.iter().filter(|(_, value)| value.is_some()).count();
        assert_eq!(there, 3000, "2999 and the counter");
        let counter = found.iter().find(|(sort, _)| sort == b"n").expect("the counter was changed");
        assert_eq!(counter.1.as_deref(), Some(&9i64.to_le_bytes()[..]));
        assert!(!found.iter().any(|(sort, _)| sort == b"still"));
        drop(view);
        fixture.store().compact().expect("compacted");
        fixture.reopen();
    }
}

fn changes_since_what_is_gone_are_refused(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"a", b"1"), put(b"b", b"1")]);
    let (then, _) = commit(store, &[put(b"a", b"2")]);
    commit(store, &[delete(b"b")]);
    for round in 0u8..4 {
        commit(store, &[put(b"c", &[round])]);
        store.compact().expect("compacted");
    }
    let view = latest(store);
    // Either all of it is told, deletions included, or nothing.
    match changes(&*view, then, b"") {
        Ok(found) => assert!(found.contains(&gone(b"b")), "{found:?}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::EpochGone, "{error}"),
    }
}
