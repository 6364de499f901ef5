//! Ready to append: under the commit lock, with nothing left over from a dead holder, all of the log
//! applied, an incarnation that is durable, and room in the current file.

use std::sync::atomic::Ordering;

use millpond_core::{Error, ErrorKind, Result, timeout};

use super::{EPOCHS_SKIPPED, Engine, apply::Applier};
use crate::{
    bugs::{Bug, planted},
    control::{LockGuard, LockName, NOT_POISONED},
    log::{HEADER_BYTES, LogFile, LogHeader, file_name, scratch_name},
};

/// Log bytes that may be left to replay under the lock.
const LAG_BYTES_MAX: u64 = 64 << 10;

/// How much longer than the first one a log file may get.
const LOG_GROWTH_MAX: u64 = 8;

impl Engine {
    /// The commit lock, caught up to within little of what is published.
    pub(super) fn commit_lock(&self) -> Result<LockGuard<'_>> {
        loop {
            // What is missing now is not replayed under the lock.
            let published = self.control.words().published.load(Ordering::Acquire);
            if published != self.applied.load(Ordering::Acquire) && !planted(Bug::AppendWithoutCatchingUp) {
                self.catch_up()?;
            }
            let guard = self.control.lock(LockName::Commit, timeout())?;
            let published = self.control.words().published.load(Ordering::Acquire);
            if published - self.applied.load(Ordering::Acquire) <= LAG_BYTES_MAX {
                return Ok(guard);
            }
            if guard.abandoned {
                // Whoever comes first cleans up, and that may be another one now.
                guard.abandon();
            }
        }
    }

    /// Under the lock: nothing is left over from a dead holder, this process has applied all, and
    /// commits may be given epochs.
    ///
    /// # Errors
    /// `Corrupt` when records of the log are lost, which no repair has accepted.
    pub(super) fn make_ready(&self, guard: &LockGuard<'_>, applier: &mut Applier) -> Result<()> {
        self.refuse_if_lossy()?;
        self.make_ready_in_spite_of_losses(guard, applier)
    }

    pub(super) fn make_ready_in_spite_of_losses(
        &self,
        guard: &LockGuard<'_>,
        applier: &mut Applier,
    ) -> Result<()> {
        if !planted(Bug::AppendWithoutCatchingUp) {
            self.catch_up_with(applier)?;
        }
        if guard.abandoned {
            self.take_over(applier)?;
        }
        if self.control.words().poisoned_from.load(Ordering::Acquire) != NOT_POISONED {
            self.repair(applier)?;
        }
        self.make_writable(applier)
    }

    /// Cleans up behind a holder of the commit lock that died or failed (rule 3).
    fn take_over(&self, applier: &mut Applier) -> Result<()> {
        let words = self.control.words();
        words.term.fetch_add(1, Ordering::AcqRel);
        words.epoch_floor.store(applier.epoch.0 + EPOCHS_SKIPPED, Ordering::Release);
        if planted(Bug::TakeOverWithoutZeroing) {
            return Ok(());
        }
        self.remove_next_file(applier)?;
        applier.file.zero_from(applier.offset)?;
        Ok(())
    }

    /// Removes a log file that was made and not begun: it would cut the log short.
    fn remove_next_file(&self, applier: &Applier) -> Result<()> {
        let (dir, name) = (self.log_dir(), file_name(applier.file.number() + 1));
        match self.media.remove(&dir.join(&name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.and_then(|()| self.media.sync_dir(&dir)),
        }
        .map_err(|error| Error::io(format!("removing unused log file {}", dir.join(name).display()), error))
    }

    /// Makes the incarnation durable before anything is made in its name (rule 4).
    fn make_writable(&self, applier: &mut Applier) -> Result<()> {
        let words = self.control.words();
        if words.writable.load(Ordering::Acquire) != 0 {
            return Ok(());
        }
        // What recovery accepted may be in the page cache alone, with half a record behind it.
        self.remove_next_file(applier)?;
        applier.file.zero_from(applier.offset)?;
        self.settle_recovered(applier)?;
        self.replace_manifest(|manifest| {
            manifest.incarnation = words.incarnation.load(Ordering::Acquire);
            manifest.clean_end = applier.offset;
        })?;
        words.writable.store(1, Ordering::Release);
        // A disk too full for it is no error yet.
        let _ = self.make_reserve(applier, 0);
        self.adopt(applier)
    }

    /// Ends the current log file and begins the next one, which takes a record of `bytes`. Under
    /// the commit lock. Only with `may_take_reserve` on a disk that is full.
    pub(super) fn roll(&self, applier: &mut Applier, bytes: u64, may_take_reserve: bool) -> Result<()> {
        if !planted(Bug::RollWithoutSync) {
            self.sync_all_applied(applier)?;
        }
        let grown = self.next_log_bytes(applier).max(bytes + HEADER_BYTES);
        let short = self.options.log_bytes.max(bytes + HEADER_BYTES);
        let full = |error: &Error| error.kind() == ErrorKind::NoSpace;
        let begin = |length| {
            self.make_reserve(applier, length)?;
            self.begin_log_file(applier, length)
        };
        let file = match begin(grown) {
            // A shorter one may still fit.
            Err(error) if full(&error) => {
                self.remove_log_ahead();
                begin(short)
            }
            other => other,
        };
        let file = match file {
            Err(error) if full(&error) && may_take_reserve && self.take_reserve() => {
                let file = self.begin_log_file(applier, short);
                // What is left of it is for the checkpoint that gives space back.
                let _ = self.make_reserve(applier, short);
                file?
            }
            other => other?,
        };
        self.control.words().log_file.store(file.number(), Ordering::Release);
        self.switch_file(applier, file);
        self.background.wake();
        Ok(())
    }

    /// Bytes of a log file, of those that no single record needs.
    pub(super) fn log_bytes_max(&self) -> u64 {
        self.options.log_bytes * LOG_GROWTH_MAX
    }

    fn begin_log_file(&self, applier: &Applier, length: u64) -> Result<LogFile> {
        let header = LogHeader {
            container: self.container,
            number: applier.file.number() + 1,
            base: applier.offset,
            chain: applier.chain,
            epoch: applier.epoch,
            term: self.control.words().term.load(Ordering::Acquire),
            capacity: length - HEADER_BYTES,
        };
        let (dir, scratch) = (self.log_dir(), scratch_name(self.serial));
        if self.take_log_ahead(length) {
            return LogFile::begin(&self.media, &dir, &scratch, header);
        }
        LogFile::create(&self.media, &dir, &scratch, header, &[])
    }
}
