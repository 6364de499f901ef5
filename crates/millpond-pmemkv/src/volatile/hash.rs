//! vcmap and dram_vcmap: a hash table in parts, each with a lock of its own.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::{HashTable, hash_table::Entry};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{budget::Budget, record::Record};
use crate::{
    backend::{Backend, Change, Piece, Place, Seeker, unordered},
    batch::{Batch, Cursor, SHARED_BYTES_MIN, Shape},
    error::Result,
    range::Range,
    value::Value,
};

/// Parts of the table: so many that threads seldom meet, and that one is read in some microseconds.
const PARTS: usize = 256;

/// Records under the hashes of their keys.
pub struct HashEngine {
    inner: Arc<Inner>,
}

struct Inner {
    name: &'static str,
    parts: Box<[Part]>,
    /// Chosen anew for each engine, so that nobody can choose keys that meet.
    seed: u64,
    budget: Budget,
}

/// On cache lines of its own, since the lock is written to by readers too.
#[repr(align(64))]
struct Part(RwLock<HashTable<Record>>);

impl Part {
    fn read(&self) -> RwLockReadGuard<'_, HashTable<Record>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashTable<Record>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HashEngine {
    /// An empty table for `size` bytes.
    pub fn new(name: &'static str, size: u64) -> Self {
        let parts = (0..PARTS).map(|_| Part(RwLock::new(HashTable::new()))).collect();
        let seed = uuid::Uuid::new_v4().as_u64_pair().0;
        Self { inner: Arc::new(Inner { name, parts, seed, budget: Budget::new(size) }) }
    }
}

impl Inner {
    fn hash(&self, key: &[u8]) -> u64 {
        xxh3_64_with_seed(key, self.seed)
    }

    /// The part of a hash, by bits that the table of the part doesn't look at first.
    fn part(&self, hash: u64) -> &Part {
        &self.parts[part_index(hash)]
    }

    /// Puts or removes in a part that the caller has locked; answers what was there.
    fn change(
        &self,
        part: &mut HashTable<Record>,
        hash: u64,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Option<Record>> {
        let new = value.map(|value| Record::new(b"", key, value)).transpose()?;
        let entry = part.entry(hash, |record| record.key() == key, |record| self.hash(record.key()));
        match (entry, new) {
            (Entry::Occupied(mut entry), Some(new)) => {
                self.budget.charge(new.counted(), entry.get().counted())?;
                Ok(Some(std::mem::replace(entry.get_mut(), new)))
            }
            (Entry::Vacant(entry), Some(new)) => {
                self.budget.charge(new.counted(), 0)?;
                entry.insert(new);
                Ok(None)
            }
            (Entry::Occupied(entry), None) => {
                let (old, _) = entry.remove();
                self.budget.release(old.counted());
                Ok(Some(old))
            }
            (Entry::Vacant(_), None) => Ok(None),
        }
    }

    /// Puts back what a change that is taken back has replaced. What it counted for is known to fit.
    fn restore(&self, part: &mut HashTable<Record>, hash: u64, key: &[u8], old: Option<Record>) {
        if let Ok(entry) = part.find_entry(hash, |record| record.key() == key) {
            let (new, _) = entry.remove();
            self.budget.release(new.counted());
        }
        if let Some(old) = old {
            self.budget.count(old.counted());
            part.insert_unique(hash, old, |record| self.hash(record.key()));
        }
    }
}

fn part_index(hash: u64) -> usize {
    (hash >> 40) as usize % PARTS
}

impl Backend for HashEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        let hash = self.inner.hash(key);
        let part = self.inner.part(hash).read();
        Ok(part.find(hash, |record| record.key() == key).map(Record::shared))
    }

    fn exists(&self, key: &[u8]) -> Result<bool> {
        let hash = self.inner.hash(key);
        Ok(self.inner.part(hash).read().find(hash, |record| record.key() == key).is_some())
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let hash = self.inner.hash(key);
        let mut part = self.inner.part(hash).write();
        let old = self.inner.change(&mut part, hash, key, Some(value))?;
        // Freed with the part open to others.
        drop(part);
        drop(old);
        Ok(())
    }

    fn remove(&self, key: &[u8]) -> Result<bool> {
        let hash = self.inner.hash(key);
        let mut part = self.inner.part(hash).write();
        Ok(self.inner.change(&mut part, hash, key, None)?.is_some())
    }

    fn apply(&self, changes: &[Change<'_>]) -> Result<()> {
        let hashes: Vec<u64> = changes.iter().map(|(key, _)| self.inner.hash(key)).collect();
        let mut wanted = [false; PARTS];
        for hash in &hashes {
            wanted[part_index(*hash)] = true;
        }
        // In one order, so that two of these never wait for each other.
        let mut locked: Vec<_> =
            (0..PARTS).map(|part| wanted[part].then(|| self.inner.parts[part].write())).collect();
        let mut undo: Vec<(usize, Option<Record>)> = Vec::with_capacity(changes.len());
        for (index, (key, value)) in changes.iter().enumerate() {
            let Some(part) = &mut locked[part_index(hashes[index])] else { continue };
            match self.inner.change(part, hashes[index], key, *value) {
                Ok(old) => undo.push((index, old)),
                Err(error) => {
                    for (index, old) in undo.into_iter().rev() {
                        let Some(part) = &mut locked[part_index(hashes[index])] else { continue };
                        self.inner.restore(part, hashes[index], changes[index].0, old);
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn write(&self, key: &[u8], pieces: &[Piece]) -> Result<bool> {
        let hash = self.inner.hash(key);
        let mut part = self.inner.part(hash).write();
        match part.find_mut(hash, |record| record.key() == key) {
            Some(record) => record.change(pieces).map(|()| true),
            None => Ok(false),
        }
    }

    fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool> {
        let hash = self.inner.hash(key);
        let mut part = self.inner.part(hash).write();
        if part.find(hash, |record| record.key() == key).map(Record::value) != expected {
            return Ok(false);
        }
        self.inner.change(&mut part, hash, key, new)?;
        Ok(true)
    }

    fn count(&self, range: Range<'_>) -> Result<u64> {
        match range {
            Range::All => Ok(self.inner.parts.iter().map(|part| part.read().len() as u64).sum()),
            _ => Err(unordered(self.inner.name)),
        }
    }

    fn scan(&self, range: Range<'_>, _reverse: bool, shape: Shape) -> Result<Box<dyn Cursor>> {
        match range {
            Range::All => {
                let inner = Arc::clone(&self.inner);
                Ok(Box::new(PartsCursor { inner, next: 0, records: Vec::new().into_iter(), shape }))
            }
            _ => Err(unordered(self.inner.name)),
        }
    }

    fn seeker(&self) -> Result<Box<dyn Seeker>> {
        Ok(Box::new(HashSeeker(Self { inner: Arc::clone(&self.inner) })))
    }

    fn close(&self) -> Result<()> {
        for part in &self.inner.parts {
            let records = std::mem::take(&mut *part.write());
            self.inner.budget.release(records.iter().map(Record::counted).sum());
        }
        Ok(())
    }
}

/// Goes from part to part. The records of one are taken at once, so that a scan sees each record that is
/// there all the while exactly once.
struct PartsCursor {
    inner: Arc<Inner>,
    next: usize,
    records: std::vec::IntoIter<Record>,
    shape: Shape,
}

impl Cursor for PartsCursor {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool> {
        while !batch.is_full() {
            if let Some(record) = self.records.next() {
                push(batch, &record, self.shape);
            } else if let Some(part) = self.inner.parts.get(self.next) {
                self.next += 1;
                self.records = part.read().iter().cloned().collect::<Vec<_>>().into_iter();
            } else {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Adds a record to a batch.
pub(super) fn push(batch: &mut Batch, record: &Record, shape: Shape) {
    match shape {
        Shape::Keys => batch.push(record.key(), b""),
        Shape::Items if record.value().len() < SHARED_BYTES_MIN => batch.push(record.key(), record.value()),
        Shape::Items => batch.push_shared(record.key(), record.shared()),
    }
}

struct HashSeeker(HashEngine);

impl Seeker for HashSeeker {
    fn seek(&mut self, place: Place<'_>) -> Result<Option<(Vec<u8>, Value)>> {
        match place {
            Place::At(key) => Ok(self.0.get(key)?.map(|value| (key.to_vec(), value))),
            _ => Err(unordered(self.0.inner.name)),
        }
    }
}
