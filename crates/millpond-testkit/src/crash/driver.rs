//! Drives a store with commits that the checker knows, and keeps the ledger.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millpond_core::{Durability, Error, Extent, Outcome, Result, SegmentWriter, Store};

use super::{Ledger, Violation, plan::Plan};
use crate::random::Random;

/// What a workload works with.
pub struct Driver {
    store: Arc<dyn Store>,
    open: Box<dyn Fn() -> Result<Arc<dyn Store>>>,
    ledger: Arc<Mutex<Ledger>>,
    writer: Option<Box<dyn SegmentWriter>>,
    /// Whether an error is a violation, as it is where nothing fails but the machine as a whole.
    pub(super) errors_allowed: bool,
    pub(super) errors: Vec<Error>,
    pub(super) violation: Option<Violation>,
    /// For the workload's own decisions.
    pub random: Random,
}

impl Driver {
    /// Drives the store that `open` opens.
    pub(super) fn new(
        open: impl Fn() -> Result<Arc<dyn Store>> + 'static,
        ledger: Arc<Mutex<Ledger>>,
        seed: u64,
    ) -> Result<Self> {
        let store = open()?;
        Ok(Self {
            store,
            open: Box::new(open),
            ledger,
            writer: None,
            errors_allowed: false,
            errors: Vec::new(),
            violation: None,
            random: Random::new(seed),
        })
    }

    /// The store that is driven.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the next commit of the plan.
    pub fn commit(&mut self, durability: Durability) {
        let (number, seed) = {
            let mut ledger = self.ledger();
            (ledger.begin(), ledger.seed)
        };
        let plan = Plan::of(seed, number);
        let outcome = self.store_bulk(&plan).and_then(|extents| {
            let commit = plan.commit(&extents, durability);
            self.store.index().commit(&commit)
        });
        match outcome {
            Ok(Outcome::Committed { epoch, .. }) => {
                let kept = self.ledger().acknowledge(number, epoch, durability == Durability::Sync);
                self.note(kept);
            }
            Ok(Outcome::Conflict { .. }) => {
                self.note(Err(Violation::new("a conflict without a precondition")));
            }
            Err(error) => self.fail(format!("commit {number}"), error),
        }
    }

    fn store_bulk(&mut self, plan: &Plan) -> Result<Vec<Vec<Extent>>> {
        let mut all = Vec::new();
        for bulk in plan.bulk() {
            if bulk.is_empty() {
                all.push(Vec::new());
                continue;
            }
            let mut writer = match self.writer.take() {
                Some(writer) => writer,
                None => self.store.segments().writer()?,
            };
            for piece in bulk.chunks(9000) {
                writer.append(piece)?;
            }
            all.push(writer.finish()?);
            self.writer = Some(writer);
        }
        Ok(all)
    }

    /// Flushes.
    pub fn flush(&mut self) {
        match self.store.index().flush() {
            Ok(epoch) => self.ledger().synced(epoch),
            Err(error) => self.fail("flush".into(), error),
        }
    }

    /// Compacts.
    pub fn compact(&mut self) {
        if let Err(error) = self.store.compact() {
            self.fail("compact".into(), error);
        }
    }

    /// Closes the store and opens it again.
    pub fn reopen(&mut self) {
        self.writer = None;
        // Everything that was committed before is durable once it is closed.
        let last = self.ledger().acknowledged.last_key_value().map(|(epoch, _)| *epoch);
        match self.store.close() {
            Ok(()) => {
                if let Some(last) = last {
                    self.ledger().synced(last);
                }
            }
            Err(error) => self.fail("close".into(), error),
        }
        match (self.open)() {
            Ok(store) => self.store = store,
            Err(error) => self.fail("open".into(), error),
        }
    }

    /// How many commits were begun.
    pub fn begun(&self) -> usize {
        self.ledger().begun.len()
    }

    fn fail(&mut self, doing: String, error: Error) {
        self.writer = None;
        if !self.errors_allowed {
            let text = format!("{doing} failed on a sound machine: {error} ({:?})", error.kind());
            self.note(Err(Violation::new(text)));
        }
        self.errors.push(error);
    }

    fn note(&mut self, kept: std::result::Result<(), Violation>) {
        if let (Err(violation), None) = (kept, &self.violation) {
            self.violation = Some(violation);
        }
    }
}

/// A workload of `commits` commits of both durabilities, with flushes, compactions and reopens
/// among them.
pub fn mixed_workload(commits: usize) -> impl Fn(&mut Driver) {
    move |driver| {
        let end = driver.begun() + commits;
        while driver.begun() < end {
            match driver.random.below(100) {
                0..45 => driver.commit(Durability::Async),
                45..92 => driver.commit(Durability::Sync),
                92..95 => driver.flush(),
                95..98 => driver.compact(),
                _ => driver.reopen(),
            }
        }
    }
}
