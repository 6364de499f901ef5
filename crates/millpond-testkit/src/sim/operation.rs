//! The record of what processes asked of a machine.

use std::{fmt, path::PathBuf};

/// A call of a process, in the order of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its place in the order, from 0.
    pub number: u64,
    /// The process, numbered from 0.
    pub process: u64,
    /// What was asked.
    pub kind: OperationKind,
    /// Of which file or directory; of an open file, the path that it was opened by.
    pub path: PathBuf,
    /// Where in the file, or which byte of a lock file.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, process, kind, path, offset, length } = self;
        write!(f, "{number:>6} process {process} {kind:?} {} [{offset}, {length}]", path.display())
    }
}

/// What an [`Operation`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // They are the calls of `Media` and `File`, by name.
pub enum OperationKind {
    Open,
    Create,
    CreateDir,
    Rename,
    Link,
    Remove,
    RemoveDir,
    List,
    SyncDir,
    LockFile,
    Share,
    CheckDir,
    Read,
    Write,
    Store,
    Sync,
    Length,
    SetLength,
    TryLock,
    IsLocked,
}

impl OperationKind {
    /// Whether it may change what a loss of power leaves.
    pub fn changes_disk(self) -> bool {
        use OperationKind::*;
        matches!(
            self,
            Create
                | CreateDir
                | Rename
                | Link
                | Remove
                | RemoveDir
                | SyncDir
                | LockFile
                | Share
                | Write
                | Store
                | Sync
                | SetLength
        )
    }

    /// Whether it writes to a file or changes its length.
    pub fn writes(self) -> bool {
        matches!(self, OperationKind::Write | OperationKind::Store | OperationKind::SetLength)
    }

    /// Whether a part of it may be carried out.
    pub(super) fn tears(self) -> bool {
        matches!(self, OperationKind::Write | OperationKind::Store)
    }

    /// Whether it asks for bytes or entries to be made safe.
    pub fn is_sync(self) -> bool {
        matches!(self, OperationKind::Sync | OperationKind::SyncDir)
    }
}
