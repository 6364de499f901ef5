//! Bugs to plant in transactions, rollbacks and repairs, so that each can be seen to be found from what
//! clients were answered, or from what a crash leaves.
//!
//! Only with the feature `planted-bugs`, which nothing that ships turns on; without it every question here
//! is answered `false` when compiling.

/// A rule, left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// What was read of keys that the transaction writes isn't asked for again when it commits.
    LoseUpdates,
    /// What was read of other keys isn't.
    SkewWrites,
    /// Ranges that were read aren't.
    MissPhantoms,
    /// What is written is there for everyone at once.
    WriteThrough,
    /// Each read shows the newest state, not the one that the transaction began with.
    ReadLatest,
    /// A commit is made as two, one after the other.
    TearCommits,
    /// A transaction begins with a state of some commits ago.
    BeginInThePast,
    /// A conflict is told as a success.
    AcknowledgeConflicts,
    /// A rollback is made as two commits, one after the other.
    TearRollbacks,
    /// A value that is lost is deleted before the marker is put in its place.
    DeleteBeforeMarker,
    /// What many blobs add to the counters of bytes is committed after them.
    CountBlobsApart,
    /// A change of a value in place is made as two commits, one after the other.
    ChangeInTwoCommits,
}

#[cfg(feature = "planted-bugs")]
mod planting {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a bug for what this thread does, until the answer is dropped.
    #[must_use]
    pub fn plant(bug: Bug) -> Planted {
        PLANTED.set(Some(bug));
        Planted(())
    }

    /// A bug that is planted.
    #[derive(Debug)]
    pub struct Planted(());

    impl Drop for Planted {
        fn drop(&mut self) {
            PLANTED.set(None);
        }
    }

    pub(crate) fn planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(feature = "planted-bugs")]
pub(crate) use planting::planted;
#[cfg(feature = "planted-bugs")]
pub use planting::{Planted, plant};

#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}
