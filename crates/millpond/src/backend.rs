//! The one place that names backends: it opens the store of a pool wherever that is.

use std::{path::Path, sync::Arc};

use millpond_core::{ErrorKind, PoolDocument, PoolStore, Result};
use millpond_local::LocalPool;
use millpond_memory::MemoryPool;

use crate::location::Place;

/// Creates a pool.
///
/// # Errors
/// `AlreadyExists` when there is one in that place.
pub(crate) fn create(place: &Place, document: &PoolDocument) -> Result<Arc<dyn PoolStore>> {
    Ok(match place {
        Place::Memory(label) => Arc::new(MemoryPool::create(label, document)?),
        Place::Directory(path) => Arc::new(LocalPool::create(path, document)?),
    })
}

/// Opens the pool in a place, if there is one.
pub(crate) fn open(place: &Place) -> Result<Option<Arc<dyn PoolStore>>> {
    match place {
        Place::Memory(label) => Ok(MemoryPool::find(label).map(|pool| Arc::new(pool) as Arc<dyn PoolStore>)),
        Place::Directory(path) => match LocalPool::open(path) {
            Ok(pool) => Ok(Some(Arc::new(pool))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        },
    }
}

/// The description of the pool in a directory, without opening it; `None` where there is no pool.
pub(crate) fn peek(directory: &Path) -> Result<Option<PoolDocument>> {
    LocalPool::peek(directory)
}
