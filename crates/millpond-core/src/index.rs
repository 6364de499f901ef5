//! The first contract: an ordered, versioned key space with atomic, conditional commits.

use bytes::Bytes;

use crate::{Epoch, Error, ErrorKind, Extent, Key, KeyRange, Result, Watch, WatchOptions};

/// An ordered, versioned key space.
///
/// Commits are atomic and serializable: each takes effect at one epoch, all of it or none, and
/// only if its preconditions hold at that moment. Any number of threads may call at once.
///
/// A past epoch stays readable while a view is open on it in the process that would forget it, and
/// for as long as a record of the partition [`RETAINED`](crate::RETAINED) has it as its version: such
/// a record keeps the state just after the commit that put it.
pub trait Index: Send + Sync {
    /// Applies `commit` at one epoch, or reports the precondition that does not hold.
    ///
    /// On return the commit is visible to every view opened later, in any process, and as durable
    /// as its [`Durability`] says.
    ///
    /// # Errors
    /// `NoSpace` when the pool's quota or the disk is full and the commit would add to it; a
    /// commit that only deletes passes. Nothing is changed by a commit that fails. After `Io` the
    /// outcome may be unknown; the message says so.
    fn commit(&self, commit: &Commit<'_>) -> Result<Outcome>;

    /// Applies `commit` with `writes` in the place of its own: more of them than memory holds. The
    /// outcome doesn't say which keys existed. Each key that is written has to be covered by a
    /// precondition, by itself or in a range: a change of it by others is a conflict.
    ///
    /// By default they are collected in memory; a backend that can commit them as they come says so
    /// by an implementation of its own.
    ///
    /// # Errors
    /// Those of [`Index::commit`], and of `writes`: then nothing is changed.
    fn commit_stream(&self, commit: &Commit<'_>, writes: &mut dyn WriteStream) -> Result<Outcome> {
        let owned = OwnedWrites::collect(writes)?;
        let commit = Commit { writes: owned.writes(), ..commit.clone() };
        Ok(match self.commit(&commit)? {
            Outcome::Committed { epoch, .. } => Outcome::Committed { epoch, existed: Vec::new() },
            conflict => conflict,
        })
    }

    /// A consistent state of the whole index.
    ///
    /// # Errors
    /// `EpochGone` when the state at a past epoch is no longer kept.
    fn view(&self, at: At) -> Result<Box<dyn View>>;

    /// The newest record of `key`: what `view(At::Latest)?.get(key)` answers, where a backend can
    /// do it with less.
    ///
    /// # Errors
    /// `Closed` once the store is closed; `Corrupt`, naming the place, when the stored bytes fail
    /// their checksum.
    fn get(&self, key: Key<'_>) -> Result<Option<Record>> {
        self.view(At::Latest)?.get(key)
    }

    /// The epoch of the newest commit.
    fn epoch(&self) -> Result<Epoch>;

    /// Makes every commit that was visible when it was called survive a loss of power; answers
    /// the epoch up to which that now holds.
    fn flush(&self) -> Result<Epoch>;

    /// Each commit, whole and in order, as it is made; see [`watch`](crate::watch).
    ///
    /// # Errors
    /// `Lagged` where what follows on the epoch to begin after is no longer kept; `NotSupported` where
    /// the backend keeps no record of its commits.
    fn watch(&self, _: &WatchOptions<'_>) -> Result<Box<dyn Watch>> {
        Err(Error::new(
            ErrorKind::NotSupported,
            "this backend can't tell of its commits; compare states instead",
        ))
    }
}

/// What to commit, all of it or none.
#[derive(Clone, Debug, Default)]
pub struct Commit<'a> {
    /// What must hold for the commit to apply.
    pub preconditions: Vec<Precondition<'a>>,
    /// What it changes. A key may occur once; of an adjusted key, several adjustments add up.
    pub writes: Vec<Write<'a>>,
    /// When the commit counts as done.
    pub durability: Durability,
    /// The epoch of a view in which whoever commits has seen every precondition hold, so that a
    /// backend need only look at what was committed since. Without one it looks at everything.
    pub seen: Option<Epoch>,
    /// What that view shows of the key of each write, in their order, where whoever commits knows;
    /// nothing for those behind its end. A backend need not look for them again.
    pub found: Vec<Option<Found>>,
}

/// What a view shows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whether it exists.
    pub exists: bool,
    /// Bytes of segments that its record owns.
    pub bulk_bytes: u64,
}

impl Found {
    /// That of a record, if there is one.
    pub fn of(record: Option<&Record>) -> Self {
        let extents = record.map_or(&[][..], |record| &record.extents);
        Self { exists: record.is_some(), bulk_bytes: extents.iter().map(|extent| extent.length).sum() }
    }
}

/// One change of a commit.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// The record to change.
    pub key: Key<'a>,
    /// The change.
    pub op: Op<'a>,
    /// A counter to keep: it goes up by one if the key was absent and now exists, down by one if
    /// it existed and is now absent. The backend resolves this atomically, so that writers of
    /// different keys never conflict over the counter.
    pub tally: Option<Key<'a>>,
}

/// Writes in the order of their keys, partition and sort key in one piece; each key once.
pub trait WriteStream {
    /// At most so many are to come.
    fn records_max(&self) -> u64;

    /// The next write; nothing at the end.
    fn next(&mut self) -> Result<Option<Write<'_>>>;
}

/// Writes of a stream, in memory.
#[derive(Default)]
struct OwnedWrites(Vec<OwnedWrite>);

struct OwnedWrite {
    key: (Vec<u8>, Vec<u8>),
    op: OwnedOp,
    tally: Option<(Vec<u8>, Vec<u8>)>,
}

enum OwnedOp {
    Put(Vec<u8>, Vec<Extent>),
    Delete,
    Adjust(i64),
}

impl OwnedWrites {
    fn collect(stream: &mut dyn WriteStream) -> Result<Self> {
        let key = |key: Key<'_>| (key.partition.to_vec(), key.sort.to_vec());
        let mut writes = Vec::new();
        while let Some(write) = stream.next()? {
            let op = match write.op {
                Op::Put { value, extents } => OwnedOp::Put(value.to_vec(), extents.to_vec()),
                Op::Delete => OwnedOp::Delete,
                Op::Adjust(delta) => OwnedOp::Adjust(delta),
            };
            writes.push(OwnedWrite { key: key(write.key), op, tally: write.tally.map(key) });
        }
        Ok(Self(writes))
    }

    fn writes(&self) -> Vec<Write<'_>> {
        self.0.iter().map(OwnedWrite::write).collect()
    }
}

impl OwnedWrite {
    fn write(&self) -> Write<'_> {
        let op = match &self.op {
            OwnedOp::Put(value, extents) => Op::Put { value, extents },
            OwnedOp::Delete => Op::Delete,
            OwnedOp::Adjust(delta) => Op::Adjust(*delta),
        };
        let tally = self.tally.as_ref().map(|(partition, sort)| Key::new(partition, sort));
        Write { key: Key::new(&self.key.0, &self.key.1), op, tally }
    }
}

/// What a [`Write`] does to its key.
#[derive(Clone, Copy, Debug)]
pub enum Op<'a> {
    /// Stores a value (never empty: a model's header comes first) and the extents that it owns.
    Put {
        /// At most [`RECORD_VALUE_BYTES_MAX`](crate::limits::RECORD_VALUE_BYTES_MAX) bytes.
        value: &'a [u8],
        /// The bulk bytes that the record makes reachable: what a writer has finished, or what a
        /// version of a record owns that some view shows. Then both own them. A commit answers
        /// `EpochGone`, and changes nothing, where the bytes have been moved or reclaimed since.
        extents: &'a [Extent],
    },
    /// Removes the record. Removing an absent one is no error.
    Delete,
    /// Adds to a counter, which is 0 where absent. Commutes: adjustments never conflict.
    Adjust(i64),
}

/// A condition of a commit.
#[derive(Clone, Copy, Debug)]
pub enum Precondition<'a> {
    /// The key's newest version is `version`; [`Epoch::ZERO`] means that it is absent.
    Unchanged {
        /// The key.
        key: Key<'a>,
        /// The version that a view answered.
        version: Epoch,
    },
    /// No key of the range was put, deleted or adjusted after `since`; an adjustment that makes the
    /// counter counts too. Whether a deletion of a key that was absent counts, or an adjustment by
    /// nothing of a counter that was there, is the backend's choice. It may be coarser still, and
    /// report a conflict over a neighbouring key.
    RangeUnchanged {
        /// The range.
        range: KeyRange<'a>,
        /// The epoch of the view that scanned it.
        since: Epoch,
    },
}

/// When a commit counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// On return, the commit survives a loss of power.
    #[default]
    Sync,
    /// On return, the commit survives the death of the process; a loss of power may take the last
    /// second, never leaving a commit half done or out of order.
    Async,
}

/// How a commit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect.
    Committed {
        /// The commit's epoch.
        epoch: Epoch,
        /// Of each write, in order, whether its key existed before.
        existed: Vec<bool>,
    },
    /// Nothing was changed, since a precondition did not hold.
    Conflict {
        /// Its place in [`Commit::preconditions`].
        precondition: usize,
    },
}

/// Which state a view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The newest, as of the call.
    Latest,
    /// The state just after the commit of this epoch.
    Epoch(Epoch),
}

/// A consistent state of the index. It does not change, whatever is committed meanwhile; any read
/// may answer `EpochGone` when a backend could not keep it so long.
pub trait View: Send + Sync {
    /// The epoch of the newest commit in the view.
    fn epoch(&self) -> Epoch;

    /// The record of `key`.
    ///
    /// # Errors
    /// `Corrupt`, naming the place, when the stored bytes fail their checksum.
    fn get(&self, key: Key<'_>) -> Result<Option<Record>>;

    /// The records of many keys, in the order of the keys; faster than as many calls of `get`.
    fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Option<Record>>> {
        keys.iter().map(|key| self.get(*key)).collect()
    }

    /// The records of a range, in the order of their sort keys. The cursor keeps the view alive.
    fn scan(&self, range: KeyRange<'_>, direction: Direction) -> Result<Box<dyn Cursor>>;

    /// How many records a range has: as many as a scan of it shows. A backend may tell without a visit
    /// to each of them.
    ///
    /// # Errors
    /// `Corrupt`, naming the place, when something is damaged that may hold records of the range.
    fn count(&self, range: KeyRange<'_>) -> Result<u64> {
        let mut cursor = self.scan(range, Direction::Forward)?;
        let mut count = 0;
        while cursor.advance()? {
            count += 1;
        }
        Ok(count)
    }

    /// The value of a counter, 0 where absent.
    fn counter(&self, key: Key<'_>) -> Result<i64> {
        Ok(self.get(key)?.map_or(0, |record| record.counter()))
    }

    /// What became of every key whose newest version in this view is newer than `since`: of all
    /// partitions, or of the keys whose [concatenation](Key::concat) begins with `prefix`. It costs
    /// what was changed, not what there is, where a backend can tell. With [`Epoch::ZERO`] it walks
    /// over everything that the view shows.
    ///
    /// A key that exists neither at `since` nor in the view may be reported as gone, or not at all.
    ///
    /// # Errors
    /// `EpochGone` when the state at `since` is no longer kept, since deletions may be forgotten;
    /// `InvalidArgument` for one that is newer than the view, and where a view can't tell.
    fn changes(&self, since: Epoch, prefix: &[u8]) -> Result<Box<dyn ChangeCursor>> {
        let _ = (since, prefix);
        Err(Error::new(
            ErrorKind::InvalidArgument,
            "this view can't tell what was changed in it: use one of the container",
        ))
    }
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From small keys to great ones.
    Forward,
    /// From great keys to small ones.
    Backward,
}

/// Walks over the records of a scan. It begins before the first one.
///
/// After an error the cursor stays usable: the next `advance` goes on behind what could not be
/// read, so that one damaged block hides its own records only.
pub trait Cursor: Send {
    /// Goes to the next record; false at the end.
    fn advance(&mut self) -> Result<bool>;

    /// The sort key of the current record. Panics before the first `advance`.
    fn key(&self) -> &[u8];

    /// The current record. Panics before the first `advance`.
    fn record(&self) -> RecordRef<'_>;
}

/// Walks over the changed keys of a view, in the order of their concatenations. It begins before
/// the first one, and goes on behind what could not be read, as a [`Cursor`] does.
pub trait ChangeCursor: Send {
    /// Goes to the next changed key; false at the end.
    fn advance(&mut self) -> Result<bool>;

    /// The partition and the sort key of the current key, in one piece. Panics before the first
    /// `advance`.
    fn key(&self) -> &[u8];

    /// The record that the view shows, or nothing where the key is gone. Panics before the first
    /// `advance`.
    fn record(&self) -> Option<RecordRef<'_>>;
}

/// A record of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The epoch of the commit that wrote it.
    pub version: Epoch,
    /// What was put; of a counter, its sum as eight bytes, least significant first.
    pub value: Bytes,
    /// The bulk bytes that the record owns.
    pub extents: Vec<Extent>,
}

impl Record {
    /// The record read as a counter; 0 if it isn't one.
    pub fn counter(&self) -> i64 {
        self.value.as_ref().try_into().map_or(0, i64::from_le_bytes)
    }
}

/// A record under a cursor.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// The epoch of the commit that wrote it.
    pub version: Epoch,
    /// What was put.
    pub value: &'a [u8],
    /// The bulk bytes that the record owns.
    pub extents: &'a [Extent],
}
