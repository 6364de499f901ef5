//! One commit of the log, change by change.

use std::{collections::VecDeque, ops::Bound};

use bytes::Bytes;
use millpond_core::{Change, ChangeKind, Epoch, Error, ErrorKind, Result, watch::CURSORS};

use crate::{
    engine::Engine,
    log::{LogOp, LogPlace, Ops, PayloadRead, file_name, is_intact},
    run::{EntryRef, RunCursor},
};

/// A commit that is being read. It holds what it reads from.
pub(super) struct Current {
    epoch: Epoch,
    place: LogPlace,
    /// The run of a bulk commit, from the record that the cursor stands on.
    run: Option<Bulk>,
    /// What isn't in the run.
    ops: VecDeque<LogOp>,
    /// The commit was read to its first change, which is one to deliver.
    delivers: bool,
}

struct Bulk {
    cursor: RunCursor,
    begun: bool,
}

impl Current {
    /// # Errors
    /// `NotFound` when what it names is gone.
    pub(super) fn new(engine: &Engine, epoch: Epoch, payload: &PayloadRead, place: LogPlace) -> Result<Self> {
        let mut current = Self { epoch, place, run: None, ops: VecDeque::new(), delivers: false };
        for op in Ops::new(payload) {
            match op.map_err(|what| current.damaged(what.0))? {
                LogOp::Run { id, .. } => {
                    let cursor = engine.open_run(id, Some(epoch))?.cursor();
                    current.run = Some(Bulk { cursor, begun: false });
                    current.delivers = true;
                }
                LogOp::Put { key, .. } | LogOp::Delete { key } | LogOp::Adjust { key, .. }
                    if is_hidden(&key) => {}
                op => {
                    current.delivers = true;
                    current.ops.push_back(op);
                }
            }
        }
        Ok(current)
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(super) fn is_delivered(&self) -> bool {
        self.delivers
    }

    pub(super) fn change(&mut self) -> Result<Option<Change>> {
        if let Some(bulk) = &mut self.run {
            let there = if bulk.begun {
                bulk.cursor.next()
            } else {
                bulk.begun = true;
                bulk.cursor.seek(Bound::Unbounded)
            };
            if there? {
                return self.of_run().map(Some);
            }
            self.run = None;
        }
        let Some(op) = self.ops.pop_front() else { return Ok(None) };
        let (key, kind) = match op {
            LogOp::Put { value, checksum, .. } if !is_intact(&value, checksum) => {
                return Err(self.place.error());
            }
            LogOp::Put { key, value, extents, .. } => {
                // Of its own: a value that is kept must not keep all that was read with it.
                (key, ChangeKind::Put { value: Bytes::copy_from_slice(&value), extents })
            }
            LogOp::Delete { key } => (key, ChangeKind::Delete),
            LogOp::Adjust { key, delta } => (key, ChangeKind::Adjust(delta)),
            LogOp::Run { .. } => return Err(self.damaged("a commit names two runs")),
        };
        Ok(Some(Change { key: Bytes::copy_from_slice(&key), kind }))
    }

    fn of_run(&self) -> Result<Change> {
        let Some(bulk) = &self.run else { return Err(self.damaged("a commit has no run")) };
        let kind = match bulk.cursor.entry() {
            EntryRef::Put { value, extents } => {
                ChangeKind::Put { value: Bytes::copy_from_slice(value), extents: extents.to_vec() }
            }
            EntryRef::Tombstone => ChangeKind::Delete,
            EntryRef::Counter(delta) => ChangeKind::Adjust(delta),
            EntryRef::Damaged(place) => return Err(place.error()),
        };
        Ok(Change { key: Bytes::copy_from_slice(bulk.cursor.key()), kind })
    }

    fn damaged(&self, what: &str) -> Error {
        let name = file_name(self.place.file);
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "log file {name}, offset {}: {what}; close the container everywhere and check it",
                self.place.offset
            ),
        )
    }
}

/// Whether a change of the key isn't delivered.
fn is_hidden(key: &[u8]) -> bool {
    key.starts_with(CURSORS)
}
