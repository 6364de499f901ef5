//! Pools: a directory with containers, a description, and a quota.
//!
//! ```text
//! <pool>/pool.json                          the description, replaced whole
//! <pool>/lock                               who has the pool open, and who changes it
//! <pool>/control                            the quota's count; never trusted after the last holder
//! <pool>/containers/<uuid>/container.json   how a container was created
//! <pool>/containers/<uuid>/…                the container's storage, see `engine`
//! <pool>/containers/.new-<uuid>             one that is being created
//! <pool>/containers/.trash-<uuid>           one that is being destroyed
//! ```
//!
//! Invariants:
//! - A directory is a pool from when `pool.json` is there until it is renamed away; a container is
//!   there from one rename to the other. What a crash leaves before or after is removed by whoever
//!   opens the pool next and is alone.
//! - `pool.json` is changed under a lock of its own, so that no change is lost.

mod attachment;
pub(crate) mod document;
mod lock;
mod per_process;
mod quota;
mod removal;
mod store;
#[cfg(test)]
mod tests;
mod usage;

use std::{
    io,
    path::{Path, PathBuf},
};

use millpond_core::{Error, ErrorKind};
use uuid::Uuid;

pub use store::LocalPool;

/// The name of a container's directory while it is being created.
const NEW: &str = ".new-";
/// The name of a container's directory while it is being destroyed.
const TRASH: &str = ".trash-";

fn containers_dir(pool: &Path) -> PathBuf {
    pool.join("containers")
}

fn container_dir(pool: &Path, container: Uuid) -> PathBuf {
    containers_dir(pool).join(container.to_string())
}

fn no_pool(dir: &Path) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("there is no pool in {}; create one with `millpond pool create`", dir.display()),
    )
}

/// An error of the operating system, with what a user can do about it.
pub(crate) fn failed(doing: &str, path: &Path, error: io::Error) -> Error {
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; a pool's directory and all in it must belong to the user who opens it"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; mount the file system for writing, or use another directory",
        io::ErrorKind::StorageFull => "; make room on the file system",
        _ => "",
    };
    let kind = error.kind();
    let error = if remedy.is_empty() { error } else { io::Error::new(kind, format!("{error}{remedy}")) };
    let error = Error::io(format_args!("can't {doing} {}", path.display()), error);
    // A path that leads through a file is the caller's mistake.
    if kind == io::ErrorKind::NotADirectory { error.with_kind(ErrorKind::InvalidArgument) } else { error }
}
