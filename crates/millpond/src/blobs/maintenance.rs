//! Recompression and validation, while others read and write.
//!
//! Invariant: a recompressed blob takes the place of exactly the record that was read. Each commit changes
//! some, so that an interruption leaves every blob whole, in the old form or in the new one.

use std::{collections::HashSet, io::Read};

use millpond_core::{Cursor, ErrorKind, Precondition, Progress, Record, Result};
use serde::Serialize;

use super::{
    Blobs,
    digest::{BlobId, Hasher},
    encode::{self, Encoded, WHOLE_BYTES, fill},
    extract::{place, store_error},
    insert::{is_there, signed},
    parallel, reference, sizes,
    store::InsertOptions,
    worth::SMALL_BYTES,
};
use crate::{
    environment, layout,
    value::{
        self, Applied, ContentReader, LongValues, Stored,
        codec::{Codec, Compression},
    },
};

/// Blobs that are looked at together, and read in the order in which they lie.
const GROUP_BLOBS: usize = 4096;

/// Bytes that a commit of a recompression writes anew, about: as much space it needs before what it
/// replaces is given back.
const COMMIT_BYTES: u64 = 32 << 20;

/// Bytes of blobs that are in memory together, about.
const SHARE_BYTES: u64 = 4 << 20;

/// Damaged places one behind the other after which a walk ends.
const UNREADABLE_MAX: usize = 1000;

/// How a store is optimized.
#[derive(Clone, Copy, Debug, Default)]
pub struct OptimizeOptions {
    /// How blobs are to be stored that look worth compressing; without one, as the store's settings say.
    pub compression: Option<Compression>,
    /// Whether blobs that are compressed already are compressed anew: those that the store compressed (by the
    /// same codec, where they get shorter), and those that came compressed by the other one of zlib and zstd.
    pub recompress: bool,
    /// Whether space that has become free is given back at once, by merging what is mostly dead; else that
    /// happens by itself, later.
    pub keep_dead: bool,
}

/// What an optimization did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Optimized {
    /// How many blobs were looked at.
    pub examined: u64,
    /// How many are stored in another way now.
    pub changed: u64,
    /// Bytes that all of them took before.
    pub size_before: u64,
    /// Bytes that they take now.
    pub size_after: u64,
    /// The most bytes of memory that the process has had so far, mapped files included; 0 where the system
    /// doesn't tell.
    pub memory_peak: u64,
}

/// What a validation found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Validated {
    /// How many blobs were read.
    pub count: u64,
    /// How many stored bytes were read.
    pub bytes: u64,
    /// Each blob that isn't what its name says, or can't be read, and why.
    pub invalid: Vec<(BlobId, String)>,
    /// Places of the index that can't be read: which blobs were there isn't known.
    pub unreadable: Vec<String>,
}

impl Validated {
    /// Whether nothing was wrong.
    pub fn is_valid(&self) -> bool {
        self.invalid.is_empty() && self.unreadable.is_empty()
    }
}

impl Blobs {
    /// Stores blobs anew that would take less space: compresses what looks worth it and isn't
    /// compressed. Others may read and write meanwhile; readers keep what they have. It needs
    /// 64 MiB of memory at most, and about as much free space, since what is replaced is given back as it goes.
    ///
    /// # Errors
    /// What `progress` answers; then what was done so far stays.
    pub fn optimize(&self, options: OptimizeOptions, progress: &mut dyn Progress) -> Result<Optimized> {
        self.named.container.check_writable()?;
        let compression = options.compression.unwrap_or(self.settings.compression);
        let mut optimized = Optimized::default();
        let mut batch = Replacements::default();
        let mut since_compaction = 0;
        progress.begin(self.named.len()?, "optimizing blobs")?;
        let mut walk = Walk::begin(self)?;
        loop {
            let group = walk.next_group(&mut |_| {})?;
            if group.is_empty() {
                break;
            }
            let count = group.len() as u64;
            for some in shares(&group) {
                let length = |record| (sizes(reference(record)).0.unsigned_abs()).min(WHOLE_BYTES as u64);
                let bytes: u64 = some.iter().map(|(_, record)| length(record)).sum();
                let again = parallel::map(some, bytes as usize, |(id, record)| {
                    self.compress_again(id, record, compression, options.recompress)
                });
                for ((id, record), again) in std::iter::zip(some, again) {
                    optimized.examined += 1;
                    let (_, size) = sizes(reference(record));
                    optimized.size_before += size.unsigned_abs();
                    let encoded =
                        match again.and_then(|again| self.store_again(id, record, again, &mut batch)) {
                            // What is damaged is for a check.
                            Err(error) if error.kind() == ErrorKind::Corrupt => None,
                            other => other?,
                        };
                    optimized.size_after +=
                        encoded.as_ref().map_or(size.unsigned_abs(), |encoded| encoded.size);
                    if let Some(encoded) = encoded {
                        since_compaction += encoded.size;
                        batch.add(*id, record.clone(), encoded);
                    }
                    if batch.bytes >= COMMIT_BYTES || batch.blobs.len() >= GROUP_BLOBS {
                        optimized.changed += batch.commit(self)?;
                    }
                }
            }
            progress.advance(count)?;
            // A merge costs what is mostly dead: the more was replaced, the less it happens.
            if !options.keep_dead
                && self.named.container.is_current()
                && since_compaction > optimized.size_before.max(8 * COMMIT_BYTES) / 4
            {
                optimized.changed += batch.commit(self)?;
                self.named.container.open_store()?.compact()?;
                since_compaction = 0;
            }
        }
        optimized.changed += batch.commit(self)?;
        if !options.keep_dead && optimized.changed > 0 && self.named.container.is_current() {
            self.named.container.open_store()?.compact()?;
        }
        progress.end()?;
        optimized.memory_peak = environment::memory_peak();
        Ok(optimized)
    }

    /// Compresses a blob that is in memory, if it is to be stored in another way.
    fn compress_again(
        &self,
        id: &BlobId,
        record: &Record,
        compression: Compression,
        recompress: bool,
    ) -> Result<Again> {
        let stored = Stored::parse(reference(record))?;
        let to = compression.codec();
        // With which level something was compressed isn't known: who asks for a level gets it where that
        // makes it shorter.
        let same = stored.codec() == to && to != Codec::None;
        if stored.codec() == Codec::None && to == Codec::None
            || (stored.codec() != Codec::None && !recompress)
        {
            return Ok(Again::Kept);
        }
        // What is short isn't worth to be read.
        if stored.codec() == Codec::None && stored.length() < SMALL_BYTES as u64 {
            return Ok(Again::Kept);
        }
        let mut reader = self.content(id, record)?;
        let mut head = Vec::new();
        fill(&mut reader, &mut head).map_err(|error| self.named.about(id.as_bytes(), error))?;
        let options = InsertOptions { compression: Some(compression), recompress, note: None };
        let wanted = match stored.codec() {
            Codec::None => encode::compression_of(self, &options, &head),
            // That it is worth compressing was found when it was compressed.
            _ => compression,
        };
        if wanted.codec() == stored.codec() && !same {
            return Ok(Again::Kept);
        }
        // Who asks for another codec gets it, as long as it compresses at all.
        let limit = match (to, stored.codec()) {
            (Codec::None, _) => u64::MAX,
            (_, Codec::None) => stored.stored_length(),
            _ if same => stored.stored_length(),
            _ => stored.length(),
        };
        if head.len() == WHOLE_BYTES {
            return Ok(Again::Long { wanted, limit });
        }
        let compressed = value::encode(wanted, &head)?;
        let size = compressed.as_ref().map_or(head.len(), Vec::len) as u64;
        Ok(if size < limit { Again::Whole { content: head, compressed, wanted } } else { Again::Kept })
    }

    /// Writes what a blob is to be stored as.
    fn store_again(
        &self,
        id: &BlobId,
        record: &Record,
        again: Again,
        batch: &mut Replacements,
    ) -> Result<Option<Encoded>> {
        let container = &self.named.container;
        match again {
            Again::Kept => Ok(None),
            Again::Whole { content, compressed, wanted } => {
                encode::store(container, &content, compressed.as_deref(), wanted, &mut batch.long).map(Some)
            }
            Again::Long { wanted, limit } => {
                let mut reader = self.content(id, record)?;
                let mut head = Vec::new();
                fill(&mut reader, &mut head).map_err(|error| self.named.about(id.as_bytes(), error))?;
                let mut long = LongValues::default();
                let hash = self.settings.hash;
                let (found, encoded) =
                    encode::encode_stream(container, hash, head, reader, wanted, &mut long)?;
                if found != *id {
                    let message = format!("the blob {id} of {} has another content, {found}", self.named);
                    return Err(millpond_core::Error::new(ErrorKind::Corrupt, message));
                }
                if encoded.size >= limit {
                    return Ok(None);
                }
                batch.streams.push(long);
                Ok(Some(encoded))
            }
        }
    }

    fn content(&self, id: &BlobId, record: &Record) -> Result<ContentReader> {
        ContentReader::new(&self.named, self.named.view()?, self.sort(id)?, record)
    }

    /// Reads every blob: compares the stored bytes with their checksums or, with `full`, decodes them too and
    /// compares their hash with the name. Never stops at the first that is wrong. Others may read and
    /// write meanwhile.
    ///
    /// # Errors
    /// What `progress` answers; those that concern no single blob.
    pub fn validate(&self, full: bool, progress: &mut dyn Progress) -> Result<Validated> {
        let mut validated = Validated::default();
        progress.begin(self.named.len()?, "validating blobs")?;
        let mut walk = Walk::begin(self)?;
        let mut buffer = vec![0; WHOLE_BYTES];
        loop {
            let group = walk.next_group(&mut |what| validated.unreadable.push(what))?;
            if group.is_empty() {
                break;
            }
            let count = group.len() as u64;
            for (id, record) in group {
                validated.count += 1;
                validated.bytes += sizes(reference(&record)).1.unsigned_abs();
                match self.validate_one(&id, &record, full, &mut buffer) {
                    Ok(()) => {}
                    Err(error) if is_of_blob(error.kind()) => {
                        // One that was deleted or moved meanwhile isn't wrong.
                        if self
                            .named
                            .record(&self.sort(&id)?)?
                            .is_some_and(|now| now.version == record.version)
                        {
                            validated.invalid.push((id, error.to_string()));
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            progress.advance(count)?;
        }
        progress.end()?;
        Ok(validated)
    }

    fn validate_one(&self, id: &BlobId, record: &Record, full: bool, buffer: &mut [u8]) -> Result<()> {
        let stored = Stored::parse(reference(record))?;
        if !full {
            let mut rest = stored.stored_length();
            let mut extents = record.extents.iter();
            while let (true, Some(extent)) = (rest > 0, extents.next()) {
                let mut at = 0;
                while at < extent.length {
                    let count = (extent.length - at).min(buffer.len() as u64) as usize;
                    self.named.container.segments()?.read(extent, at, &mut buffer[..count])?;
                    at += count as u64;
                }
                rest -= extent.length.min(rest);
            }
            return Ok(());
        }
        let mut reader = self.content(id, record)?;
        let mut hasher = Hasher::new(self.settings.hash);
        loop {
            match reader.read(buffer).map_err(store_error)? {
                0 => break,
                count => hasher.update(&buffer[..count]),
            }
        }
        let found = hasher.finish();
        if found != *id {
            let message = format!("its content is that of another blob, {found}");
            return Err(millpond_core::Error::new(ErrorKind::Corrupt, message));
        }
        Ok(())
    }
}

/// How a blob is to be stored.
enum Again {
    /// As it is.
    Kept,
    /// It is in memory, compressed if that made it shorter.
    Whole { content: Vec<u8>, compressed: Option<Vec<u8>>, wanted: Compression },
    /// It is too long for that; not at all where it takes `limit` bytes.
    Long { wanted: Compression, limit: u64 },
}

/// Blobs of a group that are in memory together.
fn shares(group: &[(BlobId, Record)]) -> impl Iterator<Item = &[(BlobId, Record)]> {
    let mut rest = group;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let count = rest
            .iter()
            .take_while(|(_, record)| {
                let fits = bytes < SHARE_BYTES;
                bytes += sizes(reference(record)).0.unsigned_abs().min(WHOLE_BYTES as u64);
                fits
            })
            .count();
        let (share, behind) = rest.split_at(count);
        rest = behind;
        (!share.is_empty()).then_some(share)
    })
}

/// Whether an error says that a blob is wrong, rather than that nothing can be read.
fn is_of_blob(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Corrupt
            | ErrorKind::DataLoss
            | ErrorKind::Incompatible
            | ErrorKind::EpochGone
            | ErrorKind::NotFound
            | ErrorKind::ValueTooLong
    )
}

/// Goes over all blobs of one state, some at a time, in the order in which their bytes lie.
struct Walk<'a> {
    blobs: &'a Blobs,
    cursor: Box<dyn Cursor>,
    unreadable: usize,
}

impl<'a> Walk<'a> {
    fn begin(blobs: &'a Blobs) -> Result<Self> {
        let cursor = blobs.named.view()?.scan(super::all(&blobs.named), millpond_core::Direction::Forward)?;
        Ok(Self { blobs, cursor, unreadable: 0 })
    }

    /// The next ones; none at the end.
    fn next_group(&mut self, unreadable: &mut dyn FnMut(String)) -> Result<Vec<(BlobId, Record)>> {
        let mut group = Vec::new();
        while group.len() < GROUP_BLOBS {
            match self.cursor.advance() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) if error.kind() == ErrorKind::Corrupt && self.unreadable < UNREADABLE_MAX => {
                    self.unreadable += 1;
                    unreadable(error.to_string());
                    continue;
                }
                Err(error) => return Err(error),
            }
            let record = self.cursor.record();
            match self.blobs.settings.hash.id(layout::user_key(self.cursor.key())) {
                Ok(id) => group.push((
                    id,
                    Record {
                        version: record.version,
                        value: bytes::Bytes::copy_from_slice(record.value),
                        extents: record.extents.to_vec(),
                    },
                )),
                Err(error) => unreadable(error.to_string()),
            }
        }
        group.sort_by_key(|(_, record)| place(Some(record)));
        Ok(group)
    }
}

/// Blobs that are stored anew, to be committed together.
#[derive(Default)]
struct Replacements {
    blobs: Vec<(BlobId, Record, Encoded)>,
    bytes: u64,
    long: LongValues,
    streams: Vec<LongValues>,
}

impl Replacements {
    fn add(&mut self, id: BlobId, record: Record, encoded: Encoded) {
        self.bytes += encoded.size;
        self.blobs.push((id, record, encoded));
    }

    /// Puts them in the place of those that were read, but for what others have changed; answers how many
    /// those are. Afterwards there are none.
    fn commit(&mut self, blobs: &Blobs) -> Result<u64> {
        let Self { blobs: mut pending, long, streams, .. } = std::mem::take(self);
        let named = &blobs.named;
        while !pending.is_empty() {
            let sorts: Vec<_> = pending.iter().map(|(id, ..)| blobs.sort(id)).collect::<Result<_>>()?;
            let (mut same, mut writes) = (Vec::new(), Vec::new());
            let mut stored = 0;
            for (sort, (_, record, encoded)) in std::iter::zip(&sorts, &pending) {
                stored += signed(encoded.size) - sizes(reference(record)).1;
                same.push(Precondition::Unchanged { key: named.key(sort), version: record.version });
                writes.push(named.insertion(sort, &encoded.record, &encoded.extents));
            }
            writes.extend(blobs.adjustments(0, stored));
            let applied = named.commit(&same, &writes);
            if !matches!(applied, Ok(Applied::Conflict)) {
                long.settle(&applied);
                streams.into_iter().for_each(|stream| stream.settle(&applied));
                return applied.map(|_| pending.len() as u64);
            }
            let (_, now) = named.records(&sorts)?;
            let unchanged: HashSet<BlobId> = std::iter::zip(&pending, now)
                .filter(|((_, record, _), now)| {
                    now.as_ref().is_some_and(|now| now.version == record.version && is_there(now))
                })
                .map(|((id, ..), _)| *id)
                .collect();
            pending.retain(|(id, ..)| unchanged.contains(id));
        }
        Ok(0)
    }
}
