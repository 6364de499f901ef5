//! The first contract: an ordered, versioned key space with atomic, conditional commits.

use bytes::Bytes;

use crate::{Epoch, Extent, Key, KeyRange, Result};

/// An ordered, versioned key space.
///
/// Commits are atomic and serializable: each takes effect at one epoch, all of it or none, and
/// only if its preconditions hold at that moment. Any number of threads may call at once.
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

    /// Replaces the set of past epochs that stay readable although no view is open on them.
    ///
    /// # Errors
    /// `EpochGone` when one of them is no longer kept; the set is then unchanged.
    fn retain(&self, epochs: &[Epoch]) -> Result<()>;
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

/// What a [`Write`] does to its key.
#[derive(Clone, Copy, Debug)]
pub enum Op<'a> {
    /// Stores a value (never empty: a model's header comes first) and the extents that it owns.
    Put {
        /// At most [`RECORD_VALUE_BYTES_MAX`](crate::limits::RECORD_VALUE_BYTES_MAX) bytes.
        value: &'a [u8],
        /// The bulk bytes that the record makes reachable.
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

    /// The value of a counter, 0 where absent.
    fn counter(&self, key: Key<'_>) -> Result<i64> {
        Ok(self.get(key)?.map_or(0, |record| record.counter()))
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
