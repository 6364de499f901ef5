//! Appends values to a segment, in bounded memory.

use std::{path::Path, sync::Arc};

use millpond_core::{Error, ErrorKind, Extent, Result, SegmentId};
use uuid::Uuid;

use super::{
    KIND,
    frame::{self, Format},
};
use crate::{
    identity::{HEADER_BYTES, Identity},
    media::{File, FileExt, Media, OpenMode},
};

/// Bytes of frames collected before they are written to the file, about.
const BUFFER_BYTES: usize = 512 << 10;

/// A segment that is being written.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    file: Arc<dyn File>,
    id: SegmentId,
    identity: Identity,
    format: &'static Format,
    /// What the file holds.
    written: u64,
    /// Frames that come next in the file; the last one, at `frame_at`, is not ended.
    buffer: Vec<u8>,
    frame_at: usize,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    None,
    Begun {
        offset: u64,
        length: u64,
    },
    /// A write failed: the value can't be finished.
    Lost {
        offset: u64,
        length: u64,
    },
}

impl SegmentFile {
    /// Begins a segment in a new file.
    pub(crate) fn create(
        media: &Arc<dyn Media>,
        path: &Path,
        id: SegmentId,
        container: Uuid,
    ) -> Result<Self> {
        Self::create_as(&frame::CURRENT, media, path, id, container)
    }

    /// The same in any format.
    pub(super) fn create_as(
        format: &'static Format,
        media: &Arc<dyn Media>,
        path: &Path,
        id: SegmentId,
        container: Uuid,
    ) -> Result<Self> {
        let identity = Identity::new(&KIND, path, container, id.0);
        let file = media.open(path, OpenMode::Create).map_err(|error| identity.io("create", error))?;
        file.write_all_at(&identity.header_of(format.version()), 0)
            .map_err(|error| identity.io("write", error))?;
        let written = HEADER_BYTES as u64;
        let value = Value::None;
        Ok(Self { file, id, identity, format, written, buffer: Vec::new(), frame_at: 0, value })
    }

    /// Adds bytes to the value that is being written.
    ///
    /// # Errors
    /// `NoSpace` and `Io` when the file can't be written: the value is lost, and every call until
    /// [`SegmentFile::finish`] or [`SegmentFile::abandon`] says so.
    pub(crate) fn append(&mut self, mut bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        match &mut self.value {
            Value::Lost { .. } => return Err(self.lost()),
            Value::Begun { length, .. } => *length += bytes.len() as u64,
            Value::None => {
                self.value = Value::Begun { offset: self.written, length: bytes.len() as u64 };
                self.format.begin(&mut self.buffer);
            }
        }
        while !bytes.is_empty() {
            let room = self.format.stride() - (self.buffer.len() - self.frame_at);
            // The next frame is begun only when there is something to put into it.
            if room == 0 {
                self.end_frame();
                if self.buffer.len() >= BUFFER_BYTES {
                    self.write()?;
                }
                self.format.begin(&mut self.buffer);
                continue;
            }
            let (head, rest) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(head);
            bytes = rest;
        }
        Ok(())
    }

    /// Ends the value and answers where it is; on return the file holds all of it. An empty value
    /// is nowhere.
    ///
    /// # Errors
    /// As [`SegmentFile::append`]; the segment is ready for another value.
    pub(crate) fn finish(&mut self) -> Result<Option<Extent>> {
        let (offset, length) = match self.value {
            Value::None => return Ok(None),
            Value::Begun { offset, length } => (offset, length),
            Value::Lost { .. } => {
                let lost = self.lost();
                self.abandon();
                return Err(lost);
            }
        };
        self.end_frame();
        if let Err(error) = self.write() {
            self.abandon();
            return Err(error);
        }
        self.value = Value::None;
        Ok(Some(Extent { segment: self.id, offset, length }))
    }

    /// Forgets the value that is being written, and cuts off what of it is in the file; answers how
    /// many of its bytes that were.
    pub(crate) fn abandon(&mut self) -> u64 {
        self.forget_buffer();
        match std::mem::replace(&mut self.value, Value::None) {
            Value::None => 0,
            // Nothing owns what lies behind, and nobody else writes here.
            Value::Begun { offset, length } | Value::Lost { offset, length } => {
                match self.file.set_length(offset) {
                    Ok(()) => {
                        self.written = offset;
                        length
                    }
                    // Then it stays, as dead bytes of the segment.
                    Err(_) => 0,
                }
            }
        }
    }

    fn forget_buffer(&mut self) {
        self.buffer.clear();
        self.frame_at = 0;
    }

    pub(crate) fn id(&self) -> SegmentId {
        self.id
    }

    /// How long the file is, with what is not written yet.
    pub(crate) fn length(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn end_frame(&mut self) {
        let offset = self.written + self.frame_at as u64;
        self.format.end(&mut self.buffer[self.frame_at..], &self.identity, offset);
        self.frame_at = self.buffer.len();
    }

    fn write(&mut self) -> Result<()> {
        let written = self.file.write_all_at(&self.buffer, self.written);
        if let Err(error) = written {
            // What did reach the file is not counted: nothing owns it, and it is overwritten.
            self.forget_buffer();
            if let Value::Begun { offset, length } = self.value {
                self.value = Value::Lost { offset, length };
            }
            return Err(self.identity.io("write", error));
        }
        self.written += self.buffer.len() as u64;
        self.forget_buffer();
        Ok(())
    }

    fn lost(&self) -> Error {
        let path = self.identity.path().display();
        Error::new(ErrorKind::Io, format!("{path}: an earlier write of this value failed; write it again"))
    }
}
