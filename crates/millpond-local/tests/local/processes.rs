//! Real processes on real files, killed with SIGKILL at any instant.
//!
//! What can break: a killed process leaves a lock, half a record, a record that is not published,
//! a run or segment that nobody names. What must hold, for a process that was attached all along
//! and for one that opens the container afterwards: every commit that a process was told of is
//! there, each commit is there whole or not at all, and the counter equals the number of keys.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use millpond_core::{Durability, Store};
use millpond_testkit::{
    process::{Part, Played, role, tell},
    random::{Random, test_scale, test_seed},
};

use crate::workload;

const DIR: &str = "MILLPOND_TEST_DIR";
const TEST: &str = "processes::processes_killed_at_any_instant_lose_nothing_that_was_acknowledged";
const CHILDREN: usize = 4;

/// What a child does: commits, and says so, until it is killed.
fn play(name: &str) {
    let dir = std::env::var(DIR).expect("a directory");
    let store = workload::open(Path::new(&dir), true).expect("opened");
    for number in 0.. {
        let durability = if number % 8 == 0 { Durability::Sync } else { Durability::Async };
        workload::commit(&store, name, number, durability).expect("committed");
        tell(workload::acknowledgement(name, number));
    }
}

fn check(store: &dyn Store, acknowledged: &BTreeSet<String>, when: &str) {
    workload::check(store, acknowledged).unwrap_or_else(|why| panic!("{when}: {why}"));
}

/// The processes of the test, and what they have told.
struct Cast<'a> {
    dir: &'a Path,
    started: u64,
    running: Vec<Played>,
    acknowledged: BTreeSet<String>,
}

impl Cast<'_> {
    fn start(&mut self) {
        self.started += 1;
        self.running.push(Part::new(TEST, format!("child-{}", self.started)).env(DIR, self.dir).start());
    }

    fn listen(&mut self) {
        for process in &mut self.running {
            self.acknowledged.extend(process.told_already());
        }
    }

    fn kill(&mut self, which: usize) {
        let mut victim = self.running.swap_remove(which);
        victim.kill();
        self.acknowledged.extend(std::iter::from_fn(|| victim.told()));
    }
}

#[test]
fn processes_killed_at_any_instant_lose_nothing_that_was_acknowledged() {
    if let Some(name) = role() {
        return play(&name);
    }
    let mut random = Random::new(test_seed(1));
    let temporary = tempfile::tempdir().expect("a directory");
    let dir = &temporary.path().join("container");
    workload::create(dir);
    let witness = workload::open(dir, true).expect("opened");
    let mut cast = Cast { dir, started: 0, running: Vec::new(), acknowledged: BTreeSet::new() };
    (0..CHILDREN).for_each(|_| cast.start());
    let deadline = Instant::now() + Duration::from_secs(6 * test_scale());
    while Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20 + random.below(150)));
        cast.kill(random.index(CHILDREN));
        cast.start();
        cast.listen();
        check(&witness, &cast.acknowledged, "seen by a process that stayed");
    }
    while !cast.running.is_empty() {
        cast.kill(0);
    }
    drop(witness);
    // Now nobody stays: the first of the next ones recovers what the last ones left.
    for _ in 0..3 {
        (0..CHILDREN).for_each(|_| cast.start());
        std::thread::sleep(Duration::from_millis(300 + random.below(200)));
        while !cast.running.is_empty() {
            cast.kill(0);
        }
        check(&workload::open(dir, true).expect("opened"), &cast.acknowledged, "opened after everyone died");
    }
    let acknowledged = cast.acknowledged;
    assert!(acknowledged.len() > 100, "only {} commits: the test shows little", acknowledged.len());
    let last = workload::open(dir, true).expect("opened");
    check(&last, &acknowledged, "after the last death");
    last.compact().expect("compacted");
    check(&last, &acknowledged, "after compaction");
    drop(last);
    let again = workload::open(dir, true).expect("opened");
    assert_eq!(workload::check_all(&again, &acknowledged), Ok(()), "opened again");
    drop(again);
}
