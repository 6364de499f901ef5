//! Sorted runs: immutable files of records, ordered by key and, within a key, from the newest
//! version to the oldest.
//!
//! Invariants:
//! - A run is written once, synced, and never changed.
//! - No two records of a run have the same key and epoch.
//! - Every byte of the file is under a checksum that is bound to its place (see `identity`).
//!   Damage hides no record: a read that would need a damaged block is an error, and the records
//!   of all other blocks stay readable. What stands beside the blocks can be done without: see
//!   `rebuild`.
//!
//! | part          | bytes     | content                                            |
//! |---------------|----------:|----------------------------------------------------|
//! | header        | 48        | see `identity`                                     |
//! | data blocks   | ~4096 each| see `block` and `record`; each begins where the one|
//! |               |           | before ends                                        |
//! | filter        | 32 n      | see `filter`                                       |
//! | index         | any       | see `index`                                        |
//! | footer        | 104       | see `footer`                                       |

mod block;
mod cursor;
mod filter;
mod footer;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod gains;
mod heads;
mod index;
mod lookup;
mod mapped;
mod parts;
mod reader;
mod rebuild;
mod record;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use bytes::Bytes;
use millpond_core::{Epoch, Extent};
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use block::Block;
pub(crate) use cursor::RunCursor;
pub(crate) use gains::{Gains, exists};
pub(crate) use reader::Run;
pub(crate) use writer::{RunSummary, RunWriter};

use crate::{identity::FileKind, log::LogPlace};

static KIND: FileKind = FileKind { magic: *b"MPRUN\r\n\x1A", version: 3, oldest: 3, name: "sorted run" };

/// The number of a run in its container, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RunId(pub u64);

impl RunId {
    /// The name of the run's file.
    pub(crate) fn file_name(self) -> String {
        format!("{:016x}.run", self.0)
    }
}

/// The hash of a key, by which runs and tails know it: computed once, it serves all of them.
#[inline]
pub(crate) fn key_hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// What a version of a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryRef<'a> {
    /// A value, and the extents that the record owns.
    Put { value: &'a [u8], extents: &'a [Extent] },
    /// Nothing: the key was deleted.
    Tombstone,
    /// What is added to a counter.
    Counter(i64),
    /// A value that was lost before it came here; a read of the key says so.
    Damaged(LogPlace),
}

/// An [`EntryRef`] that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Put { value: Bytes, extents: Vec<Extent> },
    Tombstone,
    Counter(i64),
    Damaged(LogPlace),
}

impl Entry {
    pub(crate) fn as_ref(&self) -> EntryRef<'_> {
        match self {
            Entry::Put { value, extents } => EntryRef::Put { value, extents },
            Entry::Tombstone => EntryRef::Tombstone,
            Entry::Counter(sum) => EntryRef::Counter(*sum),
            Entry::Damaged(place) => EntryRef::Damaged(*place),
        }
    }
}

/// The version of a key that a view sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub epoch: Epoch,
    pub entry: Entry,
}
