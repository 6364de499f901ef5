//! The orders of keys, by name, and across openings.

use millpond::Comparator;
use millpond_pmemkv::{Config, Engine, Range, Status};

use crate::support::{Opened, collect, engines, status};

fn keys(engine: &Engine, range: Range<'_>) -> Vec<Vec<u8>> {
    collect(engine, range).into_iter().map(|(key, _)| key).collect()
}

fn put_all(engine: &Engine, keys: &[&[u8]]) {
    for key in keys {
        engine.put(key, b"value").expect("put");
    }
}

fn registered() -> &'static str {
    let name = "by length, longest first";
    Comparator::register(name, |key| Ok((u32::MAX - key.len() as u32).to_be_bytes().to_vec()))
        .expect("registered");
    name
}

#[test]
fn records_are_in_the_order_of_the_comparator() {
    let by_length = registered();
    let number = |number: i64| number.to_le_bytes();
    let float = |number: f64| number.to_le_bytes();
    let numbers = [-300, -1, 0, 7, 1 << 40].map(number);
    let floats = [f64::NEG_INFINITY, -0.5, 0.0, 1e-300, 2.5].map(float);
    let orders: [(&str, Vec<&[u8]>); 5] = [
        ("bytes", vec![b"", b"\0", b"a", b"a\0", b"ab", b"b"]),
        ("reverse", vec![b"b", b"ab", b"a\0", b"a", b"\0", b""]),
        ("integer", numbers.iter().map(|key| &key[..]).collect()),
        ("float", floats.iter().map(|key| &key[..]).collect()),
        (by_length, vec![b"xxx", b"yyy", b"aa", b"\0\0\0"[..2].as_ref(), b"b", b""]),
    ];
    for (comparator, mut in_order) in orders {
        if comparator == by_length {
            in_order = vec![b"xxx", b"yyy", b"\0\0", b"aa", b"b", b""];
        }
        for name in engines(|engine| engine.comparator) {
            let mut opened = Opened::with(name, 1 << 30, &[("comparator", comparator)]);
            let mut shuffled = in_order.clone();
            shuffled.rotate_left(2);
            shuffled.swap(0, 1);
            put_all(&opened.engine, &shuffled);
            if opened.engine.traits().persistent {
                opened.reopen();
            }
            let engine = &opened.engine;
            assert_eq!(keys(engine, Range::All), in_order, "{name} {comparator}");
            for (index, key) in in_order.iter().enumerate() {
                for (range, expected) in [
                    (Range::Above(key), &in_order[index + 1..]),
                    (Range::EqualAbove(key), &in_order[index..]),
                    (Range::Below(key), &in_order[..index]),
                    (Range::EqualBelow(key), &in_order[..=index]),
                ] {
                    assert_eq!(keys(engine, range), expected, "{name} {comparator} {range:?}");
                    assert_eq!(engine.count(range).expect("counted"), expected.len() as u64, "{name}");
                }
                let mut iterator = engine.iterator().expect("an iterator");
                assert_eq!(iterator.seek_higher(key).expect("sought"), index + 1 < in_order.len(), "{name}");
                assert_eq!(iterator.key().ok(), in_order.get(index + 1).copied(), "{name} {comparator}");
                assert_eq!(iterator.seek_lower(key).expect("sought"), index > 0, "{name}");
                assert_eq!(iterator.key().ok(), index.checked_sub(1).map(|index| in_order[index]), "{name}");
            }
            let (first, last) = (in_order[0], in_order[in_order.len() - 1]);
            assert_eq!(keys(engine, Range::Between(first, last)), in_order[1..in_order.len() - 1], "{name}");
            assert!(keys(engine, Range::Between(last, first)).is_empty(), "{name} {comparator}");
            assert!(engine.remove(first).expect("removed"), "{name} {comparator}");
            assert_eq!(keys(engine, Range::All), in_order[1..], "{name} {comparator}");
        }
    }
}

#[test]
fn another_comparator_does_not_open() {
    let by_length = registered();
    for name in engines(|engine| engine.comparator && engine.persistent) {
        for (made, others) in [
            ("bytes", ["reverse", by_length]),
            ("reverse", ["bytes", "integer"]),
            (by_length, ["bytes", "float"]),
        ] {
            let opened = Opened::with(name, 1 << 26, &[("comparator", made)]);
            opened.engine.put(b"key", b"value").expect("put");
            opened.engine.close().expect("closed");
            let path = opened.config().text("path").expect("a text").expect("a path");
            let with = |comparator: Option<&str>| {
                let config = Config::default().with("path", path).expect("an item");
                let config = match comparator {
                    Some(comparator) => config.with("comparator", comparator).expect("an item"),
                    None => config,
                };
                Engine::open(name, &config)
            };
            for other in others {
                assert_eq!(status(with(Some(other))), Status::ComparatorMismatch, "{name} {made} {other}");
            }
            match made {
                // The one by default has a name too.
                "bytes" => with(None).expect("opened").close().expect("closed"),
                _ => assert_eq!(status(with(None)), Status::ComparatorMismatch, "{name} {made}"),
            }
            let engine = with(Some(made)).expect("opened");
            assert_eq!(engine.get(b"key").expect("read").expect("there"), b"value", "{name}");
        }
    }
}

#[test]
fn what_is_no_comparator_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    for name in engines(|engine| engine.sorted) {
        let open = |comparator: millpond_pmemkv::Item| {
            let path = directory.path().join(name);
            let path = if name == "vsmap" { directory.path() } else { &path };
            let mut config = Config::default();
            config.put("path", path.to_str().expect("a path")).expect("an item");
            config.put("size", 1u64 << 26).expect("an item");
            config.put("create_if_missing", 1u64).expect("an item");
            config.put("comparator", comparator).expect("an item");
            Engine::open(name, &config)
        };
        assert_eq!(status(open(7u64.into())), Status::ConfigTypeError, "{name}");
        if name == "radix" {
            assert_eq!(status(open("reverse".into())), Status::NotSupported);
            open("bytes".into()).expect("its own");
            continue;
        }
        assert_eq!(status(open("never registered".into())), Status::InvalidArgument, "{name}");
        assert!(name == "vsmap" || !directory.path().join(name).exists(), "{name}: nothing was made");
        assert_eq!(status(open("".into())), Status::InvalidArgument, "{name}");
        let engine = open("integer".into()).expect("opened");
        assert_eq!(status(engine.put(b"no number", b"")), Status::InvalidArgument, "{name}");
        assert_eq!(status(engine.get(b"")), Status::InvalidArgument, "{name}");
    }
    // Engines without an order don't know the item.
    for name in engines(|engine| !engine.sorted) {
        Opened::with(name, 1 << 26, &[("comparator", "never registered")]);
    }
}
