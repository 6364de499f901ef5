//! Reads values, or parts of them, out of a segment.

use std::{cell::Cell, io, path::Path, sync::Arc};

use millpond_core::{Error, ErrorKind, Extent, Result, SegmentId};
use uuid::Uuid;

use super::{
    KIND,
    frame::{CURRENT, Format},
    mapped::MappedSegment,
};
use crate::{
    identity::{HEADER_BYTES, Identity},
    media::{File, FileExt, Media, OpenMode},
};

const PAGE_BYTES: usize = 4096;
/// Bytes that are read in one piece, at most.
pub(super) const READ_BYTES_MAX: u64 = (1 << 20) - PAGE_BYTES as u64;

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
    pub(super) format: &'static Format,
    /// None where all is read from the file.
    pub(super) mapped: Option<MappedSegment>,
}

/// Frames of a value that lie one behind the other.
#[derive(Clone, Copy)]
pub(super) struct Frames {
    /// Where the first one begins in the file.
    pub(super) offset: u64,
    /// Bytes of all payloads; every frame but the last is full.
    pub(super) payload: usize,
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
        let format = check_header(&*file, &identity)?;
        Ok(Self { file, id, identity, format, mapped: None })
    }

    /// One that reads out of the file as memory where that is faster.
    pub(crate) fn mapped(self) -> Self {
        let mapped = (*self.format == CURRENT).then(|| MappedSegment::new(self.file.clone()));
        Self { mapped, ..self }
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
        if self.read_mapped(extent, offset, into) {
            return Ok(());
        }
        let frame_bytes = self.format.frame_bytes;
        let frames_max = READ_BYTES_MAX as usize / self.format.stride();
        let mut scratch = SCRATCH.take();
        let mut position = offset;
        let mut result = Ok(());
        while !into.is_empty() && result.is_ok() {
            let skipped = (position % frame_bytes as u64) as usize;
            let wanted = into.len().min(frames_max * frame_bytes - skipped);
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
        check_header(&*self.file, &self.identity).map(drop)
    }

    /// Bytes in the file of a value of `length` bytes, with its frames.
    pub(super) fn stored_bytes(&self, length: u64) -> u64 {
        let frames = length.div_ceil(self.format.frame_bytes as u64);
        length + frames * self.format.head_bytes as u64
    }

    /// The frames that hold `length` bytes of a value from `position` on.
    pub(super) fn frames(&self, extent: &Extent, position: u64, length: usize) -> Result<Frames> {
        let (frame_bytes, stride) = (self.format.frame_bytes as u64, self.format.stride() as u64);
        let first = position / frame_bytes;
        let start = first * frame_bytes;
        let end = (position + length as u64).checked_next_multiple_of(frame_bytes);
        let end = end.unwrap_or(u64::MAX).min(extent.length);
        let offset = first.checked_mul(stride).and_then(|ahead| ahead.checked_add(extent.offset));
        let offset = offset.filter(|offset| offset.checked_add(READ_BYTES_MAX).is_some());
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
        let stored = self.stored_bytes(frames.payload as u64);
        let bytes = page_aligned(scratch, stored as usize);
        self.file.read_exact_at(bytes, frames.offset).map_err(|error| self.failed(frames.offset, error))?;
        let stride = self.format.stride();
        for (number, framed) in bytes.chunks(stride).enumerate() {
            let offset = frames.offset + (number * stride) as u64;
            let payload = self
                .format
                .payload(framed, &self.identity, offset)
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
        failed(&self.identity, offset, error)
    }
}

/// Checks the header of a segment, which says how its frames are made.
fn check_header(file: &dyn File, identity: &Identity) -> Result<&'static Format> {
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, 0).map_err(|error| failed(identity, 0, error))?;
    identity.check_header(&header).map(Format::of)
}

fn failed(identity: &Identity, offset: u64, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return identity.corrupt(offset, "the segment is cut off");
    }
    identity.io(format_args!("read byte {offset} of"), error)
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
