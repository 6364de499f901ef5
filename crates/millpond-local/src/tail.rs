//! The tail: the records of one log file, in memory.
//!
//! Keys are found by their hash. Their order is made up only when someone asks for it: a program that
//! puts and gets never pays for it, and one that scans pays once for each key.
//!
//! A tail changes only while its file is the one that is appended to, and only under the
//! engine's applier; older tails are as fixed as runs. A counter's version holds the sum of the
//! adjustments in this tail, and what lies in older places is added when it is read, unless the
//! whole sum is known here: then it is a put of its eight bytes.

mod versions;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Arc, PoisonError},
};

use bytes::Bytes;
use hashbrown::{HashTable, hash_table};
use millpond_core::{Epoch, Extent, RETAINED, SegmentId};

use self::versions::Looked;
pub(crate) use self::versions::{Change, Replaced, Version, Versions};
use crate::{
    prefetch::{prefetch, prefetch_all},
    run::{Entry, Run, key_hash},
    sync::{
        RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

/// Hashes that are foreseen at once.
pub(crate) const FORESEEN_MAX: usize = 32;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// Number of the log file.
    pub(crate) file: u64,
    /// Log offset where it begins.
    pub(crate) base: u64,
    records: RwLock<Records>,
    /// The epoch of the newest record.
    newest: AtomicU64,
    bulk: RwLock<Vec<BulkRun>>,
    segments: RwLock<BTreeMap<SegmentId, u64>>,
    /// Keys of records that keep epochs readable, so that nobody has to put the others in order to
    /// find them.
    keeping: RwLock<BTreeSet<Bytes>>,
    /// Whether there are bulk runs, to spare readers the lock.
    bulk_count: AtomicUsize,
    /// Whether a value of it is lost.
    is_damaged: AtomicBool,
}

#[derive(Debug, Default)]
struct Records {
    /// In the order in which their keys came.
    slots: Vec<Slot>,
    /// Places in `slots`, by the hash of the key.
    places: HashTable<u32>,
    /// Places of the first `ordered` slots, by key.
    order: BTreeMap<Bytes, u32>,
    ordered: usize,
}

#[derive(Debug)]
struct Slot {
    /// Of the key, for the table to grow without a look at it.
    hash: u64,
    key: Bytes,
    versions: Versions,
}

/// The run of a bulk commit, named by a record of this log file.
#[derive(Clone, Debug)]
pub(crate) struct BulkRun {
    pub(crate) run: Arc<Run>,
    pub(crate) epoch: Epoch,
    /// Bytes of segments that it makes reachable.
    pub(crate) segments: Vec<(SegmentId, u64)>,
}

impl Records {
    fn find(&self, hash: u64, key: &[u8]) -> Option<&Versions> {
        let place = self.places.find(hash, |&place| self.slots[place as usize].key == key)?;
        Some(&self.slots[*place as usize].versions)
    }

    /// Adds `what` to the versions of a key that is there, or makes the first one of it.
    fn put<T>(
        &mut self,
        key: Bytes,
        what: T,
        add: impl FnOnce(&mut Versions, T),
        first: impl FnOnce(T) -> (Version, Replaced),
    ) {
        let Self { slots, places, .. } = self;
        let hash = key_hash(&key);
        let found = places.entry(
            hash,
            |&place| slots[place as usize].key == key,
            |&place| slots[place as usize].hash,
        );
        match found {
            hash_table::Entry::Occupied(place) => add(&mut slots[*place.get() as usize].versions, what),
            hash_table::Entry::Vacant(vacant) => {
                // A log file, of 1 GiB at most, has fewer records.
                vacant.insert(slots.len() as u32);
                let (newest, replaced) = first(what);
                let versions = Versions { newest, older: Vec::new(), replaced, existed: Looked::default() };
                slots.push(Slot { hash, key, versions });
            }
        }
    }

    fn put_in_order(&mut self) {
        let Self { slots, order, ordered, .. } = self;
        let fresh = &slots[*ordered..];
        let entry = |place: usize| (slots[place].key.clone(), place as u32);
        if fresh.len() > order.len() / 8 {
            // Sorted, and merged in one go.
            let heads = Heads::of(fresh.len(), fresh.iter());
            let mut sorted: Vec<(u64, usize)> =
                fresh.iter().zip(*ordered..).map(|(slot, place)| (heads.head(&slot.key), place)).collect();
            sorted.sort_unstable_by(|left, right| {
                left.0.cmp(&right.0).then_with(|| slots[left.1].key.cmp(&slots[right.1].key))
            });
            let mut soon = sorted.iter().skip(2 * PREFETCHED);
            let mut sooner = sorted.iter().skip(PREFETCHED);
            let sorted = sorted.iter().map(|&(_, place)| {
                soon.next().inspect(|soon| prefetch(&raw const slots[soon.1].key));
                sooner.next().inspect(|sooner| prefetch_all(&slots[sooner.1].key));
                entry(place)
            });
            order.append(&mut sorted.collect());
        } else {
            order.extend((*ordered..slots.len()).map(entry));
        }
        *ordered = slots.len();
    }

    fn range(
        &self,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = (&Bytes, &Versions)> + Clone {
        let slot = |(key, &place): (_, &u32)| (key, &self.slots[place as usize].versions);
        is_range(start, end)
            .then(|| self.order.range::<[u8], _>((start, end)).map(slot))
            .into_iter()
            .flatten()
    }
}

impl Tail {
    /// That of a file which begins at log offset `base`.
    pub(crate) fn new(file: u64, base: u64) -> Self {
        Self { file, base, ..Self::default() }
    }

    /// Makes room for so many keys ahead.
    pub(crate) fn expect(&self, keys: usize) {
        let mut records = self.records_mut();
        records.slots.reserve(keys);
        let Records { slots, places, .. } = &mut *records;
        places.reserve(keys, |&place| slots[place as usize].hash);
    }

    /// The same records in two tails: those up to `epoch`, and those after it, which are in log file
    /// `file`, from `base` on, now. Nobody changes this one meanwhile.
    pub(crate) fn split(&self, epoch: Epoch, (file, base): (u64, u64)) -> (Self, Self) {
        let (before, behind) = (Self::new(self.file, self.base), Self::new(file, base));
        for Slot { key, versions, .. } in &self.records().slots {
            let mut sum = 0;
            // Oldest first, as they came.
            for version in versions.older.iter().chain([&versions.newest]) {
                let mut version = version.clone();
                if version.epoch <= epoch {
                    sum = if let Entry::Counter(sum) = version.entry { sum } else { 0 };
                    before.push(key, version);
                } else {
                    if let Entry::Counter(whole) = &mut version.entry {
                        *whole = whole.wrapping_sub(sum);
                    }
                    behind.push(key, version);
                }
            }
        }
        for bulk in self.bulk() {
            if bulk.epoch <= epoch { &before } else { &behind }.add_bulk(bulk);
        }
        (before, behind)
    }

    /// Adds a version that is newer than those of the key that are here.
    fn push(&self, key: &Bytes, version: Version) {
        match &version.entry {
            Entry::Put { extents, .. } => self.count_segments(extents),
            Entry::Damaged(_) => self.is_damaged.store(true, Ordering::Release),
            Entry::Tombstone | Entry::Counter(_) => {}
        }
        self.newest.fetch_max(version.epoch.0, Ordering::Release);
        self.note_keeping(key);
        let first = |version| (version, Replaced::Unknown);
        self.records_mut().put(key.clone(), version, Versions::push, first);
    }

    fn note_keeping(&self, key: &Bytes) {
        if key.starts_with(RETAINED) {
            self.keeping.write().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        }
    }

    fn count_segments(&self, extents: &[Extent]) {
        if extents.is_empty() {
            return;
        }
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        extents.iter().for_each(|extent| *segments.entry(extent.segment).or_default() += extent.length);
    }

    /// Applies the changes of one commit.
    pub(crate) fn apply(&self, epoch: Epoch, changes: impl Iterator<Item = (Bytes, Change, Replaced)>) {
        let mut records = self.records_mut();
        for (key, change, replaced) in changes {
            match &change {
                Change::Put(_, extents) => self.count_segments(extents),
                Change::Damaged(_) => self.is_damaged.store(true, Ordering::Release),
                Change::Delete | Change::Adjust(_) => {}
            }
            self.note_keeping(&key);
            records.put(
                key,
                change,
                |versions, change| versions.change(epoch, change),
                |change| {
                    let entry = match change {
                        Change::Put(value, extents) => Entry::Put { value, extents },
                        Change::Delete => Entry::Tombstone,
                        Change::Adjust(delta) => Entry::Counter(delta),
                        Change::Damaged(place) => Entry::Damaged(place),
                    };
                    (Version { epoch, entry }, replaced)
                },
            );
        }
        drop(records);
        self.newest.store(epoch.0, Ordering::Release);
    }

    /// Whether a value of it is lost.
    pub(crate) fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Acquire)
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

    /// Whether records of this tail point to the segment.
    pub(crate) fn points_to(&self, segment: SegmentId) -> bool {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).contains_key(&segment)
    }

    /// Keys of records that keep epochs readable, or did, those of bulk commits left out.
    pub(crate) fn keeping(&self) -> BTreeSet<Bytes> {
        self.keeping.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether any record may begin or cease to keep an epoch readable.
    pub(crate) fn changes_what_is_kept(&self) -> bool {
        let is_kept = |bulk: &BulkRun| bulk.run.summary().last_key.as_slice() >= &RETAINED[..];
        !self.keeping().is_empty() || self.bulk().iter().any(is_kept)
    }

    /// How many keys have records.
    pub(crate) fn keys(&self) -> usize {
        self.records().slots.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys() == 0 && self.bulk_count() == 0
    }

    /// The epoch of the newest record, those of bulk commits left out.
    pub(crate) fn newest(&self) -> Epoch {
        Epoch(self.newest.load(Ordering::Acquire))
    }

    /// What `look` makes of the versions of `key`, whose hash is `hash`.
    pub(crate) fn look<T>(&self, hash: u64, key: &[u8], look: impl FnOnce(&Versions) -> T) -> Option<T> {
        self.records().find(hash, key).map(look)
    }

    /// The newest version of `key` that is no newer than `at`.
    pub(crate) fn get(&self, hash: u64, key: &[u8], at: Epoch) -> Option<Version> {
        self.records().find(hash, key)?.at(at).cloned()
    }

    /// Has the processor fetch what [`Tail::get`] will look at for keys of these hashes: each step of that
    /// waits for memory, and the steps of several keys needn't wait for one another.
    pub(crate) fn foresee(&self, hashes: &[u64]) {
        let records = self.records();
        let mut slots = [None; FORESEEN_MAX];
        for (hash, slot) in hashes.iter().zip(&mut slots) {
            // The first place that may be meant is, almost always.
            let place = records.places.find(*hash, |_| true);
            *slot = place.and_then(|&place| records.slots.get(place as usize));
            if let Some(slot) = slot {
                prefetch_all(std::slice::from_ref(*slot));
            }
        }
        for slot in slots.iter().flatten() {
            fetch_newest(&slot.key, &slot.versions);
        }
    }

    /// Whether any key of the range has a version newer than `since`.
    pub(crate) fn changed_since(&self, start: Bound<&[u8]>, end: Bound<&[u8]>, since: Epoch) -> bool {
        self.newest() > since
            && self.in_order().range(start, end).any(|(_, versions)| versions.newest.epoch > since)
    }

    /// Up to `most` keys of the range with their version as of the end of `epochs`, from its start, or
    /// from its end if `backward`. Keys without such a version, or where it is no newer than the start
    /// of `epochs`, are left out; the flag says whether the range went on.
    pub(crate) fn page(
        &self,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        (since, at): (Epoch, Epoch),
        backward: bool,
        most: usize,
        out: &mut Vec<(Bytes, Version)>,
    ) -> bool {
        let records = self.in_order();
        let range = records.range(start, end);
        let pick = |(key, versions): (&Bytes, &Versions)| {
            let version = versions.at(at).filter(|version| version.epoch > since)?;
            Some((key.clone(), version.clone()))
        };
        if backward {
            out.extend(fetched_ahead(range.rev()).filter_map(pick).take(most));
        } else {
            out.extend(fetched_ahead(range).filter_map(pick).take(most));
        }
        out.len() == most
    }

    /// Calls `each` with up to `most` keys of the range and their versions, in order; answers the last one if
    /// the range may go on behind it. Nobody can add to the tail meanwhile.
    pub(crate) fn visit(
        &self,
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
        most: usize,
        mut each: impl FnMut(&Bytes, &Versions),
    ) -> Option<Bytes> {
        let records = self.in_order();
        let mut left = most;
        let mut last = None;
        for (key, versions) in fetched_ahead(records.range(start, end)).take(most) {
            each(key, versions);
            left -= 1;
            if left == 0 {
                last = Some(key.clone());
            }
        }
        last
    }

    /// The records, those in order that came before the call.
    fn in_order(&self) -> RwLockReadGuard<'_, Records> {
        let records = self.records();
        if records.ordered == records.slots.len() {
            return records;
        }
        drop(records);
        self.records_mut().put_in_order();
        self.records()
    }

    fn records(&self) -> RwLockReadGuard<'_, Records> {
        self.records.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn records_mut(&self) -> RwLockWriteGuard<'_, Records> {
        self.records.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls `each` with every key of `tails`, in order, and its versions in each tail that has any, in
/// the order of the tails. Holds them: for tails that no longer change.
pub(crate) fn for_each<E>(
    tails: &[Arc<Tail>],
    mut each: impl FnMut(&Bytes, &[&Versions]) -> Result<(), E>,
) -> Result<(), E> {
    let records: Vec<_> = tails.iter().map(|tail| tail.records()).collect();
    let count = records.iter().map(|records| records.slots.len()).sum();
    let heads = Heads::of(count, records.iter().flat_map(|records| &records.slots));
    let slot = |&(_, tail, place): &(u64, u32, u32)| &records[tail as usize].slots[place as usize];
    let mut order = Vec::with_capacity(count);
    for (records, tail) in records.iter().zip(0..) {
        order.extend(records.slots.iter().zip(0..).map(|(slot, place)| (heads.head(&slot.key), tail, place)));
    }
    order.sort_unstable_by(|left: &(u64, u32, u32), right| {
        let ties = || slot(left).key.cmp(&slot(right).key).then_with(|| left.1.cmp(&right.1));
        left.0.cmp(&right.0).then_with(ties)
    });
    let mut versions = Vec::with_capacity(tails.len());
    let mut next = 0;
    while let Some(first) = order.get(next) {
        // In this order they lie anywhere in memory: it takes long to get there.
        if let Some(soon) = order.get(next + 2 * PREFETCHED) {
            prefetch_all(std::slice::from_ref(slot(soon)));
        }
        if let Some(sooner) = order.get(next + PREFETCHED).map(slot) {
            fetch_newest(&sooner.key, &sooner.versions);
        }
        let key = &slot(first).key;
        versions.clear();
        versions.push(&slot(first).versions);
        next += 1;
        while let Some(same) = order.get(next).filter(|other| other.0 == first.0 && slot(other).key == *key) {
            versions.push(&slot(same).versions);
            next += 1;
        }
        each(key, &versions)?;
    }
    Ok(())
}

/// So many records are fetched ahead.
const PREFETCHED: usize = 6;

/// Has the bytes of a record's key and of its newest value fetched.
fn fetch_newest(key: &Bytes, versions: &Versions) {
    prefetch_all(key);
    if let Entry::Put { value, .. } = &versions.newest.entry {
        prefetch_all(&value[..value.len().min(256)]);
    }
}

/// The same records, fetched from memory a little before their turn.
fn fetched_ahead<'a, R>(records: R) -> impl Iterator<Item = (&'a Bytes, &'a Versions)>
where
    R: Iterator<Item = (&'a Bytes, &'a Versions)> + Clone,
{
    let mut soon = records.clone().skip(2 * PREFETCHED);
    let mut sooner = records.clone().skip(PREFETCHED);
    records.inspect(move |_| {
        soon.next().inspect(|(_, versions)| prefetch_all(std::slice::from_ref(*versions)));
        sooner.next().inspect(|(key, versions)| fetch_newest(key, versions));
    })
}

/// Makes numbers of keys that order most of them: out of the eight bytes behind what at least half of
/// all keys begin with.
struct Heads {
    shared: Vec<u8>,
}

impl Heads {
    /// For so many records.
    fn of<'a>(count: usize, slots: impl Iterator<Item = &'a Slot>) -> Self {
        const SAMPLES: usize = 64;
        let mut sample: Vec<&[u8]> =
            slots.step_by((count / SAMPLES).max(1)).map(|slot| &slot.key[..]).collect();
        sample.sort_unstable();
        let (Some(low), Some(high)) = (sample.get(sample.len() / 4), sample.get(sample.len() * 3 / 4)) else {
            return Self { shared: Vec::new() };
        };
        let length = low.iter().zip(*high).take_while(|(low, high)| low == high).count();
        Self { shared: low[..length].to_vec() }
    }

    /// Of two keys, the lesser one has no greater head.
    fn head(&self, key: &[u8]) -> u64 {
        let (start, rest) = key.split_at(self.shared.len().min(key.len()));
        let class = match start.cmp(&self.shared) {
            std::cmp::Ordering::Less => return 0,
            std::cmp::Ordering::Greater => return u64::MAX,
            std::cmp::Ordering::Equal => 1 << 62,
        };
        let mut head = [0; 8];
        let length = rest.len().min(8);
        head[..length].copy_from_slice(&rest[..length]);
        class | u64::from_be_bytes(head) >> 2
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
