//! The stored bytes of an object, and how the object is read out of them.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use millpond::BlobId;

use super::{check::damaged, compressed::Compressed};

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
                compressed.seek(id, position)?;
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
