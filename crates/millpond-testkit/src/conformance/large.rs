//! Large commits: one transaction, however much it holds.

use millpond_core::{At, Direction, KeyRange, Store};

use super::{Fixture, Tests, steps::*};

pub(super) const TESTS: Tests = &[
    ("a_commit_of_megabytes", a_commit_of_megabytes),
    ("a_commit_of_a_hundred_thousand_writes", a_commit_of_a_hundred_thousand_writes),
    ("a_large_commit_under_preconditions", a_large_commit_under_preconditions),
    ("a_large_commit_between_small_ones", a_large_commit_between_small_ones),
];

fn a_commit_of_megabytes(fixture: &mut Fixture) {
    let value = |at: u32| at.to_le_bytes().repeat(500);
    let sorts: Vec<[u8; 4]> = (0u32..2000).map(u32::to_be_bytes).collect();
    let values: Vec<Vec<u8>> = (0u32..2000).map(value).collect();
    let writes: Vec<_> =
        sorts.iter().zip(&values).map(|(sort, value)| tallied(put(sort, value), b"#")).collect();
    let (epoch, existed) = commit(fixture.store(), &writes);
    assert!(existed.iter().all(|existed| !existed));
    for step in 0..3 {
        let store = fixture.store();
        assert_eq!(counter(store, b"#"), 2000);
        for (sort, expected) in sorts.iter().zip(&values).step_by(37) {
            let record = get(store, sort).expect("there");
            assert_eq!((record.version, &record.value[..]), (epoch, &expected[..]));
        }
        assert_eq!(all(store).len(), 2001);
        match step {
            0 => fixture.reopen(),
            _ => fixture.store().compact().expect("compacted"),
        }
    }
}

fn a_commit_of_a_hundred_thousand_writes(fixture: &mut Fixture) {
    // Out of order, since a backend that sorts must not count on it.
    let sorts: Vec<[u8; 4]> =
        (0u32..100_000).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let writes: Vec<_> = sorts.iter().map(|sort| tallied(put(sort, b"value"), b"#")).collect();
    let (epoch, existed) = commit(fixture.store(), &writes);
    assert_eq!(existed.len(), sorts.len());
    assert!(existed.iter().all(|existed| !existed));
    let deletes: Vec<_> = sorts[..50_000].iter().map(|sort| tallied(delete(sort), b"#")).collect();
    let (_, existed) = commit(fixture.store(), &deletes);
    assert!(existed.iter().all(|existed| *existed));
    fixture.reopen();
    let store = fixture.store();
    assert_eq!(counter(store, b"#"), 50_000);
    assert_eq!(all(store).len(), 50_001);
    let many = latest(store).get_many(&sorts.iter().map(|sort| key(sort)).collect::<Vec<_>>()).expect("read");
    assert!(many[..50_000].iter().all(Option::is_none));
    assert!(many[50_000..].iter().all(|record| record.as_ref().is_some_and(|found| found.version == epoch)));
}

fn a_large_commit_under_preconditions(fixture: &mut Fixture) {
    let store = fixture.store();
    let (epoch, _) = commit(store, &[put(b"flag", b"on")]);
    let sorts: Vec<[u8; 4]> = (0u32..3000).map(u32::to_be_bytes).collect();
    let value = [1; 1000];
    let writes: Vec<_> = sorts.iter().map(|sort| put(sort, &value)).collect();
    commit(store, &[put(b"flag", b"off")]);
    assert_conflict(commit_if(store, &[unchanged(b"flag", epoch)], &writes), 0);
    assert_eq!(all(store).len(), 1);
    let now = version(store, b"flag");
    let view = latest(store);
    let range = KeyRange { start: std::ops::Bound::Included(b"\0"), ..KeyRange::all(P) };
    assert_committed(commit_if(store, &[unchanged(b"flag", now)], &writes));
    assert_conflict(commit_if(store, &[range_unchanged(range, view.epoch())], &writes), 0);
    assert_eq!(all(store).len(), 3001);
    if let Some(before) = unless_gone(scan(&*view, KeyRange::all(P), Direction::Forward)) {
        assert_eq!(before.len(), 1, "the view doesn't change");
    }
}

/// Whatever way a large commit takes, its place in the order is that of its epoch.
fn a_large_commit_between_small_ones(fixture: &mut Fixture) {
    let sorts: Vec<[u8; 4]> = (0u32..1500).map(u32::to_be_bytes).collect();
    let mut epochs = Vec::new();
    for round in 1u8..=3 {
        let store = fixture.store();
        let (value, name) = ([round; 1000], [round]);
        commit_async(store, &[put(&sorts[7], b"before"), put(&sorts[8], b"before")]);
        let (epoch, existed) = commit_async(
            store,
            &sorts.iter().map(|sort| put(sort, &value)).chain([keep(&name)]).collect::<Vec<_>>(),
        );
        assert!(existed[7] && existed[8]);
        epochs.push(epoch);
        commit_async(store, &[put(&sorts[8], b"after"), delete(&sorts[9])]);
        check_round(store, &sorts, round);
    }
    fixture.store().compact().expect("compacted");
    fixture.reopen();
    check_round(fixture.store(), &sorts, 3);
    for (at, epoch) in epochs.iter().enumerate() {
        let view = fixture.store().index().view(At::Epoch(*epoch)).expect("retained");
        let found = scan(&*view, KeyRange::all(P), Direction::Forward).expect("scanned");
        assert!(found.len() == sorts.len() && found.iter().all(|(_, value)| *value == [at as u8 + 1; 1000]));
    }
}

fn check_round(store: &dyn Store, sorts: &[[u8; 4]], round: u8) {
    assert_eq!(value(store, &sorts[7]), Some(vec![round; 1000]));
    assert_eq!(value(store, &sorts[8]), Some(b"after".to_vec()));
    assert_eq!(value(store, &sorts[9]), None);
    assert_eq!(all(store).len(), sorts.len() - 1);
}
