//! What is fixed when a store of blobs is made, and what it does by default.

use millpond_core::{Error, ErrorKind, Result};

use super::digest::HashType;
use crate::value::codec::{Codec, Compression};

/// How a store of blobs names and stores them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BlobSettings {
    /// The hash that names its blobs. It stays.
    pub hash: HashType,
    /// How blobs are stored that look worth compressing, where an insert says nothing else.
    pub compression: Compression,
}

impl BlobSettings {
    /// They as the header has them: hash, codec and level, a byte each.
    pub(crate) fn encode(self) -> [u8; 3] {
        // No level has more than two digits.
        [self.hash as u8, self.compression.codec() as u8, self.compression.level() as u8]
    }

    /// # Errors
    /// `Incompatible` when they name what only a newer version knows; `Corrupt` when there is no such level.
    pub(crate) fn decode(&[hash, codec, level]: &[u8; 3]) -> Result<Self> {
        let known = HashType::ALL.into_iter().find(|known| *known as u8 == hash);
        match (known, Codec::of_number(codec)) {
            (Some(hash), Some(codec)) => {
                let compression = Compression::new(codec, Some(i32::from(level)));
                let compression = compression.map_err(|error| error.with_kind(ErrorKind::Corrupt))?;
                Ok(Self { hash, compression })
            }
            _ => {
                let message = format!(
                    "the hash {hash} or the codec {codec} of a store of blobs is unknown here: it was made by a \
                     newer version, use that"
                );
                Err(Error::new(ErrorKind::Incompatible, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back() {
        for hash in HashType::ALL {
            for compression in ["none", "zlib+9", "zstd+22"] {
                let settings = BlobSettings { hash, compression: compression.parse().expect("a codec") };
                assert_eq!(BlobSettings::decode(&settings.encode()).expect("settings"), settings);
            }
        }
        for (bytes, kind) in [
            ([0, 0, 0], ErrorKind::Incompatible),
            ([1, 9, 0], ErrorKind::Incompatible),
            ([1, 1, 0], ErrorKind::Corrupt),
            ([1, 2, 23], ErrorKind::Corrupt),
        ] {
            assert_eq!(BlobSettings::decode(&bytes).expect_err("none").kind(), kind, "{bytes:?}");
        }
    }
}
