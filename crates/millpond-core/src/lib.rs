//! The contracts between Millpond's data models and its backends.
//!
//! A backend is anything that implements [`Index`] (an ordered, versioned key space with atomic,
//! conditional, multi-key commits) and [`Segments`] (append-only bulk bytes), bundled as a
//! [`Store`] for each container and a [`PoolStore`] for each pool. Everything above (dictionaries,
//! containers, the Python package, the command line) is written once, over these.
//!
//! This crate does no I/O and names no backend.

mod backup;
mod epoch;
mod error;
pub mod fork;
mod index;
mod key;
mod label;
pub mod limits;
mod progress;
mod segments;
mod store;
mod timeout;
mod verify;
pub mod watch;

pub use backup::{Backup, BackupOptions, DamagedFile, VerifiedBackup};
pub use epoch::Epoch;
pub use error::{Error, ErrorKind, Result};
pub use index::{
    At, ChangeCursor, Commit, Cursor, Direction, Durability, Found, Index, Op, Outcome, Precondition, Record,
    RecordRef, View, Write, WriteStream,
};
pub use key::{Key, KeyRange, RETAINED};
pub use label::Label;
pub use progress::{Progress, Silent};
pub use segments::{Extent, SegmentId, SegmentWriter, Segments};
pub use store::{
    ContainerEntry, ContainerSpec, LastScrub, PoolDocument, PoolSpace, PoolStore, Statistics, Store,
    StoreOptions,
};
pub use timeout::{replace_own_timeout, set_timeout, timeout, with_timeout};
pub use verify::{Damage, Owner, Verifier};
pub use watch::{Change, ChangeKind, Watch, WatchOptions, WatchRetention};
