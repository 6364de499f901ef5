//! `millpond object`.

use std::fs;

use serde_json::{Value, json};

use crate::bench::Bench;

/// A container, and the id of a new object in it.
fn prepare(bench: &Bench, options: &[&str]) -> (String, String) {
    let container = bench.prepare();
    let args = ["object", "create", &container].into_iter().chain(options.iter().copied());
    let id = String::from_utf8(bench.ok(args)).expect("an id").trim().to_owned();
    assert_eq!(id.len(), 32);
    (container, id)
}

#[test]
fn values_and_records_are_stored_found_and_removed() {
    Bench::each(|bench| {
        let (container, id) = prepare(bench, &[]);
        let object = |verb: &'static str, rest: &[&str]| -> Vec<String> {
            let words = ["object", verb, &container, &id];
            words.iter().chain(rest).map(|word| (*word).to_owned()).collect()
        };
        assert_eq!(bench.json(["object", "list", &container]), json!([]));
        assert_eq!(bench.json(object("put", &["d", "a", "value"])), json!({ "length": 5 }));
        assert_eq!(bench.ok(object("get", &["d", "a"])), b"value");
        assert_eq!(bench.json(object("get", &["d", "a"])), json!({ "value": "value", "length": 5 }));
        bench.ok(object("put", &["d", "r", "aabbcc", "--start", "3", "--record-size", "2"]));
        assert_eq!(bench.ok(object("get", &["d", "r", "--start", "2"])), b"\0\0aabbcc");
        assert_eq!(
            bench.ok(object("get", &["64", "72", "--hex", "--start", "3", "--count", "1"])),
            b"6161\n"
        );
        assert_eq!(
            bench.json(object("get", &["d", "r", "--start", "4"])),
            json!({ "records": [4, 6], "record_bytes": 2, "value_hex": "62626363" })
        );
        bench.ok(object("punch", &["d", "r", "--records", "4..5"]));
        assert_eq!(bench.ok(object("get", &["d", "r", "--start", "3"])), b"aa\0\0cc");
        let extents = bench.json(object("list-keys", &["d", "r"]));
        assert_eq!(extents["entries"][0]["records"], json!([3, 4]));
        assert_eq!(extents["entries"][1]["records"], json!([5, 6]));
        assert_eq!(extents["anchor"], Value::Null);
        bench.ok(object("punch", &["d", "a", "r"]));
        bench.fails(3, object("get", &["d", "a"]));
        bench.fails(3, object("punch", &["d", "--must-exist"]));
        bench.ok(object("put", &["d", "a", "1"]));
        bench.ok(object("punch", &[]));
        assert_eq!(bench.json(["object", "list", &container]), json!([]));
    });
}

#[test]
fn keys_are_listed_in_pieces() {
    Bench::each(|bench| {
        let (container, id) = prepare(bench, &["--dkeys", "integer", "--akeys", "lexical"]);
        for dkey in ["3", "20", "1"] {
            bench.ok(["object", "put", &container, &id, dkey, "a", "x"]);
        }
        assert_eq!(bench.ok(["object", "list-keys", &container, &id]), b"1\n3\n20\n");
        assert_eq!(bench.ok(["object", "list-keys", &container, &id, "3"]), b"a\n");
        let first = bench.json(["object", "list-keys", &container, &id, "--limit", "2"]);
        assert_eq!(first["entries"], json!([{ "key": 1 }, { "key": 3 }]));
        let anchor = first["anchor"].as_str().expect("an anchor");
        let rest = bench.json(["object", "list-keys", &container, &id, "--anchor", anchor]);
        assert_eq!(rest, json!({ "entries": [{ "key": 20 }], "anchor": null }));
        let query = bench.json(["object", "query", &container, &id]);
        assert_eq!((&query["dkeys"], &query["akeys"]), (&json!("integer"), &json!("lexical")));
        assert_eq!((&query["smallest_dkey"], &query["largest_dkey"]), (&json!(1), &json!(20)));
        assert!(query["exists"] == json!(true) && query["newest_epoch"].as_u64() > Some(0), "{query}");
        let shown = String::from_utf8(bench.ok(["object", "query", &container, &id])).expect("text");
        assert!(shown.contains("largest dkey") && shown.contains(&id), "{shown}");
        let listed = String::from_utf8(bench.ok(["object", "list", &container])).expect("text");
        assert_eq!(listed, format!("{id}  dkeys integer, akeys lexical\n"));
        assert_eq!(bench.json(["object", "list", &container])[0]["object"], json!(id));
    });
}

#[test]
fn an_object_is_dumped_as_lines() {
    Bench::each(|bench| {
        let (container, id) = prepare(bench, &["--dkeys", "lexical", "--akeys", "lexical"]);
        bench.ok(["object", "put", &container, &id, "d", "a", "value"]);
        let file = bench.directory().join("records");
        fs::write(&file, vec![b'x'; (1 << 20) + 3]).expect("written");
        let value = format!("@{}", file.display());
        bench.ok(["object", "put", &container, &id, "d", "b", &value, "--start", "7"]);
        bench.ok(["object", "put", &container, &id, "-x", "ff", "00", "cafe"]);
        let lines = bench.json(["object", "dump", &container, &id]);
        let lines = lines.as_array().expect("lines");
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0], json!({ "dkey": "d", "akey": "a", "value": "value" }));
        assert_eq!(lines[1]["records"], json!([7, 7 + (1 << 20)]));
        assert_eq!(lines[2]["records"], json!([7 + (1 << 20), 10 + (1 << 20)]));
        assert_eq!((&lines[2]["value"], &lines[2]["record_bytes"]), (&json!("xxx"), &json!(1)));
        assert_eq!(lines[3], json!({ "dkey_hex": "ff", "akey": "\0", "value_hex": "cafe" }));
        let plain = String::from_utf8(bench.ok(["object", "dump", &container, &id])).expect("text");
        let again: Vec<Value> =
            plain.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
        assert_eq!(&again, lines);
        let target = bench.directory().join("dump.jsonl");
        let target = target.to_str().expect("UTF-8");
        assert_eq!(
            bench.json(["object", "dump", &container, &id, "--output", target]),
            json!({ "lines": 4, "output": target })
        );
        assert_eq!(fs::read_to_string(target).expect("the dump"), plain);
        let copy = bench.directory().join("copy");
        let copy = copy.to_str().expect("UTF-8");
        bench.ok(["object", "get", &container, &id, "d", "b", "--start", "7", "--output", copy]);
        assert_eq!(fs::read(copy).expect("a copy"), fs::read(&file).expect("the original"));
    });
}

#[test]
fn mistakes_have_their_codes() {
    Bench::each(|bench| {
        let (container, id) = prepare(bench, &["--dkeys", "integer"]);
        bench.ok(["object", "put", &container, &id, "1", "a", "x"]);
        let message = bench.fails(2, ["object", "put", &container, &id, "one", "a", "x"]);
        assert!(message.contains("whole numbers"), "{message}");
        bench.fails(2, ["object", "query", &container, "7"]);
        bench.fails(2, ["object", "get", &container, "00000000000000000000000000000007", "d", "a"]);
        bench.fails(2, ["object", "create", &container, "--dkeys", "sorted"]);
        bench.fails(16, ["object", "create", &container, "--class", "RP_2G1"]);
        bench.fails(2, ["object", "get", &container, &id, "1", "a", "--start", "1"]);
        bench.fails(2, ["object", "put", &container, &id, "1", "a", "xyz", "--start", "0"]);
        bench.fails(
            2,
            ["object", "put", &container, &id, "1", "b", "xyz", "--start", "0", "--record-size", "2"],
        );
        bench.fails(
            2,
            ["object", "put", &container, &id, "1", "b", "xyz", "--start", "0", "--record-size", "0"],
        );
        bench.fails(2, ["object", "punch", &container, &id, "1", "a", "b", "--records", "1..2"]);
        bench.fails(2, ["object", "punch", &container, &id, "1", "a", "--records", "2..1"]);
        bench.fails(2, ["object", "list-keys", &container, &id, "--anchor", "01"]);
        let message = bench.fails(3, ["object", "get", &container, &id, "1", "z"]);
        assert!(message.contains("\"z\""), "{message}");
        assert_eq!(bench.ok(["object", "get", &container, &id, "1", "a"]), b"x");
    });
}
