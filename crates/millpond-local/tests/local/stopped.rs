//! A process is stopped in the middle of a compaction.
//!
//! What can break: who asks for a compaction meanwhile waits for ever, or isn't told for whom; reads
//! and writes wait too; the container is left in a state that nobody gets it out of.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use millpond_core::{Durability, ErrorKind, Store};
use millpond_local::{
    EngineOptions, LocalStore,
    media::{Media, SystemMedia},
};
use millpond_testkit::{
    process::{Part, role, tell},
    random::{Random, test_seed},
};

use crate::{
    planting::plant,
    subject::{CONTAINER, LOG_BYTES, create},
    workload,
};

const DIR: &str = "MILLPOND_TEST_DIR";
/// Stops that are tried until one is within a compaction.
const STOPS: usize = 300;

/// The other process: it does little but compact. `role` is the number of a bug to plant.
fn play(role: &str) {
    let _planted = plant(role.parse().expect("a number"));
    let dir = std::env::var(DIR).expect("a directory");
    let store = open(Path::new(&dir));
    for number in 0u64.. {
        workload::commit(&store, "stopped", number, Durability::Async).expect("committed");
        // The other one may be at it.
        let _ = store.compact();
        tell(number);
    }
}

fn open(dir: &Path) -> LocalStore {
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    let options = EngineOptions {
        log_bytes: LOG_BYTES,
        background: false,
        stalled_max: Duration::from_millis(300),
        ..EngineOptions::default()
    };
    LocalStore::open(media, dir, CONTAINER, options, false).expect("opened")
}

fn signal(pid: u32, signal: libc::c_int) {
    // SAFETY: sends a signal to a process that this one began and hasn't waited for.
    assert_eq!(unsafe { libc::kill(pid as libc::pid_t, signal) }, 0);
}

/// Stops a process until that is in the middle of a compaction.
fn compact_beside_a_stopped_process(test: &str, bug: u32) -> Result<(), String> {
    let mut random = Random::new(test_seed(1));
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("container");
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    create(&media, &dir).expect("created");
    let store = open(&dir);
    let mut other = Part::new(test, bug.to_string()).env(DIR, &dir).start();
    other.told().ok_or("it doesn't work")?;
    for stop in 0..STOPS {
        std::thread::sleep(Duration::from_micros(random.below(5000)));
        signal(other.pid(), libc::SIGSTOP);
        let began = Instant::now();
        let compacted = store.compact();
        let took = began.elapsed();
        let wrote = workload::commit(&store, "mine", stop as u64, Durability::Async);
        signal(other.pid(), libc::SIGCONT);
        // It may as well be stopped in a commit.
        let is_named =
            |error: &millpond_core::Error| error.to_string().contains(&format!("process {} ", other.pid()));
        match compacted {
            Ok(()) => continue,
            Err(error) if error.kind() != ErrorKind::Timeout || !is_named(&error) => {
                return Err(error.to_string());
            }
            Err(error) if !error.to_string().contains("Maintenance") => continue,
            Err(_) => {}
        }
        if took > Duration::from_secs(5) {
            return Err(format!("it took {took:?}"));
        }
        match wrote {
            Ok(()) => {}
            // It has ended the log file, and holds that lock too.
            Err(error) if error.kind() == ErrorKind::Timeout && is_named(&error) => continue,
            Err(error) => return Err(format!("a write beside a stopped compaction: {error}")),
        }
        // It goes on, and so does everyone else.
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = store.compact() {
            if Instant::now() > deadline {
                return Err(format!("it never ends: {error}"));
            }
        }
        return Ok(());
    }
    Err(format!("{STOPS} times the process was stopped outside of a compaction"))
}

#[test]
fn a_compaction_beside_a_stopped_one_ends_and_names_it() {
    match role() {
        Some(role) => play(&role),
        None => compact_beside_a_stopped_process(
            "stopped::a_compaction_beside_a_stopped_one_ends_and_names_it",
            0,
        )
        .unwrap_or_else(|why| panic!("{why}")),
    }
}

/// The test of the test.
#[cfg(feature = "planted-bugs")]
#[test]
fn a_holder_that_is_not_named() {
    let bug = millpond_local::bugs::Bug::HolderNotNamed as u32;
    match role() {
        Some(role) => play(&role),
        None => drop(
            compact_beside_a_stopped_process("stopped::a_holder_that_is_not_named", bug)
                .expect_err("the bug was not noticed"),
        ),
    }
}
