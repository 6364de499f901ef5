//! What a run of commits was promised, kept outside of the machine that may crash.

use std::collections::{BTreeMap, BTreeSet};

use millpond_core::Epoch;

use super::Violation;

/// The commits of a run: begun, acknowledged, synced.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub(super) seed: u64,
    /// The numbers of all commits that were begun.
    pub(super) begun: BTreeSet<u64>,
    /// Those that were acknowledged, by epoch.
    pub(super) acknowledged: BTreeMap<Epoch, u64>,
    /// Commits up to this epoch were promised to survive a loss of power.
    pub(super) durable: Epoch,
    /// The greatest epoch that any view or commit ever showed.
    pub(super) seen: Epoch,
}

impl Ledger {
    /// The ledger of a new run, whose commits follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            begun: BTreeSet::new(),
            acknowledged: BTreeMap::new(),
            durable: Epoch::ZERO,
            seen: Epoch::ZERO,
        }
    }

    /// The number of the next commit.
    pub(super) fn begin(&mut self) -> u64 {
        let number = self.begun.last().map_or(0, |last| last + 1);
        self.begun.insert(number);
        number
    }

    /// Commit `number` was acknowledged.
    pub(super) fn acknowledge(&mut self, number: u64, epoch: Epoch, synced: bool) -> Result<(), Violation> {
        if epoch <= self.seen {
            return Err(Violation::new(format!(
                "commit {number} got epoch {epoch}, but {} was given out before",
                self.seen
            )));
        }
        self.seen = epoch;
        self.acknowledged.insert(epoch, number);
        if synced {
            self.durable = epoch;
        }
        Ok(())
    }

    /// Everything up to `epoch` was promised to be durable.
    pub(super) fn synced(&mut self, epoch: Epoch) {
        self.durable = self.durable.max(epoch);
    }

    /// What was found is all that there is from now on: acknowledged commits that were not
    /// promised to survive are forgotten, but not their epochs.
    pub(super) fn settle(&mut self, survivors: &BTreeMap<Epoch, u64>) {
        self.acknowledged = survivors.clone();
        // A commit whose outcome was unknown may have taken any epoch, of which nothing is known
        // if it is gone.
        self.seen = self.seen.max(survivors.last_key_value().map_or(Epoch::ZERO, |(epoch, _)| *epoch));
    }

    /// How many commits were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }
}
