//! A stream of one object: `Read + Seek`, with the seeks of a plain file. It holds its file open, so it
//! goes on whatever becomes of the pack.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    sync::Arc,
};

use millpond::{BlobId, Error, HashType, Result};

use super::{
    body::{Body, Stored},
    check::{Check, corrupt, damaged},
    compressed::Compressed,
};
use crate::place::Place;

/// Room that is made for an object before any of it was read, in bytes.
const TRUSTED_MAX: u64 = 1 << 20;

/// A stream of one object.
///
/// Reads in order from the beginning are checked: the last of them fails when the object isn't the one
/// that was stored. Seeks are those of a plain file. In a compressed object, the first that goes back
/// decompresses it again from its beginning; from then on, a seek decompresses at most a 64th of it, or
/// 1 MiB, of what was read before.
#[derive(Debug)]
pub struct ObjectReader {
    id: BlobId,
    size: u64,
    position: u64,
    body: Body,
    check: Option<Check>,
}

impl ObjectReader {
    /// A reader of a loose object.
    pub(crate) fn loose(id: BlobId, file: File, check: Option<HashType>) -> Result<Self> {
        let size =
            file.metadata().map_err(|error| Error::io(format!("looking at loose object {id}"), error))?.len();
        let stored = Stored { file: Arc::new(file), offset: 0, length: size };
        Ok(Self::new(id, size, Body::Plain(stored), check))
    }

    /// A reader of an object in a pack, which has `file_size` bytes.
    pub(crate) fn packed(
        id: BlobId,
        place: Place,
        file: Arc<File>,
        file_size: u64,
        check: Option<HashType>,
    ) -> Result<Self> {
        if place.end() > file_size {
            return Err(corrupt(&id, &format!("pack {} ends before it does", place.pack)));
        }
        let stored = Stored { file, offset: place.offset, length: place.length };
        let body = if place.is_compressed {
            Body::Compressed(Box::new(Compressed::new(stored, place.size)))
        } else {
            Body::Plain(stored)
        };
        Ok(Self::new(id, place.size, body, check))
    }

    fn new(id: BlobId, size: u64, body: Body, check: Option<HashType>) -> Self {
        let check = check.map(|hash_type| Check::new(id, hash_type, size));
        Self { id, size, position: 0, body, check }
    }

    /// The object's id.
    pub fn id(&self) -> BlobId {
        self.id
    }

    /// Bytes of the object.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Where the next read begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The rest of the object.
    ///
    /// # Errors
    /// [`millpond::ErrorKind::Corrupt`] where it is damaged, and whatever reading meets.
    pub fn content(mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).map_err(|error| into_error(error, &self.id))?;
        Ok(bytes)
    }
}

/// The error of this crate that a reader's error carries, or one made of it.
pub(crate) fn into_error(error: io::Error, id: &BlobId) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::io(format!("reading object {id}"), error),
    }
}

impl Read for ObjectReader {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.size {
            if self.size == 0
                && let Some(check) = &mut self.check
            {
                check.take(0, &[])?;
            }
            return Ok(0);
        }
        let length = self.body.read_at(&self.id, self.position, room)?;
        if let Some(check) = &mut self.check {
            check.take(self.position, &room[..length])?;
        }
        self.position += length as u64;
        Ok(length)
    }

    fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let begin = bytes.len();
        let rest = self.size.saturating_sub(self.position);
        // The room for what a file really has is known; what is said of a compressed object may be a lie.
        let is_known = !matches!(self.body, Body::Compressed(_));
        let mut room = if is_known { rest } else { rest.min(TRUSTED_MAX) };
        loop {
            let filled = bytes.len();
            let length =
                usize::try_from(room).map_err(|_| damaged(&self.id, "it doesn't fit into memory"))?;
            bytes.try_reserve_exact(length).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
            bytes.resize(filled + length, 0);
            let mut done = filled;
            while done < bytes.len() {
                match self.read(&mut bytes[done..]) {
                    Ok(0) => break,
                    Ok(more) => done += more,
                    Err(error) => {
                        bytes.truncate(done);
                        return Err(error);
                    }
                }
            }
            bytes.truncate(done);
            let rest = self.size.saturating_sub(self.position);
            if rest == 0 {
                // An empty object is checked, too.
                self.read(&mut [])?;
                return Ok(bytes.len() - begin);
            }
            room = rest.min((bytes.len() as u64).max(TRUSTED_MAX));
        }
    }
}

impl Seek for ObjectReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
        };
        let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the first byte");
        self.position = position.filter(|&position| i64::try_from(position).is_ok()).ok_or_else(wrong)?;
        Ok(self.position)
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        Ok(self.position)
    }
}
