//! The one place that names backends: it opens the store of a pool wherever that is.

use std::{path::Path, sync::Arc};

use millpond_core::{ErrorKind, PoolDocument, PoolStore, Progress, Result, VerifiedBackup};
use millpond_local::LocalPool;
use millpond_memory::MemoryPool;

use crate::location::{CephPool, Place};

/// Creates a pool.
///
/// # Errors
/// `AlreadyExists` when there is one in that place.
pub(crate) fn create(place: &Place, document: &PoolDocument) -> Result<Arc<dyn PoolStore>> {
    Ok(match place {
        Place::Memory(label) => Arc::new(MemoryPool::create(label, document)?),
        Place::Directory(path) => Arc::new(LocalPool::create(path, document)?),
        Place::Rados(pool) => rados::create(pool, document)?,
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
        Place::Rados(pool) => rados::open(pool),
    }
}

/// The description of the pool in a directory, without opening it; `None` where there is no pool.
pub(crate) fn peek(directory: &Path) -> Result<Option<PoolDocument>> {
    LocalPool::peek(directory)
}

/// Compares the files of a backup with what was written; backups are made by the local backend alone.
pub(crate) fn verify_backup(from: &Path, progress: &mut dyn Progress) -> Result<VerifiedBackup> {
    LocalPool::verify_backup(from, progress)
}

#[cfg(feature = "rados")]
mod rados {
    use millpond_rados::{ClusterOptions, RadosPool};

    use super::{Arc, CephPool, PoolDocument, PoolStore, Result};

    fn options(pool: &CephPool) -> ClusterOptions {
        ClusterOptions { conf: None, user: pool.user.as_ref().map(|user| user.as_str().to_owned()) }
    }

    pub(super) fn create(pool: &CephPool, document: &PoolDocument) -> Result<Arc<dyn PoolStore>> {
        Ok(Arc::new(RadosPool::create(pool.name.as_str(), &options(pool), document)?))
    }

    pub(super) fn open(pool: &CephPool) -> Result<Option<Arc<dyn PoolStore>>> {
        let opened = RadosPool::open(pool.name.as_str(), &options(pool))?;
        Ok(opened.map(|pool| Arc::new(pool) as Arc<dyn PoolStore>))
    }
}

#[cfg(not(feature = "rados"))]
mod rados {
    use millpond_core::Error;

    use super::{Arc, CephPool, ErrorKind, PoolDocument, PoolStore, Result};

    fn missing(pool: &CephPool) -> Error {
        let message = format!(
            "rados://{}: this build of Millpond has no RADOS backend; build it with the feature `rados`",
            pool.name
        );
        Error::new(ErrorKind::NotSupported, message)
    }

    pub(super) fn create(pool: &CephPool, _document: &PoolDocument) -> Result<Arc<dyn PoolStore>> {
        Err(missing(pool))
    }

    pub(super) fn open(pool: &CephPool) -> Result<Option<Arc<dyn PoolStore>>> {
        Err(missing(pool))
    }
}
