//! Who syncs for all who wait.
//!
//! Threads that wait for a sync are told together when one has ended: those whose commit it covered
//! go on, and one of the others syncs next. With a mutex instead, the thread that has just synced
//! takes it again before any of them has woken up, and syncs for itself alone.
//!
//! Processes do likewise, through the sync lock and a word in shared memory that changes whenever it
//! is given back.

use std::{
    sync::{PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use millpond_core::{Result, timeout};

use super::{Engine, lock};
use crate::{
    bugs::{Bug, planted},
    control::{LockGuard, LockName, Words, wait_for_change, wake_all},
    sync::{Condvar, Mutex},
};

/// How long to wait at a time: a holder of the lock that dies wakes nobody.
const SLICE: Duration = Duration::from_millis(5);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct SyncQueue {
    busy: Mutex<bool>,
    ended: Condvar,
}

/// The turn to sync, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a SyncQueue);

impl SyncQueue {
    /// Waits for the turn to sync; none once `is_done` holds.
    pub(super) fn turn(&self, is_done: impl Fn() -> bool) -> Option<Turn<'_>> {
        let mut busy = lock(&self.busy);
        while *busy && !is_done() {
            busy = self.ended.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        if is_done() {
            return None;
        }
        *busy = true;
        Some(Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *lock(&self.0.busy) = false;
        if !planted(Bug::ForgetSyncWaiters) {
            self.0.ended.notify_all();
        }
    }
}

/// The sync lock, until it is dropped.
pub(super) struct SyncGuard<'a> {
    guard: Option<LockGuard<'a>>,
    words: &'a Words,
}

impl Drop for SyncGuard<'_> {
    fn drop(&mut self) {
        drop(self.guard.take());
        self.words.sync_ended.fetch_add(1, Ordering::SeqCst);
        if self.words.sync_waiters.load(Ordering::SeqCst) != 0 {
            wake_all(&self.words.sync_ended);
        }
    }
}

impl Engine {
    /// Takes the sync lock. A holder that died may have met a failed sync and told nobody: then
    /// nothing since `synced` can be relied on.
    pub(super) fn sync_lock(&self) -> Result<SyncGuard<'_>> {
        let guard = self.control.lock(LockName::Sync, timeout())?;
        Ok(self.sync_locked(guard))
    }

    /// As [`Engine::sync_lock`]; none once `is_done` holds.
    pub(super) fn sync_lock_unless(&self, is_done: impl Fn() -> bool) -> Result<Option<SyncGuard<'_>>> {
        let words = self.control.words();
        let (begun, patience) = (Instant::now(), timeout());
        loop {
            let ended = words.sync_ended.load(Ordering::SeqCst);
            if is_done() {
                return Ok(None);
            }
            if let Some(guard) = self.control.try_lock(LockName::Sync)? {
                return Ok(Some(self.sync_locked(guard)));
            }
            if begun.elapsed() >= patience {
                return Err(self.control.held(LockName::Sync, patience));
            }
            words.sync_waiters.fetch_add(1, Ordering::SeqCst);
            wait_for_change(&words.sync_ended, ended, SLICE);
            words.sync_waiters.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn sync_locked<'a>(&'a self, guard: LockGuard<'a>) -> SyncGuard<'a> {
        let words = self.control.words();
        if guard.abandoned && !planted(Bug::ForgetAbandonedSync) {
            words.poisoned_from.fetch_min(words.synced.load(Ordering::Acquire), Ordering::AcqRel);
        }
        SyncGuard { guard: Some(guard), words }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
            mpsc,
        },
        time::Duration,
    };

    use super::*;
    use crate::bugs;

    const THREADS: u64 = 8;
    /// A round takes milliseconds.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Threads commit and wait for a sync, again and again; answers how many syncs that took, or none
    /// if a thread waits for ever.
    fn syncs_of(rounds: u64) -> Option<u64> {
        let shared =
            Arc::new((SyncQueue::default(), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)));
        let (done, ends) = mpsc::channel();
        for _ in 0..THREADS {
            let (shared, done, inherit) = (shared.clone(), done.clone(), bugs::inherit());
            // Not waited for: one that hangs is left behind.
            std::thread::spawn(move || {
                inherit();
                let (queue, committed, synced, syncs) = &*shared;
                for _ in 0..rounds {
                    let target = committed.fetch_add(1, Ordering::SeqCst) + 1;
                    if let Some(_turn) = queue.turn(|| synced.load(Ordering::SeqCst) >= target) {
                        let upto = committed.load(Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(1));
                        synced.fetch_max(upto, Ordering::SeqCst);
                        syncs.fetch_add(1, Ordering::SeqCst);
                    }
                    assert!(synced.load(Ordering::SeqCst) >= target, "told too early");
                }
                done.send(()).expect("someone waits");
            });
        }
        for _ in 0..THREADS {
            ends.recv_timeout(PATIENCE).ok()?;
        }
        Some(shared.3.load(Ordering::SeqCst))
    }

    #[test]
    fn a_sync_serves_all_who_wait() {
        let syncs = syncs_of(50).expect("nobody waits for ever");
        assert!(syncs <= 50 * THREADS / 2, "{syncs} syncs for {} commits", 50 * THREADS);
    }

    #[cfg(feature = "planted-bugs")]
    #[test]
    fn a_waiter_that_nobody_wakes_is_noticed() {
        let _planted = bugs::plant(Bug::ForgetSyncWaiters);
        assert_eq!(syncs_of(50), None);
    }
}
