//! The stored bytes of an object, and how the object is read out of them.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use super::check::damaged;
use millpond::BlobId;

use crate::zlib::Inflater;

/// Compressed bytes that are read at a time.
const CHUNK: u64 = 64 << 10;
/// An object that is read out of order is kept in memory if it isn't larger.
const KEPT_MAX: u64 = 8 << 20;

/// A part of a file.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub file: Arc<File>,
    pub offset: u64,
    pub length: u64,
}

impl Stored {
    /// Reads into `room`, all of which has to be there.
    pub fn read(&self, id: &BlobId, room: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_exact_at(room, self.offset + at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged(id, "its file ends before it does"),
            _ => error,
        })
    }
}

/// How the object is read.
#[derive(Debug)]
pub(super) enum Body {
    Plain(Stored),
    Compressed(Box<Compressed>),
    Kept(Vec<u8>),
}

/// An object that is decompressed as it is read.
#[derive(Debug)]
pub(super) struct Compressed {
    stored: Stored,
    size: u64,
    inflater: Inflater,
    /// Compressed bytes that were read, and those of them that were taken.
    buffer: Vec<u8>,
    taken: usize,
    /// Where the next compressed bytes are read.
    next: u64,
    /// Where the decompressed object stands.
    position: u64,
}

impl Compressed {
    pub fn new(stored: Stored, size: u64) -> Self {
        let inflater = Inflater::new();
        Self { stored, size, inflater, buffer: Vec::new(), taken: 0, next: 0, position: 0 }
    }

    fn rewind(&mut self) {
        self.inflater.reset();
        self.buffer.clear();
        (self.taken, self.next, self.position) = (0, 0, 0);
    }

    /// Reads on. Answers 0 only for an empty `room`, or at the end of a sound object.
    fn read(&mut self, id: &BlobId, room: &mut [u8]) -> io::Result<usize> {
        while !room.is_empty() && !self.inflater.is_at_end() {
            if self.taken == self.buffer.len() {
                let length = CHUNK.min(self.stored.length - self.next);
                self.buffer.resize(length as usize, 0);
                self.taken = 0;
                self.stored.read(id, &mut self.buffer, self.next)?;
                self.next += length;
            }
            let is_all = self.buffer.len() == self.taken && self.next == self.stored.length;
            let (read, written) = self
                .inflater
                .run(&self.buffer[self.taken..], room)
                .map_err(|error| damaged(id, &format!("it can't be decompressed: {error}")))?;
            self.taken += read;
            self.position += written as u64;
            if self.position > self.size {
                return Err(damaged(id, "it has more bytes than the index says"));
            }
            if written > 0 {
                if self.position == self.size {
                    self.expect_end(id)?;
                }
                return Ok(written);
            }
            if is_all && read == 0 {
                return Err(damaged(id, "its compressed bytes end too early"));
            }
        }
        if !room.is_empty() && self.position < self.size {
            return Err(damaged(id, "it has fewer bytes than the index says"));
        }
        Ok(0)
    }

    /// After the last byte, the checksum of the whole has to be there.
    fn expect_end(&mut self, id: &BlobId) -> io::Result<()> {
        let mut nothing = [0; 1];
        while !self.inflater.is_at_end() {
            if self.read(id, &mut nothing)? > 0 {
                return Err(damaged(id, "it has more bytes than the index says"));
            }
        }
        Ok(())
    }
}

impl Body {
    /// Reads at `position`, which is less than the size of the object.
    pub fn read_at(&mut self, id: &BlobId, position: u64, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stored) => {
                let length = room.len().min((stored.length - position) as usize);
                stored.read(id, &mut room[..length], position)?;
                Ok(length)
            }
            Self::Kept(bytes) => {
                let rest = &bytes[position as usize..];
                let length = rest.len().min(room.len());
                room[..length].copy_from_slice(&rest[..length]);
                Ok(length)
            }
            Self::Compressed(compressed) if position < compressed.position && compressed.size <= KEPT_MAX => {
                let bytes = whole(compressed, id)?;
                *self = Self::Kept(bytes);
                self.read_at(id, position, room)
            }
            Self::Compressed(compressed) => {
                if position < compressed.position {
                    compressed.rewind();
                }
                skip(compressed, id, position)?;
                compressed.read(id, room)
            }
        }
    }
}

fn whole(compressed: &mut Compressed, id: &BlobId) -> io::Result<Vec<u8>> {
    compressed.rewind();
    let mut bytes = vec![0; compressed.size as usize];
    let mut length = 0;
    while length < bytes.len() {
        length += compressed.read(id, &mut bytes[length..])?;
    }
    Ok(bytes)
}

fn skip(compressed: &mut Compressed, id: &BlobId, position: u64) -> io::Result<()> {
    if compressed.position == position {
        return Ok(());
    }
    let mut room = vec![0; CHUNK as usize];
    while compressed.position < position {
        let length = (position - compressed.position).min(CHUNK) as usize;
        compressed.read(id, &mut room[..length])?;
    }
    Ok(())
}
