//! Who syncs for all who wait.
//!
//! Threads that wait for a sync are told together when one has ended: those whose commit it covered
//! go on, and one of the others syncs next. With a mutex instead, the thread that has just synced
//! takes it again before any of them has woken up, and syncs for itself alone.

use std::sync::PoisonError;

use super::lock;
use crate::sync::{Condvar, Mutex};

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
        self.0.ended.notify_all();
    }
}
