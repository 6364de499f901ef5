//! The commits of a handle that wait: whoever comes first writes for all, while the others wait.
//!
//! One operation of a hundred commits takes little longer than one of a single commit, and commits
//! of one process never make each other's guard fail.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
};

use millpond_core::{Error, ErrorKind, Outcome, Result};

use super::draft::Draft;
use crate::sync::lock;

/// Commits of one operation at most.
const COMMITS_MAX: usize = 128;
/// A batch is ended when its commits write this many bytes.
const BYTES_MAX: usize = 4 << 20;

/// See the module.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arc<Waiting>>,
    /// Whether a thread is writing.
    busy: bool,
}

/// A commit that waits for its outcome.
pub(super) struct Waiting {
    pub(super) draft: Draft,
    outcome: Mutex<Option<Result<Outcome>>>,
}

impl Waiting {
    pub(super) fn settle(&self, outcome: Result<Outcome>) {
        *lock(&self.outcome) = Some(outcome);
    }

    fn take(&self) -> Option<Result<Outcome>> {
        lock(&self.outcome).take()
    }
}

impl Queue {
    /// Has `draft` written by `write`, which settles every commit of the batch that it is given.
    pub(super) fn commit(&self, draft: Draft, write: impl Fn(&[Arc<Waiting>])) -> Result<Outcome> {
        let own = Arc::new(Waiting { draft, outcome: Mutex::new(None) });
        let mut state = lock(&self.state);
        state.waiting.push_back(Arc::clone(&own));
        loop {
            if let Some(outcome) = own.take() {
                return outcome;
            }
            if state.busy {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.busy = true;
            let batch = state.take_batch();
            drop(state);
            let turn = Turn { queue: self, batch: &batch };
            write(&batch);
            drop(turn);
            state = lock(&self.state);
        }
    }
}

impl State {
    fn take_batch(&mut self) -> Vec<Arc<Waiting>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < COMMITS_MAX
            && let Some(next) = self.waiting.front()
            && (batch.is_empty() || bytes + next.draft.bytes <= BYTES_MAX)
        {
            bytes += next.draft.bytes;
            batch.extend(self.waiting.pop_front());
        }
        batch
    }
}

/// The turn of the thread that writes. It ends with an outcome for everyone, even in a panic.
struct Turn<'q> {
    queue: &'q Queue,
    batch: &'q [Arc<Waiting>],
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        for waiting in self.batch {
            let mut outcome = lock(&waiting.outcome);
            if outcome.is_none() {
                let message = "the thread that was writing the commit panicked: its outcome is unknown";
                *outcome = Some(Err(Error::new(ErrorKind::Io, message)));
            }
        }
        lock(&self.queue.state).busy = false;
        self.queue.changed.notify_all();
    }
}
