//! Folders of disk-objectstore, version 1 of its format, read and written in place: by this crate and by
//! disk-objectstore in turn, or at once as far as its own rules allow.
//!
//! ```
//! use millpond_disk_objectstore::{AddOptions, Config, Folder};
//!
//! # fn main() -> millpond::Result<()> {
//! # let dir = tempfile::tempdir().expect("a directory");
//! # let path = dir.path().join("folder");
//! let folder = Folder::init(&path, &Config::default())?;
//! let loose = folder.add_loose(&mut b"durable when it returns".as_slice())?;
//! let packed = folder.add_to_pack([b"one".as_slice(), b"two"], AddOptions::default(), None)?;
//! assert_eq!(folder.read(&packed[1])?, b"two");
//!
//! folder.pack_all_loose(Default::default(), None)?;
//! folder.clean_storage(false)?;
//! assert!(folder.has(&loose)?);
//! assert!(folder.validate(None)?.is_valid());
//! # Ok(())
//! # }
//! ```
//!
//! Any number of processes read, and write loose objects; one packs at a time, which is kept by locks that
//! end with their holder. What is done is durable: packs are synced before the index names what is in them,
//! and before loose originals go.

mod config;
mod files;
mod folder;
mod index;
mod layout;
mod lock;
mod loose;
mod maintain;
mod migrate;
mod pack;
mod place;
mod progress;
mod read;
mod source;
mod store;
mod write;
mod zlib;

pub use config::{Config, parse_compression, parse_hash_type};
pub use folder::{Folder, FolderOptions};
pub use layout::PackId;
pub use maintain::{
    Ids, ImportOptions, ObjectCount, PackLooseOptions, RepackOptions, TotalSize, ValidationIssues,
};
pub use migrate::{MigrateOptions, Migrated};
pub use pack::LockedPack;
pub use place::Place;
pub use read::{Found, ObjectMeta, ObjectReader, Objects};
pub use source::{FromReader, FromSeekable, Source};
pub use store::FolderStore;
pub use write::{AddOptions, PackAdder};
pub use zlib::CompressMode;
