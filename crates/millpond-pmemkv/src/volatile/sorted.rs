//! vsmap: records in order, in one tree. Who scans or counts lets go of its lock every so many records.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    ops::Bound,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{
    budget::Budget,
    hash::push,
    record::Record,
    sorts::{Probe, Sorted, Sorts},
};
use crate::{
    backend::{Backend, Change, Piece, Place, Seeker},
    batch::{Batch, Cursor, Shape},
    error::Result,
    order::Order,
    range::Range,
    value::Value,
};

/// Records that are counted, and read, under one lock: some microseconds' worth, since whoever waits for it may
/// keep others waiting.
const COUNTED_AT_ONCE: usize = 1024;
const READ_AT_ONCE: usize = 128;

type Tree = BTreeSet<Sorted>;

/// Records in an order.
pub struct SortedEngine {
    inner: Arc<Inner>,
}

struct Inner {
    order: Order,
    tree: RwLock<Tree>,
    budget: Budget,
}

impl SortedEngine {
    /// An empty tree for `size` bytes.
    pub fn new(order: Order, size: u64) -> Self {
        let tree = RwLock::new(BTreeSet::new());
        Self { inner: Arc::new(Inner { order, tree, budget: Budget::new(size) }) }
    }
}

impl Inner {
    fn read(&self) -> RwLockReadGuard<'_, Tree> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tree> {
        self.tree.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn sorted(&self, key: &[u8], value: &[u8]) -> Result<Sorted> {
        Ok(Sorted::new(Record::new(&self.order.place(key)?, key, value)?))
    }

    /// What a key is sorted by.
    fn probe<'k>(&self, key: &'k [u8]) -> Result<Cow<'k, [u8]>> {
        let place = self.order.place(key)?;
        if place.is_empty() {
            return Ok(Cow::Borrowed(key));
        }
        let mut order = place;
        order.extend_from_slice(key);
        Ok(Cow::Owned(order))
    }

    /// Puts or removes in the tree; answers what was there.
    fn change(&self, tree: &mut Tree, order: &[u8], new: Option<Sorted>) -> Result<Option<Sorted>> {
        let probe = Probe::new(order);
        let Some(new) = new else {
            let old = tree.take(&probe as &dyn Sorts);
            self.budget.release(counted(&old));
            return Ok(old);
        };
        let more = new.record.counted();
        // Most puts fit beside what they replace, and then the tree is searched once.
        if let Err(error) = self.budget.charge(more, 0) {
            let Some(old) = tree.get(&probe as &dyn Sorts) else { return Err(error) };
            self.budget.charge(more, old.record.counted())?;
            return Ok(tree.replace(new));
        }
        let old = tree.replace(new);
        self.budget.release(counted(&old));
        Ok(old)
    }

    /// Takes a change back. What was there is known to fit.
    fn restore(&self, tree: &mut Tree, order: &[u8], old: Option<Sorted>) {
        let new = tree.take(&Probe::new(order) as &dyn Sorts);
        self.budget.release(counted(&new));
        self.budget.count(counted(&old));
        tree.extend(old);
    }
}

fn counted(record: &Option<Sorted>) -> u64 {
    record.as_ref().map_or(0, |sorted| sorted.record.counted())
}

/// The bounds of a range, by what keys are sorted by.
struct Bounds {
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
}

impl Bounds {
    fn of(inner: &Inner, range: Range<'_>) -> Result<Self> {
        let probe = |bound: Bound<&[u8]>| -> Result<Bound<Vec<u8>>> {
            Ok(match bound {
                Bound::Included(key) => Bound::Included(inner.probe(key)?.into_owned()),
                Bound::Excluded(key) => Bound::Excluded(inner.probe(key)?.into_owned()),
                Bound::Unbounded => Bound::Unbounded,
            })
        };
        let (mut start, mut end) = range.bounds();
        if inner.order.is_reversed() {
            std::mem::swap(&mut start, &mut end);
        }
        Ok(Self { start: probe(start)?, end: probe(end)? })
    }

    /// The records within, in a tree that doesn't change meanwhile.
    fn records<'t>(&self, tree: &'t Tree) -> std::collections::btree_set::Range<'t, Sorted> {
        let start = self.start.as_ref().map(|order| Probe::new(order));
        let end = self.end.as_ref().map(|order| Probe::new(order));
        // A range whose start isn't below its end isn't asked for: the tree would panic.
        let is_empty = match (&start, &end) {
            (Bound::Included(start), Bound::Included(end)) => start.order > end.order,
            (
                Bound::Included(start) | Bound::Excluded(start),
                Bound::Included(end) | Bound::Excluded(end),
            ) => start.order >= end.order,
            _ => false,
        };
        let start = start.as_ref().map(|probe| probe as &dyn Sorts);
        let end = end.as_ref().map(|probe| probe as &dyn Sorts);
        if is_empty {
            return tree
                .range::<dyn Sorts, _>((Bound::Unbounded, Bound::Excluded(&Probe::new(b"") as &dyn Sorts)));
        }
        tree.range::<dyn Sorts, _>((start, end))
    }
}

impl Backend for SortedEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        let order = self.inner.probe(key)?;
        Ok(self.inner.read().get(&Probe::new(&order) as &dyn Sorts).map(|found| found.record.shared()))
    }

    fn exists(&self, key: &[u8]) -> Result<bool> {
        let order = self.inner.probe(key)?;
        Ok(self.inner.read().contains(&Probe::new(&order) as &dyn Sorts))
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let order = self.inner.probe(key)?;
        let new = self.inner.sorted(key, value)?;
        let mut tree = self.inner.write();
        let old = self.inner.change(&mut tree, &order, Some(new))?;
        // Freed with the tree open to others.
        drop(tree);
        drop(old);
        Ok(())
    }

    fn remove(&self, key: &[u8]) -> Result<bool> {
        let order = self.inner.probe(key)?;
        let mut tree = self.inner.write();
        Ok(self.inner.change(&mut tree, &order, None)?.is_some())
    }

    fn apply(&self, changes: &[Change<'_>]) -> Result<()> {
        let prepared = changes
            .iter()
            .map(|(key, value)| {
                Ok((self.inner.probe(key)?, value.map(|value| self.inner.sorted(key, value)).transpose()?))
            })
            .collect::<Result<Vec<_>>>()?;
        let mut tree = self.inner.write();
        let mut undo = Vec::with_capacity(prepared.len());
        for (order, new) in prepared {
            match self.inner.change(&mut tree, &order, new) {
                Ok(old) => undo.push((order, old)),
                Err(error) => {
                    for (order, old) in undo.into_iter().rev() {
                        self.inner.restore(&mut tree, &order, old);
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn write(&self, key: &[u8], pieces: &[Piece]) -> Result<bool> {
        let order = self.inner.probe(key)?;
        let mut tree = self.inner.write();
        let Some(mut found) = tree.take(&Probe::new(&order) as &dyn Sorts) else { return Ok(false) };
        let changed = found.record.change(pieces);
        tree.insert(found);
        changed.map(|()| true)
    }

    fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool> {
        let order = self.inner.probe(key)?;
        let new = new.map(|value| self.inner.sorted(key, value)).transpose()?;
        let mut tree = self.inner.write();
        let found = tree.get(&Probe::new(&order) as &dyn Sorts);
        if found.map(|found| found.record.value()) != expected {
            return Ok(false);
        }
        self.inner.change(&mut tree, &order, new)?;
        Ok(true)
    }

    fn count(&self, range: Range<'_>) -> Result<u64> {
        if range == Range::All {
            return Ok(self.inner.read().len() as u64);
        }
        let mut bounds = Bounds::of(&self.inner, range)?;
        let mut count = 0;
        loop {
            let tree = self.inner.read();
            let mut records = bounds.records(&tree);
            let counted = records.by_ref().take(COUNTED_AT_ONCE).count();
            count += counted as u64;
            match records.next() {
                // The next one is counted, and where it goes on.
                Some(next) if counted == COUNTED_AT_ONCE => {
                    bounds.start = Bound::Included(next.record.order().to_vec());
                }
                _ => return Ok(count),
            }
        }
    }

    fn scan(&self, range: Range<'_>, reverse: bool, shape: Shape) -> Result<Box<dyn Cursor>> {
        let bounds = Bounds::of(&self.inner, range)?;
        let reverse = reverse != self.inner.order.is_reversed();
        Ok(Box::new(TreeCursor { inner: Arc::clone(&self.inner), bounds, reverse, shape }))
    }

    fn seeker(&self) -> Result<Box<dyn Seeker>> {
        Ok(Box::new(TreeSeeker { inner: Arc::clone(&self.inner) }))
    }

    fn close(&self) -> Result<()> {
        let records = std::mem::take(&mut *self.inner.write());
        self.inner.budget.release(records.iter().map(|sorted| sorted.record.counted()).sum());
        Ok(())
    }
}

/// Goes on behind the last record that it has read, whatever became of that one.
struct TreeCursor {
    inner: Arc<Inner>,
    bounds: Bounds,
    /// Whether it walks the tree backwards.
    reverse: bool,
    shape: Shape,
}

impl Cursor for TreeCursor {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool> {
        while !batch.is_full() {
            let inner = Arc::clone(&self.inner);
            let tree = inner.read();
            let mut records = self.bounds.records(&tree);
            let mut last = None;
            for _ in 0..READ_AT_ONCE {
                let next = if self.reverse { records.next_back() } else { records.next() };
                let Some(next) = next else { return Ok(false) };
                push(batch, &next.record, self.shape);
                last = Some(next);
                if batch.is_full() {
                    break;
                }
            }
            if let Some(last) = last {
                let bound = Bound::Excluded(last.record.order().to_vec());
                *(if self.reverse { &mut self.bounds.end } else { &mut self.bounds.start }) = bound;
            }
        }
        Ok(true)
    }
}

struct TreeSeeker {
    inner: Arc<Inner>,
}

impl Seeker for TreeSeeker {
    fn seek(&mut self, place: Place<'_>) -> Result<Option<(Vec<u8>, Value)>> {
        let (range, backwards) = place.range();
        let bounds = Bounds::of(&self.inner, range)?;
        let backwards = backwards != self.inner.order.is_reversed();
        let tree = self.inner.read();
        let mut records = bounds.records(&tree);
        let found = if backwards { records.next_back() } else { records.next() };
        let found = found.map(|found| (found.record.key().to_vec(), found.record.shared()));
        Ok(match place {
            Place::At(key) => found.filter(|(found, _)| found == key),
            _ => found,
        })
    }
}
