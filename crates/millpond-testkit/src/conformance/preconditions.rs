//! Preconditions: a commit applies only if what it read is still so.

use std::ops::Bound;

use millpond_core::{Epoch, KeyRange};

use super::{Fixture, Tests, steps::*};

pub(super) const TESTS: Tests = &[
    ("absent_means_absent", absent_means_absent),
    ("a_version_is_the_newest_or_conflicts", a_version_is_the_newest_or_conflicts),
    ("a_deleted_key_is_absent_again", a_deleted_key_is_absent_again),
    ("a_conflict_changes_nothing", a_conflict_changes_nothing),
    ("the_conflict_is_named", the_conflict_is_named),
    ("an_unwritten_key_may_be_a_precondition", an_unwritten_key_may_be_a_precondition),
    ("a_phantom_conflicts", a_phantom_conflicts),
    ("a_counter_that_comes_to_exist_conflicts", a_counter_that_comes_to_exist_conflicts),
    ("an_unchanged_range_passes", an_unchanged_range_passes),
    ("range_ends_are_respected", range_ends_are_respected),
    ("an_adjusted_counter_has_changed", an_adjusted_counter_has_changed),
    ("preconditions_hold_across_reopen", preconditions_hold_across_reopen),
    ("write_skew_is_refused", write_skew_is_refused),
];

fn absent_means_absent(fixture: &mut Fixture) {
    let store = fixture.store();
    assert_committed(commit_if(store, &[unchanged(b"a", Epoch::ZERO)], &[put(b"a", b"1")]));
    assert_conflict(commit_if(store, &[unchanged(b"a", Epoch::ZERO)], &[put(b"a", b"2")]), 0);
    assert_eq!(value(store, b"a"), Some(b"1".to_vec()));
}

fn a_version_is_the_newest_or_conflicts(fixture: &mut Fixture) {
    let store = fixture.store();
    let (first, _) = commit(store, &[put(b"a", b"1")]);
    commit(store, &[put(b"b", b"another key")]);
    let second = assert_committed(commit_if(store, &[unchanged(b"a", first)], &[put(b"a", b"2")]));
    assert_conflict(commit_if(store, &[unchanged(b"a", first)], &[put(b"a", b"3")]), 0);
    assert_conflict(commit_if(store, &[unchanged(b"b", second)], &[put(b"a", b"3")]), 0);
    assert_committed(commit_if(store, &[unchanged(b"a", second)], &[delete(b"a")]));
}

fn a_deleted_key_is_absent_again(fixture: &mut Fixture) {
    let store = fixture.store();
    let (put_at, _) = commit(store, &[put(b"a", b"1")]);
    commit(store, &[delete(b"a")]);
    assert_conflict(commit_if(store, &[unchanged(b"a", put_at)], &[put(b"a", b"2")]), 0);
    assert_committed(commit_if(store, &[unchanged(b"a", Epoch::ZERO)], &[put(b"a", b"2")]));
    // The same value again is a new version all the same.
    let version_now = version(store, b"a");
    commit(store, &[delete(b"a")]);
    commit(store, &[put(b"a", b"2")]);
    assert_conflict(commit_if(store, &[unchanged(b"a", version_now)], &[put(b"a", b"3")]), 0);
}

fn a_conflict_changes_nothing(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"a", b"1"), adjust(b"n", 1)]);
    let before = all(store);
    let writes =
        [put(b"a", b"2"), tallied(put(b"x", b"2"), b"n"), delete(b"b"), adjust(b"n", 5), put(b"y", b"2")];
    assert_conflict(commit_if(store, &[unchanged(b"a", Epoch::ZERO)], &writes), 0);
    assert_eq!(all(store), before);
    fixture.reopen();
    assert_eq!(all(fixture.store()), before);
}

fn the_conflict_is_named(fixture: &mut Fixture) {
    let store = fixture.store();
    let (epoch, _) = commit(store, &[put(b"a", b"1"), put(b"b", b"1")]);
    let preconditions = [unchanged(b"a", epoch), unchanged(b"c", Epoch::ZERO), unchanged(b"b", Epoch::ZERO)];
    assert_conflict(commit_if(store, &preconditions, &[put(b"d", b"1")]), 2);
    assert_committed(commit_if(store, &preconditions[..2], &[put(b"d", b"1")]));
}

fn an_unwritten_key_may_be_a_precondition(fixture: &mut Fixture) {
    let store = fixture.store();
    let (epoch, _) = commit(store, &[put(b"flag", b"on")]);
    assert_committed(commit_if(store, &[unchanged(b"flag", epoch)], &[put(b"a", b"1")]));
    commit(store, &[put(b"flag", b"off")]);
    assert_conflict(commit_if(store, &[unchanged(b"flag", epoch)], &[put(b"a", b"2")]), 0);
}

fn a_phantom_conflicts(fixture: &mut Fixture) {
    let store = fixture.store();
    let (since, _) = commit(store, &[put(b"b", b"1"), put(b"d", b"1"), adjust(b"e", 1)]);
    let range = KeyRange { start: Bound::Included(b"b"), end: Bound::Included(b"e"), ..KeyRange::all(P) };
    let mut since = since;
    for change in [put(b"c", b"new"), put(b"b", b"changed"), delete(b"d"), adjust(b"e", 1)] {
        let (epoch, _) = commit(store, &[change]);
        assert_conflict(commit_if(store, &[range_unchanged(range, since)], &[put(b"x", b"1")]), 0);
        assert_committed(commit_if(store, &[range_unchanged(range, epoch)], &[]));
        since = epoch;
    }
    assert_eq!(value(store, b"x"), None);
}

/// An adjustment that makes a counter is a change of the range; a deletion of what is absent may pass
/// for one or not, and breaks nothing either way.
fn a_counter_that_comes_to_exist_conflicts(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"b", b"1")]);
    for name in [&b"counter"[..], b"other"] {
        // The view keeps what tells, as a transaction would that scanned the range.
        let view = latest(store);
        let range = range_unchanged(KeyRange::all(P), view.epoch());
        commit(store, &[delete(b"absent")]);
        commit(store, &[adjust(name, 1)]);
        assert_conflict(commit_if(store, &[range], &[put(b"x", b"1")]), 0);
        store.compact().expect("compacted");
        assert_conflict(commit_if(store, &[range], &[put(b"x", b"1")]), 0);
    }
    assert_eq!((value(store, b"x"), value(store, b"absent")), (None, None));
}

fn an_unchanged_range_passes(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"b", b"1")]);
    let view = latest(store);
    let range = KeyRange::all(P);
    let epoch =
        assert_committed(commit_if(store, &[range_unchanged(range, view.epoch())], &[put(b"a", b"1")]));
    assert_committed(commit_if(store, &[range_unchanged(range, epoch)], &[put(b"a", b"2")]));
    let nothing = KeyRange::all(b"nothing here");
    assert_committed(commit_if(
        store,
        &[range_unchanged(nothing, latest(store).epoch())],
        &[put(b"a", b"3")],
    ));
}

fn range_ends_are_respected(fixture: &mut Fixture) {
    let store = fixture.store();
    let (since, _) = commit(store, &[put(b"a", b"1"), put(b"c", b"1")]);
    commit(store, &[put(b"c", b"2")]);
    let ranges = [
        (Bound::Included(&b"c"[..]), Bound::Unbounded),
        (Bound::Unbounded, Bound::Included(&b"c"[..])),
        (Bound::Excluded(&b"b"[..]), Bound::Excluded(&b"d"[..])),
        (Bound::Unbounded, Bound::Unbounded),
    ];
    for (start, end) in ranges {
        let range = KeyRange { partition: P, start, end };
        assert_conflict(commit_if(store, &[range_unchanged(range, since)], &[put(b"x", b"1")]), 0);
    }
}

fn an_adjusted_counter_has_changed(fixture: &mut Fixture) {
    let store = fixture.store();
    let (epoch, _) = commit(store, &[adjust(b"n", 1)]);
    let next = assert_committed(commit_if(store, &[unchanged(b"n", epoch)], &[adjust(b"n", 1)]));
    assert_conflict(commit_if(store, &[unchanged(b"n", epoch)], &[put(b"a", b"1")]), 0);
    assert_committed(commit_if(store, &[unchanged(b"n", next)], &[put(b"a", b"1")]));
}

fn preconditions_hold_across_reopen(fixture: &mut Fixture) {
    let (epoch, _) = commit(fixture.store(), &[put(b"a", b"1"), put(b"b", b"1")]);
    commit(fixture.store(), &[put(b"b", b"2"), delete(b"c")]);
    fixture.reopen();
    let store = fixture.store();
    assert_eq!(version(store, b"a"), epoch);
    assert_conflict(commit_if(store, &[unchanged(b"b", epoch)], &[put(b"a", b"2")]), 0);
    assert_conflict(commit_if(store, &[range_unchanged(KeyRange::all(P), epoch)], &[put(b"a", b"2")]), 0);
    assert_committed(commit_if(store, &[unchanged(b"a", epoch)], &[put(b"a", b"2")]));
    let view = latest(store);
    fixture.store().compact().expect("compacted");
    let store = fixture.store();
    assert_committed(commit_if(
        store,
        &[range_unchanged(KeyRange::all(P), view.epoch())],
        &[put(b"a", b"3")],
    ));
}

/// Two transactions each read what the other one writes: only one may commit.
fn write_skew_is_refused(fixture: &mut Fixture) {
    let store = fixture.store();
    let (epoch, _) = commit(store, &[put(b"a", b"on call"), put(b"b", b"on call")]);
    let read = [unchanged(b"a", epoch), unchanged(b"b", epoch)];
    assert_committed(commit_if(store, &read, &[put(b"a", b"gone")]));
    assert_conflict(commit_if(store, &read, &[put(b"b", b"gone")]), 0);
    let range = [range_unchanged(KeyRange::all(P), epoch)];
    assert_conflict(commit_if(store, &range, &[put(b"b", b"gone")]), 0);
}
