//! Syncs: one serves every commit before it, in any process.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use bytes::Bytes;
use millpond_core::{Epoch, Error, ErrorKind, Result};

use super::{Engine, apply::Applier, lock};
use crate::{
    bugs::{Bug, planted},
    control::NOT_POISONED,
    log::{LogFile, LogHeader, PayloadRead, RECORD_HEADER_BYTES, parse, scratch_name, values_intact},
};

/// What the thread whose turn it is to sync works with.
#[derive(Debug, Default)]
pub(super) struct SyncTurn {
    /// The log file that was synced last.
    file: Option<LogFile>,
}

impl Engine {
    /// Makes the log durable up to `target`, and every segment that it names.
    ///
    /// # Errors
    /// `Poisoned` when a sync failed and what it was to make durable could not be written anew.
    pub(super) fn sync_to(&self, target: u64) -> Result<()> {
        let words = self.control.words();
        if planted(Bug::AcknowledgeBeforeLogSync) || words.synced.load(Ordering::Acquire) >= target {
            return Ok(());
        }
        if self.applied.load(Ordering::Acquire) < target {
            // Committed by this process, and not taken in for an error: the log may be damaged.
            self.catch_up()?;
        }
        let is_synced = || words.synced.load(Ordering::Acquire) >= target;
        let Some(queued) = self.sync_queue.turn(is_synced) else { return Ok(()) };
        let mut turn = lock(&self.sync_turn);
        if is_synced() {
            return Ok(());
        }
        let Err(failure) = self.sync_applied(&mut turn, self.applied.load(Ordering::Acquire)) else {
            return Ok(());
        };
        drop((turn, queued));
        if planted(Bug::AcknowledgeAfterFailedSync) {
            return Ok(());
        }
        // Retrying a failed sync proves nothing: what it lost is clean now (rule 5).
        self.repair_alone().map_err(|error| error.context(failure))?;
        if words.synced.load(Ordering::Acquire) >= target {
            Ok(())
        } else {
            Err(poisoned(&self.dir.display()))
        }
    }

    /// Syncs the log up to `upto`, which this process has applied, or further.
    fn sync_applied(&self, turn: &mut SyncTurn, upto: u64) -> Result<()> {
        let words = self.control.words();
        let is_synced = || words.synced.load(Ordering::Acquire) >= upto;
        let Some(guard) = self.sync_lock_unless(is_synced)? else { return Ok(()) };
        let synced = words.synced.load(Ordering::Acquire);
        if synced >= upto {
            return Ok(());
        }
        if words.poisoned_from.load(Ordering::Acquire) != NOT_POISONED {
            return Err(poisoned(&self.dir.display()));
        }
        // Others may have committed while the lock was waited for.
        self.catch_up_a_little();
        let upto = self.applied.load(Ordering::Acquire).max(upto);
        let result = self.sync_files(turn, synced, upto);
        match &result {
            Ok(()) => words.synced.store(upto, Ordering::Release),
            Err(error) if error.kind() == ErrorKind::Forked => {}
            Err(_) => words.poisoned_from.store(synced, Ordering::Release),
        }
        drop(guard);
        result
    }

    fn sync_files(&self, turn: &mut SyncTurn, synced: u64, upto: u64) -> Result<()> {
        let segments: BTreeSet<_> = {
            let mut unsynced = lock(&self.unsynced_extents);
            unsynced.retain(|(end, _)| *end > synced);
            unsynced.iter().filter(|(end, _)| *end <= upto).map(|(_, extent)| extent.segment).collect()
        };
        if !planted(Bug::SkipSegmentSync) {
            self.segments.sync(segments.into_iter())?;
        }
        // Files before the current one were synced when it was begun.
        let number = self.control.words().log_file.load(Ordering::Acquire);
        let file = match &mut turn.file {
            Some(file) if file.number() == number => file,
            file => file.insert(LogFile::open(&self.media, &self.log_dir(), self.container, number)?),
        };
        file.sync()
            .map_err(|error| Error::io(format!("syncing log file {}", file.path().display()), error))?;
        lock(&self.unsynced_extents).retain(|(end, _)| *end > upto);
        Ok(())
    }

    /// Syncs all that is applied, under the commit lock; what a failed sync left in doubt is written
    /// anew.
    pub(super) fn sync_all_applied(&self, applier: &mut Applier) -> Result<()> {
        let synced = self.sync_applied(&mut lock(&self.sync_turn), applier.offset);
        let Err(failure) = synced else { return Ok(()) };
        if self.control.words().poisoned_from.load(Ordering::Acquire) == NOT_POISONED {
            return Err(failure);
        }
        self.repair(applier).map_err(|error| error.context(failure))
    }

    /// Takes the commit lock to write anew what a failed sync left in doubt.
    fn repair_alone(&self) -> Result<()> {
        let guard = self.commit_lock()?;
        let mut applier = lock(&self.applier);
        let repaired = self.make_ready(&guard, &mut applier);
        drop(applier);
        if repaired.is_err() {
            guard.abandon();
        }
        repaired
    }

    /// Writes the records that a failed sync left in doubt to a new file, and syncs them there.
    /// Under the commit lock, with all applied.
    pub(super) fn repair(&self, applier: &mut Applier) -> Result<()> {
        let words = self.control.words();
        let _turn = lock(&self.sync_turn);
        let _guard = self.sync_lock()?;
        let from = words.poisoned_from.load(Ordering::Acquire);
        if from == NOT_POISONED {
            return Ok(());
        }
        self.write_extents_again(from)?;
        let (before, doubtful) = applier
            .file
            .read(applier.file.header.base, applier.offset - applier.file.header.base)
            .map(|mut bytes| {
                let doubtful =
                    bytes.split_off((from.max(applier.file.header.base) - applier.file.header.base) as usize);
                (bytes, doubtful)
            })?;
        let base = applier.file.header.base;
        let (chain, epoch, end) =
            self.follow(before, base, applier.file.header.chain, applier.file.header.epoch, false)?;
        let (last, _, end_of_doubtful) = self.follow(doubtful.clone(), end, chain, epoch, true)?;
        if end_of_doubtful != applier.offset || last != applier.chain {
            return Err(poisoned(&self.dir.display()));
        }
        let header = LogHeader {
            container: self.container,
            number: applier.file.number() + 1,
            base: end,
            chain,
            epoch,
            term: words.term.load(Ordering::Acquire),
            capacity: applier.file.header.capacity.max(doubtful.len() as u64),
        };
        let file =
            LogFile::create(&self.media, &self.log_dir(), &scratch_name(self.serial), header, &doubtful)?;
        words.log_file.store(file.number(), Ordering::Release);
        self.switch_file(applier, file);
        words.synced.store(applier.offset, Ordering::Release);
        words.poisoned_from.store(NOT_POISONED, Ordering::Release);
        Ok(())
    }

    /// Makes durable, under the commit lock and with all applied, what recovery accepted. It may
    /// have met a failed sync that nobody is left to know of, so that it is written again.
    pub(super) fn settle_recovered(&self, applier: &mut Applier) -> Result<()> {
        let synced = self.control.words().synced.load(Ordering::Acquire);
        applier.file.write_again(synced.max(applier.file.header.base), applier.offset)?;
        self.write_extents_again(synced)?;
        let dir = self.log_dir();
        self.media.sync_dir(&dir).map_err(|error| Error::io(format!("syncing {}", dir.display()), error))?;
        self.sync_all_applied(applier)
    }

    /// Writes bulk bytes again that records behind `synced` name, and makes them durable.
    fn write_extents_again(&self, synced: u64) -> Result<()> {
        let extents: Vec<_> = lock(&self.unsynced_extents)
            .iter()
            .filter(|(end, _)| *end > synced)
            .map(|(_, extent)| *extent)
            .collect();
        self.segments.write_again(&extents)?;
        lock(&self.unsynced_extents).clear();
        Ok(())
    }

    /// Follows the chain of records in `bytes`, which begin at log offset `offset`; with `verifies`,
    /// none of their values may be damaged.
    fn follow(
        &self,
        bytes: Vec<u8>,
        mut offset: u64,
        mut chain: u64,
        mut epoch: Epoch,
        verifies: bool,
    ) -> Result<(u64, Epoch, u64)> {
        let bytes = Bytes::from(bytes);
        let mut place = 0;
        while place + RECORD_HEADER_BYTES <= bytes.len() {
            let header = parse(&bytes[place..], self.container, offset)
                .filter(|header| header.chain == chain)
                .ok_or_else(|| poisoned(&self.dir.display()))?;
            let record = bytes.slice(place..place + header.length as usize);
            if verifies && !values_intact(&PayloadRead::of(&record, &header)) {
                return Err(poisoned(&self.dir.display()));
            }
            (chain, epoch) = (header.checksum, header.epoch);
            offset += u64::from(header.length);
            place += header.length as usize;
        }
        Ok((chain, epoch, offset))
    }

    pub(crate) fn flush_now(&self) -> Result<Epoch> {
        let (_, epoch) = self.current()?;
        self.sync_to(self.applied.load(Ordering::Acquire))?;
        Ok(epoch)
    }
}

fn poisoned(place: &dyn std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::Poisoned,
        format!(
            "an earlier sync of {place} failed, and what it was to make durable can't be read back: commits since then may be lost; close the container everywhere, check the disk, and open it again"
        ),
    )
}
