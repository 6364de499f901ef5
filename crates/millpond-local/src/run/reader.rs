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
    Entry, Found, KIND, RunCursor, RunId, RunSummary,
    block::{BLOCK_BYTES_MAX, BLOCK_BYTES_MIN, Block, place_of},
    filter::{Filter, FilterBytes},
    footer::{FOOTER_BYTES, Footer, Section},
    index::{Index, Sizes},
    key_hash,
    lookup::{Source as _, Wanted, find},
    mapped::MappedRun,
};
use crate::{
    cache::BlockCache,
    identity::{HEADER_BYTES, Identity},
    media::{File, FileExt, Media, OpenMode},
    wire::Malformed,
};

/// A run that is read. The index is in memory; filter and blocks are where the file is mapped, else
/// the filter is in memory too, and blocks are in the cache.
#[derive(Debug)]
pub(crate) struct Run {
    file: Arc<dyn File>,
    identity: Identity,
    summary: RunSummary,
    inherited: Option<Epoch>,
    index: Index,
    /// None where the filter is damaged: then every key of the range may be there.
    filter: Option<Filter>,
    mapped: Option<MappedRun>,
    cache: Arc<BlockCache>,
}

impl Run {
    /// Opens a run and verifies its footer, index and filter. `inherited` is the epoch of every
    /// record of a run that was written, with epoch 0, before its commit's epoch was known. With
    /// `mapped` the file is mapped, where the medium can do so.
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
        mapped: bool,
    ) -> Result<Run> {
        let identity = Identity::new(&KIND, path, container, id.0);
        let file = media.open(path, OpenMode::Read).map_err(|error| identity.io("open", error))?;
        let parts = Parts { file: &*file, identity: &identity };
        let (footer, bytes) = parts.footer()?;
        let index = parts.index(&footer)?;
        let mapped = if mapped { MappedRun::new(&*file, bytes, index.count()) } else { None };
        let filter = parts.filter(&footer, mapped.as_ref()).ok();
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
        Ok(Run { file, identity, summary, inherited, index, filter, mapped, cache: cache.clone() })
    }

    /// What the run holds.
    pub(crate) fn summary(&self) -> &RunSummary {
        &self.summary
    }

    #[cfg(test)]
    pub(crate) fn get(&self, key: &[u8], at: Epoch) -> Result<Option<Found>> {
        self.get_hashed(key, key_hash(key), at)
    }

    /// The newest version of `key`, whose [`key_hash`] is `hash`, that is no newer than `at`; a
    /// tombstone is a version too.
    ///
    /// # Errors
    /// `Corrupt` when the block that would hold it is damaged.
    pub(crate) fn get_hashed(&self, key: &[u8], hash: u64, at: Epoch) -> Result<Option<Found>> {
        if at < self.summary.epoch_min || !self.may_contain_hashed(key, hash) {
            return Ok(None);
        }
        let wanted = Wanted { key, hash, epoch: at.0 };
        let mut number = self.index.find(key);
        while number < self.index.count() {
            if let Some((epoch, entry)) = self.find_in(number, &wanted)? {
                return Ok(Some(Found { epoch: self.epoch_of(epoch), entry }));
            }
            // The versions of one key may fill several blocks.
            if self.index.compare_bound(number, key).is_ne() {
                break;
            }
            number += 1;
        }
        Ok(None)
    }

    /// Looks for a version in one block.
    #[inline]
    fn find_in(&self, number: usize, wanted: &Wanted<'_>) -> Result<Option<(u64, Entry)>> {
        let place = self.index.place(number);
        let seed = place_of(&self.identity, place.0);
        if let Some(mapped) = self.mapped(number)? {
            let found = find(&mapped.block(place), seed, wanted);
            if mapped.is_sound() {
                return found.map_err(|what| self.malformed(number, what));
            }
        }
        find(self.block(number)?.bytes(), seed, wanted).map_err(|what| self.malformed(number, what))
    }

    /// The mapped file, where it can be read and the block was verified.
    #[inline]
    fn mapped(&self, number: usize) -> Result<Option<&MappedRun>> {
        let Some(mapped) = self.mapped.as_ref().filter(|mapped| mapped.is_sound()) else { return Ok(None) };
        if !mapped.is_verified(number) {
            self.read_block(number, Vec::new())?;
            mapped.set_verified(number);
        }
        Ok(Some(mapped))
    }

    /// False only if the run holds no version of `key`.
    pub(crate) fn may_contain(&self, key: &[u8]) -> bool {
        self.may_contain_hashed(key, key_hash(key))
    }

    #[inline]
    fn may_contain_hashed(&self, key: &[u8], hash: u64) -> bool {
        let in_range = self.summary.records > 0
            && self.summary.first_key.as_slice() <= key
            && key <= self.summary.last_key.as_slice();
        in_range && self.filter.as_ref().is_none_or(|filter| filter.may_contain(hash))
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
            let block = self.load(number, None)?;
            let malformed = |what| self.malformed(number, what);
            for place in 0..block.count() {
                let record = block.record(place).map_err(malformed)?;
                if self.epoch_of(record.epoch) <= since {
                    continue;
                }
                key.clear();
                key.extend_from_slice(block.prefix());
                key.extend_from_slice(block.rest(&record));
                if is_between(&key, start, end) {
                    return Ok(true);
                }
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
                if let Err(error) = parts.filter(&footer, None) {
                    report(self.identity.damage(footer.filter.offset, error));
                }
            }
        }
        let mut last = None;
        for number in 0..self.index.count() {
            let (offset, length) = self.index.place(number);
            read += length as u64;
            let checked = self.read_block(number, Vec::new()).and_then(|block| {
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

    /// A block in memory of its own, for those who look at all of it. A mapped one is copied, and
    /// verified again on the copy. The memory of `old` is used again if possible.
    pub(super) fn load(&self, number: usize, old: Option<Block>) -> Result<Block> {
        let Some(mapped) = self.mapped.as_ref().filter(|mapped| mapped.is_sound()) else {
            return self.block(number);
        };
        let mut memory = old.and_then(Block::into_memory).unwrap_or_default();
        let place = self.index.place(number);
        if mapped.is_verified(number) {
            memory.resize(place.1, 0);
            let copied = mapped.block(place).copy(0, &mut memory);
            let block = copied.and_then(|()| Block::open(Bytes::from(memory), &self.identity, place.0));
            if mapped.is_sound() {
                return block.map_err(|what| self.malformed(number, what));
            }
            return self.block(number);
        }
        let block = self.read_block(number, memory)?;
        mapped.set_verified(number);
        Ok(block)
    }

    /// A block, from the cache or the file.
    fn block(&self, number: usize) -> Result<Block> {
        let (offset, _) = self.index.place(number);
        if let Some(block) = self.cache.get(self.identity.binding(), offset) {
            return Ok(block);
        }
        let block = self.read_block(number, Vec::new())?;
        self.cache.insert(self.identity.binding(), offset, block.clone());
        Ok(block)
    }

    pub(super) fn malformed(&self, block: usize, what: Malformed) -> millpond_core::Error {
        self.identity.corrupt(self.index.place(block).0, what)
    }

    /// Reads a block from the file into `memory`, and verifies it.
    fn read_block(&self, number: usize, mut memory: Vec<u8>) -> Result<Block> {
        let (offset, length) = self.index.place(number);
        let parts = Parts { file: &*self.file, identity: &self.identity };
        memory.resize(length, 0);
        parts.read_into(offset, &mut memory)?;
        Block::open(Bytes::from(memory), &self.identity, offset).map_err(|what| self.malformed(number, what))
    }

    /// Whether a verified block keeps the invariants that searches rely on; `last` is the last
    /// record before it.
    fn check_block(
        &self,
        number: usize,
        block: &Block,
        last: &mut Option<(Vec<u8>, u64)>,
    ) -> Result<(), Malformed> {
        let mut extents = Vec::new();
        let seed = place_of(&self.identity, self.index.place(number).0);
        for place in 0..block.count() {
            let record = block.record(place)?;
            let key = [block.prefix(), block.rest(&record)].concat();
            block.check_lookup(place, &key, seed)?;
            block.extents(&record, &mut extents)?;
            let in_order = last.as_ref().is_none_or(|(last_key, last_epoch)| {
                (last_key.as_slice(), *last_epoch) < (&key, 0)
                    || (*last_key == key && *last_epoch > record.epoch)
            });
            if !in_order || self.index.compare_bound(number, &key).is_lt() {
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

    /// The filter, in memory or where it is mapped.
    fn filter(self, footer: &Footer, mapped: Option<&MappedRun>) -> Result<Filter> {
        let bytes = self.section(footer.filter, "the filter")?;
        let refuse = || self.identity.corrupt(footer.filter.offset, "the filter has an impossible length");
        let bytes = match mapped {
            Some(mapped) => mapped.filter(footer.filter.offset, footer.filter.length),
            None => FilterBytes::Own(bytes),
        };
        Filter::new(bytes).ok_or_else(refuse)
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
        self.read_into(offset, &mut bytes)?;
        Ok(bytes)
    }

    fn read_into(self, offset: u64, into: &mut [u8]) -> Result<()> {
        match self.file.read_exact_at(into, offset) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.identity.corrupt(offset, "the run is cut off"))
            }
            Err(error) => Err(self.identity.io(format_args!("read byte {offset} of"), error)),
        }
    }
}
