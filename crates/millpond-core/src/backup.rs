//! Backups: what the front door asks of a backend that can make them, and what it is told.

use std::path::{Path, PathBuf};

use serde::Serialize;
use uuid::Uuid;

use crate::{ContainerEntry, Epoch, Error, ErrorKind, Progress, Result};

/// How to make a backup.
pub struct BackupOptions<'a> {
    /// What the pool says of the container, to be kept with it.
    pub entry: ContainerEntry,
    /// How many backups stay in the directory, the new one included; the oldest go. All, if none.
    pub keep: Option<u64>,
    /// Is told of bytes.
    pub progress: &'a mut dyn Progress,
}

/// A backup, as it lies in its directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// Where it is.
    pub path: PathBuf,
    /// The container that it was made of.
    pub container: Uuid,
    /// What the pool said of the container.
    pub entry: ContainerEntry,
    /// The epoch of the newest commit in it.
    pub epoch: Epoch,
    /// Seconds since 1970 when it was begun.
    pub created: u64,
    /// How many files it has.
    pub files: u64,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Of these, the bytes of files that it had in common with the backup before it.
    pub bytes_linked: u64,
}

/// What a verification of a backup found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifiedBackup {
    /// The backup.
    pub backup: Backup,
    /// Each of its files that isn't what was written.
    pub damages: Vec<DamagedFile>,
}

/// A file of a backup that isn't what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DamagedFile {
    /// Its path in the backup.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
}

/// What a backend without backups answers.
pub(crate) fn not_supported<T>(path: &Path) -> Result<T> {
    let path = path.display();
    let message = format!("{path}: only containers of pools in directories can be backed up and restored");
    Err(Error::new(ErrorKind::NotSupported, message))
}
