//! `millpond blob`.

use std::{fs, os::unix::fs::symlink};

use millpond_disk_objectstore::{Config, Folder};
use serde_json::json;

use crate::bench::Bench;

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// A store in a container that `init` makes; answers the container's name.
fn prepare(bench: &Bench) -> String {
    let pool = bench.pool("lab");
    let container = format!("{pool}/files");
    bench.ok(["pool", "create", &pool, "--size", "64MiB"]);
    bench.ok(["blob", "init", &container]);
    container
}

#[test]
fn files_are_stored_and_come_back() {
    Bench::each(|bench| {
        let container = prepare(bench);
        let here = bench.directory();
        fs::write(here.join("abc"), "abc").expect("written");
        fs::create_dir_all(here.join("tree/deep")).expect("made");
        fs::write(here.join("tree/deep/copy"), "abc").expect("written");
        fs::write(here.join("tree/long"), "line\n".repeat(100_000)).expect("written");
        symlink("/etc/passwd", here.join("tree/link")).expect("linked");
        let path = |name: &str| here.join(name).to_string_lossy().into_owned();
        let added = bench.ok(["blob", "add-files", &container, &path("abc")]);
        assert_eq!(String::from_utf8(added).expect("text"), format!("{ABC}  {}\n", path("abc")));
        bench.fails(2, ["blob", "add-files", &container, &path("tree")]);
        let added = bench.json(["blob", "add-files", &container, "--recursive", &path("tree")]);
        let files = added["files"].as_array().expect("files");
        assert_eq!(files.len(), 2, "a link isn't followed");
        assert_eq!(files[0], json!({ "id": ABC, "path": path("tree/deep/copy"), "size": 3, "new": false }));
        assert_eq!((&added["new"], &added["bytes"]), (&json!(1), &json!(500_003)));

        assert_eq!(bench.ok(["blob", "cat", &container, ABC]), b"abc");
        let shown = json!({ "id": ABC, "length": 3, "value": "abc" });
        assert_eq!(bench.json(["blob", "cat", &container, ABC]), shown);
        let long = files[1]["id"].as_str().expect("an id").to_owned();
        let target = path("target");
        bench.ok(["blob", "cat-file", &container, &long, "--output", &target]);
        assert!(fs::read(&target).expect("read") == "line\n".repeat(100_000).as_bytes());
        let status = bench.json(["blob", "status", &container]);
        assert_eq!((&status["count"], &status["raw_size"]), (&json!(2), &json!(500_003)));
        assert_eq!((&status["hash"], &status["compression"]), (&json!("sha256"), &json!("zstd+3")));
        let inspected = bench.json(["blob", "inspect", &container, &long, ABC]);
        assert_eq!((&inspected[0]["codec"], &inspected[1]["codec"]), (&json!("zstd"), &json!("none")));
        let mut ids = vec![ABC, &long];
        ids.sort_unstable();
        assert_eq!(bench.json(["blob", "list", &container]), json!(ids));
        assert_eq!(bench.ok(["blob", "list", &container]), format!("{}\n{}\n", ids[0], ids[1]).as_bytes());
        assert_eq!(bench.json(["blob", "delete", &container, ABC]), json!({ "deleted": [ABC] }));
        let again = bench.run(["--json", "blob", "delete", &container, ABC]);
        assert_eq!((again.code, &again.document()["response"]), (3, &json!({ "deleted": [] })));
        bench.fails(3, ["blob", "cat", &container, ABC]);
        assert_eq!(bench.run(["blob", "inspect", &container, ABC]).code, 3);
        bench.fails(2, ["blob", "cat", &container, "abc"]);
        bench.fails(3, ["blob", "status", &container, "--store", "blob"]);
        bench.fails(4, ["blob", "init", &container]);
        bench.fails(3, ["blob", "add-files", &container, &path("missing")]);
        bench.fails(2, ["blob", "add-files", &container, "/dev/null"]);
    });
}

#[test]
fn names_of_files_do_not_reach_the_terminal_as_they_are() {
    let bench = Bench::processes();
    let container = prepare(&bench);
    let hostile = bench.directory().join("\u{1b}[2Jx\n..");
    fs::write(&hostile, "abc").expect("written");
    let added = bench.ok(["blob", "add-files", &container, &hostile.to_string_lossy()]);
    let added = String::from_utf8(added).expect("text");
    assert!(added.starts_with(ABC) && !added.contains('\u{1b}'), "{added}");
    assert_eq!(added.lines().count(), 1, "{added}");
}

#[test]
fn stores_are_optimized_and_validated() {
    Bench::each(|bench| {
        let container = prepare(bench);
        for number in 0..20 {
            let path = bench.directory().join(number.to_string());
            fs::write(&path, format!("{number} ").repeat(3000)).expect("written");
            bench.ok(["blob", "add-files", &container, "--compression", "none", &path.to_string_lossy()]);
        }
        let optimized = bench.json(["blob", "optimize", &container]);
        assert_eq!((&optimized["examined"], &optimized["changed"]), (&json!(20), &json!(20)));
        let repacked = bench.json(["blob", "repack", &container, "--compression", "zlib+9"]);
        assert_eq!(repacked["changed"], json!(20));
        let again = bench.json(["blob", "optimize", "repack", &container]);
        assert_eq!(again["examined"], json!(20));
        assert!(bench.json(["blob", "pack", &container])["used_after"].is_u64());
        assert!(bench.json(["blob", "optimize", "pack", &container])["used_after"].is_u64());
        bench.fails(2, ["blob", "optimize", "squash", &container]);
        for full in [&[][..], &["--full"]] {
            let words = [&["blob", "validate", &container], full].concat();
            let validated = bench.json(words);
            assert_eq!((&validated["count"], &validated["invalid"]), (&json!(20), &json!([])));
        }
    });
}

#[test]
fn a_damaged_blob_is_named() {
    let bench = Bench::processes();
    let container = prepare(&bench);
    let path = bench.directory().join("file");
    fs::write(&path, vec![7; 100_000]).expect("written");
    let added =
        bench.json(["blob", "add-files", &container, "--compression", "none", &path.to_string_lossy()]);
    let id = added["files"][0]["id"].as_str().expect("an id").to_owned();
    let pool = bench.home().join("lab");
    let segment = walk(&pool).into_iter().find(|path| path.extension().is_some_and(|end| end == "seg"));
    let segment = segment.expect("a segment");
    let mut bytes = fs::read(&segment).expect("read");
    let middle = bytes.windows(100).position(|window| window == [7; 100]).expect("the blob") + 50;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).expect("damaged");
    let answer = bench.run(["--json", "blob", "validate", &container]);
    assert_eq!(answer.code, 7);
    assert_eq!(answer.document()["response"]["invalid"][0][0], json!(id));
    bench.fails(7, ["blob", "cat", &container, &id]);
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_store_is_backed_up_and_restored() {
    let bench = Bench::processes();
    let container = prepare(&bench);
    let here = bench.directory();
    let path = |name: &str| here.join(name).to_string_lossy().into_owned();
    fs::write(here.join("abc"), "abc").expect("written");
    bench.ok(["blob", "add-files", &container, &path("abc")]);
    let to = path("backups");
    let first = bench.json(["blob", "backup", &container, &to]);
    assert_eq!((&first["entry"]["type"], &first["bytes_linked"]), (&json!("BLOB"), &json!(0)));
    let second = bench.json(["container", "backup", &container, &to, "--keep", "1"]);
    assert_ne!(second["bytes_linked"], json!(0));
    assert!(!here.join(first["path"].as_str().expect("a path")).exists(), "one is kept");
    bench.fails(2, ["container", "backup", &container, &to, "--keep", "0"]);
    let verified = bench.json(["--timeout", "0.5", "backup", "verify", &to]);
    assert_eq!(verified["damages"], json!([]), "{verified}");
    assert_eq!(verified["backup"]["path"], second["path"]);
    bench.fails(3, ["backup", "verify", &path("elsewhere")]);
    bench.fails(2, ["--timeout", "-1", "backup", "verify", &to]);

    let pool = bench.pool("other");
    bench.ok(["pool", "create", &pool]);
    bench.fails(2, ["blob", "restore", &to, &pool]);
    bench.ok(["blob", "restore", &to, &format!("{pool}/again")]);
    assert_eq!(bench.ok(["blob", "cat", &format!("{pool}/again"), ABC]), b"abc");
    // The pool has it already.
    bench.fails(4, ["container", "restore", &to, &format!("{pool}/more")]);
    bench.fails(3, ["container", "restore", &path("nothing"), &format!("{pool}/more")]);
}

#[test]
fn a_folder_is_migrated() {
    Bench::each(|bench| {
        let container = prepare(bench);
        let path = bench.directory().join("folder");
        let name = path.to_string_lossy().into_owned();
        let folder = Folder::init(&path, &Config::default()).expect("made");
        folder.add_loose(&mut &b"abc"[..]).expect("added");
        folder.add_to_pack([&b"def"[..]], Default::default(), None).expect("added");
        let migrated = |dry_run: bool, count: u64, present: u64| json!({ "dry_run": dry_run, "count": count, "bytes": 3 * count, "present": present, "damaged": [] });
        let command = ["blob", "migrate", &name, &container];
        assert_eq!(bench.json(["blob", "migrate", &name, &container, "--dry-run"]), migrated(true, 2, 0));
        assert_eq!(bench.json(["blob", "list", &container]), json!([]));
        assert_eq!(bench.json(command), migrated(false, 2, 0));
        assert_eq!(bench.json(command), migrated(false, 0, 2));
        assert_eq!(bench.ok(["blob", "cat", &container, ABC]), b"abc");
        bench.fails(3, ["blob", "migrate", &format!("{name}-not"), &container]);

        fs::write(path.join("packs/0"), "dXf").expect("written");
        bench.ok(["blob", "init", &container, "--store", "again"]);
        let damaged = bench.run(["--json", "blob", "migrate", &name, &container, "--store", "again"]);
        let response = &damaged.document()["response"];
        assert_eq!((damaged.code, &response["count"]), (7, &json!(1)), "{response}");
        assert_eq!(response["damaged"].as_array().expect("a list").len(), 1);
    });
}
