//! Frames: the pieces of a value that are verified one by one, so that a read of a part of it
//! touches little more than that part.
//!
//! Invariant: every frame of a value but the last holds [`FRAME_BYTES`], so that the place of each
//! follows from the place of the first.
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

/// Bytes of a value in one frame.
pub(crate) const FRAME_BYTES: usize = 64 << 10;

const CHECKSUM_BYTES: usize = 8;
const LENGTH_AT: usize = CHECKSUM_BYTES;
const PAYLOAD_AT: usize = LENGTH_AT + 8;

/// Bytes of a full frame in the file.
pub(super) const STRIDE: usize = PAYLOAD_AT + FRAME_BYTES;

/// Begins a frame at the end of `out`; the payload is appended behind.
pub(super) fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0; PAYLOAD_AT]);
}

/// Ends the frame that is all of `frame` and lies at `offset` of the file.
pub(super) fn end(frame: &mut [u8], identity: &Identity, offset: u64) {
    let length = frame.len().saturating_sub(PAYLOAD_AT) as u32;
    frame[LENGTH_AT..][..4].copy_from_slice(&length.to_le_bytes());
    let checksum = identity.checksum(offset, &frame[CHECKSUM_BYTES..]);
    frame[..CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
}

/// Bytes in the file of a frame of `payload` bytes.
pub(super) fn length(payload: usize) -> usize {
    PAYLOAD_AT + payload
}

/// The payload of a frame that was read at `offset` of the file.
pub(super) fn payload<'a>(frame: &'a [u8], identity: &Identity, offset: u64) -> Result<&'a [u8], Malformed> {
    let refusal = Malformed("a frame of a value fails its checksum");
    let (checksum, body) = frame.split_first_chunk::<CHECKSUM_BYTES>().ok_or(refusal)?;
    if identity.checksum(offset, body).to_le_bytes() != *checksum && !planted(Bug::SkipChecksums) {
        return Err(refusal);
    }
    let (length, payload) = body.split_first_chunk::<8>().ok_or(refusal)?;
    if u64::from_le_bytes(*length) != payload.len() as u64 {
        return Err(Malformed("a frame of a value has another length than its record says"));
    }
    Ok(payload)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use uuid::Uuid;

    use super::*;
    use crate::segment::KIND;

    fn identity() -> Identity {
        Identity::new(&KIND, Path::new("segments/1"), Uuid::from_u128(1), 1)
    }

    fn framed(bytes: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        begin(&mut frame);
        frame.extend_from_slice(bytes);
        end(&mut frame, &identity(), 77);
        assert_eq!(frame.len(), length(bytes.len()));
        frame
    }

    #[test]
    fn a_payload_comes_back() {
        for bytes in [&b"x"[..], b"some bytes", &[7; FRAME_BYTES]] {
            assert_eq!(payload(&framed(bytes), &identity(), 77), Ok(bytes));
        }
        assert_eq!(framed(&[7; FRAME_BYTES]).len(), STRIDE);
    }

    #[test]
    fn a_flipped_bit_another_length_and_another_place_are_seen() {
        let frame = framed(b"some bytes");
        assert!(payload(&frame, &identity(), 78).is_err());
        for bit in 0..8 * frame.len() {
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(payload(&flipped, &identity(), 77).is_err(), "bit {bit}");
        }
        for length in 0..frame.len() {
            assert!(payload(&frame[..length], &identity(), 77).is_err());
        }
    }
}
