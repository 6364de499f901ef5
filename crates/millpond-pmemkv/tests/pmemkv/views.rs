//! What was given out stays what it is, whatever becomes of the record and the engine.

use millpond_pmemkv::{Found, Range, Shape, Status};

use crate::support::{Opened, eight, engines};

#[test]
fn values_stay_when_their_records_go() {
    for name in engines(|engine| engine.name != "blackhole") {
        let opened = Opened::new(name);
        let engine = &opened.engine;
        let [first, second] = [eight(1), eight(2)];
        for key in [first, second] {
            engine.put(&key, b"original").expect("put");
        }
        let replaced = engine.get(&first).expect("read").expect("there");
        let removed = engine.get(&second).expect("read").expect("there");
        let shared = removed.clone();
        engine.put(&first, b"replaced").expect("put");
        engine.update(&first, 0, b"UP").expect("updated");
        assert!(engine.remove(&second).expect("removed"));
        for number in 10..1000 {
            engine.put(&eight(number), b"whatever").expect("put");
        }
        assert_eq!((&*replaced, &*removed), (&b"original"[..], &b"original"[..]), "{name}");
        assert_eq!(engine.get(&first).expect("read").expect("there"), b"UPplaced", "{name}");
        drop(removed);
        engine.close().expect("closed");
        drop(opened);
        assert_eq!((&*replaced, &*shared), (&b"original"[..], &b"original"[..]), "{name}");
    }
}

#[test]
fn long_values_of_a_scan_stay() {
    for name in engines(|engine| engine.fixed_bytes.is_none() && engine.name != "blackhole") {
        let opened = Opened::new(name);
        let long = vec![7; 100_000];
        opened.engine.put(b"key", &long).expect("put");
        let mut records = opened.engine.records(Range::All, false, Shape::Items).expect("scanned");
        let Some((key, Found::Shared(value))) = records.next_record().expect("read") else {
            panic!("{name}: a long value is shared")
        };
        assert_eq!(key, b"key");
        let value = value.clone();
        opened.engine.remove(b"key").expect("removed");
        drop(records);
        drop(opened);
        assert_eq!(value, long, "{name}");
    }
}

#[test]
fn an_iterator_shows_a_record_that_was_removed() {
    for name in engines(|engine| engine.iterators >= millpond_pmemkv::Steps::Seek) {
        let opened = Opened::new(name);
        let engine = &opened.engine;
        for (key, value) in [(b"a", b"one"), (b"c", b"two")] {
            engine.put(key, value).expect("put");
        }
        let mut iterator = engine.write_iterator().expect("an iterator");
        assert!(iterator.seek(b"a").expect("sought"));
        engine.remove(b"a").expect("removed");
        assert_eq!(
            (iterator.key().expect("a key"), iterator.read_range(0, 9).expect("read")),
            (&b"a"[..], &b"one"[..])
        );
        iterator.write_range(0, b"O").expect("written");
        assert_eq!(iterator.commit().expect_err("removed").status(), Status::NotFound, "{name}");
        assert!(!engine.exists(b"a").expect("asked"), "{name}");
        assert!(iterator.seek(b"c").expect("sought"));
        assert_eq!(iterator.read_range(1, 1).expect("read"), b"w", "{name}");
    }
}

/// A scan shows everything, or says that it can't.
#[test]
fn a_scan_does_not_end_early_when_its_engine_is_closed() {
    for name in engines(|engine| engine.name != "blackhole") {
        let opened = Opened::with(name, 1 << 30, &[("durability", "async")]);
        let engine = &opened.engine;
        for number in 0..500 {
            engine.put(&eight(number), &eight(number)).expect("put");
        }
        let mut seen = 0;
        let scanned = engine.each(Range::All, |_, _| {
            seen += 1;
            if seen == 5 {
                engine.close().expect("closed");
            }
            std::ops::ControlFlow::Continue(())
        });
        if engine.traits().persistent {
            scanned.expect("one state, to its end");
            assert_eq!(seen, 500, "{name}");
        } else {
            assert_eq!(crate::support::status(scanned), Status::InvalidArgument, "{name} after {seen}");
        }
    }
}
