//! Taking over objects of another folder, straight into packs.

use std::collections::BTreeSet;

use millpond::{BlobId, Progress, Result};

use crate::{
    folder::Folder,
    progress::{Steps, lend},
    source::FromReader,
    write::AddOptions,
};

/// How often progress is told.
const TELLINGS_MAX: u64 = 1000;
const TELLINGS_OF_FLUSH_MAX: u64 = 400;

/// How objects are imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportOptions {
    /// Whether to compress.
    pub compress: bool,
    /// Bytes that disk-objectstore would hold in memory: what is told of its last flush depends on it.
    /// Here, a megabyte or two are held, whatever it says.
    pub target_memory: u64,
    /// Whether packs are durable before the index names what is in them.
    pub sync: bool,
}

impl Default for ImportOptions {
    /// Uncompressed and durable.
    fn default() -> Self {
        Self { compress: false, target_memory: 100 << 20, sync: true }
    }
}

impl Folder {
    /// Imports objects of `source`, which may have ids of another kind, and answers for each that was
    /// imported its id there and its id here. Those that there aren't are passed over; with ids of the same
    /// kind, those that are here already, too. `progress` is told of objects.
    ///
    /// # Errors
    /// [`millpond::ErrorKind::Corrupt`] where an object is damaged there; as of [`Folder::add_to_pack`].
    pub fn import(
        &self,
        ids: impl IntoIterator<Item = BlobId>,
        source: &Self,
        options: ImportOptions,
        mut progress: Option<&mut dyn Progress>,
    ) -> Result<Vec<(BlobId, BlobId)>> {
        let mut ids: BTreeSet<_> = ids.into_iter().collect();
        let has_same_ids = source.config()?.hash_type == self.config()?.hash_type;
        if has_same_ids {
            let total = ids.len() as u64;
            let mut steps = Steps::begin(lend(&mut progress), Some(TELLINGS_MAX), || {
                Ok((total, "Listing objects".to_owned()))
            })?;
            let mut news = BTreeSet::new();
            for id in ids {
                steps.advance(1)?;
                if !self.has(&id)? {
                    news.insert(id);
                }
            }
            steps.end()?;
            ids = news;
        }
        let total = ids.len() as u64;
        let mut steps =
            Steps::begin(lend(&mut progress), Some(TELLINGS_MAX), || Ok((total, "Copy objects".to_owned())))?;
        let add = AddOptions { compress: options.compress, sync: options.sync, ..AddOptions::default() };
        let mut adder = self.pack_adder(add)?;
        let (mut imported, mut cached, mut cached_size) = (Vec::new(), 0u64, 0u64);
        for found in source.streams(ids, true)? {
            let found = found?;
            let Some(reader) = found.reader else { continue };
            let size = reader.size();
            imported.push((found.id, adder.add(&mut FromReader(reader))?));
            if size <= options.target_memory {
                if cached_size + size > options.target_memory {
                    (cached, cached_size) = (0, 0);
                }
                cached += 1;
                cached_size += size;
            }
            steps.advance(1)?;
        }
        steps.end()?;
        if cached > 0 {
            const FLUSH: &str = "Final flush";
            if !has_same_ids {
                adder.tell_existing(lend(&mut progress), FLUSH)?;
            }
            let mut steps =
                Steps::begin(progress, Some(TELLINGS_OF_FLUSH_MAX), || Ok((cached, FLUSH.to_owned())))?;
            for _ in 0..cached {
                steps.advance(1)?;
            }
            steps.end()?;
        }
        adder.finish()?;
        Ok(imported)
    }
}
