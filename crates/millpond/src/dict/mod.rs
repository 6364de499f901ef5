//! Dictionaries: any bytes to any bytes, in order.

mod batch;
mod iter;
mod range;
mod reader;
mod writer;

use std::{fmt, ops::Bound, sync::Arc};

use bytes::Bytes;
use millpond_core::{Direction, Epoch, Error, ErrorKind, KeyRange, Precondition, Record, RecordRef, Result};

pub(crate) use self::range::{SortBounds, not_empty};
pub use self::{
    batch::DictBatch,
    iter::{DictEntry, DictIter, DictKeys},
    range::DictRange,
    reader::ValueReader,
    writer::ValueWriter,
};
use crate::{
    container::Container,
    layout,
    named::Named,
    transaction::Transaction,
    value::{Applied, CONFLICT_RETRIES, Prepared, Stored},
};

/// Keys that one commit of `clear` deletes at most.
const CLEAR_KEYS_MAX: usize = 100_000;

/// A dictionary: keys of 0 to 1024 bytes, values from empty to many GiB, in ascending order of the
/// keys' bytes. Clones are cheap; threads and processes may use it at once.
///
/// A handle to a dictionary that was destroyed answers `NotFound`, even where there is a new one of
/// that name.
#[derive(Clone)]
pub struct Dict {
    pub(crate) inner: Arc<Named>,
}

impl Dict {
    pub(crate) fn new(named: Named) -> Self {
        Self { inner: Arc::new(named) }
    }

    /// The same dictionary, as a transaction sees and changes it.
    ///
    /// # Errors
    /// `InvalidArgument` when the transaction is of another container.
    pub fn within(&self, transaction: &Transaction) -> Result<Self> {
        self.inner.within(transaction).map(Self::new)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The container that holds it.
    pub fn container(&self) -> &Container {
        &self.inner.container
    }

    /// The value of a key.
    ///
    /// # Errors
    /// `Corrupt` when its bytes fail their checksum; `ValueTooLong` when it doesn't fit in memory,
    /// so that it has to be streamed with [`Dict::reader`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let sort = self.inner.sort_key(key)?;
        Ok(self.inner.get_versioned(&sort)?.map(|(value, _)| value))
    }

    /// The values of many keys, in the order of the keys, all of one consistent state.
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Bytes>>> {
        let sorts: Vec<_> =
            keys.iter().map(|key| self.inner.sort_key(key.as_ref())).collect::<Result<_>>()?;
        let (view, records) = self.inner.records(&sorts)?;
        std::iter::zip(&sorts, records)
            .map(|(sort, record)| {
                record.map(|record| self.inner.load_in(&*view, sort, record)).transpose().map(Option::flatten)
            })
            .collect()
    }

    /// Whether there is an entry of that key.
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        Ok(self.inner.record(&self.inner.sort_key(key)?)?.is_some())
    }

    /// The length in bytes of the value of a key, without reading it.
    pub fn value_length(&self, key: &[u8]) -> Result<Option<u64>> {
        let Some(record) = self.inner.record(&self.inner.sort_key(key)?)? else { return Ok(None) };
        let stored = Stored::parse(reference(&record)).map_err(|error| self.inner.about(key, error))?;
        Ok(Some(stored.length()))
    }

    /// Sets the value of a key; answers whether there was one before.
    ///
    /// # Errors
    /// `KeyTooLong`; `NoSpace` when the pool's quota or the disk is full: then nothing has changed.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<bool> {
        let sort = self.inner.sort_key(key)?;
        self.put_prepared(&sort, self.prepare(value)?)
    }

    /// Sets many values in one atomic commit; of equal keys, the last one wins. Short values are
    /// held in memory until then, long ones are written as they come.
    pub fn put_many<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<()> {
        let mut batch = self.batch();
        for (key, value) in entries {
            batch.put(key.as_ref(), value.as_ref())?;
        }
        batch.commit().map(drop)
    }

    /// Begins a batch of changes that take effect in one atomic commit.
    pub fn batch(&self) -> DictBatch {
        DictBatch::new(self.clone())
    }

    /// Sets the value of a key that has none; else answers the one that it has, unchanged.
    ///
    /// # Errors
    /// `Conflict` when other writers of that key were faster again and again.
    pub fn insert_if_absent(&self, key: &[u8], value: &[u8]) -> Result<Option<Bytes>> {
        let sort = self.inner.sort_key(key)?;
        let absent = Precondition::Unchanged { key: self.inner.key(&sort), version: Epoch::ZERO };
        let mut prepared = None;
        for _ in 0..CONFLICT_RETRIES {
            if let Some((existing, _)) = self.inner.get_versioned(&sort)? {
                return Ok(Some(existing));
            }
            // Written once, however often the commit is tried.
            let value = match prepared.take() {
                Some(value) => value,
                None => self.prepare(value)?,
            };
            match self.inner.commit(&[absent], &[self.inner.insertion(&sort, &value.record, &value.extents)])
            {
                Ok(Applied::Conflict) => prepared = Some(value),
                applied => {
                    value.long.settle(&applied);
                    return applied.map(|_| None);
                }
            }
        }
        Err(self.inner.contended("insert", key))
    }

    /// Puts `new` in the place of `expected`, or removes the entry where `new` is none; `expected` is none
    /// where there has to be no entry. Answers whether it was so: if not, nothing has changed.
    ///
    /// # Errors
    /// `Conflict` when other writers of that key were faster again and again.
    pub fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool> {
        let sort = self.inner.sort_key(key)?;
        let mut prepared = None;
        for _ in 0..CONFLICT_RETRIES {
            self.inner.container.check_writable()?;
            let found = self.inner.get_versioned(&sort)?;
            if found.as_ref().map(|(value, _)| &value[..]) != expected {
                return Ok(false);
            }
            let version = found.map_or(Epoch::ZERO, |(_, version)| version);
            let Some(new) = new else {
                if version == Epoch::ZERO || self.delete_version(&sort, version, &[])? {
                    return Ok(true);
                }
                continue;
            };
            let value = match prepared.take() {
                Some(value) => value,
                None => self.prepare(new)?,
            };
            if let Err(value) = self.put_version(&sort, version, value)? {
                prepared = Some(value);
                continue;
            }
            return Ok(true);
        }
        Err(self.inner.contended("change", key))
    }

    /// Writes over a part of a value, from byte `offset` on, atomically. Answers whether there is a value.
    ///
    /// The value is read and put again: what has many GiB and changes here and there is better off in an
    /// [`Array`](crate::Array).
    ///
    /// # Errors
    /// `InvalidArgument` when the part isn't in the value; `Conflict` when other writers of that key were faster
    /// again and again.
    pub fn update_in_place(&self, key: &[u8], offset: u64, bytes: &[u8]) -> Result<bool> {
        let sort = self.inner.sort_key(key)?;
        for _ in 0..CONFLICT_RETRIES {
            self.inner.container.check_writable()?;
            let Some((value, version)) = self.inner.get_versioned(&sort)? else { return Ok(false) };
            let value = spliced(&value, offset, bytes)?;
            if self.put_version(&sort, version, self.prepare(&value)?)?.is_ok() {
                return Ok(true);
            }
        }
        Err(self.inner.contended("change", key))
    }

    /// Removes an entry; answers whether there was one.
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        let sort = self.inner.sort_key(key)?;
        match self.inner.commit(&[], &[self.inner.deletion(&sort)])? {
            Applied::Done(existed) => Ok(existed.first().copied().unwrap_or(false)),
            Applied::Conflict => Err(self.inner.contended("delete", key)),
        }
    }

    /// Removes an entry and answers its value, atomically: of several that take the same entry, one
    /// gets it.
    ///
    /// # Errors
    /// `Conflict` when other writers of that key were faster again and again.
    pub fn take(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let sort = self.inner.sort_key(key)?;
        for _ in 0..CONFLICT_RETRIES {
            self.inner.container.check_writable()?;
            let Some((value, version)) = self.inner.get_versioned(&sort)? else { return Ok(None) };
            if self.delete_version(&sort, version, &[])? {
                return Ok(Some(value));
            }
        }
        Err(self.inner.contended("take", key))
    }

    /// Removes the entry of the greatest key and answers it. Several callers at once get different
    /// entries.
    ///
    /// # Errors
    /// `Conflict` when others were faster again and again.
    pub fn take_last(&self) -> Result<Option<(Bytes, Bytes)>> {
        self.take_end(Direction::Backward)
    }

    /// Removes the first entry in a direction of the sort keys and answers it.
    pub(crate) fn take_end(&self, direction: Direction) -> Result<Option<(Bytes, Bytes)>> {
        for _ in 0..CONFLICT_RETRIES {
            self.inner.container.check_writable()?;
            let view = self.inner.view()?;
            let mut cursor = view.scan(layout::entries(&self.inner.partition), direction)?;
            if !cursor.advance()? {
                return Ok(None);
            }
            let sort = cursor.key().to_vec();
            let record = owned(cursor.record());
            let version = record.version;
            let Some(value) = self.inner.load_in(&*view, &sort, record)? else { continue };
            // Also not one that came beyond it meanwhile: it is at the end when it is taken.
            let entries = layout::entries(&self.inner.partition);
            let range = match direction {
                Direction::Forward => KeyRange { end: Bound::Excluded(&sort), ..entries },
                Direction::Backward => KeyRange { start: Bound::Excluded(&sort), ..entries },
            };
            let beyond = Precondition::RangeUnchanged { range, since: view.epoch() };
            if self.delete_version(&sort, version, &[beyond])? {
                return Ok(Some((Bytes::copy_from_slice(&self.inner.user_key(&sort)), value)));
            }
        }
        Err(self.inner.contended("take the entry at the end, after", b""))
    }

    /// How many entries lie between two sort keys.
    pub(crate) fn count_between(&self, bounds: Option<SortBounds>) -> Result<u64> {
        let view = self.inner.view()?;
        let Some((start, end)) = bounds else { return Ok(0) };
        view.count(KeyRange {
            partition: &self.inner.partition,
            start: start.as_ref().map(Vec::as_slice),
            end: end.as_ref().map(Vec::as_slice),
        })
    }

    /// How many entries a range has, which is told without a visit to each. That of everything costs what
    /// [`Dict::len`] does.
    pub fn count(&self, range: &DictRange) -> Result<u64> {
        if range.is_all() { self.len() } else { self.count_between(range.bounds()) }
    }

    /// How many entries there are: exact, and as quick for millions as for none.
    pub fn len(&self) -> Result<u64> {
        self.inner.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Removes every entry that is there when it is called; what others put meanwhile may go or
    /// stay. Up to 100,000 entries go in one atomic commit, which nobody sees half done; more go in
    /// several, in ascending order of the keys, so that others may see some gone and some not, and
    /// a crash may leave the rest.
    pub fn clear(&self) -> Result<()> {
        self.inner.container.check_writable()?;
        let view = self.inner.view()?;
        let mut cursor = view.scan(layout::entries(&self.inner.partition), Direction::Forward)?;
        loop {
            let mut sorts = Vec::new();
            while sorts.len() < CLEAR_KEYS_MAX && cursor.advance()? {
                sorts.push(cursor.key().to_vec());
            }
            if sorts.is_empty() {
                return Ok(());
            }
            let deletions: Vec<_> = sorts.iter().map(|sort| self.inner.deletion(sort)).collect();
            self.inner.commit(&[], &deletions)?;
        }
    }

    /// All entries in ascending order, of one consistent state.
    pub fn iter(&self) -> Result<DictIter> {
        self.range(DictRange::default())
    }

    /// The entries of a range, of one consistent state.
    pub fn range(&self, range: DictRange) -> Result<DictIter> {
        DictIter::new(self.clone(), &range)
    }

    /// Reads the value of a key in bounded memory, if it has one. What the reader shows stays as it
    /// is, even when the entry is replaced or removed meanwhile.
    pub fn reader(&self, key: &[u8]) -> Result<Option<ValueReader>> {
        ValueReader::new(self, key)
    }

    /// Writes the value of a key in bounded memory. Nothing changes before its `commit`.
    ///
    /// # Errors
    /// `KeyTooLong`.
    pub fn writer(&self, key: &[u8]) -> Result<ValueWriter> {
        self.inner.container.check_writable()?;
        Ok(ValueWriter::new(self.clone(), self.inner.sort_key(key)?))
    }

    /// Makes a value ready to be committed.
    pub(crate) fn prepare(&self, value: &[u8]) -> Result<Prepared> {
        self.inner.container.check_writable()?;
        Prepared::new(&self.inner.container, value)
    }

    /// Sets a value.
    fn put_prepared(&self, sort: &[u8], value: Prepared) -> Result<bool> {
        let applied = self.inner.commit(&[], &[self.inner.insertion(sort, &value.record, &value.extents)]);
        value.long.settle(&applied);
        match applied? {
            Applied::Done(existed) => Ok(existed.first().copied().unwrap_or(false)),
            Applied::Conflict => Err(self.inner.contended("put", &self.inner.user_key(sort))),
        }
    }

    /// Sets the value of an entry that is as it was in a version, or absent in [`Epoch::ZERO`]; answers the value
    /// where it isn't.
    pub(crate) fn put_version(
        &self,
        sort: &[u8],
        version: Epoch,
        value: Prepared,
    ) -> Result<Result<(), Prepared>> {
        let same = Precondition::Unchanged { key: self.inner.key(sort), version };
        match self.inner.commit(&[same], &[self.inner.insertion(sort, &value.record, &value.extents)]) {
            Ok(Applied::Conflict) => Ok(Err(value)),
            applied => {
                value.long.settle(&applied);
                applied.map(|_| Ok(()))
            }
        }
    }

    fn delete_version(
        &self,
        sort: &[u8],
        version: Epoch,
        preconditions: &[Precondition<'_>],
    ) -> Result<bool> {
        let mut all = vec![Precondition::Unchanged { key: self.inner.key(sort), version }];
        all.extend_from_slice(preconditions);
        Ok(matches!(self.inner.commit(&all, &[self.inner.deletion(sort)])?, Applied::Done(_)))
    }
}

impl fmt::Debug for Dict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dict({:?} of {})", self.name(), self.container())
    }
}

/// Whether the record of an entry is well-formed.
pub(crate) fn verify_entry(record: RecordRef<'_>) -> Result<()> {
    Stored::parse(record).map(drop)
}

/// A value with some bytes of it replaced.
///
/// # Errors
/// `InvalidArgument` when they aren't all in it.
pub(crate) fn spliced(value: &[u8], offset: u64, bytes: &[u8]) -> Result<Vec<u8>> {
    let part = usize::try_from(offset).ok().and_then(|start| Some(start..start.checked_add(bytes.len())?));
    match part.filter(|part| part.end <= value.len()) {
        Some(part) => {
            let mut value = value.to_vec();
            value[part].copy_from_slice(bytes);
            Ok(value)
        }
        None => {
            let message = format!(
                "{} bytes from byte {offset} on aren't all in a value of {} bytes: put a longer one",
                bytes.len(),
                value.len()
            );
            Err(Error::new(ErrorKind::InvalidArgument, message))
        }
    }
}

fn reference(record: &Record) -> RecordRef<'_> {
    RecordRef { version: record.version, value: &record.value, extents: &record.extents }
}

pub(crate) fn owned(record: RecordRef<'_>) -> Record {
    Record {
        version: record.version,
        value: Bytes::copy_from_slice(record.value),
        extents: record.extents.to_vec(),
    }
}
