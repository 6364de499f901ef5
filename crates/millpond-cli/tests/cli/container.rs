//! `millpond container`.

use std::{fs, io::Write, process::Stdio};

use serde_json::json;

use crate::bench::Bench;

#[test]
fn a_container_is_created_shown_and_destroyed() {
    Bench::each(|bench| {
        let pool = bench.pool("lab");
        let container = format!("{pool}/kvstore");
        bench.ok(["pool", "create", &pool]);
        let created = bench.json(["container", "create", &container, "--type", "python"]);
        assert_eq!(created["label"], "kvstore");
        assert_eq!(created["container_type"], "PYTHON");
        assert_eq!(created["durability"], "sync");
        let query = bench.json(["cont", "query", &container]);
        assert_eq!(query["uuid"], created["uuid"]);
        assert_eq!(query["dicts"], 0);
        let by_uuid = format!("{pool}/{}", created["uuid"].as_str().expect("a UUID"));
        assert_eq!(bench.json(["cont", "query", &by_uuid])["label"], "kvstore");
        let url = created["url"].as_str().expect("a URL");
        assert_eq!(bench.json(["cont", "query", url])["label"], "kvstore");

        let listed = bench.json(["container", "list", &pool]);
        assert_eq!(listed.as_array().map(Vec::len), Some(1));
        assert_eq!(listed[0]["label"], "kvstore");
        let text = String::from_utf8(bench.ok(["container", "query", &container])).expect("text");
        assert!(text.contains("PYTHON") && text.contains("sync"), "{text}");

        bench.ok(["container", "destroy", &container]);
        assert_eq!(bench.json(["container", "list", &pool]), json!([]));
        bench.fails(3, ["container", "query", &container]);
        bench.fails(3, ["container", "destroy", &container]);
    });
}

#[test]
fn a_pool_and_a_container_may_be_two_words() {
    Bench::each(|bench| {
        let pool = bench.pool("lab");
        bench.ok(["pool", "create", &pool]);
        bench.ok(["container", "create", &pool, "kvstore"]);
        assert_eq!(bench.json(["container", "query", &pool, "kvstore"])["label"], "kvstore");
        bench.ok(["container", "check", &pool, "kvstore"]);
        bench.ok(["container", "compact", &pool, "kvstore"]);
        bench.ok(["container", "destroy", &pool, "kvstore"]);
    });
}

#[test]
fn a_second_container_of_the_same_name_is_refused() {
    Bench::each(|bench| {
        let container = bench.prepare();
        bench.fails(4, ["container", "create", &container]);
        let message = bench.fails(2, ["container", "create", &bench.pool("lab")]);
        assert!(message.contains("POOL/CONTAINER"), "{message}");
        let nowhere = format!("{}/c", bench.pool("nowhere"));
        bench.fails(3, ["container", "create", &nowhere]);
    });
}

#[test]
fn a_type_that_is_none_is_refused() {
    let answer = Bench::memory().run(["container", "create", "lab/c", "--type", "SPREADSHEET"]);
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("PYTHON"), "{}", answer.stderr);
}

#[test]
fn durability_is_a_property() {
    Bench::each(|bench| {
        let pool = bench.pool("lab");
        let container = format!("{pool}/fast");
        bench.ok(["pool", "create", &pool]);
        bench.ok([
            "container",
            "create",
            &container,
            "--property",
            "durability=async",
            "--log-size",
            "128KiB",
        ]);
        assert_eq!(bench.ok(["container", "get-prop", &container, "durability"]), b"async\n");
        bench.ok(["container", "set-prop", &container, "durability=sync"]);
        assert_eq!(bench.json(["container", "query", &container])["durability"], "sync");
        bench.fails(2, ["container", "set-prop", &container, "durability=eternal"]);
        bench.ok(["container", "set-attr", &container, "owner", "ada"]);
        assert_eq!(bench.ok(["container", "get-attr", &container, "owner"]), b"ada\n");
        assert_eq!(bench.json(["container", "list-attrs", &container]), json!({ "owner": "ada" }));
        bench.ok(["container", "del-attr", &container, "owner"]);
        assert_eq!(bench.json(["container", "list-attrs", &container]), json!({}));
    });
}

#[test]
fn a_directory_stands_for_a_container() {
    let bench = Bench::processes();
    bench.ok(["pool", "create", "lab"]);
    let created = bench.json(["container", "create", "lab/kv", "--type", "PYTHON", "--path", "./kv"]);
    assert!(bench.directory().join("kv").is_dir());
    assert!(created["path"].as_str().is_some_and(|path| path.ends_with("/kv")), "{created}");
    let absolute = bench.directory().join("kv").display().to_string();
    for path in ["./kv", absolute.as_str()] {
        assert_eq!(bench.json(["container", "query", path])["uuid"], created["uuid"]);
    }
    bench.ok(["dict", "create", "./kv", "d"]);
    bench.ok(["dict", "put", "./kv", "d", "k", "v"]);
    assert_eq!(bench.ok(["dict", "get", "lab/kv", "d", "k"]), b"v");
    bench.ok(["container", "destroy", "./kv"]);
    assert_eq!(bench.json(["container", "list", "lab"]), json!([]));
}

#[test]
fn a_directory_that_stands_for_nothing_is_refused() {
    let bench = Bench::processes();
    fs::create_dir(bench.directory().join("plain")).expect("a directory");
    for verb in ["query", "destroy", "check"] {
        let answer = bench.run(["container", verb, "./plain"]);
        assert!((2..=3).contains(&answer.code), "{verb}: {} {}", answer.code, answer.stderr);
        assert!(answer.stderr.contains("plain"), "{}", answer.stderr);
    }
}

#[test]
fn a_container_that_others_have_open_is_destroyed_by_force_alone() {
    let bench = Bench::processes();
    let container = bench.prepare();
    // A load that waits for its input has the container open.
    let mut other = bench.command(["dict", "load", &container, "d"]);
    let mut other = other.stdin(Stdio::piped()).spawn().expect("the program starts");
    let mut input = other.stdin.take().expect("its input");
    // Enough entries for a first batch: when it is there, the container is open.
    let line = format!("{{\"key\":\"k\",\"value\":\"{}\"}}\n", "v".repeat(1 << 20));
    for _ in 0..5 {
        input.write_all(line.as_bytes()).expect("the load reads");
    }
    while bench.ok(["dict", "count", &container, "d"]) == b"0\n" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let message = bench.fails(5, ["container", "destroy", &container]);
    assert!(message.contains("force"), "{message}");
    bench.ok(["container", "destroy", &container, "--force"]);
    input.write_all(b"{\"key\":\"late\",\"value\":\"v\"}\n").expect("the load reads");
    drop(input);
    let output = other.wait_with_output().expect("its output");
    assert_eq!(output.status.code(), Some(11), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_check_reads_what_is_stored() {
    Bench::each(|bench| {
        let container = bench.prepare();
        bench.ok(["dict", "put", &container, "d", "k", &"v".repeat(100_000)]);
        let report = bench.json(["container", "check", &container]);
        assert_eq!(report["damages"], json!([]));
        assert_eq!(report["leaked"], json!([]));
        let text = String::from_utf8(bench.ok(["container", "check", &container, "--repair"])).expect("text");
        assert!(text.starts_with("ok"), "{text}");
    });
}

#[test]
fn a_scrub_reads_what_is_stored_and_query_tells_of_it() {
    Bench::each(|bench| {
        let container = bench.prepare();
        bench.ok(["dict", "put", &container, "d", "k", &"v".repeat(100_000)]);
        assert_eq!(bench.json(["container", "query", &container])["last_scrub"], json!(null));
        let report = bench.json(["container", "scrub", &container, "--rate", "1GiB"]);
        assert_eq!(report["damages"], json!([]));
        assert!(report["bytes"].as_u64() > Some(100_000), "{report}");
        let last = &bench.json(["container", "query", &container])["last_scrub"];
        assert_eq!((&last["damages"], &last["bytes"]), (&json!(0), &report["bytes"]));
        let reports = bench.json(["pool", "scrub", &bench.pool("lab")]);
        assert_eq!(reports[0]["damages"], json!([]));
        bench.fails(2, ["container", "scrub", &container, "--rate", "0"]);
    });
}

#[test]
fn a_scrub_names_the_key_of_what_is_damaged() {
    let bench = Bench::processes();
    let container = bench.prepare();
    let value = "v".repeat(100_000);
    bench.ok(["dict", "put", &container, "d", "k", &value]);
    flip_a_byte_of(&bench.home(), value.as_bytes());
    for command in [["container", "scrub", &container], ["pool", "scrub", &bench.pool("lab")]] {
        let answer = bench.run(command);
        assert_eq!(answer.code, 7, "{}", answer.stderr);
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        assert!(text.contains("dict \"d\", key \"k\""), "{text}");
    }
}

#[test]
fn a_check_names_damage() {
    let bench = Bench::processes();
    let container = bench.prepare();
    let value = "v".repeat(100_000);
    bench.ok(["dict", "put", &container, "d", "k", &value]);
    flip_a_byte_of(&bench.home(), value.as_bytes());

    let answer = bench.run(["container", "check", &container, "--json"]);
    let document = answer.document();
    assert_eq!(answer.code, 7, "{document}");
    assert_eq!(document["status"], 7);
    assert_eq!(document["error"]["kind"], "corrupt");
    assert_eq!(document["response"]["damages"].as_array().map(Vec::len), Some(1));
    let answer = bench.run(["container", "check", &container]);
    assert_eq!(answer.code, 7);
    assert!(answer.text().contains("PLACE"), "{}", answer.text());
    assert!(answer.stderr.contains("1 damaged place"), "{}", answer.stderr);
    // Wrong bytes are never returned as right.
    let answer = bench.run(["dict", "get", &container, "d", "k"]);
    assert_eq!(answer.code, 7);
    // A document that has been begun is brought to its end.
    bench.ok(["dict", "put", &container, "d", "a", "sound"]);
    let document = bench.run(["dict", "dump", &container, "d", "--json"]).document();
    assert_eq!(document["status"], 7);
    assert_eq!(document["error"]["kind"], "corrupt");
    assert_eq!(document["response"], json!([{ "key": "a", "value": "sound" }]));
}

#[test]
fn a_repair_gives_up_what_the_log_lost_and_says_so() {
    let bench = Bench::processes();
    let container = bench.prepare();
    bench.ok(["dict", "put", &container, "d", "k", "kept"]);
    bench.ok(["container", "compact", &container]);
    bench.ok(["dict", "put", &container, "d", "the-key-that-is-lost", "v"]);
    flip_a_byte_of(&bench.home(), b"the-key-that-is-lost");

    let answer = bench.run(["container", "check", &container, "--json"]);
    assert_eq!(answer.code, 7);
    let message = bench.fails(7, ["dict", "get", &container, "d", "k"]);
    assert!(message.contains("--repair"), "{message}");
    let message = bench.fails(7, ["dict", "put", &container, "d", "k", "new"]);
    assert!(message.contains("--repair"), "{message}");
    let answer = bench.run(["container", "check", &container, "--repair"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert!(answer.stderr.contains("records were lost at 1 place"), "{}", answer.stderr);
    assert!(answer.text().contains("repaired:") && answer.text().contains(".log"), "{}", answer.text());
    let report = bench.json(["container", "check", &container, "--repair"]);
    assert_eq!((&report["lost"], &report["damages"]), (&json!(0), &json!([])));
    assert_eq!(bench.ok(["dict", "get", &container, "d", "k"]), b"kept");
    assert_eq!(bench.ok(["dict", "count", &container, "d"]), b"1\n");
}

#[test]
fn compaction_keeps_what_is_stored() {
    Bench::each(|bench| {
        let container = bench.prepare();
        for key in ["a", "b"] {
            bench.ok(["dict", "put", &container, "d", key, &"v".repeat(100_000)]);
        }
        bench.ok(["dict", "delete", &container, "d", "a"]);
        let response = bench.json(["container", "compact", &container]);
        let bytes = |name: &str| response[name].as_u64().expect("bytes");
        assert!(bytes("bytes_after") <= bytes("bytes_before"), "{response}");
        assert_eq!(bench.ok(["dict", "get", &container, "d", "b"]).len(), 100_000);
    });
}

/// Damages the file under `directory` that holds `content`, in the middle of it.
fn flip_a_byte_of(directory: &std::path::Path, content: &[u8]) {
    let needle = &content[..content.len().min(1000)];
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let mut bytes = fs::read(&path).expect("a file");
            if let Some(place) = bytes.windows(needle.len()).position(|window| window == needle) {
                bytes[place + needle.len() / 2] ^= 1;
                fs::write(&path, bytes).expect("a damaged file");
                return;
            }
        }
    }
    panic!("no file holds the value");
}

#[test]
fn metrics_are_for_prometheus_or_programs() {
    Bench::each(|bench| {
        let container = bench.prepare();
        let text = String::from_utf8(bench.ok(["container", "metrics", &container])).expect("text");
        assert!(text.contains("# TYPE millpond_records_bytes gauge\n"), "{text}");
        assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("millpond_")), "{text}");
        let metrics = bench.json(["container", "metrics", &container]);
        assert_eq!(metrics[0]["statistics"]["processes"], 1);
        assert!(metrics[0]["operations"].is_null());
        bench.fails(3, ["container", "metrics", &container, "nowhere/kv"]);
    });
}
