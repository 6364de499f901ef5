//! From content to what a record holds: hashed, compressed where that is worth it, and beside its key or
//! in segments.

use std::{
    io::Read,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use millpond_core::{Durability, Error, ErrorKind, Extent, Result, limits};

use super::{
    Blobs,
    digest::{BlobId, HashType, Hasher},
    store::InsertOptions,
    worth::{HEAD_BYTES, Worth},
};
use crate::{
    container::Container,
    value::{self, Coding, Encoder, LongValues, codec::Compression},
};

/// What is longer is never in memory as a whole.
pub(super) const WHOLE_BYTES: usize = 1 << 20;

/// Parts of a long stream that are on their way to the hash.
const PARTS: usize = 4;

/// A blob, ready to be committed.
pub(super) struct Encoded {
    pub(super) record: Vec<u8>,
    pub(super) extents: Vec<Extent>,
    pub(super) raw_size: u64,
    /// How many bytes it takes.
    pub(super) size: u64,
}

/// How a blob that begins with `head` is to be compressed.
pub(super) fn compression_of(blobs: &Blobs, options: &InsertOptions, head: &[u8]) -> Compression {
    let compression = options.compression.unwrap_or(blobs.settings.compression);
    let head = &head[..head.len().min(HEAD_BYTES)];
    if Worth::of(head).is_worth(compression.codec(), options.recompress) {
        compression
    } else {
        Compression::NONE
    }
}

/// A blob of so many bytes that is durable on return lies in its record, which is one sync instead of two.
const SYNCED_INLINE_BYTES: usize = limits::VALUE_INLINE_BYTES_MAX;

/// Makes the record of content in memory, of a blob that is committed by itself; a long one is written to
/// segments.
pub(super) fn encode(
    container: &Container,
    content: &[u8],
    compression: Compression,
    long: &mut LongValues,
) -> Result<Encoded> {
    let compressed = value::encode(compression, content)?;
    let stored = compressed.as_ref().map_or(content.len(), Vec::len);
    // Unless it was asked for another limit, or the sync is the transaction's.
    let is_synced = container.durability() == Durability::Sync && !container.is_in_transaction();
    let is_inline = container.fits_inline(stored)
        || (is_synced && container.has_default_inline_size() && stored <= SYNCED_INLINE_BYTES);
    store_as(container, content, compressed.as_deref(), compression, is_inline, long)
}

/// As [`encode`], of what was compressed already, if that made it shorter.
pub(super) fn store(
    container: &Container,
    content: &[u8],
    compressed: Option<&[u8]>,
    compression: Compression,
    long: &mut LongValues,
) -> Result<Encoded> {
    let is_inline = container.fits_inline(compressed.unwrap_or(content).len());
    store_as(container, content, compressed, compression, is_inline, long)
}

fn store_as(
    container: &Container,
    content: &[u8],
    compressed: Option<&[u8]>,
    compression: Compression,
    is_inline: bool,
    long: &mut LongValues,
) -> Result<Encoded> {
    let raw_size = content.len() as u64;
    let stored = compressed.unwrap_or(content);
    let coding = Coding { codec: compression.codec(), length: raw_size };
    let (mut record, mut extents) = (Vec::new(), Vec::new());
    let size = stored.len() as u64;
    match (is_inline, compressed.is_some()) {
        (true, false) => value::put_inline(&mut record, stored),
        (true, true) => value::put_inline_coded(&mut record, coding, stored),
        (false, coded) => {
            long.append(container.segments()?, stored)?;
            extents = long.finish()?;
            put_long(&mut record, coded.then_some(coding), size);
        }
    }
    Ok(Encoded { record, extents, raw_size, size })
}

fn put_long(record: &mut Vec<u8>, coding: Option<Coding>, size: u64) {
    match coding {
        Some(coding) => value::put_long_coded(record, coding, size),
        None => value::put_long(record, size),
    }
}

/// Writes what a reader holds, `head` first, to segments, and hashes it meanwhile in another thread.
/// Nothing else is being written with `long`.
pub(super) fn encode_stream(
    container: &Container,
    hash: HashType,
    head: Vec<u8>,
    mut rest: impl Read,
    compression: Compression,
    long: &mut LongValues,
) -> Result<(BlobId, Encoded)> {
    let segments = container.segments()?;
    let mut encoder = Encoder::new(compression);
    let (mut raw_size, mut size) = (0u64, 0u64);
    let id = thread::scope(|scope| {
        let (to_hash, parts) = sync_channel(PARTS);
        let (to_fill, hashed) = sync_channel(PARTS + 2);
        let hashing = scope.spawn(move || hash_parts(hash, &parts, &to_fill));
        let mut write = |part: &[u8]| {
            size += part.len() as u64;
            long.append(segments, part)
        };
        let mut part = head;
        while !part.is_empty() {
            raw_size += part.len() as u64;
            let part_done = std::sync::Arc::new(part);
            // That the other thread is gone means that it panicked, which joining it will tell.
            let _ = to_hash.send(std::sync::Arc::clone(&part_done));
            encoder.append(&part_done, &mut write)?;
            drop(part_done);
            part = reusable(&hashed);
            fill(&mut rest, &mut part)?;
        }
        drop(to_hash);
        encoder.finish(&mut write)?;
        hashing.join().map_err(|_| Error::new(ErrorKind::Io, "the thread that hashes a blob panicked"))
    })?;
    let extents = long.finish()?;
    let mut record = Vec::new();
    let coded = compression.codec() != value::codec::Codec::None;
    let coding = Coding { codec: compression.codec(), length: raw_size };
    put_long(&mut record, coded.then_some(coding), size);
    Ok((id, Encoded { record, extents, raw_size, size }))
}

type Part = std::sync::Arc<Vec<u8>>;

fn hash_parts(hash: HashType, parts: &Receiver<Part>, done: &SyncSender<Part>) -> BlobId {
    let mut hasher = Hasher::new(hash);
    while let Ok(part) = parts.recv() {
        hasher.update(&part);
        // Where nobody takes it back it is simply freed.
        let _ = done.try_send(part);
    }
    hasher.finish()
}

/// A buffer to fill: one that was hashed and written, or a new one.
fn reusable(hashed: &Receiver<Part>) -> Vec<u8> {
    let mut buffer = hashed.try_recv().ok().and_then(std::sync::Arc::into_inner).unwrap_or_default();
    buffer.clear();
    buffer
}

/// Reads until [`WHOLE_BYTES`] are there or nothing more comes.
pub(super) fn fill(source: &mut impl Read, into: &mut Vec<u8>) -> Result<()> {
    let room = WHOLE_BYTES.saturating_sub(into.len()) as u64;
    source.take(room).read_to_end(into).map(drop).map_err(unreadable)
}

/// The error of a source that can't be read; one of ours inside it stays as it is.
pub(super) fn unreadable(error: std::io::Error) -> Error {
    Error::io("reading what is to be stored as a blob", error)
}
