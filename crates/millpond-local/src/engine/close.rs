//! Leaving: everything is synced, and the last one out leaves little for the next one to replay.

use std::sync::atomic::Ordering;

use millpond_core::Result;

use super::{Engine, PATIENCE};
use crate::{
    bugs::{Bug, planted},
    fork,
    log::HEADER_BYTES,
};

/// Log that may be left to replay after a clean close.
const REPLAY_BYTES_MAX: u64 = 1 << 20;

impl Engine {
    /// Makes everything durable and lets go of the container. Once.
    pub(crate) fn shut_down(&self) -> Result<()> {
        if self.fork != fork::generation() || self.closed.swap(true, Ordering::AcqRel) || self.media.killed()
        {
            return Ok(());
        }
        self.background.stop();
        let left =
            if self.control.words().destroyed.load(Ordering::Acquire) != 0 { Ok(()) } else { self.settle() };
        self.own_slot().serial.store(0, Ordering::SeqCst);
        let freed = self.presence.free_slot(self.slot);
        left.and(freed)
    }

    fn settle(&self) -> Result<()> {
        if planted(Bug::CloseWithoutSync) {
            return Ok(());
        }
        self.catch_up()?;
        self.sync_to(self.applied.load(Ordering::Acquire))?;
        self.segments.seal_idle();
        let words = self.control.words();
        if words.writable.load(Ordering::Acquire) == 0 {
            // Nobody has changed anything.
            return Ok(());
        }
        let door = self.presence.door(PATIENCE)?;
        if !self.presence.be_alone(&door)? {
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
            self.checkpoint(true)?;
        }
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
