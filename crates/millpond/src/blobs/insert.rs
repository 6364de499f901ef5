//! Inserting one blob.

use std::{fs::File, io::Read};

use bytes::Bytes;
use millpond_core::{Epoch, Error, ErrorKind, Op, Precondition, Result, Write};

use super::{
    Blobs, check_note,
    digest::{BlobId, HashType, Hasher},
    encode::{self, Encoded, WHOLE_BYTES, fill},
    reference,
    store::{BlobSource, InsertOptions, Inserted},
};
use crate::{
    layout,
    value::{Applied, CONFLICT_RETRIES, LongValues, Stored},
};

/// What a source turned out to hold.
pub(super) enum Content<'a> {
    /// All of it, in memory.
    Whole(std::borrow::Cow<'a, [u8]>),
    /// Its first [`WHOLE_BYTES`], and where more comes from.
    Stream(Vec<u8>, Box<dyn Read + Send + 'a>),
}

/// Opens a source, and reads the first part of it.
pub(super) fn begin(source: BlobSource<'_>) -> Result<Content<'_>> {
    let mut reader: Box<dyn Read + Send + '_> = match source {
        BlobSource::Bytes(bytes) => return Ok(Content::Whole(bytes)),
        BlobSource::Reader(reader) => reader,
        BlobSource::Path(path) => {
            let file = File::open(&path)
                .map_err(|error| Error::io(format_args!("open {}", path.display()), error))?;
            let length = file.metadata().map_or(0, |metadata| metadata.len());
            if length < WHOLE_BYTES as u64 {
                let mut head = Vec::with_capacity(length as usize + 1);
                let mut file = file;
                fill(&mut file, &mut head)?;
                if head.len() < WHOLE_BYTES {
                    return Ok(Content::Whole(head.into()));
                }
                return Ok(Content::Stream(head, Box::new(file)));
            }
            Box::new(file)
        }
    };
    let mut head = Vec::new();
    fill(&mut reader, &mut head)?;
    Ok(if head.len() < WHOLE_BYTES { Content::Whole(head.into()) } else { Content::Stream(head, reader) })
}

pub(super) fn hash_of(hash: HashType, source: BlobSource<'_>) -> Result<BlobId> {
    match begin(source)? {
        Content::Whole(bytes) => Ok(hash.hash(&bytes)),
        Content::Stream(mut part, mut rest) => {
            let mut hasher = Hasher::new(hash);
            while !part.is_empty() {
                hasher.update(&part);
                part.clear();
                fill(&mut rest, &mut part)?;
            }
            Ok(hasher.finish())
        }
    }
}

impl Blobs {
    pub(super) fn insert_one(&self, source: BlobSource<'_>, options: &InsertOptions) -> Result<Inserted> {
        self.named.container.check_writable()?;
        check_note(options.note.as_deref().unwrap_or_default())?;
        match begin(source)? {
            Content::Whole(content) => {
                let id = self.settings.hash.hash(&content);
                let raw_size = content.len() as u64;
                self.put(id, raw_size, options, |long| {
                    let compression = encode::compression_of(self, options, &content);
                    encode::encode(&self.named.container, &content, compression, long)
                })
            }
            Content::Stream(head, rest) => {
                let compression = encode::compression_of(self, options, &head);
                let mut long = LongValues::default();
                let container = &self.named.container;
                let (id, encoded) =
                    encode::encode_stream(container, self.settings.hash, head, rest, compression, &mut long)?;
                let raw_size = encoded.raw_size;
                let mut written = Some((long, encoded));
                self.put(id, raw_size, options, |into| {
                    let Some((long, encoded)) = written.take() else {
                        return Err(Error::new(ErrorKind::InvalidArgument, "a stream is written once"));
                    };
                    *into = long;
                    Ok(encoded)
                })
            }
        }
    }

    /// Commits a blob, unless there is one of that name. What `encode` made is written once, however
    /// often the commit is tried.
    fn put(
        &self,
        id: BlobId,
        raw_size: u64,
        options: &InsertOptions,
        encode: impl FnOnce(&mut LongValues) -> Result<Encoded>,
    ) -> Result<Inserted> {
        let sort = self.sort(&id)?;
        let mut encode = Some(encode);
        let mut encoded: Option<Encoded> = None;
        let mut long = LongValues::default();
        for _ in 0..CONFLICT_RETRIES {
            let found = self.named.record(&sort)?;
            let version = match &found {
                // A marker of what was lost gives way.
                Some(record) if is_there(record) => {
                    if let Some(note) = options.note.as_deref().filter(|note| !note.is_empty()) {
                        self.set_note(&id, note)?;
                    }
                    return Ok(Inserted { id, raw_size, is_new: false });
                }
                Some(record) => record.version,
                None => Epoch::ZERO,
            };
            if let Some(encode) = encode.take() {
                encoded = Some(encode(&mut long)?);
            }
            let Some(blob) = &encoded else { break };
            let same = Precondition::Unchanged { key: self.named.key(&sort), version };
            let note_key = layout::note_key(id.as_bytes());
            let mut writes = vec![self.named.insertion(&sort, &blob.record, &blob.extents)];
            writes.extend(self.adjustments(signed(blob.raw_size), signed(blob.size)));
            writes.extend(self.note(&note_key, options.note.as_ref()));
            match self.named.commit(&[same], &writes) {
                Ok(Applied::Conflict) => {}
                applied => {
                    long.settle(&applied);
                    return applied.map(|_| Inserted { id, raw_size, is_new: true });
                }
            }
        }
        Err(self.named.contended("insert", id.as_bytes()))
    }

    /// The change that keeps a note.
    pub(super) fn note<'a>(&'a self, key: &'a [u8], note: Option<&'a Bytes>) -> Option<Write<'a>> {
        let value = note.filter(|note| !note.is_empty())?;
        Some(Write { key: self.named.key(key), op: Op::Put { value, extents: &[] }, tally: None })
    }
}

/// Whether a record is a blob's, and not a marker of one that was lost.
pub(super) fn is_there(record: &millpond_core::Record) -> bool {
    !Stored::parse(reference(record)).is_err_and(|error| error.kind() == ErrorKind::DataLoss)
}

/// A size as counters have it.
pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::encode::unreadable;

    #[test]
    fn a_source_that_fails_is_told() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("the network is down"))
            }
        }
        let error = hash_of(HashType::Sha256, BlobSource::Reader(Box::new(Failing))).expect_err("no bytes");
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("the network is down"), "{error}");
        let missing = BlobSource::Path("/nowhere/at/all".into());
        assert_eq!(hash_of(HashType::Sha256, missing).expect_err("no file").kind(), ErrorKind::NotFound);
        assert_eq!(
            unreadable(std::io::ErrorKind::PermissionDenied.into()).kind(),
            ErrorKind::PermissionDenied
        );
    }

    #[test]
    fn hashes_of_sources_are_those_of_their_content() {
        let content: Vec<u8> = (0..3 * WHOLE_BYTES + 5).map(|i| (i >> 3) as u8).collect();
        for hash in HashType::ALL {
            for length in [0, 10, WHOLE_BYTES - 1, WHOLE_BYTES, WHOLE_BYTES + 1, content.len()] {
                let reader = BlobSource::Reader(Box::new(&content[..length]));
                assert_eq!(hash_of(hash, reader).expect("bytes"), hash.hash(&content[..length]));
            }
        }
    }
}
