//! A record in its block: what it says of itself, and its own checksum.
//!
//! Invariant: the checksum is bound to the run, the block, the place in the block, what all keys of
//! the block begin with, and its base epoch. A record read elsewhere, or completed with another
//! beginning of its key, fails it.
//!
//! `v` is a variable-length number and `z` a signed one:
//!
//! | part     | bytes | content                                                         |
//! |----------|------:|-----------------------------------------------------------------|
//! | checksum |     4 | of the bytes behind it, the low half of an XXH3-64              |
//! | length   |     v | bytes of the rest of the key                                    |
//! | epoch    |     z | the record's epoch, less the block's base epoch                 |
//! | tag      |     v | 0 tombstone, 1 counter, 2 put, 3 put with extents; + 4 × size   |
//! | size     |     v | of a put with extents: the bytes of the extents                 |
//! | rest     |length | the key, without what all keys of the block begin with          |
//! | content  |   any | of a counter `z`; of a put the value (of `size` bytes), then    |
//! |          |       | the extents: segment `v`, offset `v` and length `v` of each; of |
//! |          |       | a tombstone of size 1, which stands for a value that was lost,  |
//! |          |       | the log file `v` and the offset in it `v`                       |

use std::ops::Range;

use millpond_core::{Extent, SegmentId};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::EntryRef;
use crate::{
    log::LogPlace,
    wire::{Malformed, Reader, put_varint},
};

/// Bytes of a record's checksum.
pub(super) const CHECKSUM_BYTES: usize = 4;

const TOMBSTONE: u64 = 0;
const COUNTER: u64 = 1;
const PUT: u64 = 2;
const PUT_WITH_EXTENTS: u64 = 3;
/// A tombstone of size 1.
const DAMAGED: u64 = TOMBSTONE | 1 << 2;

/// Where the parts of a record are; ranges count from the first byte of the record.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    rest: (u32, u32),
    /// The record's epoch, less that of its block.
    pub(super) epoch: u64,
    content: Content,
}

#[derive(Clone, Copy, Debug, Default)]
enum Content {
    #[default]
    Tombstone,
    Counter(i64),
    Damaged(LogPlace),
    Put {
        value: (u32, u32),
        extents: (u32, u32),
    },
}

impl Record {
    /// Reads a record, all of whose bytes are given.
    #[inline]
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes.get(CHECKSUM_BYTES..).ok_or(Malformed("a record is cut off"))?);
        let at = |reader: &Reader<'_>| (bytes.len() - reader.0.len()) as u32;
        let length = length_of(short(&mut reader)?)?;
        let epoch = unzigzag(short(&mut reader)?) as u64;
        let tag = short(&mut reader)?;
        let size = length_of(tag >> 2)?;
        let extents_length = if tag & 3 == PUT_WITH_EXTENTS { reader.length()? } else { 0 };
        let rest = (at(&reader), length as u32);
        reader.bytes(length)?;
        let content = match tag & 3 {
            TOMBSTONE if size == 0 => Content::Tombstone,
            TOMBSTONE => Content::Damaged(LogPlace { file: reader.varint()?, offset: reader.varint()? }),
            COUNTER => Content::Counter(unzigzag(reader.varint()?)),
            _ => {
                let value = (at(&reader), size as u32);
                reader.bytes(size)?;
                let extents = (at(&reader), extents_length as u32);
                reader.bytes(extents_length)?;
                Content::Put { value, extents }
            }
        };
        if !reader.is_empty() {
            return Err(Malformed("a record is longer than its content"));
        }
        Ok(Self { rest, epoch, content })
    }

    /// What of the record's key is its own.
    #[inline]
    pub(super) fn rest<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[range(self.rest)]
    }

    /// Appends the record's extents to `out`.
    #[inline]
    pub(super) fn extents(&self, bytes: &[u8], out: &mut Vec<Extent>) -> Result<(), Malformed> {
        let Content::Put { extents: (_, 1..), .. } = self.content else { return Ok(()) };
        self.read_extents(bytes, out)
    }

    fn read_extents(&self, bytes: &[u8], out: &mut Vec<Extent>) -> Result<(), Malformed> {
        let Content::Put { extents, .. } = self.content else { return Ok(()) };
        let mut reader = Reader(&bytes[range(extents)]);
        while !reader.is_empty() {
            let segment = SegmentId(reader.varint()?);
            out.push(Extent { segment, offset: reader.varint()?, length: reader.varint()? });
        }
        Ok(())
    }

    /// What the record holds; `extents` are those that it names.
    #[inline]
    pub(super) fn entry<'a>(&self, bytes: &'a [u8], extents: &'a [Extent]) -> EntryRef<'a> {
        match self.content {
            Content::Tombstone => EntryRef::Tombstone,
            Content::Counter(sum) => EntryRef::Counter(sum),
            Content::Damaged(place) => EntryRef::Damaged(place),
            Content::Put { value, .. } => EntryRef::Put { value: &bytes[range(value)], extents },
        }
    }
}

/// The seed of the checksums of a block's records, to which each adds its place in the block.
/// `place` is what the run and the block's offset in it come to.
#[inline]
pub(super) fn block_seed(place: u64, base: u64, prefix: &[u8]) -> u64 {
    xxh3_64_with_seed(prefix, place).wrapping_add(base.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

/// Whether a record at `place` of its block has the checksum that it says.
#[inline]
pub(super) fn is_sound(bytes: &[u8], block_seed: u64, place: usize) -> bool {
    let Some((checksum, body)) = bytes.split_first_chunk::<CHECKSUM_BYTES>() else { return false };
    u32::from_le_bytes(*checksum) == checksum_of(body, block_seed, place)
}

fn checksum_of(body: &[u8], block_seed: u64, place: usize) -> u32 {
    xxh3_64_with_seed(body, block_seed.wrapping_add(place as u64)) as u32
}

/// Appends to `out` what of a record's beginning doesn't depend on its key: epoch, tag and size.
pub(super) fn encode_head(out: &mut Vec<u8>, epoch: u64, base: u64, entry: EntryRef<'_>) {
    put_varint(out, zigzag(epoch.wrapping_sub(base) as i64));
    match entry {
        EntryRef::Tombstone => put_varint(out, TOMBSTONE),
        EntryRef::Counter(_) => put_varint(out, COUNTER),
        EntryRef::Damaged(_) => put_varint(out, DAMAGED),
        EntryRef::Put { value, extents: [] } => put_varint(out, PUT | (value.len() as u64) << 2),
        EntryRef::Put { value, extents } => {
            let mut encoded = Vec::new();
            encode_extents(&mut encoded, extents);
            put_varint(out, PUT_WITH_EXTENTS | (value.len() as u64) << 2);
            put_varint(out, encoded.len() as u64);
        }
    }
}

/// Appends to `out` what comes behind a record's key.
pub(super) fn encode_content(out: &mut Vec<u8>, entry: EntryRef<'_>) {
    match entry {
        EntryRef::Tombstone => {}
        EntryRef::Counter(sum) => put_varint(out, zigzag(sum)),
        EntryRef::Damaged(place) => {
            put_varint(out, place.file);
            put_varint(out, place.offset);
        }
        EntryRef::Put { value, extents } => {
            out.extend_from_slice(value);
            encode_extents(out, extents);
        }
    }
}

fn encode_extents(out: &mut Vec<u8>, extents: &[Extent]) {
    for extent in extents {
        put_varint(out, extent.segment.0);
        put_varint(out, extent.offset);
        put_varint(out, extent.length);
    }
}

/// Puts the checksum before the bytes of `block` from `start` on, which are a record whose first
/// four bytes are free.
pub(super) fn seal(block: &mut [u8], start: usize, block_seed: u64) {
    let (checksum, body) = block[start..].split_at_mut(CHECKSUM_BYTES);
    checksum.copy_from_slice(&checksum_of(body, block_seed, start).to_le_bytes());
}

/// A number that is mostly short.
#[inline]
fn short(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    let (number, rest) = match reader.0 {
        [a @ ..0x80, rest @ ..] => (u64::from(*a), rest),
        [a, b @ ..0x80, rest @ ..] => (u64::from(a & 0x7F) | u64::from(*b) << 7, rest),
        [a, b, c @ ..0x80, rest @ ..] => {
            (u64::from(a & 0x7F) | u64::from(b & 0x7F) << 7 | u64::from(*c) << 14, rest)
        }
        _ => return reader.varint(),
    };
    reader.0 = rest;
    Ok(number)
}

#[inline]
fn length_of(number: u64) -> Result<usize, Malformed> {
    usize::try_from(number).map_err(|_| Malformed("a length is out of range"))
}

fn range((start, length): (u32, u32)) -> Range<usize> {
    start as usize..start as usize + length as usize
}

fn zigzag(number: i64) -> u64 {
    (number.wrapping_shl(1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn signed_numbers_come_back(number: i64) {
            prop_assert_eq!(unzigzag(zigzag(number)), number);
        }

        #[test]
        fn short_numbers_come_back(number: u64, shift in 0..64u32) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number >> shift);
            let mut reader = Reader(&bytes);
            prop_assert_eq!(short(&mut reader), Ok(number >> shift));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_parse_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(record) = Record::parse(&bytes) {
                let mut extents = Vec::new();
                let _ = record.extents(&bytes, &mut extents);
                let _ = (record.rest(&bytes), record.entry(&bytes, &extents));
            }
        }
    }

    #[test]
    fn a_record_is_sound_in_one_place_only() {
        let (key, entry) = (b"key", EntryRef::Put { value: b"value", extents: &[] });
        let mut bytes = vec![0; CHECKSUM_BYTES];
        put_varint(&mut bytes, key.len() as u64);
        encode_head(&mut bytes, 9, 7, entry);
        bytes.extend_from_slice(key);
        encode_content(&mut bytes, entry);
        let seed = block_seed(1, 7, b"a beginning");
        let mut block = [vec![0xFF; 5], bytes.clone()].concat();
        seal(&mut block, 5, seed);
        let record = &block[5..];
        assert!(is_sound(record, seed, 5));
        let parsed = Record::parse(record).expect("a record");
        assert_eq!((parsed.rest(record), parsed.epoch, parsed.entry(record, &[])), (&key[..], 2, entry));

        assert!(!is_sound(record, seed, 6), "another place");
        for other in
            [block_seed(2, 7, b"a beginning"), block_seed(1, 8, b"a beginning"), block_seed(1, 7, b"another")]
        {
            assert!(!is_sound(record, other, 5), "another block");
        }
        for bit in 0..8 * record.len() {
            let mut flipped = record.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_sound(&flipped, seed, 5), "bit {bit}");
        }
        assert!((0..record.len()).all(|length| !is_sound(&record[..length], seed, 5)));
    }
}
