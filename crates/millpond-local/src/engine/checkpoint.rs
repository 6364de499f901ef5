//! Checkpoints: the records of finished log files become a sorted run.
//!
//! Order: the log is synced up to the end of those files (when the next one was begun), the run is
//! written and synced, then the manifest names it and begins the log behind them, then the files
//! go. A crash between any two leaves a run that nobody names, or files that nobody needs.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, atomic::Ordering},
};

use millpond_core::{Epoch, Error, ErrorKind, Result, SegmentId};

use super::{
    Engine, lock,
    maintenance::Patience,
    retention::{Kept, keep},
};
use crate::{
    bugs::{Bug, planted},
    log::{LogFile, LogHeader},
    manifest::{Manifest, RunEntry},
    read::State,
    run::{Entry, Found, Run, RunId, RunSummary, RunWriter, key_hash},
    tail::{self, BulkRun, Replaced, Version, Versions},
};

/// Finished log files from which on writers may have to wait for a checkpoint.
const BACKLOG_FILES_MAX: usize = 2;

/// Runs of bulk commits that are handed to the manifest together, so that they can be merged.
pub(super) const BULK_RUNS: usize = 4;

/// Runs of bulk commits above which a writer hands them over itself.
const BACKLOG_BULK_MAX: usize = 4 * BULK_RUNS;

/// Runs above which writers have to wait for a merge.
const BACKLOG_RUNS_MAX: usize = 48;

/// Finished log files that memory is given to when no checkpoint can be written.
const BACKLOG_FILES_LIMIT: usize = 12;

impl Engine {
    /// Makes a writer wait while checkpoints or merges are behind, so that memory and reads stay
    /// bounded. A full disk doesn't stop it at once: deletes must get through.
    ///
    /// Answers whether it had to, so that `state` may be out of date.
    pub(super) fn slow_down(&self, state: &State) -> Result<bool> {
        let (files, bulk, runs) = (state.tails.len() - 1, state.bulk_count(), state.runs.len());
        let is_behind =
            files >= BACKLOG_FILES_MAX && state.finished_bytes() >= 3 * self.options.checkpoint_bytes;
        let result = if is_behind || bulk >= BACKLOG_BULK_MAX {
            self.checkpoint(bulk >= BACKLOG_BULK_MAX, Patience::Writer)
        } else if runs >= BACKLOG_RUNS_MAX {
            self.compact_step(Patience::Writer).map(drop)
        } else {
            return Ok(false);
        };
        match result {
            // Nor does another process that is stopped in the middle of one.
            Err(error)
                if matches!(error.kind(), ErrorKind::NoSpace | ErrorKind::Timeout)
                    && files < BACKLOG_FILES_LIMIT =>
            {
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => Ok(true),
            other => other.map(|()| true),
        }
    }

    /// Whether the finished log files are worth a checkpoint: a run of a short one would soon be merged.
    pub(super) fn is_checkpoint_due(&self, state: &State) -> bool {
        state.tails.len() > 1 && state.finished_bytes() >= self.options.checkpoint_bytes
    }

    /// Turns the records of finished log files into a run; with `all`, ends the current one first.
    pub(super) fn checkpoint(&self, all: bool, patience: Patience) -> Result<()> {
        let guard = self.maintenance_lock(patience)?;
        let result = self.with_reserve(|| self.checkpoint_locked(all));
        if result.is_err() {
            guard.abandon();
        }
        result
    }

    pub(super) fn checkpoint_locked(&self, all: bool) -> Result<()> {
        if all {
            if self.make_reserve(&lock(&self.applier), 0).is_err() {
                // What is finished goes first: it gives back the space that the rest needs.
                self.checkpoint_finished()?;
            }
            self.end_log_file()?;
        }
        self.checkpoint_finished()
    }

    fn checkpoint_finished(&self) -> Result<()> {
        self.catch_up()?;
        let state = self.state();
        let (boundary, finished) = (&state.tails[0], &state.tails[1..]);
        if finished.is_empty() {
            return Ok(());
        }
        let began = self.media.now();
        let needed = self.needed(&state)?;
        let mut changes = BTreeMap::new();
        let mut superseded = Superseded::default();
        let keys = finished.iter().map(|tail| tail.keys() as u64).sum();
        let summary = self.write_run(keys, |writer| {
            tail::for_each(finished, |key, places| {
                self.get_on();
                if let [versions] = places
                    && let Some(Version { epoch, entry: entry @ Entry::Put { extents, .. } }) =
                        versions.only()
                {
                    superseded.note_version(&state, key, *epoch, versions.replaced());
                    for extent in extents {
                        *changes.entry(extent.segment).or_insert(0) += extent.length as i64;
                    }
                    return writer.add(key, *epoch, entry.as_ref());
                }
                let versions = collect(places);
                if let Some((epoch, Entry::Put { .. } | Entry::Tombstone)) = versions.last()
                    && let Some(oldest) = places.last()
                {
                    superseded.note_version(&state, key, *epoch, oldest.replaced());
                }
                let is_oldest = |epoch| Ok(is_oldest(&state, &[], key, epoch));
                for (epoch, entry) in keep(versions, &needed, is_oldest, &mut |_| ())? {
                    if let Entry::Put { extents, .. } = &entry {
                        for extent in extents {
                            *changes.entry(extent.segment).or_insert(0) += extent.length as i64;
                        }
                    }
                    writer.add(key, epoch, entry.as_ref())?;
                }
                Ok(())
            })
        })?;
        for bulk in finished.iter().flat_map(|tail| tail.bulk()) {
            superseded.note_all(&state, &bulk, || self.get_on());
        }
        let first = state.manifest.log_file;
        let ends = self.log_header(boundary.file)?;
        let (kept, gone) = self.divide(&state.manifest, self.retire(finished, first, boundary.file)?)?;
        let written = summary.as_ref().map_or(0, |summary| summary.bytes);
        self.options.space.charge_anyway(written);
        let generation = self.replace_manifest(|manifest| {
            for bulk in finished.iter().flat_map(|tail| tail.bulk()) {
                manifest.runs.push(run_entry(bulk.run.summary(), Some(bulk.epoch)));
                for (segment, bytes) in &bulk.segments {
                    manifest.adjust_segment(*segment, *bytes as i64);
                }
            }
            manifest.runs.extend(summary.as_ref().map(|summary| run_entry(summary, None)));
            for (segment, bytes) in &changes {
                manifest.adjust_segment(*segment, *bytes);
            }
            superseded.add_to(manifest);
            // Those of which nothing lives are named too, so that they are found dead.
            for segment in finished.iter().flat_map(|tail| tail.segments().into_keys()) {
                manifest.segments.entry(segment).or_default();
            }
            manifest.log_file = boundary.file;
            manifest.raise_horizon(ends.epoch, &needed.retained);
            manifest.retired = kept;
        })?;
        self.adopt(&mut lock(&self.applier))?;
        self.options.space.recount_if_counted(began);
        self.let_go(gone, generation)?;
        // The state pins the files that were just replaced.
        drop(state);
        self.drop_dead_segments()?;
        self.collect_garbage()
    }

    /// Ends the current log file, if it holds anything.
    fn end_log_file(&self) -> Result<()> {
        let guard = self.commit_lock()?;
        let mut applier = lock(&self.applier);
        let ended = self.make_ready(&guard, &mut applier).and_then(|()| {
            if applier.offset == applier.file.header.base {
                return Ok(());
            }
            self.roll(&mut applier, 0, true)
        });
        drop(applier);
        if ended.is_err() {
            guard.abandon();
        }
        ended
    }

    pub(super) fn log_header(&self, number: u64) -> Result<LogHeader> {
        Ok(LogFile::open(&self.media, &self.log_dir(), self.container, number)?.header)
    }

    /// Writes a run with what `fill` adds to it, synced with its directory entry; none if that is
    /// nothing.
    pub(super) fn write_run(
        &self,
        records: u64,
        fill: impl FnOnce(&mut RunWriter) -> Result<()>,
    ) -> Result<Option<RunSummary>> {
        let id = RunId(self.new_file_id()?);
        let path = self.runs_dir().join(id.file_name());
        let mut writer = RunWriter::create(&self.media, &path, id, self.container, records)?;
        fill(&mut writer)?;
        if writer.records() == 0 {
            return Ok(None);
        }
        let summary = writer.finish()?;
        let dir = self.runs_dir();
        if !planted(Bug::ManifestBeforeRun) {
            self.media
                .sync_dir(&dir)
                .map_err(|error| Error::io(format!("syncing {}", dir.display()), error))?;
        }
        Ok(Some(summary))
    }

    /// Replaces the manifest by what `change` makes of it; answers its generation. Under the
    /// maintenance lock, or under the commit lock while nothing is writable yet.
    pub(super) fn replace_manifest(&self, change: impl FnOnce(&mut Manifest)) -> Result<u64> {
        let mut manifest = Manifest::load(&self.media, &self.dir, self.container)?;
        change(&mut manifest);
        manifest.runs.sort_by_key(|run| std::cmp::Reverse(run.epoch_max));
        manifest.generation += 1;
        let words = self.control.words();
        if let Err(error) = manifest.store(&self.media, &self.dir) {
            // Where only its directory failed to sync it stands all the same. Whoever tries again has
            // to begin with it, or the same records would be counted twice.
            if let Ok(standing) = Manifest::load(&self.media, &self.dir, self.container) {
                words.generation.fetch_max(standing.generation, Ordering::AcqRel);
            }
            return Err(error);
        }
        words.generation.store(manifest.generation, Ordering::Release);
        Ok(manifest.generation)
    }
}

/// What the records of a checkpoint supersede in runs: a merge would drop it.
#[derive(Default)]
struct Superseded {
    records: u64,
    segments: BTreeMap<SegmentId, u64>,
}

impl Superseded {
    /// Counts what the first version of a key since the last checkpoint, of `epoch`, supersedes.
    fn note_version(&mut self, state: &State, key: &[u8], epoch: Epoch, replaced: Replaced) {
        match replaced {
            Replaced::Nothing => {}
            Replaced::Record => self.records += 1,
            Replaced::Unknown => self.note(state, key, epoch),
        }
    }

    /// Looks up what a record of `epoch` supersedes. A run that can't be read counts for nothing.
    fn note(&mut self, state: &State, key: &[u8], epoch: Epoch) {
        if let Ok(Some(Found { entry: Entry::Put { extents, .. }, .. })) =
            state.get_in_runs(key_hash(key), key, epoch)
        {
            self.records += 1;
            for extent in extents {
                *self.segments.entry(extent.segment).or_default() += extent.length;
            }
        }
    }

    fn note_all(&mut self, state: &State, bulk: &BulkRun, get_on: impl Fn()) {
        let mut cursor = bulk.run.cursor();
        let mut there = cursor.seek(Bound::Unbounded);
        while let Ok(true) = there {
            get_on();
            self.note(state, cursor.key(), bulk.epoch);
            there = cursor.next();
        }
    }

    fn add_to(&self, manifest: &mut Manifest) {
        manifest.superseded_records += self.records;
        for (segment, bytes) in &self.segments {
            if let Some(entry) = manifest.segments.get_mut(segment) {
                entry.superseded = (entry.superseded + bytes).min(entry.live);
            }
        }
    }
}

/// The versions of a key in finished tails (newest tail first), newest first.
fn collect(places: &[&Versions]) -> Vec<Kept> {
    let mut all: Vec<Kept> = Vec::with_capacity(1);
    for versions in places {
        let first = all.len();
        all.extend(versions.all().map(|version| (version.epoch, version.entry.clone())));
        // In a tail a counter holds its sum so far; in a run, what was added since the version
        // before.
        for place in first + 1..all.len() {
            if let (_, Entry::Counter(below)) = all[place]
                && let (_, Entry::Counter(sum)) = &mut all[place - 1]
            {
                *sum = sum.wrapping_sub(below);
            }
        }
    }
    all
}

/// Whether no run but those in `merged` may hold a version of `key` older than `epoch`.
pub(super) fn is_oldest(state: &State, merged: &[u64], key: &[u8], epoch: Epoch) -> bool {
    let may_hold = |run: &Arc<Run>| {
        !merged.contains(&run.summary().id.0) && run.summary().epoch_min < epoch && run.may_contain(key)
    };
    !state.runs.iter().any(may_hold)
        && !state.tails.iter().any(|tail| tail.bulk().iter().any(|bulk| may_hold(&bulk.run)))
}

pub(super) fn run_entry(summary: &RunSummary, inherited: Option<Epoch>) -> RunEntry {
    RunEntry {
        id: summary.id.0,
        inherited,
        bytes: summary.bytes,
        records: summary.records,
        epoch_min: summary.epoch_min,
        epoch_max: summary.epoch_max,
    }
}
