//! What a loss of power keeps of all that it may take.

use crate::random::Random;

/// Decides, for one loss of power, the fate of each unsynced change.
#[derive(Debug)]
pub(super) enum Choice {
    /// Everything had reached the disk.
    KeepAll,
    /// Nothing had that wasn't synced.
    KeepNothing,
    /// Some had.
    Some {
        /// Decides.
        random: Random,
        /// How many changes in a thousand survive whole or in part.
        kept_permille: u64,
        /// How many of those are torn, in a thousand.
        torn_permille: u64,
    },
}

impl Choice {
    /// One of all the possible ones. Some keep nearly everything, some nearly nothing: a store
    /// that is wrong in one case only is rarely found by throwing a coin for every write.
    pub(super) fn of_seed(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let kept_permille = [20, 200, 500, 800, 950][random.index(5)];
        let torn_permille = [0, 200, 700][random.index(3)];
        Choice::Some { random, kept_permille, torn_permille }
    }

    /// Whether a change survives.
    pub(super) fn keeps(&mut self) -> bool {
        match self {
            Choice::KeepAll => true,
            Choice::KeepNothing => false,
            Choice::Some { random, kept_permille, .. } => random.chance(*kept_permille),
        }
    }

    /// Whether a change that survives does so in part only.
    pub(super) fn tears(&mut self) -> bool {
        match self {
            Choice::KeepAll | Choice::KeepNothing => false,
            Choice::Some { random, torn_permille, .. } => random.chance(*torn_permille),
        }
    }

    /// Whether one sector of a torn write survives.
    pub(super) fn keeps_sector(&mut self) -> bool {
        self.index(2) == 1
    }

    /// Which of `count` states in order survives; 0 is the oldest.
    pub(super) fn index(&mut self, count: usize) -> usize {
        match self {
            Choice::KeepAll => count - 1,
            Choice::KeepNothing => 0,
            Choice::Some { random, .. } => random.index(count),
        }
    }

    /// A number that changes with the choice.
    pub(super) fn salt(&mut self) -> u64 {
        match self {
            Choice::KeepAll => 1,
            Choice::KeepNothing => 2,
            Choice::Some { random, .. } => random.number(),
        }
    }
}
