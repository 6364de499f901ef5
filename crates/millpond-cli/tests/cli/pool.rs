//! `millpond pool`.

use serde_json::json;

use crate::bench::Bench;

#[test]
fn a_pool_is_created_shown_and_destroyed() {
    Bench::each(|bench| {
        let pool = bench.pool("lab");
        let created = bench.json(["pool", "create", &pool, "--size", "1GiB"]);
        assert_eq!(created["size"], 1 << 30);
        assert_eq!(created["containers"], json!([]));
        let query = bench.json(["pool", "query", &pool]);
        assert_eq!(query["uuid"], created["uuid"]);
        assert_eq!(query["url"], created["url"]);
        let text = String::from_utf8(bench.ok(["pool", "query", &pool])).expect("text");
        assert!(text.contains("1.0 GiB"), "{text}");
        assert!(text.contains(created["uuid"].as_str().expect("a UUID")), "{text}");

        let text = String::from_utf8(bench.ok(["pool", "destroy", &pool])).expect("text");
        assert!(text.starts_with("destroyed pool"), "{text}");
        bench.fails(3, ["pool", "query", &pool]);
        bench.fails(3, ["pool", "destroy", &pool]);
    });
}

#[test]
fn a_pool_is_found_by_its_uuid_and_its_url() {
    let bench = Bench::processes();
    let created = bench.json(["pool", "create", "lab"]);
    for name in ["uuid", "url"] {
        let name = created[name].as_str().expect("a name");
        assert_eq!(bench.json(["pool", "query", name])["label"], "lab");
    }
    let elsewhere = format!("file://{}/elsewhere", bench.directory().display());
    bench.ok(["pool", "create", &elsewhere]);
    assert_eq!(bench.json(["pool", "query", &elsewhere])["label"], "elsewhere");
    assert_eq!(bench.json(["pool", "list"]).as_array().map(Vec::len), Some(1));
}

#[test]
fn pools_are_listed_by_label() {
    let bench = Bench::processes();
    let answer = bench.run(["pool", "list"]);
    assert_eq!(answer.code, 0);
    assert!(answer.stderr.contains("millpond pool create"), "{}", answer.stderr);
    assert_eq!(bench.json(["pool", "list"]), json!([]));

    bench.ok(["pool", "create", "two", "--size", "1GiB"]);
    bench.ok(["pool", "create", "one"]);
    bench.ok(["container", "create", "one/c"]);
    let listed = bench.json(["pool", "list"]);
    assert_eq!(listed[0]["label"], "one");
    assert_eq!(listed[0]["size"], json!(null));
    assert_eq!(listed[0]["containers"], 1);
    assert_eq!(listed[1]["label"], "two");
    let text = String::from_utf8(bench.ok(["pool", "ls"])).expect("text");
    let first_words: Vec<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(first_words, ["POOL", "one", "two"]);
}

#[test]
fn a_pool_that_holds_containers_is_destroyed_by_force_alone() {
    Bench::each(|bench| {
        bench.prepare();
        let pool = bench.pool("lab");
        let message = bench.fails(5, ["pool", "destroy", &pool]);
        assert!(message.contains("force"), "{message}");
        bench.ok(["pool", "destroy", &pool, "--force"]);
        bench.fails(3, ["pool", "query", &pool]);
    });
}

#[test]
fn a_second_pool_of_the_same_name_is_refused() {
    Bench::each(|bench| {
        let pool = bench.pool("lab");
        bench.ok(["pool", "create", &pool]);
        let message = bench.fails(4, ["pool", "create", &pool]);
        assert!(message.contains("lab"), "{message}");
    });
}

#[test]
fn a_label_that_is_none_is_refused() {
    let bench = Bench::processes();
    for label in ["a b", "2f2a3c1e-6f0b-4a51-8d5d-0d8c3c1b9a77", "a/b", ""] {
        bench.fails(2, ["pool", "create", label]);
    }
    assert_eq!(bench.json(["pool", "list"]), json!([]));
}

#[test]
fn a_misspelt_pool_is_corrected() {
    let bench = Bench::processes();
    bench.ok(["pool", "create", "pydaos"]);
    bench.ok(["container", "create", "pydaos/kvstore"]);
    for args in [["pool", "query", "pydoas"], ["container", "list", "pydoas"], ["pool", "destroy", "pydoas"]]
    {
        let message = bench.fails(3, args);
        assert!(message.contains("did you mean \"pydaos\"?"), "{message}");
    }
    let message = bench.fails(3, ["container", "query", "pydoas/kvstore"]);
    assert!(message.contains("did you mean \"pydaos\"?"), "{message}");
    let message = bench.fails(3, ["container", "query", "pydaos/kvstroe"]);
    assert!(message.contains("did you mean \"pydaos/kvstore\"?"), "{message}");
}

#[test]
fn properties_are_shown_and_changed() {
    Bench::each(|bench| {
        let pool = bench.pool("lab");
        bench.ok(["pool", "create", &pool, "--size", "1GiB"]);
        bench.ok(["pool", "set-prop", &pool, "size=2GiB"]);
        assert_eq!(bench.json(["pool", "query", &pool])["size"], 2u64 << 30);
        assert!(bench.json(["pool", "get-prop", &pool])["size"].is_string());
        let one = bench.json(["pool", "get-prop", &pool, "size"]);
        assert_eq!(one.as_object().map(serde_json::Map::len), Some(1));
        let message = bench.fails(3, ["pool", "get-prop", &pool, "colour"]);
        assert!(message.contains("size"), "{message}");
        bench.fails(2, ["pool", "set-prop", &pool, "colour=red"]);
        bench.fails(2, ["pool", "set-prop", &pool, "size"]);
    });
}

#[test]
fn attributes_are_noted_and_deleted() {
    Bench::each(|bench| {
        let pool = bench.pool("lab");
        bench.ok(["pool", "create", &pool]);
        bench.ok(["pool", "set-attr", &pool, "owner=ada", "equation=a=b"]);
        bench.ok(["pool", "set-attr", &pool, "note", "of the = second run"]);
        assert_eq!(bench.ok(["pool", "get-attr", &pool, "owner"]), b"ada\n");
        assert_eq!(bench.json(["pool", "get-attr", &pool, "equation"]), json!({ "equation": "a=b" }));
        let all = json!({ "owner": "ada", "equation": "a=b", "note": "of the = second run" });
        assert_eq!(bench.json(["pool", "list-attrs", &pool]), all);
        bench.ok(["pool", "del-attr", &pool, "owner", "note"]);
        assert_eq!(bench.json(["pool", "list-attrs", &pool]), json!({ "equation": "a=b" }));
        bench.fails(3, ["pool", "get-attr", &pool, "owner"]);
        bench.fails(3, ["pool", "del-attr", &pool, "owner"]);
    });
}
