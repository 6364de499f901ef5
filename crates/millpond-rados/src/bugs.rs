//! Bugs and faults to plant, so that each test can be seen to catch what it is there for.
//!
//! Only with the feature `planted-bugs`, which nothing that ships turns on; without it every
//! question here is answered `false` when compiling. What is planted is so for the whole process.

/// A rule of the backend, left out; or a fault of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Bug {
    /// A commit doesn't ask whether the head is still what it was made from.
    CommitWithoutGuard = 1,
    /// A fault: of every third write of a commit, the answer is lost, although it was applied.
    LoseAnswers,
    /// As [`Bug::LoseAnswers`], and whoever retries doesn't look whether it was applied.
    RetryWithoutLooking,
    /// Checksums are not compared.
    AcceptDamage,
    /// Superseded versions are not kept for older views.
    DropHistory,
}

#[cfg(feature = "planted-bugs")]
mod planting {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::Bug;

    static PLANTED: AtomicU32 = AtomicU32::new(0);

    /// Plants a bug in this process, until the answer is dropped.
    #[must_use]
    pub fn plant(bug: Bug) -> Planted {
        PLANTED.store(bug as u32, Ordering::SeqCst);
        Planted(())
    }

    /// A bug that is planted.
    #[derive(Debug)]
    pub struct Planted(());

    impl Drop for Planted {
        fn drop(&mut self) {
            PLANTED.store(0, Ordering::SeqCst);
        }
    }

    pub(crate) fn planted(bug: Bug) -> bool {
        PLANTED.load(Ordering::Relaxed) == bug as u32
    }

    /// Whether the answer of this write is to be lost.
    pub(crate) fn loses_answer() -> bool {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        (planted(Bug::LoseAnswers) || planted(Bug::RetryWithoutLooking))
            && COUNT.fetch_add(1, Ordering::Relaxed).is_multiple_of(3)
    }
}

#[cfg(feature = "planted-bugs")]
pub use planting::{Planted, plant};
#[cfg(feature = "planted-bugs")]
pub(crate) use planting::{loses_answer, planted};

#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn loses_answer() -> bool {
    false
}
