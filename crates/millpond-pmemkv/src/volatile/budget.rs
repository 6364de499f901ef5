//! The size of a volatile engine, in bytes that are counted record by record.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    error::{Error, Result},
    status::Status,
};

/// Bytes that a record counts for beside those of its key and its value: about what the allocator and the
/// table take.
pub const RECORD_BYTES: u64 = 64;

/// Counts bytes up to a limit.
#[derive(Debug)]
pub struct Budget {
    size: u64,
    used: AtomicU64,
}

impl Budget {
    pub fn new(size: u64) -> Self {
        Self { size, used: AtomicU64::new(0) }
    }

    /// Counts `more` bytes and gives `fewer` back, in one step.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY`, and then nothing is counted.
    pub fn charge(&self, more: u64, fewer: u64) -> Result<()> {
        if more <= fewer {
            self.used.fetch_sub(fewer - more, Ordering::Relaxed);
            return Ok(());
        }
        let grown = more - fewer;
        let used = self.used.fetch_add(grown, Ordering::Relaxed);
        if used.saturating_add(grown) <= self.size {
            return Ok(());
        }
        self.used.fetch_sub(grown, Ordering::Relaxed);
        Err(Error::new(
            Status::OutOfMemory,
            format!(
                "{grown} more bytes don't fit: {used} of {} are used; remove records, or open with a greater size",
                self.size
            ),
        ))
    }

    /// Counts bytes that there is room for, since they were counted before.
    pub fn count(&self, more: u64) {
        self.used.fetch_add(more, Ordering::Relaxed);
    }

    /// Gives bytes back.
    pub fn release(&self, fewer: u64) {
        self.used.fetch_sub(fewer, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_not_counted() {
        let budget = Budget::new(100);
        budget.charge(60, 0).expect("fits");
        let error = budget.charge(41, 0).expect_err("too much");
        assert_eq!(error.status(), Status::OutOfMemory);
        assert_eq!(budget.used(), 60);
        budget.charge(90, 60).expect("fits in place of what was there");
        budget.charge(10, 80).expect("shrinks");
        assert_eq!(budget.used(), 20);
        budget.release(20);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_budget_without_an_end_is_never_full() {
        let budget = Budget::new(u64::MAX);
        budget.charge(u64::MAX / 2, 0).expect("fits");
        budget.charge(u64::MAX / 2, 0).expect("fits");
        assert_eq!(budget.used(), u64::MAX - 1);
    }
}
