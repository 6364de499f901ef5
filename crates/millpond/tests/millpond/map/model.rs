//! Every range of a map, and every way to walk it, against a sorted list.

use std::{cmp::Ordering, collections::BTreeMap, ops::Bound};

use millpond::{Comparator, MapRange, MapSeeker, OrderedMap, Result};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};

use crate::scratch::Scratch;

on_every_backend!(a_map_is_a_sorted_list);

type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// An order, and what it should be, told in another way than the map's.
struct Order {
    comparator: Comparator,
    compare: fn(&[u8], &[u8]) -> Ordering,
    is_number: bool,
}

fn integer(key: &[u8]) -> i64 {
    i64::from_le_bytes(key.try_into().expect("8 bytes"))
}

fn float(key: &[u8]) -> f64 {
    f64::from_le_bytes(key.try_into().expect("8 bytes"))
}

/// Without regard to case; ties by the bytes.
fn caseless(left: &[u8], right: &[u8]) -> Ordering {
    left.to_ascii_lowercase().cmp(&right.to_ascii_lowercase()).then(left.cmp(right))
}

fn orders() -> [Order; 5] {
    let caseless_name =
        Comparator::register("caseless", |key| Ok(key.to_ascii_lowercase())).expect("registered");
    [
        Order { comparator: Comparator::Bytes, compare: |left, right| left.cmp(right), is_number: false },
        Order { comparator: Comparator::Reverse, compare: |left, right| right.cmp(left), is_number: false },
        Order {
            comparator: Comparator::Integer,
            compare: |left, right| integer(left).cmp(&integer(right)),
            is_number: true,
        },
        Order {
            comparator: Comparator::Float,
            compare: |left, right| float(left).total_cmp(&float(right)),
            is_number: true,
        },
        Order { comparator: caseless_name, compare: caseless, is_number: false },
    ]
}

#[derive(Clone, Debug)]
enum Op {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    Swap(Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>),
    Update(Vec<u8>, u64, Vec<u8>),
    TakeFirst,
    TakeLast,
    Range(MapRange),
    /// A seek, and steps: forward where true.
    Walk(Seek, Vec<u8>, Vec<bool>),
    Write(Vec<u8>, u64, Vec<u8>),
    Compact,
}

#[derive(Clone, Copy, Debug)]
enum Seek {
    Equal,
    Lower,
    LowerEq,
    Higher,
    HigherEq,
    First,
    Last,
}

fn key(is_number: bool) -> BoxedStrategy<Vec<u8>> {
    if is_number {
        let known =
            select(vec![0u64, 1, u64::MAX, 1 << 63, (1 << 63) | 1, f64::NAN.to_bits(), 1f64.to_bits()]);
        let small = (0..6u64).prop_map(|number| number);
        return prop_oneof![known, small, any::<u64>()].prop_map(|bits| bits.to_le_bytes().to_vec()).boxed();
    }
    let awkward: Vec<Vec<u8>> =
        vec![vec![], vec![0], vec![0, 0], vec![0, 1], vec![0, 0xFF], vec![0xFF], vec![7; 1024], vec![0; 400]];
    prop_oneof![
        4 => vec(select(vec![b'a', b'A', b'b', b'B', 0, 0xFF]), 0..4),
        1 => select(awkward),
    ]
    .boxed()
}

fn range(is_number: bool) -> impl Strategy<Value = MapRange> {
    (key(is_number), key(is_number), any::<bool>(), 0..8usize).prop_map(|(a, b, reverse, which)| {
        let range = match which {
            0 => MapRange::above(a),
            1 => MapRange::equal_above(a),
            2 => MapRange::below(a),
            3 => MapRange::equal_below(a),
            4 => MapRange::between(a, b),
            5 => MapRange { start: Bound::Included(a), end: Bound::Included(b), reverse: false },
            6 => MapRange { start: Bound::Included(a), end: Bound::Excluded(b), reverse: false },
            _ => MapRange::all(),
        };
        if reverse { range.reversed() } else { range }
    })
}

fn op(is_number: bool) -> impl Strategy<Value = Op> {
    let key = move || key(is_number);
    let value = || vec(any::<u8>(), 0..6);
    let seek = select(vec![
        Seek::Equal,
        Seek::Lower,
        Seek::LowerEq,
        Seek::Higher,
        Seek::HigherEq,
        Seek::First,
        Seek::Last,
    ]);
    let maybe = || proptest::option::of(select(vec![vec![], vec![1], vec![2, 2]]));
    prop_oneof![
        10 => (key(), value()).prop_map(|(key, value)| Op::Put(key, value)),
        3 => (key(), select(vec![vec![1], vec![2, 2]])).prop_map(|(key, value)| Op::Put(key, value)),
        3 => key().prop_map(Op::Delete),
        4 => (key(), maybe(), maybe()).prop_map(|(key, old, new)| Op::Swap(key, old, new)),
        2 => (key(), 0..4u64, value()).prop_map(|(key, at, value)| Op::Update(key, at, value)),
        1 => Just(Op::TakeFirst),
        1 => Just(Op::TakeLast),
        10 => range(is_number).prop_map(Op::Range),
        6 => (seek, key(), vec(any::<bool>(), 0..6)).prop_map(|(seek, key, steps)| Op::Walk(seek, key, steps)),
        2 => (key(), 0..4u64, value()).prop_map(|(key, at, value)| Op::Write(key, at, value)),
        1 => Just(Op::Compact),
    ]
}

fn a_map_is_a_sorted_list(scratch: &Scratch) {
    let container = scratch.container();
    for order in orders() {
        let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        if std::env::var_os("PROPTEST_CASES").is_none() {
            config.cases = 12;
        }
        let run = TestRunner::new(config).run(&vec(op(order.is_number), 1..80), |ops| {
            let map = container.open_or_create_map("m", &order.comparator).expect("created");
            let mut model = Entries::new();
            for op in &ops {
                apply(op, &order, &map, &mut model);
                assert_eq!(map.len().expect("counted"), model.len() as u64, "after {op:?}");
            }
            assert!(container.check(false).expect("checked").is_clean());
            container.destroy_map("m").expect("destroyed");
            Ok(())
        });
        run.unwrap_or_else(|error| panic!("{}: {error}", order.comparator));
    }
}

/// The entries in the order.
fn sorted(order: &Order, model: &Entries) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries: Vec<_> = model.clone().into_iter().collect();
    entries.sort_by(|(left, _), (right, _)| (order.compare)(left, right));
    entries
}

fn overwritten(value: &[u8], at: u64, bytes: &[u8]) -> Option<Vec<u8>> {
    let at = at as usize;
    let mut value = value.to_vec();
    value.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
    Some(value)
}

fn apply(op: &Op, order: &Order, map: &OrderedMap, model: &mut Entries) {
    match op {
        Op::Put(key, value) => {
            let existed = model.insert(key.clone(), value.clone()).is_some();
            assert_eq!(map.put(key, value).expect("put"), existed);
        }
        Op::Delete(key) => assert_eq!(map.delete(key).expect("deleted"), model.remove(key).is_some()),
        Op::Swap(key, old, new) => {
            let fits = model.get(key) == old.as_ref();
            assert_eq!(map.compare_and_swap(key, old.as_deref(), new.as_deref()).expect("asked"), fits);
            if fits {
                model.remove(key);
                model.extend(new.clone().map(|new| (key.clone(), new)));
            }
        }
        Op::Update(key, at, bytes) => {
            let expected = model.get(key).map(|value| overwritten(value, *at, bytes));
            let answered = map.update_in_place(key, *at, bytes);
            match expected {
                None => assert!(!answered.expect("nothing to change")),
                Some(None) => assert_eq!(
                    answered.expect_err("past its end").kind(),
                    millpond::ErrorKind::InvalidArgument
                ),
                Some(Some(value)) => {
                    assert!(answered.expect("changed"));
                    model.insert(key.clone(), value);
                }
            }
        }
        Op::TakeFirst | Op::TakeLast => {
            let entries = sorted(order, model);
            let (taken, expected) = match op {
                Op::TakeFirst => (map.take_first(), entries.first()),
                _ => (map.take_last(), entries.last()),
            };
            let taken = taken.expect("taken").map(|(key, value)| (key.to_vec(), value.to_vec()));
            assert_eq!(taken.as_ref(), expected);
            expected.map(|(key, _)| model.remove(key));
        }
        Op::Range(range) => compare(order, map, model, range),
        Op::Walk(seek, key, steps) => {
            walk(&mut map.seeker(), &sorted(order, model), order, (*seek, key), steps);
        }
        Op::Write(key, at, bytes) => {
            let mut seeker = map.seeker();
            if !seeker.seek(key).expect("sought") {
                assert!(!model.contains_key(key));
                return;
            }
            let expected = overwritten(&model[key], *at, bytes);
            assert_eq!(seeker.write_range(*at, bytes).is_ok(), expected.is_some());
            assert_eq!(seeker.value().expect("read"), model[key], "nothing is committed yet");
            seeker.commit().expect("committed");
            if let Some(value) = expected {
                assert_eq!(seeker.value().expect("read"), value);
                model.insert(key.clone(), value);
            }
            assert_eq!(map.get(key).expect("read").as_deref(), model.get(key).map(Vec::as_slice));
        }
        Op::Compact => map.container().compact().expect("compacted"),
    }
}

fn compare(order: &Order, map: &OrderedMap, model: &Entries, range: &MapRange) {
    let is_in = |key: &[u8]| {
        let starts = match &range.start {
            Bound::Included(start) => (order.compare)(key, start).is_ge(),
            Bound::Excluded(start) => (order.compare)(key, start).is_gt(),
            Bound::Unbounded => true,
        };
        starts
            && match &range.end {
                Bound::Included(end) => (order.compare)(key, end).is_le(),
                Bound::Excluded(end) => (order.compare)(key, end).is_lt(),
                Bound::Unbounded => true,
            }
    };
    let mut expected = sorted(order, model);
    expected.retain(|(key, _)| is_in(key));
    if range.reverse {
        expected.reverse();
    }
    let entries: Result<Vec<_>> = map
        .range(range)
        .expect("begun")
        .map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())))
        .collect();
    assert_eq!(entries.expect("read"), expected, "{range:?}");
    assert_eq!(map.count(range).expect("counted"), expected.len() as u64, "{range:?}");
}

fn walk(
    seeker: &mut MapSeeker,
    entries: &[(Vec<u8>, Vec<u8>)],
    order: &Order,
    (seek, key): (Seek, &[u8]),
    steps: &[bool],
) {
    let is = |accept: fn(Ordering) -> bool| {
        move |(found, _): &(Vec<u8>, Vec<u8>)| accept((order.compare)(found, key))
    };
    let (found, mut here) = match seek {
        Seek::Equal => (seeker.seek(key), entries.iter().position(is(Ordering::is_eq))),
        Seek::Lower => (seeker.seek_lower(key), entries.iter().rposition(is(Ordering::is_lt))),
        Seek::LowerEq => (seeker.seek_lower_eq(key), entries.iter().rposition(is(Ordering::is_le))),
        Seek::Higher => (seeker.seek_higher(key), entries.iter().position(is(Ordering::is_gt))),
        Seek::HigherEq => (seeker.seek_higher_eq(key), entries.iter().position(is(Ordering::is_ge))),
        Seek::First => (seeker.to_first(), (!entries.is_empty()).then_some(0)),
        Seek::Last => (seeker.to_last(), entries.len().checked_sub(1)),
    };
    assert_eq!(found.expect("sought"), here.is_some(), "{seek:?} {key:?}");
    for &forward in steps {
        let Some(place) = here else {
            assert!(seeker.to_next().is_err() && seeker.key().is_none(), "it stands on nothing");
            return;
        };
        assert_eq!(seeker.is_next().expect("asked"), place + 1 < entries.len());
        let next =
            if forward { Some(place + 1).filter(|next| *next < entries.len()) } else { place.checked_sub(1) };
        let moved = if forward { seeker.to_next() } else { seeker.to_prev() };
        assert_eq!(moved.expect("a step"), next.is_some());
        here = next.or(here);
        let (key, value) = &entries[here.unwrap_or_default()];
        assert_eq!(seeker.key().as_ref(), Some(key));
        assert_eq!(seeker.value().expect("read"), *value);
        assert_eq!(seeker.read_range(1, 2).expect("read"), value[value.len().min(1)..value.len().min(3)]);
    }
}
