//! The check that what is read is what was stored: the id is computed again, from whatever is read in
//! order from the beginning. Reads out of order are served without it, and it goes on where it was left.

use std::io;

use millpond::{BlobId, Error, ErrorKind, HashType, Hasher};

#[derive(Debug)]
pub(super) struct Check {
    id: BlobId,
    size: u64,
    /// Bytes from the beginning that the hasher has seen.
    seen: u64,
    hasher: Option<Box<HasherOf>>,
}

struct HasherOf(Hasher);

impl std::fmt::Debug for HasherOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

impl Check {
    pub fn new(id: BlobId, hash_type: HashType, size: u64) -> Self {
        Self { id, size, seen: 0, hasher: Some(Box::new(HasherOf(Hasher::new(hash_type)))) }
    }

    /// Takes what was read at `position`. An error where it completes an object that isn't the one of
    /// its id.
    pub fn take(&mut self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let Some(hasher) = &mut self.hasher else { return Ok(()) };
        let known = self.seen.checked_sub(position).and_then(|known| usize::try_from(known).ok());
        if let Some(news) = known.and_then(|known| bytes.get(known..)) {
            hasher.0.update(news);
            self.seen += news.len() as u64;
        }
        if self.seen < self.size {
            return Ok(());
        }
        let Some(hasher) = self.hasher.take() else { return Ok(()) };
        if hasher.0.finish() == self.id {
            Ok(())
        } else {
            Err(damaged(&self.id, "its bytes have another digest"))
        }
    }
}

/// The error of one whose stored bytes aren't those of the object.
pub(super) fn damaged(id: &BlobId, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, corrupt(id, why))
}

/// The same for those who don't go through a reader.
pub(crate) fn corrupt(id: &BlobId, why: &str) -> Error {
    let message = format!("object {id} is damaged: {why}. Restore it from a copy, or delete it");
    Error::new(ErrorKind::Corrupt, message)
}
