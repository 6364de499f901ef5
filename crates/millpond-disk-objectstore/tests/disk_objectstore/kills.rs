//! A process is killed at one system call of adding, packing, cleaning, repacking and deleting after the
//! other. What it said is done has to be there, nothing may be wrong, and the next one goes on where it
//! stopped, without anybody's help.
//!
//! What can break: rows without bytes, loose originals that went too early, packs that nobody knows, locks
//! and scratch files that stay.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use millpond::{BlobId, HashType, Result};
use millpond_disk_objectstore::{AddOptions, CompressMode, Config, Folder, PackLooseOptions, RepackOptions};
use millpond_testkit::{
    process::{Part, role, tell},
    random::{Random, test_scale, test_seed},
};

use crate::{
    oracle::Oracle,
    scratch::add,
    strace::{self, Point},
};

const DIR: &str = "MILLPOND_TEST_DIR";
const PATIENCE: Duration = Duration::from_secs(60);

fn content(number: u64) -> Vec<u8> {
    format!("object {number}, ").into_bytes().repeat(1 + number as usize % 50)
}

fn base(path: &Path) -> BTreeSet<u64> {
    let config = Config { pack_size_target: 2000, ..Config::default() };
    let folder = Folder::init(path, &config).expect("made");
    let contents: Vec<_> = (0..12).map(content).collect();
    add(&folder, &contents[..8], false);
    for content in &contents[6..] {
        folder.add_loose(&mut content.as_slice()).expect("added");
    }
    (0..12).collect()
}

/// What the process does, and tells when it is done, or that it failed.
fn play() {
    let path = std::env::var(DIR).expect("a directory");
    match work(Path::new(&path)) {
        Ok(()) => tell("end"),
        Err(error) => tell(format!("failed: {}", error.to_string().replace('\n', " "))),
    }
}

fn work(path: &Path) -> Result<()> {
    let folder = Folder::open(path)?;
    let id = |number| HashType::Sha256.hash(&content(number));
    for number in 20..23 {
        folder.add_loose(&mut content(number).as_slice())?;
        tell(format!("added {number}"));
    }
    let options = AddOptions { compress: true, ..AddOptions::default() };
    folder.add_to_pack((23..28).map(content), options, None)?;
    (23..28).for_each(|number| tell(format!("added {number}")));
    let pack = PackLooseOptions { compress: CompressMode::Auto, clean_per_pack: true, ..Default::default() };
    folder.pack_all_loose(pack, None)?;
    folder.add_loose(&mut content(1).as_slice())?;
    folder.clean_storage(false)?;
    tell("deleting 2");
    tell("deleting 20");
    folder.delete([id(2), id(20)])?;
    for keep_ids in [false, true] {
        let options = RepackOptions { compress: CompressMode::Yes, keep_ids };
        folder.repack(options, None)?;
    }
    folder.close()
}

struct Attack<'a> {
    test: &'a str,
    base: &'a Path,
    there: BTreeSet<u64>,
}

impl Attack<'_> {
    fn part(&self, path: &Path, strace: Vec<String>) -> Part {
        Part::new(self.test, "works").env(DIR, path).under(strace)
    }

    fn work(&self) -> std::path::PathBuf {
        let work = self.base.with_extension("work");
        let copied = std::process::Command::new("cp").arg("-r").arg(self.base).arg(&work).status();
        assert!(copied.expect("cp runs").success());
        work
    }

    fn rehearse(&self) -> Vec<Point> {
        let (work, trace) = (self.work(), self.base.with_extension("trace"));
        self.part(&work, strace::recording(&trace)).start().finish();
        let points = strace::points(&trace, &work);
        fs::remove_dir_all(work).expect("removed");
        points
    }

    /// Has `what` happen to the process at `point`, and looks at what is left. Answers whether it noticed.
    fn run(&self, point: &Point, what: &str, oracle: &mut Option<Oracle>) -> Result<bool, String> {
        let (work, trace) = (self.work(), self.base.with_extension("trace"));
        let mut process = self.part(&work, strace::injecting(&trace, point, what)).start();
        let status = process.end_within(PATIENCE)?;
        let (mut there, mut has_ended) = (self.there.clone(), false);
        while let Some(told) = process.told() {
            match told.split_once(' ').map(|(what, number)| (what, number.parse())) {
                Some(("added", Ok(number))) => drop(there.insert(number)),
                Some(("deleting", Ok(number))) => drop(there.remove(&number)),
                _ => has_ended |= told == "end",
            }
        }
        // What is printed is written, too, and whoever can't print panics.
        if !status.success() && !what.starts_with("signal") && point.call != "write" {
            return Err(format!("the process didn't survive an error: {status}"));
        }
        look(&work, &there, oracle, "at once")?;
        let folder = Folder::open(&work).map_err(|error| error.to_string())?;
        let went_on = (|| {
            folder.pack_all_loose(PackLooseOptions::default(), None)?;
            folder.clean_storage(true)?;
            folder.repack(RepackOptions::default(), None)
        })();
        went_on.map_err(|error| format!("going on: {error}"))?;
        folder.close().map_err(|error| error.to_string())?;
        look(&work, &there, oracle, "after going on")?;
        let left: Vec<_> = fs::read_dir(work.join("packs")).expect("listed").collect();
        let known = folder.packs().map_err(|error| error.to_string())?.len();
        if left.len() != known || folder.count_objects().map_err(|error| error.to_string())?.loose > 0 {
            return Err(format!("{left:?} are left, of which {known} are packs"));
        }
        fs::remove_dir_all(work).expect("removed");
        Ok(!has_ended)
    }
}

fn look(path: &Path, there: &BTreeSet<u64>, oracle: &mut Option<Oracle>, when: &str) -> Result<(), String> {
    let folder = Folder::open(path).map_err(|error| format!("{when}: {error}"))?;
    for number in there {
        let read = folder.read(&HashType::Sha256.hash(&content(*number)));
        match read {
            Ok(found) if found == content(*number) => {}
            found => return Err(format!("{when}: object {number} is {found:?}")),
        }
    }
    let ids: BTreeMap<BlobId, u64> =
        (0..30).map(|number| (HashType::Sha256.hash(&content(number)), number)).collect();
    for id in folder.ids().map_err(|error| error.to_string())? {
        let id = id.map_err(|error| error.to_string())?;
        ids.get(&id).ok_or_else(|| format!("{when}: nobody knows object {id}"))?;
    }
    let issues = folder.validate(None).map_err(|error| format!("{when}: {error}"))?;
    if !issues.is_valid() {
        return Err(format!("{when}: {issues:?}"));
    }
    folder.close().map_err(|error| error.to_string())?;
    if let Some(oracle) = oracle {
        oracle.at(path);
        oracle.finds_nothing_wrong();
        oracle.does(serde_json::json!(["close"]));
    }
    Ok(())
}

#[test]
fn a_process_killed_at_any_call_leaves_a_sound_folder() {
    const TEST: &str = "kills::a_process_killed_at_any_call_leaves_a_sound_folder";
    if role().is_some() {
        return play();
    }
    if !strace::is_there(TEST) {
        return;
    }
    let deaths = sweep(TEST, 60, &["signal=KILL"], |_| true);
    assert!(deaths > 30, "only {deaths} deaths: the test shows little");
}

#[test]
fn a_call_that_fails_leaves_a_sound_folder() {
    const TEST: &str = "kills::a_call_that_fails_leaves_a_sound_folder";
    if role().is_some() {
        return play();
    }
    if !strace::is_there(TEST) {
        return;
    }
    let calls = [
        "pwrite64",
        "write",
        "fdatasync",
        "fsync",
        "ftruncate",
        "rename",
        "unlink",
        "link",
        "mkdir",
        "openat",
    ];
    let changes = |point: &Point| calls.contains(&&*point.call) && !point.line.contains("TOLD");
    let noticed = sweep(TEST, 40, &["error=EIO", "error=ENOSPC"], changes);
    assert!(noticed > 10, "only {noticed} failures were noticed: the test shows little");
}

/// Has one of `what` happen at one after the other of the calls that `is_chosen`, or at some of them. Answers
/// how often the process noticed.
fn sweep(test: &str, runs: usize, what: &[&str], is_chosen: impl Fn(&Point) -> bool) -> usize {
    let mut oracle = Oracle::start(test);
    let seed = test_seed(1);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("folder");
    let there = base(&path);
    let attack = Attack { test, base: &path, there };
    let points: Vec<_> = attack.rehearse().into_iter().filter(is_chosen).collect();
    let mut random = Random::new(seed);
    let runs = runs * test_scale() as usize;
    println!("{} calls", points.len());
    let mut noticed = 0;
    for turn in 0..runs {
        let all = runs >= points.len();
        let point =
            if all && turn < points.len() { &points[turn] } else { &points[random.index(points.len())] };
        let what = what[random.index(what.len())];
        let has_noticed = attack.run(point, what, &mut oracle).unwrap_or_else(|why| {
            panic!("seed {seed}: {what} at call {} of {} ({}): {why}", point.nth, point.call, point.line)
        });
        noticed += usize::from(has_noticed);
    }
    println!("{noticed} of {runs} were noticed");
    noticed
}

#[test]
fn loose_originals_go_only_after_their_packs_are_durable() {
    const TEST: &str = "kills::loose_originals_go_only_after_their_packs_are_durable";
    if role().is_some() {
        return play();
    }
    if !strace::is_there(TEST) {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("folder");
    let there = base(&path);
    let points = Attack { test: TEST, base: &path, there }.rehearse();
    let removed = check_order(&points).unwrap_or_else(|why| panic!("{why}"));
    assert!(removed > 5, "{removed} loose files went");
}

/// Whether nothing that isn't durable is relied on. Answers how many loose files went.
fn check_order(points: &[Point]) -> Result<usize, String> {
    let (mut unsynced, mut removed) = (BTreeSet::new(), 0);
    for Point { call, line, .. } in points {
        let file = line.split(['<', '>', '"']).nth(1).unwrap_or_default().to_owned();
        match call.as_str() {
            "pwrite64" | "write" if file.contains("/packs/") => drop(unsynced.insert(file)),
            "fdatasync" | "fsync" => drop(unsynced.remove(&file)),
            "unlink" if line.contains("/loose/") => {
                removed += 1;
                if unsynced.iter().any(|file| file.contains("/packs/")) {
                    return Err(format!("{line} before {unsynced:?} are synced"));
                }
            }
            "rename" if line.contains("/loose/") => drop(unsynced.insert(loose_shard(line))),
            _ => {}
        }
    }
    if unsynced.is_empty() { Ok(removed) } else { Err(format!("never synced: {unsynced:?}")) }
}

/// The directory that a loose object was renamed into.
fn loose_shard(line: &str) -> String {
    let target = line.split('"').nth(3).unwrap_or_default();
    target.rsplit_once('/').map_or_else(String::new, |(directory, _)| directory.to_owned())
}

/// The tests of the tests.
mod planted {
    use serde_json::json;

    use super::*;
    use crate::oracle::hex;

    #[test]
    fn disk_objectstore_that_syncs_no_packs() {
        const TEST: &str = "kills::planted::disk_objectstore_that_syncs_no_packs";
        if !strace::is_there(TEST) {
            return;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let (path, trace) = (dir.path().join("folder"), dir.path().join("trace"));
        let Some(mut oracle) = Oracle::start_under(TEST, &strace::recording(&trace)) else { return };
        oracle.does(json!(["init", path, {}]));
        oracle.does(json!(["add_loose", [hex(&content(1))]]));
        oracle.does(json!(["pack_all_loose", "no", true]));
        oracle.ends();
        let found = check_order(&strace::points(&trace, &path)).expect_err("the bug was not noticed");
        assert!(found.contains("unlink") && found.contains("/packs/0"), "{found}");
    }

    #[test]
    fn an_object_that_is_lost() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("folder");
        let there = base(&path);
        assert_eq!(look(&path, &there, &mut None, "before"), Ok(()));
        let index = rusqlite::Connection::open(path.join("packs.idx")).expect("opened");
        let key = HashType::Sha256.hash(&content(3)).to_string();
        index.execute("DELETE FROM db_object WHERE hashkey = ?1", [key]).expect("deleted");
        println!("{}", look(&path, &there, &mut None, "after").expect_err("the loss was not noticed"));
    }

    #[test]
    fn bytes_that_were_never_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("folder");
        base(&path);
        let pack = std::fs::OpenOptions::new().write(true).open(path.join("packs/0")).expect("opened");
        pack.set_len(100).expect("cut");
        println!("{}", look(&path, &BTreeSet::new(), &mut None, "after").expect_err("not noticed"));
    }
}
