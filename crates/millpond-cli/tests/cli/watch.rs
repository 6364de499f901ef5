//! `millpond container watch`.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::bench::Bench;

/// The lines of an answer, each an object.
fn objects(answer: Vec<u8>) -> Vec<Value> {
    let text = String::from_utf8(answer).expect("text");
    text.lines().map(|line| serde_json::from_str(line).expect("an object")).collect()
}

#[test]
fn commits_are_told_from_the_beginning() {
    let bench = Bench::processes();
    let container = bench.container();
    bench.ok(["dict", "create", &container, "runs"]);
    bench.ok(["dict", "put", &container, "runs", "a-1", "x"]);
    bench.ok(["dict", "put", &container, "runs", "b-1", "y"]);
    bench.ok(["dict", "delete", &container, "runs", "a-1"]);
    let watch = |more: &[&str]| {
        let words = ["container", "watch", &container, "--after", "0"];
        bench.ok(words.iter().chain(more).copied().collect::<Vec<_>>())
    };
    let all = objects(watch(&["--json", "--values", "--limit", "4"]));
    assert_eq!(all.len(), 4);
    let changes: Vec<_> = all.iter().map(|commit| &commit["changes"]).collect();
    assert_eq!((&changes[0][0]["kind"], &changes[0][0]["dict"]), (&json!("create"), &json!("runs")));
    assert_eq!((&changes[1][0]["key"], &changes[1][0]["value"]), (&json!("a-1"), &json!("x")));
    assert_eq!(changes[2][0]["length"], 1);
    assert_eq!((&changes[3][0]["kind"], &changes[3][0]["key"]), (&json!("delete"), &json!("a-1")));
    assert!(all.iter().is_sorted_by_key(|commit| commit["epoch"].as_u64()));

    let some = objects(watch(&["--json", "--dict", "runs", "--prefix", "b-", "--limit", "1"]));
    assert_eq!(some[0]["changes"].as_array().map(Vec::len), Some(1));
    assert_eq!(some[0]["changes"][0].get("value"), None, "only with --values");
    assert_eq!(objects(watch(&["--json", "-x", "--prefix", "622d", "--limit", "1"])), some);
    let text = String::from_utf8(watch(&["--limit", "4"])).expect("text");
    assert_eq!(text.lines().count(), 4);
    assert!(text.contains("  put      runs  a-1  (1 byte)\n"), "{text}");

    let first = all[0]["epoch"].to_string();
    let behind = bench.ok(["container", "watch", &container, "--after", &first, "--json", "-n", "1"]);
    assert_eq!(objects(behind)[0]["epoch"], all[1]["epoch"]);
    bench.fails(21, ["container", "watch", &container, "--after", "77", "-n", "1"]);
}

#[test]
fn a_cursor_is_acknowledged_as_it_is_told() {
    let bench = Bench::processes();
    let container = bench.container();
    bench.ok(["dict", "create", &container, "runs"]);
    for key in ["a", "b", "c"] {
        bench.ok(["dict", "put", &container, "runs", key, "x"]);
    }
    let keys = |more: &[&str]| -> Vec<_> {
        let words =
            ["container", "watch", &container, "--cursor", "c", "--dict", "runs", "--prefix", "", "--json"];
        let answer = bench.ok(words.iter().chain(more).copied().collect::<Vec<_>>());
        objects(answer).into_iter().map(|commit| commit["changes"][0]["key"].clone()).collect()
    };
    assert_eq!(keys(&["--after", "0", "-n", "3"])[1..], ["a", "b"]);
    bench.ok(["container", "compact", &container]);
    assert_eq!(keys(&["-n", "1"]), ["c"]);
    let cursors = bench.json(["container", "watch", &container, "--cursors"]);
    assert_eq!(cursors[0]["name"], "c");
    assert_eq!(bench.json(["container", "watch", &container, "--drop-cursor", "c"]), json!({"dropped": "c"}));
    assert_eq!(bench.json(["container", "watch", &container, "--cursors"]), json!([]));
    bench.fails(3, ["container", "watch", &container, "--drop-cursor", "c"]);
    bench.fails(2, ["container", "watch", &container, "--drop-cursor", "c", "--limit", "1"]);
}

#[test]
fn an_interrupt_ends_it_well() {
    let bench = Bench::processes();
    let container = bench.container();
    bench.ok(["dict", "create", &container, "runs"]);
    let mut watching = Command::new(env!("CARGO_BIN_EXE_millpond"))
        .args(["container", "watch", &container, "--after", "0", "--json"])
        .env("MILLPOND_HOME", bench.home())
        .stdout(Stdio::piped())
        .spawn()
        .expect("begun");
    let mut lines = BufReader::new(watching.stdout.take().expect("a pipe")).lines();
    assert!(lines.next().expect("a line").expect("text").contains("create"));
    bench.ok(["dict", "put", &container, "runs", "key", "value"]);
    assert!(lines.next().expect("a line").expect("text").contains("\"key\""));
    let pid = watching.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("run").success());
    assert_eq!(watching.wait().expect("ended").code(), Some(130));
}
