//! A folder as a store of blobs, beside those of other kinds. What is inserted one by one is loose, many go
//! into packs; nothing is stored that is there already.

use std::{
    borrow::Cow,
    collections::VecDeque,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
};

use bytes::Bytes;
use millpond::{
    BlobId, BlobMeta, BlobRead, BlobSource, BlobStore, Codec, Error, ErrorKind, Extracted, HashType,
    InsertOptions, Inserted, Result,
};

use crate::{
    folder::Folder,
    read::{Found, ObjectMeta, ObjectReader, into_error},
    source::Source,
    write::{AddOptions, PackAdder},
};

/// How many are looked up, or become durable, together.
const TOGETHER: usize = 10_000;
/// Bytes that become durable together.
const TOGETHER_BYTES: u64 = 64 << 20;

/// A folder as a [`BlobStore`].
#[derive(Debug)]
pub struct FolderStore {
    folder: Folder,
    hash_type: HashType,
}

/// A reader that says what is known of its blob.
struct Opened {
    meta: BlobMeta,
    reader: ObjectReader,
}

impl Folder {
    /// The folder as a store of blobs.
    ///
    /// # Errors
    /// Those of [`Folder::config`].
    pub fn as_store(&self) -> Result<FolderStore> {
        Ok(FolderStore { folder: self.clone(), hash_type: self.config()?.hash_type })
    }
}

impl FolderStore {
    /// The folder itself, for what others don't have.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

impl BlobStore for FolderStore {
    fn hash_type(&self) -> HashType {
        self.hash_type
    }

    /// Of the options, these folders know none: an object that is inserted alone isn't compressed, and none
    /// has a note.
    fn insert(&self, source: BlobSource<'_>, options: &InsertOptions) -> Result<Inserted> {
        expect_no_note(options)?;
        let mut counted = Counted::new(source);
        let (id, is_new) = self.folder.add_loose_unless_packed(&mut counted)?;
        Ok(Inserted { id, raw_size: counted.count, is_new })
    }

    fn insert_many<'a>(
        &'a self,
        sources: Box<dyn Iterator<Item = Result<BlobSource<'a>>> + Send + 'a>,
        options: &InsertOptions,
    ) -> Result<Box<dyn Iterator<Item = Result<Inserted>> + Send + 'a>> {
        expect_no_note(options)?;
        let compress = options.compression.is_some_and(|compression| compression.codec() != Codec::None);
        Ok(Box::new(Inserting { store: self, sources, compress, done: VecDeque::new() }))
    }

    fn open(&self, id: &BlobId) -> Result<Option<Box<dyn BlobRead>>> {
        match self.folder.stream_and_meta(id) {
            Ok((reader, meta)) => Ok(opened(*id, meta, reader)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn extract_many<'a>(
        &'a self,
        mut ids: Box<dyn Iterator<Item = BlobId> + Send + 'a>,
    ) -> Result<Box<dyn Iterator<Item = Result<Extracted>> + Send + 'a>> {
        let mut batch = None;
        Ok(Box::new(std::iter::from_fn(move || {
            loop {
                if let Some(found) = batch.as_mut().and_then(Iterator::next) {
                    return Some(Result::map(found, |Found { id, meta, reader }| Extracted {
                        id,
                        content: reader.and_then(|reader| opened(id, meta, reader)),
                    }));
                }
                let more: Vec<_> = ids.by_ref().take(TOGETHER).collect();
                if more.is_empty() {
                    return None;
                }
                match self.folder.streams(more, false) {
                    Ok(found) => batch = Some(found),
                    Err(error) => return Some(Err(error)),
                }
            }
        })))
    }

    fn meta_many(&self, ids: &[BlobId]) -> Result<Vec<Option<BlobMeta>>> {
        ids.iter().map(|id| Ok(blob_meta(*id, self.folder.meta(id)?))).collect()
    }

    fn has_many(&self, ids: &[BlobId]) -> Result<Vec<bool>> {
        self.folder.has_many(ids.iter().copied())
    }

    fn list(&self) -> Result<Box<dyn Iterator<Item = Result<BlobId>> + Send>> {
        Ok(Box::new(self.folder.ids()?))
    }

    fn count(&self) -> Result<u64> {
        self.folder.count_distinct()
    }

    fn delete(&self, ids: &[BlobId]) -> Result<Vec<BlobId>> {
        self.folder.delete(ids.iter().copied())
    }

    fn extract(&self, id: &BlobId) -> Result<Bytes> {
        self.folder.read(id).map(Bytes::from)
    }

    fn extract_into(&self, id: &BlobId, into: &mut dyn Write) -> Result<u64> {
        let mut reader = self.folder.stream(id)?;
        io::copy(&mut reader, into).map_err(|error| into_error(error, id))
    }
}

/// Sources that are inserted a batch at a time, each batch durable before it is told of.
struct Inserting<'a> {
    store: &'a FolderStore,
    sources: Box<dyn Iterator<Item = Result<BlobSource<'a>>> + Send + 'a>,
    compress: bool,
    done: VecDeque<Result<Inserted>>,
}

impl Inserting<'_> {
    fn insert_batch(&mut self) -> Result<()> {
        let mut batch: Option<PackAdder> = None;
        let (mut inserted, mut bytes, mut failed) = (Vec::new(), 0, None);
        while inserted.len() < TOGETHER && bytes < TOGETHER_BYTES {
            let Some(source) = self.sources.next() else { break };
            let adder = match &mut batch {
                Some(adder) => adder,
                slot => {
                    let options = AddOptions { compress: self.compress, ..AddOptions::default() };
                    slot.insert(self.store.folder.pack_adder(options)?.without_loose())
                }
            };
            let added = source.and_then(|source| {
                let mut counted = Counted::new(source);
                let (id, is_new) = adder.add_if_new(&mut counted)?;
                Ok(Inserted { id, raw_size: counted.count, is_new })
            });
            match added {
                Ok(one) => {
                    bytes += one.raw_size;
                    inserted.push(one);
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        batch.map_or(Ok(()), PackAdder::finish)?;
        self.done.extend(inserted.into_iter().map(Ok));
        self.done.extend(failed.map(Err));
        Ok(())
    }
}

impl Iterator for Inserting<'_> {
    type Item = Result<Inserted>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done.is_empty()
            && let Err(error) = self.insert_batch()
        {
            return Some(Err(error));
        }
        self.done.pop_front()
    }
}

/// A source whose bytes are counted as they are taken.
struct Counted<'a> {
    source: BlobSource<'a>,
    file: Option<File>,
    count: u64,
}

impl<'a> Counted<'a> {
    fn new(source: BlobSource<'a>) -> Self {
        let count = if let BlobSource::Bytes(bytes) = &source { bytes.len() as u64 } else { 0 };
        Self { source, file: None, count }
    }
}

impl Source for Counted<'_> {
    fn open(&mut self) -> io::Result<()> {
        if let BlobSource::Path(path) = &self.source {
            let opened = File::open(path);
            let named = |error| Error::io(format!("opening {}", path.display()), error);
            self.file = Some(opened.map_err(|error| io::Error::other(named(error)))?);
        }
        Ok(())
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let length = match (&mut self.source, &mut self.file) {
            (BlobSource::Reader(reader), _) => reader.read(room)?,
            (_, Some(file)) => file.read(room)?,
            _ => 0,
        };
        self.count += length as u64;
        Ok(length)
    }

    fn close(&mut self) -> io::Result<()> {
        self.file = None;
        Ok(())
    }

    fn bytes(&self) -> Option<&[u8]> {
        match &self.source {
            BlobSource::Bytes(Cow::Borrowed(bytes)) => Some(bytes),
            BlobSource::Bytes(Cow::Owned(bytes)) => Some(bytes),
            _ => None,
        }
    }
}

fn expect_no_note(options: &InsertOptions) -> Result<()> {
    if options.note.is_none() {
        return Ok(());
    }
    let message = "folders of disk-objectstore have no place for notes about objects: leave it out";
    Err(Error::new(ErrorKind::NotSupported, message))
}

fn blob_meta(id: BlobId, meta: ObjectMeta) -> Option<BlobMeta> {
    let (raw_size, size, codec) = match meta {
        ObjectMeta::Loose { size } => (size, size, Codec::None),
        ObjectMeta::Packed(place) if place.is_compressed => (place.size, place.length, Codec::Zlib),
        ObjectMeta::Packed(place) => (place.size, place.length, Codec::None),
        ObjectMeta::Missing => return None,
    };
    Some(BlobMeta { id, raw_size, size, codec, note: None })
}

fn opened(id: BlobId, meta: ObjectMeta, reader: ObjectReader) -> Option<Box<dyn BlobRead>> {
    let meta = blob_meta(id, meta)?;
    Some(Box::new(Opened { meta, reader }))
}

impl Read for Opened {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.reader.read(room)
    }

    fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        self.reader.read_to_end(bytes)
    }
}

impl Seek for Opened {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.reader.seek(to)
    }
}

impl BlobRead for Opened {
    fn meta(&self) -> &BlobMeta {
        &self.meta
    }
}
