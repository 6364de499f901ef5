//! Counts of ranges: as many as a scan shows, whatever lies over what.

use std::{collections::BTreeSet, ops::Bound};

use millpond_core::{At, Direction, KeyRange, Op, View, Write};

use super::{Fixture, Tests, steps::*};
use crate::random::{Random, test_seed};

pub(super) const TESTS: Tests = &[
    ("a_count_is_what_a_scan_shows", a_count_is_what_a_scan_shows),
    ("of_keys_that_went_and_came_back", of_keys_that_went_and_came_back),
    ("of_counters", of_counters),
    ("beside_large_commits", beside_large_commits),
    ("a_view_goes_on_counting_what_it_shows", a_view_goes_on_counting_what_it_shows),
    ("over_random_layers", over_random_layers),
];

/// The count of a range, compared with a scan of it.
#[track_caller]
fn count(view: &dyn View, range: KeyRange<'_>) -> u64 {
    let count = view.count(range).expect("counted");
    let shown = scan(view, range, Direction::Forward).expect("scanned").len();
    assert_eq!(count, shown as u64, "{range:?}");
    count
}

#[track_caller]
fn count_all(view: &dyn View) -> u64 {
    count(view, KeyRange::all(P))
}

fn between<'a>(start: &'a [u8], end: &'a [u8]) -> KeyRange<'a> {
    KeyRange { partition: P, start: Bound::Included(start), end: Bound::Excluded(end) }
}

fn a_count_is_what_a_scan_shows(fixture: &mut Fixture) {
    let sorts: Vec<[u8; 4]> = (0..2000u32).map(u32::to_be_bytes).collect();
    commit(fixture.store(), &sorts.iter().map(|sort| put(sort, &[7; 50])).collect::<Vec<_>>());
    for _ in 0..3 {
        let view = latest(fixture.store());
        assert_eq!(count_all(&*view), 2000);
        for (start, end) in [(0, 2000), (1, 2), (0, 1), (3, 700), (77, 1999), (1990, 2000), (1000, 1100)] {
            let last = (end as u32).to_be_bytes();
            assert_eq!(count(&*view, between(&sorts[start], &last)), (end - start) as u64);
            let excluded =
                KeyRange { start: Bound::Excluded(&sorts[start]), ..between(&sorts[start], &last) };
            assert_eq!(count(&*view, excluded), (end - start - 1) as u64);
        }
        assert_eq!(count(&*view, KeyRange::all(b"another")), 0);
        drop(view);
        fixture.store().compact().expect("compacted");
        fixture.reopen();
    }
}

fn of_keys_that_went_and_came_back(fixture: &mut Fixture) {
    let store = fixture.store();
    // Everything that a key can have been, in places of every age.
    let steps: [&[u8]; 4] = [b"abcdef", b"bcd", b"cdeg", b"abh"];
    let mut there = BTreeSet::new();
    for (turn, step) in steps.iter().enumerate() {
        for sort in step.chunks(1) {
            let is_put = turn % 2 == 0 || sort == b"h";
            let write = if is_put { put(sort, b"value") } else { delete(sort) };
            commit_async(store, &[write]);
            if is_put {
                there.insert(sort)
            } else {
                there.remove(sort)
            };
            assert_eq!(count_all(&*latest(store)), there.len() as u64);
        }
        commit(store, &[keep(&[turn as u8])]);
        if turn != 1 {
            store.compact().expect("compacted");
            assert_eq!(count_all(&*latest(store)), there.len() as u64);
        }
    }
    fixture.reopen();
    assert_eq!(count_all(&*latest(fixture.store())), there.len() as u64);
}

fn of_counters(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[adjust(b"a", 1), adjust(b"b", 2), put(b"c", b"value")]);
    assert_eq!(count_all(&*latest(store)), 3);
    store.compact().expect("compacted");
    commit(store, &[adjust(b"a", -1), delete(b"b"), tallied(put(b"d", b"value"), b"n")]);
    // One that is 0 exists, and so does one that others made.
    assert_eq!(count_all(&*latest(store)), 4);
    commit(store, &[adjust(b"b", 1), tallied(delete(b"d"), b"n")]);
    for _ in 0..2 {
        assert_eq!(count_all(&*latest(fixture.store())), 4);
        fixture.store().compact().expect("compacted");
        fixture.reopen();
    }
}

fn beside_large_commits(fixture: &mut Fixture) {
    let sorts: Vec<[u8; 4]> = (0..5000u32).map(u32::to_be_bytes).collect();
    let large = |from: usize, step: usize, value: &'static [u8]| {
        sorts[from..].iter().step_by(step).take(1500).map(|sort| put(sort, value)).collect::<Vec<_>>()
    };
    let mut there = BTreeSet::new();
    let store = fixture.store();
    let mut turn = |writes: &[Write<'_>]| {
        commit_async(store, writes);
        for write in writes {
            let sort = write.key.sort.to_vec();
            match write.op {
                Op::Delete => there.remove(&sort),
                _ => there.insert(sort),
            };
        }
        assert_eq!(count_all(&*latest(store)), there.len() as u64);
    };
    turn(&[put(&sorts[0], b"before"), put(&sorts[7], b"before"), put(b"\xFFfirst", b"before")]);
    turn(&large(0, 1, &[1; 800]));
    turn(&[delete(&sorts[0]), delete(&sorts[8]), put(&sorts[9], b"between"), put(b"\xFFother", b"between")]);
    turn(&large(2, 3, &[2; 800]));
    turn(&[put(&sorts[0], b"behind"), delete(&sorts[2]), delete(b"\xFFfirst"), delete(&sorts[4444])]);
    turn(&large(0, 2, &[3; 800]));
    let expected = there.len() as u64;
    for _ in 0..3 {
        fixture.reopen();
        assert_eq!(count_all(&*latest(fixture.store())), expected);
        fixture.store().compact().expect("compacted");
    }
}

fn a_view_goes_on_counting_what_it_shows(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"a", b"1"), put(b"b", b"1"), put(b"c", b"1"), keep(b"then")]);
    let before = latest(store);
    let (then, _) = commit(store, &[put(b"d", b"2"), delete(b"a"), delete(b"b"), keep(b"now")]);
    for _ in 0..2 {
        assert_eq!(unless_gone(before.count(KeyRange::all(P))).unwrap_or(3), 3);
        let kept = store.index().view(At::Epoch(then)).expect("a retained epoch is readable");
        assert_eq!(count_all(&*kept), 2);
        commit(store, &[delete(b"c"), delete(b"d"), put(b"e", b"3")]);
        assert_eq!(count_all(&*kept), 2);
        assert_eq!(count_all(&*latest(store)), 1);
        store.compact().expect("compacted");
    }
}

/// A view, and the keys that it shows.
type Kept = (Box<dyn View>, BTreeSet<Vec<u8>>);

fn over_random_layers(fixture: &mut Fixture) {
    let mut random = Random::new(test_seed(1));
    let mut there = BTreeSet::new();
    let mut kept: Option<Kept> = None;
    for turn in 0..30 {
        let store = fixture.store();
        for _ in 0..30 {
            let base = random.below(400);
            let keys: BTreeSet<Vec<u8>> = (0..1 + random.below(12))
                .map(|_| ((base + random.below(40)) as u16).to_be_bytes().to_vec())
                .collect();
            let is_put = random.chance(600);
            let length = if random.chance(100) { 900 } else { 20 };
            let value = vec![turn; length];
            let writes: Vec<_> =
                keys.iter().map(|sort| if is_put { put(sort, &value) } else { delete(sort) }).collect();
            commit_async(store, &writes);
            keys.into_iter()
                .for_each(|sort| _ = if is_put { there.insert(sort) } else { there.remove(&sort) });
        }
        let view = latest(store);
        for _ in 0..20 {
            let [low, high] = [(); 2].map(|()| (random.below(450) as u16).to_be_bytes().to_vec());
            let (low, high) = if low <= high { (low, high) } else { (high, low) };
            let inside = |there: &BTreeSet<Vec<u8>>| there.range(low.clone()..high.clone()).count() as u64;
            assert_eq!(view.count(between(&low, &high)).expect("counted"), inside(&there));
            if let Some((view, there)) = &kept
                && let Some(count) = unless_gone(view.count(between(&low, &high)))
            {
                assert_eq!(count, inside(there));
            }
        }
        match random.below(8) {
            0 => store.compact().expect("compacted"),
            1 => kept = Some((view, there.clone())),
            2 => {
                drop(view);
                kept = None;
                fixture.reopen();
            }
            _ => {}
        }
    }
    assert_eq!(count_all(&*latest(fixture.store())), there.len() as u64);
}
