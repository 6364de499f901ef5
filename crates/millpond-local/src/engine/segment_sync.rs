//! Syncs of bulk bytes outside of a sync of the log, and who has to be told when one fails.
//!
//! A failed sync of a segment puts all in doubt that was written to it, also what records name that
//! aren't durable yet. Whoever syncs the log then syncs the same segment once more, is told that
//! all is well, and must not believe it (rule 5).
//!
//! Invariant: while a segment is synced that a record behind `synced` names, or may name before that
//! sync has ended, the sync lock is held: nobody passes that record before the outcome is known,
//! and a holder that dies meanwhile leaves the lock to say so.

use std::{
    collections::{BTreeSet, HashMap},
    sync::atomic::Ordering,
};

use millpond_core::{Result, SegmentId};

use super::{Engine, lock};
use crate::{
    bugs::{Bug, planted},
    sync::Mutex,
};

/// What this process does to its segments just now.
#[derive(Debug, Default)]
pub(super) struct SegmentWork(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Records on their way into the log that name them unsynced.
    naming: HashMap<SegmentId, usize>,
    /// Syncs without the sync lock.
    syncing: HashMap<SegmentId, usize>,
}

/// Ends with the work.
#[derive(Debug)]
pub(super) struct Working<'a> {
    work: &'a SegmentWork,
    segments: BTreeSet<SegmentId>,
    is_sync: bool,
}

impl Counts {
    fn of(&mut self, is_sync: bool) -> &mut HashMap<SegmentId, usize> {
        if is_sync { &mut self.syncing } else { &mut self.naming }
    }
}

impl SegmentWork {
    /// Begins to name segments or to sync them, unless one of them is in the other kind of work.
    fn begin(&self, segments: BTreeSet<SegmentId>, is_sync: bool) -> Option<Working<'_>> {
        let mut counts = lock(&self.0);
        if segments.iter().any(|segment| counts.of(!is_sync).contains_key(segment)) {
            return None;
        }
        for segment in &segments {
            *counts.of(is_sync).entry(*segment).or_default() += 1;
        }
        Some(Working { work: self, segments, is_sync })
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        let mut counts = lock(&self.work.0);
        for segment in &self.segments {
            if let Some(count) = counts.of(self.is_sync).get_mut(segment) {
                *count -= 1;
                if *count == 0 {
                    counts.of(self.is_sync).remove(segment);
                }
            }
        }
    }
}

impl Engine {
    /// Lets a record name segments that aren't synced; none if one of them is being synced, whose
    /// outcome the record has to wait for.
    pub(super) fn name_unsynced(&self, segments: impl Iterator<Item = SegmentId>) -> Option<Working<'_>> {
        self.segment_work.begin(segments.collect(), false)
    }

    /// Makes what was written to segments durable, before a record or a manifest names it. If that
    /// fails and a record that isn't durable yet names one of them, all processes are told.
    pub(super) fn sync_segments(&self, segments: impl Iterator<Item = SegmentId>) -> Result<()> {
        let segments: BTreeSet<_> = segments.collect();
        if segments.is_empty() {
            return Ok(());
        }
        let words = self.control.words();
        let is_named = || {
            let synced = words.synced.load(Ordering::Acquire);
            let unsynced = lock(&self.unsynced_extents);
            unsynced.iter().any(|(end, extent)| *end > synced && segments.contains(&extent.segment))
        };
        // In this order: what is named from here on waits for the end of this.
        let alone = self.segment_work.begin(segments.clone(), true);
        if planted(Bug::ForgetFailedSegments) || (alone.is_some() && !is_named()) {
            return self.segments.sync(segments.into_iter());
        }
        drop(alone);
        let guard = if planted(Bug::TellOfFailedSegmentsLate) { None } else { Some(self.sync_lock()?) };
        let synced = self.segments.sync(segments.into_iter());
        if synced.is_err() {
            let guard = guard.map_or_else(|| self.sync_lock(), Ok)?;
            words.poisoned_from.fetch_min(words.synced.load(Ordering::Acquire), Ordering::AcqRel);
            drop(guard);
        }
        synced
    }
}
