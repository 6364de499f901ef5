//! Long values on their way to a commit.
//!
//! Invariant: bytes are given up only when it is certain that no commit names them. Their writer is
//! kept until then, so that the backend doesn't take them for garbage meanwhile.

use millpond_core::{Extent, Result, SegmentWriter, Segments};

use super::{put_inline, put_long};
use crate::{
    container::{Container, may_have_taken_effect},
    maker::Maker,
};

/// How a commit ended that had preconditions of its own.
pub(crate) enum Applied {
    /// It took effect; of each write, whether its key existed before.
    Done(Vec<bool>),
    /// One of its own preconditions didn't hold.
    Conflict,
}

/// Long values of one commit. Dropped without one, they are given up.
#[derive(Default)]
pub(crate) struct LongValues {
    writer: Option<Box<dyn SegmentWriter>>,
    maker: Maker,
}

impl LongValues {
    /// # Errors
    /// `Forked` in a child of the process that began `what` they belong to.
    pub(crate) fn check(&self, what: &str) -> Result<()> {
        self.maker.check(what)
    }

    /// Adds bytes to the value at hand. After an error that value is lost; those that were finished
    /// stay.
    pub(crate) fn append(&mut self, segments: &dyn Segments, bytes: &[u8]) -> Result<()> {
        match &mut self.writer {
            Some(writer) => writer.append(bytes),
            none => none.insert(segments.writer()?).append(bytes),
        }
    }

    /// Ends the value at hand.
    pub(crate) fn finish(&mut self) -> Result<Vec<Extent>> {
        self.writer.as_mut().map_or_else(|| Ok(Vec::new()), |writer| writer.finish())
    }

    /// The last try to commit them ended like this.
    pub(crate) fn settle(mut self, commit: &Result<Applied>) {
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
pub(crate) struct Prepared {
    pub(crate) record: Vec<u8>,
    pub(crate) extents: Vec<Extent>,
    pub(crate) long: LongValues,
}

impl Prepared {
    /// Makes the record of a value, and writes it to segments if it is long.
    pub(crate) fn new(container: &Container, bytes: &[u8]) -> Result<Self> {
        let mut prepared = Self { record: Vec::new(), extents: Vec::new(), long: LongValues::default() };
        if container.fits_inline(bytes.len()) {
            put_inline(&mut prepared.record, bytes);
        } else {
            prepared.long.append(container.segments()?, bytes)?;
            prepared.extents = prepared.long.finish()?;
            put_long(&mut prepared.record, bytes.len() as u64);
        }
        Ok(prepared)
    }
}
