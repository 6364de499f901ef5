//! Bulk bytes of a transaction: written at once, owned by records that wait for the commit.
//!
//! Invariant: a writer lives until the transaction has ended, although whoever wrote a value through
//! it thinks that it is committed: the backend must not take the bytes for garbage meanwhile.

use std::sync::{Arc, Mutex, PoisonError};

use millpond_core::{Extent, Result, SegmentWriter, Segments};

/// The writers of one transaction.
#[derive(Default)]
pub(super) struct Writers {
    idle: Arc<Mutex<Vec<Box<dyn SegmentWriter>>>>,
}

impl Writers {
    /// A writer, whose values are kept when it is dropped.
    pub(super) fn writer(&self, segments: &dyn Segments) -> Result<Box<dyn SegmentWriter>> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let writer = match idle {
            Some(writer) => writer,
            None => segments.writer()?,
        };
        Ok(Box::new(Kept { writer: Some(writer), is_begun: false, home: Arc::clone(&self.idle) }))
    }

    /// The transaction has ended; `may_be_named` unless it is certain that no commit names its bytes.
    pub(super) fn settle(&self, may_be_named: bool) {
        for mut writer in self.take() {
            if !may_be_named {
                writer.abandon();
            }
        }
    }

    /// No commit names its bytes.
    pub(super) fn abandon(&self) {
        self.settle(false);
    }

    /// Leaves them to the process that this one was forked from.
    pub(super) fn forget(&self) {
        self.take().into_iter().for_each(std::mem::forget);
    }

    fn take(&self) -> Vec<Box<dyn SegmentWriter>> {
        std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A writer on loan.
struct Kept {
    writer: Option<Box<dyn SegmentWriter>>,
    /// A value was begun and not finished.
    is_begun: bool,
    home: Arc<Mutex<Vec<Box<dyn SegmentWriter>>>>,
}

impl SegmentWriter for Kept {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        self.is_begun = true;
        let appended = writer.append(bytes);
        self.is_begun = appended.is_ok();
        appended
    }

    fn finish(&mut self) -> Result<Vec<Extent>> {
        let Some(writer) = &mut self.writer else { return Ok(Vec::new()) };
        self.is_begun = false;
        writer.finish()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let Some(mut writer) = self.writer.take() else { return };
        // A value that nobody finished must not become the beginning of the next one.
        if !self.is_begun || writer.finish().is_ok() {
            self.home.lock().unwrap_or_else(PoisonError::into_inner).push(writer);
        }
    }
}
