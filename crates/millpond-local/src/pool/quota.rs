//! The pool's quota: one count of allocated bytes that all processes of a pool share.
//!
//! Invariants:
//! - What is charged was below the limit when it was charged, but for what gives space back.
//! - A process that dies leaves the count too great at most, never too small; it is put right when
//!   somebody comes in alone, or when the quota seems to be used up.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use millpond_core::{Error, ErrorKind, Result};

use super::{
    attachment::{Attachment, UNLIMITED, Words},
    document::load_pool,
    per_process::PerProcess,
    usage,
};
use crate::{media::Media, space::Space};

/// Milliseconds between two counts of all files to make room.
const RECOUNT_MS: u64 = 1000;

/// The quota of a pool that this process has open. As long as it lives, the process counts as one
/// that has the pool open.
#[derive(Debug)]
pub(crate) struct Quota {
    media: Arc<dyn Media>,
    dir: PathBuf,
    attachment: PerProcess<Attachment>,
}

impl Quota {
    /// Attaches to the quota of the pool in `dir`.
    pub(crate) fn new(media: Arc<dyn Media>, dir: &Path) -> Result<Self> {
        let attachment = PerProcess::new(Attachment::new(&media, dir)?);
        Ok(Self { media, dir: dir.to_owned(), attachment })
    }

    /// What this process holds of the pool; in a forked child it attaches anew.
    pub(super) fn attachment(&self) -> Result<&Attachment> {
        self.attachment.get_or_make(|| Attachment::new(&self.media, &self.dir))
    }

    /// Counts `bytes` more.
    ///
    /// # Errors
    /// `NoSpace`, and nothing is counted, where that would pass the quota.
    pub(crate) fn charge(&self, bytes: u64) -> Result<()> {
        let words = self.attachment()?.words();
        if take(words, bytes) {
            return Ok(());
        }
        if self.claim_recount(words) {
            self.recount()?;
            if take(words, bytes) {
                return Ok(());
            }
        }
        let (limit, used) = (words.limit.load(Ordering::Acquire), self.used()?);
        let label =
            load_pool(&self.media, &self.dir)?.map_or_else(String::new, |pool| pool.label.to_string());
        Err(Error::new(
            ErrorKind::NoSpace,
            format!(
                "pool {label} ({}) has a quota of {limit} bytes, of which {used} are used, and {bytes} more don't fit; delete something, or raise the quota with `millpond pool set-prop {label} size=SIZE`",
                self.dir.display()
            ),
        ))
    }

    /// Counts `bytes` more, whatever the quota.
    pub(crate) fn charge_unchecked(&self, bytes: u64) {
        // A child that can't attach charges nothing: the next count of the files puts it right.
        if let Ok(attachment) = self.attachment() {
            attachment.words().used.fetch_add(clamped(bytes), Ordering::AcqRel);
        }
    }

    /// Counts `bytes` less.
    pub(crate) fn release(&self, bytes: u64) {
        if let Ok(attachment) = self.attachment() {
            attachment.words().used.fetch_sub(clamped(bytes), Ordering::AcqRel);
        }
    }

    /// How many bytes are counted.
    pub(crate) fn used(&self) -> Result<u64> {
        Ok(self.attachment()?.words().used.load(Ordering::Acquire).max(0) as u64)
    }

    /// Counts the files again, and corrects the count by what it was wrong. What is charged
    /// meanwhile stays charged.
    pub(crate) fn recount(&self) -> Result<()> {
        let words = self.attachment()?.words();
        let before = words.used.load(Ordering::Acquire);
        let counted = clamped(usage::count(&self.media, &self.dir)?);
        words.used.fetch_add(counted.wrapping_sub(before), Ordering::AcqRel);
        Ok(())
    }

    /// Whether it is this caller's turn to count the files before it gives up.
    fn claim_recount(&self, words: &Words) -> bool {
        let now = self.media.now().as_millis() as u64;
        let last = words.counted.load(Ordering::Acquire);
        now.abs_diff(last) >= RECOUNT_MS
            && words.counted.compare_exchange(last, now, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

impl Space for Quota {
    fn charge(&self, bytes: u64) -> Result<()> {
        Quota::charge(self, bytes)
    }

    fn charge_anyway(&self, bytes: u64) {
        self.charge_unchecked(bytes);
    }

    fn release(&self, bytes: u64) {
        Quota::release(self, bytes);
    }

    fn recount(&self) {
        // One that fails leaves the count as it is, for the next one to put right.
        let _ = Quota::recount(self);
    }

    fn recount_if_counted(&self, since: Duration) {
        let Ok(attachment) = self.attachment() else { return };
        // A count takes a while from where it says that it begins.
        let since = (since.as_millis() as u64).saturating_sub(RECOUNT_MS);
        if attachment.words().counted.load(Ordering::Acquire) >= since {
            let _ = Quota::recount(self);
        }
    }
}

fn take(words: &Words, bytes: u64) -> bool {
    let limit = words.limit.load(Ordering::Acquire);
    let more = |used: i64| {
        let after = used.saturating_add(clamped(bytes));
        (limit == UNLIMITED || after <= limit).then_some(after)
    };
    words.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
}

fn clamped(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
