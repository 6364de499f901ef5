//! Decompression. Nothing that it is given makes it do more than fill the room that it has.

use std::{io, sync::Mutex};

use flate2::{Decompress, FlushDecompress, Status};

/// Streams that wait to be used again: to make one costs more than to decompress a small object.
static IDLE: Mutex<Vec<Decompress>> = Mutex::new(Vec::new());
const IDLE_MAX: usize = 8;

/// Decompresses one object.
#[derive(Debug)]
pub(crate) struct Inflater {
    /// There until it is dropped.
    stream: Option<Decompress>,
    is_at_end: bool,
}

impl Inflater {
    pub fn new() -> Self {
        // Who would have to wait makes one: a forked child might wait for ever.
        let idle = IDLE.try_lock().ok().and_then(|mut idle| idle.pop());
        let mut inflater = Self { stream: idle, is_at_end: false };
        inflater.reset();
        inflater
    }

    /// Begins again.
    pub fn reset(&mut self) {
        self.stream.get_or_insert_with(|| Decompress::new(true)).reset(true);
        self.is_at_end = false;
    }

    /// Whether the stream has ended, with the checksum that it should have.
    pub fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Takes from `from`, gives to `room`; answers how many bytes of each.
    pub fn run(&mut self, from: &[u8], room: &mut [u8]) -> io::Result<(usize, usize)> {
        let stream = self.stream.get_or_insert_with(|| Decompress::new(true));
        let (read, written) = (stream.total_in(), stream.total_out());
        let status = stream.decompress(from, room, FlushDecompress::None);
        let status = status.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.is_at_end = status == Status::StreamEnd;
        Ok(((stream.total_in() - read) as usize, (stream.total_out() - written) as usize))
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        if let Ok(mut idle) = IDLE.try_lock()
            && idle.len() < IDLE_MAX
        {
            idle.extend(self.stream.take());
        }
    }
}
