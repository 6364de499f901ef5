//! What inserts and extracts: the one interface of all stores of blobs, wherever their bytes are.

use std::{
    borrow::Cow,
    io::{Read, Seek, Write},
    path::PathBuf,
};

use bytes::Bytes;
use millpond_core::Result;
use serde::Serialize;

use super::digest::{BlobId, HashType};
use crate::value::codec::{Codec, Compression};

/// A store of immutable blobs, each named by the hash of its content. Threads may use it at once.
///
/// [`Blobs`](crate::Blobs) of a container are one; so is a folder of another program, or what a
/// service on other machines offers.
pub trait BlobStore: Send + Sync {
    /// The hash that names its blobs.
    fn hash_type(&self) -> HashType;

    /// Stores what a source holds, unless it is there already; durable on return as the store's
    /// handle says.
    ///
    /// # Errors
    /// `NoSpace` when there is no room; `Io` when the source can't be read: then nothing has changed.
    fn insert(&self, source: BlobSource<'_>, options: &InsertOptions) -> Result<Inserted>;

    /// Stores what many sources hold, in their order, in bounded memory, and many of them with one
    /// sync. What the answers tell of is durable when they end; where an error ends them early, what
    /// came before it may be stored or not.
    fn insert_many<'a>(
        &'a self,
        sources: Box<dyn Iterator<Item = Result<BlobSource<'a>>> + Send + 'a>,
        options: &InsertOptions,
    ) -> Result<Box<dyn Iterator<Item = Result<Inserted>> + Send + 'a>>;

    /// Reads one, in bounded memory; nothing where there is none of that name.
    fn open(&self, id: &BlobId) -> Result<Option<Box<dyn BlobRead>>>;

    /// Reads many in bounded memory, in whatever order is fast; with nothing for those that aren't
    /// there.
    fn extract_many<'a>(
        &'a self,
        ids: Box<dyn Iterator<Item = BlobId> + Send + 'a>,
    ) -> Result<Box<dyn Iterator<Item = Result<Extracted>> + Send + 'a>>;

    /// What is known of many, in the order of the ids, without reading their content.
    fn meta_many(&self, ids: &[BlobId]) -> Result<Vec<Option<BlobMeta>>>;

    /// Which of many there are, in the order of the ids.
    fn has_many(&self, ids: &[BlobId]) -> Result<Vec<bool>> {
        Ok(self.meta_many(ids)?.iter().map(Option::is_some).collect())
    }

    /// All ids, each once.
    fn list(&self) -> Result<Box<dyn Iterator<Item = Result<BlobId>> + Send>>;

    /// How many there are.
    fn count(&self) -> Result<u64>;

    /// Deletes what is there of `ids`, in one commit where the store has such; answers those.
    fn delete(&self, ids: &[BlobId]) -> Result<Vec<BlobId>>;

    /// All of a blob, in memory.
    ///
    /// # Errors
    /// `NotFound`, naming the id; `ValueTooLong` when it doesn't fit in memory.
    fn extract(&self, id: &BlobId) -> Result<Bytes>;

    /// Writes all of a blob to a writer, and answers how many bytes that were.
    ///
    /// # Errors
    /// `NotFound`, naming the id; `Io` when the writer fails.
    fn extract_into(&self, id: &BlobId, into: &mut dyn Write) -> Result<u64>;
}

/// Where the content of a blob comes from.
pub enum BlobSource<'a> {
    /// It is in memory.
    Bytes(Cow<'a, [u8]>),
    /// It is read to the end, from where the reader stands.
    Reader(Box<dyn Read + Send + 'a>),
    /// It is a file, opened when its turn comes and closed after it.
    Path(PathBuf),
}

impl<'a> From<&'a [u8]> for BlobSource<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}

impl From<Vec<u8>> for BlobSource<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Cow::Owned(bytes))
    }
}

/// How blobs are inserted.
#[derive(Clone, Debug, Default)]
pub struct InsertOptions {
    /// How they are stored, if compressing them is [worth](super::worth::Worth) it; without one, as the
    /// store's settings say.
    pub compression: Option<Compression>,
    /// Whether what the other codec has compressed is compressed again.
    pub recompress: bool,
    /// What the user notes about them, at most 4 KiB; kept with the blob, and replaced by a later note.
    pub note: Option<Bytes>,
}

/// A blob that was inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Inserted {
    /// Its name.
    pub id: BlobId,
    /// How many bytes it has.
    pub raw_size: u64,
    /// Whether it wasn't there before.
    pub is_new: bool,
}

/// What is known of a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BlobMeta {
    /// Its name.
    pub id: BlobId,
    /// How many bytes it has.
    pub raw_size: u64,
    /// How many bytes it takes in the store, compressed or not, without the store's own frames.
    pub size: u64,
    /// How it is stored.
    pub codec: Codec,
    /// What the user noted about it.
    #[serde(skip)]
    pub note: Option<Bytes>,
}

/// One of many that were asked for.
pub struct Extracted {
    /// Its name.
    pub id: BlobId,
    /// Its content, if it is there.
    pub content: Option<Box<dyn BlobRead>>,
}

/// Reads a blob, from any place in it, in bounded memory.
pub trait BlobRead: Read + Seek + Send {
    /// What is known of the blob, but for its note, which nobody looked up.
    fn meta(&self) -> &BlobMeta;

    /// All of it, where it is in memory already.
    fn whole(&self) -> Option<&Bytes> {
        None
    }
}
