//! Where the frames of a segment lie.
//!
//! Invariant: every frame of a segment but the last holds [`FRAME_BYTES`], and every object but the
//! last [`FRAMES`] of them, so that the place of each follows from its number.

use std::ffi::CStr;

use crate::layout::{
    seal::{Identity, SEAL_BYTES},
    wire::Malformed,
};

/// Bytes of a value in one frame.
pub(super) const FRAME_BYTES: u64 = 64 << 10;
/// Bytes of a full frame with its seal.
pub(super) const STRIDE: u64 = FRAME_BYTES + SEAL_BYTES as u64;
/// Frames of one object: 4 MiB, what Ceph is made for.
pub(super) const FRAMES: u64 = 64;
/// Bytes of a value in one object.
pub(super) const PART_BYTES: u64 = FRAMES * FRAME_BYTES;

/// What a frame's checksum is bound to: its object and its number in it.
fn place(object: &CStr, frame: u64) -> Vec<u8> {
    [object.to_bytes(), b"/", &frame.to_le_bytes()].concat()
}

/// The frame number `frame` of `object`.
pub(super) fn seal(identity: &Identity, object: &CStr, frame: u64, payload: &[u8]) -> Vec<u8> {
    identity.seal(&place(object, frame), |out| out.extend_from_slice(payload))
}

/// The payload of such a frame.
pub(super) fn open<'a>(
    identity: &Identity,
    object: &CStr,
    frame: u64,
    sealed: &'a [u8],
) -> Result<&'a [u8], Malformed> {
    identity.open(&place(object, frame), sealed)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_frame_belongs_to_its_place() {
        let identity = Identity(Uuid::from_u128(1));
        let sealed = seal(&identity, c"segment.1.0", 3, b"payload");
        assert_eq!(sealed.len(), SEAL_BYTES + 7);
        assert_eq!(open(&identity, c"segment.1.0", 3, &sealed), Ok(&b"payload"[..]));
        assert!(open(&identity, c"segment.1.0", 4, &sealed).is_err());
        assert!(open(&identity, c"segment.1.1", 3, &sealed).is_err());
    }
}
