//! A dictionary does what a `BTreeMap` does, whatever is asked of it in whatever order.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    ops::Bound,
};

use millpond::{Container, Dict, DictRange, TransactionOptions};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};

use crate::scratch::{Scratch, noise};

on_every_backend!(a_dict_is_a_btree_map);

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// A value, by its seed and its length.
#[derive(Clone, Debug)]
struct Value(u64, usize);

impl Value {
    fn bytes(&self) -> Vec<u8> {
        noise(self.0, self.1)
    }
}

#[derive(Clone, Debug)]
enum Op {
    Put(Vec<u8>, Value),
    Delete(Vec<u8>),
    Get(Vec<u8>),
    GetMany(Vec<Vec<u8>>),
    Batch(Vec<(Vec<u8>, Option<Value>)>),
    InsertIfAbsent(Vec<u8>, Value),
    Take(Vec<u8>),
    TakeLast,
    Range(DictRange),
    Stream(Vec<u8>, Value),
    Clear,
    Reopen,
    Compact,
    /// These in a transaction, committed or given up, with so much memory for its writes.
    Transaction(Vec<Op>, bool, usize),
}

/// Keys that meet often, and the ones that are awkward.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let awkward: Vec<Vec<u8>> = vec![
        vec![],
        vec![0],
        vec![0, 0],
        vec![0xFF],
        vec![0xFF, 0xFF],
        vec![0xC3, 0x28],
        vec![1; 1024],
        vec![0xFF; 1024],
    ];
    prop_oneof![
        3 => vec(select(vec![b'a', b'b', 0, 0xFF]), 0..4),
        2 => select(awkward),
        1 => vec(any::<u8>(), 0..40),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let length = prop_oneof![8 => 0..200usize, 2 => 2040..2060usize, 1 => 3000..200_000usize];
    (any::<u64>(), length).prop_map(|(seed, length)| Value(seed, length))
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![Just(Bound::Unbounded), key().prop_map(Bound::Included), key().prop_map(Bound::Excluded),]
}

fn range() -> impl Strategy<Value = DictRange> {
    let prefix = proptest::option::of(vec(select(vec![b'a', b'b', 0, 0xFF]), 0..3));
    (prefix, bound(), bound(), any::<bool>()).prop_map(|(prefix, start, end, reverse)| DictRange {
        prefix,
        start,
        end,
        reverse,
    })
}

fn op() -> impl Strategy<Value = Op> {
    let transaction = (vec(change(), 0..12), any::<bool>(), select(vec![0, 500, 1 << 20]));
    prop_oneof![
        30 => change(),
        1 => Just(Op::Reopen),
        1 => Just(Op::Compact),
        4 => transaction.prop_map(|(ops, commit, memory)| Op::Transaction(ops, commit, memory)),
    ]
}

/// What can be done in a transaction too.
fn change() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (key(), value()).prop_map(|(key, value)| Op::Put(key, value)),
        4 => key().prop_map(Op::Delete),
        4 => key().prop_map(Op::Get),
        2 => vec(key(), 0..6).prop_map(Op::GetMany),
        4 => vec((key(), proptest::option::weighted(0.7, value())), 0..8).prop_map(Op::Batch),
        2 => (key(), value()).prop_map(|(key, value)| Op::InsertIfAbsent(key, value)),
        2 => key().prop_map(Op::Take),
        2 => Just(Op::TakeLast),
        6 => range().prop_map(Op::Range),
        2 => (key(), value()).prop_map(|(key, value)| Op::Stream(key, value)),
        1 => Just(Op::Clear),
    ]
}

fn a_dict_is_a_btree_map(scratch: &Scratch) {
    let container = scratch.container();
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 24;
    }
    let mut runner = TestRunner::new(config);
    let run = runner.run(&vec(op(), 1..60), |ops| {
        container.open_or_create_dict("d").expect("created");
        let mut dict = open(&container);
        let mut model = Model::new();
        for op in &ops {
            apply(op, &mut dict, &mut model);
            assert_eq!(dict.len().expect("counted"), model.len() as u64, "after {op:?}");
        }
        assert!(container.check(false).expect("checked").is_clean());
        container.destroy_dict("d").expect("destroyed");
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

/// A handle of its own.
fn open(container: &Container) -> Dict {
    Container::open(&container.url()).expect("opened").dict("d").expect("opened")
}

fn apply(op: &Op, dict: &mut Dict, model: &mut Model) {
    match op {
        Op::Put(key, value) => {
            let existed = model.insert(key.clone(), value.bytes()).is_some();
            assert_eq!(dict.put(key, &value.bytes()).expect("put"), existed);
        }
        Op::Delete(key) => {
            assert_eq!(dict.delete(key).expect("deleted"), model.remove(key).is_some());
        }
        Op::Get(key) => {
            let expected = model.get(key).map(Vec::as_slice);
            assert_eq!(dict.get(key).expect("read").as_deref(), expected);
            assert_eq!(dict.contains(key).expect("asked"), expected.is_some());
            let length = expected.map(|value| value.len() as u64);
            assert_eq!(dict.value_length(key).expect("asked"), length);
        }
        Op::GetMany(keys) => {
            let values = dict.get_many(keys).expect("read");
            let expected: Vec<_> = keys.iter().map(|key| model.get(key).map(Vec::as_slice)).collect();
            assert_eq!(values.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
        }
        Op::Batch(changes) => {
            let mut batch = dict.batch();
            let mut expected = Vec::new();
            for (key, value) in changes {
                match value {
                    Some(value) => {
                        batch.put(key, &value.bytes()).expect("added");
                        expected.push(model.insert(key.clone(), value.bytes()).is_some());
                    }
                    None => {
                        batch.delete(key).expect("added");
                        expected.push(model.remove(key).is_some());
                    }
                }
            }
            assert_eq!(batch.commit().expect("committed"), expected);
        }
        Op::InsertIfAbsent(key, value) => {
            let existing = dict.insert_if_absent(key, &value.bytes()).expect("inserted");
            assert_eq!(existing.as_deref(), model.get(key).map(Vec::as_slice));
            model.entry(key.clone()).or_insert_with(|| value.bytes());
        }
        Op::Take(key) => {
            assert_eq!(dict.take(key).expect("taken").as_deref(), model.remove(key).as_deref());
        }
        Op::TakeLast => {
            let taken = dict.take_last().expect("taken");
            let taken = taken.map(|(key, value)| (key.to_vec(), value.to_vec()));
            assert_eq!(taken, model.pop_last());
        }
        Op::Range(range) => compare(dict, model, range),
        Op::Stream(key, value) => {
            let mut writer = dict.writer(key).expect("a writer");
            for piece in value.bytes().chunks(777) {
                writer.write_all(piece).expect("written");
            }
            let existed = model.insert(key.clone(), value.bytes()).is_some();
            assert_eq!(writer.commit().expect("committed"), existed);
            let mut back = Vec::new();
            let mut reader = dict.reader(key).expect("opened").expect("a value");
            reader.read_to_end(&mut back).expect("read");
            assert!(back == value.bytes());
        }
        Op::Clear => {
            dict.clear().expect("cleared");
            model.clear();
        }
        Op::Reopen => *dict = open(&dict.container().clone()),
        Op::Compact => dict.container().compact().expect("compacted"),
        Op::Transaction(ops, commit, memory) => {
            let before = model.clone();
            let options = TransactionOptions { memory: Some(*memory), ..TransactionOptions::default() };
            let transaction = dict.container().begin(options).expect("begun");
            let mut within = dict.within(&transaction).expect("of it");
            for op in ops {
                apply(op, &mut within, model);
                assert_eq!(within.len().expect("counted"), model.len() as u64, "after {op:?}");
                assert_eq!(dict.len().expect("counted"), before.len() as u64, "it isn't seen outside");
            }
            if *commit {
                transaction.commit().expect("committed");
            } else {
                transaction.abort();
                *model = before;
            }
            compare(dict, model, &DictRange::default());
        }
    }
}

fn compare(dict: &Dict, model: &Model, range: &DictRange) {
    let begins = |key: &[u8]| range.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix));
    let starts = |key: &Vec<u8>| match &range.start {
        Bound::Included(start) => key >= start,
        Bound::Excluded(start) => key > start,
        Bound::Unbounded => true,
    };
    let ends = |key: &Vec<u8>| match &range.end {
        Bound::Included(end) => key <= end,
        Bound::Excluded(end) => key < end,
        Bound::Unbounded => true,
    };
    let mut expected: Vec<_> =
        model.iter().filter(|(key, _)| begins(key) && starts(key) && ends(key)).collect();
    if range.reverse {
        expected.reverse();
    }
    let entries: Vec<_> =
        dict.range(range.clone()).expect("begun").map(|entry| entry.expect("read")).collect();
    assert_eq!(entries.len(), expected.len(), "{range:?}");
    for ((key, value), (expected_key, expected_value)) in entries.iter().zip(expected) {
        assert_eq!(key, expected_key);
        assert!(value == expected_value, "the value of {key:?}");
    }
}
