//! Drives a store with commits that the checker knows, and keeps the ledger.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millpond_core::{Durability, Error, Extent, Outcome, Result, SegmentWriter, Store};

use super::{Ledger, Violation, attempt, plan::Plan};
use crate::random::Random;

/// What a workload works with.
pub struct Driver {
    store: Option<Arc<dyn Store>>,
    open: Box<dyn Fn() -> Result<Arc<dyn Store>> + Send>,
    ledger: Arc<Mutex<Ledger>>,
    writer: Option<Box<dyn SegmentWriter>>,
    /// Whether an error is a violation, as it is where nothing fails but the machine as a whole.
    pub(super) errors_allowed: bool,
    /// Another process that has the store open, and works on it too.
    peer: Option<Arc<Mutex<Driver>>>,
    pub(super) errors: Vec<Error>,
    pub(super) violation: Option<Violation>,
    /// For the workload's own decisions.
    pub random: Random,
}

impl Driver {
    /// Drives the store that `open` opens.
    pub(super) fn new(
        open: impl Fn() -> Result<Arc<dyn Store>> + Send + 'static,
        ledger: Arc<Mutex<Ledger>>,
        seed: u64,
    ) -> Result<Self> {
        let store = Some(open()?);
        Ok(Self {
            store,
            open: Box::new(open),
            ledger,
            writer: None,
            errors_allowed: false,
            peer: None,
            errors: Vec::new(),
            violation: None,
            random: Random::new(seed),
        })
    }

    /// The store that is driven.
    ///
    /// # Panics
    /// Where it could not be opened again.
    pub fn store(&self) -> &Arc<dyn Store> {
        self.store.as_ref().expect("it is open but while it is opened again")
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `peer` take part in the workload.
    pub(super) fn join(&mut self, peer: Arc<Mutex<Driver>>) {
        self.peer = Some(peer);
    }

    /// The other process, if there is one.
    pub fn peer(&self) -> Option<Arc<Mutex<Driver>>> {
        self.peer.clone()
    }

    /// What was found wrong, by this process or the other one.
    pub(super) fn verdict(&mut self) -> std::result::Result<(), Violation> {
        let peer = self.peer.take();
        let others =
            peer.map_or(Ok(()), |peer| peer.lock().unwrap_or_else(PoisonError::into_inner).verdict());
        self.violation.take().map_or(Ok(()), Err).and(others)
    }

    /// Makes the next commit of the plan.
    pub fn commit(&mut self, durability: Durability) {
        let (number, seed) = {
            let mut ledger = self.ledger();
            (ledger.begin(), ledger.seed)
        };
        let plan = Plan::of(seed, number);
        let outcome = attempt(|| {
            let extents = self.store_bulk(&plan)?;
            let given_back = plan.given_back(&**self.store())?;
            self.store().index().commit(&plan.commit(&extents, &given_back, durability))
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
                None => self.store().segments().writer()?,
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
        match attempt(|| self.store().index().flush()) {
            Ok(epoch) => self.ledger().synced(epoch),
            Err(error) => self.fail("flush".into(), error),
        }
    }

    /// Compacts.
    pub fn compact(&mut self) {
        if let Err(error) = attempt(|| self.store().compact()) {
            self.fail("compact".into(), error);
        }
    }

    /// Closes the store, or drops it, and opens it again.
    pub fn reopen(&mut self) {
        self.writer = None;
        // Everything that was committed before is durable once it is closed.
        let last = self.ledger().acknowledged.last_key_value().map(|(epoch, _)| *epoch);
        // Dropping keeps its errors to itself.
        let drops = !self.errors_allowed && self.random.chance(500);
        let closed = if drops {
            self.store = None;
            Ok(())
        } else {
            attempt(|| self.store().close())
        };
        match (closed, last) {
            (Ok(()), Some(last)) => self.ledger().synced(last),
            (Ok(()), None) => {}
            (Err(error), _) => self.fail("close".into(), error),
        }
        match attempt(|| (self.open)()) {
            Ok(store) => self.store = Some(store),
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
/// among them, by this process and the other one.
pub fn mixed_workload(commits: usize) -> impl Fn(&mut Driver) {
    move |driver| {
        let end = driver.begun() + commits;
        while driver.begun() < end {
            match driver.peer().filter(|_| driver.random.chance(350)) {
                Some(peer) => step(&mut peer.lock().unwrap_or_else(PoisonError::into_inner)),
                None => step(driver),
            }
        }
    }
}

fn step(driver: &mut Driver) {
    match driver.random.below(100) {
        0..45 => driver.commit(Durability::Async),
        45..92 => driver.commit(Durability::Sync),
        92..95 => driver.flush(),
        95..97 => driver.compact(),
        _ => driver.reopen(),
    }
}
