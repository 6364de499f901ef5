//! A state of the container: the tails of the log's last files over the sorted runs.
//!
//! Invariants:
//! - A state's files are open as long as it lives: nothing that is unlinked meanwhile is missed.
//! - Every record up to `epoch` is in it, in exactly one place or, for a file that is being
//!   checkpointed, not yet twice: a tail goes in the same step in which its run comes.
//! - Of each key, versions in one place are of other epochs than in any other place.

use std::{
    cmp::Reverse,
    ops::Bound,
    sync::{Arc, OnceLock, PoisonError},
};

use hashbrown::HashTable;
use millpond_core::{Epoch, Result};

use super::count::Counted;
use crate::{
    bugs::{Bug, planted},
    log::Lost,
    manifest::Manifest,
    run::{Entry, EntryRef, Found, Run, key_hash},
    sync::{
        RwLock,
        atomic::{AtomicU64, Ordering},
    },
    tail::{FORESEEN_MAX, Tail, counter_entry, counter_value},
};

/// See the module.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) manifest: Arc<Manifest>,
    /// Newest first; the first one is appended to.
    pub(crate) tails: Vec<Arc<Tail>>,
    /// By their greatest epoch, descending.
    pub(crate) runs: Vec<Arc<Run>>,
    /// The epoch of the newest record in the state. Grows while the state is the current one.
    epoch: AtomicU64,
    /// The epoch when the state became current: no view of it is older.
    pub(crate) first_epoch: Epoch,
    /// What older places than the newest tail, which never change, say of keys that conditions ask
    /// for again and again.
    settled: RwLock<HashTable<Settled>>,
    /// Damaged records of the log, in their order. Tails don't reach across them.
    pub(crate) lost: Arc<[Lost]>,
    /// The runs, once somebody counted.
    pub(super) counted: OnceLock<Counted>,
}

/// What `settled` says of one key.
#[derive(Debug)]
struct Settled {
    hash: u64,
    key: Vec<u8>,
    newest: Newest,
}

/// So many keys are remembered in `settled`.
const SETTLED_KEYS_MAX: usize = 1024;

/// The newest version of a key.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Newest {
    /// Its epoch; zero if the key never was.
    pub(crate) epoch: Epoch,
    /// Whether the key exists in it.
    pub(crate) exists: bool,
    /// Bytes of segments that it owns.
    pub(crate) bulk_bytes: u64,
}

impl From<millpond_core::Found> for Newest {
    /// What somebody found in an older state, of which the epoch doesn't matter.
    fn from(found: millpond_core::Found) -> Self {
        Self { epoch: Epoch::ZERO, exists: found.exists, bulk_bytes: found.bulk_bytes }
    }
}

impl Newest {
    fn of(epoch: Epoch, entry: &Entry) -> Self {
        match entry {
            Entry::Put { extents, .. } => {
                Self { epoch, exists: true, bulk_bytes: extents.iter().map(|extent| extent.length).sum() }
            }
            Entry::Counter(_) | Entry::Damaged(_) => Self { epoch, exists: true, bulk_bytes: 0 },
            Entry::Tombstone => Self { epoch, exists: false, bulk_bytes: 0 },
        }
    }
}

impl State {
    pub(crate) fn new(
        manifest: Arc<Manifest>,
        tails: Vec<Arc<Tail>>,
        mut runs: Vec<Arc<Run>>,
        epoch: Epoch,
        lost: Arc<[Lost]>,
    ) -> Self {
        runs.sort_by_key(|run| Reverse(run.summary().epoch_max));
        let settled = RwLock::default();
        let (first_epoch, counted) = (epoch, OnceLock::new());
        let epoch = AtomicU64::new(epoch.0);
        Self { manifest, tails, runs, epoch, first_epoch, settled, lost, counted }
    }

    /// What is lost of the log as of `at`: versions that are older than that may have been replaced.
    #[inline]
    pub(crate) fn lost(&self, at: Epoch) -> Option<&Lost> {
        self.lost.iter().rev().find(|lost| lost.after < at && !planted(Bug::TrustWhatLossesLeave))
    }

    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// Makes the records up to `epoch`, applied to the newest tail, visible to new views.
    pub(crate) fn advance(&self, epoch: Epoch) {
        self.epoch.store(epoch.0, Ordering::Release);
    }

    /// Runs of bulk commits that no checkpoint has handed to the manifest, where merges find them.
    pub(crate) fn bulk_count(&self) -> usize {
        self.tails.iter().map(|tail| tail.bulk_count()).sum()
    }

    /// Bytes of finished log files that wait for a checkpoint.
    pub(crate) fn finished_bytes(&self) -> u64 {
        match (self.tails.first(), self.tails.last()) {
            (Some(newest), Some(oldest)) => newest.base.saturating_sub(oldest.base),
            _ => 0,
        }
    }

    /// The tail that is appended to.
    pub(crate) fn newest_tail(&self) -> &Arc<Tail> {
        &self.tails[0]
    }

    /// The newest version of `key` as of `at`: a put (counters summed up) or a tombstone.
    ///
    /// # Errors
    /// `Corrupt` when what would say so is damaged, or it is older than what was lost of the log.
    pub(crate) fn get(&self, key: &[u8], at: Epoch) -> Result<Option<Found>> {
        self.get_hashed(key_hash(key), key, at)
    }

    /// Has the processor fetch what [`State::get_hashed`] will look at for these keys, each with its hash; no more
    /// than [`FORESEEN_MAX`](crate::tail::FORESEEN_MAX) of them.
    pub(crate) fn foresee(&self, wanted: &[(u64, &[u8])]) {
        let mut hashes = [0; FORESEEN_MAX];
        for (hash, (wanted, _)) in hashes.iter_mut().zip(wanted) {
            *hash = *wanted;
        }
        for tail in &self.tails {
            tail.foresee(&hashes[..wanted.len().min(FORESEEN_MAX)]);
        }
    }

    /// As [`State::get`], for who knows the hash of the key.
    pub(crate) fn get_hashed(&self, hash: u64, key: &[u8], at: Epoch) -> Result<Option<Found>> {
        let mut best: Option<Found> = None;
        let is_newer =
            |best: &Option<Found>, epoch: Epoch| best.as_ref().is_none_or(|best| best.epoch < epoch);
        for tail in &self.tails {
            if let Some(version) = tail.get(hash, key, at)
                && is_newer(&best, version.epoch)
            {
                best = Some(Found { epoch: version.epoch, entry: version.entry });
            }
            for bulk in tail.bulk() {
                if bulk.epoch <= at
                    && is_newer(&best, bulk.epoch)
                    && let Some(found) = bulk.run.get_hashed(key, hash, at)?
                {
                    best = Some(found);
                }
            }
            if best.is_some() {
                break;
            }
        }
        for run in &self.runs {
            if !is_newer(&best, run.summary().epoch_max) {
                break;
            }
            if let Some(found) = run.get_hashed(key, hash, at)?
                && is_newer(&best, found.epoch)
            {
                best = Some(found);
            }
        }
        if let Some(lost) = self.lost(at)
            && is_newer(&best, lost.before)
        {
            return Err(lost.error());
        }
        match best {
            Some(Found { epoch, entry: Entry::Counter(_) }) => {
                Ok(Some(Found { epoch, entry: self.counter(hash, key, at)? }))
            }
            other => Ok(other),
        }
    }

    /// The sum of a counter over all places, from the newest down to the first one that knows it.
    fn counter(&self, hash: u64, key: &[u8], at: Epoch) -> Result<Entry> {
        let mut parts = Vec::new();
        for tail in &self.tails {
            if let Some(version) = tail.get(hash, key, at) {
                parts.push(Found { epoch: version.epoch, entry: version.entry });
            }
            for bulk in tail.bulk() {
                parts.extend(bulk.run.get_hashed(key, hash, at)?);
            }
        }
        for run in &self.runs {
            if let Some(found) = run.get_hashed(key, hash, at)? {
                parts.push(match found.entry {
                    Entry::Counter(_) => Found { epoch: found.epoch, entry: counter_in_run(run, key, at)? },
                    _ => found,
                });
            }
        }
        parts.sort_by_key(|part| Reverse(part.epoch));
        let begins = parts.iter().find(|part| !matches!(part.entry, Entry::Counter(_)));
        if let Some(lost) = self.lost(at)
            && begins.is_none_or(|begins| begins.epoch < lost.before)
        {
            return Err(lost.error());
        }
        Ok(whole_sum(parts.iter().map(|part| part.entry.as_ref())))
    }

    /// The newest version of `key` in a run of before `epoch`; of a counter, its part in that run.
    pub(crate) fn get_in_runs(&self, hash: u64, key: &[u8], before: Epoch) -> Result<Option<Found>> {
        let mut best: Option<Found> = None;
        for run in &self.runs {
            if best.as_ref().is_some_and(|best| best.epoch >= run.summary().epoch_max) {
                break;
            }
            if let Some(found) = run.get_hashed(key, hash, Epoch(before.0.saturating_sub(1)))?
                && best.as_ref().is_none_or(|best| best.epoch < found.epoch)
            {
                best = Some(found);
            }
        }
        Ok(best)
    }

    /// What a commit has to know of the newest version of `key`.
    pub(crate) fn newest(&self, key: &[u8]) -> Result<Newest> {
        let hash = key_hash(key);
        match Self::newest_in(&self.tails, hash, key)? {
            Some(newest) => Ok(newest),
            None => self.newest_in_runs(hash, key),
        }
    }

    /// As [`State::newest`], for a key that is asked for often.
    pub(crate) fn newest_of_condition(&self, key: &[u8]) -> Result<Newest> {
        let hash = key_hash(key);
        let (first, others) = self.tails.split_at(1);
        if let Some(newest) = Self::newest_in(first, hash, key)? {
            return Ok(newest);
        }
        let known = self.settled.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(settled) = known.find(hash, |settled| settled.key == key) {
            return Ok(settled.newest);
        }
        drop(known);
        let newest = match Self::newest_in(others, hash, key)? {
            Some(newest) => newest,
            None => self.newest_in_runs(hash, key)?,
        };
        let mut settled = self.settled.write().unwrap_or_else(PoisonError::into_inner);
        if settled.len() >= SETTLED_KEYS_MAX {
            settled.clear();
        }
        settled.insert_unique(hash, Settled { hash, key: key.to_vec(), newest }, |settled| settled.hash);
        Ok(newest)
    }

    /// The newest version of `key`, if it is newer than `since`.
    pub(crate) fn newer_than(&self, key: &[u8], since: Epoch) -> Result<Option<Newest>> {
        if self.epoch() <= since {
            return Ok(None);
        }
        let hash = key_hash(key);
        let changed = |tail: &&Arc<Tail>| tail.newest() > since || tail.bulk_count() > 0;
        let tails: Vec<_> = self.tails.iter().filter(changed).collect();
        let mut newest = Self::newest_in(tails, hash, key)?;
        if newest.is_none() {
            for run in self.runs.iter().take_while(|run| run.summary().epoch_max > since) {
                if let Some(found) = run.get_hashed(key, hash, Epoch::MAX)?
                    && newest.is_none_or(|newest| newest.epoch < found.epoch)
                {
                    newest = Some(Newest::of(found.epoch, &found.entry));
                }
            }
        }
        Ok(newest.filter(|newest| newest.epoch > since))
    }

    /// The newest version of `key` in tails, newest first.
    fn newest_in<'a>(
        tails: impl IntoIterator<Item = &'a Arc<Tail>>,
        hash: u64,
        key: &[u8],
    ) -> Result<Option<Newest>> {
        for tail in tails {
            let mut best = tail.look(hash, key, |versions| {
                let newest = versions.newest();
                Newest::of(newest.epoch, &newest.entry)
            });
            for bulk in tail.bulk() {
                if best.is_none_or(|best| best.epoch < bulk.epoch)
                    && let Some(found) = bulk.run.get_hashed(key, hash, Epoch::MAX)?
                {
                    best = Some(Newest::of(found.epoch, &found.entry));
                }
            }
            if best.is_some() {
                return Ok(best);
            }
        }
        Ok(None)
    }

    fn newest_in_runs(&self, hash: u64, key: &[u8]) -> Result<Newest> {
        let found = self.get_in_runs(hash, key, Epoch::MAX)?;
        Ok(found.map_or_else(Newest::default, |found| Newest::of(found.epoch, &found.entry)))
    }

    /// Whether any key of the range was changed after `since`.
    pub(crate) fn changed_since(&self, start: Bound<&[u8]>, end: Bound<&[u8]>, since: Epoch) -> Result<bool> {
        for tail in &self.tails {
            if tail.changed_since(start, end, since) {
                return Ok(true);
            }
            for bulk in tail.bulk() {
                if bulk.epoch > since && bulk.run.changed_since(start, end, since)? {
                    return Ok(true);
                }
            }
        }
        for run in &self.runs {
            if run.summary().epoch_max <= since {
                break;
            }
            if run.changed_since(start, end, since)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The sum of a counter's versions in one run, as an entry: whole, or what is to be added.
pub(crate) fn counter_in_run(run: &Arc<Run>, key: &[u8], at: Epoch) -> Result<Entry> {
    let mut cursor = run.cursor();
    let mut parts = Vec::new();
    let mut there = cursor.seek(Bound::Included(key))?;
    while there && cursor.key() == key {
        if cursor.epoch() <= at {
            parts.push(cursor.entry_owned());
            if !matches!(parts.last(), Some(Entry::Counter(_))) {
                break;
            }
        }
        there = cursor.next()?;
    }
    Ok(folded(parts.iter().map(Entry::as_ref)))
}

/// A counter's entries, newest first, as one: the whole sum if its beginning is among them, else
/// what is to be added to older places.
pub(crate) fn folded<'a>(parts: impl Iterator<Item = EntryRef<'a>>) -> Entry {
    let mut sum = 0i64;
    for part in parts {
        match part {
            EntryRef::Counter(delta) => sum = sum.wrapping_add(delta),
            EntryRef::Put { value, .. } => return counter_entry(sum.wrapping_add(counter_value(value))),
            EntryRef::Tombstone => return counter_entry(sum),
            EntryRef::Damaged(place) => return Entry::Damaged(place),
        }
    }
    Entry::Counter(sum)
}

/// As [`folded`], where there are no older places.
pub(crate) fn whole_sum<'a>(parts: impl Iterator<Item = EntryRef<'a>>) -> Entry {
    match folded(parts) {
        Entry::Counter(sum) => counter_entry(sum),
        whole => whole,
    }
}
