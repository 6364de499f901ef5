//! Objects that have a name and entries: what dictionaries and stores of blobs have in common.
//!
//! Invariants:
//! - Every commit asks for the object's header, unchanged: a handle to a destroyed object
//!   gets `NotFound` and never leaves a record that nothing would clear.
//! - A read that finds nothing asks for the header too, so that a destroyed object isn't taken
//!   for an empty one. In a transaction every read does.
//! - Every write of an entry names the counter as its tally, so that the count is exact although
//!   writers of different keys never wait for each other.

use std::{
    fmt,
    ops::Bound,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use millpond_core::{
    At, Commit, Cursor, Direction, Epoch, Error, ErrorKind, Extent, Key, KeyRange, Op, Outcome, Precondition,
    Record, Result, View, Write,
};

use crate::{
    container::Container,
    layout::{self, COUNT, HEADER, NamedKind, ObjectId, Partition},
    map::{KeyOrder, UserKey},
    transaction::Transaction,
    value::{self, Applied, CONFLICT_RETRIES, MOVED_RETRIES},
};

/// A handle to such an object.
pub(crate) struct Named {
    pub(crate) container: Container,
    pub(crate) name: String,
    pub(crate) kind: NamedKind,
    pub(crate) partition: Partition,
    /// How its keys lie in sort keys.
    pub(crate) order: KeyOrder,
    /// The version of the header, as last seen.
    header: AtomicU64,
    /// In a transaction, the change of it as of which the header was last seen; else zero.
    alive: AtomicU64,
}

/// A state, and what it shows of many keys.
pub(crate) type Looked = (Box<dyn View>, Vec<Option<Record>>);

impl Named {
    /// A handle to the object of that id, whose header was last seen in `version`.
    pub(crate) fn new(
        container: Container,
        name: &str,
        kind: NamedKind,
        id: ObjectId,
        version: Epoch,
    ) -> Self {
        Self {
            container,
            name: name.to_owned(),
            kind,
            partition: id.partition(),
            order: KeyOrder::default(),
            header: AtomicU64::new(version.0),
            alive: AtomicU64::default(),
        }
    }

    /// The same, whose keys are in that order.
    pub(crate) fn ordered(self, order: KeyOrder) -> Self {
        Self { order, ..self }
    }

    /// The same object, as a transaction sees and changes it.
    ///
    /// # Errors
    /// `InvalidArgument` when the transaction is of another container.
    pub(crate) fn within(&self, transaction: &Transaction) -> Result<Self> {
        let container = transaction.container();
        if container.uuid() != self.container.uuid()
            || container.pool().uuid() != self.container.pool().uuid()
        {
            let message =
                format!("{self}, the transaction is of {}: nothing spans two containers", container.url());
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        Ok(Self {
            container: container.clone(),
            name: self.name.clone(),
            kind: self.kind,
            partition: self.partition,
            order: self.order.clone(),
            header: AtomicU64::new(self.header.load(Ordering::Acquire)),
            alive: AtomicU64::default(),
        })
    }

    pub(crate) fn key<'a>(&'a self, sort: &'a [u8]) -> Key<'a> {
        Key::new(&self.partition, sort)
    }

    /// The sort key of the entry of a key.
    ///
    /// # Errors
    /// `KeyTooLong`; what the order says of the key.
    pub(crate) fn sort_key(&self, key: &[u8]) -> Result<Vec<u8>> {
        let mut sort = Vec::with_capacity(key.len() + 1);
        self.put_sort_key(key, &mut sort)?;
        Ok(sort)
    }

    /// Appends the sort key of the entry of a key; nothing where that fails.
    pub(crate) fn put_sort_key(&self, key: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let length = out.len();
        layout::put_entry_key(out, b"");
        self.order.encode(key, out).inspect_err(|_| out.truncate(length))
    }

    /// The sort key where a range of keys begins or ends: of bytes, of any length.
    pub(crate) fn bound_key(&self, key: &[u8]) -> Result<Vec<u8>> {
        if !self.order.is_plain() {
            return self.sort_key(key);
        }
        let mut sort = Vec::with_capacity(key.len() + 1);
        layout::put_entry_key(&mut sort, key);
        Ok(sort)
    }

    /// The user's key in a sort key.
    pub(crate) fn user_key<'a>(&self, sort: &'a [u8]) -> UserKey<'a> {
        self.order.form().decode(layout::user_key(sort))
    }

    pub(crate) fn deletion<'a>(&'a self, sort: &'a [u8]) -> Write<'a> {
        Write { key: self.key(sort), op: Op::Delete, tally: Some(self.key(COUNT)) }
    }

    pub(crate) fn insertion<'a>(
        &'a self,
        sort: &'a [u8],
        value: &'a [u8],
        extents: &'a [Extent],
    ) -> Write<'a> {
        Write { key: self.key(sort), op: Op::Put { value, extents }, tally: Some(self.key(COUNT)) }
    }

    /// Commits changes of this object, as long as it lives.
    pub(crate) fn commit(&self, preconditions: &[Precondition<'_>], writes: &[Write<'_>]) -> Result<Applied> {
        self.commit_seen(None, preconditions, writes)
    }

    /// As [`Named::commit`], for who has seen the preconditions hold in a view of that epoch, which
    /// [`Named::records`] answered.
    pub(crate) fn commit_seen(
        &self,
        mut seen: Option<Epoch>,
        preconditions: &[Precondition<'_>],
        writes: &[Write<'_>],
    ) -> Result<Applied> {
        for _ in 0..CONFLICT_RETRIES {
            let header = Precondition::Unchanged {
                key: self.key(HEADER),
                version: Epoch(self.header.load(Ordering::Acquire)),
            };
            let commit = Commit {
                preconditions: std::iter::once(header).chain(preconditions.iter().copied()).collect(),
                writes: writes.to_vec(),
                durability: self.container.durability(),
                seen,
                ..Commit::default()
            };
            match self.container.commit_whole(&commit)? {
                Outcome::Committed { existed, .. } => return Ok(Applied::Done(existed)),
                Outcome::Conflict { precondition: 0 } => {
                    seen = None;
                    self.refresh()?;
                }
                Outcome::Conflict { .. } => return Ok(Applied::Conflict),
            }
        }
        Err(self.contended("write to", b""))
    }

    /// Learns the header's version anew.
    fn refresh(&self) -> Result<()> {
        let header = self.container.index()?.get(self.key(HEADER))?.ok_or_else(|| self.destroyed())?;
        self.header.store(header.version.0, Ordering::Release);
        Ok(())
    }

    /// # Errors
    /// `NotFound` when the object was destroyed.
    pub(crate) fn check_alive(&self) -> Result<()> {
        match self.container.index()?.get(self.key(HEADER))? {
            Some(_) => Ok(()),
            None => Err(self.destroyed()),
        }
    }

    /// The newest state, if the object lives in it.
    pub(crate) fn view(&self) -> Result<Box<dyn View>> {
        let view = self.container.index()?.view(At::Latest)?;
        match view.get(self.key(HEADER))? {
            Some(_) => Ok(view),
            None => Err(self.destroyed()),
        }
    }

    /// The newest record of an entry.
    pub(crate) fn record(&self, sort: &[u8]) -> Result<Option<Record>> {
        let record = self.container.index()?.get(self.key(sort))?;
        if record.is_none() {
            self.check_alive()?;
        } else if self.container.is_in_transaction() {
            self.check_alive_in_transaction()?;
        }
        Ok(record)
    }

    /// Has a transaction depend on it that the object lives, and not only on an entry: that is
    /// cleared later. Asked once after each change that the transaction makes, for one of them may be
    /// the destruction.
    fn check_alive_in_transaction(&self) -> Result<()> {
        let change = self.container.index()?.epoch()?.0;
        if self.alive.load(Ordering::Acquire) != change {
            self.check_alive()?;
            self.alive.store(change, Ordering::Release);
        }
        Ok(())
    }

    /// The newest records of many entries, all of one consistent state.
    pub(crate) fn records<S: AsRef<[u8]>>(&self, sorts: &[S]) -> Result<Looked> {
        let mut keys: Vec<_> = sorts.iter().map(|sort| self.key(sort.as_ref())).collect();
        keys.push(self.key(HEADER));
        let view = self.container.index()?.view(At::Latest)?;
        let mut records = view.get_many(&keys)?;
        let header = records.pop().flatten().ok_or_else(|| self.destroyed())?;
        self.header.store(header.version.0, Ordering::Release);
        Ok((view, records))
    }

    /// The newest value of an entry, and the version of its record.
    pub(crate) fn get_versioned(&self, sort: &[u8]) -> Result<Option<(Bytes, Epoch)>> {
        match self.record(sort)? {
            Some(record) => self.load_newest(sort, record),
            None => Ok(None),
        }
    }

    /// The value of a record that was just read, or of the newest where its bytes have moved; with
    /// its version.
    pub(crate) fn load_newest(&self, sort: &[u8], mut record: Record) -> Result<Option<(Bytes, Epoch)>> {
        let segments = self.container.segments()?;
        let mut moved = None;
        for _ in 0..MOVED_RETRIES {
            match value::load(segments, &record) {
                Ok(value) => return Ok(Some((value, record.version))),
                Err(error) if error.kind() == ErrorKind::EpochGone => moved = Some(error),
                Err(error) => return Err(self.about(&self.user_key(sort), error)),
            }
            match self.record(sort)? {
                Some(again) => record = again,
                None => return Ok(None),
            }
        }
        Err(self.about(&self.user_key(sort), moved.unwrap_or_else(|| self.contended("read", b""))))
    }

    /// The value of a record of a view. Its bytes may have moved since the record was read: then the
    /// view knows where to.
    pub(crate) fn load_in(&self, view: &dyn View, sort: &[u8], mut record: Record) -> Result<Option<Bytes>> {
        let segments = self.container.segments()?;
        for attempt in 1.. {
            match value::load(segments, &record) {
                Ok(value) => return Ok(Some(value)),
                Err(error) if error.kind() == ErrorKind::EpochGone && attempt < MOVED_RETRIES => {
                    match view.get(self.key(sort))? {
                        Some(again) => record = again,
                        None => return Ok(None),
                    }
                }
                Err(error) => return Err(self.about(&self.user_key(sort), error)),
            }
        }
        Ok(None)
    }

    /// The entries between two sort keys of a view.
    pub(crate) fn scan(
        &self,
        view: &dyn View,
        bounds: (&Bound<Vec<u8>>, &Bound<Vec<u8>>),
        direction: Direction,
    ) -> Result<Box<dyn Cursor>> {
        view.scan(self.between(bounds), direction)
    }

    /// The records between two sort keys.
    pub(crate) fn between<'a>(
        &'a self,
        (start, end): (&'a Bound<Vec<u8>>, &'a Bound<Vec<u8>>),
    ) -> KeyRange<'a> {
        KeyRange {
            partition: &self.partition,
            start: start.as_ref().map(Vec::as_slice),
            end: end.as_ref().map(Vec::as_slice),
        }
    }

    /// The entries behind a sort key, in a direction.
    pub(crate) fn scan_behind(
        &self,
        view: &dyn View,
        sort: &[u8],
        direction: Direction,
    ) -> Result<Box<dyn Cursor>> {
        let here = Bound::Excluded(sort);
        let entries = layout::entries(&self.partition);
        let range = match direction {
            Direction::Forward => KeyRange { start: here, ..entries },
            Direction::Backward => KeyRange { end: here, ..entries },
        };
        view.scan(range, direction)
    }

    /// How many entries there are: exact, and as quick for millions as for none.
    pub(crate) fn len(&self) -> Result<u64> {
        self.counter(COUNT)
    }

    /// What a counter of the object says; less than nothing counts as nothing.
    pub(crate) fn counter(&self, sort: &[u8]) -> Result<u64> {
        match self.container.index()?.get(self.key(sort))? {
            Some(record) => Ok(record.counter().max(0).unsigned_abs()),
            None => self.check_alive().map(|()| 0),
        }
    }

    /// An entry's key, as people read it: that of a blob is a hash.
    fn shown(&self, key: &[u8]) -> String {
        match self.kind {
            NamedKind::Dict | NamedKind::Map => self.order.form().shown(key),
            NamedKind::Blobs => layout::hex(key),
        }
    }

    fn destroyed(&self) -> Error {
        Error::new(ErrorKind::NotFound, format!("{self} was destroyed"))
    }

    pub(crate) fn contended(&self, doing: &str, key: &[u8]) -> Error {
        let message = format!(
            "other writers of {self} were always faster; couldn't {doing} {}: try again",
            self.shown(key)
        );
        Error::new(ErrorKind::Conflict, message)
    }

    /// The error with the name of what couldn't be read. Bytes that are nowhere, however often the
    /// record is looked up again, haven't moved: they are lost.
    pub(crate) fn about(&self, key: &[u8], error: Error) -> Error {
        let error = match error.kind() {
            ErrorKind::EpochGone => error.with_kind(ErrorKind::Corrupt),
            _ => error,
        };
        let what = match self.kind {
            NamedKind::Dict | NamedKind::Map => "the value of ",
            NamedKind::Blobs => "the blob ",
        };
        error.context(format_args!("can't read {what}{} in {self}", self.shown(key)))
    }
}

/// `the dictionary "planets" of file:///…/kvstore`.
impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {:?} of {}", self.kind.noun(), self.name, self.container)
    }
}
