//! Threads: commits of many at once are as if one after the other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use millpond_core::{Commit, Direction, Durability, Epoch, KeyRange, Outcome, Precondition, Store, Write};

use super::{Fixture, Tests, steps::*};
use crate::random::Random;

const THREADS: u64 = 4;

pub(super) const TESTS: Tests = &[
    ("adjustments_commute", adjustments_commute),
    ("tallies_are_exact", tallies_are_exact),
    ("compare_and_set_loses_nothing", compare_and_set_loses_nothing),
    ("views_are_consistent", views_are_consistent),
    ("only_one_creates", only_one_creates),
    ("epochs_order_the_commits", epochs_order_the_commits),
    ("scans_guard_against_phantoms", scans_guard_against_phantoms),
];

/// Every other thread has a handle of its own kind: a backend may well order the commits of one
/// handle otherwise than those of several.
fn on_threads(fixture: &Fixture, body: impl Fn(u64, &dyn Store) + Sync) {
    let handles = [fixture.shared(), fixture.another()];
    std::thread::scope(|scope| {
        for (thread, store) in (0..THREADS).zip(handles.iter().cycle()) {
            let body = &body;
            scope.spawn(move || body(thread, &**store));
        }
    });
}

/// Commits async under preconditions; true if they held.
fn commit_async_if(store: &dyn Store, preconditions: Vec<Precondition<'_>>, writes: Vec<Write<'_>>) -> bool {
    let commit = Commit { preconditions, writes, durability: Durability::Async, ..Commit::default() };
    matches!(store.index().commit(&commit).expect("no error"), Outcome::Committed { .. })
}

fn adjustments_commute(fixture: &mut Fixture) {
    on_threads(fixture, |thread, store| {
        for round in 0..300 {
            commit_async(store, &[adjust(b"n", 3), adjust(&[thread as u8], 1)]);
            if round % 100 == 50 {
                commit(store, &[adjust(b"n", -1)]);
            }
        }
    });
    let expected = THREADS as i64 * (300 * 3 - 3);
    assert_eq!(counter(fixture.store(), b"n"), expected);
    fixture.reopen();
    assert_eq!(counter(fixture.store(), b"n"), expected);
    assert!((0..THREADS).all(|thread| counter(fixture.store(), &[thread as u8]) == 300));
}

/// Threads put and delete the same keys: whoever is told that a key didn't exist counted it.
fn tallies_are_exact(fixture: &mut Fixture) {
    let came = AtomicU64::new(0);
    let went = AtomicU64::new(0);
    on_threads(fixture, |thread, store| {
        let mut random = Random::new(thread);
        for _ in 0..400 {
            let sort = [random.below(20) as u8];
            if random.chance(500) {
                let (_, existed) = commit_async(store, &[tallied(put(&sort, b"v"), b"#")]);
                came.fetch_add(u64::from(!existed[0]), Ordering::Relaxed);
            } else {
                let (_, existed) = commit_async(store, &[tallied(delete(&sort), b"#")]);
                went.fetch_add(u64::from(existed[0]), Ordering::Relaxed);
            }
        }
    });
    for _ in 0..2 {
        let present = all(fixture.store()).iter().filter(|(sort, _)| sort.len() == 1 && sort != b"#").count();
        assert_eq!(counter(fixture.store(), b"#"), present as i64);
        assert_eq!(came.load(Ordering::Relaxed) - went.load(Ordering::Relaxed), present as u64);
        fixture.reopen();
    }
}

fn compare_and_set_loses_nothing(fixture: &mut Fixture) {
    on_threads(fixture, |_, store| {
        for _ in 0..100 {
            loop {
                let found = get(store, b"n");
                let version = found.as_ref().map_or(Epoch::ZERO, |record| record.version);
                let count = found.map_or(0, |record| record.counter());
                let next = (count + 1).to_le_bytes();
                if commit_async_if(store, vec![unchanged(b"n", version)], vec![put(b"n", &next)]) {
                    break;
                }
            }
        }
    });
    assert_eq!(counter(fixture.store(), b"n"), 100 * THREADS as i64);
}

/// Money is moved between accounts: every view holds the same sum.
fn views_are_consistent(fixture: &mut Fixture) {
    let store = fixture.store();
    let accounts: Vec<[u8; 1]> = (0u8..10).map(|at| [at]).collect();
    commit(store, &accounts.iter().map(|account| adjust(account, 100)).collect::<Vec<_>>());
    let stop = AtomicBool::new(false);
    let shared = fixture.shared();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|reader| {
                let (shared, stop, accounts) = (&*shared, &stop, &accounts);
                scope.spawn(move || {
                    let mut looked = 0;
                    while !stop.load(Ordering::Relaxed) || looked == 0 {
                        let view = latest(shared);
                        let sum = if reader == 0 {
                            unless_gone(scan(&*view, KeyRange::all(P), Direction::Forward))
                                .map(|found| found.iter().map(|(_, value)| counter_of(value)).sum::<i64>())
                        } else {
                            accounts.iter().map(|account| unless_gone(view.counter(key(account)))).sum()
                        };
                        assert!(sum.is_none_or(|sum| sum == 1000), "{sum:?} at {}", view.epoch());
                        looked += 1;
                    }
                })
            })
            .collect();
        let writers: Vec<_> = (0..3)
            .map(|thread| {
                let (shared, accounts) = (&*shared, &accounts);
                scope.spawn(move || {
                    let mut random = Random::new(thread);
                    for round in 0..300 {
                        let (from, to) = (random.index(10), random.index(10));
                        commit_async(shared, &[adjust(&accounts[from], -5), adjust(&accounts[to], 5)]);
                        if round == 150 && thread == 0 {
                            shared.compact().expect("compacted");
                        }
                    }
                })
            })
            .collect();
        let written: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        stop.store(true, Ordering::Relaxed);
        let read: Vec<_> = readers.into_iter().map(|reader| reader.join()).collect();
        assert!(written.into_iter().chain(read).all(|outcome| outcome.is_ok()), "a thread failed, see above");
    });
}

fn counter_of(value: &[u8]) -> i64 {
    value.try_into().map_or(0, i64::from_le_bytes)
}

fn only_one_creates(fixture: &mut Fixture) {
    let created = AtomicU64::new(0);
    on_threads(fixture, |thread, store| {
        for at in 0u8..100 {
            let precondition = vec![unchanged(std::slice::from_ref(&at), Epoch::ZERO)];
            let name = [thread as u8];
            let won = commit_async_if(store, precondition, vec![put(std::slice::from_ref(&at), &name)]);
            created.fetch_add(u64::from(won), Ordering::Relaxed);
        }
    });
    assert_eq!(created.load(Ordering::Relaxed), 100);
    assert_eq!(all(fixture.store()).len(), 100);
}

/// A key's records carry the epochs of their commits: the last writer is the one with the greatest.
fn epochs_order_the_commits(fixture: &mut Fixture) {
    let written = std::sync::Mutex::new(Vec::new());
    on_threads(fixture, |thread, store| {
        let mut last = Epoch::ZERO;
        for round in 0u64..150 {
            let value = [thread.to_be_bytes(), round.to_be_bytes()].concat();
            let (epoch, _) = commit_async(store, &[put(b"a", &value)]);
            assert!(epoch > last, "a thread's own commits are in order");
            assert!(version(store, b"a") >= epoch, "what is committed is visible");
            last = epoch;
            written.lock().expect("no thread failed").push((epoch, value));
        }
    });
    let mut written = written.into_inner().expect("no thread failed");
    written.sort();
    assert!(written.windows(2).all(|pair| pair[0].0 < pair[1].0), "no epoch is used twice");
    let (epoch, last) = written.pop().expect("some were written");
    let record = get(fixture.store(), b"a").expect("there");
    assert_eq!((record.version, record.value.to_vec()), (epoch, last));
}

/// Each thread adds the next number to a list that it has scanned: none is added twice.
fn scans_guard_against_phantoms(fixture: &mut Fixture) {
    on_threads(fixture, |_, store| {
        for _ in 0..25 {
            loop {
                let view = latest(store);
                let Some(found) = unless_gone(scan(&*view, KeyRange::all(P), Direction::Backward)) else {
                    continue;
                };
                let next = found.first().map_or(0, |(sort, _)| u64_of(sort) + 1);
                assert_eq!(next, found.len() as u64, "the list has no holes");
                let guard = vec![range_unchanged(KeyRange::all(P), view.epoch())];
                if commit_async_if(store, guard, vec![put(&next.to_be_bytes(), b"v")]) {
                    break;
                }
            }
        }
    });
    let found = all(fixture.store());
    assert_eq!(found.len() as u64, 25 * THREADS);
    assert!(found.iter().enumerate().all(|(at, (sort, _))| u64_of(sort) == at as u64));
}

fn u64_of(sort: &[u8]) -> u64 {
    sort.try_into().map(u64::from_be_bytes).expect("eight bytes")
}
