//! Millpond: one store for the data that a pipeline makes.
//!
//! A [`Pool`] is a directory (or a Ceph pool, or memory) with a quota; a [`Container`] in it holds dictionaries; a
//! [`Dict`] maps any bytes to any bytes, in order, shared by threads and processes.
//!
//! ```
//! use millpond::{ContainerOptions, Pool, PoolOptions};
//!
//! # fn main() -> millpond::Result<()> {
//! let pool = Pool::create("mem:example", PoolOptions::default())?;
//! let container = pool.create_container(Some("kvstore"), ContainerOptions::default())?;
//! let dict = container.create_dict("planets")?;
//!
//! dict.put(b"earth", b"one moon")?;
//! dict.put_many([("mars", "two moons"), ("venus", "none")])?;
//!
//! assert_eq!(dict.len()?, 3);
//! assert_eq!(dict.get(b"mars")?.as_deref(), Some(&b"two moons"[..]));
//! for entry in dict.iter()? {
//!     let (planet, moons) = entry?;
//!     println!("{}: {}", planet.escape_ascii(), moons.escape_ascii());
//! }
//! # Pool::destroy("mem:example", true)
//! # }
//! ```
//!
//! With a label (`Pool::create("pydaos", …)`) the pool is a directory under [`home`], with a URL
//! (`file:///data/pool`) any directory; other processes open it by the same name. `rados://hot` is a
//! pool in the Ceph pool `hot` of the cluster that `CEPH_CONF` names.

mod backend;
mod blobs;
#[doc(hidden)]
pub mod bugs;
mod catalog;
mod container;
mod container_type;
mod dict;
mod environment;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod home;
mod layout;
mod location;
mod maker;
mod map;
mod metrics;
mod named;
mod namespace;
mod object;
mod pool;
mod properties;
mod query;
mod size;
mod snapshot;
mod transaction;
mod value;
mod watch;

pub use blobs::{
    BlobId, BlobMeta, BlobRead, BlobReader, BlobSettings, BlobSource, BlobStore, Blobs, BlobsStatus,
    Extracted, Extractions, HashType, Hasher, InsertOptions, Inserted, Insertions, OptimizeOptions,
    Optimized, Validated, Worth,
};
pub use container::{
    Compacted, Container, ContainerOptions, Damage, OpenOptions, ScrubOptions, ScrubProgress, ScrubReport,
    verify_backup,
};
pub use container_type::ContainerType;
pub use dict::{Dict, DictBatch, DictEntry, DictIter, DictKeys, DictRange, ValueReader, ValueWriter};
pub use home::home;
pub use layout::ObjectId;
pub use map::{
    Comparator, KeyFunction, KeyOrder, MapBatch, MapEntry, MapIter, MapRange, MapSeeker, NumberKey,
    OrderedMap,
};
pub use metrics::{Histogram, Metrics, Operations};
pub use millpond_core::{
    Backup, DamagedFile, Durability, Epoch, Error, ErrorKind, Label, LastScrub, PoolSpace, Progress, Result,
    Silent, Statistics, Store, VerifiedBackup, limits, replace_own_timeout, set_timeout, timeout,
    with_timeout,
};
pub use object::{
    Anchor, Array, ArrayOptions, ArrayStat, Conditions, Fetched, FetchedExtents, KeyKind, Merged, Object,
    ObjectClass, ObjectExtent, ObjectExtents, ObjectFetch, ObjectForm, ObjectKey, ObjectKeys, ObjectKind,
    ObjectOptions, ObjectUpdate, Objects,
};
#[cfg(feature = "planted-bugs")]
pub use object::{ObjectBug, PlantedObjectBug};
pub use pool::{Pool, PoolOptions};
pub use query::{CheckReport, ContainerQuery, ContainerSummary, PoolQuery, PoolSummary};
pub use size::{format_size, parse_size};
pub use snapshot::{
    Diff, Difference, DifferenceKind, DifferentKey, DifferentObject, Moment, Rollback, Snapshot,
    SnapshotRule, SnapshotSize, SnapshotSpace,
};
pub use transaction::{Transaction, TransactionOptions};
pub use uuid::Uuid;
pub use value::codec::{Codec, Compression};
pub use watch::{Change, ChangeKind, ChangeSet, Watch, WatchCursor, WatchOptions};

/// The version of this crate.
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
