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

use millpond::{BlobId, HashType};
use millpond_disk_objectstore::{CompressMode, Config, Folder, PackLooseOptions, RepackOptions};
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

/// What the process does, and tells when it is done.
fn play(path: &Path) {
    let folder = Folder::open(path).expect("opened");
    let id = |number| HashType::Sha256.hash(&content(number));
    for number in 20..23 {
        folder.add_loose(&mut content(number).as_slice()).expect("added");
        tell(format!("added {number}"));
    }
    add(&folder, &(23..28).map(content).collect::<Vec<_>>(), true);
    (23..28).for_each(|number| tell(format!("added {number}")));
    let pack = PackLooseOptions { compress: CompressMode::Auto, clean_per_pack: true, ..Default::default() };
    folder.pack_all_loose(pack, None).expect("packed");
    folder.add_loose(&mut content(1).as_slice()).expect("added");
    folder.clean_storage(false).expect("cleaned");
    tell("deleting 2");
    tell("deleting 20");
    folder.delete([id(2), id(20)]).expect("deleted");
    for keep_ids in [false, true] {
        let options = RepackOptions { compress: CompressMode::Yes, keep_ids };
        folder.repack(options, None).expect("repacked");
    }
    folder.close().expect("closed");
    tell("end");
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

    /// Kills the process at `point`, and looks at what is left. Answers whether it was killed.
    fn run(&self, point: &Point, oracle: &mut Option<Oracle>) -> Result<bool, String> {
        let (work, trace) = (self.work(), self.base.with_extension("trace"));
        let mut process = self.part(&work, strace::injecting(&trace, point, "signal=KILL")).start();
        let status = process.end_within(PATIENCE)?;
        let (mut there, mut in_doubt) = (self.there.clone(), BTreeSet::new());
        while let Some(told) = process.told() {
            match told.split_once(' ').map(|(what, number)| (what, number.parse().expect("a number"))) {
                Some(("added", number)) => drop(there.insert(number)),
                Some(("deleting", number)) => {
                    there.remove(&number);
                    in_doubt.insert(number);
                }
                _ => {}
            }
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
        Ok(!status.success())
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
        return play(Path::new(&std::env::var(DIR).expect("a directory")));
    }
    if !strace::is_there(TEST) {
        return;
    }
    let mut oracle = Oracle::start(TEST);
    let seed = test_seed(1);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("folder");
    let there = base(&path);
    let attack = Attack { test: TEST, base: &path, there };
    let points = attack.rehearse();
    let mut random = Random::new(seed);
    let runs = 60 * test_scale() as usize;
    println!("{} calls", points.len());
    let mut kills = 0;
    for turn in 0..runs {
        let all = runs >= points.len();
        let point =
            if all && turn < points.len() { &points[turn] } else { &points[random.index(points.len())] };
        let killed = attack.run(point, &mut oracle).unwrap_or_else(|why| {
            panic!("seed {seed}: killed at call {} of {} ({}): {why}", point.nth, point.call, point.line)
        });
        kills += usize::from(killed);
    }
    println!("{kills} deaths");
    assert!(kills * 2 > runs, "only {kills} deaths: the test shows little");
}

#[test]
fn loose_originals_go_only_after_their_packs_are_durable() {
    const TEST: &str = "kills::loose_originals_go_only_after_their_packs_are_durable";
    if role().is_some() {
        return play(Path::new(&std::env::var(DIR).expect("a directory")));
    }
    if !strace::is_there(TEST) {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("folder");
    let there = base(&path);
    let points = Attack { test: TEST, base: &path, there }.rehearse();
    let (mut unsynced, mut removed) = (BTreeSet::new(), 0);
    for Point { call, line, .. } in &points {
        let file = line.split(['<', '>', '"']).nth(1).unwrap_or_default().to_owned();
        match call.as_str() {
            "pwrite64" | "write" if file.contains("/packs/") => drop(unsynced.insert(file)),
            "fdatasync" | "fsync" => drop(unsynced.remove(&file)),
            "unlink" if line.contains("/loose/") => {
                removed += 1;
                assert!(unsynced.is_empty(), "{line} before {unsynced:?} are synced");
            }
            "rename" if line.contains("/loose/") => drop(unsynced.insert(loose_shard(line))),
            _ => {}
        }
    }
    let shards: Vec<_> = unsynced.iter().filter(|file| file.contains("/loose")).collect();
    assert!(shards.is_empty(), "never synced: {shards:?}");
    assert!(removed > 5, "{removed} loose files went");
}

/// The directory that a loose object was renamed into.
fn loose_shard(line: &str) -> String {
    let target = line.split('"').nth(3).unwrap_or_default();
    target.rsplit_once('/').map_or_else(String::new, |(directory, _)| directory.to_owned())
}
