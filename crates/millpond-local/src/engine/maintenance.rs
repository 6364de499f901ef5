//! The turn to replace the manifest: who waits for it, and for how long.
//!
//! A checkpoint or a compaction takes as long as it takes, so that nobody counts its seconds. But its
//! process may be stopped. So whoever does it says now and then that it got on, and whoever waits
//! gives up when that was not so for a while: at once, where it comes again by itself; soon, where a
//! writer waits that can go on without; later, where the work was asked for.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use millpond_core::{ErrorKind, Result};

use super::{Engine, lock};
use crate::{
    control::{LockGuard, LockName},
    manifest::Manifest,
    sync::MutexGuard,
};

/// How long to wait at a time: other threads of the process have their turns in between.
const SLICE: Duration = Duration::from_millis(100);

/// How long to wait for a holder that doesn't get on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// The engine's thread comes again by itself, and has syncs to see to.
    Background,
    /// A writer that could do without.
    Writer,
    /// Someone who asked for the work.
    Caller,
}

impl Patience {
    fn stalled(self, stalled_max: Duration) -> Duration {
        match self {
            Patience::Background => Duration::ZERO,
            Patience::Writer => Duration::from_secs(3),
            Patience::Caller => stalled_max,
        }
    }
}

/// While it lives, nobody else replaces the manifest.
pub(super) struct Maintenance<'a> {
    guard: LockGuard<'a>,
    _turn: MutexGuard<'a, ()>,
}

impl Maintenance<'_> {
    /// Leaves the lock as a dying holder would: the next one has to clean up.
    pub(super) fn abandon(self) {
        self.guard.abandon();
    }
}

impl Engine {
    /// Takes the maintenance lock, and settles what a dead holder left.
    ///
    /// # Errors
    /// `Timeout`, naming the process that holds it and doesn't get on.
    pub(super) fn maintenance_lock(&self, patience: Patience) -> Result<Maintenance<'_>> {
        self.ensure_writable()?;
        self.maintenance_lock_in_spite_of_losses(patience)
    }

    pub(super) fn maintenance_lock_in_spite_of_losses(&self, patience: Patience) -> Result<Maintenance<'_>> {
        let progress = || self.control.words().progress.load(Ordering::Relaxed);
        let mut seen = progress();
        // A writer waits once for a holder that is stopped, and not in each of its commits.
        let is_known = patience != Patience::Caller && self.stalled_at.load(Ordering::Relaxed) == seen;
        let mut since = Instant::now();
        let stalled = patience.stalled(self.options.stalled_max);
        let (turn, guard) = loop {
            let turn = lock(&self.maintenance_turn);
            let slice = if is_known { Duration::ZERO } else { SLICE };
            match self.control.lock(LockName::Maintenance, slice) {
                Ok(guard) => break (turn, guard),
                Err(error) if error.kind() == ErrorKind::Timeout => {}
                Err(error) => return Err(error),
            }
            drop(turn);
            if progress() != seen {
                (seen, since) = (progress(), Instant::now());
            }
            if is_known || patience == Patience::Background || since.elapsed() >= stalled {
                if patience != Patience::Background {
                    self.stalled_at.store(seen, Ordering::Relaxed);
                }
                return Err(self.control.held(LockName::Maintenance, stalled.max(SLICE)));
            }
        };
        self.stalled_at.store(u64::MAX, Ordering::Relaxed);
        if guard.abandoned {
            // It may have replaced the manifest and not said so.
            match Manifest::load(&self.media, &self.dir, self.container) {
                Ok(manifest) => {
                    self.control.words().generation.fetch_max(manifest.generation, Ordering::AcqRel);
                }
                // The next holder has to look, then: it would count the same records twice.
                Err(error) => {
                    guard.abandon();
                    return Err(error);
                }
            }
        }
        Ok(Maintenance { guard, _turn: turn })
    }

    /// Says that what is done under the maintenance lock gets on.
    pub(super) fn get_on(&self) {
        self.control.words().progress.fetch_add(1, Ordering::Relaxed);
    }
}
