//! Cursors: both directions, all bounds, every partition on its own.

use std::{collections::BTreeMap, ops::Bound};

use millpond_core::{Direction, Key, KeyRange, Store, View};

use super::{Fixture, Tests, steps::*};
use crate::random::Random;

pub(super) const TESTS: Tests = &[
    ("order_is_that_of_bytes", order_is_that_of_bytes),
    ("all_bounds_in_both_directions", all_bounds_in_both_directions),
    ("empty_and_inverted_ranges", empty_and_inverted_ranges),
    ("partitions_do_not_mix", partitions_do_not_mix),
    ("records_come_whole", records_come_whole),
    ("the_end_stays_the_end", the_end_stays_the_end),
    ("random_ranges_over_layers", random_ranges_over_layers),
    ("deleted_records_are_passed_over", deleted_records_are_passed_over),
];

fn order_is_that_of_bytes(fixture: &mut Fixture) {
    let store = fixture.store();
    let sorts: [&[u8]; 9] = [b"", b"\0", b"\0\0", b"a", b"a\0", b"aa", b"b", b"\xFF", b"\xFF\xFF"];
    let mut shuffled = sorts;
    shuffled.reverse();
    shuffled.swap(2, 7);
    for sort in shuffled {
        commit_async(store, &[put(sort, b"v")]);
    }
    let keys: Vec<_> = all(store).into_iter().map(|(sort, _)| sort).collect();
    assert_eq!(keys, sorts);
    store.compact().expect("compacted");
    let backward = scan(&*latest(store), KeyRange::all(P), Direction::Backward).expect("scanned");
    assert!(backward.iter().map(|(sort, _)| &sort[..]).eq(sorts.into_iter().rev()));
}

fn check_all_bounds(view: &dyn View, expected: &BTreeMap<Vec<u8>, Vec<u8>>, probes: &[&[u8]]) {
    let bounds = |probe| [Bound::Included(probe), Bound::Excluded(probe)];
    let mut all: Vec<Bound<&[u8]>> = vec![Bound::Unbounded];
    all.extend(probes.iter().flat_map(|probe| bounds(*probe)));
    for &start in &all {
        for &end in &all {
            let range = KeyRange { partition: P, start, end };
            let mut wanted: Vec<_> = expected
                .iter()
                .filter(|(sort, _)| range.contains(Key::new(P, sort)))
                .map(|(sort, value)| (sort.clone(), value.clone()))
                .collect();
            let forward = scan(view, range, Direction::Forward).expect("scanned");
            assert_eq!(forward, wanted, "forward over {range:?}");
            assert_eq!(view.count(range).expect("counted"), wanted.len() as u64, "records of {range:?}");
            wanted.reverse();
            let backward = scan(view, range, Direction::Backward).expect("scanned");
            assert_eq!(backward, wanted, "backward over {range:?}");
        }
    }
}

fn all_bounds_in_both_directions(fixture: &mut Fixture) {
    let store = fixture.store();
    let probes: [&[u8]; 9] = [b"", b"\0", b"a", b"a\0", b"aa", b"b", b"bb", b"c", b"\xFF"];
    let mut expected = BTreeMap::new();
    for (at, sort) in probes.iter().enumerate().filter(|(at, _)| at % 2 == 0) {
        commit_async(store, &[put(sort, &[at as u8])]);
        expected.insert(sort.to_vec(), vec![at as u8]);
    }
    check_all_bounds(&*latest(store), &expected, &probes);
    store.compact().expect("compacted");
    check_all_bounds(&*latest(store), &expected, &probes);
    fixture.reopen();
    check_all_bounds(&*latest(fixture.store()), &expected, &probes);
}

fn empty_and_inverted_ranges(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"a", b"1"), put(b"b", b"1"), put(b"c", b"1")]);
    let ranges = [
        (Bound::Included(&b"c"[..]), Bound::Included(&b"a"[..])),
        (Bound::Excluded(&b"b"[..]), Bound::Excluded(&b"b"[..])),
        (Bound::Included(&b"b"[..]), Bound::Excluded(&b"b"[..])),
        (Bound::Excluded(&b"b"[..]), Bound::Included(&b"b"[..])),
        (Bound::Excluded(&b"a"[..]), Bound::Excluded(&b"b"[..])),
        (Bound::Included(&b"d"[..]), Bound::Unbounded),
        (Bound::Unbounded, Bound::Excluded(&b""[..])),
    ];
    for (start, end) in ranges {
        for direction in [Direction::Forward, Direction::Backward] {
            let range = KeyRange { partition: P, start, end };
            assert_eq!(scan(&*latest(store), range, direction).expect("scanned"), [], "{range:?}");
        }
        assert_eq!(latest(store).count(KeyRange { partition: P, start, end }).expect("counted"), 0);
    }
}

fn partitions_do_not_mix(fixture: &mut Fixture) {
    let store = fixture.store();
    // None is a prefix of another one, as the contract has it; some sort right next to each other.
    let partitions: [&[u8]; 6] = [b"\0\0", b"\0\x01", b"aa", b"ab", b"\xFF\xFE", b"\xFF\xFF"];
    for (at, partition) in partitions.iter().enumerate() {
        let writes: Vec<_> = [&b""[..], b"k", b"\xFF\xFF\xFF"]
            .into_iter()
            .map(|sort| put_at(Key::new(partition, sort), std::slice::from_ref(&b"012345"[at])))
            .collect();
        commit_async(store, &writes);
    }
    let check = |store: &dyn Store| {
        for (at, partition) in partitions.iter().enumerate() {
            for direction in [Direction::Forward, Direction::Backward] {
                let found = scan(&*latest(store), KeyRange::all(partition), direction).expect("scanned");
                assert_eq!(found.len(), 3);
                assert!(found.iter().all(|(_, value)| value[0] == b"012345"[at]), "{partition:?}");
            }
        }
    };
    check(store);
    store.compact().expect("compacted");
    check(store);
    fixture.reopen();
    check(fixture.store());
}

fn records_come_whole(fixture: &mut Fixture) {
    let store = fixture.store();
    let extents = store_bulk(store, &[7; 3000], 1000);
    let (first, _) = commit(store, &[put_bulk(b"a", b"header", &extents)]);
    let (second, _) = commit(store, &[put(b"b", &[9; 2048]), adjust(b"n", -3)]);
    for _ in 0..2 {
        let view = latest(store);
        let mut cursor = view.scan(KeyRange::all(P), Direction::Forward).expect("a cursor");
        assert!(cursor.advance().expect("a record"));
        assert_eq!((cursor.key(), cursor.record().value), (&b"a"[..], &b"header"[..]));
        assert_eq!(cursor.record().version, first);
        assert_eq!(read_bulk(store, cursor.record().extents).expect("read"), [7; 3000]);
        assert!(cursor.advance().expect("a record"));
        assert_eq!((cursor.record().value, cursor.record().version), (&[9; 2048][..], second));
        assert!(cursor.record().extents.is_empty());
        assert!(cursor.advance().expect("a record"));
        assert_eq!(cursor.record().value, (-3i64).to_le_bytes());
        store.compact().expect("compacted");
    }
}

fn the_end_stays_the_end(fixture: &mut Fixture) {
    let store = fixture.store();
    commit(store, &[put(b"a", b"1"), put(b"b", b"1")]);
    for direction in [Direction::Forward, Direction::Backward] {
        let mut cursor = latest(store).scan(KeyRange::all(P), direction).expect("a cursor");
        assert!(cursor.advance().expect("a record"));
        assert!(cursor.advance().expect("a record"));
        assert!(!cursor.advance().expect("the end"));
        assert!(!cursor.advance().expect("still the end"));
    }
}

/// What is old, what is new and what was deleted lie in different places of a backend: a scan
/// merges them.
fn random_ranges_over_layers(fixture: &mut Fixture) {
    let store = fixture.store();
    let mut random = Random::new(21);
    let mut expected = BTreeMap::new();
    for layer in 0u8..6 {
        for _ in 0..200 {
            let sort = random.below(400).to_be_bytes()[6..].to_vec();
            if random.chance(250) {
                commit_async(store, &[delete(&sort)]);
                expected.remove(&sort);
            } else {
                let value = vec![layer + 1; 1 + random.index(40)];
                commit_async(store, &[put(&sort, &value)]);
                expected.insert(sort, value);
            }
        }
        if layer % 2 == 0 {
            store.compact().expect("compacted");
        }
        let view = latest(store);
        for _ in 0..60 {
            let [low, high] = [(); 2].map(|()| random.below(420).to_be_bytes()[6..].to_vec());
            let pick = |random: &mut Random, bound| match random.below(3) {
                0 => Bound::Included(bound),
                1 => Bound::Excluded(bound),
                _ => Bound::Unbounded,
            };
            let range =
                KeyRange { partition: P, start: pick(&mut random, &low[..]), end: pick(&mut random, &high) };
            let mut wanted: Vec<_> = expected
                .iter()
                .filter(|(sort, _)| range.contains(Key::new(P, sort)))
                .map(|(sort, value)| (sort.clone(), value.clone()))
                .collect();
            assert_eq!(scan(&*view, range, Direction::Forward).expect("scanned"), wanted, "{range:?}");
            wanted.reverse();
            assert_eq!(scan(&*view, range, Direction::Backward).expect("scanned"), wanted, "{range:?}");
        }
    }
}

fn deleted_records_are_passed_over(fixture: &mut Fixture) {
    let store = fixture.store();
    let sorts: Vec<[u8; 2]> = (0u16..2000).map(u16::to_be_bytes).collect();
    commit(store, &sorts.iter().map(|sort| put(sort, b"v")).collect::<Vec<_>>());
    store.compact().expect("compacted");
    commit(store, &sorts[1..1999].iter().map(|sort| delete(sort)).collect::<Vec<_>>());
    for _ in 0..2 {
        assert_eq!(all(store).len(), 2);
        let backward = scan(&*latest(store), KeyRange::all(P), Direction::Backward).expect("scanned");
        assert_eq!(backward[0].0, sorts[1999]);
        assert_eq!(backward[1].0, sorts[0]);
        store.compact().expect("compacted");
    }
}
