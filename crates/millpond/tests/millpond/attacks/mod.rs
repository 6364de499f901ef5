//! Attacks on what a user holds in hands: pools, containers and dictionaries.
//!
//! Each is decided by a seed, which it prints: `MILLPOND_TEST_SEED` replays it, and
//! `MILLPOND_TEST_SCALE` says how much of it there is.

mod copies;
mod flips;
mod forks;
mod full_disk;
mod holdings;
mod million;
mod model;
mod stopped;

use std::path::{Path, PathBuf};

use millpond::{Container, ContainerOptions, Durability, Pool, PoolOptions};

/// The tests of the tests: a harness with a planted bug fails.
#[cfg(feature = "planted-bugs")]
#[track_caller]
fn assert_noticed(bug: millpond_local::bugs::Bug, harness: impl FnOnce(u32)) {
    let number = bug as u32;
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| harness(number)));
    assert!(failed.is_err(), "{bug:?} was not noticed");
}

/// Plants the bug of a number for this thread, and for those that its containers begin; 0 is none.
#[cfg(feature = "planted-bugs")]
use millpond_local::bugs::plant_number as plant;

/// Without the feature there is none to plant.
#[cfg(not(feature = "planted-bugs"))]
struct Planted;

/// Without the feature there is none to plant.
#[cfg(not(feature = "planted-bugs"))]
fn plant(number: u32) -> Planted {
    assert_eq!(number, 0, "bugs are planted with the feature planted-bugs");
    Planted
}

/// The smallest log that can be had, so that little data rolls it, checkpoints it and is merged.
pub(crate) fn small_log(durability: Durability) -> ContainerOptions {
    ContainerOptions {
        log_bytes: Some(64 << 10),
        durability: Some(durability),
        ..ContainerOptions::default()
    }
}

/// A new pool in `dir`, with a container of a small log.
fn container_in(dir: &Path, durability: Durability) -> Container {
    let pool = Pool::create(&url_of(dir), PoolOptions::default()).expect("a pool");
    pool.create_container(Some("kv"), small_log(durability)).expect("a container")
}

fn url_of(dir: &Path) -> String {
    format!("file://{}", dir.display())
}

/// The files below `dir`, in order.
pub(crate) fn files_in(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_in(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Copies a directory with all that is in it, whatever happens to it meanwhile.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => copy_dir(&entry.path(), &target),
            // It may be unlinked since it was listed.
            _ => match std::fs::copy(entry.path(), &target) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                other => drop(other.expect("copied")),
            },
        }
    }
}
