//! Walks over the records of a run, in either direction.
//!
//! A cursor stands on a record, before the first one, behind the last one, or, after an error, on
//! the block that could not be read: a step from there goes on in the next block, so that one
//! damaged block hides its own records only.

use std::{ops::Bound, sync::Arc};

use millpond_core::{Epoch, Extent, Result};

use super::{
    Entry, EntryRef, Run,
    block::{Block, Record},
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
    interval: Interval,
    /// Blocks that couldn't be read.
    damaged: Vec<usize>,
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
    place: usize,
    record: Record,
    key: Vec<u8>,
    extents: Vec<Extent>,
}

/// The records from one restart to the next, whose keys can only be told from front to back, kept
/// for a walk from back to front.
#[derive(Debug, Default)]
struct Interval {
    /// The block and the restart.
    of: Option<(usize, usize)>,
    records: Vec<Kept>,
    keys: Vec<u8>,
}

#[derive(Debug)]
struct Kept {
    place: usize,
    record: Record,
    key: (usize, usize),
}

impl RunCursor {
    pub(super) fn new(run: Arc<Run>) -> Self {
        Self {
            run,
            stand: Stand::BeforeFirst,
            block: None,
            number: 0,
            here: Position::default(),
            interval: Interval::default(),
            damaged: Vec::new(),
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
        if self.land(key, including)? { Ok(true) } else { self.first_of(number + 1) }
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
        let past = self.land(key, !including)?;
        let place = if past { self.here.place } else { usize::MAX };
        self.step_back(place)
    }

    /// Goes to the next record; false at the end.
    ///
    /// # Errors
    /// `Corrupt` when its block is damaged; the next call goes on behind that block.
    pub(crate) fn next(&mut self) -> Result<bool> {
        match (self.stand, &self.block) {
            (Stand::OnRecord, Some(block)) if self.here.record.next < block.end() => {
                let moved = self.here.read(block, self.here.record.next);
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

    /// Whether the cursor stands on a record.
    pub(crate) fn valid(&self) -> bool {
        self.stand == Stand::OnRecord
    }

    /// The bound of the block that couldn't be read, if the cursor stands on one: none of its keys is
    /// greater.
    pub(crate) fn damaged(&self) -> Option<&[u8]> {
        match self.stand {
            Stand::OnDamage(number) => Some(self.run.index().bound(number)),
            _ => None,
        }
    }

    /// Whether a block that couldn't be read may hold a version of `key` that is newer than `epoch`.
    pub(crate) fn hides(&self, key: &[u8], epoch: Epoch) -> bool {
        let index = self.run.index();
        let may_hold = |number: &usize| {
            self.run.epoch_of(index.epoch_max(*number)) > epoch
                && (index.find(key)..=index.find_after(key)).contains(number)
        };
        self.damaged.iter().any(may_hold) && self.run.may_contain(key)
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
            Some(block) => block.entry_owned(&self.here.record, self.here.extents.clone()),
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
            self.stand = Stand::OnDamage(number);
            self.block = None;
            let block = self.run.block(number);
            if block.is_err() && !self.damaged.contains(&number) {
                self.damaged.push(number);
            }
            self.block = Some(block?);
            self.number = number;
            self.interval.of = None;
        }
        Ok(true)
    }

    fn first_of(&mut self, number: usize) -> Result<bool> {
        if !self.load(number)? {
            return Ok(false);
        }
        let Some(block) = &self.block else { return Ok(false) };
        let moved = self.here.read(block, block.first());
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

    /// Goes to the last record of the loaded block that begins before `place`, or of the blocks
    /// before.
    fn step_back(&mut self, place: usize) -> Result<bool> {
        let Some(block) = &self.block else { return Ok(false) };
        let place = place.min(block.end());
        if place <= block.first() {
            return self.last_before(self.number);
        }
        let of = (self.number, block.interval_of(place - 1));
        let mut moved = Ok(());
        if self.interval.of != Some(of) {
            moved = self.interval.fill(block, of);
        }
        let moved = moved.and_then(|()| self.interval.put(&mut self.here, block, place));
        self.settle(moved)
    }

    /// Goes to the first record of the loaded block at or behind `key`; false if there is none.
    fn land(&mut self, key: &[u8], including: bool) -> Result<bool> {
        let Some(block) = &self.block else { return Ok(false) };
        // From the newest version of the key, or from behind its oldest one.
        let epoch = if including { u64::MAX } else { 0 };
        let here = &mut self.here;
        let mut search = || {
            let mut place = block.restart(block.interval_before(key, epoch)?);
            while place < block.end() {
                here.read(block, place)?;
                let found = here.key.as_slice();
                if found > key || including && found == key {
                    return Ok(true);
                }
                place = here.record.next;
            }
            Ok(false)
        };
        match search() {
            Ok(true) => self.settle(Ok(())),
            Ok(false) => Ok(false),
            Err(what) => self.settle(Err(what)),
        }
    }

    fn settle(&mut self, moved: Result<(), Malformed>) -> Result<bool> {
        match moved {
            Ok(()) => {
                self.stand = Stand::OnRecord;
                Ok(true)
            }
            Err(what) => {
                self.stand = Stand::OnDamage(self.number);
                self.damaged.push(self.number);
                Err(self.run.malformed(self.number, what))
            }
        }
    }
}

impl Position {
    /// Goes to the record at `place`, which is a restart or follows the current one.
    fn read(&mut self, block: &Block, place: usize) -> Result<(), Malformed> {
        let record = block.record(place)?;
        if record.shared > self.key.len() {
            return Err(Malformed("a key shares more than the one before has"));
        }
        self.key.truncate(record.shared);
        self.key.extend_from_slice(block.rest(&record));
        self.place = place;
        self.record = record;
        self.extents.clear();
        block.extents(&record, &mut self.extents)
    }
}

impl Interval {
    fn fill(&mut self, block: &Block, of: (usize, usize)) -> Result<(), Malformed> {
        self.of = None;
        self.records.clear();
        self.keys.clear();
        let restart = of.1;
        let last = restart + 1 >= block.restart_count();
        let end = if last { block.end() } else { block.restart(restart + 1) };
        let (mut place, mut key) = (block.restart(restart), (0, 0));
        while place < end {
            let record = block.record(place)?;
            if record.shared > key.1 - key.0 {
                return Err(Malformed("a key shares more than the one before has"));
            }
            let start = self.keys.len();
            self.keys.extend_from_within(key.0..key.0 + record.shared);
            self.keys.extend_from_slice(block.rest(&record));
            key = (start, self.keys.len());
            self.records.push(Kept { place, record, key });
            place = record.next;
        }
        self.of = Some(of);
        Ok(())
    }

    /// Puts the cursor on the last record that begins before `place`.
    fn put(&self, here: &mut Position, block: &Block, place: usize) -> Result<(), Malformed> {
        let kept = self.records.iter().rev().find(|kept| kept.place < place);
        let kept = kept.ok_or(Malformed("a restart of a block is out of place"))?;
        here.place = kept.place;
        here.record = kept.record;
        here.key.clear();
        here.key.extend_from_slice(&self.keys[kept.key.0..kept.key.1]);
        here.extents.clear();
        block.extents(&kept.record, &mut here.extents)
    }
}
