//! What a transaction has read of the state that it began with: what must be unchanged when it
//! commits.
//!
//! Invariant: whatever the transaction learned is covered. When keys become too many, a range that
//! covers them takes their place: coarser, so that memory stays bounded.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Arc, Mutex, PoisonError},
};

use millpond_core::{Direction, Epoch, Found, Key, KeyRange, Precondition, Record};

/// Keys that are remembered one by one, in all.
const KEYS_MAX: usize = 1 << 16;

/// Scans that are remembered one by one.
const SCANS_MAX: usize = 1 << 12;

type Bounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// How far a scan has come.
#[derive(Debug)]
pub(super) struct Scan {
    partition: Vec<u8>,
    bounds: Bounds,
    direction: Direction,
    /// The last key that it showed; none before the first one.
    reached: Mutex<Reached>,
}

#[derive(Debug)]
enum Reached {
    Nothing,
    Key(Vec<u8>),
    End,
}

impl Scan {
    pub(super) fn new(range: &KeyRange<'_>, direction: Direction) -> Self {
        Self {
            partition: range.partition.to_vec(),
            bounds: (range.start.map(<[u8]>::to_vec), range.end.map(<[u8]>::to_vec)),
            direction,
            reached: Mutex::new(Reached::Nothing),
        }
    }

    /// It showed this key.
    pub(super) fn reach(&self, sort: &[u8]) {
        let mut reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *reached {
            Reached::Key(key) => {
                key.clear();
                key.extend_from_slice(sort);
            }
            other => *other = Reached::Key(sort.to_vec()),
        }
    }

    /// It came to its end.
    pub(super) fn end(&self) {
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = Reached::End;
    }

    /// What of the range was seen.
    fn seen(&self) -> Option<Bounds> {
        let (start, end) = self.bounds.clone();
        match &*self.reached.lock().unwrap_or_else(PoisonError::into_inner) {
            Reached::Nothing => None,
            Reached::End => Some((start, end)),
            Reached::Key(key) => Some(match self.direction {
                Direction::Forward => (start, Bound::Included(key.clone())),
                Direction::Backward => (Bound::Included(key.clone()), end),
            }),
        }
    }
}

/// A range of one partition that was read.
#[derive(Debug)]
struct Range {
    partition: Vec<u8>,
    bounds: Bounds,
}

/// A key that was read, with the version that was seen.
#[derive(Debug)]
struct Point {
    /// Bytes of the key that are its partition.
    partition: usize,
    version: Epoch,
    found: Found,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reads {
    points: BTreeMap<Vec<u8>, Point>,
    ranges: Vec<Range>,
    scans: Vec<Arc<Scan>>,
}

impl Reads {
    /// Notes what a key was found to be.
    pub(super) fn point(&mut self, key: Key<'_>, record: Option<&Record>) {
        if self.points.len() >= KEYS_MAX {
            self.coarsen();
        }
        let version = record.map_or(Epoch::ZERO, |record| record.version);
        let point = Point { partition: key.partition.len(), version, found: Found::of(record) };
        self.points.insert(key.concat(), point);
    }

    /// In which version a key was found, zero if it wasn't there, if it was asked for one by one.
    pub(super) fn version_of(&self, key: &[u8]) -> Option<Epoch> {
        self.points.get(key).map(|point| point.version)
    }

    /// What a key was found to be, if it was asked for one by one.
    pub(super) fn found(&self, key: &[u8]) -> Option<Found> {
        self.points.get(key).map(|point| point.found)
    }

    /// Notes a scan, as far as it gets.
    pub(super) fn scan(&mut self, scan: Arc<Scan>) {
        if self.scans.len() >= SCANS_MAX {
            self.coarsen();
        }
        self.scans.push(scan);
    }

    /// Notes that all of a range was read.
    pub(super) fn range(&mut self, range: &KeyRange<'_>) {
        let bounds = (range.start.map(<[u8]>::to_vec), range.end.map(<[u8]>::to_vec));
        self.ranges.push(Range { partition: range.partition.to_vec(), bounds });
        if self.ranges.len() > SCANS_MAX {
            self.coarsen();
        }
    }

    /// What must hold of the state that the transaction began with, at `since`.
    pub(super) fn preconditions<'a>(&'a mut self, since: Epoch) -> Vec<Precondition<'a>> {
        for scan in std::mem::take(&mut self.scans) {
            if let Some(bounds) = scan.seen() {
                self.ranges.push(Range { partition: scan.partition.clone(), bounds });
            }
        }
        let points = self.points.iter().map(|(key, point)| {
            let (partition, sort) = key.split_at(point.partition);
            Precondition::Unchanged { key: Key::new(partition, sort), version: point.version }
        });
        let ranges = self.ranges.iter().map(|range| {
            let (start, end) = (range.bounds.0.as_ref(), range.bounds.1.as_ref());
            let (start, end) = (start.map(Vec::as_slice), end.map(Vec::as_slice));
            Precondition::RangeUnchanged {
                range: KeyRange { partition: &range.partition, start, end },
                since,
            }
        });
        points.chain(ranges).collect()
    }

    /// One range a partition takes the place of all that was noted of it. Scans that still go on
    /// stay by themselves.
    fn coarsen(&mut self) {
        let mut partitions: BTreeMap<Vec<u8>, Vec<Bounds>> = BTreeMap::new();
        for (key, point) in std::mem::take(&mut self.points) {
            let (partition, sort) = key.split_at(point.partition);
            let bounds = (Bound::Included(sort.to_vec()), Bound::Included(sort.to_vec()));
            partitions.entry(partition.to_vec()).or_default().push(bounds);
        }
        let (going, ended): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.scans).into_iter().partition(|scan| Arc::strong_count(scan) > 1);
        self.scans = going;
        for scan in ended {
            if let Some(bounds) = scan.seen() {
                partitions.entry(scan.partition.clone()).or_default().push(bounds);
            }
        }
        for range in std::mem::take(&mut self.ranges) {
            partitions.entry(range.partition).or_default().push(range.bounds);
        }
        let covering = |bounds: Vec<Bounds>| {
            let starts: BTreeSet<_> = bounds.iter().map(|(start, _)| lowest(start)).collect();
            let unbounded = bounds.iter().any(|(_, end)| matches!(end, Bound::Unbounded));
            let end = bounds.iter().filter_map(|(_, end)| highest(end)).max();
            let start = starts.into_iter().next().unwrap_or_default();
            let end = end.filter(|_| !unbounded).map_or(Bound::Unbounded, Bound::Included);
            (Bound::Included(start), end)
        };
        self.ranges = partitions
            .into_iter()
            .map(|(partition, bounds)| Range { partition, bounds: covering(bounds) })
            .collect();
    }
}

/// A key at or below the first one of a range that begins so.
fn lowest(start: &Bound<Vec<u8>>) -> Vec<u8> {
    match start {
        Bound::Included(key) | Bound::Excluded(key) => key.clone(),
        Bound::Unbounded => Vec::new(),
    }
}

/// A key at or above the last one of a range that ends so.
fn highest(end: &Bound<Vec<u8>>) -> Option<Vec<u8>> {
    match end {
        Bound::Included(key) | Bound::Excluded(key) => Some(key.clone()),
        Bound::Unbounded => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(preconditions: &[Precondition<'_>], key: Key<'_>) -> bool {
        preconditions.iter().any(|precondition| match precondition {
            Precondition::Unchanged { key: point, .. } => *point == key,
            Precondition::RangeUnchanged { range, .. } => range.contains(key),
        })
    }

    #[test]
    fn a_scan_covers_what_it_showed_and_the_gaps_between() {
        let mut reads = Reads::default();
        for (direction, partition) in [(Direction::Forward, b"f"), (Direction::Backward, b"b")] {
            let scan = Arc::new(Scan::new(&KeyRange::all(partition), direction));
            scan.reach(b"m");
            reads.scan(scan);
        }
        let untouched = Arc::new(Scan::new(&KeyRange::all(b"u"), Direction::Forward));
        let ended = Arc::new(Scan::new(&KeyRange::all(b"e"), Direction::Forward));
        ended.end();
        reads.scan(untouched);
        reads.scan(ended);
        let conditions = reads.preconditions(Epoch(5));
        for (partition, sort, is_covered) in [
            (b"f", b"a", true),
            (b"f", b"m", true),
            (b"f", b"z", false),
            (b"b", b"a", false),
            (b"b", b"m", true),
            (b"b", b"z", true),
            (b"u", b"a", false),
            (b"e", b"a", true),
        ] {
            assert_eq!(covered(&conditions, Key::new(partition, sort)), is_covered, "{partition:?} {sort:?}");
        }
    }

    #[test]
    fn however_many_keys_are_read_all_are_covered_in_bounded_memory() {
        let mut reads = Reads::default();
        let count = 2 * KEYS_MAX as u32 + 10;
        for number in 0..count {
            reads.point(Key::new(&[number as u8 % 3], &number.to_be_bytes()), None);
        }
        assert!(reads.points.len() <= KEYS_MAX && reads.ranges.len() <= 3);
        let conditions = reads.preconditions(Epoch(5));
        for number in 0..count {
            assert!(covered(&conditions, Key::new(&[number as u8 % 3], &number.to_be_bytes())));
        }
        assert!(!covered(&conditions, Key::new(&[7], b"")));
    }
}
