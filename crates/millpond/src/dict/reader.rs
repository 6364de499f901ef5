//! Reading a value in bounded memory.

use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;
use millpond_core::{ErrorKind, Extent, Key, Record, Result, View};

use super::{Dict, reference, writer::io_error};
use crate::{
    layout,
    value::{MOVED_RETRIES, Stored},
};

/// Reads a value, from any place in it, in bounded memory.
///
/// It shows the value as it was when the reader was made. Each read goes to the storage: who reads
/// a few bytes at a time should put a [`std::io::BufReader`] around it. Errors of the store are
/// inside the `io::Error`s, as their source.
pub struct ValueReader {
    dict: Dict,
    /// Keeps the value's version readable.
    view: Box<dyn View>,
    sort: Vec<u8>,
    source: Source,
    length: u64,
    position: u64,
}

enum Source {
    Inline(Bytes),
    Long(Pieces),
}

/// The extents of a value, with the place in the value where each begins.
struct Pieces {
    extents: Vec<(u64, Extent)>,
}

impl Pieces {
    fn new(extents: &[Extent]) -> Self {
        let starts = extents.iter().scan(0u64, |start, extent| {
            let begin = *start;
            *start = start.saturating_add(extent.length);
            Some(begin)
        });
        Self {
            extents: starts.zip(extents.iter().copied()).filter(|(_, extent)| extent.length > 0).collect(),
        }
    }

    /// The extent that holds the byte at `position`, the place in it, and what remains of it.
    fn at(&self, position: u64) -> Option<(&Extent, u64, u64)> {
        let index = self.extents.partition_point(|(start, _)| *start <= position).checked_sub(1)?;
        let (start, extent) = self.extents.get(index)?;
        let offset = position - start;
        (offset < extent.length).then(|| (extent, offset, extent.length - offset))
    }
}

impl ValueReader {
    pub(super) fn new(dict: &Dict, key: &[u8]) -> Result<Option<Self>> {
        let sort = layout::entry_key(key)?;
        let view = dict.view()?;
        let Some(record) = view.get(Key::new(&dict.inner.partition, &sort))? else { return Ok(None) };
        let (source, length) = source(&record).map_err(|error| dict.about(key, error))?;
        Ok(Some(Self { dict: dict.clone(), view, sort, source, length, position: 0 }))
    }

    /// The length of the value in bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether the value is empty.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn read_some(&mut self, into: &mut [u8]) -> Result<usize> {
        for attempt in 1.. {
            let pieces = match &self.source {
                Source::Inline(value) => {
                    let from = usize::try_from(self.position).unwrap_or(usize::MAX).min(value.len());
                    let count = into.len().min(value.len() - from);
                    into[..count].copy_from_slice(&value[from..from + count]);
                    self.position += count as u64;
                    return Ok(count);
                }
                Source::Long(pieces) => pieces,
            };
            let Some((extent, offset, left)) = pieces.at(self.position) else { return Ok(0) };
            let count = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let segments = self.dict.container().segments()?;
            match segments.read(extent, offset, &mut into[..count]) {
                Ok(()) => {
                    self.position += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::EpochGone && attempt < MOVED_RETRIES => {
                    self.locate()?;
                }
                Err(error) => return Err(self.dict.about(layout::user_key(&self.sort), error)),
            }
        }
        Ok(0)
    }

    /// Learns anew where the bytes are: they have moved, the view knows where to.
    fn locate(&mut self) -> Result<()> {
        if let Some(record) = self.view.get(Key::new(&self.dict.inner.partition, &self.sort))? {
            self.source = source(&record)?.0;
        }
        Ok(())
    }
}

fn source(record: &Record) -> Result<(Source, u64)> {
    let stored = Stored::parse(reference(record))?;
    let source = match stored {
        Stored::Inline(_) => Source::Inline(record.value.slice(1..)),
        Stored::Long(_) => Source::Long(Pieces::new(&record.extents)),
    };
    Ok((source, stored.length()))
}

impl Read for ValueReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        self.read_some(into).map_err(io_error)
    }
}

impl Seek for ValueReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "can't seek to before the beginning of a value")
        })?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use millpond_core::SegmentId;

    use super::*;

    #[test]
    fn every_place_of_a_value_is_found_in_its_extent() {
        let extent = |segment, length| Extent { segment: SegmentId(segment), offset: 0, length };
        let pieces = Pieces::new(&[extent(1, 3), extent(2, 0), extent(3, 2)]);
        let found =
            |position| pieces.at(position).map(|(extent, offset, left)| (extent.segment.0, offset, left));
        assert_eq!(found(0), Some((1, 0, 3)));
        assert_eq!(found(2), Some((1, 2, 1)));
        assert_eq!(found(3), Some((3, 0, 2)));
        assert_eq!(found(5), None);
        assert_eq!(found(u64::MAX), None);
        assert!(Pieces::new(&[]).at(0).is_none());
    }
}
