//! Reading a value from any place in it, in bounded memory, however it is stored.

use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::Arc,
};

use bytes::Bytes;
use millpond_core::{Error, ErrorKind, Record, RecordRef, Result, View};

use super::{
    codec::Codec,
    frames::{self, FRAME_BYTES, FrameTable},
    pieces::{LongBytes, StoredBytes},
    stored::{Coding, Stored, corrupt},
};
use crate::named::Named;

/// Compressed bytes that are read at once.
const COMPRESSED_READ_BYTES: usize = 64 << 10;

/// Reads a value. It shows the value as it was when the reader was made.
pub(crate) struct ContentReader {
    decoding: Decoding,
    length: u64,
    position: u64,
}

enum Decoding {
    /// The bytes are the value.
    Plain(StoredBytes),
    Frames(Box<Frames>),
    Stream(Box<ZlibStream>),
}

/// A value in frames, of which the one that was read last is kept.
struct Frames {
    stored: StoredBytes,
    stored_length: u64,
    length: u64,
    table: Option<FrameTable>,
    /// Where the content at hand begins in the value.
    begin: u64,
    content: Vec<u8>,
    compressed: Vec<u8>,
}

/// A value in a stream, which is decoded again from its beginning to go back.
struct ZlibStream {
    stored: StoredBytes,
    decoder: flate2::Decompress,
    /// How many compressed bytes were taken from the store.
    taken: u64,
    compressed: Vec<u8>,
    /// How many of those the decoder has used up.
    used: usize,
    ended: bool,
}

impl ContentReader {
    /// Reads the value of a record of `view`.
    pub(crate) fn new(
        named: &Arc<Named>,
        view: Box<dyn View>,
        sort: Vec<u8>,
        record: &Record,
    ) -> Result<Self> {
        let reference = RecordRef { version: record.version, value: &record.value, extents: &record.extents };
        let stored = Stored::parse(reference)?;
        let long = |view| StoredBytes::Long(LongBytes::new(Arc::clone(named), view, sort, record));
        let (bytes, coding) = match stored {
            Stored::Inline(_) => (StoredBytes::Held(record.value.slice(1..)), None),
            Stored::InlineCoded(coding, compressed) => {
                (StoredBytes::Held(record.value.slice_ref(compressed)), Some(coding))
            }
            Stored::Long(_) => (long(view), None),
            Stored::LongCoded(coding, _) => (long(view), Some(coding)),
        };
        Ok(Self::over(bytes, stored.length(), stored.stored_length(), coding))
    }

    /// Reads a value that is in memory.
    pub(crate) fn held(value: Bytes) -> Self {
        let length = value.len() as u64;
        Self { decoding: Decoding::Plain(StoredBytes::Held(value)), length, position: 0 }
    }

    fn over(stored: StoredBytes, length: u64, stored_length: u64, coding: Option<Coding>) -> Self {
        let decoding = match coding.map(|coding| coding.codec) {
            None | Some(Codec::None) => Decoding::Plain(stored),
            Some(Codec::Zstd) => Decoding::Frames(Box::new(Frames {
                stored,
                stored_length,
                length,
                table: None,
                begin: 0,
                content: Vec::new(),
                compressed: Vec::new(),
            })),
            Some(Codec::Zlib) => Decoding::Stream(Box::new(ZlibStream::new(stored))),
        };
        Self { decoding, length, position: 0 }
    }

    /// The length of the value in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.length
    }

    /// All of the value, where it is in memory as it is.
    pub(crate) fn whole(&self) -> Option<&Bytes> {
        match &self.decoding {
            Decoding::Plain(StoredBytes::Held(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// Reads some bytes from where the reader stands; none at the end.
    pub(crate) fn read_some(&mut self, into: &mut [u8]) -> Result<usize> {
        let left = usize::try_from(self.length.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let into = match into.len().min(left) {
            0 => return Ok(0),
            count => &mut into[..count],
        };
        let count = match &mut self.decoding {
            Decoding::Plain(stored) => stored.read(self.position, into)?,
            Decoding::Frames(frames) => frames.read(self.position, into)?,
            Decoding::Stream(stream) => stream.read(self.position, into)?,
        };
        if count == 0 {
            return Err(corrupt(format!(
                "it should have {} bytes, but ends at {}",
                self.length, self.position
            )));
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Frames {
    fn read(&mut self, position: u64, into: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            let at = position + filled as u64;
            let offset = at.checked_sub(self.begin).and_then(|offset| usize::try_from(offset).ok());
            let held = offset.and_then(|offset| self.content.get(offset..)).unwrap_or_default();
            if held.is_empty() {
                // What was read up to here is good, whatever comes.
                match self.decode(at) {
                    Ok(true) => continue,
                    Ok(false) => break,
                    Err(_) if filled > 0 => break,
                    Err(error) => return Err(error),
                }
            }
            let count = held.len().min(into.len() - filled);
            into[filled..filled + count].copy_from_slice(&held[..count]);
            filled += count;
        }
        Ok(filled)
    }

    /// Decodes the frame that holds the byte at `position`; false where there is none.
    fn decode(&mut self, position: u64) -> Result<bool> {
        let table = match &self.table {
            Some(table) => table,
            None => {
                let stored = &mut self.stored;
                let table = FrameTable::read(self.length, self.stored_length, |at, into| {
                    read_exact(stored, at, into)
                })?;
                self.table.insert(table)
            }
        };
        let Some(frame) = table.at(position) else { return Ok(false) };
        // A frame is hardly longer than what it holds: no length that a table tells makes anyone allocate more.
        if frame.stored > 2 * FRAME_BYTES {
            return Err(corrupt(format!("a frame can't have {} bytes", frame.stored)));
        }
        self.content.clear();
        self.compressed.resize(frame.stored, 0);
        read_exact(&mut self.stored, frame.start, &mut self.compressed)?;
        let decoded = frames::decode_frame(&self.compressed, frame.content, &mut self.content);
        if decoded.is_err() {
            self.content.clear();
        }
        self.begin = frame.begin;
        decoded.map(|()| true)
    }
}

fn read_exact(stored: &mut StoredBytes, at: u64, into: &mut [u8]) -> Result<()> {
    if stored.read_full(at, into)? < into.len() {
        return Err(corrupt("its compressed bytes end too early".into()));
    }
    Ok(())
}

impl ZlibStream {
    fn new(stored: StoredBytes) -> Self {
        Self {
            stored,
            decoder: flate2::Decompress::new(true),
            taken: 0,
            compressed: Vec::new(),
            used: 0,
            ended: false,
        }
    }

    fn read(&mut self, position: u64, into: &mut [u8]) -> Result<usize> {
        if position < self.decoder.total_out() {
            self.decoder.reset(true);
            (self.taken, self.used, self.ended) = (0, 0, false);
            self.compressed.clear();
        }
        let mut skipped = [0; 4096];
        while self.decoder.total_out() < position {
            let ahead = position - self.decoder.total_out();
            let count = ahead.min(skipped.len() as u64) as usize;
            if self.decode(&mut skipped[..count])? == 0 {
                return Ok(0);
            }
        }
        self.decode(into)
    }

    /// Decodes what comes next; nothing at the end.
    fn decode(&mut self, into: &mut [u8]) -> Result<usize> {
        let before = self.decoder.total_out();
        while self.decoder.total_out() == before && !self.ended {
            if self.used == self.compressed.len() {
                self.compressed.resize(COMPRESSED_READ_BYTES, 0);
                let count = self.stored.read(self.taken, &mut self.compressed)?;
                self.compressed.truncate(count);
                (self.taken, self.used) = (self.taken + count as u64, 0);
            }
            let (read, written) = (self.decoder.total_in(), self.decoder.total_out());
            let status = self
                .decoder
                .decompress(&self.compressed[self.used..], into, flate2::FlushDecompress::None)
                .map_err(|error| frames::cannot_decode(error.into()))?;
            let progress = self.decoder.total_in() - read;
            self.used += progress as usize;
            self.ended = status == flate2::Status::StreamEnd;
            if progress == 0 && self.decoder.total_out() == written && self.used == self.compressed.len() {
                // Nothing is left of it, and it hasn't ended.
                if self.compressed.is_empty() {
                    break;
                }
            }
        }
        Ok((self.decoder.total_out() - before) as usize)
    }
}

impl Read for ContentReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.read_some(into).map_err(io_error)
    }
}

impl Seek for ContentReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "can't seek to before the beginning of a value")
        })?;
        Ok(self.position)
    }
}

/// An error of the store as the standard streams report errors.
pub(crate) fn io_error(error: Error) -> io::Error {
    let kind = match error.kind() {
        ErrorKind::NoSpace => io::ErrorKind::StorageFull,
        ErrorKind::NotFound => io::ErrorKind::NotFound,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnly => io::ErrorKind::PermissionDenied,
        ErrorKind::Corrupt | ErrorKind::DataLoss | ErrorKind::Incompatible => io::ErrorKind::InvalidData,
        ErrorKind::Timeout => io::ErrorKind::TimedOut,
        ErrorKind::InvalidArgument => io::ErrorKind::InvalidInput,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::frames::Encoder;

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|i| ((i / 5) ^ (i >> 8)) as u8).collect()
    }

    fn reader(codec: Codec, content: &[u8]) -> ContentReader {
        let mut stored = Vec::new();
        let mut encoder = Encoder::new(codec.into());
        encoder
            .append(content, &mut |part| {
                stored.extend_from_slice(part);
                Ok(())
            })
            .expect("memory");
        encoder
            .finish(&mut |part| {
                stored.extend_from_slice(part);
                Ok(())
            })
            .expect("memory");
        let length = content.len() as u64;
        let stored_length = stored.len() as u64;
        let bytes = StoredBytes::Held(stored.into());
        ContentReader::over(bytes, length, stored_length, Some(Coding { codec, length }))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Reads and seeks as on a slice.
        #[test]
        fn any_place_is_read_in_any_order(
            codec in prop::sample::select(Codec::ALL.to_vec()),
            length in prop::sample::select(vec![0usize, 1, 700, FRAME_BYTES, 2 * FRAME_BYTES + 10, 400_000]),
            steps in prop::collection::vec((0u64..500_000, 1usize..200_000), 1..12),
        ) {
            let content = content(length);
            let mut reader = reader(codec, &content);
            for (position, count) in steps {
                let mut part = vec![0; count];
                reader.seek(SeekFrom::Start(position)).expect("a place");
                let mut filled = 0;
                loop {
                    match reader.read(&mut part[filled..]).expect("bytes") {
                        0 => break,
                        more => filled += more,
                    }
                }
                let begin = (position as usize).min(length);
                prop_assert_eq!(&part[..filled], &content[begin..(begin + count).min(length)]);
            }
            prop_assert_eq!(reader.seek(SeekFrom::End(-1)).ok(), (length as u64).checked_sub(1));
        }
    }
}
