//! Decompression. Nothing that it is given makes it do more than fill the room that it has.

use std::io;

use flate2::{Decompress, FlushDecompress, Status};

/// Decompresses one object.
#[derive(Debug)]
pub(crate) struct Inflater {
    stream: Decompress,
    is_at_end: bool,
}

impl Inflater {
    pub fn new() -> Self {
        Self { stream: Decompress::new(true), is_at_end: false }
    }

    /// Begins again.
    pub fn reset(&mut self) {
        self.stream.reset(true);
        self.is_at_end = false;
    }

    /// Whether the stream has ended, with the checksum that it should have.
    pub fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Takes from `from`, gives to `room`; answers how many bytes of each.
    pub fn run(&mut self, from: &[u8], room: &mut [u8]) -> io::Result<(usize, usize)> {
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        let status = self.stream.decompress(from, room, FlushDecompress::None);
        let status = status.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.is_at_end = status == Status::StreamEnd;
        Ok(((self.stream.total_in() - read) as usize, (self.stream.total_out() - written) as usize))
    }
}
