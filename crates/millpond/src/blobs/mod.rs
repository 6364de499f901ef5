//! Blobs: immutable bytes, named by their hash.
//!
//! A store of blobs is an object with a name, as a dictionary is, and a blob is an entry of it, under its
//! hash: so that blobs take part in transactions, snapshots and watches as entries do. There is no
//! stage before: a short blob lies in its record, a longer one in segments beside others, and none costs a
//! file.
//!
//! Invariants:
//! - A blob is inserted under the condition that there is none of its name: of two that insert it at once,
//!   one finds it there, and gives back what it wrote.
//! - What a blob adds to the counters of bytes is changed in the commit that makes or deletes its record,
//!   under the condition that the record is as it was: so that they are exact.
//!
//! [`digest`]: names. [`worth`]: what is compressed. [`insert`], [`batch`]: one, and many with one sync.
//! [`extract`]: reading. [`maintenance`]: recompression and validation. [`store`]: the interface that
//! stores of other kinds have too.

mod batch;
mod digest;
mod encode;
mod extract;
mod insert;
mod maintenance;
mod parallel;
mod settings;
mod store;
mod worth;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use millpond_core::{
    Cursor, Direction, Error, ErrorKind, KeyRange, Op, Precondition, Record, RecordRef, Result, View, Write,
};
use serde::Serialize;

pub use self::{
    batch::Insertions,
    digest::{BlobId, HashType, Hasher},
    extract::{BlobReader, Extractions},
    maintenance::{OptimizeOptions, Optimized, Validated},
    settings::BlobSettings,
    store::{BlobMeta, BlobRead, BlobSource, BlobStore, Extracted, InsertOptions, Inserted},
    worth::Worth,
};
use crate::{
    container::Container,
    layout::{self, NamedKind, RAW_BYTES, STORED_BYTES},
    named::Named,
    transaction::Transaction,
    value::{Applied, CONFLICT_RETRIES, Stored},
};

/// The most bytes of a note about a blob.
const NOTE_BYTES_MAX: usize = 4096;

/// Blobs that one commit deletes at most.
const DELETED_TOGETHER: usize = 10_000;

/// A content-addressed store: each blob is named by the hash of what it holds, is stored once, and never
/// changes. Clones are cheap; threads and processes may use it at once.
///
/// ```
/// use millpond::{BlobSettings, BlobStore, ContainerOptions, InsertOptions, Pool, PoolOptions};
///
/// # fn main() -> millpond::Result<()> {
/// # let pool = Pool::create("mem:blobs", PoolOptions::default())?;
/// # let container = pool.create_container(Some("files"), ContainerOptions::default())?;
/// let blobs = container.create_blobs("blobs", BlobSettings::default())?;
/// let inserted = blobs.insert(b"to be kept"[..].into(), &InsertOptions::default())?;
/// assert!(inserted.is_new);
/// assert_eq!(blobs.extract(&inserted.id)?, &b"to be kept"[..]);
/// # Pool::destroy("mem:blobs", true)
/// # }
/// ```
#[derive(Clone)]
pub struct Blobs {
    named: Arc<Named>,
    settings: BlobSettings,
}

/// What a store of blobs holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BlobsStatus {
    /// How many blobs there are.
    pub count: u64,
    /// How many bytes they have.
    pub raw_size: u64,
    /// How many bytes they take, compressed or not, without the store's own frames.
    pub size: u64,
}

impl Blobs {
    pub(crate) fn new(named: Named, settings: BlobSettings) -> Self {
        Self { named: Arc::new(named), settings }
    }

    /// The same store of blobs, as a transaction sees and changes it.
    ///
    /// # Errors
    /// `InvalidArgument` when the transaction is of another container.
    pub fn within(&self, transaction: &Transaction) -> Result<Self> {
        Ok(Self { named: Arc::new(self.named.within(transaction)?), settings: self.settings })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.named.name
    }

    /// The container that holds it.
    pub fn container(&self) -> &Container {
        &self.named.container
    }

    /// How it names and stores blobs.
    pub fn settings(&self) -> BlobSettings {
        self.settings
    }

    /// How many blobs and bytes it holds: exact, and as quick for millions as for none.
    pub fn status(&self) -> Result<BlobsStatus> {
        Ok(BlobsStatus {
            count: self.named.len()?,
            raw_size: self.named.counter(RAW_BYTES)?,
            size: self.named.counter(STORED_BYTES)?,
        })
    }

    /// What is known of a blob, if it is there.
    pub fn meta(&self, id: &BlobId) -> Result<Option<BlobMeta>> {
        Ok(self.meta_many(std::slice::from_ref(id))?.pop().flatten())
    }

    /// Whether there is a blob of that name.
    pub fn has(&self, id: &BlobId) -> Result<bool> {
        let sort = self.sort(id)?;
        Ok(self.named.record(&sort)?.is_some())
    }

    /// The name that the content of a source would have; nothing is stored.
    pub fn hash_of(&self, source: BlobSource<'_>) -> Result<BlobId> {
        insert::hash_of(self.settings.hash, source)
    }

    /// As [`BlobStore::insert_many`], without a borrow of this handle.
    ///
    /// # Errors
    /// `ReadOnly` where nothing may be changed; `ValueTooLong` when the note is.
    pub fn insertions<'s>(
        &self,
        sources: Box<dyn Iterator<Item = Result<BlobSource<'s>>> + Send + 's>,
        options: &InsertOptions,
    ) -> Result<Insertions<'s>> {
        self.named.container.check_writable()?;
        Insertions::new(self, sources, options)
    }

    /// As [`BlobStore::extract_many`], without a borrow of this handle.
    pub fn extractions<'i>(&self, ids: Box<dyn Iterator<Item = BlobId> + Send + 'i>) -> Extractions<'i> {
        Extractions::new(self, ids)
    }

    /// Notes something about a blob, at most 4 KiB, in place of what was noted before; nothing where
    /// `note` is empty.
    ///
    /// # Errors
    /// `NotFound` when there is no such blob; `ValueTooLong`.
    pub fn set_note(&self, id: &BlobId, note: &[u8]) -> Result<()> {
        check_note(note)?;
        let sort = self.sort(id)?;
        for _ in 0..CONFLICT_RETRIES {
            let Some(record) = self.named.record(&sort)? else { return Err(self.missing(id)) };
            let there = Precondition::Unchanged { key: self.named.key(&sort), version: record.version };
            let note_key = layout::note_key(id.as_bytes());
            let op = if note.is_empty() { Op::Delete } else { Op::Put { value: note, extents: &[] } };
            let write = Write { key: self.named.key(&note_key), op, tally: None };
            if let Applied::Done(_) = self.named.commit(&[there], &[write])? {
                return Ok(());
            }
        }
        Err(self.named.contended("note something about", id.as_bytes()))
    }

    /// The sort key of a blob.
    ///
    /// # Errors
    /// `InvalidArgument` when it isn't the name of one of this store.
    fn sort(&self, id: &BlobId) -> Result<Vec<u8>> {
        let id = self.settings.hash.id(id.as_bytes())?;
        layout::entry_key(id.as_bytes())
    }

    /// The changes of the counters of bytes.
    fn adjustments(&self, raw: i64, stored: i64) -> [Write<'_>; 2] {
        [(RAW_BYTES, raw), (STORED_BYTES, stored)].map(|(sort, by)| Write {
            key: self.named.key(sort),
            op: Op::Adjust(by),
            tally: None,
        })
    }

    fn missing(&self, id: &BlobId) -> Error {
        Error::new(ErrorKind::NotFound, format!("there is no blob {id} in {}", self.named))
    }

    fn delete_some(&self, ids: &[BlobId]) -> Result<Vec<BlobId>> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let sorts: Vec<_> = ids.iter().map(|id| self.sort(id)).collect::<Result<_>>()?;
        for _ in 0..CONFLICT_RETRIES {
            let (_, records) = self.named.records(&sorts)?;
            let found: Vec<_> = std::iter::zip(&ids, std::iter::zip(&sorts, records))
                .filter_map(|(id, (sort, record))| Some((*id, sort, record?)))
                .collect();
            if found.is_empty() {
                self.named.container.check_writable()?;
                return Ok(Vec::new());
            }
            let notes: Vec<_> = found.iter().map(|(id, ..)| layout::note_key(id.as_bytes())).collect();
            let (mut raw, mut stored) = (0, 0);
            let mut same = Vec::with_capacity(found.len());
            let mut writes = Vec::with_capacity(2 * found.len() + 2);
            for ((_, sort, record), note) in std::iter::zip(&found, &notes) {
                let (raw_size, size) = sizes(reference(record));
                raw -= raw_size;
                stored -= size;
                same.push(Precondition::Unchanged { key: self.named.key(sort), version: record.version });
                writes.push(self.named.deletion(sort));
                writes.push(Write { key: self.named.key(note), op: Op::Delete, tally: None });
            }
            writes.extend(self.adjustments(raw, stored));
            if let Applied::Done(_) = self.named.commit(&same, &writes)? {
                return Ok(found.into_iter().map(|(id, ..)| id).collect());
            }
        }
        Err(self.named.contended("delete", ids.first().map_or(&[], |id| id.as_bytes())))
    }
}

impl BlobStore for Blobs {
    fn hash_type(&self) -> HashType {
        self.settings.hash
    }

    fn insert(&self, source: BlobSource<'_>, options: &InsertOptions) -> Result<Inserted> {
        self.insert_one(source, options)
    }

    fn insert_many<'a>(
        &'a self,
        sources: Box<dyn Iterator<Item = Result<BlobSource<'a>>> + Send + 'a>,
        options: &InsertOptions,
    ) -> Result<Box<dyn Iterator<Item = Result<Inserted>> + Send + 'a>> {
        Ok(Box::new(self.insertions(sources, options)?))
    }

    fn open(&self, id: &BlobId) -> Result<Option<Box<dyn BlobRead>>> {
        Ok(self.reader(id)?.map(|reader| Box::new(reader) as _))
    }

    fn extract_many<'a>(
        &'a self,
        ids: Box<dyn Iterator<Item = BlobId> + Send + 'a>,
    ) -> Result<Box<dyn Iterator<Item = Result<Extracted>> + Send + 'a>> {
        Ok(Box::new(self.extractions(ids)))
    }

    fn meta_many(&self, ids: &[BlobId]) -> Result<Vec<Option<BlobMeta>>> {
        let sorts: Vec<_> = ids.iter().map(|id| self.sort(id)).collect::<Result<_>>()?;
        let notes: Vec<_> = ids.iter().map(|id| layout::note_key(id.as_bytes())).collect();
        let (view, records) = self.named.records(&sorts)?;
        let note_keys: Vec<_> = notes.iter().map(|note| self.named.key(note)).collect();
        let notes = view.get_many(&note_keys)?;
        std::iter::zip(ids, std::iter::zip(records, notes))
            .map(|(id, (record, note))| {
                let Some(record) = record else { return Ok(None) };
                let note = note.map(|note| note.value);
                meta(*id, &record, note).map(Some).map_err(|error| self.named.about(id.as_bytes(), error))
            })
            .collect()
    }

    fn has_many(&self, ids: &[BlobId]) -> Result<Vec<bool>> {
        let sorts: Vec<_> = ids.iter().map(|id| self.sort(id)).collect::<Result<_>>()?;
        let (_, records) = self.named.records(&sorts)?;
        Ok(records.iter().map(Option::is_some).collect())
    }

    fn list(&self) -> Result<Box<dyn Iterator<Item = Result<BlobId>> + Send>> {
        let view = self.named.view()?;
        let cursor = view.scan(layout::entries(&self.named.partition), Direction::Forward)?;
        Ok(Box::new(Ids { hash: self.settings.hash, cursor, _view: view }))
    }

    fn count(&self) -> Result<u64> {
        self.named.len()
    }

    /// Up to 10,000 blobs go in one atomic commit, more in several.
    fn delete(&self, ids: &[BlobId]) -> Result<Vec<BlobId>> {
        let mut deleted = Vec::new();
        for some in ids.chunks(DELETED_TOGETHER) {
            deleted.append(&mut self.delete_some(some)?);
        }
        Ok(deleted)
    }

    fn extract(&self, id: &BlobId) -> Result<Bytes> {
        let sort = self.sort(id)?;
        match self.named.get_versioned(&sort)? {
            Some((content, _)) => Ok(content),
            None => Err(self.missing(id)),
        }
    }

    fn extract_into(&self, id: &BlobId, into: &mut dyn std::io::Write) -> Result<u64> {
        let reader = self.reader(id)?.ok_or_else(|| self.missing(id))?;
        extract::copy(reader, into)
    }
}

/// The ids of a store, of one consistent state.
struct Ids {
    hash: HashType,
    cursor: Box<dyn Cursor>,
    _view: Box<dyn View>,
}

impl Iterator for Ids {
    type Item = Result<BlobId>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.cursor.advance() {
            Ok(true) => Some(self.hash.id(layout::user_key(self.cursor.key()))),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blobs({:?} of {})", self.name(), self.container())
    }
}

impl Container {
    /// Opens a store of blobs.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name.
    pub fn blobs(&self, name: &str) -> Result<Blobs> {
        self.find_blobs(name)?.ok_or_else(|| crate::catalog::missing(self, NamedKind::Blobs, name))
    }

    /// Creates a store of blobs, of a name of 1 to 512 bytes.
    ///
    /// # Errors
    /// `AlreadyExists` when there is an object of that name.
    pub fn create_blobs(&self, name: &str, settings: BlobSettings) -> Result<Blobs> {
        let named = crate::catalog::create(self, &layout::Settings::Blobs(settings), name)?;
        Ok(Blobs::new(named, settings))
    }

    /// Opens a store of blobs, as it was made, or creates it where there is none.
    pub fn open_or_create_blobs(&self, name: &str, settings: BlobSettings) -> Result<Blobs> {
        loop {
            if let Some(blobs) = self.find_blobs(name)? {
                return Ok(blobs);
            }
            match self.create_blobs(name, settings) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                other => return other,
            }
        }
    }

    /// The names of the stores of blobs, sorted.
    pub fn blob_stores(&self) -> Result<Vec<String>> {
        crate::catalog::names(self, NamedKind::Blobs)
    }

    /// Destroys a store of blobs, as [`Container::destroy_dict`] does a dictionary.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name.
    pub fn destroy_blobs(&self, name: &str) -> Result<()> {
        crate::catalog::destroy(self, NamedKind::Blobs, name)
    }

    fn find_blobs(&self, name: &str) -> Result<Option<Blobs>> {
        Ok(match crate::catalog::open(self, NamedKind::Blobs, name)? {
            Some((named, layout::Settings::Blobs(settings))) => Some(Blobs::new(named, settings)),
            Some(_) => {
                let message =
                    format!("the header of the store of blobs {name:?} of {self} is another object's");
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
            None => None,
        })
    }
}

/// What a blob's record adds to the counters: its bytes, and those that it takes. One that is lost, or
/// can't be parsed, adds nothing.
pub(crate) fn sizes(record: RecordRef<'_>) -> (i64, i64) {
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    Stored::parse(record).map_or((0, 0), |stored| (signed(stored.length()), signed(stored.stored_length())))
}

fn meta(id: BlobId, record: &Record, note: Option<Bytes>) -> Result<BlobMeta> {
    let stored = Stored::parse(reference(record))?;
    Ok(BlobMeta { id, raw_size: stored.length(), size: stored.stored_length(), codec: stored.codec(), note })
}

fn reference(record: &Record) -> RecordRef<'_> {
    RecordRef { version: record.version, value: &record.value, extents: &record.extents }
}

/// # Errors
/// `ValueTooLong`, naming the limit.
fn check_note(note: &[u8]) -> Result<()> {
    if note.len() > NOTE_BYTES_MAX {
        let message = format!("a note of {} bytes is too long: {NOTE_BYTES_MAX} are allowed", note.len());
        return Err(Error::new(ErrorKind::ValueTooLong, message));
    }
    Ok(())
}

/// The range of all blobs.
fn all(named: &Named) -> KeyRange<'_> {
    layout::entries(&named.partition)
}
