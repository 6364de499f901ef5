//! Reads the log record by record, apart from what the engine makes of it.
//!
//! A reader holds its file: it reads on in one that was unlinked meanwhile. It accepts only what follows
//! on the record before, so that it never takes one for another.

use bytes::Bytes;
use millpond_core::{Epoch, Error, ErrorKind, Result};
use uuid::Uuid;

use super::{LogFile, LogPlace, PayloadRead, RECORD_HEADER_BYTES, RecordHeader, parse};

/// Bytes to read at a time.
const READ_BYTES: u64 = 256 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct LogReader {
    file: LogFile,
    /// The file after this one, once it was needed.
    next: Option<LogFile>,
    /// Log offset behind the last record that was read.
    offset: u64,
    /// Its checksum.
    chain: u64,
    /// Its epoch.
    epoch: Epoch,
    /// What was read ahead, from log offset `ahead_at` on.
    ahead: Bytes,
    ahead_at: u64,
}

/// A record as it was read. Its values are not verified.
#[derive(Debug)]
pub(crate) struct LogRecord {
    pub(crate) header: RecordHeader,
    pub(crate) payload: PayloadRead,
    pub(crate) place: LogPlace,
}

impl LogReader {
    /// At the first record of a file.
    pub(crate) fn at(file: LogFile) -> Self {
        let (offset, chain, epoch) = (file.header.base, file.header.chain, file.header.epoch);
        Self::behind(file, offset, chain, epoch)
    }

    /// Behind a record, of which the checksum and the epoch are known.
    pub(crate) fn behind(file: LogFile, offset: u64, chain: u64, epoch: Epoch) -> Self {
        Self { file, next: None, offset, chain, epoch, ahead: Bytes::new(), ahead_at: offset }
    }

    /// Number of its file.
    pub(crate) fn file(&self) -> u64 {
        self.file.number()
    }

    /// Epoch of the last record that was read.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The next record, if it begins before log offset `limit`, up to which all is written, in files up
    /// to number `newest`, of which `open` opens those that follow.
    ///
    /// # Errors
    /// `Corrupt`, naming the place, when the record is damaged.
    pub(crate) fn next(
        &mut self,
        container: Uuid,
        newest: u64,
        limit: u64,
        open: &dyn Fn(u64) -> Result<LogFile>,
    ) -> Result<Option<LogRecord>> {
        let end = loop {
            if newest <= self.file.number() {
                break limit.min(self.file.end());
            }
            let next = match self.next.take() {
                Some(next) => next,
                None => open(self.file.number() + 1)?,
            };
            if next.header.base > self.offset {
                // After a failed sync records stand in both files: those of the later one count.
                let base = next.header.base;
                self.next = Some(next);
                break limit.min(base).min(self.file.end());
            }
            self.file = next;
            self.ahead = Bytes::new();
        };
        if self.offset >= end {
            return Ok(None);
        }
        let place = LogPlace { file: self.file.number(), offset: self.file.place(self.offset) };
        let record = self.record(end)?;
        let header = parse(&record, container, self.offset).filter(|header| header.chain == self.chain);
        let Some(header) = header else {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "log file {}, offset {}: a published record is damaged; close the container everywhere and check it",
                    self.file.path().display(),
                    place.offset,
                ),
            ));
        };
        let record = record.slice(..header.length as usize);
        self.offset += u64::from(header.length);
        self.chain = header.checksum;
        self.epoch = header.epoch;
        Ok(Some(LogRecord { payload: PayloadRead::of(&record, &header), header, place }))
    }

    /// The bytes from the next record on, all of it at least.
    fn record(&mut self, end: u64) -> Result<Bytes> {
        let length_of =
            |bytes: &[u8]| bytes.first_chunk().map_or(0, |length| u64::from(u32::from_le_bytes(*length)));
        let is_whole =
            |bytes: &[u8]| bytes.len() >= RECORD_HEADER_BYTES && length_of(bytes) <= bytes.len() as u64;
        let known = usize::try_from(self.offset - self.ahead_at).unwrap_or(usize::MAX);
        if known < self.ahead.len() && is_whole(&self.ahead[known..]) {
            return Ok(self.ahead.slice(known..));
        }
        let left = end - self.offset;
        let mut bytes = self.file.read(self.offset, READ_BYTES.min(left))?;
        if !is_whole(&bytes) {
            bytes = self.file.read(self.offset, length_of(&bytes).min(left))?;
        }
        self.ahead = bytes.into();
        self.ahead_at = self.offset;
        Ok(self.ahead.clone())
    }
}
