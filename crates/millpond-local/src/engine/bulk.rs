//! Bulk commits: written as a sorted, synced run first, which their log record only names.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use millpond_core::{Commit, Epoch, Error, Op, Result, SegmentId, Write};

use super::Engine;
use crate::{
    bugs::{Bug, planted},
    log::{Payload, encode_run},
    media::Media,
    run::{EntryRef, RunId, RunWriter},
    space::Space,
};

/// A run that waits for its record. Dropped without one, its file is removed.
pub(super) struct Bulk {
    id: u64,
    path: PathBuf,
    bytes: u64,
    segments: Vec<(SegmentId, u64)>,
    media: Arc<dyn Media>,
    space: Arc<dyn Space>,
    kept: bool,
    /// Records, and bytes of segments, that it supersedes, where nobody else knows.
    pub(super) superseded: (u64, u64),
}

impl std::fmt::Debug for Bulk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bulk").field("path", &self.path).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Bulk {
    pub(super) fn encode(&self, payload: &mut Payload) {
        encode_run(payload, self.id, &self.segments);
    }

    /// Its record is published.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        if !self.kept && !self.media.killed() {
            // What can't be removed is garbage, found when the container is next opened alone.
            let _ = self.media.remove(&self.path);
            self.space.release(self.bytes);
        }
    }
}

/// A run of a bulk commit that is being written, in the order of its keys.
pub(super) struct BulkWriter<'a> {
    engine: &'a Engine,
    id: RunId,
    path: PathBuf,
    writer: RunWriter,
    /// Bytes that the run names of each segment.
    segments: BTreeMap<SegmentId, u64>,
    key: Vec<u8>,
}

impl<'a> BulkWriter<'a> {
    /// `records_hint` is how many records to expect.
    pub(super) fn create(engine: &'a Engine, records_hint: u64) -> Result<Self> {
        engine.ensure_writable()?;
        let id = RunId(engine.new_file_id()?);
        let path = engine.runs_dir().join(id.file_name());
        let writer = RunWriter::create(&engine.media, &path, id, engine.container, records_hint)?;
        Ok(Self { engine, id, path, writer, segments: BTreeMap::new(), key: Vec::new() })
    }

    /// Adds a put or a deletion, behind the ones before it.
    pub(super) fn add(&mut self, write: &Write<'_>) -> Result<()> {
        self.key.clear();
        self.key.extend_from_slice(write.key.partition);
        self.key.extend_from_slice(write.key.sort);
        let entry = match write.op {
            Op::Put { value, extents } => {
                for extent in extents {
                    *self.segments.entry(extent.segment).or_default() += extent.length;
                }
                EntryRef::Put { value, extents }
            }
            Op::Delete | Op::Adjust(_) => EntryRef::Tombstone,
        };
        // Its epoch isn't known yet: the record gives it to all of them.
        self.writer.add(&self.key, Epoch::ZERO, entry)
    }

    /// Makes the run durable, and what it points to.
    ///
    /// # Errors
    /// `NoSpace` where it adds to the store, and that is full.
    pub(super) fn finish(self, adds: bool) -> Result<Bulk> {
        let Self { engine, id, path, writer, segments, .. } = self;
        engine.sync_segments(segments.keys().copied())?;
        let summary = writer.finish()?;
        let space = &engine.options.space;
        let mut bulk = Bulk {
            id: id.0,
            path,
            bytes: 0,
            segments: segments.into_iter().collect(),
            media: engine.media.clone(),
            space: space.clone(),
            kept: false,
            superseded: (0, 0),
        };
        if adds {
            space.charge(summary.bytes)?;
        } else {
            space.charge_anyway(summary.bytes);
        }
        bulk.bytes = summary.bytes;
        if !planted(Bug::BulkRunWithoutSync) {
            let dir = engine.runs_dir();
            let synced = engine.media.sync_dir(&dir);
            synced.map_err(|error| Error::io(format!("syncing {}", dir.display()), error))?;
        }
        Ok(bulk)
    }
}

impl Engine {
    /// Writes the puts and deletes of a commit as a run, in the order of their keys.
    pub(super) fn write_bulk(&self, commit: &Commit<'_>, adds: bool) -> Result<Bulk> {
        let mut order: Vec<_> =
            commit.writes.iter().filter(|write| !matches!(write.op, Op::Adjust(_))).collect();
        order.sort_by_key(|write| write.key);
        let mut writer = BulkWriter::create(self, order.len() as u64)?;
        for write in order {
            writer.add(write)?;
        }
        writer.finish(adds)
    }

    /// Makes the incarnation durable, if no commit has done so.
    ///
    /// # Errors
    /// As [`Engine::make_ready`].
    pub(super) fn ensure_writable(&self) -> Result<()> {
        self.refuse_if_lossy()?;
        if self.control.words().writable.load(std::sync::atomic::Ordering::Acquire) != 0 {
            return Ok(());
        }
        let guard = self.commit_lock()?;
        let mut applier = super::lock(&self.applier);
        match self.make_ready(&guard, &mut applier) {
            Ok(()) => Ok(()),
            Err(error) => {
                drop(applier);
                guard.abandon();
                Err(error)
            }
        }
    }
}
