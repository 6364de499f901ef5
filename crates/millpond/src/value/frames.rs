//! Compressed values: frames that stand by themselves, and the table that says where each one is.
//!
//! With zstd, each [`FRAME_BYTES`] of a value are compressed by themselves, so that a read decodes the
//! frames that it needs and no more. A value of more than one frame ends in a table of them: a
//! skippable frame in zstd's seekable format (version 0.1.0), so that any decoder of zstd reads the whole
//! value. Numbers are little-endian:
//!
//! | bytes | content                                                     |
//! |------:|-------------------------------------------------------------|
//! |     4 | 0x184D2A5E                                                  |
//! |     4 | length of what follows: 8 for each frame, and 9             |
//! |   8 n | of each frame, its compressed length and its content's (4, 4) |
//! |     4 | how many frames there are                                   |
//! |     1 | 0: entries have no checksum                                 |
//! |     4 | 0x8F92EAB1                                                  |
//!
//! Invariant: what a table says is compared with the lengths in the record before anything is allocated
//! or decoded by it.

use std::{
    cell::RefCell,
    io::{Read, Write},
};

use bytes::Bytes;
use millpond_core::{Error, ErrorKind, Result};
use zstd::bulk::{Compressor, Decompressor};

use super::{
    codec::{Codec, Compression},
    stored::{Coding, corrupt, reserve},
};

/// Bytes of a value that are compressed together.
pub(crate) const FRAME_BYTES: usize = 128 << 10;

const TABLE_MAGIC: u32 = 0x184D_2A5E;
const TABLE_END: u32 = 0x8F92_EAB1;
const TABLE_HEAD_BYTES: u64 = 8;
const TABLE_FOOT_BYTES: u64 = 9;
const ENTRY_BYTES: u64 = 8;

thread_local! {
    /// The level that the compressor has, and it: making one costs more than compressing a short value.
    static COMPRESSOR: RefCell<Option<(i32, Compressor<'static>)>> = const { RefCell::new(None) };
    static DEFLATER: RefCell<Option<(i32, flate2::Compress)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A value, compressed as a whole; nothing where that makes it no shorter.
pub(crate) fn encode(compression: Compression, content: &[u8]) -> Result<Option<Vec<u8>>> {
    match compression.codec() {
        Codec::None => return Ok(None),
        Codec::Zlib => return deflate(compression.level(), content),
        Codec::Zstd => {}
    }
    let mut compressed = Vec::new();
    let mut encoder = Encoder::new(compression);
    encoder.append(content, &mut |part| {
        compressed.extend_from_slice(part);
        Ok(())
    })?;
    encoder.finish(&mut |part| {
        compressed.extend_from_slice(part);
        Ok(())
    })?;
    Ok((compressed.len() < content.len()).then_some(compressed))
}

/// A value as a stream of zlib's; nothing where that makes it no shorter.
fn deflate(level: i32, content: &[u8]) -> Result<Option<Vec<u8>>> {
    DEFLATER.with_borrow_mut(|kept| {
        let deflater = match kept {
            Some((of, deflater)) if *of == level => {
                deflater.reset();
                deflater
            }
            other => {
                let new = flate2::Compress::new(flate2::Compression::new(level.unsigned_abs()), true);
                &mut other.insert((level, new)).1
            }
        };
        // What doesn't fit isn't shorter.
        let mut compressed = Vec::with_capacity(content.len());
        let status = deflater
            .compress_vec(content, &mut compressed, flate2::FlushCompress::Finish)
            .map_err(|error| cannot_compress(error.into()))?;
        let is_shorter = status == flate2::Status::StreamEnd && compressed.len() < content.len();
        Ok(is_shorter.then_some(compressed))
    })
}

/// Takes what is compressed.
type Sink<'a> = &'a mut dyn FnMut(&[u8]) -> Result<()>;

/// Compresses a value that comes piece by piece, in bounded memory.
pub(crate) enum Encoder {
    Zstd(FrameEncoder),
    Zlib(flate2::write::ZlibEncoder<Vec<u8>>),
    None,
}

/// See the module.
pub(crate) struct FrameEncoder {
    level: i32,
    /// Content of a frame that isn't full yet.
    pending: Vec<u8>,
    /// Compressed length and content's length of each frame.
    frames: Vec<(u32, u32)>,
    compressed: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(compression: Compression) -> Self {
        match compression.codec() {
            Codec::None => Self::None,
            Codec::Zstd => Self::Zstd(FrameEncoder {
                level: compression.level(),
                pending: Vec::new(),
                frames: Vec::new(),
                compressed: Vec::new(),
            }),
            Codec::Zlib => {
                let level = flate2::Compression::new(compression.level().unsigned_abs());
                Self::Zlib(flate2::write::ZlibEncoder::new(Vec::new(), level))
            }
        }
    }

    /// Adds content; hands on what is compressed.
    pub(crate) fn append(&mut self, mut content: &[u8], sink: Sink<'_>) -> Result<()> {
        match self {
            Self::None => sink(content),
            Self::Zstd(frames) => {
                while !content.is_empty() {
                    let room = FRAME_BYTES - frames.pending.len();
                    let (part, rest) = content.split_at(room.min(content.len()));
                    if frames.pending.is_empty() && part.len() == FRAME_BYTES {
                        frames.compress(part, sink)?;
                    } else {
                        frames.pending.extend_from_slice(part);
                        if frames.pending.len() == FRAME_BYTES {
                            let full = std::mem::take(&mut frames.pending);
                            frames.compress(&full, sink)?;
                            frames.pending = full;
                            frames.pending.clear();
                        }
                    }
                    content = rest;
                }
                Ok(())
            }
            Self::Zlib(encoder) => {
                for part in content.chunks(FRAME_BYTES) {
                    encoder.write_all(part).map_err(cannot_compress)?;
                    if !encoder.get_ref().is_empty() {
                        sink(encoder.get_ref())?;
                        encoder.get_mut().clear();
                    }
                }
                Ok(())
            }
        }
    }

    /// Ends the value; hands on what is left of it.
    pub(crate) fn finish(self, sink: Sink<'_>) -> Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Zstd(mut frames) => {
                let rest = std::mem::take(&mut frames.pending);
                if !rest.is_empty() || frames.frames.is_empty() {
                    frames.compress(&rest, sink)?;
                }
                if frames.frames.len() > 1 {
                    sink(&table(&frames.frames)?)?;
                }
                Ok(())
            }
            Self::Zlib(encoder) => sink(&encoder.finish().map_err(cannot_compress)?),
        }
    }
}

impl FrameEncoder {
    fn compress(&mut self, content: &[u8], sink: Sink<'_>) -> Result<()> {
        COMPRESSOR.with_borrow_mut(|kept| {
            let compressor = match kept {
                Some((level, compressor)) if *level == self.level => compressor,
                other => {
                    let new = Compressor::new(self.level).map_err(cannot_compress)?;
                    &mut other.insert((self.level, new)).1
                }
            };
            self.compressed.clear();
            self.compressed.reserve(zstd::zstd_safe::compress_bound(content.len()));
            compressor.compress_to_buffer(content, &mut self.compressed).map_err(cannot_compress)
        })?;
        // A frame is 128 KiB and some bytes long at most.
        self.frames.push((self.compressed.len() as u32, content.len() as u32));
        sink(&self.compressed)
    }
}

fn table(frames: &[(u32, u32)]) -> Result<Vec<u8>> {
    let length = frames.len() as u64 * ENTRY_BYTES + TABLE_FOOT_BYTES;
    let (Ok(length), Ok(count)) = (u32::try_from(length), u32::try_from(frames.len())) else {
        let message = "a value of more than 64 TiB isn't compressed: store it as it is";
        return Err(Error::new(ErrorKind::ValueTooLong, message));
    };
    let mut table = Vec::with_capacity((TABLE_HEAD_BYTES + u64::from(length)) as usize);
    table.extend_from_slice(&TABLE_MAGIC.to_le_bytes());
    table.extend_from_slice(&length.to_le_bytes());
    for (compressed, content) in frames {
        table.extend_from_slice(&compressed.to_le_bytes());
        table.extend_from_slice(&content.to_le_bytes());
    }
    table.extend_from_slice(&count.to_le_bytes());
    table.push(0);
    table.extend_from_slice(&TABLE_END.to_le_bytes());
    Ok(table)
}

/// Where the frames of a compressed value are.
pub(crate) struct FrameTable {
    /// Where each frame begins, and where the last one ends.
    starts: Vec<u64>,
    length: u64,
}

impl FrameTable {
    /// Reads the table of a value of `stored` compressed bytes, of which `read` fills its buffer from some place on.
    ///
    /// # Errors
    /// `Corrupt` when the table doesn't fit the value; those of `read`.
    pub(crate) fn read(
        length: u64,
        stored: u64,
        mut read: impl FnMut(u64, &mut [u8]) -> Result<()>,
    ) -> Result<Self> {
        let count = length.div_ceil(FRAME_BYTES as u64).max(1);
        if count == 1 {
            return Ok(Self { starts: vec![0, stored], length });
        }
        let table_bytes = count
            .checked_mul(ENTRY_BYTES)
            .and_then(|entries| entries.checked_add(TABLE_HEAD_BYTES + TABLE_FOOT_BYTES))
            .filter(|bytes| *bytes <= stored)
            .ok_or_else(|| corrupt(format!("{stored} bytes can't hold a table of {count} frames")))?;
        let mut table = reserve(table_bytes)?;
        table.resize(table_bytes as usize, 0);
        read(stored - table_bytes, &mut table)?;
        let number = |at: usize| {
            table.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
        };
        let foot = table.len() - TABLE_FOOT_BYTES as usize;
        let whole = number(0) == TABLE_MAGIC
            && u64::from(number(4)) == table_bytes - TABLE_HEAD_BYTES
            && u64::from(number(foot)) == count
            && table[foot + 4] == 0
            && number(foot + 5) == TABLE_END;
        if !whole {
            return Err(corrupt("the table of its frames is malformed".into()));
        }
        let mut starts = Vec::with_capacity(count as usize + 1);
        let (mut start, mut left) = (0u64, length);
        for frame in 0..count as usize {
            let at = TABLE_HEAD_BYTES as usize + frame * ENTRY_BYTES as usize;
            let content = left.min(FRAME_BYTES as u64);
            if u64::from(number(at + 4)) != content {
                return Err(corrupt(format!("its frame {frame} doesn't hold {content} bytes")));
            }
            starts.push(start);
            start += u64::from(number(at));
            left -= content;
        }
        starts.push(start);
        if start != stored - table_bytes {
            return Err(corrupt("its frames aren't as long as the table of them says".into()));
        }
        Ok(Self { starts, length })
    }

    /// The frame that holds the byte at `position`: its number, where it is, and how many bytes it holds.
    pub(crate) fn at(&self, position: u64) -> Option<Frame> {
        if position >= self.length {
            return None;
        }
        let number = usize::try_from(position / FRAME_BYTES as u64).ok()?;
        let begin = number as u64 * FRAME_BYTES as u64;
        let (start, end) = (*self.starts.get(number)?, *self.starts.get(number + 1)?);
        let content = (self.length - begin).min(FRAME_BYTES as u64) as usize;
        Some(Frame { begin, start, stored: usize::try_from(end - start).ok()?, content })
    }
}

/// A frame of a compressed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Where its content begins in the value.
    pub(crate) begin: u64,
    /// Where it begins in the compressed bytes.
    pub(crate) start: u64,
    /// How many compressed bytes it has.
    pub(crate) stored: usize,
    /// How many bytes of the value it holds.
    pub(crate) content: usize,
}

/// Appends what a frame holds, exactly `length` bytes, to `into`.
///
/// # Errors
/// `Corrupt` when it holds something else.
pub(crate) fn decode_frame(compressed: &[u8], length: usize, into: &mut Vec<u8>) -> Result<()> {
    DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new().map_err(cannot_decode)?),
        };
        let before = into.len();
        into.resize(before + length, 0);
        let decoded = decompressor.decompress_to_buffer(compressed, &mut into[before..]);
        match decoded {
            Ok(decoded) if decoded == length => Ok(()),
            Ok(decoded) => Err(corrupt(format!("a frame holds {decoded} bytes instead of {length}"))),
            Err(error) => Err(cannot_decode(error)),
        }
    })
}

/// The whole value of compressed bytes.
///
/// # Errors
/// `Corrupt` when they aren't those of a value of that length; `ValueTooLong` when there is no memory for it.
pub(crate) fn decode(coding: Coding, compressed: &[u8]) -> Result<Bytes> {
    let mut value = reserve(coding.length)?;
    match coding.codec {
        Codec::None => value.extend_from_slice(compressed),
        Codec::Zstd => {
            let table = FrameTable::read(coding.length, compressed.len() as u64, |at, into| {
                // The table lies within the bytes, as its reader has seen.
                into.copy_from_slice(&compressed[at as usize..][..into.len()]);
                Ok(())
            })?;
            if coding.length == 0 {
                decode_frame(compressed, 0, &mut value)?;
            }
            while let Some(frame) = table.at(value.len() as u64) {
                let part = &compressed[frame.start as usize..][..frame.stored];
                decode_frame(part, frame.content, &mut value)?;
            }
        }
        Codec::Zlib => {
            let limit = coding.length.saturating_add(1);
            let decoder = flate2::read::ZlibDecoder::new(compressed);
            decoder.take(limit).read_to_end(&mut value).map_err(cannot_decode)?;
        }
    }
    if value.len() as u64 != coding.length {
        return Err(corrupt(format!("it should have {} bytes, but has {}", coding.length, value.len())));
    }
    Ok(Bytes::from(value))
}

fn cannot_compress(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("can't compress a value: {error}"))
}

pub(crate) fn cannot_decode(error: std::io::Error) -> Error {
    corrupt(format!("its compressed bytes can't be decoded: {error}"))
}

/// The decoders of compressed values, for fuzzers: a codec, a length in three bytes, and what is compressed.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let [codec, a, b, c, compressed @ ..] = bytes else { return };
    let codec = if codec & 1 == 0 { Codec::Zstd } else { Codec::Zlib };
    let length = u64::from(u32::from_le_bytes([*a, *b, *c, 0]) & 0xF_FFFF);
    if let Ok(value) = decode(Coding { codec, length }, compressed) {
        assert_eq!(value.len() as u64, length);
    }
}

/// Valid inputs of [`fuzz`].
#[cfg(test)]
pub(crate) fn samples() -> Vec<Vec<u8>> {
    let content = vec![b'a'; FRAME_BYTES + 1];
    [(Codec::Zstd, 300), (Codec::Zlib, 300), (Codec::Zstd, FRAME_BYTES + 1)]
        .into_iter()
        .map(|(codec, length)| {
            let [a, b, c, ..] = (length as u32).to_le_bytes();
            let compressed = encode(codec.into(), &content[..length]).expect("in memory").expect("shorter");
            [&[u8::from(codec == Codec::Zlib), a, b, c], &compressed[..]].concat()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|i| ((i / 7) ^ (i >> 9)) as u8).collect()
    }

    fn compressed(compression: Compression, content: &[u8], piece: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(compression);
        for part in content.chunks(piece) {
            encoder
                .append(part, &mut |bytes| {
                    out.extend_from_slice(bytes);
                    Ok(())
                })
                .expect("memory");
        }
        encoder
            .finish(&mut |bytes| {
                out.extend_from_slice(bytes);
                Ok(())
            })
            .expect("memory");
        out
    }

    #[test]
    fn values_of_all_lengths_come_back() {
        for codec in [Codec::Zlib, Codec::Zstd] {
            for length in [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 3 * FRAME_BYTES, 1_000_000] {
                let content = content(length);
                let whole = compressed(codec.into(), &content, usize::MAX);
                let pieces = compressed(codec.into(), &content, 4096 + 1);
                assert!(codec != Codec::Zstd || pieces == whole, "frames don't depend on how the value came");
                let coding = Coding { codec, length: length as u64 };
                for stored in [&pieces, &whole] {
                    assert_eq!(decode(coding, stored).expect("a value"), content, "{codec} {length}");
                }
                for wrong in [length as u64 + 1, (length as u64).saturating_sub(1), 1 << 50] {
                    let coding = Coding { codec, length: wrong };
                    if wrong != length as u64 {
                        let error = decode(coding, &whole).expect_err("another length");
                        assert!(
                            matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::ValueTooLong),
                            "{codec} {length} {wrong}: {error}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn any_decoder_of_zstd_reads_the_whole() {
        let content = content(5 * FRAME_BYTES + 7);
        let compressed = compressed(Codec::Zstd.into(), &content, 1000);
        assert_eq!(zstd::stream::decode_all(&compressed[..]).expect("a stream"), content);
    }

    #[test]
    fn a_place_is_one_frame_away() {
        let content = content(3 * FRAME_BYTES + 5);
        let stored = compressed(Codec::Zstd.into(), &content, usize::MAX);
        let table = FrameTable::read(content.len() as u64, stored.len() as u64, |at, into| {
            into.copy_from_slice(&stored[at as usize..][..into.len()]);
            Ok(())
        })
        .expect("a table");
        for position in [0, 1, FRAME_BYTES - 1, FRAME_BYTES, 3 * FRAME_BYTES, 3 * FRAME_BYTES + 4] {
            let frame = table.at(position as u64).expect("a frame");
            let mut part = Vec::new();
            decode_frame(&stored[frame.start as usize..][..frame.stored], frame.content, &mut part)
                .expect("a frame");
            assert_eq!(part[position - frame.begin as usize], content[position]);
        }
        assert_eq!(table.at(content.len() as u64), None);
        assert_eq!(table.at(u64::MAX), None);
    }

    #[test]
    fn what_gets_no_shorter_stays_as_it_is() {
        assert_eq!(encode(Codec::Zstd.into(), b"abc").expect("memory"), None);
        assert!(encode(Codec::Zstd.into(), &content(4096)).expect("memory").is_some());
        assert_eq!(encode(Compression::NONE, &content(4096)).expect("memory"), None);
    }

    proptest! {
        /// Whatever the bytes are: a value or an error, never a panic, and never more memory than asked for.
        #[test]
        fn damaged_bytes_are_told(
            codec in prop::sample::select(vec![Codec::Zlib, Codec::Zstd]),
            length in prop::sample::select(vec![10usize, 5000, FRAME_BYTES + 1, 2 * FRAME_BYTES + 100]),
            place in any::<prop::sample::Index>(),
            flip in 1u8..,
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let content = content(length);
            let mut stored = compressed(codec.into(), &content, usize::MAX);
            let place = place.index(stored.len());
            stored[place] ^= flip;
            if let Some(cut) = cut {
                stored.truncate(cut.index(stored.len()));
            }
            let coding = Coding { codec, length: length as u64 };
            if let Err(error) = decode(coding, &stored) {
                prop_assert_eq!(error.kind(), ErrorKind::Corrupt);
            }
        }
    }
}
