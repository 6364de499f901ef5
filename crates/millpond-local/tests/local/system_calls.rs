//! A process is killed at, or denied, one system call of recovery, commit, checkpoint and
//! compaction after the other, on real files and beside a process that lives on.
//!
//! What can break: what the simulated machine doesn't know of. A mutex in shared memory whose
//! owner is gone; a lock file, a mapping, a scratch file left behind; an error of a call that
//! nobody looked at; a sync that failed and was believed.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc, time::Duration};

use millpond_core::{Durability, Error, Store};
use millpond_testkit::{
    process::{Part, role, tell},
    random::{Random, test_scale, test_seed},
};

use crate::{
    planting,
    short_media::ShortMedia,
    strace::{self, Point},
    workload,
};

const DIR: &str = "MILLPOND_TEST_DIR";
/// A process that takes longer hangs. It may wait for one lock.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the process does: recovery of what a killed one left, commits of every kind, a checkpoint
/// and a merge, closing and opening again. It goes on after errors, and tells what was done.
fn play(dir: &Path) {
    let mut number = 100;
    let mut commits = |store: &dyn Store, count: u64| {
        for _ in 0..count {
            let is_synced = number % 3 == 0;
            let durability = if is_synced { Durability::Sync } else { Durability::Async };
            match workload::commit(store, "child", number, durability) {
                Ok(()) => {
                    let class = if is_synced { "synced" } else { "done" };
                    tell(format!("{class} {}", workload::acknowledgement("child", number)));
                }
                Err(error) => tell_error("commit", &error),
            }
            number += 1;
        }
    };
    for round in 0..2 {
        let store = match workload::open(dir, false) {
            Ok(store) => store,
            Err(error) => return tell_error("open", &error),
        };
        commits(&store, 12);
        if let Err(error) = store.compact() {
            tell_error("compact", &error);
        }
        commits(&store, 12);
        if round == 0
            && let Err(error) = store.close()
        {
            tell_error("close", &error);
        }
    }
    tell("end");
}

fn tell_error(doing: &str, error: &Error) {
    tell(format!("failed {doing} {:?}: {}", error.kind(), error.to_string().replace('\n', " ")));
}

/// A container that a killed process left, with what it acknowledged.
fn base(dir: &Path) -> BTreeSet<String> {
    workload::create(dir);
    let store = workload::open(dir, false).expect("opened");
    let mut acknowledged = BTreeSet::new();
    for number in 0..30 {
        let durability = if number % 4 == 0 { Durability::Sync } else { Durability::Async };
        workload::commit(&store, "base", number, durability).expect("committed");
        acknowledged.insert(workload::acknowledgement("base", number));
    }
    // Copied while it is open, as a death would leave it.
    let left = dir.with_extension("left");
    workload::copy_dir(dir, &left).expect("copied");
    drop(store);
    fs::remove_dir_all(dir).expect("removed");
    fs::rename(left, dir).expect("renamed");
    acknowledged
}

struct Attack<'a> {
    test: &'a str,
    base: &'a Path,
    acknowledged: &'a BTreeSet<String>,
    bug: u32,
}

impl Attack<'_> {
    fn part(&self, dir: &Path, strace: Vec<String>) -> Part {
        Part::new(self.test, self.bug.to_string()).env(DIR, dir).under(strace)
    }

    /// The calls that the process makes when nothing happens to it.
    fn rehearse(&self) -> Vec<Point> {
        let (dir, trace) = (self.base.with_extension("work"), self.base.with_extension("trace"));
        workload::copy_dir(self.base, &dir).expect("copied");
        self.part(&dir, strace::recording(&trace)).start().finish();
        let points = strace::points(&trace, &dir);
        fs::remove_dir_all(&dir).expect("removed");
        points
    }

    /// Has something happen at `point`, and checks what is left. Answers whether the process was
    /// killed, and what it told.
    fn run(&self, point: &Point, what: &str, with_witness: bool) -> Result<(bool, Vec<String>), String> {
        let (dir, trace) = (self.base.with_extension("work"), self.base.with_extension("trace"));
        workload::copy_dir(self.base, &dir).expect("copied");
        let witness = with_witness.then(|| workload::open(&dir, true)).transpose();
        let witness = witness.map_err(|error| error.to_string())?;
        let mut process = self.part(&dir, strace::injecting(&trace, point, what)).start();
        let status = process.end_within(PATIENCE)?;
        let told: Vec<String> = std::iter::from_fn(|| process.told()).collect();
        let mut acknowledged = self.acknowledged.clone();
        for line in &told {
            match line.split_once(' ') {
                Some(("done" | "synced", commit)) => drop(acknowledged.insert(commit.to_owned())),
                Some(("failed", _)) if what.starts_with("error") => {}
                _ if line == "end" => {}
                _ => return Err(format!("the process told {line:?}")),
            }
        }
        let is_killed = !status.success();
        if is_killed && !what.starts_with("signal") {
            return Err(format!("the process didn't survive an error: {status}, after {:?}", told.last()));
        }
        if let Some(witness) = witness {
            go_on(&witness, "witness", &mut acknowledged)
                .map_err(|why| format!("seen by a process that stayed: {why}"))?;
        }
        for name in ["first", "second"] {
            let store = workload::open(&dir, false).map_err(|error| format!("opening: {error}"))?;
            go_on(&store, name, &mut acknowledged).map_err(|why| format!("opened afterwards: {why}"))?;
            store.close().map_err(|error| format!("closing: {error}"))?;
        }
        let left = leftovers(&dir);
        if !left.is_empty() {
            return Err(format!("scratch files are left after two openings: {left:?}"));
        }
        fs::remove_dir_all(&dir).expect("removed");
        Ok((is_killed, told))
    }

    /// Goes through `points`, or some of them, and does `what` there. Answers how many times the
    /// process was killed, or told of a failure.
    fn sweep(
        &self,
        points: &[Point],
        what: &[&str],
        points_max: usize,
        random: &mut Random,
    ) -> Result<u64, String> {
        let mut noticed = 0;
        for turn in 0..points_max {
            let point = if points_max >= points.len() && turn < points.len() {
                &points[turn]
            } else {
                &points[random.index(points.len())]
            };
            let what = what[random.index(what.len())];
            let (is_killed, told) = self.run(point, what, random.chance(500)).map_err(|why| {
                format!("{what} at call {} of {} ({}): {why}", point.nth, point.call, point.line)
            })?;
            noticed += u64::from(is_killed || told.iter().any(|line| line.starts_with("failed")));
        }
        Ok(noticed)
    }
}

/// Checks, commits, and checks again.
fn go_on(store: &dyn Store, name: &str, acknowledged: &mut BTreeSet<String>) -> Result<(), String> {
    workload::check_all(store, acknowledged)?;
    for (number, durability) in [(1, Durability::Async), (2, Durability::Sync)] {
        workload::commit(store, name, number, durability).map_err(|error| error.to_string())?;
        acknowledged.insert(workload::acknowledgement(name, number));
    }
    workload::check_all(store, acknowledged)
}

/// Files that a death left and nobody took away.
fn leftovers(dir: &Path) -> Vec<String> {
    let mut left = Vec::new();
    for part in ["", "log", "runs", "segments"] {
        for entry in fs::read_dir(dir.join(part)).expect("a directory") {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            if name.contains("tmp") || name.contains("new") {
                left.push(format!("{part}/{name}"));
            }
        }
    }
    left
}

/// Plays the part if this is its process; else attacks, and answers how often it was noticed.
fn attack(
    test: &str,
    bug: u32,
    seed: u64,
    work: impl FnOnce(&Attack<'_>, &[Point], &mut Random) -> Result<u64, String>,
) -> Result<u64, String> {
    let dir = tempfile::tempdir().expect("a directory");
    let base_dir = dir.path().join("container");
    let acknowledged = base(&base_dir);
    let attack = Attack { test, base: &base_dir, acknowledged: &acknowledged, bug };
    let points = attack.rehearse();
    work(&attack, &points, &mut Random::new(seed))
}

fn plays() -> bool {
    let Some(role) = role() else { return false };
    let _planted = planting::plant(role.parse().expect("a number"));
    play(Path::new(&std::env::var(DIR).expect("a directory")));
    true
}

/// The calls that write or sync, or change a directory.
fn changes(points: &[Point]) -> Vec<Point> {
    let calls = ["pwrite64", "write", "fdatasync", "fsync", "fallocate", "ftruncate", "rename", "unlink"];
    let of_files = |point: &&Point| calls.contains(&&*point.call) && !point.line.contains("TOLD");
    points.iter().filter(of_files).cloned().collect()
}

#[test]
fn a_process_killed_at_any_call_loses_nothing() {
    const TEST: &str = "system_calls::a_process_killed_at_any_call_loses_nothing";
    if plays() || !strace::is_there(TEST) {
        return;
    }
    let seed = test_seed(1);
    let points_max = 50 * test_scale() as usize;
    let kills = attack(TEST, 0, seed, |attack, points, random| {
        println!("{} calls", points.len());
        attack.sweep(points, &["signal=KILL"], points_max, random)
    });
    let kills = kills.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    println!("{kills} deaths");
    assert!(kills * 2 > points_max as u64, "only {kills} deaths: the test shows little");
}

#[test]
fn a_call_that_fails_loses_nothing() {
    const TEST: &str = "system_calls::a_call_that_fails_loses_nothing";
    if plays() || !strace::is_there(TEST) {
        return;
    }
    let seed = test_seed(1);
    let points_max = 40 * test_scale() as usize;
    let failures = attack(TEST, 0, seed, |attack, points, random| {
        let points = changes(points);
        println!("{} calls", points.len());
        attack.sweep(&points, &["error=EIO", "error=ENOSPC"], points_max, random)
    });
    let failures = failures.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    println!("{failures} failures were told of");
    assert!(failures * 4 > points_max as u64, "only {failures} failures: the test shows little");
}

/// After a failed sync of a log file, no commit may count as synced before another log file is.
fn believed_syncs(
    attack: &Attack<'_>,
    points: &[Point],
    points_max: usize,
    random: &mut Random,
) -> Result<u64, String> {
    let syncs: Vec<_> =
        points.iter().filter(|point| point.call == "fdatasync" && point.line.contains("/log/")).collect();
    for _ in 0..points_max {
        let point = syncs[random.index(syncs.len())];
        attack.run(point, "error=EIO", false).map_err(|why| format!("{}: {why}", point.line))?;
        let trace = fs::read_to_string(attack.base.with_extension("trace")).expect("a trace");
        let mut failed: Option<String> = None;
        for line in trace.lines() {
            let path = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            let syncs_log = line.contains("sync(") && path.contains("/log/");
            match &failed {
                None if syncs_log && line.contains("(INJECTED)") => failed = Some(path),
                Some(bad) if syncs_log && line.ends_with("= 0") && path != *bad => failed = None,
                Some(bad) if line.contains("TOLD synced") => {
                    return Err(format!("{bad} wasn't synced, and yet: {line}"));
                }
                _ => {}
            }
        }
    }
    Ok(points_max as u64)
}

#[test]
fn a_sync_that_failed_is_not_believed() {
    const TEST: &str = "system_calls::a_sync_that_failed_is_not_believed";
    if plays() || !strace::is_there(TEST) {
        return;
    }
    let seed = test_seed(1);
    let points_max = 10 * test_scale() as usize;
    let done =
        attack(TEST, 0, seed, |attack, points, random| believed_syncs(attack, points, points_max, random));
    assert_eq!(done, Ok(points_max as u64), "seed {seed}");
}

#[test]
fn reads_and_writes_that_are_short_lose_nothing() {
    let seed = test_seed(1);
    for round in 0..4 * test_scale() {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path().join("container");
        let mut acknowledged = base(&dir);
        for name in ["first", "second"] {
            let media = Arc::new(ShortMedia::new(seed + round));
            let store = workload::open_on(media, &dir, false).expect("opened");
            for number in 0..40 {
                let durability = if number % 3 == 0 { Durability::Sync } else { Durability::Async };
                workload::commit(&store, name, number, durability).expect("committed");
                acknowledged.insert(workload::acknowledgement(name, number));
            }
            store.compact().expect("compacted");
            assert_eq!(workload::check_all(&store, &acknowledged), Ok(()), "seed {}", seed + round);
        }
        let store = workload::open(&dir, false).expect("opened");
        assert_eq!(workload::check_all(&store, &acknowledged), Ok(()), "seed {}", seed + round);
    }
}

/// The tests of the tests.
#[cfg(feature = "planted-bugs")]
mod planted {
    use millpond_local::bugs::Bug;

    use super::*;

    #[test]
    fn a_log_file_that_a_dead_process_began() {
        const TEST: &str = "system_calls::planted::a_log_file_that_a_dead_process_began";
        if plays() || !strace::is_there(TEST) {
            return;
        }
        // It is the process that takes over the lock which errs.
        let _planted = millpond_local::bugs::plant(Bug::TakeOverWithoutZeroing);
        let found = attack(TEST, 0, 1, |attack, points, _| {
            for point in points.iter().filter(|point| point.line.contains("/log")) {
                attack.run(point, "signal=KILL", true)?;
            }
            Ok(0)
        });
        println!("{}", found.expect_err("the bug was not noticed"));
    }

    #[test]
    fn a_failed_sync_that_is_believed() {
        const TEST: &str = "system_calls::planted::a_failed_sync_that_is_believed";
        if plays() || !strace::is_there(TEST) {
            return;
        }
        let bug = Bug::AcknowledgeAfterFailedSync as u32;
        let found = attack(TEST, bug, 1, |attack, points, random| believed_syncs(attack, points, 20, random));
        println!("{}", found.expect_err("the bug was not noticed"));
    }
}
