//! A folder's objects go into a store of another kind.
//!
//! The folder is only read. What the store has already is passed over, by its id: so a migration that was
//! interrupted is done again, and goes on where it was. Objects are read in the order in which they lie in
//! the packs, and compared with their ids on the way.

use std::{
    collections::BTreeSet,
    io::{self, Read},
    sync::{Arc, Mutex, PoisonError},
};

use millpond::{
    BlobId, BlobSource, BlobStore, Compression, Error, ErrorKind, InsertOptions, Progress, Result,
};

use crate::{
    folder::Folder,
    read::{ObjectReader, into_error},
};

/// Objects that are looked up and read together.
const TOGETHER: usize = 10_000;

/// How a folder is migrated.
#[derive(Clone, Copy, Debug, Default)]
pub struct MigrateOptions {
    /// How objects are stored that look worth compressing, whatever they were in the folder; without it,
    /// as the store does.
    pub compression: Option<Compression>,
    /// Only count what would be migrated.
    pub dry_run: bool,
}

/// What a migration did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Objects that were migrated.
    pub count: u64,
    /// Bytes that they have.
    pub bytes: u64,
    /// Objects that the store had already.
    pub present: u64,
    /// Objects that are damaged in the folder, and were left out, with the reason.
    pub damaged: Vec<(BlobId, String)>,
}

/// The object that couldn't be read, and why.
type Failure = Arc<Mutex<Option<(BlobId, Error)>>>;

/// An object that says so when it can't be read.
struct Watched {
    reader: ObjectReader,
    failure: Failure,
}

impl Folder {
    /// Stores all objects of the folder in `store`, durably as that is; nothing in the folder changes.
    /// `progress` is told of objects.
    ///
    /// # Errors
    /// `InvalidArgument` when the store names blobs by another hash than the folder; those of either. What
    /// was migrated until then stays.
    pub fn migrate(
        &self,
        store: &dyn BlobStore,
        options: &MigrateOptions,
        progress: &mut dyn Progress,
    ) -> Result<Migrated> {
        let (ours, theirs) = (self.config()?.hash_type, store.hash_type());
        if ours != theirs {
            let message = format!(
                "the folder {} names objects by {ours}, and the store by {theirs}: make a store of {ours}",
                self.path().display()
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let mut migrated = Migrated::default();
        progress.begin(self.count_distinct()?, "Migrating")?;
        let mut ids = self.ids()?;
        loop {
            let batch = ids.by_ref().take(TOGETHER).collect::<Result<Vec<_>>>()?;
            if batch.is_empty() {
                break;
            }
            let there = store.has_many(&batch)?;
            let news: BTreeSet<_> =
                batch.iter().zip(&there).filter(|(_, there)| !**there).map(|(id, _)| *id).collect();
            let present = (batch.len() - news.len()) as u64;
            migrated.present += present;
            progress.advance(present)?;
            if options.dry_run {
                for found in self.metas(news, true)? {
                    migrated.count += 1;
                    migrated.bytes += found?.meta.size().unwrap_or(0);
                    progress.advance(1)?;
                }
            } else {
                self.migrate_batch(news, store, options, &mut migrated, progress)?;
            }
        }
        progress.end()?;
        Ok(migrated)
    }

    fn migrate_batch(
        &self,
        mut ids: BTreeSet<BlobId>,
        store: &dyn BlobStore,
        options: &MigrateOptions,
        migrated: &mut Migrated,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let insert = InsertOptions { compression: options.compression, ..InsertOptions::default() };
        while !ids.is_empty() {
            let failure = Failure::default();
            let noted = failure.clone();
            let sources = self.streams(ids.iter().copied(), true)?.filter_map(move |found| match found {
                Ok(found) => {
                    let reader = Watched { reader: found.reader?, failure: noted.clone() };
                    Some(Ok(BlobSource::Reader(Box::new(reader))))
                }
                Err(error) => Some(Err(error)),
            });
            let mut failed = None;
            for inserted in store.insert_many(Box::new(sources), &insert)? {
                match inserted {
                    Ok(inserted) => {
                        if !ids.remove(&inserted.id) {
                            store.delete(&[inserted.id])?;
                            let id = inserted.id;
                            let message = format!("an object of the folder became {id}, which isn't its id");
                            return Err(Error::new(ErrorKind::Corrupt, message));
                        }
                        migrated.count += 1;
                        migrated.bytes += inserted.raw_size;
                        progress.advance(1)?;
                    }
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            let Some(error) = failed else { break };
            let culprit = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
            match culprit {
                // The others are as good as they were.
                Some((id, reason)) if reason.kind() == ErrorKind::Corrupt && ids.remove(&id) => {
                    migrated.damaged.push((id, reason.to_string()));
                    progress.advance(1)?;
                }
                _ => return Err(error),
            }
            // Some of those before it may be stored, and not have been told of.
            let rest: Vec<_> = ids.iter().copied().collect();
            for (id, is_there) in rest.iter().zip(store.has_many(&rest)?) {
                if is_there {
                    ids.remove(id);
                    migrated.count += 1;
                    migrated.bytes += self.meta(id)?.size().unwrap_or(0);
                    progress.advance(1)?;
                }
            }
        }
        Ok(())
    }
}

impl Read for Watched {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.reader.read(room).map_err(|error| {
            let id = self.reader.id();
            let kind = error.kind();
            let error = into_error(error, &id);
            let message = error.to_string();
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some((id, error));
            io::Error::new(kind, message)
        })
    }
}
