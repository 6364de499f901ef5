//! Verifying a segment: its frames are read in big pieces, many values at once where they lie close
//! together, so that it goes as fast as checksums are made.

use std::ops::Range;

use millpond_core::{Damage, Extent, Result};

use super::reader::{READ_BYTES_MAX, SegmentReader, page_aligned};
use crate::{identity::HEADER_BYTES, media::FileExt};

/// Bytes of nobody that are read rather than asked for what is behind them.
const GAP_BYTES_MAX: u64 = 16 << 10;

/// What of a segment is damaged: the extent and the bytes of it; none is the segment's header.
pub(crate) type Part = Option<(Extent, Range<u64>)>;

/// A frame to verify.
struct Framed {
    extent: Extent,
    bytes: Range<u64>,
    /// Where it lies in the file.
    place: Range<u64>,
}

/// Frames that lie close together.
#[derive(Default)]
struct Piece {
    frames: Vec<Framed>,
    place: Range<u64>,
}

impl Piece {
    fn takes(&self, place: &Range<u64>) -> bool {
        self.frames.is_empty()
            || (place.start >= self.place.end
                && place.start - self.place.end <= GAP_BYTES_MAX
                && place.end - self.place.start <= READ_BYTES_MAX)
    }

    fn push(&mut self, framed: Framed) {
        let start = if self.frames.is_empty() { framed.place.start } else { self.place.start };
        self.place = start..framed.place.end;
        self.frames.push(framed);
    }
}

impl SegmentReader {
    /// Reads the header and the whole of `extents`, which are in order, and reports each frame that is
    /// damaged. Answers how many bytes were read.
    pub(crate) fn verify(&self, extents: &[Extent], report: &mut dyn FnMut(Damage)) -> u64 {
        let mut read = 0;
        let counted = self.verify_with(
            extents,
            &mut |bytes| {
                read += bytes;
                Ok(())
            },
            &mut |_, damage| report(damage),
        );
        debug_assert!(counted.is_ok(), "only the one who counts ends it");
        read
    }

    /// The same, which tells of progress, and whose bytes are damaged.
    ///
    /// # Errors
    /// Those of `progress`, which end it.
    pub(crate) fn verify_with(
        &self,
        extents: &[Extent],
        progress: &mut dyn FnMut(u64) -> Result<()>,
        report: &mut dyn FnMut(Part, Damage),
    ) -> Result<()> {
        if let Err(error) = self.check_header() {
            report(None, self.identity.damage(0, error));
        }
        progress(HEADER_BYTES as u64)?;
        let file_length = self.file.length().unwrap_or(u64::MAX);
        let mut scratch = Vec::new();
        let mut piece = Piece::default();
        for extent in extents {
            let mut position = 0;
            while position < extent.length {
                let length = (extent.length - position).min(self.format.frame_bytes as u64);
                let bytes = position..position + length;
                let rest = Some((*extent, position..extent.length));
                let frames = match self.frames(extent, position, length as usize) {
                    Ok(frames) => frames,
                    Err(error) => {
                        report(rest, self.identity.damage(extent.offset, error));
                        break;
                    }
                };
                let place = frames.offset..frames.offset + self.format.length(length as usize) as u64;
                // What is missing is one damage, however many frames that would be.
                if place.end > file_length {
                    let offset = place.start.min(file_length);
                    report(rest, self.identity.damage(offset, "the segment is cut off"));
                    break;
                }
                if !piece.takes(&place) {
                    self.verify_piece(&piece, &mut scratch, progress, report)?;
                    piece.frames.clear();
                }
                piece.push(Framed { extent: *extent, bytes, place });
                position += length;
            }
        }
        self.verify_piece(&piece, &mut scratch, progress, report)
    }

    fn verify_piece(
        &self,
        piece: &Piece,
        scratch: &mut Vec<u8>,
        progress: &mut dyn FnMut(u64) -> Result<()>,
        report: &mut dyn FnMut(Part, Damage),
    ) -> Result<()> {
        let Some(first) = piece.frames.first() else { return Ok(()) };
        let start = first.place.start;
        let bytes = page_aligned(scratch, (piece.place.end - start) as usize);
        // Where not all of it can be read, what can be is found frame by frame.
        let is_read = self.file.read_exact_at(bytes, start).is_ok();
        for framed in &piece.frames {
            let here = (framed.place.start - start) as usize..(framed.place.end - start) as usize;
            let frame = &mut bytes[here];
            let again = if is_read { Ok(()) } else { self.file.read_exact_at(frame, framed.place.start) };
            let verified = again.map_err(|error| self.failed(framed.place.start, error)).and_then(|()| {
                self.format
                    .payload(frame, &self.identity, framed.place.start)
                    .map_err(|what| self.identity.corrupt(framed.place.start, what))
            });
            if let Err(error) = verified {
                let part = Some((framed.extent, framed.bytes.clone()));
                report(part, self.identity.damage(framed.place.start, error));
            }
        }
        progress(piece.place.end - start)
    }
}
