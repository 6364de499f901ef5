//! What a backend offers to the front door: stores for containers, and pools that hold them.

use std::{any::Any, collections::BTreeMap, path::Path, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Backup, BackupOptions, Damage, Durability, Error, ErrorKind, Index, Label, Progress, Result, Segments,
    Verifier, WatchRetention, backup::not_supported,
};

/// The storage of one open container.
pub trait Store: Send + Sync {
    /// The container's records.
    fn index(&self) -> &dyn Index;

    /// The container's bulk bytes.
    fn segments(&self) -> &dyn Segments;

    /// Sizes and counts, without reading the data.
    fn statistics(&self) -> Result<Statistics>;

    /// Moves what is in the log to its place, merges what is worth merging and gives back what is
    /// dead. Runs in the background by itself; this call does it now, and returns when it is done.
    fn compact(&self) -> Result<()>;

    /// Reads every stored byte and reports each damaged place to `report`, never stopping at the
    /// first. Answers how many bytes were read.
    fn verify(&self, mut report: &mut dyn FnMut(Damage)) -> Result<u64> {
        self.verify_with(&mut report)
    }

    /// As [`Store::verify`], with one who follows it, and may slow it down or end it.
    fn verify_with(&self, verifier: &mut dyn Verifier) -> Result<u64>;

    /// Gives up what damage took, where it keeps more than itself from being read or written, and writes
    /// anew what damage can be done without. Reports each place that it dealt with; answers at how many of
    /// them records were lost.
    ///
    /// # Errors
    /// `NotSupported` where the backend has nothing to repair.
    fn repair(&self, report: &mut dyn FnMut(Damage)) -> Result<u64> {
        let _ = report;
        Err(Error::new(ErrorKind::NotSupported, "this backend has nothing that it could repair"))
    }

    /// Writes a backup of what is committed into a directory of its own in the directory `to`, which is
    /// made if it is missing. Others may read and write meanwhile. What the newest backup there already
    /// has is shared with it.
    ///
    /// # Errors
    /// `Busy` while another backup is made into that directory; `InvalidArgument` when it holds those of
    /// another container; `NotSupported` where the backend can't; what `progress` answers. A backup that
    /// failed is not there.
    fn backup(&self, to: &Path, options: BackupOptions<'_>) -> Result<Backup> {
        let _ = options;
        not_supported(to)
    }

    /// Makes everything durable and lets go of the files, as dropping the last handle does, but
    /// with the errors. Later calls answer `Closed`.
    fn close(&self) -> Result<()>;

    /// The backend's own type, for tests that reach below the contract.
    fn as_any(&self) -> &dyn Any;
}

/// A pool: containers with a common quota, found by UUID.
///
/// Who may do what to which container is decided above, on the [`PoolDocument`]; a backend only
/// stores.
pub trait PoolStore: Send + Sync {
    /// The pool's description, as of now.
    fn document(&self) -> Result<PoolDocument>;

    /// Replaces the description by what `change` makes of it, atomically and durably; no other
    /// update comes between. An error of `change` leaves it as it was.
    fn update(&self, change: &mut dyn FnMut(&mut PoolDocument) -> Result<()>) -> Result<()>;

    /// Creates the storage of a container that no document names yet, durably.
    fn create(&self, container: Uuid, spec: &ContainerSpec) -> Result<()>;

    /// How a container was created.
    fn spec(&self, container: Uuid) -> Result<ContainerSpec>;

    /// Opens the storage of a container.
    fn open(&self, container: Uuid, options: &StoreOptions) -> Result<Arc<dyn Store>>;

    /// Deletes the storage of a container.
    ///
    /// # Errors
    /// `Busy` while any process has it open, unless `force`: then their handles answer `Closed`.
    fn destroy(&self, container: Uuid, force: bool) -> Result<()>;

    /// What the backup at `from` is, or the newest one in the directory `from`.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` when its description is damaged; `NotSupported` where the backend can't.
    fn describe_backup(&self, from: &Path) -> Result<Backup> {
        not_supported(from)
    }

    /// Makes the storage of the container that a backup holds, which no document names yet, durably.
    /// `progress` is told of bytes.
    ///
    /// # Errors
    /// `AlreadyExists` when the pool has storage of a container of that UUID; `Corrupt`, naming the file,
    /// when the backup is damaged; `NoSpace`; what `progress` answers. Nothing is there then.
    fn restore(&self, from: &Path, progress: &mut dyn Progress) -> Result<Backup> {
        let _ = progress;
        not_supported(from)
    }

    /// How much of the quota is used.
    fn space(&self) -> Result<PoolSpace>;

    /// Deletes the pool with all that it holds; see [`PoolStore::destroy`].
    fn destroy_pool(&self, force: bool) -> Result<()>;
}

/// The description of a pool: small, read and replaced whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolDocument {
    /// Identifies the pool.
    pub uuid: Uuid,
    /// The name that people gave it.
    pub label: Label,
    /// Seconds since 1970 when it was created.
    pub created: u64,
    /// The quota in bytes, if any.
    pub size: Option<u64>,
    /// Settings that the product knows.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// Whatever users note.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// The pool's containers.
    #[serde(default)]
    pub containers: BTreeMap<Uuid, ContainerEntry>,
}

/// A container, as its pool lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerEntry {
    /// The name that people gave it, if any; unique in the pool.
    pub label: Option<Label>,
    /// What it is for: `PYTHON`, `POSIX`, `HDF5`, `KV`, `BLOB`, …
    #[serde(rename = "type")]
    pub container_type: String,
    /// Seconds since 1970 when it was created.
    pub created: u64,
    /// Settings that the product knows.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// Whatever users note.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// The directory of the unified namespace that stands for it, if any.
    #[serde(default)]
    pub path: Option<String>,
    /// The last scrub that was finished, if any was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_scrub: Option<LastScrub>,
}

/// What is kept of a scrub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastScrub {
    /// Seconds since 1970 when it was finished.
    pub finished: u64,
    /// How long it took.
    pub milliseconds: u64,
    /// How many bytes it read.
    pub bytes: u64,
    /// How many damages it found.
    pub damages: u64,
}

/// What of a container is fixed when it is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Bytes in a log file of the local backend, a power of two.
    pub log_bytes: u64,
}

impl Default for ContainerSpec {
    fn default() -> Self {
        Self { log_bytes: 1 << 20 }
    }
}

/// How a handle wants to work with a container's storage.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Refuse every change.
    pub read_only: bool,
    /// The durability of what the backend does by itself.
    pub durability: Durability,
    /// Whether a backend that keeps files may map them into memory, which is faster than reading
    /// them. Of a container that this process has open already, it stays as it is.
    pub mapped: bool,
    /// How much is kept for those who watch. Of a container that this process has open already, it
    /// stays as it is.
    pub watch_retention: WatchRetention,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            read_only: false,
            durability: Durability::default(),
            mapped: true,
            watch_retention: WatchRetention::default(),
        }
    }
}

/// What a container holds, in bytes and counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// The epoch of the newest commit.
    pub epoch: u64,
    /// The epoch up to which a loss of power takes nothing.
    pub epoch_synced: u64,
    /// Bytes allocated for records, without the log.
    pub bytes_records: u64,
    /// Bytes allocated for bulk values.
    pub bytes_segments: u64,
    /// Bytes of bulk values that records own.
    pub bytes_segments_live: u64,
    /// About how many bytes of records and bulk values nobody needs, so that a compaction gives them back:
    /// what was superseded and deleted, but for what it turns out that a snapshot needs.
    pub bytes_dead: u64,
    /// Bytes in the log that no run holds yet.
    pub bytes_log: u64,
    /// Records in runs, superseded versions and tombstones included.
    pub records: u64,
    /// Sorted runs.
    pub runs: u64,
    /// Segments.
    pub segments: u64,
    /// Processes that have the container open.
    pub processes: u64,
}

/// The use of a pool's quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSpace {
    /// The quota in bytes, if any.
    pub size: Option<u64>,
    /// Bytes allocated.
    pub used: u64,
}
