//! Backups of a container: directories that share what didn't change.
//!
//! ```text
//! <to>/lock                                   held by whoever makes a backup
//! <to>/backup_<UTC>_<4 hexadecimal digits>/   a backup, such as backup_20260131174500_09af
//!     backup.json                             what it is, and the length and checksum of each file
//!     container.json manifest log/ runs/ segments/    a container's files, as they lie in a pool
//! <to>/last-backup                            a symbolic link to the newest one
//! <to>/.new-…                                 one that is being made
//! <to>/.old-…                                 one that is being removed
//! ```
//!
//! Invariants:
//! - A directory is a backup from one rename to the other. Before the first, all in it was synced; what a
//!   crash leaves before it, or behind the other, is removed by the next backup into the same place.
//! - A backup is whole without any other: files that are the same in two have two names. No file of one is
//!   ever written to.
//! - A file is shared with the backup before only if nobody can have written to it since, or if it was
//!   read and has the same checksum.

mod copy;
mod description;
mod directory;
mod restore;
mod write;

pub(crate) use restore::{find, restore, verify};
pub(crate) use write::write;
