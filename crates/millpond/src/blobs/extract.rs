//! Reading blobs.

use std::{
    collections::VecDeque,
    io::{self, Read, Seek, SeekFrom, Write},
};

use bytes::Bytes;
use millpond_core::{Error, Record, Result};

use super::{
    Blobs,
    digest::BlobId,
    meta, reference,
    store::{BlobMeta, BlobRead, Extracted},
};
use crate::value::{ContentReader, Stored};

/// A blob that takes no more bytes is read into memory at once.
const WHOLE_BYTES: u64 = 64 << 10;

/// Blobs that are looked up together, and read in the order in which they lie.
const GROUP_BLOBS: usize = 1024;

/// Bytes that are copied at once.
const COPY_BYTES: usize = 1 << 20;

/// Reads a blob, from any place in it, in bounded memory.
///
/// It shows the blob also when that is deleted meanwhile. Errors of the store are inside the `io::Error`s,
/// as their source.
pub struct BlobReader {
    meta: BlobMeta,
    content: ContentReader,
}

impl BlobReader {
    /// The length of the blob in bytes.
    pub fn len(&self) -> u64 {
        self.meta.raw_size
    }

    /// Whether the blob is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl BlobRead for BlobReader {
    fn meta(&self) -> &BlobMeta {
        &self.meta
    }

    fn whole(&self) -> Option<&Bytes> {
        self.content.whole()
    }
}

impl Read for BlobReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.content.read(into)
    }
}

impl Seek for BlobReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.content.seek(to)
    }
}

impl Blobs {
    /// Reads a blob in bounded memory, if it is there.
    pub fn reader(&self, id: &BlobId) -> Result<Option<BlobReader>> {
        let sort = self.sort(id)?;
        let Some(record) = self.named.record(&sort)? else { return Ok(None) };
        if is_short(&record) {
            let meta = meta(*id, &record, None)?;
            let content = self.named.load_newest(&sort, record)?;
            return Ok(content.map(|(content, _)| BlobReader { meta, content: ContentReader::held(content) }));
        }
        let view = self.named.view()?;
        let Some(record) = view.get(self.named.key(&sort))? else { return Ok(None) };
        let about = |error| self.named.about(id.as_bytes(), error);
        let meta = meta(*id, &record, None).map_err(about)?;
        let content = ContentReader::new(&self.named, view, sort, &record).map_err(about)?;
        Ok(Some(BlobReader { meta, content }))
    }
}

fn is_short(record: &Record) -> bool {
    Stored::parse(reference(record))
        .is_ok_and(|stored| stored.stored_length().max(stored.length()) <= WHOLE_BYTES)
}

/// Copies all of a blob, and answers how many bytes that were.
pub(super) fn copy(mut reader: impl BlobRead, into: &mut dyn Write) -> Result<u64> {
    let failed = |error| Error::io("writing a blob to where it is to go", error);
    if let Some(whole) = reader.whole() {
        into.write_all(whole).map_err(failed)?;
        return Ok(whole.len() as u64);
    }
    let mut buffer = vec![0; COPY_BYTES];
    let mut copied = 0;
    loop {
        match reader.read(&mut buffer).map_err(store_error)? {
            0 => return Ok(copied),
            count => {
                into.write_all(&buffer[..count]).map_err(failed)?;
                copied += count as u64;
            }
        }
    }
}

/// The store's own error inside one of a reader.
pub(super) fn store_error(error: io::Error) -> Error {
    let kind = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).map(Error::kind);
    match kind {
        Some(kind) => Error::new(kind, error.to_string()),
        None => Error::io("reading a blob", error),
    }
}

/// Reads many blobs as it is advanced. See [`BlobStore::extract_many`](super::BlobStore::extract_many).
pub struct Extractions<'a> {
    blobs: Blobs,
    ids: Box<dyn Iterator<Item = BlobId> + Send + 'a>,
    group: VecDeque<(BlobId, Option<Record>)>,
    view: Option<Box<dyn millpond_core::View>>,
}

impl<'a> Extractions<'a> {
    pub(super) fn new(blobs: &Blobs, ids: Box<dyn Iterator<Item = BlobId> + Send + 'a>) -> Self {
        Self { blobs: blobs.clone(), ids, group: VecDeque::new(), view: None }
    }

    fn look_up(&mut self) -> Result<()> {
        let ids: Vec<_> = self.ids.by_ref().take(GROUP_BLOBS).collect();
        let sorts: Vec<_> = ids.iter().map(|id| self.blobs.sort(id)).collect::<Result<_>>()?;
        let (view, records) = self.blobs.named.records(&sorts)?;
        let mut group: Vec<_> = std::iter::zip(ids, records).collect();
        group.sort_by_key(|(_, record)| place(record.as_ref()));
        self.group = group.into();
        self.view = Some(view);
        Ok(())
    }

    fn extract(&self, id: BlobId, record: Record) -> Result<Option<Box<dyn BlobRead>>> {
        if let (true, Some(view)) = (is_short(&record), &self.view) {
            let meta = meta(id, &record, None)?;
            let content = self.blobs.named.load_in(&**view, &self.blobs.sort(&id)?, record)?;
            return Ok(content
                .map(|content| Box::new(BlobReader { meta, content: ContentReader::held(content) }) as _));
        }
        Ok(self.blobs.reader(&id)?.map(|reader| Box::new(reader) as _))
    }
}

impl Iterator for Extractions<'_> {
    type Item = Result<Extracted>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.group.is_empty()
            && let Err(error) = self.look_up()
        {
            return Some(Err(error));
        }
        let (id, record) = self.group.pop_front()?;
        let content = match record {
            Some(record) => self.extract(id, record),
            None => Ok(None),
        };
        Some(content.map(|content| Extracted { id, content }))
    }
}

/// Where the bytes of a record are, so that neighbours are read one after the other.
pub(super) fn place(record: Option<&Record>) -> (u64, u64) {
    record
        .and_then(|record| record.extents.first())
        .map_or((0, 0), |extent| (extent.segment.0, extent.offset))
}

#[cfg(test)]
mod tests {
    use millpond_core::ErrorKind;

    use super::*;

    #[test]
    fn errors_of_the_store_keep_their_kind_through_a_stream() {
        let inner = Error::new(ErrorKind::Corrupt, "damaged");
        assert_eq!(store_error(crate::value::io_error(inner)).kind(), ErrorKind::Corrupt);
        assert_eq!(store_error(io::ErrorKind::PermissionDenied.into()).kind(), ErrorKind::PermissionDenied);
    }
}
