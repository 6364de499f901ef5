//! Reads a run: by key, through a [`RunCursor`], or all of it to verify it.

use std::{
    cmp::Ordering,
    ops::{Bound, Range, RangeBounds},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use millpond_core::{Epoch, ErrorKind, Result};
use uuid::Uuid;

use super::{
    Entry, Found, Gains, KIND, RunCursor, RunId, RunSummary,
    block::{Block, place_of},
    filter::Filter,
    index::Index,
    key_hash,
    lookup::{Source as _, Wanted, find, position_of},
    mapped::MappedRun,
    parts::Parts,
    rebuild::rebuild,
};
use crate::{
    cache::BlockCache,
    identity::Identity,
    media::{File, Media, OpenMode},
    sync::Mutex,
    wire::Malformed,
};

/// A run that is read. The index is in memory; filter and blocks are where the file is mapped, else
/// the filter is in memory too, and blocks are in the cache.
#[derive(Debug)]
pub(crate) struct Run {
    pub(super) file: Arc<dyn File>,
    pub(super) identity: Identity,
    pub(super) summary: RunSummary,
    inherited: Option<Epoch>,
    pub(super) index: Index,
    /// Numbers, in order, of what the index has for blocks that weren't found.
    pub(super) lost: Vec<usize>,
    is_impaired: bool,
    /// None where the filter is damaged: then every key of the range may be there.
    filter: Option<Filter>,
    mapped: Option<MappedRun>,
    cache: Arc<BlockCache>,
    /// What was found out for counting.
    pub(super) gains: Mutex<Option<Arc<Gains>>>,
}

impl Run {
    /// Opens a run and verifies its footer, index and filter; where one of them is damaged, the run is
    /// read without. `inherited` is the epoch of every record of a run that was written, with epoch 0,
    /// before its commit's epoch was known. With `mapped` the file is mapped, where the medium can do so.
    ///
    /// # Errors
    /// `NotFound` when there is no such file; `Incompatible` when it is of another format, or belongs
    /// elsewhere; `Corrupt` when nothing shows that it is a run at all.
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
        let bytes = parts.length()?;
        let mut header = damage_of(parts.header(bytes))?;
        let footer = damage_of(parts.footer(bytes))?;
        let whole = match &footer {
            Ok(footer) => damage_of(parts.index(footer))?.ok().map(|index| (*footer, index)),
            Err(_) => None,
        };
        let is_rebuilt = whole.is_none();
        let (footer, index, lost) = match whole {
            Some((footer, index)) => (footer, index, Vec::new()),
            None => {
                let rebuilt = rebuild(parts, footer.as_ref().ok(), bytes)?;
                if footer.is_err() && rebuilt.lost.len() == rebuilt.index.count() {
                    // Then only the header can tell whose file this is.
                    header?;
                    header = Ok(());
                }
                (rebuilt.footer, rebuilt.index, rebuilt.lost)
            }
        };
        let mapped = if mapped { MappedRun::new(&*file, bytes, index.count()) } else { None };
        let filter = match is_rebuilt {
            true => None,
            false => damage_of(parts.filter(&footer, mapped.as_ref()))?.ok(),
        };
        if inherited.is_some() && lost.is_empty() && footer.epoch_max != 0 {
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
        let is_impaired = header.is_err() || is_rebuilt || filter.is_none();
        Ok(Run {
            file,
            identity,
            summary,
            inherited,
            index,
            lost,
            is_impaired,
            filter,
            mapped,
            cache: cache.clone(),
            gains: Mutex::new(None),
        })
    }

    /// Whether a part is damaged that the run is read without: it is worth writing anew.
    pub(crate) fn is_impaired(&self) -> bool {
        self.is_impaired
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

    /// The first block, from block `from` on, that may hold a record that doesn't come before `key`, or,
    /// `behind` it, one that comes after all of its versions.
    pub(super) fn block_of(&self, key: &[u8], behind: bool, from: usize) -> usize {
        /// Blocks to look at one after the other: short ranges end in one of them.
        const NEAR: usize = 6;
        let is_before = |number: &usize| match self.index.compare_bound(*number, key) {
            Ordering::Less => true,
            Ordering::Equal => behind,
            Ordering::Greater => false,
        };
        let near = if from == 0 { 0..0 } else { from..self.index.count().min(from + NEAR) };
        let found = near.into_iter().find(|number| !is_before(number));
        found.unwrap_or_else(|| {
            let found = if behind { self.index.find_after(key) } else { self.index.find(key) };
            found.max(from)
        })
    }

    /// The number of the first such record in one block; the count of its records if there is none. It is known
    /// to be among `within`, or right behind, if that is given.
    pub(super) fn place_in_block(
        &self,
        number: usize,
        key: &[u8],
        behind: bool,
        within: Option<Range<usize>>,
    ) -> Result<usize> {
        let place = self.index.place(number);
        let seed = place_of(&self.identity, place.0);
        let malformed = |what| self.malformed(number, what);
        if let Some(mapped) = self.mapped(number)? {
            let found = position_of(&mapped.block(place), seed, (key, behind), within.clone());
            if mapped.is_sound() {
                return found.map_err(malformed);
            }
        }
        let found = position_of(self.block(number)?.bytes(), seed, (key, behind), within);
        found.map_err(malformed)
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

    /// Whether all records can be read.
    pub(crate) fn is_readable(&self) -> bool {
        let mut last = None;
        (0..self.index.count()).all(|number| self.verify_block(number, &mut last).is_ok())
    }

    fn verify_block(&self, number: usize, last: &mut Option<(Vec<u8>, u64)>) -> Result<()> {
        let block = self.read_block(number, Vec::new())?;
        self.check_block(number, &block, last).map_err(|what| self.malformed(number, what))
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
    pub(super) fn read_block(&self, number: usize, mut memory: Vec<u8>) -> Result<Block> {
        let (offset, length) = self.index.place(number);
        if self.lost.binary_search(&number).is_ok() {
            return Err(self.malformed(number, Malformed("blocks of records can't be found in the damage")));
        }
        let parts = Parts { file: &*self.file, identity: &self.identity };
        memory.resize(length, 0);
        parts.read_into(offset, &mut memory)?;
        Block::open(Bytes::from(memory), &self.identity, offset).map_err(|what| self.malformed(number, what))
    }

    /// Whether a verified block keeps the invariants that searches rely on; `last` is the last
    /// record before it.
    pub(super) fn check_block(
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

/// Sorts damage, which the run may be read in spite of, from what keeps it from being opened.
fn damage_of<T>(part: Result<T>) -> Result<Result<T>> {
    match part {
        Err(error) if error.kind() != ErrorKind::Corrupt => Err(error),
        other => Ok(other),
    }
}
