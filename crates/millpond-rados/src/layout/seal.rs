//! The envelope of every omap value, and of every frame of a segment.
//!
//! | offset | bytes | content                                                                       |
//! |-------:|------:|-------------------------------------------------------------------------------|
//! |      0 |     8 | XXH3-64 of the incarnation, the place, the format and the body, little-endian |
//! |      8 |     1 | format, 1                                                                     |
//! |      9 |   any | body                                                                          |

use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

use super::wire::Malformed;
use crate::bugs::{Bug, planted};

/// The newest format that this program reads, and the one that it writes.
const FORMAT: u8 = 1;
/// Bytes before the body.
pub(crate) const SEAL_BYTES: usize = 9;

/// What the checksums of a container, or of a pool, are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity(pub(crate) Uuid);

impl Identity {
    /// Seals the body that `fill` appends, for `place`.
    pub(crate) fn seal(&self, place: &[u8], fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = vec![0; SEAL_BYTES];
        out[SEAL_BYTES - 1] = FORMAT;
        fill(&mut out);
        let checksum = self.checksum(place, &out[8..]);
        out[..8].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// The body of what was sealed for `place`.
    pub(crate) fn open<'a>(&self, place: &[u8], sealed: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let (checksum, rest) =
            sealed.split_first_chunk::<8>().ok_or(Malformed("it is shorter than its checksum"))?;
        if self.checksum(place, rest).to_le_bytes() != *checksum && !planted(Bug::AcceptDamage) {
            return Err(Malformed("it fails its checksum"));
        }
        match rest.split_first() {
            Some((&FORMAT, body)) => Ok(body),
            _ => Err(Malformed("it has a newer format than this version of Millpond reads")),
        }
    }

    fn checksum(&self, place: &[u8], rest: &[u8]) -> u64 {
        let mut hash = Xxh3::new();
        hash.update(self.0.as_bytes());
        hash.update(&(place.len() as u64).to_le_bytes());
        hash.update(place);
        hash.update(rest);
        hash.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_comes_back_from_its_place_alone() {
        let identity = Identity(Uuid::from_u128(1));
        let sealed = identity.seal(b"key", |out| out.extend_from_slice(b"body"));
        assert_eq!(identity.open(b"key", &sealed), Ok(&b"body"[..]));
        assert!(identity.open(b"other", &sealed).is_err());
        assert!(Identity(Uuid::from_u128(2)).open(b"key", &sealed).is_err());
    }

    #[test]
    fn every_flipped_bit_and_every_length_is_seen() {
        let identity = Identity(Uuid::from_u128(1));
        let sealed = identity.seal(b"key", |out| out.extend_from_slice(b"body"));
        for bit in 0..8 * sealed.len() {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(identity.open(b"key", &flipped).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(identity.open(b"key", &sealed[..length]).is_err());
        }
    }
}
