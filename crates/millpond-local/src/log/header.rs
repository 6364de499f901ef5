//! The header of a log file.
//!
//! | offset | bytes | what |
//! | ---: | ---: | --- |
//! | 0 | 8 | magic `mplog\0\0\x01` |
//! | 8 | 4 | format version |
//! | 12 | 4 | bytes of this header |
//! | 16 | 16 | container UUID |
//! | 32 | 8 | file number |
//! | 40 | 8 | log offset of the file's first record |
//! | 48 | 8 | checksum of the record before it: where the chain goes on |
//! | 56 | 8 | epoch of the record before it |
//! | 64 | 8 | term |
//! | 72 | 8 | bytes for records in this file |
//! | 80 | 8 | xxh3 of all before |

use millpond_core::{Epoch, Error, ErrorKind};
use std::path::Path;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use crate::wire::Reader;

const MAGIC: &[u8; 8] = b"mplog\0\0\x01";
const VERSION: u32 = 2;

/// Bytes before the first record.
pub(crate) const HEADER_BYTES: u64 = 88;

/// Where a log file stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogHeader {
    pub(crate) container: Uuid,
    pub(crate) number: u64,
    /// Log offset of the file's first record.
    pub(crate) base: u64,
    /// Checksum of the record before.
    pub(crate) chain: u64,
    /// Epoch of the record before.
    pub(crate) epoch: Epoch,
    pub(crate) term: u64,
    /// Bytes for records.
    pub(crate) capacity: u64,
}

impl LogHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES as usize);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        out.extend_from_slice(self.container.as_bytes());
        for word in [self.number, self.base, self.chain, self.epoch.0, self.term, self.capacity] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let checksum = xxh3_64(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Reads the header of log file `number` of `container`.
    pub(crate) fn decode(bytes: &[u8], path: &Path, container: Uuid, number: u64) -> Result<Self, Error> {
        let corrupt = |what: &str| {
            Error::new(
                ErrorKind::Corrupt,
                format!(
                    "log file {}: {what} (offset 0); restore it from a copy, or run `millpond container check`",
                    path.display()
                ),
            )
        };
        let incompatible = |what: String| {
            Error::new(ErrorKind::Incompatible, format!("log file {}: {what}", path.display()))
        };
        let Some((head, checksum)) =
            bytes.get(..HEADER_BYTES as usize).and_then(|bytes| bytes.split_last_chunk::<8>())
        else {
            return Err(corrupt("its header is cut off"));
        };
        let intact = xxh3_64(head) == u64::from_le_bytes(*checksum);
        let mut reader = Reader(head);
        let cut = |_| corrupt("its header is cut off");
        if reader.bytes(8).map_err(cut)? != MAGIC {
            return Err(if intact {
                incompatible("this is no log file of Millpond".into())
            } else {
                corrupt("its header is damaged")
            });
        }
        let version = reader.u32().map_err(cut)?;
        if !intact {
            return Err(corrupt("its header fails its checksum"));
        }
        if version != VERSION {
            return Err(incompatible(format!(
                "format version {version}, this Millpond reads {VERSION}; upgrade Millpond"
            )));
        }
        if u64::from(reader.u32().map_err(cut)?) != HEADER_BYTES {
            return Err(corrupt("its header has another length than this format's"));
        }
        let owner = Uuid::from_slice(reader.bytes(16).map_err(cut)?)
            .map_err(|_| corrupt("its container is malformed"))?;
        let mut word = || reader.u64().map_err(cut);
        let header = Self {
            container: owner,
            number: word()?,
            base: word()?,
            chain: word()?,
            epoch: Epoch(word()?),
            term: word()?,
            capacity: word()?,
        };
        if header.container != container || header.number != number {
            return Err(corrupt("it belongs to another container or another place in the log"));
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> LogHeader {
        LogHeader {
            container: Uuid::from_u128(7),
            number: 3,
            base: 1 << 33,
            chain: 0xDEAD_BEEF,
            epoch: Epoch(99),
            term: 2,
            capacity: 65_536 - HEADER_BYTES,
        }
    }

    #[test]
    fn it_comes_back() {
        let bytes = header().encode();
        assert_eq!(bytes.len() as u64, HEADER_BYTES);
        assert_eq!(
            LogHeader::decode(&bytes, Path::new("3.log"), Uuid::from_u128(7), 3).expect("decoded"),
            header()
        );
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let good = header().encode();
        for place in 0..good.len() {
            let mut bytes = good.clone();
            bytes[place] ^= 0x10;
            LogHeader::decode(&bytes, Path::new("3.log"), Uuid::from_u128(7), 3).expect_err("a flipped byte");
        }
    }

    #[test]
    fn a_newer_version_is_called_newer() {
        let mut bytes = header().encode();
        bytes[8] = VERSION as u8 + 1;
        let checksum = xxh3_64(&bytes[..80]);
        bytes[80..].copy_from_slice(&checksum.to_le_bytes());
        let error = LogHeader::decode(&bytes, Path::new("3.log"), Uuid::from_u128(7), 3).expect_err("newer");
        assert_eq!(error.kind(), ErrorKind::Incompatible);
    }
}
