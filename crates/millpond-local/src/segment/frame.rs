//! Frames: the pieces of a value that are verified one by one, so that a read of a part of it
//! touches little more than that part.
//!
//! Invariant: every frame of a value but the last is full, so that the place of each follows from the
//! place of the first.
//!
//! Format 2, which is written; a full frame holds 4 KiB:
//!
//! | offset | bytes | content                                                      |
//! |-------:|------:|--------------------------------------------------------------|
//! |      0 |     8 | checksum of the payload, bound to the file and place         |
//! |      8 |   any | payload                                                      |
//!
//! Format 1, which is read; a full frame holds 64 KiB:
//!
//! | offset | bytes | content                                                      |
//! |-------:|------:|--------------------------------------------------------------|
//! |      0 |     8 | checksum of all that follows, bound to the file and place    |
//! |      8 |     4 | bytes of the payload                                         |
//! |     12 |     4 | zeros                                                        |
//! |     16 |   any | payload                                                      |

use crate::{
    bugs::{Bug, planted},
    identity::Identity,
    wire::Malformed,
};

const CHECKSUM_BYTES: usize = 8;

/// How a segment's values are cut into frames.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// Of the segment's header.
    version: u32,
    /// Bytes of a value in a full frame.
    pub(super) frame_bytes: usize,
    /// Bytes before the payload.
    pub(super) head_bytes: usize,
}

/// See the module.
pub(super) static LONG_FRAMES: Format = Format { version: 1, frame_bytes: 64 << 10, head_bytes: 16 };

/// The format that is written.
pub(super) static CURRENT: Format = Format { version: 2, frame_bytes: 4 << 10, head_bytes: 8 };

impl Format {
    /// That of a segment whose header says so.
    pub(super) fn of(version: u32) -> &'static Self {
        if version == LONG_FRAMES.version { &LONG_FRAMES } else { &CURRENT }
    }

    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// Bytes of a full frame in the file.
    pub(super) fn stride(&self) -> usize {
        self.head_bytes + self.frame_bytes
    }

    /// Bytes in the file of a frame of `payload` bytes.
    pub(super) fn length(&self, payload: usize) -> usize {
        self.head_bytes + payload
    }

    /// Begins a frame at the end of `out`; the payload is appended behind.
    pub(super) fn begin(&self, out: &mut Vec<u8>) {
        out.resize(out.len() + self.head_bytes, 0);
    }

    /// Ends the frame that is all of `frame` and lies at `offset` of the file.
    pub(super) fn end(&self, frame: &mut [u8], identity: &Identity, offset: u64) {
        if self.names_length() {
            let length = (frame.len() - self.head_bytes) as u32;
            frame[CHECKSUM_BYTES..][..4].copy_from_slice(&length.to_le_bytes());
        }
        let checksum = identity.checksum(offset, &frame[CHECKSUM_BYTES..]);
        frame[..CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
    }

    /// The payload of a frame that was read at `offset` of the file.
    pub(super) fn payload<'a>(
        &self,
        frame: &'a [u8],
        identity: &Identity,
        offset: u64,
    ) -> Result<&'a [u8], Malformed> {
        let refusal = Malformed("a frame of a value fails its checksum");
        let (checksum, body) = frame.split_first_chunk::<CHECKSUM_BYTES>().ok_or(refusal)?;
        if !self.is_sound(*checksum, body, identity, offset) {
            return Err(refusal);
        }
        if !self.names_length() {
            return Ok(body);
        }
        let (length, payload) = body.split_first_chunk::<8>().ok_or(refusal)?;
        if u64::from_le_bytes(*length) != payload.len() as u64 {
            return Err(Malformed("a frame of a value has another length than its record says"));
        }
        Ok(payload)
    }

    /// Whether what follows on a checksum at `offset` of the file is what was written: a payload, where
    /// frames don't name their length.
    pub(super) fn is_sound(
        &self,
        checksum: [u8; CHECKSUM_BYTES],
        body: &[u8],
        identity: &Identity,
        offset: u64,
    ) -> bool {
        identity.checksum(offset, body).to_le_bytes() == checksum || planted(Bug::SkipChecksums)
    }

    fn names_length(&self) -> bool {
        self.head_bytes > CHECKSUM_BYTES
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use uuid::Uuid;

    use super::*;
    use crate::segment::KIND;

    static FORMATS: [&Format; 2] = [&LONG_FRAMES, &CURRENT];

    fn identity() -> Identity {
        Identity::new(&KIND, Path::new("segments/1"), Uuid::from_u128(1), 1)
    }

    fn framed(format: &Format, bytes: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        format.begin(&mut frame);
        frame.extend_from_slice(bytes);
        format.end(&mut frame, &identity(), 77);
        assert_eq!(frame.len(), format.length(bytes.len()));
        frame
    }

    #[test]
    fn a_payload_comes_back() {
        for format in FORMATS {
            assert_eq!(Format::of(format.version()), format);
            let full = vec![7; format.frame_bytes];
            for bytes in [&b"x"[..], b"some bytes", &full] {
                assert_eq!(format.payload(&framed(format, bytes), &identity(), 77), Ok(bytes));
            }
            assert_eq!(framed(format, &full).len(), format.stride());
        }
    }

    #[test]
    fn a_flipped_bit_another_length_and_another_place_are_seen() {
        for format in FORMATS {
            let frame = framed(format, b"some bytes");
            assert!(format.payload(&frame, &identity(), 78).is_err());
            for bit in 0..8 * frame.len() {
                let mut flipped = frame.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(format.payload(&flipped, &identity(), 77).is_err(), "bit {bit}");
            }
            for length in 0..frame.len() {
                assert!(format.payload(&frame[..length], &identity(), 77).is_err());
            }
        }
    }
}
