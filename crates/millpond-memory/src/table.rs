//! The records of one container with their versions.
//!
//! Invariants:
//! - A chain's newest version is a live record or, while older versions are still needed, a
//!   tombstone. A chain is never empty.
//! - A superseded version stays while a needed epoch (an open view's, or a retained one) lies
//!   between its own epoch and that of the version after it. Those that lie before the oldest needed
//!   epoch go as soon as that epoch advances; the ones between two needed epochs at the latest with
//!   [`Table::prune_all`].
//! - `history` names each chain with superseded versions once for each of them, in the order of
//!   the epochs that superseded them.
//! - Where a tombstone is forgotten, its partition (or, for a partition that is gone, the table)
//!   remembers the greatest epoch of those, so that no range precondition misses a deletion.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
    sync::Arc,
};

use bytes::Bytes;
use millpond_core::{Epoch, Extent, Key, KeyRange, RETAINED, Record};

use crate::{account::Charge, segments::Bulk};

/// What a version stores.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) value: Bytes,
    pub(crate) extents: Vec<Extent>,
    /// What it is charged.
    pub(crate) bytes: u64,
    /// Keeps the bulk bytes of the extents while the version lives.
    pub(crate) _bulk: Vec<Arc<Bulk>>,
    /// Gives the bytes back when the version goes.
    pub(crate) _charge: Charge,
}

/// The state of a key from one epoch on; `None` is a tombstone.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) epoch: Epoch,
    pub(crate) stored: Option<Stored>,
}

impl Version {
    pub(crate) fn record(&self) -> Option<Record> {
        self.stored.as_ref().map(|stored| Record {
            version: self.epoch,
            value: stored.value.clone(),
            extents: stored.extents.clone(),
        })
    }
}

/// The versions of a key.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) newest: Version,
    /// Superseded versions, oldest first.
    older: Vec<Version>,
}

impl Chain {
    /// The version that a view at `epoch` sees.
    pub(crate) fn at(&self, epoch: Epoch) -> Option<&Version> {
        std::iter::once(&self.newest).chain(self.older.iter().rev()).find(|version| version.epoch <= epoch)
    }

    /// Drops the superseded versions that no epoch of `needed` sees; answers how many.
    fn prune(&mut self, needed: &BTreeSet<Epoch>) -> usize {
        let before = self.older.len();
        let mut next = self.newest.epoch;
        let mut kept: Vec<Version> = Vec::new();
        for version in std::mem::take(&mut self.older).into_iter().rev() {
            let epoch = version.epoch;
            if needed.range(epoch..next).next().is_some() {
                kept.push(version);
            }
            next = epoch;
        }
        kept.reverse();
        // A tombstone that covers nothing says nothing.
        if kept.first().is_some_and(|version| version.stored.is_none()) {
            kept.remove(0);
        }
        self.older = kept;
        before - self.older.len()
    }

    fn is_dead(&self) -> bool {
        self.newest.stored.is_none() && self.older.is_empty()
    }
}

/// The records of a partition.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    records: BTreeMap<Box<[u8]>, Chain>,
    /// The greatest epoch of a tombstone that was forgotten.
    forgotten: Epoch,
}

/// All records of a container.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The epoch of the newest commit.
    pub(crate) newest: Epoch,
    /// The versions of the records that keep them readable.
    pub(crate) retained: BTreeSet<Epoch>,
    /// How many versions there are, tombstones included.
    pub(crate) versions: u64,
    partitions: BTreeMap<Box<[u8]>, Partition>,
    history: VecDeque<Superseded>,
    forgotten: Epoch,
}

/// A chain that got another superseded version.
#[derive(Debug)]
struct Superseded {
    by: Epoch,
    partition: Box<[u8]>,
    sort: Box<[u8]>,
}

impl Table {
    pub(crate) fn chain(&self, key: Key<'_>) -> Option<&Chain> {
        self.partitions.get(key.partition)?.records.get(key.sort)
    }

    /// The newest version of a key that exists.
    pub(crate) fn live(&self, key: Key<'_>) -> Option<&Version> {
        self.chain(key).map(|chain| &chain.newest).filter(|version| version.stored.is_some())
    }

    /// The record that a view at `epoch` sees.
    pub(crate) fn get(&self, key: Key<'_>, epoch: Epoch) -> Option<Record> {
        self.chain(key)?.at(epoch)?.record()
    }

    /// The chains of a range, in order.
    pub(crate) fn range<'t>(
        &'t self,
        range: &KeyRange<'_>,
    ) -> Option<impl DoubleEndedIterator<Item = (&'t [u8], &'t Chain)>> {
        if is_empty(range) {
            return None;
        }
        let partition = self.partitions.get(range.partition)?;
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = (range.start, range.end);
        Some(partition.records.range::<[u8], _>(bounds).map(|(sort, chain)| (&**sort, chain)))
    }

    /// The chains in the order of partitions and sort keys, whose concatenation begins with `prefix`,
    /// behind the one of `after`; each with its partition and sort key.
    pub(crate) fn from(
        &self,
        after: Option<(&[u8], &[u8])>,
        prefix: &[u8],
    ) -> impl Iterator<Item = (&[u8], &[u8], &Chain)> {
        let first = after.map_or(Bound::Unbounded, |(partition, _)| Bound::Included(partition));
        let partitions = self.partitions.range::<[u8], _>((first, Bound::Unbounded));
        let prefix = prefix.to_vec();
        let after = after.map(|(partition, sort)| (partition.to_vec(), sort.to_vec()));
        partitions
            .filter({
                let prefix = prefix.clone();
                move |(partition, _)| {
                    let shared = partition.len().min(prefix.len());
                    partition[..shared] == prefix[..shared]
                }
            })
            .flat_map(move |(partition, records)| {
                let rest = prefix.get(partition.len()..).unwrap_or_default().to_vec();
                let start = match &after {
                    Some((last, sort)) if **last == **partition => Bound::Excluded(sort.clone()),
                    _ => Bound::Included(rest.clone()),
                };
                let records =
                    records.records.range::<[u8], _>((start.as_ref().map(Vec::as_slice), Bound::Unbounded));
                records
                    .take_while(move |(sort, _)| sort.starts_with(&rest))
                    .map(move |(sort, chain)| (&**partition, &**sort, chain))
            })
    }

    /// Whether a key of the range changed after `since`, or may have.
    pub(crate) fn changed(&self, range: &KeyRange<'_>, since: Epoch) -> bool {
        let forgotten = self.partitions.get(range.partition).map_or(self.forgotten, |p| p.forgotten);
        forgotten > since
            || self.range(range).is_some_and(|mut chains| chains.any(|(_, chain)| chain.newest.epoch > since))
    }

    /// Makes `stored` the newest version of `key`, of the epoch `epoch`. Versions that no epoch of
    /// `needed` sees go at once.
    pub(crate) fn set(
        &mut self,
        key: Key<'_>,
        epoch: Epoch,
        stored: Option<Stored>,
        needed: &BTreeSet<Epoch>,
    ) {
        if stored.is_none() && self.chain(key).is_none() {
            return;
        }
        if key.partition == RETAINED {
            if let Some(before) = self.live(key).map(|version| version.epoch) {
                // Several of one commit share its epoch.
                let range = KeyRange::all(RETAINED);
                let shared = self.range(&range).is_some_and(|mut chains| {
                    chains.any(|(sort, chain)| {
                        sort != key.sort && chain.newest.epoch == before && chain.newest.stored.is_some()
                    })
                });
                if !shared {
                    self.retained.remove(&before);
                }
            }
            if stored.is_some() {
                self.retained.insert(epoch);
            }
        }
        // A partition that comes back has to remember what was forgotten while it was gone.
        let forgotten = self.forgotten;
        let partition = match self.partitions.get_mut(key.partition) {
            Some(partition) => partition,
            None => self
                .partitions
                .entry(key.partition.into())
                .or_insert(Partition { records: BTreeMap::new(), forgotten }),
        };
        let version = Version { epoch, stored };
        self.versions += 1;
        match partition.records.get_mut(key.sort) {
            None => {
                partition.records.insert(key.sort.into(), Chain { newest: version, older: Vec::new() });
            }
            Some(chain) => {
                let superseded = std::mem::replace(&mut chain.newest, version);
                if superseded.stored.is_some() || !chain.older.is_empty() {
                    chain.older.push(superseded);
                    self.versions -= chain.prune(needed) as u64;
                } else {
                    self.versions -= 1;
                }
                if !chain.older.is_empty() {
                    self.history.push_back(Superseded {
                        by: epoch,
                        partition: key.partition.into(),
                        sort: key.sort.into(),
                    });
                } else if chain.is_dead() {
                    self.forget(key);
                }
            }
        }
    }

    pub(crate) fn has_history(&self) -> bool {
        !self.history.is_empty()
    }

    /// Drops the versions that were superseded before the oldest needed epoch.
    pub(crate) fn prune(&mut self, needed: &BTreeSet<Epoch>) {
        let oldest = needed.first().copied().unwrap_or(self.newest);
        while self.history.front().is_some_and(|front| front.by <= oldest) {
            let Some(front) = self.history.pop_front() else { break };
            self.prune_chain(Key::new(&front.partition, &front.sort), needed);
        }
    }

    /// Drops every version that no epoch of `needed` sees.
    pub(crate) fn prune_all(&mut self, needed: &BTreeSet<Epoch>) {
        for entry in std::mem::take(&mut self.history) {
            let key = Key::new(&entry.partition, &entry.sort);
            self.prune_chain(key, needed);
            if self.chain(key).is_some_and(|chain| !chain.older.is_empty()) {
                self.history.push_back(entry);
            }
        }
    }

    fn prune_chain(&mut self, key: Key<'_>, needed: &BTreeSet<Epoch>) {
        let Some(partition) = self.partitions.get_mut(key.partition) else { return };
        let Some(chain) = partition.records.get_mut(key.sort) else { return };
        self.versions -= chain.prune(needed) as u64;
        if chain.is_dead() {
            self.forget(key);
        }
    }

    /// Removes a chain that holds a tombstone alone.
    fn forget(&mut self, key: Key<'_>) {
        let Some(partition) = self.partitions.get_mut(key.partition) else { return };
        if let Some(chain) = partition.records.remove(key.sort) {
            partition.forgotten = partition.forgotten.max(chain.newest.epoch);
            self.versions -= 1;
        }
        if partition.records.is_empty() {
            self.forgotten = self.forgotten.max(partition.forgotten);
            self.partitions.remove(key.partition);
        }
    }
}

/// Whether no key can lie in the range; a `BTreeMap` refuses such bounds.
fn is_empty(range: &KeyRange<'_>) -> bool {
    match (range.start, range.end) {
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end))
        | (Bound::Excluded(start), Bound::Included(end)) => start >= end,
        _ => false,
    }
}
