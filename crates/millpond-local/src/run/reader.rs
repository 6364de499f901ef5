//! Reads a run: by key, through a [`RunCursor`], or all of it to verify it.

use std::{
    ops::{Bound, Range, RangeBounds},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use millpond_core::{Damage, Epoch, Result};
use uuid::Uuid;

use super::{
    Found, KIND, RunCursor, RunId, RunSummary,
    block::{BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, Block, Lookup},
    filter::{self, Filter},
    footer::{FOOTER_BYTES, Footer, Section},
    index::{Index, Sizes},
};
use crate::{
    cache::BlockCache,
    identity::{HEADER_BYTES, Identity},
    media::{File, FileExt, Media, OpenMode},
    wire::Malformed,
};

/// A run that is read. Index and filter are in memory, blocks in the cache.
#[derive(Debug)]
pub(crate) struct Run {
    file: Arc<dyn File>,
    identity: Identity,
    summary: RunSummary,
    inherited: Option<Epoch>,
    index: Index,
    /// None where the filter is damaged: then every key of the range may be there.
    filter: Option<Filter>,
    cache: Arc<BlockCache>,
}

impl Run {
    /// Opens a run and verifies its footer, index and filter. `inherited` is the epoch of every
    /// record of a run that was written, with epoch 0, before its commit's epoch was known.
    ///
    /// # Errors
    /// `NotFound` when there is no such file; `Corrupt` and `Incompatible` when it can't be
    /// trusted. A damaged filter is no error, but makes the run slower.
    pub(crate) fn open(
        media: &Arc<dyn Media>,
        path: &Path,
        id: RunId,
        container: Uuid,
        inherited: Option<Epoch>,
        cache: &Arc<BlockCache>,
    ) -> Result<Run> {
        let identity = Identity::new(&KIND, path, container, id.0);
        let file = media.open(path, OpenMode::Read).map_err(|error| identity.io("open", error))?;
        let parts = Parts { file: &*file, identity: &identity };
        let (footer, bytes) = parts.footer()?;
        let index = parts.index(&footer)?;
        let filter = parts.filter(&footer).ok();
        if inherited.is_some() && footer.epoch_max != 0 {
            let what = "the run's records have epochs, where they were to inherit one";
            return Err(identity.corrupt(footer.offset(), what));
        }
        let summary = RunSummary {
            id,
            bytes,
            records: footer.records,
            epoch_min: inherited.unwrap_or(Epoch(footer.epoch_min)),
            epoch_max: inherited.unwrap_or(Epoch(footer.epoch_max)),
            first_key: index.first_key().to_vec(),
            last_key: index.last_key().to_vec(),
        };
        Ok(Run { file, identity, summary, inherited, index, filter, cache: cache.clone() })
    }

    /// What the run holds.
    pub(crate) fn summary(&self) -> &RunSummary {
        &self.summary
    }

    /// The newest version of `key` that is no newer than `at`; a tombstone is a version too.
    ///
    /// # Errors
    /// `Corrupt` when the block that would hold it is damaged.
    pub(crate) fn get(&self, key: &[u8], at: Epoch) -> Result<Option<Found>> {
        if at < self.summary.epoch_min || !self.may_contain(key) {
            return Ok(None);
        }
        for number in self.index.find(key)..self.index.count() {
            let block = self.block(number)?;
            let malformed = |what| self.malformed(number, what);
            match block.find(key, at.0).map_err(malformed)? {
                Lookup::Found(record) => {
                    let mut extents = Vec::new();
                    block.extents(&record, &mut extents).map_err(malformed)?;
                    let entry = block.entry_owned(&record, extents);
                    return Ok(Some(Found { epoch: self.epoch_of(record.epoch), entry }));
                }
                Lookup::Absent => return Ok(None),
                // The versions of one key may fill several blocks.
                Lookup::Beyond if self.index.bound(number) == key => {}
                Lookup::Beyond => return Ok(None),
            }
        }
        Ok(None)
    }

    /// False only if the run holds no version of `key`.
    pub(crate) fn may_contain(&self, key: &[u8]) -> bool {
        let in_range = self.summary.records > 0
            && self.summary.first_key.as_slice() <= key
            && key <= self.summary.last_key.as_slice();
        in_range && self.filter.as_ref().is_none_or(|filter| filter.may_contain(filter::hash(key)))
    }

    /// A cursor over all versions of all keys, before the first one.
    pub(crate) fn cursor(self: &Arc<Self>) -> RunCursor {
        RunCursor::new(self.clone())
    }

    /// Whether a record between the bounds has an epoch above `since`.
    pub(crate) fn changed_since(&self, start: Bound<&[u8]>, end: Bound<&[u8]>, since: Epoch) -> Result<bool> {
        if self.summary.epoch_max <= since {
            return Ok(false);
        }
        let mut key = Vec::new();
        for number in self.blocks_between(start, end) {
            if self.epoch_of(self.index.epoch_max(number)) <= since {
                continue;
            }
            let block = self.block(number)?;
            let malformed = |what| self.malformed(number, what);
            let mut place = block.first();
            while place < block.end() {
                let record = block.record(place).map_err(malformed)?;
                key.truncate(record.shared);
                key.extend_from_slice(block.rest(&record));
                if self.epoch_of(record.epoch) > since && is_between(&key, start, end) {
                    return Ok(true);
                }
                place = record.next;
            }
        }
        Ok(false)
    }

    /// Reads the whole file again, past all caches, and reports what is damaged. Answers how many
    /// bytes were read.
    pub(crate) fn verify(&self, report: &mut dyn FnMut(Damage)) -> u64 {
        let parts = Parts { file: &*self.file, identity: &self.identity };
        let mut read = 0;
        match parts.footer() {
            Err(error) => report(self.identity.damage(0, error)),
            Ok((footer, bytes)) => {
                read += bytes - (footer.filter.offset - HEADER_BYTES as u64);
                if let Err(error) = parts.index(&footer) {
                    report(self.identity.damage(footer.index.offset, error));
                }
                if let Err(error) = parts.filter(&footer) {
                    report(self.identity.damage(footer.filter.offset, error));
                }
            }
        }
        let mut last = None;
        for number in 0..self.index.count() {
            let (offset, length) = self.index.place(number);
            read += length as u64;
            let checked = self.read_block(number).and_then(|block| {
                self.check_block(number, &block, &mut last).map_err(|what| self.malformed(number, what))
            });
            if let Err(error) = checked {
                last = None;
                report(self.identity.damage(offset, error));
            }
        }
        read
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    pub(super) fn epoch_of(&self, stored: u64) -> Epoch {
        self.inherited.unwrap_or(Epoch(stored))
    }

    /// A block, from the cache or the file.
    pub(super) fn block(&self, number: usize) -> Result<Block> {
        let (offset, _) = self.index.place(number);
        if let Some(block) = self.cache.get(self.identity.binding(), offset) {
            return Ok(block);
        }
        let block = self.read_block(number)?;
        self.cache.insert(self.identity.binding(), offset, block.clone());
        Ok(block)
    }

    pub(super) fn malformed(&self, block: usize, what: Malformed) -> millpond_core::Error {
        self.identity.corrupt(self.index.place(block).0, what)
    }

    fn read_block(&self, number: usize) -> Result<Block> {
        let (offset, length) = self.index.place(number);
        let parts = Parts { file: &*self.file, identity: &self.identity };
        let bytes = Bytes::from(parts.read(offset, length)?);
        Block::open(bytes, &self.identity, offset).map_err(|what| self.malformed(number, what))
    }

    /// Whether a verified block keeps the invariants that searches rely on; `last` is the last
    /// record before it.
    fn check_block(
        &self,
        number: usize,
        block: &Block,
        last: &mut Option<(Vec<u8>, u64)>,
    ) -> Result<(), Malformed> {
        let mut place = block.first();
        let mut extents = Vec::new();
        while place < block.end() {
            let record = block.record(place)?;
            let (mut key, _) = last.clone().unwrap_or_default();
            key.truncate(record.shared);
            key.extend_from_slice(block.rest(&record));
            block.extents(&record, &mut extents)?;
            let in_order = last.as_ref().is_none_or(|(last_key, last_epoch)| {
                (last_key.as_slice(), *last_epoch) < (&key, 0)
                    || (*last_key == key && *last_epoch > record.epoch)
            });
            if !in_order || key.as_slice() > self.index.bound(number) {
                return Err(Malformed("a record is out of order"));
            }
            if record.epoch > self.index.epoch_max(number) {
                return Err(Malformed("a record is newer than the index says"));
            }
            if !self.may_contain(&key) {
                return Err(Malformed("the filter doesn't know the key of a record"));
            }
            extents.clear();
            *last = Some((key, record.epoch));
            place = record.next;
        }
        Ok(())
    }

    fn blocks_between(&self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Range<usize> {
        let from = match start {
            Bound::Included(start) => self.index.find(start),
            Bound::Excluded(start) => self.index.find_after(start),
            Bound::Unbounded => 0,
        };
        // The bound of the last block is at or after every key below `end`.
        let to = match end {
            Bound::Included(end) => self.index.find_after(end),
            Bound::Excluded(end) => self.index.find(end),
            Bound::Unbounded => self.index.count(),
        };
        from..self.index.count().min(to + 1)
    }
}

pub(super) fn is_between(key: &[u8], start: Bound<&[u8]>, end: Bound<&[u8]>) -> bool {
    <(Bound<&[u8]>, Bound<&[u8]>) as RangeBounds<[u8]>>::contains(&(start, end), key)
}

/// The parts of a file that are read whole.
#[derive(Clone, Copy)]
struct Parts<'a> {
    file: &'a dyn File,
    identity: &'a Identity,
}

impl Parts<'_> {
    /// Checks the header, and reads the footer and the length of the file.
    fn footer(self) -> Result<(Footer, u64)> {
        let length = self.file.length().map_err(|error| self.identity.io("ask the length of", error))?;
        if length < HEADER_BYTES as u64 {
            return Err(self.identity.corrupt(length, "the run is cut off in its header"));
        }
        let mut header = [0; HEADER_BYTES];
        self.file.read_exact_at(&mut header, 0).map_err(|error| self.identity.io("read", error))?;
        self.identity.check_header(&header)?;
        if length < (HEADER_BYTES + FOOTER_BYTES) as u64 {
            return Err(self.identity.corrupt(length, "the run is cut off behind its header"));
        }
        let offset = length - FOOTER_BYTES as u64;
        let bytes = self.read(offset, FOOTER_BYTES)?;
        let footer = Footer::decode(&bytes, self.identity, length);
        Ok((footer.map_err(|what| self.identity.corrupt(offset, what))?, length))
    }

    fn index(self, footer: &Footer) -> Result<Index> {
        let bytes = self.section(footer.index, "the index")?;
        let sizes = Sizes { min: BLOCK_BYTES_MIN, max: BLOCK_BYTES_MAX };
        Index::decode(&bytes, HEADER_BYTES as u64, footer.filter.offset, sizes)
            .map_err(|what| self.identity.corrupt(footer.index.offset, what))
    }

    fn filter(self, footer: &Footer) -> Result<Filter> {
        let bytes = self.section(footer.filter, "the filter")?;
        let refuse = || self.identity.corrupt(footer.filter.offset, "the filter has an impossible length");
        Filter::decode(bytes).ok_or_else(refuse)
    }

    /// Reads a part that the footer names, which lies within the file.
    fn section(self, section: Section, name: &str) -> Result<Vec<u8>> {
        let bytes = self.read(section.offset, section.length as usize)?;
        if self.identity.checksum(section.offset, &bytes) != section.checksum {
            return Err(self.identity.corrupt(section.offset, format_args!("{name} fails its checksum")));
        }
        Ok(bytes)
    }

    fn read(self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.identity.corrupt(offset, "the run is cut off"))
            }
            Err(error) => Err(self.identity.io(format_args!("read byte {offset} of"), error)),
        }
    }
}
