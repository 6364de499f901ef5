//! Reading values: only the frames that hold what is asked for, several objects at once.

use std::{collections::VecDeque, ffi::CString};

use millpond_core::{Error, ErrorKind, Extent, Result};

use super::frame::{self, FRAME_BYTES, FRAMES, PART_BYTES, STRIDE};
use crate::{
    background::PendingRead, container::Container, context::patiently, errno::Errno, layout::segment_object,
};

/// Objects that are on their way at most.
const PENDING_MAX: usize = 4;

/// A piece of a value that lies in one object.
struct Piece {
    object: CString,
    /// The first frame.
    frame: u64,
    /// How many frames.
    frames: u64,
    /// Bytes of the first frame before what is asked for.
    skip: usize,
    /// Bytes that are asked for.
    length: usize,
}

/// Fills `into` with the bytes of `extent` from `offset` on.
pub(crate) fn read(container: &Container, extent: &Extent, offset: u64, into: &mut [u8]) -> Result<()> {
    container.check_open()?;
    let fits = offset.checked_add(into.len() as u64).is_some_and(|end| end <= extent.length)
        && extent.offset.checked_add(extent.length).is_some();
    if !fits {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "{} bytes from {offset} on are more than the extent's {} in segment {:016x}",
                into.len(),
                extent.length,
                extent.segment.0
            ),
        ));
    }
    let mut pieces = pieces(extent, extent.offset + offset, into.len()).into_iter();
    let mut pending: VecDeque<(Piece, PendingRead)> = VecDeque::new();
    let mut rest = into;
    loop {
        while pending.len() < PENDING_MAX
            && let Some(piece) = pieces.next()
        {
            let read = begin(container, &piece)?;
            pending.push_back((piece, read));
        }
        let Some((piece, read)) = pending.pop_front() else { return Ok(()) };
        let sealed = match read.wait() {
            Err(errno) if errno.is_transient() => patiently(|| Ok(begin(container, &piece)?.wait()))?,
            other => other,
        };
        let sealed = sealed.map_err(|errno| match errno {
            Errno::ABSENT => {
                let message =
                    format!("segment {:016x} was reclaimed: read its record again", extent.segment.0);
                Error::new(ErrorKind::EpochGone, message)
            }
            _ => errno.into_error(format_args!("can't read {}", container.context.place(&piece.object))),
        })?;
        let (head, tail) = rest.split_at_mut(piece.length);
        piece.open(container, &sealed, head)?;
        rest = tail;
    }
}

fn begin(container: &Container, piece: &Piece) -> Result<PendingRead> {
    let length = usize::try_from(piece.frames * STRIDE).unwrap_or(usize::MAX);
    PendingRead::begin(&container.context, &piece.object, piece.frame * STRIDE, length)
}

fn pieces(extent: &Extent, mut at: u64, length: usize) -> Vec<Piece> {
    let end = at + length as u64;
    let mut pieces = Vec::new();
    while at < end {
        let part = at / PART_BYTES;
        let stop = end.min((part + 1) * PART_BYTES);
        let (first, last) = (at / FRAME_BYTES, (stop - 1) / FRAME_BYTES);
        pieces.push(Piece {
            object: segment_object(extent.segment, part),
            frame: first % FRAMES,
            frames: last - first + 1,
            skip: (at % FRAME_BYTES) as usize,
            length: (stop - at) as usize,
        });
        at = stop;
    }
    pieces
}

impl Piece {
    /// Verifies the frames and copies what is asked for.
    fn open(&self, container: &Container, sealed: &[u8], mut into: &mut [u8]) -> Result<()> {
        let mut skip = self.skip;
        for (at, number) in (self.frame..self.frame + self.frames).enumerate() {
            let damaged = |why: &str| {
                let place = container.context.place(&self.object);
                let message = format!("{place} is damaged at offset {}: {why}", number * STRIDE);
                Error::new(ErrorKind::Corrupt, message)
            };
            let start = sealed.len().min(at * STRIDE as usize);
            let end = sealed.len().min(start + STRIDE as usize);
            let payload = frame::open(&container.identity, &self.object, number, &sealed[start..end])
                .map_err(|why| damaged(&why.to_string()))?;
            let count = into.len().min(FRAME_BYTES as usize - skip);
            let part = payload.get(skip..skip + count).ok_or_else(|| damaged("it is cut off"))?;
            let (head, tail) = into.split_at_mut(count);
            head.copy_from_slice(part);
            into = tail;
            skip = 0;
        }
        Ok(())
    }
}
