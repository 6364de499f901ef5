//! What a transaction has written and not committed: for each key, what is to become of it.
//!
//! Invariants:
//! - Every change of the transaction has a number, counted up. A view of the transaction shows the
//!   changes up to its own number; versions that no view shows any more are not kept.
//! - The newest version of a key says everything that the transaction does to it: a change on top of
//!   another one is folded into it.

use std::{
    collections::{BTreeMap, HashMap, btree_map},
    iter::Peekable,
    ops::Bound::{self, Excluded, Included},
};

use bytes::Bytes;
use millpond_core::{
    Direction, Extent, Key, KeyRange, Op, Result, SegmentWriter, Segments, Write, WriteStream,
};

use super::spill::{Chunk, ChunkCursor, Spilled};

/// What becomes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Put { value: Bytes, extents: Vec<Extent> },
    Delete,
    Adjust(i64),
}

/// A change, and when the transaction made it.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) number: u64,
    pub(super) change: Change,
}

/// All that the transaction does to a key.
#[derive(Debug)]
pub(super) struct Slot {
    /// Bytes of the key that are its partition.
    pub(super) partition: usize,
    /// The place of its tally among the counters.
    tally: Option<usize>,
    newest: Version,
    /// Versions that views still show, oldest first.
    older: Vec<Version>,
}

impl Slot {
    /// The version that a view of number `at` shows.
    pub(super) fn at(&self, at: u64) -> Option<&Version> {
        std::iter::once(&self.newest).chain(self.older.iter().rev()).find(|version| version.number <= at)
    }
}

/// A counter that keeps tally of keys which the transaction writes.
#[derive(Debug)]
struct Counter {
    key: Vec<u8>,
    partition: usize,
    /// What the writes so far add to it, in sum, by the number of the last of them; since the
    /// transaction set or deleted the counter itself, if it did.
    sums: Vec<(u64, i64)>,
    /// The last change by which the transaction set or deleted it.
    set: Option<u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    slots: BTreeMap<Vec<u8>, Slot>,
    /// What there was no room for, oldest first.
    chunks: Vec<Chunk>,
    counters: Vec<Counter>,
    counter_places: HashMap<Vec<u8>, usize>,
    /// The number of the last change.
    number: u64,
    /// How many views there are of each number.
    views: BTreeMap<u64, usize>,
    bytes: usize,
}

impl Buffer {
    /// The number of the last change.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// About how many bytes of memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.chunks.is_empty()
    }

    /// Moves what was written out of memory.
    ///
    /// # Errors
    /// `NoSpace` when there is no room for it either; it is still in memory then.
    pub(super) fn spill(&mut self, writer: &mut dyn SegmentWriter) -> Result<()> {
        let versions = self.slots.iter().flat_map(|(key, slot)| {
            let versions = std::iter::once(&slot.newest).chain(slot.older.iter().rev());
            versions.map(|version| (key.as_slice(), slot.partition, slot.tally, version))
        });
        let chunk = Chunk::write(writer, self.slots.len(), versions)?;
        self.chunks.push(chunk);
        self.slots.clear();
        self.bytes = 0;
        Ok(())
    }

    /// Begins a view of what is written so far; answers its number.
    pub(super) fn open_view(&mut self) -> u64 {
        *self.views.entry(self.number).or_insert(0) += 1;
        self.number
    }

    /// Another view of what is shown already.
    pub(super) fn reopen_view(&mut self, number: u64) {
        *self.views.entry(number).or_insert(0) += 1;
    }

    /// Ends a view.
    pub(super) fn close_view(&mut self, number: u64) {
        if let Some(count) = self.views.get_mut(&number) {
            *count -= 1;
            if *count == 0 {
                self.views.remove(&number);
            }
        }
    }

    /// Begins the next atomic set of changes.
    pub(super) fn next(&mut self) {
        self.number += 1;
    }

    /// Whether anything that the transaction wrote changes what is read of a key.
    pub(super) fn concerns(&self, key: &[u8]) -> bool {
        !self.is_empty()
            && (self.slots.contains_key(key)
                || self.place_of(key).is_some()
                || self.chunks.iter().any(|chunk| chunk.may_hold(key)))
    }

    /// The place of a counter, if tally is kept in it.
    fn place_of(&self, key: &[u8]) -> Option<usize> {
        // There are few: one a dictionary.
        if self.counters.len() <= 4 {
            return self.counters.iter().position(|counter| counter.key == key);
        }
        self.counter_places.get(key).copied()
    }

    /// The version of a key that a view of number `at` shows, if the transaction wrote the key.
    pub(super) fn get(&self, segments: &dyn Segments, key: &[u8], at: u64) -> Result<Option<Version>> {
        if let Some(version) = self.slots.get(key).and_then(|slot| slot.at(at)) {
            return Ok(Some(version.clone()));
        }
        Ok(self.spilled(segments, key, at)?.map(|spilled| spilled.version))
    }

    fn spilled(&self, segments: &dyn Segments, key: &[u8], at: u64) -> Result<Option<Spilled>> {
        for chunk in self.chunks.iter().rev() {
            if let Some(spilled) = chunk.get(segments, key, at)? {
                return Ok(Some(spilled));
            }
        }
        Ok(None)
    }

    /// What the transaction's other writes add to a counter, as of `at`: to what it was in the state
    /// before, or to what the transaction made of it. With the number of the last of them.
    pub(super) fn tallied(&self, key: &[u8], at: u64) -> Option<(u64, i64)> {
        let sums = &self.counters[self.place_of(key)?].sums;
        sums.iter().rev().find(|(number, _)| *number <= at).copied()
    }

    /// Up to `most` keys of a range that the transaction wrote, with their versions as of `at`, from
    /// the start of the range or, backward, from its end. Fewer only where the range ends.
    pub(super) fn page(
        &self,
        segments: &dyn Segments,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
        direction: Direction,
        at: u64,
        most: usize,
    ) -> Result<Vec<(Vec<u8>, Version)>> {
        if is_empty(bounds) {
            return Ok(Vec::new());
        }
        let shown = |(key, slot): (&Vec<u8>, &Slot)| Some((key.clone(), slot.at(at)?.clone()));
        let slots = self.slots.range::<[u8], _>(bounds);
        let mut page: Vec<_> = match direction {
            Direction::Forward => slots.filter_map(shown).take(most).collect(),
            Direction::Backward => slots.rev().filter_map(shown).take(most).collect(),
        };
        if self.chunks.is_empty() {
            return Ok(page);
        }
        let is_behind = |key: &[u8], last: &[u8]| match direction {
            Direction::Forward => key > last,
            Direction::Backward => key < last,
        };
        // What is newer comes first, and counts. Behind the last key of a page that was cut off, not
        // all keys are known.
        let mut merged: BTreeMap<Vec<u8>, Version> = BTreeMap::new();
        let mut known: Option<Vec<u8>> = None;
        let mut merge = |page: Vec<(Vec<u8>, Version)>| {
            if page.len() == most
                && let Some((last, _)) = page.last()
                && known.as_ref().is_none_or(|known| is_behind(known, last))
            {
                known = Some(last.clone());
            }
            for (key, version) in page {
                merged.entry(key).or_insert(version);
            }
        };
        merge(std::mem::take(&mut page));
        for chunk in self.chunks.iter().rev() {
            let spilled = chunk.page(segments, bounds, direction, at, most)?;
            merge(spilled.into_iter().map(|spilled| (spilled.key, spilled.version)).collect());
        }
        if let Some(known) = known {
            merged.retain(|key, _| !is_behind(key, &known));
        }
        let merged = merged.into_iter();
        Ok(match direction {
            Direction::Forward => merged.take(most).collect(),
            Direction::Backward => merged.rev().take(most).collect(),
        })
    }

    /// Whether the transaction wrote a key of the range after its change of that number.
    pub(super) fn changed_since(
        &self,
        segments: &dyn Segments,
        range: &KeyRange<'_>,
        number: u64,
    ) -> Result<bool> {
        let whole = |sort: &[u8]| [range.partition, sort].concat();
        let start = match range.start.map(whole) {
            Bound::Unbounded => Bound::Included(range.partition.to_vec()),
            start => start,
        };
        let end = match range.end.map(whole) {
            Bound::Unbounded => KeyRange::prefix_end(range.partition).map_or(Bound::Unbounded, Excluded),
            end => end,
        };
        let bounds = (start.as_ref().map(Vec::as_slice), end.as_ref().map(Vec::as_slice));
        if is_empty(bounds) {
            return Ok(false);
        }
        if self.slots.range::<[u8], _>(bounds).any(|(_, slot)| slot.newest.number > number) {
            return Ok(true);
        }
        for chunk in &self.chunks {
            if chunk.changed_since(segments, bounds, number)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Notes a write under the current number. `existed` says whether its key exists without it.
    pub(super) fn write(&mut self, segments: &dyn Segments, write: &Write<'_>, existed: bool) -> Result<()> {
        let change = match write.op {
            Op::Put { value, extents } => {
                Change::Put { value: Bytes::copy_from_slice(value), extents: extents.to_vec() }
            }
            Op::Delete => Change::Delete,
            Op::Adjust(delta) => Change::Adjust(delta),
        };
        let tally = write.tally.map(|tally| self.counter(tally));
        if let Some(place) = tally {
            let delta = match change {
                Change::Put { .. } | Change::Adjust(_) => i64::from(!existed),
                Change::Delete => -i64::from(existed),
            };
            if delta != 0 {
                self.tally(place, |sum| sum + delta);
            }
        }
        let key = write.key.concat();
        if !matches!(change, Change::Adjust(_))
            && let Some(place) = self.place_of(&key)
        {
            self.tally(place, |_| 0);
            self.counters[place].set = Some(self.number);
        }
        self.bytes += bytes_of(&change);
        let mut version = Version { number: self.number, change };
        let mut tally = tally;
        if !self.chunks.is_empty()
            && (tally.is_none() || matches!(version.change, Change::Adjust(_)))
            && !self.slots.contains_key(&key)
            && let Some(before) = self.spilled(segments, &key, u64::MAX)?
        {
            // The newest version says everything, wherever the ones before it are.
            version.change = fold(&before.version.change, version.change);
            tally = tally.or(before.tally);
        }
        let oldest_shown = self.views.last_key_value().map(|(&number, _)| number);
        match self.slots.entry(key) {
            btree_map::Entry::Vacant(entry) => {
                self.bytes += entry.key().len() + size_of::<Slot>() + 32;
                let partition = write.key.partition.len();
                entry.insert(Slot { partition, tally, newest: version, older: Vec::new() });
            }
            btree_map::Entry::Occupied(entry) => {
                let slot = entry.into_mut();
                slot.tally = tally.or(slot.tally);
                let folded = Version { change: fold(&slot.newest.change, version.change), ..version };
                let before = std::mem::replace(&mut slot.newest, folded);
                match oldest_shown {
                    Some(shown) if shown >= before.number => slot.older.push(before),
                    _ => self.bytes -= bytes_of(&before.change).min(self.bytes),
                }
            }
        }
        Ok(())
    }

    /// The place of a counter.
    fn counter(&mut self, key: Key<'_>) -> usize {
        if let Some(place) = key.with_concat(|key| self.place_of(key)) {
            return place;
        }
        let whole = key.concat();
        let counter =
            Counter { key: whole.clone(), partition: key.partition.len(), sums: Vec::new(), set: None };
        self.counters.push(counter);
        self.counter_places.insert(whole, self.counters.len() - 1);
        self.counters.len() - 1
    }

    fn tally(&mut self, place: usize, change: impl FnOnce(i64) -> i64) {
        let shown = self.views.last_key_value().map_or(0, |(&number, _)| number);
        let sums = &mut self.counters[place].sums;
        let (last, sum) = sums.last().copied().unwrap_or_default();
        // A view in between still needs the sum before.
        if last == self.number || (last > shown && !sums.is_empty()) {
            sums.pop();
        }
        sums.push((self.number, change(sum)));
    }

    /// Whether everything is in memory.
    pub(super) fn is_in_memory(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The keys of all changes in memory, in their order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.slots.keys().map(Vec::as_slice)
    }

    /// All changes in memory, as a commit writes them, in the order of their keys.
    pub(super) fn writes(&self) -> impl Iterator<Item = Write<'_>> {
        self.slots.iter().map(|(key, slot)| self.as_write(key, slot.partition, slot.tally, &slot.newest))
    }

    /// All changes, in memory or not, in the order of their keys.
    pub(super) fn stream<'a>(&'a self, segments: &'a dyn Segments) -> Result<Stream<'a>> {
        let mut spilled = Vec::new();
        for chunk in self.chunks.iter().rev() {
            let mut cursor = ChunkCursor::new(chunk, segments);
            let ahead = cursor.next()?;
            spilled.push((cursor, ahead));
        }
        Ok(Stream { buffer: self, slots: self.slots.iter().peekable(), spilled, current: None })
    }

    fn as_write<'a>(
        &'a self,
        key: &'a [u8],
        partition: usize,
        tally: Option<usize>,
        version: &'a Version,
    ) -> Write<'a> {
        let op = match &version.change {
            Change::Put { value, extents } => Op::Put { value, extents },
            Change::Delete => Op::Delete,
            Change::Adjust(delta) => Op::Adjust(*delta),
        };
        // A counter that was set or deleted afterwards has forgotten what it counted before.
        let tally = tally
            .map(|place| &self.counters[place])
            .filter(|counter| counter.set.is_none_or(|set| set < version.number));
        let split = |key: &'a [u8], partition: usize| {
            let (partition, sort) = key.split_at(partition);
            Key::new(partition, sort)
        };
        let tally = tally.map(|counter| split(&counter.key, counter.partition));
        Write { key: split(key, partition), op, tally }
    }
}

/// All changes of a transaction, the newest version of each key.
pub(super) struct Stream<'a> {
    buffer: &'a Buffer,
    slots: Peekable<btree_map::Iter<'a, Vec<u8>, Slot>>,
    /// The chunks, newest first, with the record that each comes to next.
    spilled: Vec<(ChunkCursor<'a>, Option<Spilled>)>,
    current: Option<Spilled>,
}

impl WriteStream for Stream<'_> {
    fn records_max(&self) -> u64 {
        let spilled = self.buffer.chunks.iter().map(Chunk::keys).sum::<usize>();
        (spilled + self.buffer.slots.len()) as u64
    }

    fn next(&mut self) -> Result<Option<Write<'_>>> {
        let spilled = self.spilled.iter().filter_map(|(_, ahead)| Some(ahead.as_ref()?.key.as_slice())).min();
        let in_memory = self.slots.peek().map(|(key, _)| key.as_slice());
        let Some(key) = spilled.into_iter().chain(in_memory).min().map(<[u8]>::to_vec) else {
            return Ok(None);
        };
        self.current = None;
        for (cursor, ahead) in &mut self.spilled {
            if let Some(spilled) = ahead.take_if(|spilled| spilled.key == key) {
                *ahead = cursor.next()?;
                self.current.get_or_insert(spilled);
            }
        }
        if let Some((key, slot)) = self.slots.next_if(|(own, _)| **own == key) {
            return Ok(Some(self.buffer.as_write(key, slot.partition, slot.tally, &slot.newest)));
        }
        let Some(Spilled { key, partition, tally, version }) = &self.current else { return Ok(None) };
        Ok(Some(self.buffer.as_write(key, *partition, *tally, version)))
    }
}

/// A range that `BTreeMap::range` would panic on.
fn is_empty(bounds: (Bound<&[u8]>, Bound<&[u8]>)) -> bool {
    match bounds {
        (Included(start), Included(end)) => start > end,
        (Included(start) | Excluded(start), Excluded(end)) | (Excluded(start), Included(end)) => start >= end,
        _ => false,
    }
}

/// What two changes of a key do together.
fn fold(before: &Change, after: Change) -> Change {
    match (before, after) {
        (Change::Adjust(first), Change::Adjust(second)) => Change::Adjust(first.wrapping_add(second)),
        (Change::Delete, Change::Adjust(delta)) => counter(delta),
        (Change::Put { value, .. }, Change::Adjust(delta)) => {
            let sum = value.as_ref().try_into().map_or(0, i64::from_le_bytes);
            counter(sum.wrapping_add(delta))
        }
        (_, after) => after,
    }
}

/// A counter of that sum, as the index stores it.
fn counter(sum: i64) -> Change {
    Change::Put { value: Bytes::copy_from_slice(&sum.to_le_bytes()), extents: Vec::new() }
}

fn bytes_of(change: &Change) -> usize {
    match change {
        Change::Put { value, extents } => value.len() + size_of_val(extents.as_slice()),
        Change::Delete | Change::Adjust(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use millpond_core::{Error, ErrorKind};

    use super::*;

    /// Where nothing is to be read.
    struct Nowhere;

    impl Segments for Nowhere {
        fn writer(&self) -> Result<Box<dyn SegmentWriter>> {
            Err(Error::new(ErrorKind::NotSupported, "nothing is written here"))
        }

        fn read(&self, _: &Extent, _: u64, _: &mut [u8]) -> Result<()> {
            Err(Error::new(ErrorKind::NotSupported, "nothing is read here"))
        }
    }

    fn write(buffer: &mut Buffer, write: &Write<'_>, existed: bool) {
        buffer.write(&Nowhere, write, existed).expect("in memory");
    }

    fn put<'a>(sort: &'a [u8], value: &'a [u8]) -> Write<'a> {
        Write {
            key: Key::new(b"p", sort),
            op: Op::Put { value, extents: &[] },
            tally: Some(Key::new(b"p", b"#")),
        }
    }

    fn adjust(sort: &[u8], delta: i64) -> Write<'_> {
        Write { key: Key::new(b"p", sort), op: Op::Adjust(delta), tally: None }
    }

    fn value(buffer: &Buffer, key: &[u8], at: u64) -> Option<Change> {
        buffer.get(&Nowhere, key, at).expect("in memory").map(|version| version.change.clone())
    }

    fn is(text: &str) -> Option<Change> {
        Some(Change::Put { value: Bytes::copy_from_slice(text.as_bytes()), extents: Vec::new() })
    }

    #[test]
    fn a_view_shows_what_was_written_before_it() {
        let mut buffer = Buffer::default();
        buffer.next();
        write(&mut buffer, &put(b"a", b"1"), false);
        let view = buffer.open_view();
        buffer.next();
        write(&mut buffer, &put(b"a", b"2"), true);
        buffer.next();
        write(&mut buffer, &put(b"a", b"3"), true);
        assert_eq!(value(&buffer, b"pa", view), is("1"));
        assert_eq!(value(&buffer, b"pa", buffer.number()), is("3"));
        assert_eq!(buffer.slots[&b"pa"[..]].older.len(), 1, "the second version is shown by no view");
        buffer.close_view(view);
        assert!(buffer.views.is_empty());
    }

    #[test]
    fn changes_of_a_counter_add_up() {
        let mut buffer = Buffer::default();
        buffer.next();
        write(&mut buffer, &adjust(b"n", 2), true);
        write(&mut buffer, &adjust(b"n", 3), true);
        assert_eq!(value(&buffer, b"pn", 1), Some(Change::Adjust(5)));
        write(&mut buffer, &Write { key: Key::new(b"p", b"n"), op: Op::Delete, tally: None }, true);
        write(&mut buffer, &adjust(b"n", 7), false);
        assert_eq!(value(&buffer, b"pn", 1), Some(counter(7)));
    }

    #[test]
    fn a_tally_counts_keys_that_come_and_go() {
        let mut buffer = Buffer::default();
        for (sort, existed) in [(&b"a"[..], false), (b"b", true), (b"c", false)] {
            buffer.next();
            write(&mut buffer, &put(sort, b"x"), existed);
        }
        let view = buffer.open_view();
        buffer.next();
        write(&mut buffer, &Write { op: Op::Delete, ..put(b"a", b"") }, true);
        assert_eq!(buffer.tallied(b"p#", view), Some((3, 2)));
        assert_eq!(buffer.tallied(b"p#", 4), Some((4, 1)));
        assert_eq!(buffer.tallied(b"pz", 4), None);
        buffer.next();
        write(&mut buffer, &Write { key: Key::new(b"p", b"#"), op: Op::Delete, tally: None }, true);
        assert_eq!(buffer.tallied(b"p#", 5), Some((5, 0)), "what came before is forgotten");
        assert!(buffer.writes().all(|write| write.tally.is_none()));
    }

    #[test]
    fn a_range_that_holds_nothing_is_no_panic() {
        let mut buffer = Buffer::default();
        buffer.next();
        write(&mut buffer, &put(b"a", b"1"), false);
        for bounds in [
            (Included(&b"z"[..]), Included(&b"a"[..])),
            (Excluded(b"a"), Excluded(b"a")),
            (Excluded(b"z"), Included(b"a")),
        ] {
            for direction in [Direction::Forward, Direction::Backward] {
                let page = buffer.page(&Nowhere, bounds, direction, 9, 10).expect("in memory");
                assert!(page.is_empty());
            }
        }
    }
}
