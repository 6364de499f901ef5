//! The one place that names backends: it opens the store of a pool wherever that is.

use std::{path::Path, sync::Arc};

use millpond_core::{Error, ErrorKind, PoolDocument, PoolStore, Result};
use millpond_memory::MemoryPool;

use crate::location::Place;

/// Creates a pool.
///
/// # Errors
/// `AlreadyExists` when there is one in that place.
pub(crate) fn create(place: &Place, document: &PoolDocument) -> Result<Arc<dyn PoolStore>> {
    match place {
        Place::Memory(label) => Ok(Arc::new(MemoryPool::create(label, document)?)),
        Place::Directory(path) => Err(unsupported(path)),
    }
}

/// Opens the pool in a place, if there is one.
pub(crate) fn open(place: &Place) -> Result<Option<Arc<dyn PoolStore>>> {
    match place {
        Place::Memory(label) => Ok(MemoryPool::find(label).map(|pool| Arc::new(pool) as Arc<dyn PoolStore>)),
        Place::Directory(path) => match peek(path)? {
            None => Ok(None),
            Some(_) => Err(unsupported(path)),
        },
    }
}

/// The description of the pool in a directory, without opening it; `None` where there is no pool.
pub(crate) fn peek(_directory: &Path) -> Result<Option<PoolDocument>> {
    Ok(None)
}

fn unsupported(path: &Path) -> Error {
    Error::new(ErrorKind::NotSupported, format!("{}: no pools in directories yet", path.display()))
}
