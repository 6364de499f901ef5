//! `millpond dict dump` and `load`.

use std::fs;

use serde_json::{Value, json};

use crate::bench::Bench;

#[test]
fn a_dump_loads_into_the_same_dictionary() {
    Bench::each(|bench| {
        let container = bench.prepare();
        let long_text = "é".repeat(1_500_000);
        let long_bytes: Vec<u8> = (0..2_500_000u32).map(|place| (place % 256) as u8).collect();
        let mebibyte = vec![b'm'; 1 << 20];
        for (key, value) in [
            ("text", &b"line\none \"quoted\""[..]),
            ("bytes", b"\x00\xff"),
            ("empty", b""),
            ("long text", long_text.as_bytes()),
            ("long bytes", &long_bytes),
            ("mebibyte", &mebibyte),
        ] {
            bench.run_with_input(["dict", "put", &container, "d", key, "-"], value).ok();
        }
        bench.ok(["dict", "put", &container, "d", "--hex", "ff00", ""]);

        let dump = bench.ok(["dict", "dump", &container, "d"]);
        let lines: Vec<Value> = dump
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("a JSON object"))
            .collect();
        assert!(dump.split(|byte| *byte == b'\n').all(|line| line.len() < 3 << 20), "lines are bounded");
        assert!(lines.contains(&json!({ "key": "bytes", "value_hex": "00ff" })));
        assert!(lines.contains(&json!({ "key_hex": "ff00", "value": "" })));
        let parts: Vec<_> = lines.iter().filter(|line| line["key"] == "long text").collect();
        assert!(parts.len() > 1);
        assert!(parts.iter().all(|part| part["length"] == 3_000_000 && part["value"].is_string()));

        let loaded = bench.run_with_input(["dict", "load", &container, "copy", "--create", "--json"], &dump);
        assert_eq!(loaded.document()["response"]["entries"], 7);
        assert!(bench.ok(["dict", "dump", &container, "copy"]) == dump);
        assert!(bench.ok(["dict", "get", &container, "copy", "long bytes"]) == long_bytes);
        assert!(bench.json(["dict", "dump", &container, "copy"]) == Value::Array(lines));
    });
}

#[test]
fn a_dump_of_a_range_goes_to_a_file() {
    Bench::each(|bench| {
        let container = bench.prepare();
        for key in ["a1", "a2", "b1"] {
            bench.ok(["dict", "put", &container, "d", key, key]);
        }
        let file = bench.directory().join("a.jsonl");
        let path = file.to_str().expect("a path");
        let response =
            bench.json(["dict", "dump", &container, "d", "--prefix", "a", "--reverse", "--output", path]);
        assert_eq!(response, json!({ "entries": 2, "bytes": 4, "output": path }));
        let dumped = fs::read_to_string(&file).expect("the file");
        assert_eq!(dumped, "{\"key\":\"a2\",\"value\":\"a2\"}\n{\"key\":\"a1\",\"value\":\"a1\"}\n");
        bench.ok(["dict", "load", &container, "e", path, "--create"]);
        assert_eq!(bench.ok(["dict", "keys", &container, "e"]), b"a1\na2\n");
    });
}

#[test]
fn what_precedes_a_wrong_line_is_stored_and_the_line_is_named() {
    Bench::each(|bench| {
        let container = bench.prepare();
        let input = b"{\"key\":\"a\",\"value\":\"1\"}\n\n{\"key\":\"b\",\"value\":2}\n{\"key\":\"c\",\"value\":\"3\"}\n";
        let answer = bench.run_with_input(["dict", "load", &container, "d"], input);
        assert_eq!(answer.code, 2);
        assert!(answer.stderr.contains("line 3 of the standard input"), "{}", answer.stderr);
        assert!(answer.stderr.contains("1 entry stored before"), "{}", answer.stderr);
        assert_eq!(bench.ok(["dict", "keys", &container, "d"]), b"a\n");
    });
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let part = |key: &str, offset: u64, length: u64, value: &str| {
        format!("{{\"key\":\"{key}\",\"offset\":{offset},\"length\":{length},\"value\":\"{value}\"}}\n")
    };
    let entry = "{\"key\":\"a\",\"value\":\"\"}\n".to_owned();
    for (lines, why) in [
        (vec![part("k", 2, 4, "cd")], "first part is missing"),
        (vec![part("k", 0, 4, "ab")], "ends in the middle"),
        (vec![part("k", 0, 4, "ab"), entry], "before the last part"),
        (vec![part("k", 0, 4, "ab"), part("k", 3, 4, "d")], "offset 2"),
        (vec![part("k", 0, 4, "ab"), part("l", 2, 4, "cd")], "offset 2"),
        (vec![part("k", 0, 4, "ab"), part("k", 2, 5, "cd")], "offset 2"),
        (vec![part("k", 0, 3, "ab"), part("k", 2, 3, "cd")], "more than the 3 bytes"),
    ] {
        let bench = Bench::memory();
        let container = bench.prepare();
        let answer = bench.run_with_input(["dict", "load", &container, "d"], lines.concat().as_bytes());
        assert_eq!(answer.code, 2, "{lines:?}");
        assert!(answer.stderr.contains(why), "{lines:?}: {}", answer.stderr);
        assert_eq!(bench.ok(["dict", "count", &container, "d"]), b"0\n", "{lines:?}");
    }
}

#[test]
fn later_lines_win() {
    Bench::each(|bench| {
        let container = bench.prepare();
        let lines = "{\"key\":\"k\",\"value\":\"1\"}\n\
                     {\"key\":\"k\",\"offset\":0,\"length\":1,\"value\":\"2\"}\n\
                     {\"key\":\"l\",\"value\":\"3\"}\n\
                     {\"key\":\"l\",\"value\":\"4\"}";
        bench.run_with_input(["dict", "load", &container, "d", "-"], lines.as_bytes()).ok();
        assert_eq!(bench.ok(["dict", "get", &container, "d", "k"]), b"2");
        assert_eq!(bench.ok(["dict", "get", &container, "d", "l"]), b"4");
    });
}

#[test]
fn many_entries_go_there_and_back() {
    Bench::each(|bench| {
        let container = bench.prepare();
        let lines: String =
            (0..25_000).map(|n| format!("{{\"key\":\"{n:05}\",\"value\":\"value {n}\"}}\n")).collect();
        let answer = bench.run_with_input(["dict", "load", &container, "d"], lines.as_bytes());
        assert!(answer.text().starts_with("loaded 25000 entries"), "{}", answer.text());
        assert!(bench.ok(["dict", "dump", &container, "d"]) == lines.as_bytes());
    });
}

#[test]
fn a_file_that_is_none_is_named() {
    let bench = Bench::memory();
    let container = bench.prepare();
    let message = bench.fails(3, ["dict", "load", &container, "d", "/no/such/file"]);
    assert!(message.contains("/no/such/file"), "{message}");
    bench.fails(2, ["dict", "load", &container, "d", "/"]);
    let message = bench.fails(3, ["dict", "dump", &container, "d", "--output", "/no/such/directory/file"]);
    assert!(message.contains("/no/such/directory/file"), "{message}");
}
