//! Epochs: the versions of a container.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of a commit: greater for each later commit of the same container, never reused.
///
/// [`Epoch::ZERO`] comes before every commit; as the version of a key it means that the key is
/// absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// Before the first commit.
    pub const ZERO: Epoch = Epoch(0);
    /// After every commit.
    pub const MAX: Epoch = Epoch(u64::MAX);
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
