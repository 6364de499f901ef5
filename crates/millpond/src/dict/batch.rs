//! Many changes in one commit.

use millpond_core::{Extent, Result};

use super::Dict;
use crate::{
    layout,
    value::{self, Applied, LongValues},
};

/// Changes of a dictionary that take effect together. Dropped uncommitted, it changes nothing.
///
/// Keys and short values wait in memory; long values are written as they come.
pub struct DictBatch {
    dict: Dict,
    /// Sort keys and records, one after another: one allocation serves a great many changes.
    bytes: Vec<u8>,
    changes: Vec<Change>,
    long: LongValues,
}

struct Change {
    /// Where in `bytes` its sort key begins.
    start: usize,
    /// Where its record begins.
    record: usize,
    /// Where its record ends; a deletion has none.
    end: usize,
    extents: Vec<Extent>,
}

impl Change {
    fn is_put(&self) -> bool {
        self.end > self.record
    }
}

impl DictBatch {
    pub(super) fn new(dict: Dict) -> Self {
        Self { dict, bytes: Vec::new(), changes: Vec::new(), long: LongValues::default() }
    }

    /// Sets the value of a key.
    ///
    /// # Errors
    /// `Forked` in a child of the process that began the batch; `KeyTooLong`; `NoSpace` when a long value doesn't fit in the pool. What was added before
    /// stays in the batch.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<&mut Self> {
        self.long.check("a batch")?;
        self.dict.container().check_writable()?;
        let (start, record) = self.add_key(key)?;
        let mut extents = Vec::new();
        if !self.dict.container().fits_inline(value.len()) {
            extents = self.append(value).inspect_err(|_| self.bytes.truncate(start))?;
        }
        if extents.is_empty() {
            value::put_inline(&mut self.bytes, value);
        } else {
            value::put_long(&mut self.bytes, value.len() as u64);
        }
        self.changes.push(Change { start, record, end: self.bytes.len(), extents });
        Ok(self)
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// `Forked` in a child of the process that began the batch; `KeyTooLong`.
    pub fn delete(&mut self, key: &[u8]) -> Result<&mut Self> {
        self.long.check("a batch")?;
        let (start, record) = self.add_key(key)?;
        self.changes.push(Change { start, record, end: record, extents: Vec::new() });
        Ok(self)
    }

    fn append(&mut self, value: &[u8]) -> Result<Vec<Extent>> {
        self.long.append(self.dict.container().segments()?, value)?;
        self.long.finish()
    }

    /// Where the sort key of a change begins and ends.
    fn add_key(&mut self, key: &[u8]) -> Result<(usize, usize)> {
        let start = self.bytes.len();
        self.dict.inner.put_sort_key(key, &mut self.bytes)?;
        Ok((start, self.bytes.len()))
    }

    /// How many changes it holds.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Makes the changes, all of them or none, as if one after another. Answers of each one whether
    /// its key had a value before it.
    ///
    /// # Errors
    /// `NoSpace` when the pool's quota or the disk is full, `NotFound` when the dictionary was
    /// destroyed, `Forked` in a child of the process that began it: then nothing has changed.
    pub fn commit(self) -> Result<Vec<bool>> {
        self.long.check("a batch")?;
        let Self { dict, bytes, changes, long } = self;
        dict.container().check_writable()?;
        if changes.is_empty() {
            return dict.inner.check_alive().map(|()| Vec::new());
        }
        let sort = |change: &Change| &bytes[change.start..change.record];
        // The first bytes mostly tell. Changes of equal keys stay in the order in which they came.
        let head = |change: &Change| {
            let mut head = [0; 8];
            let key = layout::user_key(sort(change));
            let length = key.len().min(8);
            head[..length].copy_from_slice(&key[..length]);
            u64::from_be_bytes(head)
        };
        let mut heads: Vec<(u64, usize)> = changes.iter().map(head).zip(0..).collect();
        heads.sort_unstable_by(|(left, a), (right, b)| {
            let ties = || sort(&changes[*a]).cmp(sort(&changes[*b])).then(a.cmp(b));
            left.cmp(right).then_with(ties)
        });
        let order: Vec<usize> = heads.into_iter().map(|(_, change)| change).collect();
        let groups: Vec<&[usize]> = order.chunk_by(|&a, &b| sort(&changes[a]) == sort(&changes[b])).collect();
        let writes: Vec<_> = groups
            .iter()
            .filter_map(|group| group.last())
            .map(|&last| {
                let change = &changes[last];
                if change.is_put() {
                    dict.inner.insertion(sort(change), &bytes[change.record..change.end], &change.extents)
                } else {
                    dict.inner.deletion(sort(change))
                }
            })
            .collect();
        let applied = dict.inner.commit(&[], &writes);
        long.settle(&applied);
        let Applied::Done(existed) = applied? else {
            return Err(dict.inner.contended("commit a batch, at", b""));
        };

        let mut before = vec![false; changes.len()];
        for (group, mut exists) in groups.into_iter().zip(existed) {
            for &change in group {
                before[change] = std::mem::replace(&mut exists, changes[change].is_put());
            }
        }
        Ok(before)
    }
}
