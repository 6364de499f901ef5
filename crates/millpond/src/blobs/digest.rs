//! Names of blobs: the hash of what they hold.

use std::{fmt, str::FromStr};

use millpond_core::{Error, ErrorKind, Result};
use serde::{Serialize, Serializer};
use sha2::Digest as _;

/// The hash that names the blobs of a store. It is chosen when the store is made, and stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum HashType {
    /// SHA-256: 32 bytes, the default.
    #[default]
    Sha256 = 1,
    /// SHA-1: 20 bytes. For what was named by it before; collisions of it can be made.
    Sha1 = 2,
    /// BLAKE3: 32 bytes, several times as fast as SHA-256 where the processor has no instructions for that.
    Blake3 = 3,
}

impl HashType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha1, Self::Blake3];

    /// How many bytes its hashes have.
    pub fn bytes(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 32,
            Self::Sha1 => 20,
        }
    }

    /// Its name: `sha256`, `sha1`, `blake3`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha1 => "sha1",
            Self::Blake3 => "blake3",
        }
    }

    /// The hash of `bytes`.
    pub fn hash(self, bytes: &[u8]) -> BlobId {
        match self {
            Self::Sha256 => BlobId::of(&sha2::Sha256::digest(bytes)),
            Self::Sha1 => BlobId::of(&sha1::Sha1::digest(bytes)),
            Self::Blake3 => BlobId::of(blake3::hash(bytes).as_bytes()),
        }
    }

    /// The id of as many bytes as this hash has.
    ///
    /// # Errors
    /// `InvalidArgument`, naming both lengths.
    pub fn id(self, bytes: &[u8]) -> Result<BlobId> {
        if bytes.len() != self.bytes() {
            let message = format!(
                "an id of {} bytes is none of {self}, whose ids have {}: {}",
                bytes.len(),
                self.bytes(),
                bytes.escape_ascii()
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        Ok(BlobId::of(bytes))
    }
}

impl fmt::Display for HashType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for HashType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|hash| hash.as_str() == text).ok_or_else(|| {
            let message = format!("{text:?} is no hash that names blobs: take sha256, sha1 or blake3");
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }
}

impl Serialize for HashType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The name of a blob: the hash of its content. In text, hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId {
    bytes: [u8; 32],
    length: u8,
}

impl BlobId {
    fn of(hash: &[u8]) -> Self {
        let mut bytes = [0; 32];
        let length = hash.len().min(32);
        bytes[..length].copy_from_slice(&hash[..length]);
        Self { bytes, length: length as u8 }
    }

    /// The hash, of 20 or 32 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Writes the hexadecimal digits, two for each byte.
    ///
    /// ```
    /// # use millpond::{BlobId, HashType};
    /// let id = HashType::Sha1.hash(b"");
    /// let mut text = [0; BlobId::TEXT_MAX];
    /// assert_eq!(id.text(&mut text), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    /// ```
    pub fn text<'a>(&self, into: &'a mut [u8; Self::TEXT_MAX]) -> &'a str {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for (two, byte) in std::iter::zip(into.chunks_exact_mut(2), self.as_bytes()) {
            two[0] = DIGITS[usize::from(byte >> 4)];
            two[1] = DIGITS[usize::from(byte & 15)];
        }
        // All of them are ASCII, so that nothing is ever left out.
        std::str::from_utf8(&into[..2 * usize::from(self.length)]).unwrap_or_default()
    }

    /// The most digits that an id has.
    pub const TEXT_MAX: usize = 64;
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text(&mut [0; Self::TEXT_MAX]))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BlobId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut id = Self { bytes: [0; 32], length: (text.len() / 2).min(32) as u8 };
        let whole = matches!(text.len(), 40 | 64)
            && std::iter::zip(&mut id.bytes, text.as_bytes().chunks_exact(2)).all(|(byte, two)| {
                match (digit(two[0]), digit(two[1])) {
                    (Some(high), Some(low)) => {
                        *byte = high << 4 | low;
                        true
                    }
                    _ => false,
                }
            });
        if whole {
            return Ok(id);
        }
        let message =
            format!("{text:?} is no id of a blob: those are 40 or 64 hexadecimal digits in lower case");
        Err(Error::new(ErrorKind::InvalidArgument, message))
    }
}

impl Serialize for BlobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Makes an id of bytes that come piece by piece.
#[derive(Clone)]
pub struct Hasher(Inner);

#[derive(Clone)]
enum Inner {
    Sha256(sha2::Sha256),
    Sha1(sha1::Sha1),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    /// Begins with nothing.
    pub fn new(hash: HashType) -> Self {
        Self(match hash {
            HashType::Sha256 => Inner::Sha256(sha2::Sha256::new()),
            HashType::Sha1 => Inner::Sha1(sha1::Sha1::new()),
            HashType::Blake3 => Inner::Blake3(Box::new(blake3::Hasher::new())),
        })
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Inner::Sha256(hasher) => hasher.update(bytes),
            Inner::Sha1(hasher) => hasher.update(bytes),
            Inner::Blake3(hasher) => {
                hasher.update(bytes);
            }
        }
    }

    /// The id of all bytes that were added.
    pub fn finish(self) -> BlobId {
        match self.0 {
            Inner::Sha256(hasher) => BlobId::of(&hasher.finalize()),
            Inner::Sha1(hasher) => BlobId::of(&hasher.finalize()),
            Inner::Blake3(hasher) => BlobId::of(hasher.finalize().as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the empty string, and of "abc": from FIPS 180-4's examples and from BLAKE3's test vectors.
    const KNOWN: [(HashType, &str, &str); 3] = [
        (
            HashType::Sha256,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            HashType::Sha1,
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "a9993e364706816aba3e25717850c26c9cd0d89d",
        ),
        (
            HashType::Blake3,
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
        ),
    ];

    #[test]
    fn hashes_are_those_of_their_standards() {
        for (hash, empty, abc) in KNOWN {
            assert_eq!(hash.hash(b"").to_string(), empty);
            assert_eq!(hash.hash(b"abc").to_string(), abc);
            let mut hasher = Hasher::new(hash);
            hasher.update(b"a");
            hasher.update(b"");
            hasher.update(b"bc");
            assert_eq!(hasher.finish().to_string(), abc);
        }
    }

    #[test]
    fn ids_and_names_are_read_as_they_are_written() {
        for hash in HashType::ALL {
            let id = hash.hash(b"a blob");
            assert_eq!(id.as_bytes().len(), hash.bytes());
            assert_eq!(id.to_string().parse::<BlobId>().expect("an id"), id);
            assert_eq!(hash.id(id.as_bytes()).expect("an id"), id);
            assert_eq!(hash.to_string().parse::<HashType>().expect("a hash"), hash);
        }
        let long = "a".repeat(128);
        for text in ["", "ab", &long, &"g".repeat(64), &"A".repeat(40), &"é".repeat(20)] {
            let error = text.parse::<BlobId>().expect_err("no id");
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}");
        }
        assert!("md5".parse::<HashType>().is_err());
        assert!(HashType::Sha1.id(&[0; 32]).is_err());
    }
}
