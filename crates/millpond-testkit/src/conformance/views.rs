//! Views: a state that stays as it is.

use millpond_core::{Direction, KeyRange};

use super::{Fixture, Tests, steps::*};

pub(super) const TESTS: Tests = &[
    ("a_view_does_not_change", a_view_does_not_change),
    ("a_view_of_nothing_is_empty", a_view_of_nothing_is_empty),
    ("a_cursor_keeps_its_view", a_cursor_keeps_its_view),
    ("a_view_survives_compaction_or_says_so", a_view_survives_compaction_or_says_so),
];

fn a_view_does_not_change(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"a", b"1"), put(b"b", b"1"), adjust(b"n", 1)]);
    let view = latest(store);
    let before = scan(&*view, KeyRange::all(P), Direction::Forward).expect("scanned");
    commit(store, &[put(b"a", b"2"), delete(b"b"), put(b"c", b"2"), adjust(b"n", 1)]);
    if let Some(after) = unless_gone(scan(&*view, KeyRange::all(P), Direction::Forward)) {
        assert_eq!(after, before);
    }
    if let Some(record) = unless_gone(view.get(key(b"a"))) {
        assert_eq!(record.map(|record| record.value.to_vec()), Some(b"1".to_vec()));
    }
    if let Some(record) = unless_gone(view.get(key(b"c"))) {
        assert_eq!(record, None);
    }
    if let Some(count) = unless_gone(view.counter(key(b"n"))) {
        assert_eq!(count, 1);
    }
    assert_eq!(all(store).len(), 3);
}

fn a_view_of_nothing_is_empty(fixture: &mut Fixture) {
    let store = fixture.store();
    let view = latest(store);
    assert_eq!(scan(&*view, KeyRange::all(P), Direction::Forward).expect("scanned"), []);
    assert_eq!(scan(&*view, KeyRange::all(b"q"), Direction::Backward).expect("scanned"), []);
    assert_eq!(view.get(key(b"a")).expect("read"), None);
    assert_eq!(view.counter(key(b"a")).expect("read"), 0);
    assert_eq!(view.epoch(), store.index().epoch().expect("an epoch"));
}

fn a_cursor_keeps_its_view(fixture: &mut Fixture) {
    let store = fixture.store();
    let sorts: Vec<[u8; 2]> = (0u16..500).map(u16::to_be_bytes).collect();
    commit(store, &sorts.iter().map(|sort| put(sort, b"old")).collect::<Vec<_>>());
    let mut cursor = latest(store).scan(KeyRange::all(P), Direction::Forward).expect("a cursor");
    let mut seen = 0;
    while let Some(true) = unless_gone(cursor.advance()) {
        assert_eq!(cursor.key(), sorts[seen]);
        assert_eq!(cursor.record().value, b"old");
        commit_async(store, &[put(&sorts[499 - seen], b"new"), put(b"another", b"new")]);
        seen += 1;
        if seen == 250 {
            store.compact().expect("compacted");
        }
    }
    assert!(seen > 0);
}

fn a_view_survives_compaction_or_says_so(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"a", b"1"), put(b"b", b"1")]);
    let view = latest(store);
    for round in 0u8..20 {
        commit(store, &[put(b"a", &[round; 100]), delete(b"b"), put(&[round], b"x")]);
        if round % 5 == 0 {
            store.compact().expect("compacted");
        }
        let expected = [(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), b"1".to_vec())];
        if let Some(found) = unless_gone(scan(&*view, KeyRange::all(P), Direction::Forward)) {
            assert_eq!(found, expected);
        }
    }
}
