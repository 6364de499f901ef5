//! Dictionaries: any bytes to any bytes, in order.
//!
//! Invariants:
//! - Every commit asks for the dictionary's header, unchanged: a handle to a destroyed dictionary
//!   gets `NotFound` and never leaves a record that nothing would clear.
//! - A read that finds nothing asks for the header too, so that a destroyed dictionary isn't taken
//!   for an empty one. In a transaction every read does.
//! - Every write of an entry names the counter as its tally, so that the count is exact although
//!   writers of different keys never wait for each other.

mod batch;
mod iter;
mod range;
mod reader;
mod writer;

use std::{
    fmt,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use millpond_core::{
    At, Direction, Epoch, Error, ErrorKind, Extent, Key, KeyRange, Op, Outcome, Precondition, Record,
    RecordRef, Result, View, Write,
};

pub use self::{
    batch::DictBatch,
    iter::{DictEntry, DictIter, DictKeys},
    range::DictRange,
    reader::ValueReader,
    writer::ValueWriter,
};
use crate::{
    container::Container,
    layout::{self, COUNT, HEADER, ObjectId, Partition},
    transaction::Transaction,
    value::{self, Applied, CONFLICT_RETRIES, MOVED_RETRIES, Prepared, Stored},
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
    inner: Arc<Inner>,
}

struct Inner {
    container: Container,
    name: String,
    partition: Partition,
    /// The version of the header, as last seen.
    header: AtomicU64,
    /// In a transaction, the change of it as of which the header was last seen; else zero.
    alive: AtomicU64,
}

impl Dict {
    pub(crate) fn new(container: Container, name: &str, id: ObjectId, header: Epoch) -> Self {
        let header = AtomicU64::new(header.0);
        let (partition, alive) = (id.partition(), AtomicU64::default());
        let inner = Inner { container, name: name.to_owned(), partition, header, alive };
        Self { inner: Arc::new(inner) }
    }

    /// The same dictionary, as a transaction sees and changes it.
    ///
    /// # Errors
    /// `InvalidArgument` when the transaction is of another container.
    pub fn within(&self, transaction: &Transaction) -> Result<Self> {
        let container = transaction.container();
        if container.uuid() != self.container().uuid()
            || container.pool().uuid() != self.container().pool().uuid()
        {
            let message = format!(
                "the dictionary {:?} is of {}, the transaction is of {}: nothing spans two containers",
                self.name(),
                self.container().url(),
                container.url()
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let inner = Inner {
            container: container.clone(),
            name: self.inner.name.clone(),
            partition: self.inner.partition,
            header: AtomicU64::new(self.inner.header.load(Ordering::Acquire)),
            alive: AtomicU64::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
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
        let sort = layout::entry_key(key)?;
        Ok(self.get_versioned(&sort)?.map(|(value, _)| value))
    }

    /// The values of many keys, in the order of the keys, all of one consistent state.
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Bytes>>> {
        let sorts: Vec<_> = keys.iter().map(|key| layout::entry_key(key.as_ref())).collect::<Result<_>>()?;
        let mut index_keys: Vec<_> = sorts.iter().map(|sort| self.key(sort)).collect();
        index_keys.push(self.key(HEADER));
        let view = self.inner.container.index()?.view(At::Latest)?;
        let mut records = view.get_many(&index_keys)?;
        if records.pop().flatten().is_none() {
            return Err(self.destroyed());
        }
        std::iter::zip(&sorts, records)
            .map(|(sort, record)| {
                record.map(|record| self.load_in(&*view, sort, record)).transpose().map(Option::flatten)
            })
            .collect()
    }

    /// Whether there is an entry of that key.
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        Ok(self.record(&layout::entry_key(key)?)?.is_some())
    }

    /// The length in bytes of the value of a key, without reading it.
    pub fn value_length(&self, key: &[u8]) -> Result<Option<u64>> {
        let Some(record) = self.record(&layout::entry_key(key)?)? else { return Ok(None) };
        let stored = Stored::parse(reference(&record)).map_err(|error| self.about(key, error))?;
        Ok(Some(stored.length()))
    }

    /// Sets the value of a key; answers whether there was one before.
    ///
    /// # Errors
    /// `KeyTooLong`; `NoSpace` when the pool's quota or the disk is full: then nothing has changed.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<bool> {
        let sort = layout::entry_key(key)?;
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
        let sort = layout::entry_key(key)?;
        let absent = Precondition::Unchanged { key: self.key(&sort), version: Epoch::ZERO };
        let mut prepared = None;
        for _ in 0..CONFLICT_RETRIES {
            if let Some((existing, _)) = self.get_versioned(&sort)? {
                return Ok(Some(existing));
            }
            // Written once, however often the commit is tried.
            let value = match prepared.take() {
                Some(value) => value,
                None => self.prepare(value)?,
            };
            match self.commit(&[absent], &[self.insertion(&sort, &value.record, &value.extents)]) {
                Ok(Applied::Conflict) => prepared = Some(value),
                applied => {
                    value.long.settle(&applied);
                    return applied.map(|_| None);
                }
            }
        }
        Err(self.contended("insert", key))
    }

    /// Removes an entry; answers whether there was one.
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        let sort = layout::entry_key(key)?;
        match self.commit(&[], &[self.deletion(&sort)])? {
            Applied::Done(existed) => Ok(existed.first().copied().unwrap_or(false)),
            Applied::Conflict => Err(self.contended("delete", key)),
        }
    }

    /// Removes an entry and answers its value, atomically: of several that take the same entry, one
    /// gets it.
    ///
    /// # Errors
    /// `Conflict` when other writers of that key were faster again and again.
    pub fn take(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let sort = layout::entry_key(key)?;
        for _ in 0..CONFLICT_RETRIES {
            self.inner.container.check_writable()?;
            let Some((value, version)) = self.get_versioned(&sort)? else { return Ok(None) };
            if self.delete_version(&sort, version, &[])? {
                return Ok(Some(value));
            }
        }
        Err(self.contended("take", key))
    }

    /// Removes the entry of the greatest key and answers it. Several callers at once get different
    /// entries.
    ///
    /// # Errors
    /// `Conflict` when others were faster again and again.
    pub fn take_last(&self) -> Result<Option<(Bytes, Bytes)>> {
        for _ in 0..CONFLICT_RETRIES {
            self.inner.container.check_writable()?;
            let view = self.view()?;
            let mut cursor = view.scan(layout::entries(&self.inner.partition), Direction::Backward)?;
            if !cursor.advance()? {
                return Ok(None);
            }
            let sort = cursor.key().to_vec();
            let record = owned(cursor.record());
            let version = record.version;
            let Some(value) = self.load_in(&*view, &sort, record)? else { continue };
            // Also not one that came behind it meanwhile: it is the last one when it is taken.
            let entries = layout::entries(&self.inner.partition);
            let behind = Precondition::RangeUnchanged {
                range: KeyRange { start: Bound::Excluded(&sort), ..entries },
                since: view.epoch(),
            };
            if self.delete_version(&sort, version, &[behind])? {
                return Ok(Some((Bytes::copy_from_slice(layout::user_key(&sort)), value)));
            }
        }
        Err(self.contended("take the last entry, after", b""))
    }

    /// How many entries there are: exact, and as quick for millions as for none.
    pub fn len(&self) -> Result<u64> {
        match self.inner.container.index()?.get(self.key(COUNT))? {
            Some(record) => Ok(record.counter().max(0).unsigned_abs()),
            None => self.check_alive().map(|()| 0),
        }
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
        let view = self.view()?;
        let mut cursor = view.scan(layout::entries(&self.inner.partition), Direction::Forward)?;
        loop {
            let mut sorts = Vec::new();
            while sorts.len() < CLEAR_KEYS_MAX && cursor.advance()? {
                sorts.push(cursor.key().to_vec());
            }
            if sorts.is_empty() {
                return Ok(());
            }
            let deletions: Vec<_> = sorts.iter().map(|sort| self.deletion(sort)).collect();
            self.commit(&[], &deletions)?;
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
        Ok(ValueWriter::new(self.clone(), layout::entry_key(key)?))
    }

    fn key<'a>(&'a self, sort: &'a [u8]) -> Key<'a> {
        Key::new(&self.inner.partition, sort)
    }

    fn deletion<'a>(&'a self, sort: &'a [u8]) -> Write<'a> {
        Write { key: self.key(sort), op: Op::Delete, tally: Some(self.key(COUNT)) }
    }

    fn insertion<'a>(&'a self, sort: &'a [u8], value: &'a [u8], extents: &'a [Extent]) -> Write<'a> {
        Write { key: self.key(sort), op: Op::Put { value, extents }, tally: Some(self.key(COUNT)) }
    }

    /// Makes a value ready to be committed.
    fn prepare(&self, value: &[u8]) -> Result<Prepared> {
        self.inner.container.check_writable()?;
        Prepared::new(&self.inner.container, value)
    }

    /// Sets a value.
    fn put_prepared(&self, sort: &[u8], value: Prepared) -> Result<bool> {
        let applied = self.commit(&[], &[self.insertion(sort, &value.record, &value.extents)]);
        value.long.settle(&applied);
        match applied? {
            Applied::Done(existed) => Ok(existed.first().copied().unwrap_or(false)),
            Applied::Conflict => Err(self.contended("put", layout::user_key(sort))),
        }
    }

    fn delete_version(
        &self,
        sort: &[u8],
        version: Epoch,
        preconditions: &[Precondition<'_>],
    ) -> Result<bool> {
        let mut all = vec![Precondition::Unchanged { key: self.key(sort), version }];
        all.extend_from_slice(preconditions);
        Ok(matches!(self.commit(&all, &[self.deletion(sort)])?, Applied::Done(_)))
    }

    /// Commits changes of this dictionary, as long as it lives.
    fn commit(&self, preconditions: &[Precondition<'_>], writes: &[Write<'_>]) -> Result<Applied> {
        for _ in 0..CONFLICT_RETRIES {
            let header = Precondition::Unchanged {
                key: self.key(HEADER),
                version: Epoch(self.inner.header.load(Ordering::Acquire)),
            };
            let all = std::iter::once(header).chain(preconditions.iter().copied()).collect();
            match self.inner.container.commit(all, writes.to_vec())? {
                Outcome::Committed { existed, .. } => return Ok(Applied::Done(existed)),
                Outcome::Conflict { precondition: 0 } => self.refresh()?,
                Outcome::Conflict { .. } => return Ok(Applied::Conflict),
            }
        }
        Err(self.contended("write to", b""))
    }

    /// Learns the header's version anew.
    fn refresh(&self) -> Result<()> {
        let header = self.inner.container.index()?.get(self.key(HEADER))?.ok_or_else(|| self.destroyed())?;
        self.inner.header.store(header.version.0, Ordering::Release);
        Ok(())
    }

    /// # Errors
    /// `NotFound` when the dictionary was destroyed.
    fn check_alive(&self) -> Result<()> {
        match self.inner.container.index()?.get(self.key(HEADER))? {
            Some(_) => Ok(()),
            None => Err(self.destroyed()),
        }
    }

    /// The newest state, if the dictionary lives in it.
    fn view(&self) -> Result<Box<dyn View>> {
        let view = self.inner.container.index()?.view(At::Latest)?;
        match view.get(self.key(HEADER))? {
            Some(_) => Ok(view),
            None => Err(self.destroyed()),
        }
    }

    /// The newest record of an entry.
    fn record(&self, sort: &[u8]) -> Result<Option<Record>> {
        let record = self.inner.container.index()?.get(self.key(sort))?;
        if record.is_none() {
            self.check_alive()?;
        } else if self.inner.container.is_in_transaction() {
            self.check_alive_in_transaction()?;
        }
        Ok(record)
    }

    /// Has a transaction depend on it that the dictionary lives, and not only on an entry: that is
    /// cleared later. Asked once after each change that the transaction makes, for one of them may be
    /// the destruction.
    fn check_alive_in_transaction(&self) -> Result<()> {
        let change = self.inner.container.index()?.epoch()?.0;
        if self.inner.alive.load(Ordering::Acquire) != change {
            self.check_alive()?;
            self.inner.alive.store(change, Ordering::Release);
        }
        Ok(())
    }

    /// The newest value of an entry, and the version of its record.
    fn get_versioned(&self, sort: &[u8]) -> Result<Option<(Bytes, Epoch)>> {
        let segments = self.inner.container.segments()?;
        let mut moved = None;
        for _ in 0..MOVED_RETRIES {
            let Some(record) = self.record(sort)? else { return Ok(None) };
            match value::load(segments, &record) {
                Ok(value) => return Ok(Some((value, record.version))),
                Err(error) if error.kind() == ErrorKind::EpochGone => moved = Some(error),
                Err(error) => return Err(self.about(layout::user_key(sort), error)),
            }
        }
        Err(self.about(layout::user_key(sort), moved.unwrap_or_else(|| self.contended("read", b""))))
    }

    /// The value of a record of a view. Its bytes may have moved since the record was read: then the
    /// view knows where to.
    fn load_in(&self, view: &dyn View, sort: &[u8], mut record: Record) -> Result<Option<Bytes>> {
        let segments = self.inner.container.segments()?;
        for attempt in 1.. {
            match value::load(segments, &record) {
                Ok(value) => return Ok(Some(value)),
                Err(error) if error.kind() == ErrorKind::EpochGone && attempt < MOVED_RETRIES => {
                    match view.get(self.key(sort))? {
                        Some(again) => record = again,
                        None => return Ok(None),
                    }
                }
                Err(error) => return Err(self.about(layout::user_key(sort), error)),
            }
        }
        Ok(None)
    }

    fn destroyed(&self) -> Error {
        let message = format!("the dictionary {:?} of {} was destroyed", self.name(), self.container());
        Error::new(ErrorKind::NotFound, message)
    }

    fn contended(&self, doing: &str, key: &[u8]) -> Error {
        let message = format!(
            "other writers of the dictionary {:?} of {} were always faster; couldn't {doing} \"{}\": try again",
            self.name(),
            self.container(),
            key.escape_ascii()
        );
        Error::new(ErrorKind::Conflict, message)
    }

    /// The error with the name of what couldn't be read. Bytes that are nowhere, however often the
    /// record is looked up again, haven't moved: they are lost.
    fn about(&self, key: &[u8], error: Error) -> Error {
        let error = match error.kind() {
            ErrorKind::EpochGone => error.with_kind(ErrorKind::Corrupt),
            _ => error,
        };
        error.context(format_args!(
            "can't read the value of \"{}\" in the dictionary {:?} of {}",
            key.escape_ascii(),
            self.name(),
            self.container()
        ))
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

fn reference(record: &Record) -> RecordRef<'_> {
    RecordRef { version: record.version, value: &record.value, extents: &record.extents }
}

fn owned(record: RecordRef<'_>) -> Record {
    Record {
        version: record.version,
        value: Bytes::copy_from_slice(record.value),
        extents: record.extents.to_vec(),
    }
}
