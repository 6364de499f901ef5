//! `millpond map`, but for its benchmarks.

use std::{cmp::Ordering, ffi::OsString};

use millpond::{Comparator, Container, OpenOptions};
use serde_json::{Value, json};

use crate::bench::Bench;

const COMPARATORS: [&str; 4] = ["bytes", "reverse", "integer", "float"];

/// A container with a map `m` in the order `comparator`.
fn prepare(bench: &Bench, comparator: &str) -> String {
    let container = bench.container();
    bench.ok(["map", "create", &container, "m", "--comparator", comparator]);
    container
}

fn lines(output: Vec<u8>) -> Vec<String> {
    String::from_utf8(output).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn maps_are_created_listed_and_destroyed() {
    Bench::each(|bench| {
        let container = bench.container();
        assert!(bench.ok(["map", "create", &container, "index"]).ends_with(b"c index (bytes)\n"));
        let created = bench.json(["map", "create", &container, "readings", "--comparator", "integer"]);
        assert_eq!(created, json!({ "created": "readings", "comparator": "integer" }));
        bench.fails(4, ["map", "create", &container, "readings"]);
        let message = bench.fails(2, ["map", "create", &container, "other", "--comparator", "length"]);
        assert!(message.contains("bytes, reverse, integer, float"), "{message}");
        assert_eq!(
            lines(bench.ok(["map", "list", &container])),
            ["MAP       COMPARATOR", "index     bytes", "readings  integer"]
        );
        assert_eq!(
            bench.json(["map", "list", &container]),
            json!([{ "map": "index", "comparator": "bytes" }, { "map": "readings", "comparator": "integer" }])
        );
        bench.ok(["map", "destroy", &container, "index"]);
        let message = bench.fails(3, ["map", "destroy", &container, "reading"]);
        assert!(message.contains("did you mean \"readings\"?"), "{message}");
        assert_eq!(bench.json(["map", "list", &container]).as_array().map(Vec::len), Some(1));
    });
}

#[test]
fn entries_are_stored_found_and_removed() {
    for (comparator, keys) in [("bytes", ["a", "b", "c"]), ("integer", ["-7", "0", "12"])] {
        Bench::each(|bench| {
            let container = prepare(bench, comparator);
            for (place, key) in keys.iter().enumerate() {
                let put = bench.json([
                    "map",
                    "put",
                    &container,
                    "m",
                    key,
                    &format!("v{place}"),
                    "--durability",
                    "async",
                ]);
                assert_eq!(put, json!({ "existed": false, "length": 2 }));
            }
            assert_eq!(bench.ok(["map", "get", &container, "m", keys[0]]), b"v0");
            assert_eq!(bench.ok(["map", "count", &container, "m"]), b"3\n");
            let message = bench.fails(3, ["map", "remove", &container, "m", keys[0], "99"]);
            assert!(message.contains("99") && message.contains("nothing deleted"), "{message}");
            let removed = bench.json(["map", "remove", &container, "m", keys[0], "99", "--ignore-missing"]);
            assert_eq!(removed, json!({ "deleted": 1 }));
            assert_eq!(lines(bench.ok(["map", "range", &container, "m", "--keys"])), keys[1..]);
            bench.fails(3, ["map", "get", &container, "m", keys[0]]);
        });
    }
}

#[test]
fn numbers_are_numbers_in_every_form() {
    Bench::each(|bench| {
        let container = prepare(bench, "integer");
        bench.ok(["map", "put", &container, "m", "-5", "minus five"]);
        bench.ok(["map", "put", &container, "m", "9223372036854775807", "cafe", "--hex"]);
        assert_eq!(
            bench.ok(["map", "range", &container, "m"]),
            b"-5\tminus five\n9223372036854775807\t\\xca\\xfe\n"
        );
        assert_eq!(
            bench.json(["map", "range", &container, "m"]),
            json!([
                { "key": -5, "length": 10, "value": "minus five" },
                { "key": i64::MAX, "length": 2, "value_hex": "cafe" }
            ])
        );
        let got = bench.json(["map", "get", &container, "m", "-5"]);
        assert_eq!(got, json!({ "key": -5, "length": 10, "value": "minus five" }));
        for verb in [&["get", "seven"][..], &["put", "1.5", "v"], &["remove", ""], &["count", "--above", "x"]]
        {
            let args = ["map", verb[0], &container, "m"].into_iter().chain(verb[1..].iter().copied());
            let message = bench.fails(2, args);
            assert!(message.contains("whole numbers"), "{message}");
        }

        bench.ok(["map", "create", &container, "f", "--comparator", "float"]);
        for key in ["1e300", "-0.5", "inf", "2"] {
            bench.ok(["map", "put", &container, "f", key, ""]);
        }
        let keys = ["map", "range", &container, "f", "--keys"];
        assert_eq!(lines(bench.ok(keys)), ["-0.5", "2.0", "1e300", "inf"]);
        assert_eq!(
            bench.json(keys),
            json!([{ "key": -0.5 }, { "key": 2.0 }, { "key": 1e300 }, { "key_hex": "000000000000f07f" }])
        );
        bench.fails(2, ["map", "get", &container, "f", "1,5"]);
    });
}

#[test]
fn any_bytes_are_a_key_and_a_value() {
    Bench::each(|bench| {
        let container = prepare(bench, "reverse");
        bench.ok(["map", "put", &container, "m", "--hex", "00ff", "0a09"]);
        bench.ok(["map", "put", &container, "m", "", "empty"]);
        assert_eq!(bench.ok(["map", "get", &container, "m", "--hex", "00ff"]), b"0a09\n");
        assert_eq!(bench.ok(["map", "range", &container, "m"]), b"\\x00\\xff\t\\x0a\\x09\n\tempty\n");
        assert_eq!(bench.ok(["map", "range", &container, "m", "--hex"]), b"00ff\t0a09\n\t656d707479\n");
        assert_eq!(bench.ok(["map", "count", &container, "m", "-x", "--above", "00ff"]), b"1\n");
        bench.fails(2, ["map", "get", &container, "m", "--hex", "0"]);
    });
}

/// One end of a range: an option and its key, or neither.
type Side<'a> = Option<(&'a str, &'a str)>;

/// Whether a key is on the right side of one end.
fn within(side: Side<'_>, key: &str, order: &dyn Fn(&str, &str) -> Ordering) -> bool {
    match side {
        None => true,
        Some((option, bound)) => {
            let is_allowed = match option {
                "--above" => Ordering::is_gt,
                "--equal-above" => Ordering::is_ge,
                "--below" => Ordering::is_lt,
                _ => Ordering::is_le,
            };
            is_allowed(order(key, bound))
        }
    }
}

#[test]
fn ranges_and_counts_are_those_of_a_sorted_list() {
    for comparator in COMPARATORS {
        let bench = Bench::memory();
        let container = prepare(&bench, comparator);
        let (mut stored, absent): (Vec<&str>, _) = match comparator {
            "integer" => (vec!["-300", "-1", "0", "7", "256"], ["-2", "10"]),
            "float" => (vec!["-2.5", "-1.0", "0.0", "0.25", "1e20"], ["-1.5", "3"]),
            _ => (vec!["", "a", "ab", "b", "c"], ["aa", "d"]),
        };
        let number = |key: &str| key.parse::<f64>().expect("a number");
        let order: &dyn Fn(&str, &str) -> Ordering = match comparator {
            "bytes" => &|left, right| left.cmp(right),
            "reverse" => &|left, right| right.cmp(left),
            _ => &|left, right| number(left).total_cmp(&number(right)),
        };
        for key in &stored {
            bench.ok(["map", "put", &container, "m", key, "v"]);
        }
        stored.sort_by(|left, right| order(left, right));

        let probes: Vec<&str> = stored.iter().copied().chain(absent).collect();
        let sides = |options: [&'static str; 2]| -> Vec<Side<'_>> {
            let given =
                options.into_iter().flat_map(|option| probes.iter().map(move |key| Some((option, *key))));
            [None].into_iter().chain(given).collect()
        };
        for start in sides(["--above", "--equal-above"]) {
            for end in sides(["--below", "--equal-below"]) {
                let mut expected: Vec<&str> = stored
                    .iter()
                    .copied()
                    .filter(|key| within(start, key, order) && within(end, key, order))
                    .collect();
                let run = |verb: &[&str]| {
                    let bounds = [start, end].into_iter().flatten().flat_map(|(option, key)| [option, key]);
                    let args = ["map", verb[0], &container, "m"].into_iter();
                    lines(bench.ok(args.chain(verb[1..].iter().copied()).chain(bounds)))
                };
                let told = format!("{comparator} {start:?} {end:?}");
                assert_eq!(run(&["range", "--keys"]), expected, "{told}");
                assert_eq!(run(&["count"]), [expected.len().to_string()], "{told}");
                expected.reverse();
                expected.truncate(2);
                assert_eq!(run(&["range", "--keys", "--reverse", "-n", "2"]), expected, "{told}");
            }
        }
    }
}

#[test]
fn two_bounds_of_one_side_are_refused() {
    let bench = Bench::memory();
    let container = prepare(&bench, "bytes");
    for (one, other) in [("--above", "--equal-above"), ("--below", "--equal-below")] {
        for verb in ["range", "count", "dump"] {
            let answer = bench.run(["map", verb, &container, "m", one, "a", other, "b"]);
            assert_eq!(answer.code, 2);
            assert!(answer.stderr.contains("cannot be used with"), "{}", answer.stderr);
        }
    }
}

#[test]
fn a_dump_loads_into_the_same_map() {
    for comparator in COMPARATORS {
        Bench::each(|bench| {
            let container = prepare(bench, comparator);
            let keys: &[&str] = match comparator {
                "integer" => &["-9223372036854775808", "0", "9007199254740993"],
                "float" => &["-0.0", "0.1", "5e-324", "1.7976931348623157e308", "inf", "NaN"],
                _ => &["", "a", "\u{e9}\t"],
            };
            for key in keys {
                bench.ok(["map", "put", &container, "m", key, &format!("value of {key}")]);
            }
            let long: Vec<u8> = (0..2_500_000u32).map(|place| (place % 251) as u8).collect();
            bench.run_with_input(["map", "put", &container, "m", "--", keys[0], "-"], &long).ok();

            let dump = bench.ok(["map", "dump", &container, "m"]);
            let create =
                ["map", "load", &container, "copy", "--create", "--comparator", comparator, "--json"];
            let loaded = bench.run_with_input(create, &dump).document();
            assert_eq!(loaded["response"]["entries"], keys.len());
            assert!(bench.ok(["map", "dump", &container, "copy"]) == dump, "{comparator}");
            assert!(bench.ok(["map", "get", &container, "copy", "--", keys[0]]) == long);

            // Among others, a long value is only named.
            let range = lines(bench.ok(["map", "range", &container, "copy"]));
            assert!(range.iter().any(|line| line.ends_with("\t(2500000 bytes)")), "{range:?}");
            let range = bench.json(["map", "range", &container, "copy"]);
            let named = |entry: &Value| entry["length"] == 2_500_000 && entry.get("value").is_none();
            assert_eq!(range.as_array().expect("a list").iter().filter(|entry| named(entry)).count(), 1);
        });
    }
}

#[test]
fn a_dump_of_a_range_goes_to_a_file() {
    let bench = Bench::processes();
    let container = prepare(&bench, "integer");
    let input: String = (0..100).map(|key| format!("{{\"key\":{key},\"value\":\"{key}\"}}\n")).collect();
    bench.run_with_input(["map", "load", &container, "m"], input.as_bytes()).ok();
    let file = bench.directory().join("range.jsonl");
    let path = file.to_str().expect("a path");
    let bounds = ["--above", "3", "--equal-below", "5", "--reverse", "--output", path];
    let response = bench.json(["map", "dump", &container, "m"].into_iter().chain(bounds));
    assert_eq!(response, json!({ "entries": 2, "bytes": 2, "output": path }));
    let dumped = std::fs::read_to_string(&file).expect("the file");
    assert_eq!(dumped, "{\"key\":5,\"value\":\"5\"}\n{\"key\":4,\"value\":\"4\"}\n");
}

#[test]
fn lines_whose_key_is_none_of_the_map_are_refused() {
    let bench = Bench::memory();
    let container = prepare(&bench, "integer");
    for (line, why) in [
        ("{\"key\":\"7\",\"value\":\"\"}", "whole numbers"),
        ("{\"key\":7.5,\"value\":\"\"}", "7.5"),
        ("{\"key_hex\":\"00ff\",\"value\":\"\"}", "8 bytes"),
    ] {
        let input = format!("{{\"key\":1,\"value\":\"one\"}}\n{line}\n");
        let answer = bench.run_with_input(["map", "load", &container, "m"], input.as_bytes());
        assert_eq!(answer.code, 2);
        assert!(answer.stderr.contains(why), "{}", answer.stderr);
    }
    let bytes =
        bench.run_with_input(["map", "load", &container, "b", "--create"], b"{\"key\":7,\"value\":\"\"}\n");
    assert_eq!(bytes.code, 2);
    assert!(bytes.stderr.contains("line 1 of the standard input"), "{}", bytes.stderr);
}

#[test]
fn creation_on_the_way_keeps_the_order_of_what_is_there() {
    Bench::each(|bench| {
        let container = prepare(bench, "integer");
        bench.fails(3, ["map", "put", &container, "new", "3", "v"]);
        bench.ok(["map", "put", &container, "new", "3", "v", "--create", "--comparator", "float"]);
        let wrong = ["map", "put", &container, "none", "three", "v", "--create", "--comparator", "float"];
        bench.fails(2, wrong);
        bench.fails(2, ["dict", "put", &container, "none", "--hex", "0z", "", "--create"]);
        assert_eq!(bench.json(["dict", "list", &container]), json!([]), "a wrong key makes nothing");
        bench.ok(["map", "put", &container, "m", "3", "v", "--create"]);
        bench.ok(["map", "put", &container, "plain", "three", "v", "--create"]);
        let message =
            bench.fails(23, ["map", "put", &container, "m", "3", "v", "--create", "--comparator", "bytes"]);
        assert!(message.contains("integer") && message.contains("bytes"), "{message}");
        assert_eq!(
            bench.json(["map", "list", &container]),
            json!([
                { "map": "m", "comparator": "integer" },
                { "map": "new", "comparator": "float" },
                { "map": "plain", "comparator": "bytes" }
            ])
        );
        assert_eq!(bench.run(["map", "put", &container, "m", "3", "v", "--comparator", "integer"]).code, 2);
    });
}

#[test]
fn a_snapshot_is_read() {
    Bench::each(|bench| {
        let container = prepare(bench, "integer");
        bench.ok(["map", "put", &container, "m", "1", "old"]);
        bench.ok(["snapshot", "create", &container, "before"]);
        bench.ok(["map", "put", &container, "m", "1", "new"]);
        bench.ok(["map", "put", &container, "m", "2", "new"]);
        bench.ok(["map", "create", &container, "later"]);
        let at = |args: &[&str]| {
            let [verb, rest @ ..] = args else { panic!("a verb") };
            let place = if *verb == "list" { vec![&*container] } else { vec![&*container, "m"] };
            let args = ["map", verb].into_iter().chain(place).chain(rest.iter().copied());
            bench.ok(args.chain(["--at", "before"]))
        };
        assert_eq!(at(&["get", "1"]), b"old");
        assert_eq!(at(&["range"]), b"1\told\n");
        assert_eq!(at(&["count"]), b"1\n");
        assert_eq!(at(&["dump"]), b"{\"key\":1,\"value\":\"old\"}\n");
        assert_eq!(lines(at(&["list"])), ["MAP  COMPARATOR", "m    integer"]);
    });
}

#[test]
fn a_registered_order_is_its_programs_alone() {
    let bench = Bench::processes();
    let place = bench.directory().join("lab");
    let container = format!("file://{}/c", place.display());
    bench.ok(["pool", "create", container.strip_suffix("/c").expect("a pool")]);
    bench.ok(["container", "create", &container]);
    let by_length =
        Comparator::register("length", |key| Ok((key.len() as u64).to_be_bytes().to_vec())).expect("a name");
    let open = Container::open_with(&container, OpenOptions::default()).expect("the container");
    open.create_map("words", &by_length).expect("a map").put(b"three", b"3").expect("an entry");
    open.close().expect("the container closes");

    for args in [
        vec!["get", "three"],
        vec!["put", "three", "v", "--create"],
        vec!["remove", "three"],
        vec!["range"],
        vec!["count"],
        vec!["dump"],
        vec!["load"],
    ] {
        let words = ["map", args[0], &container, "words"].into_iter().chain(args[1..].iter().copied());
        let message = bench.fails(16, words.map(OsString::from));
        assert!(message.contains("\"length\"") && message.contains("with a program that does"), "{message}");
    }
    let listed = bench.json(["map", "list", &container]);
    assert_eq!(listed, json!([{ "map": "words", "comparator": "length" }]));
    bench.ok(["map", "destroy", &container, "words"]);
}

#[test]
fn what_is_no_map_is_told() {
    Bench::each(|bench| {
        let container = bench.prepare();
        let message = bench.fails(2, ["map", "get", &container, "d", "k"]);
        assert!(message.contains("is a dictionary, not an ordered map"), "{message}");
        bench.ok(["map", "create", &container, "measurements"]);
        for args in [vec!["put", "k", "v"], vec!["get", "k"], vec!["remove", "k"], vec!["range"]] {
            let words =
                ["map", args[0], &container, "mesurements"].into_iter().chain(args[1..].iter().copied());
            let message = bench.fails(3, words);
            assert!(message.contains("did you mean \"measurements\"?"), "{message}");
        }
    });
}
