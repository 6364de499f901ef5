//! Bugs to plant in objects, so that their tests can be seen to catch them.
//!
//! Only with the feature `planted-bugs`, which nothing that ships turns on; without it every
//! question here is answered `false` when compiling.

/// A rule of the object model, left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectBug {
    /// Of extents of one commit, any may show.
    IgnoreSequence,
    /// What overlaps a range is looked for only half as far before it as it may begin.
    SearchTooShort,
    /// A merged extent counts as written when it was merged.
    MergeAsOfNow,
}

#[cfg(feature = "planted-bugs")]
mod planting {
    use std::cell::Cell;

    use super::ObjectBug;

    thread_local! {
        static PLANTED: Cell<Option<ObjectBug>> = const { Cell::new(None) };
    }

    impl ObjectBug {
        /// Plants the bug for what this thread does, until the answer is dropped.
        #[must_use]
        pub fn plant(self) -> PlantedObjectBug {
            PLANTED.set(Some(self));
            PlantedObjectBug(())
        }

        pub(in super::super) fn is_planted(self) -> bool {
            PLANTED.get() == Some(self)
        }
    }

    /// A bug that is planted.
    #[derive(Debug)]
    pub struct PlantedObjectBug(());

    impl Drop for PlantedObjectBug {
        fn drop(&mut self) {
            PLANTED.set(None);
        }
    }
}

#[cfg(feature = "planted-bugs")]
pub use planting::PlantedObjectBug;

#[cfg(not(feature = "planted-bugs"))]
impl ObjectBug {
    pub(super) fn is_planted(self) -> bool {
        false
    }
}
