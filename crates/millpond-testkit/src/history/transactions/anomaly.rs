//! The names of what can't be, and how it is told to people.

use std::fmt;

/// What is wrong. The names are Adya's and Elle's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phenomenon {
    /// G0: writes of some transactions are before and behind each other's.
    DirtyWrite,
    /// G1a: what an aborted transaction wrote was read.
    AbortedRead,
    /// G1b: what a transaction wrote on its way was read.
    IntermediateRead,
    /// G1c: transactions read from each other in a circle.
    CircularInformation,
    /// G-single: one read a state of which no moment was like it, some writes there and some not.
    ReadSkew,
    /// G-single: two replaced the same version, and one of them is forgotten.
    LostUpdate,
    /// G2-item: each read what another one then replaced.
    WriteSkew,
    /// G2: as write skew, but what was replaced wasn't there when it was looked for.
    Phantom,
    /// Two lists of a key, neither of which is the other one's beginning.
    IncompatibleOrder,
    /// What a committed transaction wrote is nowhere.
    LostElement,
    /// What nobody wrote was read, or something twice.
    UnwrittenElement,
    /// A transaction read something twice, and differently, or not its own writes.
    Internal,
    /// There would be an order, but not one in which those that ended come before those that began
    /// afterwards.
    RealTime,
}

impl fmt::Display for Phenomenon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DirtyWrite => "G0, a dirty write",
            Self::AbortedRead => "G1a, an aborted read",
            Self::IntermediateRead => "G1b, an intermediate read",
            Self::CircularInformation => "G1c, information that flows in a circle",
            Self::ReadSkew => "G-single, a skewed read",
            Self::LostUpdate => "G-single, a lost update",
            Self::WriteSkew => "G2-item, a write skew",
            Self::Phantom => "G2, a phantom",
            Self::IncompatibleOrder => "an incompatible order",
            Self::LostElement => "a lost element",
            Self::UnwrittenElement => "an element that nobody wrote, or twice",
            Self::Internal => "a transaction that disagrees with itself",
            Self::RealTime => "a violation of real time",
        })
    }
}

/// Something that can't be in a history, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// What it is.
    pub phenomenon: Phenomenon,
    /// Why it can't be, for people; with the transactions that took part.
    pub explanation: String,
}

impl Anomaly {
    pub(super) fn new(phenomenon: Phenomenon, explanation: impl Into<String>) -> Self {
        Self { phenomenon, explanation: explanation.into() }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.phenomenon, self.explanation)
    }
}
