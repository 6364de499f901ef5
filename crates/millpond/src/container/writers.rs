//! Segment writers that wait for their next value.
//!
//! Beginning a segment costs a file, so that a writer that did well is kept for the next value.
//! Invariant: a writer comes back only after the commit that names what it wrote; one whose value
//! or commit failed is dropped, so that the backend can reclaim what nothing names.

use std::sync::{Mutex, PoisonError};

use millpond_core::{Extent, Result, SegmentWriter, Store};

/// Writers kept: more threads than these write long values at once seldom enough.
const IDLE_MAX: usize = 4;

#[derive(Default)]
pub(crate) struct Writers {
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The process that the writers belong to.
    process: u32,
    writers: Vec<Box<dyn SegmentWriter>>,
}

impl Writers {
    /// A writer that waits, or a new one.
    pub(crate) fn take(&self, store: &dyn Store) -> Result<Box<dyn SegmentWriter>> {
        match self.with(|writers| writers.pop()) {
            Some(writer) => Ok(writer),
            None => store.segments().writer(),
        }
    }

    /// Keeps a writer whose values are committed.
    pub(crate) fn give_back(&self, writer: Box<dyn SegmentWriter>) {
        let surplus = self.with(|writers| {
            if writers.len() < IDLE_MAX {
                writers.push(writer);
                None
            } else {
                Some(writer)
            }
        });
        drop(surplus);
    }

    /// Drops those that wait.
    pub(crate) fn clear(&self) {
        drop(self.with(std::mem::take));
    }

    fn with<T>(&self, body: impl FnOnce(&mut Vec<Box<dyn SegmentWriter>>) -> T) -> T {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        if idle.process != process {
            // After a fork these are the parent's: its segments are neither to be written nor to be
            // sealed from here.
            std::mem::forget(std::mem::take(&mut idle.writers));
            idle.process = process;
        }
        body(&mut idle.writers)
    }
}

/// Long values of one commit, written by one writer.
#[derive(Default)]
pub(crate) struct LongValues {
    writer: Option<Box<dyn SegmentWriter>>,
}

impl LongValues {
    /// Adds bytes to the value at hand.
    pub(crate) fn append(&mut self, writers: &Writers, store: &dyn Store, bytes: &[u8]) -> Result<()> {
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => writers.take(store)?,
        };
        writer.append(bytes)?;
        self.writer = Some(writer);
        Ok(())
    }

    /// Ends the value at hand.
    pub(crate) fn finish(&mut self) -> Result<Vec<Extent>> {
        self.writer.as_mut().map_or_else(|| Ok(Vec::new()), |writer| writer.finish())
    }

    /// The commit took effect.
    pub(crate) fn committed(self, writers: &Writers) {
        if let Some(writer) = self.writer {
            writers.give_back(writer);
        }
    }
}
