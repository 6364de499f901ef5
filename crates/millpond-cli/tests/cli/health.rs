//! `millpond health check`.

use std::fs;

use serde_json::json;

use crate::bench::Bench;

#[test]
fn a_healthy_home_is_told_and_left_as_it_was() {
    let bench = Bench::processes();
    bench.ok(["pool", "create", "lab", "--size", "1GiB"]);
    let health = bench.json(["health", "check"]);
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["self_test"], json!({ "ok": true }));
    assert_eq!(health["pools"][0]["label"], "lab");
    assert_eq!(health["pools"][0]["ok"], true);
    assert!(health["bytes_free"].as_u64().is_some_and(|bytes| bytes > 0), "{health}");
    assert!(health["file_system"].is_string(), "{health}");
    let text = String::from_utf8(bench.ok(["health", "check"])).expect("text");
    assert!(text.contains("self test: written, read, reopened, verified"), "{text}");
    assert_eq!(bench.json(["pool", "list"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn a_damaged_pool_is_named() {
    let bench = Bench::processes();
    bench.ok(["pool", "create", "good"]);
    let url = bench.json(["pool", "create", "torn"])["url"].as_str().expect("a URL").to_owned();
    let directory = url.strip_prefix("file://").expect("a path");
    fs::write(format!("{directory}/pool.json"), "{\"form").expect("a torn file");

    let answer = bench.run(["health", "check", "--json"]);
    let document = answer.document();
    assert!([7, 8].contains(&answer.code), "{document}");
    assert_eq!(document["response"]["self_test"]["ok"], true);
    let states: Vec<_> = document["response"]["pools"].as_array().expect("pools").iter().collect();
    assert_eq!(states.len(), 2, "{document}");
    assert_eq!(states[0]["ok"], true);
    assert_eq!(states[1]["ok"], false);
    assert!(states[1]["problem"].as_str().is_some_and(|problem| problem.contains("pool.json")), "{document}");
}

#[test]
fn a_home_that_cannot_be_is_told() {
    let bench = Bench::processes();
    fs::write(bench.home(), "a file").expect("a file");
    let answer = bench.run(["health", "check"]);
    assert_ne!(answer.code, 0);
    assert!(answer.stderr.contains("self test failed"), "{}", answer.stderr);
    assert!(!answer.stderr.contains("panicked"));
}
