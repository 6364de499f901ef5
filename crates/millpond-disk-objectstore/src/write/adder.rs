//! Adding objects to packs, one by one, without a loose stage. What is known already isn't written, or is
//! taken back when only its end shows that it is.

use millpond::{BlobId, HashType, Hasher, Progress, Result};

use super::{AddOptions, Packing};
use crate::{
    folder::Folder,
    index::Written,
    progress::{Steps, lend},
    source::{Source, failed, fill, with_opened},
};

/// What is asked of a source at a time.
const CHUNK: usize = 64 << 10;
/// What is asked of a source at a time when only its id is wanted.
const CHUNK_OF_HASH: usize = 512 << 10;
/// An object that isn't larger is known by its id before it is written.
const BUFFER: usize = 1 << 20;
/// How often progress is told.
const TELLINGS_MAX: u64 = 400;
/// Rows that disk-objectstore looks at between two tellings.
const PAGE: u64 = 1000;

/// Adds objects to packs. What was added is there when [`PackAdder::finish`] says so, or, where there is
/// much of it, a part of it before; dropped without it, it leaves nothing else.
#[derive(Debug)]
pub struct PackAdder {
    folder: Folder,
    packing: Packing,
    options: AddOptions,
    hash_type: HashType,
    /// Whether what is loose counts as known.
    knows_loose: bool,
    buffer: Vec<u8>,
}

impl Folder {
    /// Begins to add objects to packs. Nobody else packs until it is done.
    ///
    /// # Errors
    /// [`millpond::ErrorKind::Timeout`] where somebody else packs.
    pub fn pack_adder(&self, options: AddOptions) -> Result<PackAdder> {
        let written = if options.commit { Written::Committed } else { Written::Waits };
        let packing = Packing::new(self, self.packer()?, options.sync, written);
        let hash_type = self.config()?.hash_type;
        let folder = self.clone();
        Ok(PackAdder { folder, packing, options, hash_type, knows_loose: false, buffer: Vec::new() })
    }

    /// Adds objects to packs, and answers their ids in the same order. `progress` is told of objects.
    ///
    /// # Errors
    /// Where a source, the disk or `progress` fails: then none of the last pack's objects is there.
    pub fn add_to_pack<S: Source>(
        &self,
        sources: impl IntoIterator<Item = S>,
        options: AddOptions,
        mut progress: Option<&mut dyn Progress>,
    ) -> Result<Vec<BlobId>> {
        let mut adder = self.pack_adder(options)?;
        if options.no_holes {
            adder.tell_existing(lend(&mut progress), "List existing")?;
        }
        let sources = sources.into_iter();
        let total = sources.size_hint().0 as u64;
        let mut steps =
            Steps::begin(progress, Some(TELLINGS_MAX), || Ok((total, "Bulk storing".to_owned())))?;
        let mut ids = Vec::with_capacity(sources.size_hint().0);
        for mut source in sources {
            steps.advance(1)?;
            ids.push(adder.add(&mut source)?);
        }
        adder.finish()?;
        steps.end()?;
        Ok(ids)
    }

    /// Adds one object to a pack.
    ///
    /// # Errors
    /// As of [`Folder::add_to_pack`].
    pub fn add_one_to_pack<S: Source + ?Sized>(&self, source: &mut S, options: AddOptions) -> Result<BlobId> {
        let mut adder = self.pack_adder(options)?;
        let id = adder.add(source)?;
        adder.finish()?;
        Ok(id)
    }

    /// Commits what was added without a commit.
    ///
    /// # Errors
    /// Where the index can't be written.
    pub fn commit(&self) -> Result<()> {
        self.with_index(|index| index.commit())
    }
}

impl PackAdder {
    /// Adds an object.
    ///
    /// # Errors
    /// Where the source or the disk fails. Others can be added nevertheless.
    pub fn add<S: Source + ?Sized>(&mut self, source: &mut S) -> Result<BlobId> {
        self.add_if_new(source).map(|(id, _)| id)
    }

    /// Has what is loose count as known, so that nothing is stored twice.
    pub(crate) fn without_loose(mut self) -> Self {
        self.knows_loose = true;
        self
    }

    /// Adds an object. Answers whether it is new, too.
    pub(crate) fn add_if_new<S: Source + ?Sized>(&mut self, source: &mut S) -> Result<(BlobId, bool)> {
        with_opened(source, |source| {
            if let Some(bytes) = source.bytes() {
                return self.add_bytes(bytes);
            }
            if self.options.no_holes && self.options.read_twice {
                let id = digest(source, self.hash_type)?;
                if self.is_known(&id)? {
                    return Ok((id, false));
                }
                source.rewind().map_err(failed)?;
            }
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.resize(BUFFER, 0);
            let added = match fill(source, &mut buffer, CHUNK) {
                Ok(length) if length < BUFFER => self.add_bytes(&buffer[..length]),
                Ok(_) => self.add_long(source, &mut buffer),
                Err(error) => Err(failed(error)),
            };
            self.buffer = buffer;
            added
        })
    }

    /// An object whose content is in memory.
    fn add_bytes(&mut self, bytes: &[u8]) -> Result<(BlobId, bool)> {
        let id = self.hash_type.hash(bytes);
        if self.is_known(&id)? {
            return Ok((id, false));
        }
        let mut begun = self.packing.begin(self.options.compress)?;
        if let Err(error) = self.packing.append(&mut begun, bytes) {
            self.packing.give_up(&begun)?;
            return Err(error);
        }
        self.packing.end(begun, id)?;
        Ok((id, true))
    }

    /// Commits, unless it was asked not to.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn finish(mut self) -> Result<()> {
        self.packing.complete()?;
        Ok(())
    }

    /// An object of which only a part fits into the buffer, which is full.
    fn add_long<S: Source + ?Sized>(&mut self, source: &mut S, buffer: &mut [u8]) -> Result<(BlobId, bool)> {
        let mut hasher = Hasher::new(self.hash_type);
        let mut begun = self.packing.begin(self.options.compress)?;
        let mut length = buffer.len();
        let written = loop {
            hasher.update(&buffer[..length]);
            if let Err(error) = self.packing.append(&mut begun, &buffer[..length]) {
                break Err(error);
            }
            match fill(source, buffer, CHUNK) {
                Ok(0) => break Ok(hasher.finish()),
                Ok(more) => length = more,
                Err(error) => break Err(failed(error)),
            }
        };
        match written.and_then(|id| Ok((id, self.is_known(&id)?))) {
            Ok((id, false)) => {
                self.packing.end(begun, id)?;
                Ok((id, true))
            }
            Ok((id, true)) => self.packing.give_up(&begun).map(|()| (id, false)),
            Err(error) => {
                self.packing.give_up(&begun)?;
                Err(error)
            }
        }
    }

    fn is_known(&self, id: &BlobId) -> Result<bool> {
        if self.packing.has_waiting(id) || self.folder.with_index(|index| index.contains(id))? {
            return Ok(true);
        }
        Ok(self.knows_loose && self.folder.has(id)?)
    }

    /// Tells what disk-objectstore tells while it lists what is packed.
    pub(crate) fn tell_existing(
        &self,
        progress: Option<&mut (dyn Progress + '_)>,
        description: &str,
    ) -> Result<()> {
        if progress.is_none() {
            return Ok(());
        }
        let total = self.folder.with_index(|index| index.count())?;
        if total == 0 {
            return Ok(());
        }
        let mut steps = Steps::begin(progress, Some(TELLINGS_MAX), || Ok((total, description.to_owned())))?;
        let mut left = total;
        while left > 0 {
            let page = left.min(PAGE);
            steps.advance(page)?;
            left -= page;
        }
        steps.end()
    }
}

/// The id of what a source has.
pub(crate) fn digest<S: Source + ?Sized>(source: &mut S, hash_type: HashType) -> Result<BlobId> {
    let mut hasher = Hasher::new(hash_type);
    let mut chunk = vec![0; CHUNK_OF_HASH];
    loop {
        match fill(source, &mut chunk, CHUNK_OF_HASH).map_err(failed)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(&chunk[..length]),
        }
    }
}
