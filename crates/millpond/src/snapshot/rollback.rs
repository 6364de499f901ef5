//! Back to a snapshot: one commit that gives every key that was changed since what it had then.
//!
//! So it is atomic and survives a crash as any commit does. The commit asks that nothing of the
//! objects that it touches was changed since their keys were read; if something was, it is made anew,
//! so that counters, too, can simply be put. Long values aren't copied: the new version owns the same
//! bytes as the old one. What others commit meanwhile to objects that the rollback doesn't touch counts
//! as committed after it.
//!
//! Snapshots themselves and the container's other own records stay as they are.

use std::{collections::BTreeSet, thread, time::Duration};

use millpond_core::{
    At, Commit, Epoch, Error, ErrorKind, Key, KeyRange, Op, Outcome, Precondition, RETAINED, Record, Result,
    View, Write,
};

use super::{
    decode::{outlives_rollback, restored},
    diff::{foreign, is_same, key_of, owned},
    find, record,
};
use crate::{
    bugs::{Bug, planted},
    container::Container,
    environment,
    layout::Partition,
};

/// How often it is tried while others commit.
const TRIES: u32 = 50;

/// The pause after the first conflict, on average; the others grow up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_micros(200);
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// Keys that are looked up together.
const KEYS_AT_A_TIME: usize = 1024;

/// How a rollback ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollback {
    /// The epoch of its commit; where nothing had been changed, that of the state that it found.
    pub epoch: Epoch,
    /// How many keys of the index it changed, counters and the like included.
    pub keys: u64,
}

impl Container {
    /// Gives every object and key what it had at a snapshot, atomically: a crash leaves all of it
    /// or nothing. Handles of dictionaries that are gone then answer `NotFound`, those of dictionaries
    /// that come back have to be opened again. Snapshots stay; take one before, to be able to undo it.
    ///
    /// It needs memory for what was changed since, but not for long values.
    ///
    /// # Errors
    /// `NotFound` when there is no snapshot of that name; `Conflict` when other commits were faster
    /// each time, and `NoSpace` when the pool or the disk is full. Then nothing has changed.
    pub fn rollback(&self, name: &str) -> Result<Rollback> {
        self.check_unscoped("roll back")?;
        self.check_writable()?;
        let mut attempt = 0;
        loop {
            match self.try_rollback(name)? {
                Some(done) => return Ok(done),
                None if attempt == TRIES => {
                    let message = format!(
                        "{self} can't be rolled back to {name:?} while others write to it all the time: stop them, or try again"
                    );
                    return Err(Error::new(ErrorKind::Conflict, message));
                }
                None => thread::sleep(pause(attempt)),
            }
            attempt += 1;
        }
    }

    /// Tries once; nothing where another commit came in between.
    fn try_rollback(&self, name: &str) -> Result<Option<Rollback>> {
        let now = self.index()?.view(At::Latest)?;
        let snapshot = find(self, &*now, name)?;
        let undone = match Undone::read(self, &*now, snapshot.epoch) {
            Ok(undone) => undone,
            // Destroyed just now; or the backend couldn't keep the newest state any longer.
            Err(error) if error.kind() == ErrorKind::EpochGone => return Ok(None),
            Err(error) => return Err(error),
        };
        if undone.keys.is_empty() {
            return Ok(Some(Rollback { epoch: now.epoch(), keys: 0 }));
        }
        let sort = record::sort_key(name);
        // Without the snapshot, nothing keeps the bytes that are to be owned again.
        let kept = Precondition::Unchanged { key: Key::new(RETAINED, &sort), version: snapshot.epoch };
        let since = now.epoch();
        let unchanged = undone
            .partitions
            .iter()
            .map(|partition| Precondition::RangeUnchanged { range: KeyRange::all(partition), since });
        let mut commit = Commit {
            preconditions: std::iter::once(kept).chain(unchanged).collect(),
            writes: undone.writes()?,
            durability: self.durability(),
            seen: Some(since),
            ..Commit::default()
        };
        if planted(Bug::TearRollbacks) {
            let rest = commit.writes.split_off(commit.writes.len() / 2);
            let first = std::mem::replace(&mut commit.writes, rest);
            let first = Commit { writes: first, durability: self.durability(), ..Commit::default() };
            self.commit_whole(&first)?;
            (commit.preconditions, commit.seen) = (Vec::new(), None);
        }
        match self.commit_whole(&commit) {
            Ok(Outcome::Committed { epoch, .. }) => {
                Ok(Some(Rollback { epoch, keys: undone.keys.len() as u64 }))
            }
            Ok(Outcome::Conflict { .. }) => Ok(None),
            // Compaction moved bytes meanwhile.
            Err(error) if error.kind() == ErrorKind::EpochGone => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What is to be written.
#[derive(Default)]
struct Undone {
    /// Whole keys, with what they had.
    keys: Vec<(Vec<u8>, Option<Record>)>,
    partitions: BTreeSet<Partition>,
}

/// A key as it is now, by its value and extents.
type Current = (Vec<u8>, Option<Record>);

impl Undone {
    fn read(container: &Container, now: &dyn View, epoch: Epoch) -> Result<Self> {
        let then = container.index()?.view(At::Epoch(epoch))?;
        let mut undone = Self::default();
        let mut changes = now.changes(epoch, b"")?;
        let mut current: Vec<Current> = Vec::new();
        while changes.advance().map_err(|error| unreadable(container, error))? {
            if outlives_rollback(changes.key()) {
                continue;
            }
            let record = changes.record().map(owned);
            current.push((changes.key().to_vec(), record));
            if current.len() == KEYS_AT_A_TIME {
                undone.add(&*then, std::mem::take(&mut current))?;
            }
        }
        undone.add(&*then, current)?;
        Ok(undone)
    }

    fn add(&mut self, then: &dyn View, current: Vec<Current>) -> Result<()> {
        let keys = current.iter().map(|(key, _)| key_of(key).ok_or_else(|| foreign(key)));
        let before = then.get_many(&keys.collect::<Result<Vec<_>>>()?)?;
        for ((key, now), then) in current.into_iter().zip(before) {
            let same = match (&now, &then) {
                (None, None) => true,
                (Some(now), Some(then)) => is_same(&key, then, now),
                _ => false,
            };
            if !same {
                self.partitions.extend(key.first_chunk::<18>());
                let then =
                    then.map(|then| Record { value: restored(&key, then.version, &then.value), ..then });
                self.keys.push((key, then));
            }
        }
        Ok(())
    }

    fn writes(&self) -> Result<Vec<Write<'_>>> {
        let mut writes = Vec::with_capacity(self.keys.len());
        for (key, then) in &self.keys {
            let op = match then {
                Some(then) => Op::Put { value: &then.value, extents: &then.extents },
                None => Op::Delete,
            };
            writes.push(Write { key: key_of(key).ok_or_else(|| foreign(key))?, op, tally: None });
        }
        Ok(writes)
    }
}

fn unreadable(container: &Container, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Corrupt => error.context(format_args!("{container} can't be rolled back: check it first")),
        _ => error,
    }
}

/// A random pause, so that two that met don't meet again.
fn pause(attempt: u32) -> Duration {
    let longest = PAUSE.saturating_mul(1 << attempt.min(16)).min(PAUSE_MAX);
    longest.mul_f64(f64::from(environment::random()) / f64::from(u32::MAX) * 2.0)
}
