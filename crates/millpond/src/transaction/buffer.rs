//! What a transaction has written and not committed: for each key, what is to become of it.
//!
//! Invariants:
//! - Every change of the transaction has a number, counted up. A view of the transaction shows the
//!   changes up to its own number; versions that no view shows any more are not kept.
//! - The newest version of a key says everything that the transaction does to it: a change on top of
//!   another one is folded into it.

use std::{
    collections::{BTreeMap, HashMap, btree_map},
    ops::Bound::{self, Excluded, Included},
};

use bytes::Bytes;
use millpond_core::{Extent, Key, KeyRange, Op, Write};

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
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    slots: BTreeMap<Vec<u8>, Slot>,
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
        self.slots.is_empty()
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
        !self.slots.is_empty() && (self.slots.contains_key(key) || self.place_of(key).is_some())
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
    pub(super) fn get(&self, key: &[u8], at: u64) -> Option<&Version> {
        if self.slots.is_empty() {
            return None;
        }
        self.slots.get(key)?.at(at)
    }

    /// What the transaction's other writes add to a counter, as of `at`: to what it was in the state
    /// before, or to what the transaction made of it. With the number of the last of them.
    pub(super) fn tallied(&self, key: &[u8], at: u64) -> Option<(u64, i64)> {
        let sums = &self.counters[self.place_of(key)?].sums;
        sums.iter().rev().find(|(number, _)| *number <= at).copied()
    }

    /// The keys of a range that the transaction wrote, in order.
    pub(super) fn range<'a>(
        &'a self,
        bounds: (Bound<&[u8]>, Bound<&[u8]>),
    ) -> impl DoubleEndedIterator<Item = (&'a [u8], &'a Slot)> {
        let is_empty = is_empty(bounds);
        let range = (!is_empty).then(|| self.slots.range::<[u8], _>(bounds));
        range.into_iter().flatten().map(|(key, slot)| (key.as_slice(), slot))
    }

    /// Whether the transaction wrote a key of the range after its change of that number.
    pub(super) fn changed_since(&self, range: &KeyRange<'_>, number: u64) -> bool {
        let start = Key::new(range.partition, b"").concat();
        let behind = KeyRange::prefix_end(range.partition);
        let end = behind.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.range((Bound::Included(&start), end)).any(|(key, slot)| {
            let (partition, sort) = key.split_at(slot.partition);
            slot.newest.number > number && range.contains(Key::new(partition, sort))
        })
    }

    /// Notes a write under the current number. `existed` says whether its key exists without it.
    pub(super) fn write(&mut self, write: &Write<'_>, existed: bool) {
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
        }
        self.bytes += bytes_of(&change);
        let version = Version { number: self.number, change };
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
    }

    /// The place of a counter.
    fn counter(&mut self, key: Key<'_>) -> usize {
        if let Some(place) = key.with_concat(|key| self.place_of(key)) {
            return place;
        }
        let whole = key.concat();
        let counter = Counter { key: whole.clone(), partition: key.partition.len(), sums: Vec::new() };
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

    /// All changes, as a commit writes them, in the order of their keys.
    pub(super) fn writes(&self) -> impl Iterator<Item = Write<'_>> {
        self.slots.iter().map(|(key, slot)| {
            let op = match &slot.newest.change {
                Change::Put { value, extents } => Op::Put { value, extents },
                Change::Delete => Op::Delete,
                Change::Adjust(delta) => Op::Adjust(*delta),
            };
            let tally = slot.tally.map(|place| &self.counters[place]).filter(|counter| {
                // A counter that was set or deleted afterwards has forgotten what it counted before.
                let set = self
                    .slots
                    .get(&counter.key)
                    .filter(|set| !matches!(set.newest.change, Change::Adjust(_)));
                set.is_none_or(|set| set.newest.number < slot.newest.number)
            });
            let (partition, sort) = key.split_at(slot.partition);
            let tally = tally.map(|counter| {
                let (partition, sort) = counter.key.split_at(counter.partition);
                Key::new(partition, sort)
            });
            Write { key: Key::new(partition, sort), op, tally }
        })
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
    use super::*;

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
        buffer.get(key, at).map(|version| version.change.clone())
    }

    fn is(text: &str) -> Option<Change> {
        Some(Change::Put { value: Bytes::copy_from_slice(text.as_bytes()), extents: Vec::new() })
    }

    #[test]
    fn a_view_shows_what_was_written_before_it() {
        let mut buffer = Buffer::default();
        buffer.next();
        buffer.write(&put(b"a", b"1"), false);
        let view = buffer.open_view();
        buffer.next();
        buffer.write(&put(b"a", b"2"), true);
        buffer.next();
        buffer.write(&put(b"a", b"3"), true);
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
        buffer.write(&adjust(b"n", 2), true);
        buffer.write(&adjust(b"n", 3), true);
        assert_eq!(value(&buffer, b"pn", 1), Some(Change::Adjust(5)));
        buffer.write(&Write { key: Key::new(b"p", b"n"), op: Op::Delete, tally: None }, true);
        buffer.write(&adjust(b"n", 7), false);
        assert_eq!(value(&buffer, b"pn", 1), Some(counter(7)));
    }

    #[test]
    fn a_tally_counts_keys_that_come_and_go() {
        let mut buffer = Buffer::default();
        for (sort, existed) in [(&b"a"[..], false), (b"b", true), (b"c", false)] {
            buffer.next();
            buffer.write(&put(sort, b"x"), existed);
        }
        let view = buffer.open_view();
        buffer.next();
        buffer.write(&Write { op: Op::Delete, ..put(b"a", b"") }, true);
        assert_eq!(buffer.tallied(b"p#", view), Some((3, 2)));
        assert_eq!(buffer.tallied(b"p#", 4), Some((4, 1)));
        assert_eq!(buffer.tallied(b"pz", 4), None);
        buffer.next();
        buffer.write(&Write { key: Key::new(b"p", b"#"), op: Op::Delete, tally: None }, true);
        assert_eq!(buffer.tallied(b"p#", 5), Some((5, 0)), "what came before is forgotten");
        assert!(buffer.writes().all(|write| write.tally.is_none()));
    }

    #[test]
    fn a_range_that_holds_nothing_is_no_panic() {
        let mut buffer = Buffer::default();
        buffer.next();
        buffer.write(&put(b"a", b"1"), false);
        for bounds in [
            (Included(&b"z"[..]), Included(&b"a"[..])),
            (Excluded(b"a"), Excluded(b"a")),
            (Excluded(b"z"), Included(b"a")),
        ] {
            assert_eq!(buffer.range(bounds).count(), 0);
        }
    }
}
