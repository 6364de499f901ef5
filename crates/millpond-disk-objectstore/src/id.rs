//! The id of an object: the digest of its content.

use std::{fmt, str::FromStr};

use millpond::{Error, ErrorKind, Result};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The function that makes ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashType {
    /// 32 bytes.
    Sha256,
    /// 20 bytes.
    Sha1,
}

impl HashType {
    /// Bytes of an id.
    pub fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha1 => 20,
        }
    }
}

/// The id of an object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId {
    bytes: [u8; 32],
    length: u8,
}

impl BlobId {
    /// The digest.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length as usize]
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
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
        let wrong = || Error::new(ErrorKind::InvalidArgument, format!("{text:?} is no id of an object"));
        let text = text.as_bytes();
        if text.len() != 64 && text.len() != 40 {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            let digit = |digit: u8| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            };
            *byte = digit(digits[0])
                .zip(digit(digits[1]))
                .map(|(high, low)| high << 4 | low)
                .ok_or_else(wrong)?;
        }
        Ok(Self { bytes, length: (text.len() / 2) as u8 })
    }
}

/// Makes the id of what it is fed.
#[derive(Clone)]
pub enum Hasher {
    /// Of [`HashType::Sha256`].
    Sha256(Sha256),
    /// Of [`HashType::Sha1`].
    Sha1(Sha1),
}

impl Hasher {
    /// Begins.
    pub fn new(hash: HashType) -> Self {
        match hash {
            HashType::Sha256 => Self::Sha256(Sha256::new()),
            HashType::Sha1 => Self::Sha1(Sha1::new()),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
        }
    }

    /// The id.
    pub fn finish(self) -> BlobId {
        let mut bytes = [0; 32];
        let length = match self {
            Self::Sha256(hasher) => {
                bytes.copy_from_slice(&hasher.finalize());
                32
            }
            Self::Sha1(hasher) => {
                bytes[..20].copy_from_slice(&hasher.finalize());
                20
            }
        };
        Self::id(bytes, length)
    }

    fn id(bytes: [u8; 32], length: u8) -> BlobId {
        BlobId { bytes, length }
    }
}
