//! Views: a state that stays as it is, and the epochs that stay readable.

use millpond_core::{At, Direction, Epoch, ErrorKind, KeyRange};

use super::{Fixture, Tests, steps::*};

pub(super) const TESTS: Tests = &[
    ("a_view_does_not_change", a_view_does_not_change),
    ("a_view_of_nothing_is_empty", a_view_of_nothing_is_empty),
    ("a_cursor_keeps_its_view", a_cursor_keeps_its_view),
    ("a_view_survives_compaction_or_says_so", a_view_survives_compaction_or_says_so),
    ("retained_epochs_stay_readable", retained_epochs_stay_readable),
    ("retained_epochs_survive_reopen", retained_epochs_survive_reopen),
    ("an_epoch_let_go_is_right_or_gone", an_epoch_let_go_is_right_or_gone),
    ("retain_refuses_what_is_gone", retain_refuses_what_is_gone),
    ("counters_have_a_past_too", counters_have_a_past_too),
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

fn retained_epochs_stay_readable(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut epochs = Vec::new();
    for round in 0u8..5 {
        let (epoch, _) = commit(store, &[put(b"a", &[round + 1]), put(&[b'k', round], b"x")]);
        if epochs.len() < 3 {
            epochs.push((epoch, all(store)));
            store.index().retain(&epochs.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>()).expect("kept");
        }
    }
    commit(store, &[delete(b"a"), delete(b"k\0")]);
    store.compact().expect("compacted");
    for (epoch, expected) in &epochs {
        let view = store.index().view(At::Epoch(*epoch)).expect("retained");
        assert_eq!(view.epoch(), *epoch);
        assert_eq!(scan(&*view, KeyRange::all(P), Direction::Forward).expect("scanned"), *expected);
        let mut backward = scan(&*view, KeyRange::all(P), Direction::Backward).expect("scanned");
        backward.reverse();
        assert_eq!(backward, *expected);
    }
}

fn retained_epochs_survive_reopen(fixture: &mut Fixture) {
    let (epoch, _) = commit(fixture.store(), &[put(b"a", b"then"), put(b"b", b"then")]);
    fixture.store().index().retain(&[epoch]).expect("kept");
    commit(fixture.store(), &[put(b"a", b"now"), delete(b"b")]);
    for _ in 0..2 {
        fixture.reopen();
        fixture.store().compact().expect("compacted");
        let view = fixture.store().index().view(At::Epoch(epoch)).expect("retained");
        let record = view.get(key(b"a")).expect("read").expect("there");
        assert_eq!((record.version, &record.value[..]), (epoch, &b"then"[..]));
        assert!(view.get(key(b"b")).expect("read").is_some());
        assert_eq!(value(fixture.store(), b"a"), Some(b"now".to_vec()));
    }
}

fn an_epoch_let_go_is_right_or_gone(fixture: &mut Fixture) {
    let store = fixture.store();
    let (epoch, _) = commit(store, &[put(b"a", b"then")]);
    store.index().retain(&[epoch]).expect("kept");
    commit(store, &[put(b"a", b"now")]);
    store.index().retain(&[]).expect("let go");
    store.compact().expect("compacted");
    commit(store, &[put(b"a", b"later")]);
    store.compact().expect("compacted");
    if let Some(view) = unless_gone(store.index().view(At::Epoch(epoch)))
        && let Some(record) = unless_gone(view.get(key(b"a")))
    {
        assert_eq!(&record.expect("it was there").value[..], b"then");
    }
    assert_eq!(value(store, b"a"), Some(b"later".to_vec()));
}

fn retain_refuses_what_is_gone(fixture: &mut Fixture) {
    let store = fixture.store();
    let (old, _) = commit(store, &[put(b"a", b"1")]);
    let (kept, _) = commit(store, &[put(b"a", b"2")]);
    store.index().retain(&[kept]).expect("kept");
    for round in 0u8..10 {
        commit(store, &[put(b"a", &[round; 50])]);
        store.compact().expect("compacted");
    }
    match store.index().view(At::Epoch(old)) {
        Ok(_) => store.index().retain(&[old, kept]).expect("what can be read can be kept"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::EpochGone);
            let refused = store.index().retain(&[old]).expect_err("it is gone");
            assert_eq!(refused.kind(), ErrorKind::EpochGone);
        }
    }
    store.compact().expect("compacted");
    let view = store.index().view(At::Epoch(kept)).expect("the set is unchanged");
    let record = view.get(key(b"a")).expect("read").expect("there");
    assert_eq!(&record.value[..], b"2");
}

fn counters_have_a_past_too(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut epochs: Vec<Epoch> = Vec::new();
    for _ in 0..4 {
        let (epoch, _) = commit(store, &[adjust(b"n", 10)]);
        epochs.push(epoch);
        store.index().retain(&epochs).expect("kept");
    }
    store.compact().expect("compacted");
    fixture.reopen();
    for (at, epoch) in epochs.iter().enumerate() {
        let view = fixture.store().index().view(At::Epoch(*epoch)).expect("retained");
        assert_eq!(view.counter(key(b"n")).expect("read"), 10 * (at as i64 + 1));
    }
}
