//! Walks over the records of a run, in either direction.
//!
//! A cursor stands on a record, before the first one, behind the last one, or, after an error, on
//! the block that could not be read: a step from there goes on in the next block, so that one
//! damaged block hides its own records only.

use std::{ops::Bound, sync::Arc};

use millpond_core::{Epoch, Extent, Result};

use super::{
    Entry, EntryRef, Run,
    block::{Block, Placed},
};
use crate::wire::Malformed;

/// A cursor over all versions, by ascending key and then descending epoch.
#[derive(Debug)]
pub(crate) struct RunCursor {
    run: Arc<Run>,
    stand: Stand,
    /// The block that was loaded last, and its number.
    block: Option<Block>,
    number: usize,
    here: Position,
    /// Blocks that couldn't be read.
    lost: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    BeforeFirst,
    OnRecord,
    OnDamage(usize),
    BehindLast,
}

/// A record of the loaded block.
#[derive(Debug, Default)]
struct Position {
    /// Its number in the block.
    place: usize,
    record: Placed,
    /// Begins with what all keys of the block begin with. On damage, the block's bound.
    key: Vec<u8>,
    extents: Vec<Extent>,
}

impl RunCursor {
    pub(super) fn new(run: Arc<Run>) -> Self {
        Self {
            run,
            stand: Stand::BeforeFirst,
            block: None,
            number: 0,
            here: Position::default(),
            lost: Vec::new(),
        }
    }

    /// Goes to the first record at or behind `start`; false if there is none.
    ///
    /// # Errors
    /// `Corrupt` when a block that may hold it is damaged; [`RunCursor::next`] goes on behind it.
    pub(crate) fn seek(&mut self, start: Bound<&[u8]>) -> Result<bool> {
        let (number, key, including) = match start {
            Bound::Included(key) => (self.run.index().find(key), key, true),
            Bound::Excluded(key) => (self.run.index().find_after(key), key, false),
            Bound::Unbounded => return self.first_of(0),
        };
        if !self.load(number)? {
            return Ok(false);
        }
        let place = self.find(key, including)?;
        match &self.block {
            Some(block) if place < block.count() => {
                let moved = self.here.read(block, place);
                self.settle(moved)
            }
            _ => self.first_of(number + 1),
        }
    }

    /// Goes to the last record at or before `end`; false if there is none.
    ///
    /// # Errors
    /// As [`RunCursor::seek`]; [`RunCursor::prev`] goes on before the damaged block.
    pub(crate) fn seek_back(&mut self, end: Bound<&[u8]>) -> Result<bool> {
        let (number, key, including) = match end {
            Bound::Included(key) => (self.run.index().find_after(key), key, true),
            Bound::Excluded(key) => (self.run.index().find(key), key, false),
            Bound::Unbounded => return self.last_before(self.run.index().count()),
        };
        if !self.load(number)? {
            return self.last_before(number);
        }
        // The one wanted is before the first one past it.
        let past = self.find(key, !including)?;
        self.step_back(past)
    }

    /// Goes to the next record; false at the end.
    ///
    /// # Errors
    /// `Corrupt` when its block is damaged; the next call goes on behind that block.
    pub(crate) fn next(&mut self) -> Result<bool> {
        match (self.stand, &self.block) {
            (Stand::OnRecord, Some(block)) if self.here.place + 1 < block.count() => {
                let moved = self.here.read(block, self.here.place + 1);
                self.settle(moved)
            }
            (Stand::OnRecord, _) => self.first_of(self.number + 1),
            (Stand::OnDamage(number), _) => self.first_of(number + 1),
            (Stand::BeforeFirst, _) => self.first_of(0),
            (Stand::BehindLast, _) => Ok(false),
        }
    }

    /// Goes to the record before; false at the beginning.
    ///
    /// # Errors
    /// `Corrupt` when its block is damaged; the next call goes on before that block.
    pub(crate) fn prev(&mut self) -> Result<bool> {
        match self.stand {
            Stand::OnRecord => self.step_back(self.here.place),
            Stand::OnDamage(number) => self.last_before(number),
            Stand::BehindLast => self.last_before(self.run.index().count()),
            Stand::BeforeFirst => Ok(false),
        }
    }

    /// As [`RunCursor::seek`], to the first record that is newer than `since`. Blocks that hold none
    /// aren't read.
    pub(crate) fn seek_newer(&mut self, start: Bound<&[u8]>, since: Epoch) -> Result<bool> {
        let number = match start {
            Bound::Included(key) => self.run.index().find(key),
            Bound::Excluded(key) => self.run.index().find_after(key),
            Bound::Unbounded => 0,
        };
        if !self.is_newer(number, since) {
            return self.first_newer_of(number + 1, since);
        }
        if self.seek(start)? && self.epoch() <= since { self.next_newer(since) } else { Ok(self.valid()) }
    }

    /// As [`RunCursor::next`], to the next record that is newer than `since`.
    pub(crate) fn next_newer(&mut self, since: Epoch) -> Result<bool> {
        let number = match (self.stand, &self.block) {
            (Stand::OnRecord, Some(block)) => {
                let is_old = |place: &usize| {
                    block.record(*place).is_ok_and(|record| self.run.epoch_of(record.epoch) <= since)
                };
                if let Some(place) = (self.here.place + 1..block.count()).find(|place| !is_old(place)) {
                    let moved = self.here.read(block, place);
                    return self.settle(moved);
                }
                self.number + 1
            }
            (Stand::OnRecord, None) => self.number + 1,
            (Stand::OnDamage(number), _) => number + 1,
            (Stand::BeforeFirst, _) => 0,
            (Stand::BehindLast, _) => return Ok(false),
        };
        self.first_newer_of(number, since)
    }

    /// Goes to the first record that is newer than `since`, of a block or of those behind it.
    fn first_newer_of(&mut self, number: usize, since: Epoch) -> Result<bool> {
        let count = self.run.index().count();
        let next = (number..count).find(|number| self.is_newer(*number, since)).unwrap_or(count);
        if self.first_of(next)? && self.epoch() <= since { self.next_newer(since) } else { Ok(self.valid()) }
    }

    /// Whether a block may hold a record that is newer than `since`.
    fn is_newer(&self, number: usize, since: Epoch) -> bool {
        let index = self.run.index();
        number < index.count() && self.run.epoch_of(index.epoch_max(number)) > since
    }

    /// Whether the cursor stands on a record.
    pub(crate) fn valid(&self) -> bool {
        self.stand == Stand::OnRecord
    }

    /// The bound of the block that couldn't be read, if the cursor stands on one: none of its keys is
    /// greater.
    pub(crate) fn damaged(&self) -> Option<&[u8]> {
        matches!(self.stand, Stand::OnDamage(_)).then_some(&self.here.key[..])
    }

    /// Whether a block that couldn't be read may hold a version of `key` that is newer than `epoch`.
    pub(crate) fn hides(&self, key: &[u8], epoch: Epoch) -> bool {
        let index = self.run.index();
        let may_hold = |number: &usize| {
            self.run.epoch_of(index.epoch_max(*number)) > epoch
                && (index.find(key)..=index.find_after(key)).contains(number)
        };
        self.lost.iter().any(may_hold) && self.run.may_contain(key)
    }

    /// The key of the current record.
    pub(crate) fn key(&self) -> &[u8] {
        &self.here.key
    }

    /// The epoch of the current record.
    pub(crate) fn epoch(&self) -> Epoch {
        self.run.epoch_of(self.here.record.epoch)
    }

    /// The current record.
    pub(crate) fn entry(&self) -> EntryRef<'_> {
        match &self.block {
            Some(block) => block.entry(&self.here.record, &self.here.extents),
            None => EntryRef::Tombstone,
        }
    }

    /// The current record; it keeps the block in memory.
    pub(crate) fn entry_owned(&self) -> Entry {
        match &self.block {
            Some(block) => block.entry_owned(&self.here.record, &self.here.extents),
            None => Entry::Tombstone,
        }
    }

    /// Loads a block; false, and the cursor behind the last record, if there is none.
    fn load(&mut self, number: usize) -> Result<bool> {
        if number >= self.run.index().count() {
            self.stand = Stand::BehindLast;
            return Ok(false);
        }
        if self.block.is_none() || self.number != number {
            let old = self.block.take();
            match self.run.load(number, old) {
                Ok(block) => self.here.begin(self.block.insert(block)),
                Err(error) => {
                    self.stand_on_damage(number);
                    return Err(error);
                }
            }
            self.number = number;
        }
        Ok(true)
    }

    fn first_of(&mut self, number: usize) -> Result<bool> {
        if !self.load(number)? {
            return Ok(false);
        }
        let Some(block) = &self.block else { return Ok(false) };
        let moved = self.here.read(block, 0);
        self.settle(moved)
    }

    /// Goes to the last record of the block before `number`.
    fn last_before(&mut self, number: usize) -> Result<bool> {
        let Some(before) = number.checked_sub(1) else {
            self.stand = Stand::BeforeFirst;
            return Ok(false);
        };
        if self.load(before)? { self.step_back(usize::MAX) } else { Ok(false) }
    }

    /// Goes to the last record of the loaded block before number `place`, or of the blocks before.
    fn step_back(&mut self, place: usize) -> Result<bool> {
        let Some(block) = &self.block else { return Ok(false) };
        let Some(before) = place.min(block.count()).checked_sub(1) else {
            return self.last_before(self.number);
        };
        let moved = self.here.read(block, before);
        self.settle(moved)
    }

    /// The number of the first record of the loaded block at or behind `key`; their count if there is
    /// none.
    fn find(&mut self, key: &[u8], including: bool) -> Result<usize> {
        let Some(block) = &self.block else { return Ok(0) };
        // From the newest version of the key, or from behind its oldest one.
        let found = block.seek(key, if including { u64::MAX } else { 0 }).and_then(|place| {
            if including || place == block.count() {
                return Ok(place);
            }
            // A version of epoch 0 isn't before that.
            let record = block.record(place)?;
            let same = key.strip_prefix(block.prefix()) == Some(block.rest(&record));
            Ok(place + usize::from(same))
        });
        found.or_else(|what| self.settle(Err(what)).map(|_| 0))
    }

    fn settle(&mut self, moved: Result<(), Malformed>) -> Result<bool> {
        match moved {
            Ok(()) => {
                self.stand = Stand::OnRecord;
                Ok(true)
            }
            Err(what) => {
                self.stand_on_damage(self.number);
                Err(self.run.malformed(self.number, what))
            }
        }
    }

    fn stand_on_damage(&mut self, number: usize) {
        self.stand = Stand::OnDamage(number);
        if !self.lost.contains(&number) {
            self.lost.push(number);
        }
        self.here.key = self.run.index().bound(number);
        // What comes next reads its block anew.
        self.block = None;
    }
}

impl Position {
    /// Gets ready for the records of a block.
    fn begin(&mut self, block: &Block) {
        self.key.clear();
        self.key.extend_from_slice(block.prefix());
    }

    /// Goes to a record of the block that it was made ready for.
    #[inline]
    fn read(&mut self, block: &Block, place: usize) -> Result<(), Malformed> {
        let record = block.record(place)?;
        self.key.truncate(block.prefix().len());
        self.key.extend_from_slice(block.rest(&record));
        self.place = place;
        self.record = record;
        self.extents.clear();
        block.extents(&record, &mut self.extents)
    }
}
