//! The extension module `millpond._millpond`: the front door of Millpond, for Python.
//!
//! One file a class, and no storage logic in any of them. What holds throughout:
//!
//! - Whatever may wait for a disk, a lock or another process runs with the interpreter released.
//! - What runs released works on bytes that nothing can change or free meanwhile: `bytes` objects
//!   are borrowed, since they are immutable and the caller holds them; other buffers are copied.
//! - Nothing about a store is kept here, so that a forked child sees what the front door makes of
//!   its handles, and nothing else.
//! - What is simpler in Python is in Python: errors, views, streams and displays are classes of the
//!   package `millpond`, fetched once by the functions of [`package`].

mod arguments;
mod array;
mod blobs;
mod bulk;
mod cli;
mod container;
mod dict;
mod engine;
mod engine_config;
mod engine_iterator;
mod engine_records;
mod engine_transaction;
mod errors;
mod folder;
mod folder_objects;
mod folder_source;
mod handle;
mod iterator;
mod map;
mod map_range;
mod map_seeker;
mod object;
mod object_lists;
mod package;
mod pool;
mod progress;
mod range;
mod reader;
mod records;
mod scrub;
mod sizes;
mod snapshot;
mod told;
mod transaction;
mod value;
mod view;
mod watch;
mod writer;

use pyo3::prelude::*;

/// The native half of the package `millpond`; import that one instead.
#[pymodule]
#[pyo3(name = "_millpond")]
mod native {
    #[pymodule_export]
    use crate::{
        array::{Array, ArrayStat},
        blobs::{BlobExtractions, BlobIds, BlobInsertions, Blobs},
        cli::run_cli,
        container::Container,
        dict::Dict,
        engine::NativeEngine,
        engine_iterator::NativeEngineIterator,
        engine_records::NativeEngineRecords,
        engine_transaction::NativeEngineTransaction,
        folder::NativeFolder,
        folder_objects::{FolderContents, FolderIds, FolderObjects},
        iterator::DictIterator,
        map::{OrderedMap, register_comparator},
        map_range::MapRange,
        map_seeker::MapSeeker,
        object::Object,
        object_lists::{ObjectExtents, ObjectIds, ObjectKeys},
        pool::Pool,
        range::DictRange,
        reader::NativeReader,
        sizes::{
            _set_own_timeout, format_size, get_timeout, home, parse_size, set_timeout, verify_backup, version,
        },
        snapshot::{DiffIterator, Difference},
        transaction::Transaction,
        view::ValueView,
        watch::{Change, NativeCommit, NativeWatch},
        writer::NativeWriter,
    };
}
