//! The engine's view of the pool's quota.

use std::time::Duration;

use millpond_core::Result;

/// Counts the bytes that a pool has allocated, against its quota.
pub trait Space: Send + Sync {
    /// Counts `bytes` more.
    ///
    /// # Errors
    /// `NoSpace`, and nothing is counted, if that passes the quota.
    fn charge(&self, bytes: u64) -> Result<()>;

    /// Counts `bytes` more, whatever the quota: for what gives space back in the end.
    fn charge_anyway(&self, bytes: u64);

    /// Counts `bytes` less.
    fn release(&self, bytes: u64);

    /// Counts the files anew: what was charged for bytes that were given up again may have been
    /// left out of a count in between.
    fn recount(&self) {}

    /// Counts the files anew if somebody may have counted them since `since` (the time since 1970): a
    /// count in the middle of a change whose bytes are charged before it or released after it is wrong
    /// by those.
    fn recount_if_counted(&self, _since: Duration) {}
}

/// No quota.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unlimited;

impl Space for Unlimited {
    fn charge(&self, _: u64) -> Result<()> {
        Ok(())
    }

    fn charge_anyway(&self, _: u64) {}

    fn release(&self, _: u64) {}
}
