//! What a verification of a container carries from file to file: who is told, and the segment bytes that
//! records name.

use std::collections::BTreeMap;

use millpond_core::{Damage, Extent, Result, SegmentId, Verifier};

/// See the module.
pub(crate) struct Walk<'a> {
    pub(crate) verifier: &'a mut dyn Verifier,
    /// Bytes that were read.
    pub(crate) bytes: u64,
    /// What any record names, superseded ones too.
    pub(crate) extents: BTreeMap<SegmentId, Vec<Extent>>,
    /// Whether there is a record whose value had been lost before it came to a run.
    pub(crate) has_lost: bool,
    is_thorough: bool,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(verifier: &'a mut dyn Verifier) -> Self {
        let is_thorough = verifier.is_thorough();
        Self { verifier, bytes: 0, extents: BTreeMap::new(), has_lost: false, is_thorough }
    }

    /// See [`Verifier::is_thorough`].
    pub(crate) fn is_thorough(&self) -> bool {
        self.is_thorough
    }

    /// See [`Verifier::read`].
    pub(crate) fn read(&mut self, bytes: u64) -> Result<()> {
        self.bytes += bytes;
        self.verifier.read(bytes)
    }

    /// A file in the directory `dir` of the container is damaged.
    pub(crate) fn damaged(&mut self, dir: &str, mut damage: Damage) {
        let name = damage.place.rsplit('/').next().unwrap_or_default();
        damage.place = format!("{dir}/{name}");
        self.verifier.damaged(damage);
    }

    pub(crate) fn names(&mut self, extents: &[Extent]) {
        for extent in extents {
            self.extents.entry(extent.segment).or_default().push(*extent);
        }
    }
}
