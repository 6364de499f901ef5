//! Long values on their way to a commit.
//!
//! Invariant: bytes are given up only when it is certain that no commit names them. Their writer is
//! kept until then, so that the backend doesn't take them for garbage meanwhile.

use millpond_core::{Extent, Result, SegmentWriter, Segments};

use super::{Applied, value};
use crate::{
    container::{Container, may_have_taken_effect},
    maker::Maker,
};

/// Long values of one commit. Dropped without one, they are given up.
#[derive(Default)]
pub(super) struct LongValues {
    writer: Option<Box<dyn SegmentWriter>>,
    maker: Maker,
}

impl LongValues {
    /// # Errors
    /// `Forked` in a child of the process that began `what` they belong to.
    pub(super) fn check(&self, what: &str) -> Result<()> {
        self.maker.check(what)
    }

    /// Adds bytes to the value at hand. After an error that value is lost; those that were finished
    /// stay.
    pub(super) fn append(&mut self, segments: &dyn Segments, bytes: &[u8]) -> Result<()> {
        match &mut self.writer {
            Some(writer) => writer.append(bytes),
            none => none.insert(segments.writer()?).append(bytes),
        }
    }

    /// Ends the value at hand.
    pub(super) fn finish(&mut self) -> Result<Vec<Extent>> {
        self.writer.as_mut().map_or_else(|| Ok(Vec::new()), |writer| writer.finish())
    }

    /// The last try to commit them ended like this.
    pub(super) fn settle(mut self, commit: &Result<Applied>) {
        let may_be_named = match commit {
            Ok(Applied::Done(_)) => true,
            Ok(Applied::Conflict) => false,
            Err(error) => may_have_taken_effect(error),
        };
        if may_be_named {
            self.writer = None;
        }
    }
}

impl Drop for LongValues {
    fn drop(&mut self) {
        let Some(mut writer) = self.writer.take() else { return };
        if self.maker.is_here() {
            writer.abandon();
        } else {
            // What it wrote is the parent's.
            std::mem::forget(writer);
        }
    }
}

/// A value, ready to be committed.
pub(super) struct Prepared {
    pub(super) record: Vec<u8>,
    pub(super) extents: Vec<Extent>,
    pub(super) long: LongValues,
}

impl Prepared {
    /// Makes the record of a value, and writes it to segments if it is long.
    pub(super) fn new(container: &Container, bytes: &[u8]) -> Result<Self> {
        let mut prepared = Self { record: Vec::new(), extents: Vec::new(), long: LongValues::default() };
        if container.fits_inline(bytes.len()) {
            value::put_inline(&mut prepared.record, bytes);
        } else {
            prepared.long.append(container.segments()?, bytes)?;
            prepared.extents = prepared.long.finish()?;
            value::put_long(&mut prepared.record, bytes.len() as u64);
        }
        Ok(prepared)
    }
}
