//! The footer: the last bytes of a run, from which everything else in it is found.
//!
//! | offset | bytes | content                                              |
//! |-------:|------:|------------------------------------------------------|
//! |      0 |     8 | number of records                                    |
//! |      8 |     8 | number of different keys                             |
//! |     16 |     8 | least epoch of a record                              |
//! |     24 |     8 | greatest epoch of a record                           |
//! |     32 |     8 | where the filter begins, and the blocks end          |
//! |     40 |     8 | bytes of the filter                                  |
//! |     48 |     8 | checksum of the filter, bound to its place           |
//! |     56 |     8 | where the index begins                               |
//! |     64 |     8 | bytes of the index                                   |
//! |     72 |     8 | checksum of the index, bound to its place            |
//! |     80 |     8 | zeros                                                |
//! |     88 |     8 | magic                                                |
//! |     96 |     8 | checksum of the bytes before, bound to their place   |

use crate::{
    identity::{HEADER_BYTES, Identity},
    wire::{Malformed, Reader},
};

const MAGIC: u64 = u64::from_le_bytes(*b"MPRUNEND");

const RECORDS_AT: usize = 0;
const KEYS_AT: usize = RECORDS_AT + 8;
const EPOCH_MIN_AT: usize = KEYS_AT + 8;
const EPOCH_MAX_AT: usize = EPOCH_MIN_AT + 8;
const FILTER_AT: usize = EPOCH_MAX_AT + 8;
const INDEX_AT: usize = FILTER_AT + 24;
const ZEROS_AT: usize = INDEX_AT + 24;
const MAGIC_AT: usize = ZEROS_AT + 8;
const CHECKSUM_AT: usize = MAGIC_AT + 8;

/// Bytes of a footer.
pub(super) const FOOTER_BYTES: usize = CHECKSUM_AT + 8;

/// The footer of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) records: u64,
    pub(super) keys: u64,
    pub(super) epoch_min: u64,
    pub(super) epoch_max: u64,
    pub(super) filter: Section,
    pub(super) index: Section,
}

/// A part of the file that is read whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) checksum: u64,
}

impl Footer {
    /// The footer's bytes, when it is written behind the index.
    pub(super) fn encode(&self, identity: &Identity) -> Vec<u8> {
        let Self { records, keys, epoch_min, epoch_max, filter, index } = *self;
        let mut bytes = Vec::with_capacity(FOOTER_BYTES);
        let section = |part: Section| [part.offset, part.length, part.checksum];
        let (filter, index) = (section(filter), section(index));
        let numbers = [&[records, keys, epoch_min, epoch_max][..], &filter, &index, &[0, MAGIC]].concat();
        for number in numbers {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let checksum = identity.checksum(self.offset(), &bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the last bytes of a file of `file_length` bytes, and checks that all its parts are in
    /// the file, one behind the other.
    pub(super) fn decode(bytes: &[u8], identity: &Identity, file_length: u64) -> Result<Self, Malformed> {
        let cut_off = Malformed("the footer fails its checksum; the file is cut off, or its end is damaged");
        let offset = file_length.checked_sub(FOOTER_BYTES as u64).ok_or(cut_off)?;
        let (body, checksum) = bytes.split_last_chunk().ok_or(cut_off)?;
        if bytes.len() != FOOTER_BYTES || identity.checksum(offset, body).to_le_bytes() != *checksum {
            return Err(cut_off);
        }
        let mut reader = Reader(body);
        let mut footer = Self {
            records: reader.u64()?,
            keys: reader.u64()?,
            epoch_min: reader.u64()?,
            epoch_max: reader.u64()?,
            ..Self::default()
        };
        for section in [&mut footer.filter, &mut footer.index] {
            *section = Section { offset: reader.u64()?, length: reader.u64()?, checksum: reader.u64()? };
        }
        let _zeros = reader.u64()?;
        let follows = |section: Section| section.offset.checked_add(section.length);
        let in_order = footer.filter.offset >= HEADER_BYTES as u64
            && follows(footer.filter) == Some(footer.index.offset)
            && follows(footer.index) == Some(offset);
        if reader.u64()? != MAGIC || !in_order {
            return Err(Malformed("the footer names parts that are not in the file"));
        }
        Ok(footer)
    }

    /// Where the footer begins.
    pub(super) fn offset(&self) -> u64 {
        self.index.offset + self.index.length
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use uuid::Uuid;

    use super::*;
    use crate::run::KIND;

    const FILE_LENGTH: u64 = 5000;

    fn identity(number: u64) -> Identity {
        Identity::new(&KIND, Path::new("runs/1"), Uuid::from_u128(1), number)
    }

    fn footer() -> Footer {
        let offset = FILE_LENGTH - FOOTER_BYTES as u64;
        Footer {
            records: 12,
            keys: 10,
            epoch_min: 3,
            epoch_max: u64::MAX,
            filter: Section { offset: 1000, length: 320, checksum: 7 },
            index: Section { offset: 1320, length: offset - 1320, checksum: u64::MAX },
        }
    }

    #[test]
    fn a_footer_comes_back_and_a_flipped_bit_is_seen() {
        let bytes = footer().encode(&identity(1));
        assert_eq!(bytes.len(), FOOTER_BYTES);
        assert_eq!(Footer::decode(&bytes, &identity(1), FILE_LENGTH), Ok(footer()));
        for bit in 0..8 * FOOTER_BYTES {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Footer::decode(&flipped, &identity(1), FILE_LENGTH).is_err(), "bit {bit}");
        }
        for length in 0..FOOTER_BYTES {
            assert!(Footer::decode(&bytes[..length], &identity(1), FILE_LENGTH).is_err());
        }
    }

    #[test]
    fn a_footer_of_another_file_or_place_is_refused() {
        let bytes = footer().encode(&identity(1));
        assert!(Footer::decode(&bytes, &identity(2), FILE_LENGTH).is_err());
        assert!(Footer::decode(&bytes, &identity(1), FILE_LENGTH + 1).is_err());
    }

    #[test]
    fn parts_that_overlap_or_leave_a_gap_are_refused() {
        let mut gap = footer();
        gap.index.offset += 1;
        let mut before = footer();
        before.filter.offset = 8;
        before.filter.length = 1312;
        let mut huge = footer();
        huge.filter.length = u64::MAX;
        for wrong in [gap, before, huge] {
            let mut bytes = wrong.encode(&identity(1));
            let offset = FILE_LENGTH - FOOTER_BYTES as u64;
            let checksum = identity(1).checksum(offset, &bytes[..CHECKSUM_AT]);
            bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_le_bytes());
            assert!(Footer::decode(&bytes, &identity(1), FILE_LENGTH).is_err());
        }
    }
}
