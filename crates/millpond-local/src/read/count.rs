//! How many keys of a range exist, without a visit to each.
//!
//! In the runs, each version of a key adds what it changed (`run/gains.rs`), and what is above them adds what it
//! changed of that: a tail's records know whether their keys existed before, or it is looked up once. Where
//! that doesn't tell, a merge does: as of an epoch that runs go beyond, and where something was lost.
//!
//! The runs of bulk commits, which no checkpoint has handed to the manifest, are counted with the others. They
//! lie between the versions of a tail: of keys that both have, what the tail's versions change is asked of
//! all places.

use std::{cmp::Reverse, ops::Bound, sync::Arc};

use bytes::Bytes;
use millpond_core::{Cursor as _, Epoch, Result};

use super::{Epochs, MergeScan, State};
use crate::{
    run::{Entry, Found, Gains, Run, exists, key_hash},
    tail::{Tail, Versions},
};

/// Keys of a tail that are visited at a time, so that writers never wait for long.
const VISIT_KEYS: usize = 512;

/// Runs, newest first, with what is known of the records of each.
#[derive(Debug)]
pub(super) struct Counted(Vec<CountedRun>);

#[derive(Debug)]
struct CountedRun {
    run: Arc<Run>,
    /// Those that may hold older versions of its keys.
    others: Vec<Arc<Run>>,
    gains: Arc<Gains>,
}

/// How many keys between the bounds exist as of `at`.
///
/// # Errors
/// `Corrupt` when what would say so is damaged.
pub(super) fn count(
    state: &Arc<State>,
    at: Epoch,
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
) -> Result<u64> {
    let bounds = (start.as_ref().map(Vec::as_slice), end.as_ref().map(Vec::as_slice));
    if let Some(count) = state.count(at, bounds)? {
        return Ok(count);
    }
    let mut scan = MergeScan::new(state, start, end, Epochs::at(at), false, 0);
    let mut count = 0;
    while scan.advance()? {
        count += 1;
    }
    Ok(count)
}

impl Counted {
    /// `runs` by their greatest epochs, descending.
    fn new(runs: &[Arc<Run>]) -> Self {
        let begins_before = |run: &Arc<Run>, other: &&Arc<Run>| {
            !Arc::ptr_eq(run, other) && other.summary().epoch_min < run.summary().epoch_max
        };
        let runs = runs.iter().filter(|run| run.summary().records > 0);
        let counted = runs.clone().map(|run| {
            let others: Vec<_> = runs.clone().filter(|other| begins_before(run, other)).cloned().collect();
            CountedRun { run: run.clone(), gains: run.gains(&others), others }
        });
        Self(counted.collect())
    }

    fn between(&self, (start, end): (Bound<&[u8]>, Bound<&[u8]>)) -> Result<Option<i64>> {
        let mut sum = 0;
        for CountedRun { run, others, gains } in &self.0 {
            let summary = run.summary();
            let is_before = match end {
                Bound::Included(end) => &summary.first_key[..] > end,
                Bound::Excluded(end) => &summary.first_key[..] >= end,
                Bound::Unbounded => false,
            };
            let is_behind = match start {
                Bound::Included(start) => &summary.last_key[..] < start,
                Bound::Excluded(start) => &summary.last_key[..] <= start,
                Bound::Unbounded => false,
            };
            if is_before || is_behind {
                continue;
            }
            match gains.between(run, others, start, end)? {
                Some(gained) => sum += gained,
                None => return Ok(None),
            }
        }
        Ok(Some(sum))
    }
}

impl State {
    /// How many keys between the bounds exist as of `at`, where that can be told without a merge.
    fn count(&self, at: Epoch, bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> Result<Option<u64>> {
        let is_damaged = |tail: &Arc<Tail>| tail.is_damaged();
        // The first of the runs has the greatest epoch.
        let goes_beyond = self.runs.first().is_some_and(|run| run.summary().epoch_max > at);
        if goes_beyond || !self.lost.is_empty() || self.tails.iter().any(is_damaged) {
            return Ok(None);
        }
        let bulk = self.bulk_runs(at);
        let in_runs = match bulk.is_empty() {
            true => self.counted().between(bounds)?,
            false => Counted::new(&[&bulk[..], &self.runs].concat()).between(bounds)?,
        };
        let Some(mut count) = in_runs else { return Ok(None) };
        for number in 0..self.tails.len() {
            match self.gained_in_tail(number, at, bounds, &bulk)? {
                Some(gained) => count += gained,
                None => return Ok(None),
            }
        }
        Ok(u64::try_from(count).ok())
    }

    fn counted(&self) -> &Counted {
        match self.counted.get() {
            Some(counted) => counted,
            None => {
                let counted = Counted::new(&self.runs);
                self.counted.get_or_init(|| counted)
            }
        }
    }

    /// The runs of bulk commits of up to `at`, newest first.
    fn bulk_runs(&self, at: Epoch) -> Vec<Arc<Run>> {
        let mut runs = Vec::new();
        for tail in &self.tails {
            runs.extend(tail.bulk().into_iter().filter(|bulk| bulk.epoch <= at).map(|bulk| bulk.run));
        }
        runs.sort_by_key(|run| Reverse(run.summary().epoch_max));
        runs
    }

    /// What the records of a tail change of what is below; nothing where they don't say.
    fn gained_in_tail(
        &self,
        number: usize,
        at: Epoch,
        (start, end): (Bound<&[u8]>, Bound<&[u8]>),
        bulk: &[Arc<Run>],
    ) -> Result<Option<i64>> {
        let tail = &self.tails[number];
        if tail.keys() == 0 {
            return Ok(Some(0));
        }
        let in_runs = self.runs.first().map_or(Epoch::ZERO, |run| run.summary().epoch_max);
        let mut gained = 0;
        let mut reached: Option<Bytes> = None;
        loop {
            // Keys to look for in other places, once nobody waits for it.
            let (mut unknown, mut is_odd) = (Vec::new(), false);
            let start = reached.as_ref().map_or(start, |reached| Bound::Excluded(&reached[..]));
            let last = tail.visit(start, end, VISIT_KEYS, |key, versions| {
                let Some(version) = versions.at(at) else { return };
                let Some(exists) = exists(version.entry.as_ref()) else { return is_odd = true };
                let began = versions.oldest().epoch;
                is_odd |= began <= in_runs;
                match versions.existed() {
                    Some(existed) if bulk.is_empty() => gained += i64::from(exists) - i64::from(existed),
                    _ => unknown.push((key.clone(), began, exists)),
                }
            });
            if is_odd {
                return Ok(None);
            }
            for (key, began, exists_here) in unknown {
                let hash = key_hash(&key);
                gained += match self.gained_beside_bulk(number, at, (hash, &key), bulk)? {
                    Some(gained) => gained,
                    None => i64::from(exists_here) - i64::from(self.existed_before(tail, hash, &key, began)?),
                };
            }
            match last {
                Some(last) => reached = Some(last),
                None => return Ok(Some(gained)),
            }
        }
    }

    /// Whether a key existed before its oldest version in a tail, which is of `began`.
    fn existed_before(&self, tail: &Tail, hash: u64, key: &[u8], began: Epoch) -> Result<bool> {
        if let Some(existed) = tail.look(hash, key, Versions::existed).flatten() {
            return Ok(existed);
        }
        let existed = self.exists(key, Epoch(began.0.saturating_sub(1)))?;
        tail.look(hash, key, |versions| versions.note_existed(existed));
        Ok(existed)
    }

    /// What all versions of a key in tails change of what the runs say, bulk commits' included, if one of these
    /// has the key. The newest tail that has it answers for all of them.
    fn gained_beside_bulk(
        &self,
        number: usize,
        at: Epoch,
        (hash, key): (u64, &[u8]),
        bulk: &[Arc<Run>],
    ) -> Result<Option<i64>> {
        let mut beneath = None;
        for run in bulk {
            beneath = run.get_hashed(key, hash, at)?;
            if beneath.is_some() {
                break;
            }
        }
        let Some(beneath) = beneath else { return Ok(None) };
        let has = |tail: &Arc<Tail>| tail.look(hash, key, |versions| versions.at(at).is_some()) == Some(true);
        if self.tails[..number].iter().any(has) {
            return Ok(Some(0));
        }
        let existed = exists(beneath.entry.as_ref()) == Some(true);
        Ok(Some(i64::from(self.exists(key, at)?) - i64::from(existed)))
    }

    /// Whether a key exists as of `at`.
    fn exists(&self, key: &[u8], at: Epoch) -> Result<bool> {
        match self.get(key, at)? {
            None => Ok(false),
            Some(Found { entry: Entry::Damaged(place), .. }) => Err(place.error()),
            Some(found) => Ok(exists(found.entry.as_ref()) == Some(true)),
        }
    }
}
