//! An object that is decompressed as it is read. Once somebody has gone back in it, its states are kept at
//! even distances, so that the next seek decompresses no more than one of them.

use std::io;

use millpond::BlobId;

use super::{body::Stored, check::damaged};
use crate::zlib::{CopyableInflater, Inflater};

/// Compressed bytes that are read, and bytes that are passed over, at a time.
const CHUNK: u64 = 64 << 10;
/// States that are kept, at most: each takes about 40 KiB.
const KEPT_MAX: u64 = 64;
/// Bytes of the object between two of them, at least.
const DISTANCE_MIN: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Compressed {
    stored: Stored,
    pub size: u64,
    engine: Engine,
    /// Compressed bytes that were read, and how many of them were taken.
    buffer: Vec<u8>,
    taken: usize,
    /// Where the next compressed bytes are read.
    next: u64,
    /// Where the decompressed object stands.
    pub position: u64,
    kept: Vec<Kept>,
}

#[derive(Debug)]
enum Engine {
    /// Until somebody goes back.
    Fast(Inflater),
    /// From then on.
    Copyable(CopyableInflater),
}

/// A state from which to go on.
#[derive(Debug)]
struct Kept {
    position: u64,
    next: u64,
    inflater: CopyableInflater,
}

impl Compressed {
    pub fn new(stored: Stored, size: u64) -> Self {
        let engine = Engine::Fast(Inflater::new());
        Self { stored, size, engine, buffer: Vec::new(), taken: 0, next: 0, position: 0, kept: Vec::new() }
    }

    /// Begins again.
    pub fn rewind(&mut self) {
        self.engine = Engine::Fast(Inflater::new());
        self.go_to(0, 0);
    }

    /// Goes to `position`, by way of the nearest state that is kept before it.
    pub fn seek(&mut self, id: &BlobId, position: u64) -> io::Result<()> {
        if position == self.position {
            return Ok(());
        }
        let nearest = self.kept.iter().rev().find(|kept| kept.position <= position);
        if let Some(kept) = nearest.filter(|kept| position < self.position || kept.position > self.position) {
            let (inflater, next, at) = (kept.inflater.copy()?, kept.next, kept.position);
            self.engine = Engine::Copyable(inflater);
            self.go_to(next, at);
        } else if position < self.position {
            self.engine = Engine::Copyable(CopyableInflater::new()?);
            self.go_to(0, 0);
        }
        let mut room = vec![0; CHUNK.min(position - self.position) as usize];
        while self.position < position {
            let length = (position - self.position).min(CHUNK) as usize;
            self.read(id, &mut room[..length])?;
        }
        Ok(())
    }

    /// Reads on. Answers 0 only for an empty `room`, or at the end of a sound object.
    pub fn read(&mut self, id: &BlobId, room: &mut [u8]) -> io::Result<usize> {
        while !room.is_empty() && !self.engine.is_at_end() {
            if self.taken == self.buffer.len() {
                let length = CHUNK.min(self.stored.length - self.next);
                self.buffer.resize(length as usize, 0);
                self.taken = 0;
                self.stored.read(id, &mut self.buffer, self.next)?;
                self.next += length;
            }
            let (read, written) = self
                .engine
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
                self.keep()?;
                return Ok(written);
            }
            if read == 0 && self.next == self.stored.length && self.taken == self.buffer.len() {
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
        while !self.engine.is_at_end() {
            if self.read(id, &mut nothing)? > 0 {
                return Err(damaged(id, "it has more bytes than the index says"));
            }
        }
        Ok(())
    }

    /// Keeps the state, if the last one that is kept is far enough behind.
    fn keep(&mut self) -> io::Result<()> {
        let Engine::Copyable(inflater) = &self.engine else { return Ok(()) };
        let distance = (self.size / KEPT_MAX).max(DISTANCE_MIN);
        let last = self.kept.last().map_or(0, |kept| kept.position);
        if self.position >= last + distance && !inflater.is_at_end() {
            let next = self.next - (self.buffer.len() - self.taken) as u64;
            self.kept.push(Kept { position: self.position, next, inflater: inflater.copy()? });
        }
        Ok(())
    }

    fn go_to(&mut self, next: u64, position: u64) {
        self.buffer.clear();
        (self.taken, self.next, self.position) = (0, next, position);
    }
}

impl Engine {
    fn is_at_end(&self) -> bool {
        match self {
            Self::Fast(inflater) => inflater.is_at_end(),
            Self::Copyable(inflater) => inflater.is_at_end(),
        }
    }

    fn run(&mut self, from: &[u8], room: &mut [u8]) -> io::Result<(usize, usize)> {
        match self {
            Self::Fast(inflater) => inflater.run(from, room),
            Self::Copyable(inflater) => inflater.run(from, room),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, sync::Arc};

    use millpond::HashType;
    use millpond_testkit::random::Random;

    use super::*;
    use crate::zlib::Deflater;

    #[test]
    fn who_goes_back_goes_on_from_states_that_are_kept() {
        let mut random = Random::new(1);
        let bytes: Vec<u8> = (0..5 << 20).map(|_| random.below(9) as u8).collect();
        let (mut deflater, mut small) = (Deflater::new(1).expect("begun"), Vec::new());
        deflater.update(&bytes, &mut small).expect("compressed");
        deflater.finish(&mut small).expect("ended");
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"before it").and_then(|()| file.write_all(&small)).expect("written");
        let stored = Stored { file: Arc::new(file), offset: 9, length: small.len() as u64 };
        let id = HashType::Sha256.hash(&bytes);
        let mut object = Compressed::new(stored, bytes.len() as u64);
        let mut room = vec![0; 1000];
        object.seek(&id, 4 << 20).expect("sought");
        assert!(object.kept.is_empty(), "states cost something, and nobody has gone back");
        object.seek(&id, 7).expect("sought");
        object.seek(&id, (5 << 20) - 1).expect("sought");
        let kept = object.kept.len();
        assert_eq!(kept, 4);
        for _ in 0..50 {
            let position = random.below(bytes.len() as u64);
            object.seek(&id, position).expect("sought");
            let length = object.read(&id, &mut room).expect("read");
            assert!(length > 0 && bytes[position as usize..].starts_with(&room[..length]), "at {position}");
        }
        assert_eq!(object.kept.len(), kept);
        object.rewind();
        assert_eq!(
            object.read(&id, &mut room).map(|length| bytes.starts_with(&room[..length])).ok(),
            Some(true)
        );
    }
}
