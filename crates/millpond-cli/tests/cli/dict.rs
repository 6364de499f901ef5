//! `millpond dict`, but for copies as JSON Lines.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use serde_json::json;

use crate::bench::Bench;

#[test]
fn entries_are_stored_found_and_deleted() {
    Bench::each(|bench| {
        let container = bench.prepare();
        assert_eq!(bench.ok(["dict", "put", &container, "d", "k", "v"]), b"");
        assert_eq!(bench.ok(["dict", "get", &container, "d", "k"]), b"v");
        assert_eq!(
            bench.json(["dict", "put", &container, "d", "k", ""]),
            json!({ "existed": true, "length": 0 })
        );
        assert_eq!(bench.ok(["dict", "get", &container, "d", "k"]), b"");
        assert_eq!(bench.ok(["dict", "count", &container, "d"]), b"1\n");
        bench.ok(["dict", "delete", &container, "d", "k"]);
        assert_eq!(bench.json(["dict", "count", &container, "d"]), json!(0));
        let message = bench.fails(3, ["dict", "get", &container, "d", "k"]);
        assert!(message.contains("\"k\""), "{message}");
    });
}

#[test]
fn deletion_is_all_or_nothing() {
    Bench::each(|bench| {
        let container = bench.prepare();
        for key in ["a", "b", "c"] {
            bench.ok(["dict", "put", &container, "d", key, "v"]);
        }
        let message = bench.fails(3, ["dict", "delete", &container, "d", "a", "x"]);
        assert!(message.contains("\"x\""), "{message}");
        assert_eq!(bench.ok(["dict", "count", &container, "d"]), b"3\n");
        let response = bench.json(["dict", "delete", &container, "d", "a", "x", "b", "--ignore-missing"]);
        assert_eq!(response, json!({ "deleted": 2 }));
        assert_eq!(bench.ok(["dict", "keys", &container, "d"]), b"c\n");
    });
}

#[test]
fn dictionaries_are_created_listed_and_destroyed() {
    Bench::each(|bench| {
        let container = bench.prepare();
        bench.fails(4, ["dict", "create", &container, "d"]);
        bench.ok(["dict", "create", &container, "another one"]);
        assert_eq!(bench.ok(["dict", "list", &container]), b"another one\nd\n");
        assert_eq!(bench.json(["dict", "list", &container]), json!(["another one", "d"]));
        bench.ok(["dict", "destroy", &container, "d"]);
        bench.fails(3, ["dict", "destroy", &container, "d"]);
        assert_eq!(bench.json(["dict", "list", &container]), json!(["another one"]));
    });
}

#[test]
fn a_missing_dictionary_says_what_to_do() {
    Bench::each(|bench| {
        let container = bench.prepare();
        bench.ok(["dict", "create", &container, "measurements"]);
        for args in [vec!["put", "k", "v"], vec!["get", "k"], vec!["delete", "k"], vec!["count"]] {
            let rest = args[1..].iter().copied();
            let args = ["dict", args[0], container.as_str(), "mesurements"].into_iter().chain(rest);
            let message = bench.fails(3, args);
            assert!(message.contains("did you mean \"measurements\"?"), "{message}");
        }
        bench.ok(["dict", "put", &container, "fresh", "k", "v", "--create"]);
        assert_eq!(bench.ok(["dict", "get", &container, "fresh", "k"]), b"v");
    });
}

#[test]
fn any_bytes_are_a_key_and_a_value() {
    Bench::each(|bench| {
        let container = bench.prepare();
        bench.ok(["dict", "put", &container, "d", "--hex", "00ff", "cafe00"]);
        bench.ok(["dict", "put", &container, "d", "--hex", "", "0a"]);
        assert_eq!(bench.ok(["dict", "get", &container, "d", "--hex", "00FF"]), b"cafe00\n");
        assert_eq!(bench.ok(["dict", "get", &container, "d", "-x", "00ff", "-o", "-"]), b"\xca\xfe\0");
        assert_eq!(bench.ok(["dict", "get", &container, "d", ""]), b"\n");
        assert_eq!(bench.ok(["dict", "keys", &container, "d", "--hex"]), b"\n00ff\n");
        assert_eq!(bench.ok(["dict", "keys", &container, "d"]), b"\n\\x00\\xff\n");
        assert_eq!(bench.ok(["dict", "keys", &container, "d", "--null"]), b"\0\0\xff\0");
        assert_eq!(
            bench.json(["dict", "keys", &container, "d"]),
            json!([{ "key": "" }, { "key_hex": "00ff" }])
        );
        let value = bench.json(["dict", "get", &container, "d", "--hex", "00ff"]);
        assert_eq!(value, json!({ "key_hex": "00ff", "length": 3, "value_hex": "cafe00" }));

        let bytes = OsStr::from_bytes(b"\xfe\xff");
        let words = |verb: &'static str| {
            [OsStr::new("dict"), OsStr::new(verb), OsStr::new(&container), OsStr::new("d")]
                .map(OsStr::to_owned)
        };
        bench.ok(words("put").iter().map(AsRef::as_ref).chain([bytes, bytes]));
        assert_eq!(bench.ok(words("get").iter().map(AsRef::as_ref).chain([bytes])), b"\xfe\xff");

        let message = bench.fails(2, ["dict", "get", &container, "d", "--hex", "0z"]);
        assert!(message.contains("hexadecimal"), "{message}");
        bench.ok(["dict", "put", &container, "d", "--", "-k", "-v"]);
        assert_eq!(bench.ok(["dict", "get", &container, "d", "--", "-k"]), b"-v");
    });
}

#[test]
fn values_come_from_files_and_the_input() {
    Bench::each(|bench| {
        let container = bench.prepare();
        let file = bench.directory().join("value");
        for length in [0, 5, 100_000, 3 << 20] {
            let value: Vec<u8> = (0..length).map(|place| (place * 7 % 251) as u8).collect();
            let args = ["dict", "put", &container, "d", "from input", "-", "--json"];
            let answer = bench.run_with_input(args, &value);
            assert_eq!(answer.document()["response"]["length"], length);
            assert!(bench.ok(["dict", "get", &container, "d", "from input"]) == value);

            fs::write(&file, &value).expect("a file");
            let at = format!("@{}", file.display());
            bench.ok(["dict", "put", &container, "d", "from file", &at, "--durability", "async"]);
            let out = bench.directory().join("out");
            let out = out.to_str().expect("a path");
            assert_eq!(bench.ok(["dict", "get", &container, "d", "from file", "--output", out]), b"");
            assert!(fs::read(out).expect("the file") == value);
        }
        let names: Vec<_> = fs::read_dir(bench.directory())
            .expect("a directory")
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{names:?}");
    });
}

#[test]
fn a_long_value_is_json_too() {
    let bench = Bench::memory();
    let container = bench.prepare();
    let value = vec![b'0'; (16 << 20) + 1];
    bench.run_with_input(["dict", "put", &container, "d", "k", "-"], &value).ok();
    let response = bench.json(["dict", "get", &container, "d", "k"]);
    assert_eq!(response["key"], "k");
    assert_eq!(response["length"], value.len());
    assert!(response["value_hex"] == "30".repeat(value.len()).as_str());
}

#[test]
fn a_value_may_look_like_a_file() {
    Bench::each(|bench| {
        let container = bench.prepare();
        for value in ["@ada", "-", "@"] {
            bench.ok(["dict", "put", &container, "d", "k", value, "--literal"]);
            assert_eq!(bench.ok(["dict", "get", &container, "d", "k"]), value.as_bytes());
        }
        let message = bench.fails(3, ["dict", "put", &container, "d", "k", "@/no/such/file"]);
        assert!(message.contains("/no/such/file"), "{message}");
    });
}

#[test]
fn keys_are_listed_by_range() {
    Bench::each(|bench| {
        let container = bench.prepare();
        let lines: String = (0..20).map(|n| format!("{{\"key\":\"k{n:02}\",\"value\":\"\"}}\n")).collect();
        bench.run_with_input(["dict", "load", &container, "d"], lines.as_bytes()).ok();
        let keys = |options: &[&str]| {
            let args = ["dict", "keys", &container, "d"].into_iter().chain(options.iter().copied());
            let text = String::from_utf8(bench.ok(args)).expect("text");
            text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(keys(&[]).len(), 20);
        assert_eq!(keys(&["--limit", "2"]), ["k00", "k01"]);
        assert_eq!(keys(&["--limit", "0"]), [""; 0]);
        assert_eq!(keys(&["--prefix", "k1", "--limit", "1"]), ["k10"]);
        assert_eq!(keys(&["--start", "k05", "--end", "k07"]), ["k05", "k06"]);
        assert_eq!(keys(&["--reverse", "-n", "2"]), ["k19", "k18"]);
        assert_eq!(keys(&["--after", "k01", "-n", "2"]), ["k02", "k03"]);
        assert_eq!(keys(&["--after", "k01", "--reverse"]), ["k00"]);
        assert_eq!(keys(&["--after", "k01", "--end", "k03"]), ["k02"]);
        assert_eq!(keys(&["--hex", "--start", "6b3139"]), ["6b3139"]);

        let mut walked: Vec<String> = keys(&["--limit", "3"]);
        loop {
            let last = walked.last().expect("a first page").clone();
            let page = keys(&["--limit", "3", "--after", &last]);
            if page.is_empty() {
                break;
            }
            walked.extend(page);
        }
        assert_eq!(walked, keys(&[]));
    });
}

#[test]
fn a_key_that_is_too_long_is_refused() {
    Bench::each(|bench| {
        let container = bench.prepare();
        let key = "k".repeat(1025);
        let message = bench.fails(14, ["dict", "put", &container, "d", &key, "v"]);
        assert!(message.contains("1024"), "{message}");
        bench.ok(["dict", "put", &container, "d", &key[1..], "v"]);
    });
}

#[test]
fn a_value_over_the_quota_is_refused_and_nothing_is_lost() {
    let bench = Bench::processes();
    let container = bench.prepare();
    bench.ok(["dict", "put", &container, "d", "k", "old"]);
    let answer = bench.run_with_input(["dict", "put", &container, "d", "k", "-"], &vec![7; 80 << 20]);
    assert_eq!(answer.code, 6, "{}", answer.stderr);
    assert_eq!(bench.ok(["dict", "get", &container, "d", "k"]), b"old");
    bench.ok(["dict", "delete", &container, "d", "k"]);
}
