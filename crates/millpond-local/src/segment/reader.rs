//! Reads values, or parts of them, out of a segment.

use std::{cell::Cell, io, path::Path, sync::Arc};

use millpond_core::{Error, ErrorKind, Extent, Result, SegmentId};
use uuid::Uuid;

use super::{
    KIND,
    frame::{self, FRAME_BYTES, STRIDE},
};
use crate::{
    identity::{HEADER_BYTES, Identity},
    media::{File, FileExt, Media, OpenMode},
};

/// Frames that are read at once.
pub(super) const READ_FRAMES: usize = 15;
const PAGE_BYTES: usize = 4096;

thread_local! {
    /// Where a thread reads frames to; 1 MiB at most.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A segment that is read, by any number of threads, while its writer may still append to it.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    pub(super) file: Arc<dyn File>,
    id: SegmentId,
    pub(super) identity: Identity,
}

/// Frames of a value that lie one behind the other.
#[derive(Clone, Copy)]
pub(super) struct Frames {
    /// Where the first one begins in the file.
    pub(super) offset: u64,
    /// Bytes of all payloads; every frame but the last is full.
    payload: usize,
}

impl SegmentReader {
    /// Opens a segment and checks its header.
    ///
    /// # Errors
    /// `NotFound` when there is no such file; `Corrupt` and `Incompatible` when it can't be
    /// trusted.
    pub(crate) fn open(media: &Arc<dyn Media>, path: &Path, id: SegmentId, container: Uuid) -> Result<Self> {
        let identity = Identity::new(&KIND, path, container, id.0);
        let file = media.open(path, OpenMode::Read).map_err(|error| identity.io("open", error))?;
        let reader = Self { file, id, identity };
        reader.check_header()?;
        Ok(reader)
    }

    /// Fills `into` with the bytes of `extent` from `offset` on. Only the frames that hold them are
    /// read and verified.
    ///
    /// # Errors
    /// `Corrupt` when the stored bytes fail their checksum or are cut off; `InvalidArgument` when
    /// the extent ends before `into` is full, or lies in another segment.
    pub(crate) fn read(&self, extent: &Extent, offset: u64, mut into: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(into.len() as u64);
        if extent.segment != self.id || end.is_none_or(|end| end > extent.length) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "{}: {} bytes from byte {offset} on are not within an extent of {} bytes of segment {}",
                    self.identity.path().display(),
                    into.len(),
                    extent.length,
                    extent.segment.0
                ),
            ));
        }
        let mut scratch = SCRATCH.take();
        let mut position = offset;
        let mut result = Ok(());
        while !into.is_empty() && result.is_ok() {
            let skipped = (position % FRAME_BYTES as u64) as usize;
            let wanted = into.len().min(READ_FRAMES * FRAME_BYTES - skipped);
            let (part, rest) = into.split_at_mut(wanted);
            result = self
                .frames(extent, position, wanted)
                .and_then(|frames| self.read_frames(frames, skipped, part, &mut scratch));
            into = rest;
            position += wanted as u64;
        }
        SCRATCH.set(scratch);
        result
    }

    /// Makes what anyone wrote to the segment survive a loss of power, but for its directory entry.
    pub(crate) fn length(&self) -> Result<u64> {
        self.file.length().map_err(|error| self.identity.io("measure", error))
    }

    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync().map_err(|error| self.identity.io("sync", error))
    }

    pub(super) fn check_header(&self) -> Result<()> {
        let mut header = [0; HEADER_BYTES];
        self.file.read_exact_at(&mut header, 0).map_err(|error| self.failed(0, error))?;
        self.identity.check_header(&header)
    }

    /// The frames that hold `length` bytes of a value from `position` on.
    pub(super) fn frames(&self, extent: &Extent, position: u64, length: usize) -> Result<Frames> {
        let first = position / FRAME_BYTES as u64;
        let start = first * FRAME_BYTES as u64;
        let end = (position + length as u64).checked_next_multiple_of(FRAME_BYTES as u64);
        let end = end.unwrap_or(u64::MAX).min(extent.length);
        let offset = first.checked_mul(STRIDE as u64).and_then(|ahead| ahead.checked_add(extent.offset));
        let offset = offset.filter(|offset| offset.checked_add((READ_FRAMES * STRIDE) as u64).is_some());
        let offset = offset.ok_or_else(|| {
            self.identity.corrupt(extent.offset, "a value reaches further than a file can be long")
        })?;
        Ok(Frames { offset, payload: (end - start) as usize })
    }

    /// Verifies `frames`, and fills `into` from their payloads behind the first `skipped` bytes.
    fn read_frames(
        &self,
        frames: Frames,
        mut skipped: usize,
        mut into: &mut [u8],
        scratch: &mut Vec<u8>,
    ) -> Result<()> {
        let count = frames.payload.div_ceil(FRAME_BYTES);
        let bytes = page_aligned(scratch, frames.payload + frame::length(0) * count);
        self.file.read_exact_at(bytes, frames.offset).map_err(|error| self.failed(frames.offset, error))?;
        for (number, framed) in bytes.chunks(STRIDE).enumerate() {
            let offset = frames.offset + (number * STRIDE) as u64;
            let payload = frame::payload(framed, &self.identity, offset)
                .map_err(|what| self.identity.corrupt(offset, what))?;
            let payload = &payload[skipped.min(payload.len())..];
            let (part, rest) = into.split_at_mut(payload.len().min(into.len()));
            part.copy_from_slice(&payload[..part.len()]);
            into = rest;
            skipped = 0;
        }
        Ok(())
    }

    pub(super) fn failed(&self, offset: u64, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return self.identity.corrupt(offset, "the segment is cut off");
        }
        self.identity.io(format_args!("read byte {offset} of"), error)
    }
}

/// The first `length` bytes of `scratch` from a page's start on: the kernel copies to a place some
/// bytes behind one several times slower.
pub(super) fn page_aligned(scratch: &mut Vec<u8>, length: usize) -> &mut [u8] {
    if scratch.len() < length + PAGE_BYTES {
        *scratch = vec![0; length + PAGE_BYTES];
    }
    let start = scratch.as_ptr().align_offset(PAGE_BYTES).min(PAGE_BYTES);
    &mut scratch[start..start + length]
}

const _: () = assert!(READ_FRAMES * STRIDE + PAGE_BYTES <= 1 << 20);
