//! Threads and processes do transactions on one container, on entries of dictionaries, values and arrays
//! of objects, and dictionaries and objects that come and go; some are killed, and what all of them were answered has to be what one order of all transactions would have answered.
//!
//! What can break: two replace what both have read; one reads half of another one's writes; a scan misses
//! what comes into its range; what was aborted is seen, or what was committed is not; a transaction reads
//! a state that was over before it began. [`millpond_testkit::history::transactions`] finds out.

mod bank;
mod capacity;
mod client;
mod objects;
#[cfg(feature = "planted-bugs")]
mod planted;
mod power_cuts;
mod values;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use millpond::{Container, Durability};
use millpond_testkit::{
    history::transactions::{Anomaly, Outcome, check_transactions, load_transactions},
    process::{Part, Played, role},
    random::{Random, test_scale, test_seed},
};

use self::client::{Client, LISTS, Mix, TOKENS};
use crate::scratch::Scratch;

const CLIENTS: u32 = 8;
/// What each client does in a thread, and in a process.
const STEPS: u32 = 80;
/// A process that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);
const DIR: &str = "MILLPOND_TEST_DIR";

/// A container in which little data rolls the log and is merged.
fn container(scratch: &Scratch) -> Container {
    let options = crate::attacks::small_log(Durability::Async);
    let container = scratch.pool().create_container(Some("kv"), options).expect("a container");
    // The last ones are there so that the first ones have been for some commits.
    for name in [LISTS, TOKENS, "third", "fourth"] {
        container.create_dict(name).expect("created");
    }
    container
}

/// What is wrong in the history that is recorded in `dir`, after the last state was read; and how many
/// transactions committed.
fn judge(container: &Container, dir: &Path, seed: u64) -> (Vec<Anomaly>, usize) {
    Client::new(container.clone(), dir, 0, seed, Mix::All, false).read_all();
    let history = load_transactions(dir).expect("a history");
    let committed = history.iter().filter(|transaction| transaction.outcome == Outcome::Committed).count();
    let began = Instant::now();
    let anomalies = check_transactions(&history);
    println!("{} transactions, {committed} committed, checked in {:?}", history.len(), began.elapsed());
    (anomalies, committed)
}

/// Has threads make a history, each with what `prepare` gives it.
fn threads<T>(
    scratch: &Scratch,
    seed: u64,
    steps: u32,
    mix: Mix,
    prepare: impl Fn() -> T + Sync,
) -> (Vec<Anomaly>, usize) {
    let container = container(scratch);
    let dir = tempfile::tempdir().expect("a directory");
    std::thread::scope(|scope| {
        for number in 1..=CLIENTS {
            let (dir, prepare) = (dir.path(), &prepare);
            // Some share a handle.
            let container = if number % 2 == 0 {
                container.clone()
            } else {
                Container::open(&container.url()).expect("opened")
            };
            scope.spawn(move || {
                let _prepared = prepare();
                let mut client = Client::new(container, dir, number, seed, mix, false);
                (0..steps).for_each(|_| client.step());
            });
        }
    });
    judge(&container, dir.path(), seed)
}

#[track_caller]
fn assert_none(anomalies: &[Anomaly], seed: u64) {
    if let Some(first) = anomalies.first() {
        panic!("seed {seed}: {} anomalies, of which the first is {first}", anomalies.len());
    }
}

fn threads_are_serializable(scratch: impl Fn() -> Scratch, mix: Mix) {
    let seed = test_seed(1);
    for round in 0..test_scale() {
        let scratch = scratch();
        let (anomalies, committed) = threads(&scratch, seed + round, STEPS, mix, || ());
        assert_none(&anomalies, seed + round);
        assert!(committed > (CLIENTS * STEPS / 3) as usize, "only {committed}: the test shows little");
        let container = Container::open(&format!("{}/kv", scratch.url)).expect("opened");
        assert!(container.check(false).expect("checked").is_clean());
    }
}

#[test]
fn threads_in_memory_are_serializable() {
    threads_are_serializable(Scratch::memory, Mix::All);
}

#[test]
fn threads_on_files_are_serializable() {
    threads_are_serializable(Scratch::file, Mix::All);
}

#[test]
fn threads_on_objects_are_serializable() {
    threads_are_serializable(Scratch::memory, Mix::Objects);
    threads_are_serializable(Scratch::file, Mix::Objects);
}

/// What a process does: `role` is its number, the seed, and the container's URL.
fn play(role: &str, dir: &Path) {
    let mut words = role.split(' ');
    let mut next = || words.next().expect("a word");
    let (number, seed) = (next().parse().expect("a number"), next().parse().expect("a seed"));
    let container = Container::open(next()).expect("opened");
    let mut client = Client::new(container, dir, number, seed, Mix::All, true);
    (0..STEPS).for_each(|_| client.step());
}

#[test]
fn processes_are_serializable_although_some_are_killed() {
    const KILLS: u32 = 5;
    const TEST: &str = "serializability::processes_are_serializable_although_some_are_killed";
    if let Some(role) = role() {
        return play(&role, Path::new(&std::env::var(DIR).expect("a directory")));
    }
    let seed = test_seed(1);
    for round in 0..test_scale() {
        let seed = seed + round;
        let mut random = Random::new(seed);
        let scratch = Scratch::file();
        let container = container(&scratch);
        let dir = tempfile::tempdir().expect("a directory");
        let start = |number: u32| {
            Part::new(TEST, format!("{number} {seed} {}", container.url())).env(DIR, dir.path()).start()
        };
        let mut running: Vec<Played> = (1..=CLIENTS).map(start).collect();
        for kill in 1..=KILLS {
            std::thread::sleep(Duration::from_millis(20 + random.below(100)));
            running.swap_remove(random.index(running.len())).kill();
            running.push(start(CLIENTS + kill));
        }
        let deadline = Instant::now() + PATIENCE;
        for mut process in running {
            let left = deadline.saturating_duration_since(Instant::now());
            let status = process.end_within(left).expect("no hang");
            assert!(status.success(), "seed {seed}: a process failed: {status}");
        }
        let (anomalies, committed) = judge(&container, dir.path(), seed);
        assert_none(&anomalies, seed);
        assert!(committed > (CLIENTS * STEPS / 3) as usize, "only {committed}: the test shows little");
        assert!(container.check(false).expect("checked").is_clean());
    }
}
