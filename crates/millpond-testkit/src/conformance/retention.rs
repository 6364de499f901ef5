//! Epochs that records keep readable.

use millpond_core::{At, Direction, Epoch, ErrorKind, Key, KeyRange, RETAINED};

use super::{Fixture, Tests, steps::*};

pub(super) const TESTS: Tests = &[
    ("kept_epochs_stay_readable", kept_epochs_stay_readable),
    ("kept_epochs_survive_reopen", kept_epochs_survive_reopen),
    ("an_epoch_let_go_is_right_or_gone", an_epoch_let_go_is_right_or_gone),
    ("a_record_keeps_the_epoch_of_its_own_commit", a_record_keeps_the_epoch_of_its_own_commit),
    ("a_record_put_again_keeps_the_later_epoch", a_record_put_again_keeps_the_later_epoch),
    ("two_records_keep_one_epoch", two_records_keep_one_epoch),
    ("what_is_gone_stays_gone", what_is_gone_stays_gone),
    ("counters_have_a_past_too", counters_have_a_past_too),
    ("bulk_bytes_have_a_past_too", bulk_bytes_have_a_past_too),
    ("bulk_bytes_can_be_owned_again", bulk_bytes_can_be_owned_again),
    ("bulk_bytes_that_are_gone_are_not_owned", bulk_bytes_that_are_gone_are_not_owned),
];

fn kept_epochs_stay_readable(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut epochs = Vec::new();
    for round in 0u8..5 {
        let (name, value) = ([round], [round + 1]);
        let key = [b'k', round];
        let mut writes = vec![put(b"a", &value), put(&key, b"x")];
        writes.extend((round < 3).then(|| keep(&name)));
        let (epoch, _) = commit(store, &writes);
        if round < 3 {
            epochs.push((epoch, all(store)));
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

fn kept_epochs_survive_reopen(fixture: &mut Fixture) {
    let (epoch, _) = commit(fixture.store(), &[put(b"a", b"then"), put(b"b", b"then"), keep(b"then")]);
    commit(fixture.store(), &[put(b"a", b"now"), delete(b"b")]);
    for _ in 0..2 {
        fixture.reopen();
        fixture.store().compact().expect("compacted");
        let view = fixture.store().index().view(At::Epoch(epoch)).expect("retained");
        let record = view.get(key(b"a")).expect("read").expect("there");
        assert_eq!((record.version, &record.value[..]), (epoch, &b"then"[..]));
        assert!(view.get(key(b"b")).expect("read").is_some());
        assert!(view.get(Key::new(RETAINED, b"then")).expect("read").is_some(), "it shows itself");
        assert_eq!(value(fixture.store(), b"a"), Some(b"now".to_vec()));
    }
}

fn an_epoch_let_go_is_right_or_gone(fixture: &mut Fixture) {
    let store = fixture.store();
    let (epoch, _) = commit(store, &[put(b"a", b"then"), keep(b"then")]);
    commit(store, &[put(b"a", b"now")]);
    commit(store, &[let_go(b"then")]);
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

/// What the commit does besides is part of the state that it keeps.
fn a_record_keeps_the_epoch_of_its_own_commit(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"a", b"before"), put(b"b", b"before")]);
    let (epoch, _) = commit(store, &[put(b"a", b"with it"), delete(b"b"), keep(b"it"), put(b"c", b"too")]);
    for round in 0u8..6 {
        commit(store, &[put(b"a", &[round; 40]), put(b"b", b"back"), delete(b"c")]);
        store.compact().expect("compacted");
    }
    let view = store.index().view(At::Epoch(epoch)).expect("kept");
    let expected = [(b"a".to_vec(), b"with it".to_vec()), (b"c".to_vec(), b"too".to_vec())];
    assert_eq!(scan(&*view, KeyRange::all(P), Direction::Forward).expect("scanned"), expected);
}

fn a_record_put_again_keeps_the_later_epoch(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"a", b"1"), keep(b"it")]);
    let (epoch, _) = commit(store, &[put(b"a", b"2"), keep(b"it")]);
    commit(store, &[put(b"a", b"3")]);
    store.compact().expect("compacted");
    fixture.reopen();
    fixture.store().compact().expect("compacted");
    let view = fixture.store().index().view(At::Epoch(epoch)).expect("kept");
    assert_eq!(view.get(key(b"a")).expect("read").expect("there").value, b"2"[..]);
}

fn two_records_keep_one_epoch(fixture: &mut Fixture) {
    let store = fixture.store();
    let (epoch, _) = commit(store, &[put(b"a", b"1"), keep(b"one"), keep(b"other")]);
    commit(store, &[put(b"a", b"2"), let_go(b"one")]);
    store.compact().expect("compacted");
    commit(store, &[put(b"a", b"3")]);
    store.compact().expect("compacted");
    let view = store.index().view(At::Epoch(epoch)).expect("the other one keeps it");
    assert_eq!(view.get(key(b"a")).expect("read").expect("there").value, b"1"[..]);
}

fn what_is_gone_stays_gone(fixture: &mut Fixture) {
    let store = fixture.store();
    let (old, _) = commit(store, &[put(b"a", b"1")]);
    let (kept, _) = commit(store, &[put(b"a", b"2"), keep(b"kept")]);
    for round in 0u8..10 {
        let value = [round; 50];
        commit(store, &[put(b"a", &value)]);
        store.compact().expect("compacted");
    }
    let mut was_gone = false;
    for _ in 0..3 {
        match store.index().view(At::Epoch(old)) {
            Ok(_) => assert!(!was_gone, "a state came back"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::EpochGone);
                was_gone = true;
            }
        }
        commit(store, &[put(b"a", b"again"), keep(b"another")]);
        store.compact().expect("compacted");
    }
    let view = store.index().view(At::Epoch(kept)).expect("it is kept all along");
    let record = view.get(key(b"a")).expect("read").expect("there");
    assert_eq!(&record.value[..], b"2");
}

fn counters_have_a_past_too(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut epochs: Vec<Epoch> = Vec::new();
    for round in 0u8..4 {
        let (epoch, _) = commit(store, &[adjust(b"n", 10), keep(&[round])]);
        epochs.push(epoch);
    }
    store.compact().expect("compacted");
    fixture.reopen();
    for (at, epoch) in epochs.iter().enumerate() {
        let view = fixture.store().index().view(At::Epoch(*epoch)).expect("retained");
        assert_eq!(view.counter(key(b"n")).expect("read"), 10 * (at as i64 + 1));
    }
}

fn bulk_bytes_have_a_past_too(fixture: &mut Fixture) {
    let store = fixture.store();
    let (then, now) = (vec![1; 150_000], vec![2; 150_000]);
    let extents = store_bulk(store, &then, 40_000);
    let (epoch, _) = commit(store, &[put_bulk(b"a", b"head", &extents), keep(b"then")]);
    for _ in 0..3 {
        let extents = store_bulk(store, &now, 40_000);
        commit(store, &[put_bulk(b"a", b"head", &extents)]);
        store.compact().expect("compacted");
    }
    fixture.reopen();
    let store = fixture.store();
    store.compact().expect("compacted");
    let view = store.index().view(At::Epoch(epoch)).expect("kept");
    let record = view.get(key(b"a")).expect("read").expect("there");
    assert_eq!(read_bulk(store, &record.extents).expect("read"), then);
    let record = get(store, b"a").expect("there");
    assert_eq!(read_bulk(store, &record.extents).expect("read"), now);
}

/// As a rollback does it: what an old version owns becomes a new one's, and outlives the old one.
fn bulk_bytes_can_be_owned_again(fixture: &mut Fixture) {
    let bytes: Vec<u8> = (0..200_000u32).map(|at| (at % 251) as u8).collect();
    let others = store_bulk(fixture.store(), &[9; 300_000], 50_000);
    let extents = store_bulk(fixture.store(), &bytes, 40_000);
    let store = fixture.store();
    let (epoch, _) =
        commit(store, &[put_bulk(b"a", b"head", &extents), put_bulk(b"b", b"head", &others), keep(b"then")]);
    commit(store, &[delete(b"a"), delete(b"b")]);
    store.compact().expect("compacted");
    let old = {
        let view = store.index().view(At::Epoch(epoch)).expect("kept");
        view.get(key(b"a")).expect("read").expect("there")
    };
    commit(store, &[put_bulk(b"a", &old.value, &old.extents)]);
    // Both versions are merged together, and moved, once the rest of their segment is dead.
    store.compact().expect("compacted");
    commit(store, &[let_go(b"then")]);
    for round in 0..4 {
        fixture.store().compact().expect("compacted");
        if round == 1 {
            fixture.reopen();
        }
        let record = get(fixture.store(), b"a").expect("there");
        assert_eq!(read_bulk(fixture.store(), &record.extents).expect("read"), bytes, "round {round}");
        commit(fixture.store(), &[put(b"c", &[round + 1])]);
    }
    let mut damages = Vec::new();
    fixture.store().verify(&mut |damage| damages.push(damage)).expect("verified");
    assert!(damages.is_empty(), "{damages:?}");
}

/// Bytes may be reclaimed or moved between a read and the commit that would own them again.
fn bulk_bytes_that_are_gone_are_not_owned(fixture: &mut Fixture) {
    let store = fixture.store();
    let bytes = vec![7; 150_000];
    let extents = store_bulk(store, &bytes, 150_000);
    commit(store, &[put_bulk(b"a", b"head", &extents)]);
    commit(store, &[delete(b"a")]);
    fixture.reopen();
    let store = fixture.store();
    for round in 1u8..4 {
        commit(store, &[put(b"b", &[round])]);
        store.compact().expect("compacted");
    }
    match try_commit(store, &[], &[put_bulk(b"a", b"head", &extents)]) {
        Ok(_) => {
            for round in 1u8..4 {
                commit(store, &[put(b"b", &[round])]);
                store.compact().expect("compacted");
            }
            let record = get(store, b"a").expect("there");
            assert_eq!(read_bulk(store, &record.extents).expect("what was committed can be read"), bytes);
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::EpochGone, "{error}");
            assert!(get(store, b"a").is_none());
        }
    }
}
