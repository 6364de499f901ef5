//! Commits: atomic, at one epoch, with the truth about what was there before.

use millpond_core::{At, Epoch};

use super::{Fixture, Tests, steps::*};

pub(super) const TESTS: Tests = &[
    ("puts_are_read_back", puts_are_read_back),
    ("a_commit_has_one_epoch", a_commit_has_one_epoch),
    ("epochs_grow", epochs_grow),
    ("existed_tells_what_was_there", existed_tells_what_was_there),
    ("deletes_remove_and_may_miss", deletes_remove_and_may_miss),
    ("a_put_replaces", a_put_replaces),
    ("adjustments_add_up", adjustments_add_up),
    ("an_empty_commit_is_no_error", an_empty_commit_is_no_error),
    ("async_commits_are_visible_at_once", async_commits_are_visible_at_once),
    ("a_second_handle_sees_commits", a_second_handle_sees_commits),
];

fn puts_are_read_back(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"a", b"1"), put(b"b", b"2")]);
    assert_eq!(value(store, b"a"), Some(b"1".to_vec()));
    assert_eq!(value(store, b"b"), Some(b"2".to_vec()));
    assert_eq!(value(store, b"c"), None);
    let many = latest(store).get_many(&[key(b"b"), key(b"c"), key(b"a"), key(b"b")]).expect("read");
    let values: Vec<_> = many.iter().map(|record| record.as_ref().map(|record| &record.value[..])).collect();
    assert_eq!(values, [Some(&b"2"[..]), None, Some(b"1"), Some(b"2")]);
}

fn a_commit_has_one_epoch(fixture: &mut Fixture) {
    let store = fixture.store();
    let (epoch, _) = commit(store, &[put(b"a", b"1"), put(b"b", b"2"), adjust(b"c", 3)]);
    for sort in [b"a", b"b", b"c"] {
        assert_eq!(version(store, sort), epoch);
    }
    assert_eq!(store.index().epoch().expect("an epoch"), epoch);
    assert_eq!(latest(store).epoch(), epoch);
    assert!(epoch > Epoch::ZERO);
}

fn epochs_grow(fixture: &mut Fixture) {
    let mut last = fixture.store().index().epoch().expect("an epoch");
    for round in 0u64..30 {
        let (epoch, _) = commit(fixture.store(), &[put(b"a", &round.to_be_bytes())]);
        assert!(epoch > last, "{epoch} after {last}");
        last = epoch;
        if round % 10 == 9 {
            fixture.reopen();
        }
    }
}

fn existed_tells_what_was_there(fixture: &mut Fixture) {
    let store = fixture.store();
    let (_, existed) = commit(store, &[put(b"b", b"1"), put(b"a", b"1"), delete(b"c"), adjust(b"n", 1)]);
    assert_eq!(existed, [false; 4]);
    let (_, existed) = commit(store, &[delete(b"c"), put(b"a", b"2"), adjust(b"n", 1), delete(b"b")]);
    assert_eq!(existed, [false, true, true, true]);
    let (_, existed) = commit(store, &[put(b"b", b"1"), put(b"d", b"1"), delete(b"a"), delete(b"n")]);
    assert_eq!(existed, [false, false, true, true]);
    fixture.reopen();
    let (_, existed) = commit(fixture.store(), &[put(b"a", b"1"), put(b"b", b"1"), adjust(b"n", 1)]);
    assert_eq!(existed, [false, true, false]);
}

fn deletes_remove_and_may_miss(fixture: &mut Fixture) {
    let store = fixture.store();
    let (_, existed) = commit(store, &[delete(b"never")]);
    assert_eq!(existed, [false]);
    commit(store, &[put(b"a", b"1"), put(b"b", b"2")]);
    commit(store, &[delete(b"a"), delete(b"never")]);
    assert_eq!(value(store, b"a"), None);
    assert_eq!(all(store), [(b"b".to_vec(), b"2".to_vec())]);
    let (_, existed) = commit(store, &[delete(b"a")]);
    assert_eq!(existed, [false]);
}

fn a_put_replaces(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"a", b"long ago")]);
    commit(store, &[put(b"a", b"now")]);
    assert_eq!(all(store), [(b"a".to_vec(), b"now".to_vec())]);
    commit(store, &[adjust(b"n", 5)]);
    commit(store, &[put(b"n", b"text")]);
    assert_eq!(value(store, b"n"), Some(b"text".to_vec()));
}

fn adjustments_add_up(fixture: &mut Fixture) {
    let store = fixture.store();
    assert_eq!(counter(store, b"n"), 0);
    commit(store, &[adjust(b"n", 5), adjust(b"n", -2), adjust(b"m", i64::MAX)]);
    assert_eq!(counter(store, b"n"), 3);
    commit(store, &[adjust(b"n", -10)]);
    assert_eq!(counter(store, b"n"), -7);
    assert_eq!(counter(store, b"m"), i64::MAX);
    assert_eq!(value(store, b"n"), Some((-7i64).to_le_bytes().to_vec()));
    commit(store, &[delete(b"n")]);
    assert_eq!(counter(store, b"n"), 0);
    commit(store, &[adjust(b"n", 4)]);
    assert_eq!(counter(store, b"n"), 4, "a deleted counter begins at 0");
    fixture.reopen();
    assert_eq!(counter(fixture.store(), b"n"), 4);
    commit(fixture.store(), &[put(b"n", &10i64.to_le_bytes())]);
    commit(fixture.store(), &[adjust(b"n", 1)]);
    assert_eq!(counter(fixture.store(), b"n"), 11, "a counter that was put goes on from there");
}

fn an_empty_commit_is_no_error(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"a", b"1")]);
    let (_, existed) = commit(store, &[]);
    assert_eq!(existed, [false; 0]);
    assert_eq!(value(store, b"a"), Some(b"1".to_vec()));
    assert_committed(commit_if(store, &[unchanged(b"a", version(store, b"a"))], &[]));
    assert_conflict(commit_if(store, &[unchanged(b"a", Epoch::ZERO)], &[]), 0);
}

fn async_commits_are_visible_at_once(fixture: &mut Fixture) {
    let store = fixture.store();
    for round in 0u64..100 {
        let (epoch, _) = commit_async(store, &[put(b"a", &round.to_be_bytes()), adjust(b"n", 1)]);
        assert_eq!(value(store, b"a"), Some(round.to_be_bytes().to_vec()));
        assert_eq!(version(store, b"a"), epoch);
        assert_eq!(counter(store, b"n"), round as i64 + 1);
        assert_eq!(store.index().epoch().expect("an epoch"), epoch);
        let view = store.index().view(At::Epoch(epoch)).expect("the newest epoch is readable");
        assert_eq!(view.epoch(), epoch);
    }
}

fn a_second_handle_sees_commits(fixture: &mut Fixture) {
    let other = fixture.another();
    for round in 0u64..50 {
        let (writer, reader) =
            if round % 2 == 0 { (fixture.store(), &*other) } else { (&*other, fixture.store()) };
        let (epoch, _) = commit_async(writer, &[put(b"a", &round.to_be_bytes()), adjust(b"n", 1)]);
        assert_eq!(value(reader, b"a"), Some(round.to_be_bytes().to_vec()));
        assert_eq!(counter(reader, b"n"), round as i64 + 1);
        assert_eq!(reader.index().epoch().expect("an epoch"), epoch);
    }
}
