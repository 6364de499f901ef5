//! Reading the bytes of a value from wherever they are, also when they move meanwhile.

use std::sync::Arc;

use bytes::Bytes;
use millpond_core::{ErrorKind, Extent, Record, Result, View};

use super::MOVED_RETRIES;
use crate::named::Named;

/// The bytes of a value as they are stored, from any place on.
pub(crate) enum StoredBytes {
    /// In memory.
    Held(Bytes),
    /// In segments.
    Long(LongBytes),
}

/// Bytes in segments, of the version of a value that a view shows.
pub(crate) struct LongBytes {
    named: Arc<Named>,
    /// Keeps the value's version readable.
    view: Box<dyn View>,
    sort: Vec<u8>,
    pieces: Pieces,
}

impl LongBytes {
    pub(crate) fn new(named: Arc<Named>, view: Box<dyn View>, sort: Vec<u8>, record: &Record) -> Self {
        Self { named, view, sort, pieces: Pieces::new(&record.extents) }
    }

    /// Reads some bytes from `position` on; none behind the end.
    fn read(&mut self, position: u64, into: &mut [u8]) -> Result<usize> {
        for attempt in 1.. {
            let Some((extent, offset, left)) = self.pieces.at(position) else { return Ok(0) };
            let count = into.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let segments = self.named.container.segments()?;
            match segments.read(extent, offset, &mut into[..count]) {
                Ok(()) => return Ok(count),
                Err(error) if error.kind() == ErrorKind::EpochGone && attempt < MOVED_RETRIES => {
                    // They have moved; the view knows where to.
                    if let Some(record) = self.view.get(self.named.key(&self.sort))? {
                        self.pieces = Pieces::new(&record.extents);
                    }
                }
                Err(error) => return Err(self.named.about(&self.named.user_key(&self.sort), error)),
            }
        }
        Ok(0)
    }
}

impl StoredBytes {
    /// Reads some bytes from `position` on; none behind the end.
    pub(crate) fn read(&mut self, position: u64, into: &mut [u8]) -> Result<usize> {
        match self {
            Self::Held(bytes) => {
                let from = usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
                let count = into.len().min(bytes.len() - from);
                into[..count].copy_from_slice(&bytes[from..from + count]);
                Ok(count)
            }
            Self::Long(long) => long.read(position, into),
        }
    }

    /// Fills `into` from `position` on; answers how much of it there was.
    pub(crate) fn read_full(&mut self, position: u64, into: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            match self.read(position + filled as u64, &mut into[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }
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
