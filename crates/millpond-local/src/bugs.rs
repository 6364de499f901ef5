//! Bugs to plant, so that each harness can be seen to catch the one that it is there for.
//!
//! Only with the feature `planted-bugs`, which nothing that ships turns on; without it every
//! question here is answered `false` when compiling.

/// A rule of the engine, left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs)] // The names say it.
pub enum Bug {
    AcknowledgeBeforeLogSync = 1,
    SkipSegmentSync,
    SkipLogDirectorySync,
    RollWithoutSync,
    CutCorruptionOff,
    AcceptRecordsWithoutChecksum,
    TakeOverWithoutZeroing,
    ReuseIncarnation,
    AcknowledgeAfterFailedSync,
    CloseWithoutSync,
    NoPeriodicSync,
    BulkRunWithoutSync,
    LogSpaceNotZeroedAhead,
    TrustOldControl,
    PanicLeavesLockClean,
    AppendWithoutCatchingUp,
    ForkedChildKeepsHandle,
    ManifestBeforeRun,
    SkipManifestDirectorySync,
    UnlinkWhileInUse,
    DropNeededVersions,
    DropTombstonesEarly,
    MoveSegmentsWithoutPointers,
    SkipValidation,
    ForgetAbandonedSync,
    ForgetFailedSegments,
    TellOfFailedSegmentsLate,
    KeepRecordsInOldFile,
    ReadWithoutCatchingUp,
    SkipChecksums,
    PublishBeforeRecord,
    SlotForgetsViews,
    TrustWhatLossesLeave,
    HolderNotNamed,
    EngineByUuid,
    IndexOfTwoLevels,
    CloseBesideThread,
    ForgetSyncWaiters,
    ForgetRetained,
    ForgetBeforeSync,
    DropSharedSegments,
    RetireWithoutAskingCursors,
    RetireWithoutLookingAgain,
    DeliverUnsynced,
    WakeNobody,
    MergeAwayWatchedRuns,
    UnlinkBeforeRepair,
    CountStreamsApart,
    LeaveGarbage,
    UnlinkByManifestInDoubt,
    BackupWithoutDirectorySync,
    BackupWithoutPinning,
    RestoreWithoutChecking,
    CountReplaced,
}

#[cfg(feature = "planted-bugs")]
mod planting {
    use super::Bug;
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<u32> = const { Cell::new(0) };
    }

    /// Plants a bug for engines that this thread drives, until the answer is dropped.
    #[must_use]
    pub fn plant(bug: Bug) -> Planted {
        plant_number(bug as u32)
    }

    /// Plants the bug of a number, as a test tells another process of it; 0 is none.
    #[must_use]
    pub fn plant_number(number: u32) -> Planted {
        PLANTED.set(number);
        Planted(())
    }

    /// A bug that is planted.
    #[derive(Debug)]
    pub struct Planted(());

    impl Drop for Planted {
        fn drop(&mut self) {
            PLANTED.set(0);
        }
    }

    pub(crate) fn planted(bug: Bug) -> bool {
        PLANTED.get() == bug as u32
    }

    /// What is planted for this thread, to be planted for one that it begins.
    pub(crate) fn inherit() -> impl FnOnce() + Send {
        let planted = PLANTED.get();
        move || PLANTED.set(planted)
    }
}

#[cfg(feature = "planted-bugs")]
pub use planting::{Planted, plant, plant_number};
#[cfg(feature = "planted-bugs")]
pub(crate) use planting::{inherit, planted};

#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}

#[cfg(not(feature = "planted-bugs"))]
pub(crate) fn inherit() -> impl FnOnce() + Send {
    || ()
}
