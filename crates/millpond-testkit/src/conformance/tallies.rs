//! Tallies: counters of what exists, which the backend keeps.

use millpond_core::Durability;

use super::{Fixture, Tests, steps::*};

pub(super) const TESTS: Tests = &[
    ("a_tally_counts_what_exists", a_tally_counts_what_exists),
    ("a_tally_and_an_adjustment_add_up", a_tally_and_an_adjustment_add_up),
    ("several_tallies_in_a_commit", several_tallies_in_a_commit),
    ("an_adjusted_key_is_tallied", an_adjusted_key_is_tallied),
    ("a_tally_lives_in_any_partition", a_tally_lives_in_any_partition),
    ("a_tally_is_exact_after_reopen_and_compaction", a_tally_is_exact_after_reopen_and_compaction),
];

fn a_tally_counts_what_exists(fixture: &mut Fixture) {
    let store = fixture.store();
    let steps = [
        (put(b"a", b"1"), 1),
        (put(b"a", b"2"), 1),
        (delete(b"a"), 0),
        (delete(b"a"), 0),
        (put(b"a", b"3"), 1),
        (put(b"b", b"3"), 2),
        (delete(b"never"), 2),
    ];
    for (write, expected) in steps {
        commit(store, &[tallied(write, b"#")]);
        assert_eq!(counter(store, b"#"), expected, "after {write:?}");
    }
    commit(store, &[put(b"c", b"untallied")]);
    assert_eq!(counter(store, b"#"), 2);
}

fn a_tally_and_an_adjustment_add_up(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[tallied(put(b"a", b"1"), b"#"), adjust(b"#", 10), tallied(put(b"b", b"1"), b"#")]);
    assert_eq!(counter(store, b"#"), 12);
    commit(store, &[adjust(b"#", -10), tallied(delete(b"a"), b"#")]);
    assert_eq!(counter(store, b"#"), 1);
}

fn several_tallies_in_a_commit(fixture: &mut Fixture) {
    let store = fixture.store();
    let writes = [
        tallied(put(b"a", b"1"), b"#1"),
        tallied(put(b"b", b"1"), b"#1"),
        tallied(put(b"c", b"1"), b"#2"),
        tallied(delete(b"d"), b"#2"),
    ];
    commit(store, &writes);
    commit(store, &writes);
    assert_eq!((counter(store, b"#1"), counter(store, b"#2")), (2, 1));
    // One goes, one comes: the sum is the same.
    commit(store, &[tallied(delete(b"a"), b"#1"), tallied(put(b"e", b"1"), b"#1")]);
    assert_eq!(counter(store, b"#1"), 2);
}

fn an_adjusted_key_is_tallied(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[tallied(adjust(b"a", 1), b"#")]);
    commit(store, &[tallied(adjust(b"a", 1), b"#")]);
    assert_eq!((counter(store, b"a"), counter(store, b"#")), (2, 1));
    commit(store, &[tallied(delete(b"a"), b"#")]);
    assert_eq!(counter(store, b"#"), 0);
}

fn a_tally_lives_in_any_partition(fixture: &mut Fixture) {
    let store = fixture.store();
    let catalogue = millpond_core::Key::new(b"catalogue", b"length");
    let write = millpond_core::Write { tally: Some(catalogue), ..put(b"a", b"1") };
    commit(store, &[write]);
    assert_eq!(latest(store).counter(catalogue).expect("read"), 1);
    assert_eq!(all(store).len(), 1);
}

fn a_tally_is_exact_after_reopen_and_compaction(fixture: &mut Fixture) {
    let mut expected = std::collections::BTreeSet::new();
    let mut random = crate::random::Random::new(11);
    for round in 0..400 {
        let sort = random.below(60).to_be_bytes();
        let store = fixture.store();
        let (write, existed) = if random.chance(600) {
            (put(&sort, b"v"), !expected.insert(sort))
        } else {
            (delete(&sort), expected.remove(&sort))
        };
        let commit = millpond_core::Commit {
            preconditions: vec![],
            writes: vec![tallied(write, b"#")],
            durability: if round % 20 == 0 { Durability::Sync } else { Durability::Async },
            ..millpond_core::Commit::default()
        };
        match store.index().commit(&commit).expect("committed") {
            millpond_core::Outcome::Committed { existed: found, .. } => assert_eq!(found, [existed]),
            conflict => panic!("{conflict:?}"),
        }
        assert_eq!(counter(store, b"#"), expected.len() as i64);
        match round % 100 {
            33 => fixture.reopen(),
            66 => fixture.store().compact().expect("compacted"),
            _ => {}
        }
    }
}
