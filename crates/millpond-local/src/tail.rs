//! The tail: the records of one log file, in memory and in order.
//!
//! A tail changes only while its file is the one that is appended to, and only under the
//! engine's applier; older tails are as fixed as runs. A counter's version holds the sum of the
//! adjustments in this tail, and what lies in older places is added when it is read, unless the
//! whole sum is known here: then it is a put of its eight bytes.

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use millpond_core::{Epoch, Extent, SegmentId};

use crate::run::{Entry, Run};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// Number of the log file.
    pub(crate) file: u64,
    records: RwLock<BTreeMap<Bytes, Versions>>,
    bulk: RwLock<Vec<BulkRun>>,
    segments: RwLock<BTreeMap<SegmentId, u64>>,
    /// Whether there are bulk runs, to spare readers the lock.
    bulk_count: AtomicUsize,
}

/// The run of a bulk commit, named by a record of this log file.
#[derive(Clone, Debug)]
pub(crate) struct BulkRun {
    pub(crate) run: Arc<Run>,
    pub(crate) epoch: Epoch,
    /// Bytes of segments that it makes reachable.
    pub(crate) segments: Vec<(SegmentId, u64)>,
}

/// The versions of one key, newest first.
#[derive(Clone, Debug)]
pub(crate) struct Versions {
    newest: Version,
    older: Vec<Version>,
}

/// One version of a key.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) epoch: Epoch,
    pub(crate) entry: Entry,
}

impl Versions {
    /// The newest version that is no newer than `at`.
    pub(crate) fn at(&self, at: Epoch) -> Option<&Version> {
        if self.newest.epoch <= at {
            return Some(&self.newest);
        }
        // Pushed in order, so that the newest stands last.
        let count = self.older.partition_point(|version| version.epoch <= at);
        self.older[..count].last()
    }

    /// All versions, newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Version> {
        std::iter::once(&self.newest).chain(self.older.iter().rev())
    }

    fn push(&mut self, version: Version) {
        let older = std::mem::replace(&mut self.newest, version);
        self.older.push(older);
    }
}

/// A change to apply.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put(Bytes, Vec<Extent>),
    Delete,
    Adjust(i64),
}

impl Tail {
    pub(crate) fn new(file: u64) -> Self {
        Self { file, ..Self::default() }
    }

    /// Applies the changes of one commit.
    pub(crate) fn apply(&self, epoch: Epoch, changes: impl Iterator<Item = (Bytes, Change)>) {
        let mut records = self.records_mut();
        for (key, change) in changes {
            if let Change::Put(_, extents) = &change
                && !extents.is_empty()
            {
                let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
                extents
                    .iter()
                    .for_each(|extent| *segments.entry(extent.segment).or_default() += extent.length);
            }
            match records.get_mut(&key) {
                Some(versions) => {
                    let entry = match (change, &versions.newest.entry) {
                        (Change::Put(value, extents), _) => Entry::Put { value, extents },
                        (Change::Delete, _) => Entry::Tombstone,
                        (Change::Adjust(delta), Entry::Counter(sum)) => {
                            Entry::Counter(sum.wrapping_add(delta))
                        }
                        (Change::Adjust(delta), Entry::Put { value, .. }) => {
                            counter_entry(counter_value(value).wrapping_add(delta))
                        }
                        (Change::Adjust(delta), Entry::Tombstone) => counter_entry(delta),
                    };
                    if versions.newest.epoch == epoch {
                        versions.newest.entry = entry;
                    } else {
                        versions.push(Version { epoch, entry });
                    }
                }
                None => {
                    let entry = match change {
                        Change::Put(value, extents) => Entry::Put { value, extents },
                        Change::Delete => Entry::Tombstone,
                        Change::Adjust(delta) => Entry::Counter(delta),
                    };
                    records.insert(key, Versions { newest: Version { epoch, entry }, older: Vec::new() });
                }
            }
        }
    }

    pub(crate) fn add_bulk(&self, bulk: BulkRun) {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        bulk.segments.iter().for_each(|(segment, bytes)| *segments.entry(*segment).or_default() += bytes);
        drop(segments);
        self.bulk.write().unwrap_or_else(PoisonError::into_inner).push(bulk);
        self.bulk_count.fetch_add(1, Ordering::Release);
    }

    /// The runs of bulk commits, oldest first.
    pub(crate) fn bulk(&self) -> Vec<BulkRun> {
        if self.bulk_count.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        self.bulk.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many runs of bulk commits there are.
    pub(crate) fn bulk_count(&self) -> usize {
        self.bulk_count.load(Ordering::Acquire)
    }

    /// Segments that records of this tail point to, and how many of their bytes, superseded
    /// versions included.
    pub(crate) fn segments(&self) -> BTreeMap<SegmentId, u64> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records().is_empty() && self.bulk_count.load(Ordering::Acquire) == 0
    }

    /// The newest version of `key` that is no newer than `at`.
    pub(crate) fn get(&self, key: &[u8], at: Epoch) -> Option<Version> {
        self.records().get(key)?.at(at).cloned()
    }

    /// Whether any key of the range has a version newer than `since`.
    pub(crate) fn changed_since(&self, start: Bound<&[u8]>, end: Bound<&[u8]>, since: Epoch) -> bool {
        is_range(start, end)
            && self
                .records()
                .range::<[u8], _>((start, end))
                .any(|(_, versions)| versions.newest.epoch > since)
    }

    /// Up to `most` keys of the range with their version as of `at`, from its start, or from its
    /// end if `backward`. Keys without such a version are left out; the flag says whether the
    /// range went on.
    pub(crate) fn page(
        &self,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        at: Epoch,
        backward: bool,
        most: usize,
        out: &mut Vec<(Bytes, Version)>,
    ) -> bool {
        if !is_range(start, end) {
            return false;
        }
        let records = self.records();
        let range = records.range::<[u8], _>((start, end));
        let pick = |(key, versions): (&Bytes, &Versions)| Some((key.clone(), versions.at(at)?.clone()));
        if backward {
            out.extend(range.rev().filter_map(pick).take(most));
        } else {
            out.extend(range.filter_map(pick).take(most));
        }
        out.len() == most
    }

    /// Every key with its versions, in order. Holds the tail: for tails that no longer change.
    pub(crate) fn for_each<E>(
        &self,
        mut each: impl FnMut(&Bytes, &Versions) -> Result<(), E>,
    ) -> Result<(), E> {
        self.records().iter().try_for_each(|(key, versions)| each(key, versions))
    }

    fn records(&self) -> RwLockReadGuard<'_, BTreeMap<Bytes, Versions>> {
        self.records.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn records_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<Bytes, Versions>> {
        self.records.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number that a put counter holds; 0 for a value that is no counter.
pub(crate) fn counter_value(value: &[u8]) -> i64 {
    value.try_into().map_or(0, i64::from_le_bytes)
}

/// A counter whose whole sum is known.
pub(crate) fn counter_entry(sum: i64) -> Entry {
    Entry::Put { value: Bytes::copy_from_slice(&sum.to_le_bytes()), extents: Vec::new() }
}

/// Whether a range may hold anything; `BTreeMap::range` panics on one that runs backward.
fn is_range(start: Bound<&[u8]>, end: Bound<&[u8]>) -> bool {
    match (start, end) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => true,
        (Bound::Included(start), Bound::Included(end)) => start <= end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => {
            start < end
        }
    }
}
