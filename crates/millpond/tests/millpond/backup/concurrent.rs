//! Backups while others write: what was acknowledged before one began is in it, and what is in it is the
//! state at one epoch.
//!
//! What can break: a file is unlinked by a checkpoint or a merge before it is copied; a segment is copied
//! short of what a run points to; records of one commit are there in part, or a later one without an
//! earlier one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use millpond::{Container, Dict, ErrorKind, Pool, PoolOptions, Silent};
use millpond_testkit::process::{Part, role, tell};

use super::{back_up, place};
use crate::{
    attacks::small_log,
    scratch::{Scratch, noise, refused},
};

/// Commits of a writer whose keys are there: what is deleted makes merges and dead segments.
const KEPT: u64 = 40;

/// Puts some keys, and deletes those of a while ago, in one commit.
fn commit(dict: &Dict, writer: u64, number: u64) {
    let mut batch = dict.batch();
    for part in 0..3u64 {
        let length = if (number + part).is_multiple_of(5) { 20_000 } else { 300 };
        batch.put(&key(writer, number, part), &noise(number, length)).expect("put");
        if number >= KEPT {
            batch.delete(&key(writer, number - KEPT, part)).expect("deleted");
        }
    }
    batch.commit().expect("committed");
}

fn key(writer: u64, number: u64, part: u64) -> [u8; 24] {
    let mut key = [0; 24];
    for (place, word) in key.chunks_exact_mut(8).zip([writer, number, part]) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    key
}

/// Checks what a restored container has of a writer; answers how many commits that are.
fn commits_of(container: &Container, writer: u64) -> u64 {
    let dict = container.dict("d").expect("a dict");
    let entries = dict.iter().expect("begun").map(|entry| entry.expect("read"));
    let own: Vec<_> = entries.filter(|(key, _)| key[..8] == writer.to_be_bytes()).collect();
    let Some((last, _)) = own.last() else { return 0 };
    let number_of = |key: &[u8]| u64::from_be_bytes(key[8..16].try_into().expect("eight bytes"));
    let (first, last) = (number_of(&own[0].0), number_of(last));
    assert_eq!(own.len() as u64, 3 * (last - first + 1), "a commit of writer {writer} is there in part");
    assert_eq!(last + 1 - first, KEPT.min(last + 1), "{first} to {last} of writer {writer}");
    for (place, (key, value)) in own.iter().enumerate() {
        let number = first + place as u64 / 3;
        assert_eq!(number_of(key), number);
        assert!(noise(number, value.len()) == **value);
    }
    last + 1
}

#[test]
fn a_backup_has_what_was_acknowledged_before_it() {
    const THREADS: u64 = 3;
    const PROCESSES: u64 = 1;
    if let Some(url) = role() {
        let dict = Container::open(&url).expect("opened").dict("d").expect("opened");
        for number in 0.. {
            commit(&dict, THREADS, number);
            tell(number);
        }
    }
    let scratch = Scratch::file();
    let options = small_log(millpond::Durability::Sync);
    let container = scratch.pool().create_container(Some("kv"), options).expect("created");
    let dict = container.create_dict("d").expect("created");
    let name = "backup::concurrent::a_backup_has_what_was_acknowledged_before_it";
    let mut process = Part::new(name, container.url()).start();
    let done: [AtomicU64; (THREADS + PROCESSES) as usize] = Default::default();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..THREADS)
            .map(|writer| {
                let (dict, done, ended) = (&dict, &done, &ended);
                scope.spawn(move || {
                    for number in 0..u64::MAX {
                        if ended.load(Ordering::Relaxed) {
                            break;
                        }
                        commit(dict, writer, number);
                        done[writer as usize].store(number + 1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let other_process = &done[THREADS as usize];
        let reader = scope.spawn(|| {
            while let Some(told) = process.told() {
                other_process.store(told.parse::<u64>().expect("a number") + 1, Ordering::SeqCst);
                if ended.load(Ordering::Relaxed) {
                    process.kill();
                }
            }
        });
        for round in 0..4 {
            let wanted = 60 * (round + 1);
            while done.iter().any(|done| done.load(Ordering::SeqCst) < wanted) {
                assert!(!writers.iter().any(|writer| writer.is_finished()), "a writer failed");
                std::thread::yield_now();
            }
            let before: Vec<_> = done.iter().map(|done| done.load(Ordering::SeqCst)).collect();
            let backup = back_up(&container, &place(&scratch));
            let url = format!("file://{}/restored-{round}", scratch.dir.path().display());
            let pool = Pool::create(&url, PoolOptions::default()).expect("a pool");
            let restored = pool.restore(&backup.path, None, &mut Silent).expect("restored");
            for (writer, before) in before.iter().enumerate() {
                let commits = commits_of(&restored, writer as u64);
                assert!(commits >= *before, "writer {writer}: {commits} of {before} in round {round}");
            }
            let report = restored.check(false).expect("checked");
            assert!(report.is_clean(), "{report:?}");
        }
        ended.store(true, Ordering::Relaxed);
        reader.join().expect("it ended");
    });
    assert!(container.check(false).expect("checked").is_clean());
}

#[test]
fn one_at_a_time_is_made_into_a_directory() {
    struct Another<'a>(&'a Container, &'a std::path::Path, u64);
    impl millpond::Progress for Another<'_> {
        fn begin(&mut self, _: u64, _: &str) -> millpond::Result<()> {
            refused(self.0.backup(self.1, None, &mut Silent), ErrorKind::Busy, "wait for its end");
            self.2 += 1;
            Ok(())
        }

        fn advance(&mut self, _: u64) -> millpond::Result<()> {
            // No lock is held: all goes on.
            self.0.open_or_create_dict("other").expect("a dict").put(b"k", b"v").expect("put");
            self.0.compact().expect("compacted");
            Ok(())
        }

        fn end(&mut self) -> millpond::Result<()> {
            Ok(())
        }
    }
    let scratch = Scratch::file();
    let container = scratch.container();
    super::put(&container, "d", 0, 200);
    super::put(&container, "d", 0, 100);
    let expected = super::entries(&container, "d");
    let mut another = Another(&container, &place(&scratch), 0);
    let backup = container.backup(&place(&scratch), None, &mut another).expect("backed up");
    assert_eq!(another.2, 1);
    let restored = super::other_pool(&scratch).restore(&backup.path, None, &mut Silent).expect("restored");
    assert!(super::entries(&restored, "d") == expected);
    assert!(restored.check(false).expect("checked").is_clean());
}

#[cfg(feature = "planted-bugs")]
#[test]
fn files_that_go_while_they_are_copied_are_noticed() {
    super::assert_noticed(
        millpond_local::bugs::Bug::BackupWithoutPinning,
        one_at_a_time_is_made_into_a_directory,
    );
}
