//! Bulk commits: written as a sorted, synced run first, which their log record only names.

use std::{path::PathBuf, sync::Arc};

use millpond_core::{Commit, Epoch, Error, Op, Result, SegmentId};

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

impl Engine {
    /// Writes the puts and deletes of a commit as a run, in the order of their keys.
    pub(super) fn write_bulk(&self, commit: &Commit<'_>, adds: bool) -> Result<Bulk> {
        self.ensure_writable()?;
        let id = RunId(self.new_file_id()?);
        let path = self.runs_dir().join(id.file_name());
        let mut order: Vec<_> =
            commit.writes.iter().filter(|write| !matches!(write.op, Op::Adjust(_))).collect();
        order.sort_by_key(|write| write.key);
        let mut writer = RunWriter::create(&self.media, &path, id, self.container, order.len() as u64)?;
        let mut segments: std::collections::BTreeMap<SegmentId, u64> = Default::default();
        let mut key = Vec::new();
        for write in order {
            key.clear();
            key.extend_from_slice(write.key.partition);
            key.extend_from_slice(write.key.sort);
            let entry = match write.op {
                Op::Put { value, extents } => {
                    for extent in extents {
                        *segments.entry(extent.segment).or_default() += extent.length;
                    }
                    EntryRef::Put { value, extents }
                }
                Op::Delete | Op::Adjust(_) => EntryRef::Tombstone,
            };
            // Its epoch isn't known yet: the record gives it to all of them.
            writer.add(&key, Epoch::ZERO, entry)?;
        }
        self.sync_segments(segments.keys().copied())?;
        let summary = writer.finish()?;
        let mut bulk = Bulk {
            id: id.0,
            path,
            bytes: 0,
            segments: segments.into_iter().collect(),
            media: self.media.clone(),
            space: self.options.space.clone(),
            kept: false,
        };
        if adds {
            self.options.space.charge(summary.bytes)?;
        } else {
            self.options.space.charge_anyway(summary.bytes);
        }
        bulk.bytes = summary.bytes;
        if !planted(Bug::BulkRunWithoutSync) {
            let dir = self.runs_dir();
            self.media
                .sync_dir(&dir)
                .map_err(|error| Error::io(format!("syncing {}", dir.display()), error))?;
        }
        Ok(bulk)
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
