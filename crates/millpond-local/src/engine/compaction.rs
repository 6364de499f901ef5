//! Compaction: runs of like size are merged, and live bytes leave segments that are mostly dead.
//!
//! Geometric: runs of one size class (a factor of four wide) are merged when there are four of
//! them, so that a record is rewritten once a class, and a read asks few runs. Segment bytes move
//! only here, inside the merge of a run that points to them: the new run points to where they went,
//! under the same epochs (rule 16).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Arc, atomic::Ordering},
};

use millpond_core::{Error, ErrorKind, Extent, Result, SegmentId, SegmentWriter};

use super::{
    Engine,
    checkpoint::{is_oldest, run_entry},
    lock,
    maintenance::Patience,
    retention::{Kept, keep},
};
use crate::{
    bugs::{Bug, planted},
    manifest::Manifest,
    read::State,
    run::{Entry, EntryRef, Run, RunCursor},
    segments::Writer,
};

/// Runs of one size class that are merged at once.
const FAN_IN: usize = 4;

/// Bytes of the smallest size class.
const CLASS_BYTES: u64 = 256 << 10;

/// Superseded records below which nothing is merged for their sake.
const RECLAIM_RECORDS_MIN: u64 = 50_000;

/// Dead bytes in segments below which nothing is merged for their sake.
const RECLAIM_BYTES_MIN: u64 = 4 << 20;

/// Dead bytes in segments that a full pool is not searched for.
const DEAD_BYTES_MIN: u64 = 16 << 10;

/// Bytes to move from segment to segment at a time.
const MOVE_BYTES: usize = 1 << 20;

impl Engine {
    /// Merges the runs that are worth it, once; answers whether there were any.
    pub(super) fn compact_step(&self, patience: Patience) -> Result<bool> {
        self.catch_up()?;
        let state = self.state();
        if self.pick(&state).is_none() && !self.is_mostly_dead(&state) {
            return Ok(false);
        }
        drop(state);
        let guard = self.maintenance_lock(patience)?;
        let merged = self.with_reserve(|| {
            self.catch_up()?;
            let state = self.state();
            let picked =
                if self.is_mostly_dead(&state) { Some(state.runs.clone()) } else { self.pick(&state) };
            drop(state);
            self.segments.seal_idle();
            match picked {
                Some(picked) => self.merge(&picked, &self.victims()?).map(|()| true),
                None => Ok(false),
            }
        });
        if merged.is_err() {
            guard.abandon();
        }
        merged
    }

    /// Whether a merge of everything would give back about half of the space, and enough for the
    /// trouble. It costs the index once, so that over time each byte is rewritten a few times.
    fn is_mostly_dead(&self, state: &State) -> bool {
        let unmergeable = lock(&self.unmergeable);
        if state.runs.iter().any(|run| unmergeable.contains(&run.summary().id.0)) {
            return false;
        }
        drop(unmergeable);
        let records: u64 = state.runs.iter().map(|run| run.summary().records).sum();
        let superseded = state.manifest.superseded_records;
        if superseded >= RECLAIM_RECORDS_MIN && superseded * 2 >= records {
            return true;
        }
        let dead = self.dead_bytes(state, 2);
        dead >= RECLAIM_BYTES_MIN + 2 * self.dead_after_merge.load(Ordering::Relaxed)
    }

    /// Bytes that moving what lives out of segments of which one in `part` bytes is dead would give
    /// back.
    fn dead_bytes(&self, state: &State, part: u64) -> u64 {
        let mut dead = 0;
        for (segment, entry) in &state.manifest.segments {
            if state.manifest.keeps_segment(*segment) {
                // For those who watch: moving what lives would give nothing back.
                continue;
            }
            if self.may_take(*segment) || self.segments.is_idle(*segment) {
                let length = self.segment_length(*segment);
                let unused = length.saturating_sub(stored_bytes(entry.live - entry.superseded));
                if unused * part >= length {
                    dead += unused;
                }
            }
        }
        dead
    }

    pub(super) fn segment_length(&self, segment: SegmentId) -> u64 {
        // A segment that can't be opened is left as it is, for `check` to report.
        self.segments.reader(segment).and_then(|reader| reader.length()).unwrap_or(0)
    }

    /// Gives back the segments of what was deleted or overwritten, when that is about half of all,
    /// before the log is full of it.
    pub(super) fn reclaim_segments(&self, patience: Patience) -> Result<()> {
        let superseded = self.superseded.bytes.load(Ordering::Relaxed);
        if superseded < RECLAIM_BYTES_MIN {
            return Ok(());
        }
        let state = self.state();
        let in_runs = state.manifest.segments.values().map(|entry| entry.live).sum::<u64>();
        let in_log = state.tails.iter().flat_map(|tail| tail.segments().into_values()).sum::<u64>();
        drop(state);
        if superseded * 2 >= in_runs + in_log {
            self.superseded.bytes.store(0, Ordering::Relaxed);
            self.checkpoint(true, patience)?;
            self.compact_step(patience)?;
        }
        Ok(())
    }

    /// Gives back what is dead because the pool is full; answers whether anything may have been.
    pub(super) fn reclaim(&self) -> Result<bool> {
        let let_go = self.drop_retired(Patience::Writer)?;
        let wasted = self.segments.take_wasted();
        self.superseded.records.store(0, Ordering::Relaxed);
        // What other processes superseded is known when the log is in runs, and segments that hold
        // nothing else go then.
        let has_log = self.state().tails.iter().any(|tail| !tail.is_empty());
        if has_log {
            self.checkpoint(true, Patience::Writer)?;
        }
        let state = self.state();
        if !wasted && state.manifest.superseded_records == 0 && self.dead_bytes(&state, 4) < DEAD_BYTES_MIN {
            return Ok(has_log || let_go);
        }
        drop(state);
        match self.compact_all(Patience::Writer) {
            // The checkpoint may have been enough.
            Err(error) if error.kind() == ErrorKind::NoSpace => Ok(has_log || let_go),
            other => other.map(|()| true),
        }
    }

    /// Puts everything into one run, and gives back what is dead.
    pub(super) fn compact_all(&self, patience: Patience) -> Result<()> {
        self.segments.seal_idle();
        let guard = self.maintenance_lock(patience)?;
        let result = self.with_reserve(|| {
            self.checkpoint_locked(true)?;
            let state = self.state();
            let victims = self.victims()?;
            if state.runs.len() > 1
                || !victims.is_empty()
                || state.runs.iter().any(|run| self.is_worth_rewriting(run))
            {
                match self.merge(&state.runs, &victims) {
                    Err(error) if error.kind() == ErrorKind::NoSpace => {
                        drop(state);
                        self.merge_in_steps(error)?;
                    }
                    other => {
                        other?;
                        // The state pins the files that were just replaced.
                        drop(state);
                    }
                }
            } else {
                drop(state);
            }
            self.drop_dead_segments()?;
            self.collect_garbage()?;
            // A count of the files while runs were written may have missed some, or met some twice.
            self.options.space.recount();
            Ok(())
        });
        if result.is_err() {
            guard.abandon();
        }
        result
    }

    /// Does what it can of a merge of everything that there was no space for, in steps of which each
    /// gives back what it took before the next one begins: first fewer runs, then one segment after
    /// the other, the ones with the least to move first.
    ///
    /// # Errors
    /// `full`, if there is no space for any step.
    fn merge_in_steps(&self, full: Error) -> Result<()> {
        let give_back = || {
            // A manifest whose directory failed to sync stands all the same.
            let standing = Manifest::load(&self.media, &self.dir, self.container)?;
            self.control.words().generation.fetch_max(standing.generation, Ordering::AcqRel);
            self.catch_up()?;
            self.segments.seal_idle();
            self.drop_dead_segments()?;
            self.collect_garbage()
        };
        // What was written in vain takes up the space that there is.
        give_back()?;
        let mut any = false;
        let mut step = |runs: Vec<Arc<Run>>, victims: &BTreeSet<SegmentId>| {
            match self.merge(&runs, victims) {
                Err(error) if error.kind() == ErrorKind::NoSpace => {
                    drop(runs);
                    return give_back().map(|()| false);
                }
                other => other?,
            }
            any = true;
            // They pin the files that were just replaced.
            drop(runs);
            give_back().map(|()| true)
        };
        while let Some(pair) = self.smallest_neighbours() {
            if !step(pair, &BTreeSet::new())? {
                break;
            }
        }
        let state = self.state();
        let live = |segment: &SegmentId| state.manifest.segments.get(segment).map_or(0, |entry| entry.live);
        let mut victims: Vec<_> = self.victims()?.into_iter().collect();
        victims.sort_by_key(live);
        drop(state);
        for victim in victims {
            // By itself: a state that lives on pins files.
            let runs = self.state().runs.clone();
            if !step(runs, &BTreeSet::from([victim]))? {
                break;
            }
        }
        if any { Ok(()) } else { Err(full) }
    }

    /// Two neighbours in age that are the cheapest to merge.
    fn smallest_neighbours(&self) -> Option<Vec<Arc<Run>>> {
        let state = self.state();
        let unmergeable = lock(&self.unmergeable);
        let can = |pair: &&[Arc<Run>]| pair.iter().all(|run| !unmergeable.contains(&run.summary().id.0));
        let bytes = |pair: &&[Arc<Run>]| pair.iter().map(|run| run.summary().bytes).sum::<u64>();
        state.runs.windows(2).filter(can).min_by_key(bytes).map(<[_]>::to_vec)
    }

    /// Whether a run alone may hold what nobody needs any more, or has damage that it can do without.
    fn is_worth_rewriting(&self, run: &Run) -> bool {
        (run.summary().epoch_min != run.summary().epoch_max || run.is_impaired())
            && !lock(&self.unmergeable).contains(&run.summary().id.0)
    }

    /// The runs to merge next: neighbours in age, of like size.
    fn pick(&self, state: &State) -> Option<Vec<Arc<Run>>> {
        let unmergeable = lock(&self.unmergeable);
        let class = |run: &Arc<Run>| (run.summary().bytes.max(CLASS_BYTES) / CLASS_BYTES).ilog2() / 2;
        let can = |run: &&Arc<Run>| !unmergeable.contains(&run.summary().id.0);
        (0..state.runs.len()).find_map(|first| {
            let greatest = class(&state.runs[first]);
            let picked: Vec<_> = state.runs[first..]
                .iter()
                .take_while(|run| class(run) <= greatest)
                .filter(can)
                .cloned()
                .collect();
            (picked.len() >= FAN_IN).then_some(picked)
        })
    }

    /// Segments of which a merge leaves a quarter or more dead, and which this process may move.
    fn victims(&self) -> Result<BTreeSet<SegmentId>> {
        let state = self.state();
        let mut victims = BTreeSet::new();
        for (segment, entry) in &state.manifest.segments {
            let live = stored_bytes(entry.live - entry.superseded);
            if live > 0 && !state.manifest.keeps_segment(*segment) && self.may_take(*segment) {
                let length = self.segment_length(*segment);
                if length.saturating_sub(live) * 4 >= length.max(1) {
                    victims.insert(*segment);
                }
            }
        }
        Ok(victims)
    }

    /// Whether nobody appends to the segment any more, or has it in a commit to come.
    pub(super) fn may_take(&self, segment: SegmentId) -> bool {
        match self.creator(segment.0) {
            Some(serial) if serial == self.serial => self.segments.is_released(segment),
            Some(serial) => !self.is_alive(serial),
            None => true,
        }
    }

    /// Merges runs into one. Under the maintenance lock.
    pub(super) fn merge(&self, runs: &[Arc<Run>], victims: &BTreeSet<SegmentId>) -> Result<()> {
        let state = self.state();
        let ids: Vec<u64> = runs.iter().map(|run| run.summary().id.0).collect();
        let needed = self.needed(&state)?;
        let epoch = runs.iter().map(|run| run.summary().epoch_max).max().unwrap_or_default();
        let mut changes: BTreeMap<SegmentId, i64> = BTreeMap::new();
        let mut dropped_records = 0;
        let mut mover = Mover::new(self);
        let records = runs.iter().map(|run| run.summary().records).sum();
        let merged = self.write_run(records, |writer| {
            let mut merge = Merge::new(runs)?;
            while merge.begin() {
                self.get_on();
                if needed.retained.is_empty()
                    && let EntryRef::Put { extents, .. } = merge.newest().entry()
                    && !extents.iter().any(|extent| victims.contains(&extent.segment))
                {
                    // The newest version of the key is all that is kept, as it is.
                    let newest = merge.newest();
                    writer.add(newest.key(), newest.epoch(), newest.entry())?;
                    merge.skip(|entry| {
                        dropped_records += 1;
                        if let EntryRef::Put { extents, .. } = entry {
                            count(&mut changes, extents, -1);
                        }
                    })?;
                    continue;
                }
                let (key, versions) = merge.take()?;
                let mut dropped = |entry: &Entry| {
                    dropped_records += 1;
                    if let Entry::Put { extents, .. } = entry {
                        count(&mut changes, extents, -1);
                    }
                };
                let is_oldest = |epoch| Ok(is_oldest(&state, &ids, &key, epoch));
                mover.begin_key();
                // A tombstone that goes is none of the kept, and names no bytes.
                for (epoch, mut entry) in keep(versions, &needed, is_oldest, &mut dropped)? {
                    if let Entry::Put { extents, .. } = &mut entry
                        && extents.iter().any(|extent| victims.contains(&extent.segment))
                    {
                        for extent in extents.iter() {
                            *changes.entry(extent.segment).or_insert(0) -= extent.length as i64;
                        }
                        let moved = mover.move_extents(extents)?;
                        for extent in &moved {
                            *changes.entry(extent.segment).or_insert(0) += extent.length as i64;
                        }
                        if !planted(Bug::MoveSegmentsWithoutPointers) {
                            *extents = moved;
                        }
                    }
                    writer.add(&key, epoch, entry.as_ref())?;
                }
            }
            Ok(())
        });
        let summary = match merged {
            Ok(summary) => summary,
            Err(error) => {
                if error.kind() == ErrorKind::Corrupt {
                    // A run that can't be read through stays as it is: nothing of it is dropped.
                    let mut unmergeable = lock(&self.unmergeable);
                    unmergeable
                        .extend(runs.iter().filter(|run| !run.is_readable()).map(|run| run.summary().id.0));
                }
                return Err(error);
            }
        };
        mover.sync()?;
        self.options.space.charge_anyway(summary.as_ref().map_or(0, |summary| summary.bytes));
        let generation = self.replace_manifest(|manifest| {
            manifest.runs.retain(|run| !ids.contains(&run.id));
            manifest.runs.extend(summary.as_ref().map(|summary| run_entry(summary, None)));
            for (segment, bytes) in &changes {
                manifest.adjust_segment(*segment, *bytes);
            }
            manifest.raise_horizon(epoch, &needed.retained);
            if ids.len() == state.runs.len() {
                // What is still superseded, a retained epoch needs.
                manifest.superseded_records = 0;
                manifest.segments.values_mut().for_each(|entry| entry.superseded = 0);
            } else {
                manifest.superseded_records = manifest.superseded_records.saturating_sub(dropped_records);
            }
        })?;
        mover.named();
        self.adopt(&mut lock(&self.applier))?;
        if ids.len() == state.runs.len() {
            // What is dead even now, others use, or retained epochs: no reason to merge again.
            self.dead_after_merge.store(self.dead_bytes(&self.state(), 2), Ordering::Relaxed);
        }
        let manifest = self.state().manifest.clone();
        let mut obsolete = lock(&self.obsolete);
        for run in runs {
            // Those who watch read it, until the log file goes that names it.
            if manifest.keeps_run(run.summary().id.0) && !planted(Bug::MergeAwayWatchedRuns) {
                continue;
            }
            let path = self.runs_dir().join(run.summary().id.file_name());
            obsolete.push((generation, path, run.summary().bytes));
        }
        drop(obsolete);
        self.drop_dead_segments()?;
        self.collect_garbage()
    }

    /// Takes segments without live bytes out of the manifest, to be unlinked. Under the
    /// maintenance lock.
    pub(super) fn drop_dead_segments(&self) -> Result<()> {
        let manifest = self.state().manifest.clone();
        // Asked before the tails are: what this process has committed meanwhile is in them.
        let mut dead: BTreeSet<SegmentId> = manifest
            .segments
            .iter()
            .filter(|(segment, entry)| entry.live == 0 && self.may_take(**segment))
            .filter(|(segment, _)| !manifest.keeps_segment(**segment))
            .map(|(segment, _)| *segment)
            .collect();
        dead.extend(self.segments.own().into_iter().filter(|segment| {
            !manifest.segments.contains_key(segment)
                && !manifest.keeps_segment(*segment)
                && self.segments.is_released(*segment)
        }));
        if dead.is_empty() {
            return Ok(());
        }
        // A commit may come to own bytes of them that a view has shown it (a rollback does), as long
        // as the manifest that it knows says that they live. One that began before this manifest has
        // ended once the commit lock was free, and is in the tails then; later ones are refused.
        if !planted(Bug::DropSharedSegments) {
            let guard = self.commit_lock()?;
            if guard.abandoned {
                // Whoever commits next cleans up.
                guard.abandon();
            }
        }
        self.catch_up()?;
        for tail in &self.state().tails {
            for segment in tail.segments().into_keys() {
                dead.remove(&segment);
            }
        }
        let mut generation = manifest.generation;
        if dead.iter().any(|segment| manifest.segments.contains_key(segment)) {
            generation = self.replace_manifest(|manifest| {
                manifest.segments.retain(|segment, _| !dead.contains(segment))
            })?;
            self.adopt(&mut lock(&self.applier))?;
        }
        let mut obsolete = lock(&self.obsolete);
        for segment in dead {
            let bytes = self.segments.reader(segment).and_then(|reader| reader.length()).unwrap_or(0);
            self.segments.forget(segment);
            obsolete.push((generation, self.segments.path(segment), bytes));
        }
        Ok(())
    }
}

/// About how many bytes of a segment values of `length` bytes take up, with their frames.
pub(super) fn stored_bytes(length: u64) -> u64 {
    length + length / 1024
}

fn count(changes: &mut BTreeMap<SegmentId, i64>, extents: &[Extent], sign: i64) {
    for extent in extents {
        *changes.entry(extent.segment).or_insert(0) += sign * extent.length as i64;
    }
}

/// Copies bulk bytes to a segment of this process.
struct Mover<'a> {
    engine: &'a Engine,
    writer: Option<Writer<'a>>,
    written: Vec<Extent>,
    buffer: Vec<u8>,
    /// Of the current key, what was moved, and where to.
    moved: Vec<(Vec<Extent>, Vec<Extent>)>,
}

impl<'a> Mover<'a> {
    fn new(engine: &'a Engine) -> Self {
        Self { engine, writer: None, written: Vec::new(), buffer: Vec::new(), moved: Vec::new() }
    }

    fn begin_key(&mut self) {
        self.moved.clear();
    }

    /// Copies what extents hold, once for all versions of a key: a rollback makes two of them own the
    /// same bytes, and they shall go on to. What is damaged stays where it is, with all of its value, so that
    /// the rest can move.
    fn move_extents(&mut self, extents: &[Extent]) -> Result<Vec<Extent>> {
        if let Some((_, moved)) = self.moved.iter().find(|(from, _)| from == extents) {
            return Ok(moved.clone());
        }
        let moved = match self.copy(extents) {
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                // What was copied before the damage is nobody's.
                if let Some(writer) = &mut self.writer {
                    self.written.extend_from_slice(&writer.finish()?);
                }
                extents.to_vec()
            }
            moved => moved?,
        };
        self.moved.push((extents.to_vec(), moved.clone()));
        Ok(moved)
    }

    fn copy(&mut self, extents: &[Extent]) -> Result<Vec<Extent>> {
        let engine = self.engine;
        let writer = self.writer.get_or_insert_with(|| engine.segments.mover(|| engine.new_file_id()));
        self.buffer.resize(MOVE_BYTES, 0);
        for extent in extents {
            let mut offset = 0;
            while offset < extent.length {
                let part = &mut self.buffer[..(extent.length - offset).min(MOVE_BYTES as u64) as usize];
                engine.segments.read(extent, offset, part)?;
                writer.append(part)?;
                engine.get_on();
                offset += part.len() as u64;
            }
        }
        let moved = writer.finish()?;
        self.written.extend_from_slice(&moved);
        Ok(moved)
    }

    fn sync(&self) -> Result<()> {
        self.engine.sync_segments(self.written.iter().map(|extent| extent.segment))
    }

    /// The manifest names what was moved: nothing is pending any more.
    fn named(mut self) {
        self.engine.segments.committed(self.written.drain(..));
    }
}

impl Drop for Mover<'_> {
    fn drop(&mut self) {
        // Nobody names what is left: it is garbage from now on.
        if let Some(writer) = &mut self.writer
            && !self.written.is_empty()
        {
            writer.abandon();
        }
    }
}

/// Walks over the keys of several runs, each with all its versions.
struct Merge {
    /// Those that stand on a record.
    cursors: Vec<RunCursor>,
    /// Of those on the least key, the one with the newest version.
    newest: usize,
    key: Vec<u8>,
}

impl Merge {
    fn new(runs: &[Arc<Run>]) -> Result<Self> {
        let mut cursors = Vec::with_capacity(runs.len());
        for run in runs {
            let mut cursor = run.cursor();
            if cursor.seek(Bound::Unbounded)? {
                cursors.push(cursor);
            }
        }
        Ok(Self { cursors, newest: 0, key: Vec::new() })
    }

    /// Finds the least key; false at the end.
    fn begin(&mut self) -> bool {
        let least = self.cursors.iter().enumerate().min_by(|(_, left), (_, right)| {
            left.key().cmp(right.key()).then_with(|| right.epoch().cmp(&left.epoch()))
        });
        self.newest = least.map_or(0, |(place, _)| place);
        least.is_some()
    }

    /// On the newest version of the key.
    fn newest(&self) -> &RunCursor {
        &self.cursors[self.newest]
    }

    /// Goes behind the key; its versions but for the newest go to `dropped`.
    fn skip(&mut self, mut dropped: impl FnMut(EntryRef<'_>)) -> Result<()> {
        let mut is_first = true;
        self.each(|cursor| {
            if !std::mem::take(&mut is_first) {
                dropped(cursor.entry());
            }
        })
    }

    /// The key with its versions, newest first.
    fn take(&mut self) -> Result<(Vec<u8>, Vec<Kept>)> {
        let mut versions = Vec::with_capacity(1);
        self.each(|cursor| versions.push((cursor.epoch(), cursor.entry_owned())))?;
        if versions.len() > 1 {
            versions.sort_by_key(|(epoch, _)| Reverse(*epoch));
        }
        Ok((self.key.clone(), versions))
    }

    /// Goes behind the key, with a stop at each of its versions: at the newest one first, at those of
    /// one run from new to old.
    fn each(&mut self, mut stop: impl FnMut(&RunCursor)) -> Result<()> {
        self.key.clear();
        self.key.extend_from_slice(self.cursors[self.newest].key());
        self.cursors.swap(0, self.newest);
        let mut place = 0;
        while place < self.cursors.len() {
            let cursor = &mut self.cursors[place];
            let mut there = true;
            while there && cursor.key() == self.key {
                stop(cursor);
                there = cursor.next()?;
            }
            if there {
                place += 1;
            } else {
                self.cursors.swap_remove(place);
            }
        }
        Ok(())
    }
}
