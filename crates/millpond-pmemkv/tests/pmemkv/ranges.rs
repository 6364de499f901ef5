//! Every range of every sorted engine, against a map in memory.

use std::{collections::BTreeMap, ops::Bound};

use millpond_pmemkv::{Engine, Range, Shape};
use millpond_testkit::random::test_seed;
use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

use crate::support::{Opened, collect, engines};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Keys that are often the same, that begin alike, that are empty, hold NULs, and are as long as can be.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let alike = vec(select(vec![0u8, 1, b'a', 0xFF]), 0..4);
    let beyond_the_head = vec(select(vec![0u8, 1]), 14..19);
    let long = (vec(select(vec![0u8, b'x']), 0..3), 1000usize..1025).prop_map(|(end, length)| {
        let mut key = vec![b'k'; length - end.len()];
        key.extend(end);
        key
    });
    prop_oneof![6 => alike, 2 => beyond_the_head, 1 => long, 2 => vec(any::<u8>(), 0..12)]
}

/// The records of a range, as the words of pmemkv's manual say.
fn expected<'m>(model: &'m Model, range: Range<'_>) -> Vec<(&'m Vec<u8>, &'m Vec<u8>)> {
    let is_in = |key: &[u8]| match range {
        Range::All => true,
        Range::Above(than) => key > than,
        Range::EqualAbove(than) => key >= than,
        Range::Below(than) => key < than,
        Range::EqualBelow(than) => key <= than,
        Range::Between(first, second) => key > first && key < second,
    };
    model.iter().filter(|(key, _)| is_in(key)).collect()
}

fn check(engine: &Engine, model: &Model, range: Range<'_>) {
    let expected = expected(model, range);
    let name = engine.name();
    let found = collect(engine, range);
    assert_eq!(
        found.iter().map(|(key, value)| (key, value)).collect::<Vec<_>>(),
        expected,
        "{name} {range:?}"
    );
    assert_eq!(engine.count(range).expect("counted"), expected.len() as u64, "{name} {range:?}");
    let mut backwards = engine.records(range, true, Shape::Keys).expect("scanned");
    for (key, _) in expected.iter().rev() {
        let (found, value) = backwards.next_record().expect("read").expect("one more");
        assert_eq!((found, value.as_ref()), (key.as_slice(), &b""[..]), "{name} {range:?} backwards");
    }
    assert!(backwards.next_record().expect("read").is_none(), "{name} {range:?} backwards");
}

fn check_all(engine: &Engine, model: &Model, first: &[u8], second: &[u8]) {
    for range in [
        Range::All,
        Range::Above(first),
        Range::EqualAbove(first),
        Range::Below(first),
        Range::EqualBelow(first),
        Range::Between(first, second),
        Range::Between(second, first),
        Range::Between(first, first),
    ] {
        check(engine, model, range);
    }
}

fn first(model: &Model, start: Bound<&[u8]>) -> Option<Vec<u8>> {
    model.range::<[u8], _>((start, Bound::Unbounded)).next().map(|(key, _)| key.clone())
}

fn last(model: &Model, end: Bound<&[u8]>) -> Option<Vec<u8>> {
    model.range::<[u8], _>((Bound::Unbounded, end)).next_back().map(|(key, _)| key.clone())
}

fn check_iterator(engine: &Engine, model: &Model, key: &[u8]) {
    let name = engine.name();
    let mut iterator = engine.iterator().expect("an iterator");
    for (place, expected) in [
        ("at", model.get_key_value(key).map(|(key, _)| key.clone())),
        ("lower", last(model, Bound::Excluded(key))),
        ("lower_eq", last(model, Bound::Included(key))),
        ("higher", first(model, Bound::Excluded(key))),
        ("higher_eq", first(model, Bound::Included(key))),
    ] {
        let is_there = match place {
            "at" => iterator.seek(key),
            "lower" => iterator.seek_lower(key),
            "lower_eq" => iterator.seek_lower_eq(key),
            "higher" => iterator.seek_higher(key),
            _ => iterator.seek_higher_eq(key),
        };
        assert_eq!(is_there.expect("sought"), expected.is_some(), "{name} {place}");
        let Some(expected) = expected else {
            assert!(iterator.key().is_err(), "{name} {place}");
            continue;
        };
        assert_eq!(iterator.key().expect("a key"), expected, "{name} {place}");
        assert_eq!(iterator.read_range(0, usize::MAX).expect("read"), model[&expected], "{name} {place}");
        let next = first(model, Bound::Excluded(&*expected));
        assert_eq!(iterator.is_next().expect("asked"), next.is_some(), "{name} {place}");
        assert_eq!(iterator.key().expect("it stays"), expected, "{name} {place}");
        assert_eq!(iterator.step_next().expect("stepped"), next.is_some(), "{name} {place}");
        assert_eq!(iterator.key().ok(), next.as_deref(), "{name} {place}");
    }
}

/// All steps of a full iterator, from one end to the other and back.
fn check_steps(engine: &Engine, model: &Model) {
    let keys: Vec<_> = model.keys().cloned().collect();
    let mut iterator = engine.iterator().expect("an iterator");
    let mut walked = Vec::new();
    let mut is_at = iterator.to_first().expect("sought");
    while is_at {
        walked.push(iterator.key().expect("a key").to_vec());
        is_at = iterator.step_next().expect("stepped");
    }
    assert_eq!(walked, keys, "{}", engine.name());
    if engine.traits().iterators < millpond_pmemkv::Steps::Full {
        return;
    }
    walked.clear();
    is_at = iterator.to_last().expect("sought");
    while is_at {
        walked.push(iterator.key().expect("a key").to_vec());
        is_at = iterator.step_prev().expect("stepped");
    }
    walked.reverse();
    assert_eq!(walked, keys, "{} backwards", engine.name());
}

#[test]
fn ranges_of_sorted_engines_are_those_of_a_map() {
    let seed = test_seed(64);
    for name in engines(|engine| engine.sorted) {
        let opened = Opened::with(name, 1 << 30, &[("durability", "async")]);
        let engine = &opened.engine;
        let changes = vec((key(), proptest::option::weighted(0.8, vec(any::<u8>(), 0..40))), 0..40);
        let mut model = Model::new();
        let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        if std::env::var_os("PROPTEST_CASES").is_none() {
            config.cases = 24;
        }
        // A number decides the cases of all engines, and they are the same.
        let seed: Vec<u8> = std::iter::repeat_n(seed.to_le_bytes(), 4).flatten().collect();
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        let model = std::cell::RefCell::new(&mut model);
        // One engine through all cases: what they leave is what the next begin with.
        runner
            .run(&(changes, vec(key(), 2..5)), |(changes, asked)| {
                let model = &mut **model.borrow_mut();
                for (key, value) in &changes {
                    match value {
                        Some(value) => {
                            engine.put(key, value).expect("put");
                            model.insert(key.clone(), value.clone());
                        }
                        None => {
                            let was = model.remove(key).is_some();
                            assert_eq!(engine.remove(key).expect("removed"), was, "{name}");
                        }
                    }
                }
                for pair in asked.windows(2) {
                    check_all(engine, model, &pair[0], &pair[1]);
                    check_iterator(engine, model, &pair[0]);
                }
                if let Some((there, _)) = model.iter().nth(model.len() / 2) {
                    let there = there.clone();
                    check_all(engine, model, &there, &asked[0]);
                    check_iterator(engine, model, &there);
                }
                check_steps(engine, model);
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// More records than are counted, or read, at once.
#[test]
fn long_ranges_are_whole() {
    for name in engines(|engine| engine.sorted) {
        let opened = Opened::with(name, 1 << 30, &[("durability", "async")]);
        let keys: Vec<_> = (0..20_000u32).map(|number| number.to_be_bytes()).collect();
        for part in keys.chunks(1000) {
            let records: Vec<_> = part.iter().map(|key| (&key[..], &b"value"[..])).collect();
            opened.engine.put_many(&records).expect("put");
        }
        let model: Model = keys.iter().map(|key| (key.to_vec(), b"value".to_vec())).collect();
        let ends = [3u32.to_be_bytes(), 19_990u32.to_be_bytes()];
        check(&opened.engine, &model, Range::All);
        check(&opened.engine, &model, Range::Between(&ends[0], &ends[1]));
        check(&opened.engine, &model, Range::EqualAbove(&ends[0]));
        check(&opened.engine, &model, Range::EqualBelow(&ends[1]));
    }
}

#[test]
fn engines_without_an_order_show_everything_once() {
    for name in engines(|engine| !engine.sorted && engine.name != "blackhole") {
        let opened = Opened::with(name, 1 << 30, &[("durability", "async")]);
        let model: Model = (0..5000u64)
            .map(|number| (number.to_be_bytes().to_vec(), (!number).to_be_bytes().to_vec()))
            .collect();
        let records: Vec<_> = model.iter().map(|(key, value)| (&key[..], &value[..])).collect();
        opened.engine.put_many(&records).expect("put");
        let found = collect(&opened.engine, Range::All);
        assert_eq!(found.len(), model.len(), "{name}: each once");
        assert_eq!(found.into_iter().collect::<Model>(), model, "{name}");
    }
}
