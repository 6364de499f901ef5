//! Leaving: everything is synced, and the last one out leaves little for the next one to replay.

use std::sync::atomic::Ordering;

use millpond_core::{Result, timeout};

use super::{Engine, background::Hold, maintenance::Patience};
use crate::{
    bugs::{Bug, planted},
    fork,
    log::HEADER_BYTES,
};

/// Log that may be left to replay after a clean close.
const REPLAY_BYTES_MAX: u64 = 1 << 20;

impl Engine {
    /// One more handle has the engine.
    pub(crate) fn begin_handle(&self) {
        self.handles.fetch_add(1, Ordering::AcqRel);
    }

    /// A handle lets go of the engine; answers whether it was the last one.
    pub(crate) fn end_handle(&self) -> bool {
        self.handles.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Waits for the engine's thread, which has the engine while it works, and keeps it away.
    pub(crate) fn hold_background(&self) -> Hold {
        self.background.hold()
    }

    /// Makes everything durable and lets go of the container. Once.
    pub(crate) fn shut_down(&self) -> Result<()> {
        if self.fork != fork::generation() || self.closed.swap(true, Ordering::AcqRel) || self.media.killed()
        {
            return Ok(());
        }
        self.background.stop();
        let is_destroyed = self.control.words().destroyed.load(Ordering::Acquire) != 0;
        let synced = if is_destroyed || planted(Bug::CloseWithoutSync) { Ok(()) } else { self.sync_all() };
        // Whoever leaves does so behind the door, so that of several one is the last.
        let door = self.presence.door(timeout())?;
        let settled = match self.presence.be_alone(&door) {
            Ok(true) if !is_destroyed && synced.is_ok() => self.settle(),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        self.own_slot().serial.store(0, Ordering::SeqCst);
        let left = self.presence.free_slot(self.slot).and_then(|()| self.presence.leave(&door));
        synced.and(settled).and(left)
    }

    fn sync_all(&self) -> Result<()> {
        self.catch_up()?;
        self.sync_to(self.applied.load(Ordering::Acquire))
    }

    /// The last one out writes down where the log ends, and checkpoints what would take the next
    /// one long to replay.
    fn settle(&self) -> Result<()> {
        self.segments.seal_idle();
        let words = self.control.words();
        if words.writable.load(Ordering::Acquire) == 0 || self.is_lossy() {
            // Nobody has changed anything, or may.
            return Ok(());
        }
        self.catch_up()?;
        let state = self.state();
        let first = state.tails.last().map_or(0, |tail| tail.file);
        let tail_bytes = {
            let applier = super::lock(&self.applier);
            let files = applier.file.number() - first;
            if files > 0 {
                REPLAY_BYTES_MAX
            } else {
                applier.offset - applier.file.header.base + HEADER_BYTES
            }
        };
        if tail_bytes >= REPLAY_BYTES_MAX {
            self.checkpoint(true, Patience::Writer)?;
        }
        self.reclaim_segments(Patience::Writer)?;
        let end = self.applied.load(Ordering::Acquire);
        if self.state().manifest.clean_end < end {
            self.replace_manifest(|manifest| manifest.clean_end = end)?;
        }
        self.update_slot();
        self.collect_garbage()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The errors were for `close` to report; what is not durable now is so as far as it was.
        let _ = self.shut_down();
    }
}
