//! Each engine, each call, and the status that pmemkv's manual gives it.
//!
//! The table is written from the manual and from which calls pmemkv's engines implement; what isn't `ok` in it is
//! `NOT_SUPPORTED`, and has to change nothing.

use std::ops::ControlFlow;

use millpond_pmemkv::{EngineIterator, Range, Result, Status};

use crate::support::{Opened, collect, eight, status};

/// The engines, in the order of the columns below.
const ENGINES: [&str; 10] =
    ["cmap", "csmap", "radix", "stree", "tree3", "robinhood", "vsmap", "vcmap", "dram_vcmap", "blackhole"];

/// What each engine answers a call: `+` does it, `-` doesn't, `0` finds nothing, as only blackhole does.
const CALLS: [(&str, &str); 31] = [
    // Guaranteed by every engine.
    ("put", "++++++++++"),
    ("get", "+++++++++0"),
    ("get_copy", "+++++++++0"),
    ("remove", "++++++++++"),
    ("exists", "+++++++++0"),
    ("count_all", "++++++++++"),
    ("get_all", "+++++++++0"),
    // Sorted engines; blackhole counts nothing, and finds nothing.
    ("count_above", "-+++--+--+"),
    ("count_equal_above", "-+++--+--+"),
    ("count_below", "-+++--+--+"),
    ("count_equal_below", "-+++--+--+"),
    ("count_between", "-+++--+--+"),
    ("get_above", "-+++--+--0"),
    ("get_equal_above", "-+++--+--0"),
    ("get_below", "-+++--+--0"),
    ("get_equal_below", "-+++--+--0"),
    ("get_between", "-+++--+--0"),
    // Iterators: hash tables seek, a skip list goes forward, trees go both ways.
    ("seek", "++++--+++-"),
    ("seek_lower", "-+++--+---"),
    ("seek_lower_eq", "-+++--+---"),
    ("seek_higher", "-+++--+---"),
    ("seek_higher_eq", "-+++--+---"),
    ("to_first", "-+++--+---"),
    ("to_last", "--++--+---"),
    ("is_next", "-+++--+---"),
    ("next", "-+++--+---"),
    ("prev", "--++--+---"),
    ("read_range", "++++--+++-"),
    ("write_range", "++++--+++-"),
    // The radix tree alone; the hash map alone.
    ("transaction", "--+-------"),
    ("defrag", "+---------"),
];

/// Makes a call on an engine that has the records 1 to 5; answers its status.
fn call(opened: &Opened, name: &str) -> Status {
    let engine = &opened.engine;
    let [one, two, three, four] = [1, 2, 3, 4].map(eight);
    let is_there = |found: Result<bool>| match found {
        Ok(true) => Status::Ok,
        Ok(false) => Status::NotFound,
        Err(error) => error.status(),
    };
    let done = |done: Result<()>| done.map_or_else(|error| error.status(), |()| Status::Ok);
    let range = |range: &str| match range {
        "all" => Range::All,
        "above" => Range::Above(&two),
        "equal_above" => Range::EqualAbove(&two),
        "below" => Range::Below(&four),
        "equal_below" => Range::EqualBelow(&four),
        _ => Range::Between(&one, &four),
    };
    let sought = |steps: &dyn Fn(&mut EngineIterator) -> Result<bool>| {
        is_there(engine.write_iterator().and_then(|mut iterator| {
            iterator.seek(&three)?;
            steps(&mut iterator)
        }))
    };
    match name {
        "put" => done(engine.put(&eight(6), &eight(6))),
        "get" => is_there(engine.get(&two).map(|value| value.is_some_and(|value| value == eight(2)))),
        "get_copy" => {
            let mut buffer = [0; 10];
            is_there(
                engine.get_copy(&two, &mut buffer).map(|length| length == Some(8) && buffer[..8] == eight(2)),
            )
        }
        "remove" => is_there(engine.remove(&three)),
        "exists" => is_there(engine.exists(&three)),
        "get_all" | "get_above" | "get_equal_above" | "get_below" | "get_equal_below" | "get_between" => {
            let mut seen = 0;
            done(engine.each(range(&name["get_".len()..]), |key, value| {
                assert_eq!(key, value);
                seen += 1;
                if seen > 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }))
        }
        counts if counts.starts_with("count_") => {
            engine.count(range(&counts["count_".len()..])).map_or_else(|error| error.status(), |_| Status::Ok)
        }
        "seek" => sought(&|_| Ok(true)),
        "seek_lower" => sought(&|iterator| iterator.seek_lower(&three)),
        "seek_lower_eq" => sought(&|iterator| iterator.seek_lower_eq(&three)),
        "seek_higher" => sought(&|iterator| iterator.seek_higher(&three)),
        "seek_higher_eq" => sought(&|iterator| iterator.seek_higher_eq(&three)),
        "to_first" => sought(&|iterator| iterator.to_first()),
        "to_last" => sought(&|iterator| iterator.to_last()),
        "is_next" => sought(&|iterator| iterator.is_next()),
        "next" => sought(&|iterator| iterator.step_next()),
        "prev" => sought(&|iterator| iterator.step_prev()),
        "read_range" => sought(&|iterator| Ok(iterator.read_range(7, 5)? == [3])),
        "write_range" => sought(&|iterator| {
            iterator.write_range(0, b"written!")?;
            iterator.commit()?;
            Ok(iterator.read_range(0, 9)? == b"written!")
        }),
        "transaction" => done(engine.transaction().and_then(|mut transaction| {
            transaction.put(&eight(7), &eight(7))?;
            transaction.remove(&one)?;
            assert!(!engine.exists(&eight(7))? && engine.exists(&one)?, "nothing is seen before the commit");
            transaction.commit()
        })),
        "defrag" => done(engine.defrag(0.0, 100.0)),
        _ => unreachable!("{name} is no call"),
    }
}

/// Five records whose values are their keys.
fn filled(name: &str) -> Opened {
    let opened = Opened::with(name, 1 << 30, &[("durability", "async")]);
    for number in 1..=5 {
        opened.engine.put(&eight(number), &eight(number)).expect("put");
    }
    opened
}

#[test]
fn every_call_has_the_status_of_the_manual() {
    for (column, engine) in ENGINES.into_iter().enumerate() {
        for (name, answers) in CALLS {
            let expected = match answers.as_bytes()[column] {
                b'+' => Status::Ok,
                b'0' => Status::NotFound,
                _ => Status::NotSupported,
            };
            let opened = filled(engine);
            assert_eq!(call(&opened, name), expected, "{engine} {name}");
            if expected == Status::NotSupported {
                let kept: Vec<_> =
                    (1..=5).map(|number| (eight(number).to_vec(), eight(number).to_vec())).collect();
                let found = if engine == "blackhole" {
                    kept.clone()
                } else {
                    sorted(collect(&opened.engine, Range::All))
                };
                assert_eq!(found, kept, "{engine} {name} changed something");
            }
        }
    }
}

fn sorted(mut records: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<(Vec<u8>, Vec<u8>)> {
    records.sort();
    records
}

/// What pmemkv hasn't: for every engine that keeps something.
#[test]
fn every_engine_has_batches_updates_and_swaps() {
    for name in ENGINES.into_iter().filter(|name| *name != "blackhole") {
        let opened = filled(name);
        let engine = &opened.engine;
        let [one, two, nine] = [1, 2, 9].map(eight);
        let values = engine.get_many(&[&two, &nine, &one, &two]).expect("read");
        let values: Vec<_> = values.iter().map(Option::as_deref).collect();
        assert_eq!(values, [Some(&two[..]), None, Some(&one), Some(&two)], "{name}");

        engine.put_many(&[(&nine, &one), (&one, &nine), (&nine, &two)]).expect("put");
        assert_eq!(engine.get(&nine).expect("read").expect("there"), two, "{name}: the last one counts");
        assert_eq!(engine.get(&one).expect("read").expect("there"), nine, "{name}");
        engine.put_many(&[]).expect("nothing");

        assert!(engine.update(&two, 6, b"ab").expect("updated"), "{name}");
        assert_eq!(engine.get(&two).expect("read").expect("there"), b"\0\0\0\0\0\0ab", "{name}");
        assert!(!engine.update(&eight(99), 0, b"a").expect("not there"), "{name}");
        assert_eq!(status(engine.update(&two, 7, b"ab")), Status::InvalidArgument, "{name}");
        assert_eq!(status(engine.update(&two, usize::MAX, b"ab")), Status::InvalidArgument, "{name}");

        let four = eight(4);
        for (expected, new, swaps) in [
            (None, Some(&one), false),
            (Some(&one), Some(&two), false),
            (Some(&four), Some(&one), true),
            (Some(&one), Some(&one), true),
            (Some(&four), None, false),
            (Some(&one), None, true),
            (Some(&one), None, false),
            (None, None, true),
            (None, Some(&four), true),
        ] {
            let swapped =
                engine.compare_and_swap(&four, expected.map(|key| &key[..]), new.map(|key| &key[..]));
            assert_eq!(swapped.expect("asked"), swaps, "{name} {expected:?} {new:?}");
        }
        assert_eq!(engine.get(&four).expect("read").expect("there"), four, "{name}");
    }
}

#[test]
fn a_callback_stops_what_it_is_called_by() {
    for name in ENGINES.into_iter().filter(|name| *name != "blackhole") {
        let opened = filled(name);
        let mut seen = 0;
        let stopped = opened.engine.each(Range::All, |_, _| {
            seen += 1;
            if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((status(stopped), seen), (Status::StoppedByCallback, 3), "{name}");
    }
}

#[test]
fn a_buffer_that_is_too_short_is_told() {
    let opened = filled("cmap");
    let mut buffer = [9; 7];
    assert_eq!(status(opened.engine.get_copy(&eight(1), &mut buffer)), Status::OutOfMemory);
    assert_eq!(buffer, [9; 7]);
    assert_eq!(opened.engine.get_copy(&eight(77), &mut buffer).expect("asked"), None);
}

#[test]
fn a_share_to_move_is_at_most_everything() {
    let opened = filled("cmap");
    let engine = &opened.engine;
    for (start, amount) in
        [(50.0, 100.0), (0.0, 101.0), (101.0, 0.0), (-1.0, 5.0), (0.0, -1.0), (f64::NAN, 1.0)]
    {
        assert_eq!(status(engine.defrag(start, amount)), Status::InvalidArgument, "{start} {amount}");
    }
    engine.defrag(50.0, 50.0).expect("done");
    engine.defrag(100.0, 0.0).expect("nothing to do");
    assert_eq!(collect(engine, Range::All).len(), 5);
}

#[test]
fn a_transaction_takes_effect_in_the_order_of_its_changes() {
    let opened = filled("radix");
    let engine = &opened.engine;
    let mut transaction = engine.transaction().expect("begun");
    let [one, two, eight_] = [1, 2, 8].map(eight);
    transaction.put(&one, b"first").expect("put");
    transaction.put(&one, b"second").expect("put");
    transaction.remove(&two).expect("removed");
    transaction.put(&two, b"again").expect("put");
    transaction.put(&eight_, b"never").expect("put");
    transaction.remove(&eight_).expect("removed");
    transaction.remove(b"there is none").expect("succeeds all the same");
    assert_eq!(engine.get(&one).expect("read").expect("there"), one);
    transaction.commit().expect("committed");
    assert_eq!(engine.get(&one).expect("read").expect("there"), b"second");
    assert_eq!(engine.get(&two).expect("read").expect("there"), b"again");
    assert!(!engine.exists(&eight_).expect("asked"));

    transaction.put(&eight_, b"aborted").expect("put");
    transaction.abort();
    transaction.commit().expect("nothing");
    transaction.put(b"dropped", b"").expect("put");
    drop(transaction);
    assert!(!engine.exists(&eight_).expect("asked") && !engine.exists(b"dropped").expect("asked"));
}

#[test]
fn a_write_is_seen_after_its_commit_only() {
    for name in ["cmap", "csmap", "radix", "stree", "vsmap", "vcmap", "dram_vcmap"] {
        let opened = filled(name);
        let engine = &opened.engine;
        let three = eight(3);
        let now = || engine.get(&three).expect("read").expect("there");
        let mut iterator = engine.write_iterator().expect("an iterator");
        assert!(iterator.seek(&three).expect("sought"));
        iterator.write_range(0, b"abc").expect("written");
        iterator.write_range(2, b"xyz").expect("written");
        assert_eq!(status(iterator.write_range(7, b"ab")), Status::InvalidArgument, "{name}");
        assert_eq!(now(), three, "{name}");
        assert_eq!(iterator.read_range(0, 9).expect("read"), three, "{name}");
        iterator.abort();
        iterator.commit().expect("nothing");
        iterator.write_range(0, b"abc").expect("written");
        assert!(iterator.seek(&three).expect("a move lets go"));
        iterator.commit().expect("nothing");
        assert_eq!(now(), three, "{name}");
        iterator.write_range(0, b"abc").expect("written");
        iterator.write_range(2, b"xyz").expect("written");
        iterator.commit().expect("committed");
        assert_eq!(now(), b"abxyz\0\0\x03", "{name}");
        assert_eq!(iterator.read_range(1, 3).expect("read"), b"bxy", "{name}");
        assert_eq!(status(iterator.read_range(9, 1)), Status::InvalidArgument, "{name}");
        assert_eq!(iterator.read_range(8, 1).expect("read"), b"", "{name}");

        let mut reading = engine.iterator().expect("an iterator");
        assert!(reading.seek(&three).expect("sought"));
        assert_eq!(status(reading.write_range(0, b"a")), Status::NotSupported, "{name}");
        assert_eq!(status(reading.commit()), Status::NotSupported, "{name}");
        assert!(!reading.seek(&eight(77)).expect("not there"));
        assert_eq!(status(reading.key()), Status::InvalidArgument, "{name}");
    }
}
