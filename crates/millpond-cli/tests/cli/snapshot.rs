//! `millpond snapshot`.

use serde_json::json;

use crate::bench::Bench;

fn put(bench: &Bench, container: &str, key: &str, value: &str) {
    bench.ok(["dict", "put", container, "runs", key, value, "--create"]);
}

#[test]
fn snapshots_are_taken_listed_and_destroyed() {
    Bench::each(|bench| {
        let container = bench.prepare();
        put(bench, &container, "a", "1");
        let taken = bench.json(["snapshot", "create", &container, "one"]);
        assert_eq!((&taken["name"], &taken["rule"]), (&json!("one"), &json!(null)));
        assert!(taken["epoch"].as_u64() > Some(0) && taken["created_millis"].as_u64() > Some(0));
        put(bench, &container, "a", "2");
        let text = String::from_utf8(bench.ok(["snapshot", "create", &container, "two"])).expect("text");
        assert!(text.contains("two") && text.contains("epoch"), "{text}");
        let listed = bench.json(["snapshot", "list", &container]);
        assert_eq!(listed.as_array().map(Vec::len), Some(2));
        assert_eq!((&listed[0], &listed[1]["name"]), (&taken, &json!("two")));
        let sized = bench.json(["snapshot", "ls", &container, "--sizes"]);
        assert!(sized[0]["bytes"].as_u64() > Some(0), "{sized}");
        let text = String::from_utf8(bench.ok(["snapshot", "list", &container, "--sizes"])).expect("text");
        assert!(text.contains("SNAPSHOT") && text.contains("one") && text.contains("HOLDS"), "{text}");
        bench.fails(4, ["snapshot", "create", &container, "one"]);
        bench.fails(2, ["snapshot", "create", &container, "17"]);
        bench.fails(2, ["snapshot", "create", &container]);
        bench.fails(2, ["snapshot", "create", &container, "name", "--rule"]);
        assert_eq!(
            bench.json(["snapshot", "destroy", &container, "one", "two"]),
            json!({"destroyed": ["one", "two"]})
        );
        assert_eq!(bench.json(["snapshot", "list", &container]), json!([]));
        bench.fails(3, ["snapshot", "destroy", &container, "one"]);
    });
}

#[test]
fn a_rule_takes_and_destroys() {
    Bench::each(|bench| {
        let container = bench.prepare();
        let message = bench.fails(2, ["snapshot", "create", &container, "--rule"]);
        assert!(message.contains("snapshot-keep"), "{message}");
        bench.ok(["container", "set-prop", &container, "snapshot-keep=last:2"]);
        bench.ok(["snapshot", "create", &container, "by-hand"]);
        for _ in 0..4 {
            bench.ok(["snapshot", "create", &container, "--rule"]);
        }
        let listed = bench.json(["snapshot", "list", &container]);
        assert_eq!(listed.as_array().map(Vec::len), Some(3), "{listed}");
        assert_eq!((&listed[0]["name"], &listed[1]["rule"]), (&json!("by-hand"), &json!("last:2")));
    });
}

#[test]
fn two_states_are_compared_and_one_comes_back() {
    Bench::each(|bench| {
        let container = bench.prepare();
        put(bench, &container, "same", "1");
        put(bench, &container, "changed", "1");
        put(bench, &container, "removed", "1");
        let one = bench.json(["snapshot", "create", &container, "one"]);
        put(bench, &container, "changed", "2");
        put(bench, &container, "added", "2");
        bench.ok(["dict", "delete", &container, "runs", "removed"]);
        let expected = json!([
            {"change": "added", "dict": "runs", "key": "added"},
            {"change": "changed", "dict": "runs", "key": "changed"},
            {"change": "removed", "dict": "runs", "key": "removed"},
        ]);
        assert_eq!(bench.json(["snapshot", "diff", &container, "one"]), expected);
        let epoch = one["epoch"].to_string();
        assert_eq!(bench.json(["snapshot", "diff", &container, &epoch]), expected);
        bench.ok(["snapshot", "create", &container, "two"]);
        assert_eq!(bench.json(["snapshot", "diff", &container, "one", "two"]), expected);
        assert_eq!(bench.json(["snapshot", "diff", &container, "two"]), json!([]));
        let text = String::from_utf8(bench.ok(["snapshot", "diff", &container, "two", "one"])).expect("text");
        assert_eq!(text, "- runs\tadded\n~ runs\tchanged\n+ runs\tremoved\n");
        bench.fails(3, ["snapshot", "diff", &container, "none"]);

        let done = bench.json(["snapshot", "rollback", &container, "one"]);
        assert_eq!(done["keys"], 3, "{done}");
        assert_eq!(bench.ok(["dict", "get", &container, "runs", "changed"]), b"1");
        bench.fails(3, ["dict", "get", &container, "runs", "added"]);
        bench.fails(3, ["snapshot", "rollback", &container, "none"]);
        let text = String::from_utf8(bench.ok(["snapshot", "rollback", &container, "two"])).expect("text");
        assert!(text.contains("as it was at two"), "{text}");
        assert_eq!(bench.ok(["dict", "get", &container, "runs", "changed"]), b"2");
    });
}

#[test]
fn reading_commands_show_what_a_snapshot_keeps() {
    Bench::each(|bench| {
        let container = bench.prepare();
        put(bench, &container, "a", "1");
        let created =
            bench.json(["object", "create", &container, "--dkeys", "integer", "--akeys", "lexical"]);
        let object = created["object"].as_str().expect("an id").to_owned();
        bench.ok(["object", "put", &container, &object, "7", "name", "loom"]);
        let taken = bench.json(["snapshot", "create", &container, "then"]);
        put(bench, &container, "a", "2");
        put(bench, &container, "b", "2");
        bench.ok(["dict", "put", &container, "later", "k", "v", "--create"]);
        bench.ok(["object", "put", &container, &object, "7", "name", "mill"]);
        bench.ok(["object", "put", &container, &object, "8", "name", "pond"]);

        let epoch = taken["epoch"].to_string();
        for at in ["then", &epoch] {
            assert_eq!(bench.ok(["dict", "get", &container, "runs", "a", "--at", at]), b"1");
            assert_eq!(bench.json(["dict", "count", &container, "runs", "--at", at]), json!(1));
            assert_eq!(bench.json(["dict", "list", &container, "--at", at]), json!(["d", "runs"]));
            assert_eq!(bench.ok(["dict", "keys", &container, "runs", "--at", at]), b"a\n");
            let dumped = bench.ok(["dict", "dump", &container, "runs", "--at", at]);
            assert_eq!(String::from_utf8_lossy(&dumped).lines().count(), 1);
            assert_eq!(bench.ok(["object", "get", &container, &object, "7", "name", "--at", at]), b"loom");
            let listed = bench.json(["object", "list", &container, "--at", at]);
            assert_eq!(listed.as_array().map(Vec::len), Some(1));
            let keys = bench.json(["object", "list-keys", &container, &object, "--at", at]);
            assert_eq!(keys["entries"].as_array().map(Vec::len), Some(1), "{keys}");
            let dumped = bench.ok(["object", "dump", &container, &object, "--at", at]);
            assert_eq!(String::from_utf8_lossy(&dumped).lines().count(), 1);
            assert_eq!(
                bench.json(["object", "query", &container, &object, "--at", at])["exists"],
                json!(true)
            );
        }
        assert_eq!(bench.ok(["dict", "get", &container, "runs", "a"]), b"2");
        bench.fails(3, ["dict", "get", &container, "runs", "b", "--at", "then"]);
        bench.fails(3, ["dict", "get", &container, "runs", "a", "--at", "never"]);
        bench.fails(2, ["dict", "put", &container, "runs", "a", "3", "--at", "then"]);
    });
}
