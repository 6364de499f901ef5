//! The block index: which data block may hold a key, where it is, and its greatest epoch.
//!
//! Invariants: the blocks follow each other without gaps; the bound of a block is not below its
//! last key, and below the first key of the next block, unless both are versions of one key.
//!
//! | part      | bytes  | content                                                   |
//! |-----------|-------:|-----------------------------------------------------------|
//! | first key | v, any | the length of the run's first key, and the key            |
//! | last key  | v, any | the length of the run's last key, and the key             |
//! | count     |      v | number of blocks                                          |
//! | blocks    |    any | of each: length `v`, greatest epoch (8 bytes), then the   |
//! |           |        | length `v` of its bound, and the bound                    |
//!
//! The checksum is in the footer. In memory an entry takes 28 bytes and its bound.

use std::cmp::Ordering;

use super::block::common_prefix;
use crate::wire::{Malformed, Reader, put_varint};

/// Bytes of an entry with an empty bound.
const ENTRY_BYTES_MIN: usize = 1 + 8 + 1;

/// The index of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    first_key: Vec<u8>,
    last_key: Vec<u8>,
    bounds: Vec<u8>,
    bound_ends: Vec<u32>,
    /// Bytes that all bounds begin with.
    shared: usize,
    /// Of each bound the eight bytes behind those, greatest first: a search that stays within
    /// these numbers touches a tenth of the memory.
    heads: Vec<u64>,
    blocks: Vec<BlockPlace>,
    end: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BlockPlace {
    offset: u64,
    epoch_max: u64,
}

impl Index {
    pub(super) fn first_key(&self) -> &[u8] {
        &self.first_key
    }

    pub(super) fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    /// How many blocks there are.
    pub(super) fn count(&self) -> usize {
        self.blocks.len()
    }

    /// The offset and length of a block.
    pub(super) fn place(&self, block: usize) -> (u64, usize) {
        let offset = self.blocks[block].offset;
        let end = self.blocks.get(block + 1).map_or(self.end, |next| next.offset);
        (offset, (end - offset) as usize)
    }

    pub(super) fn epoch_max(&self, block: usize) -> u64 {
        self.blocks[block].epoch_max
    }

    pub(super) fn bound(&self, block: usize) -> &[u8] {
        let start = block.checked_sub(1).map_or(0, |before| self.bound_ends[before]);
        &self.bounds[start as usize..self.bound_ends[block] as usize]
    }

    /// The first block that may hold `key` or a greater one; [`Index::count`] if none does.
    pub(super) fn find(&self, key: &[u8]) -> usize {
        self.partition(key, |bound| bound < key)
    }

    /// The first block that may hold a key greater than `key`.
    pub(super) fn find_after(&self, key: &[u8]) -> usize {
        self.partition(key, |bound| bound <= key)
    }

    /// The first block of whose bound `before` does not hold, where it may hold of bounds up to
    /// `key` only.
    fn partition(&self, key: &[u8], before: impl Fn(&[u8]) -> bool) -> usize {
        let (Some(first), Some(rest)) = (self.blocks.first().map(|_| self.bound(0)), key.get(self.shared..))
        else {
            // The key is shorter than what all bounds begin with.
            return if self.count() > 0 && before(self.bound(0)) { self.count() } else { 0 };
        };
        match key[..self.shared].cmp(&first[..self.shared]) {
            Ordering::Less => return 0,
            Ordering::Greater => return self.count(),
            Ordering::Equal => {}
        }
        let head = head(rest);
        let mut low = self.heads.partition_point(|&other| other < head);
        let mut high = low + self.heads[low..].partition_point(|&other| other == head);
        while low < high {
            let middle = low.midpoint(high);
            if before(self.bound(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Reads the index of a run whose blocks fill the file from `start` to `end`.
    pub(super) fn decode(bytes: &[u8], start: u64, end: u64, block_bytes: Sizes) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let key = |reader: &mut Reader<'_>| {
            let length = reader.length()?;
            reader.bytes(length).map(<[u8]>::to_vec)
        };
        let (first_key, last_key) = (key(&mut reader)?, key(&mut reader)?);
        let count = reader.length()?;
        if count > reader.0.len() / ENTRY_BYTES_MIN || bytes.len() > u32::MAX as usize {
            return Err(Malformed("the index names more blocks than it has room for"));
        }
        let mut index = Self { first_key, last_key, end, ..Self::default() };
        index.bound_ends.reserve_exact(count);
        index.blocks.reserve_exact(count);
        let mut offset = start;
        for number in 0..count {
            let length = reader.varint()?;
            if !(block_bytes.min as u64..=block_bytes.max as u64).contains(&length) || length > end - offset {
                return Err(Malformed("the index names a block of an impossible length"));
            }
            index.blocks.push(BlockPlace { offset, epoch_max: reader.u64()? });
            offset += length;
            let bound_length = reader.length()?;
            index.bounds.extend_from_slice(reader.bytes(bound_length)?);
            index.bound_ends.push(index.bounds.len() as u32);
            if number > 0 && index.bound(number) < index.bound(number - 1) {
                return Err(Malformed("the blocks of the index are out of order"));
            }
        }
        if offset != end || !reader.is_empty() {
            return Err(Malformed("the index doesn't name all blocks"));
        }
        index.bounds.shrink_to_fit();
        if let Some(last) = count.checked_sub(1) {
            index.shared = common_prefix(index.bound(0), index.bound(last));
            index.heads = (0..count).map(|block| head(&index.bound(block)[index.shared..])).collect();
        }
        Ok(index)
    }
}

/// The first eight bytes as a number, so that smaller strings have smaller or equal ones.
fn head(bytes: &[u8]) -> u64 {
    let mut head = [0; 8];
    let length = bytes.len().min(8);
    head[..length].copy_from_slice(&bytes[..length]);
    u64::from_be_bytes(head)
}

/// The lengths that a block may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) min: usize,
    pub(super) max: usize,
}

/// Puts an index together.
#[derive(Debug, Default)]
pub(super) struct IndexBuilder {
    entries: Vec<u8>,
    count: u64,
}

impl IndexBuilder {
    /// Adds the block behind those before; `bound` is from [`bound_between`], or the last key.
    pub(super) fn add(&mut self, length: usize, epoch_max: u64, bound: &[u8]) {
        put_varint(&mut self.entries, length as u64);
        self.entries.extend_from_slice(&epoch_max.to_le_bytes());
        put_varint(&mut self.entries, bound.len() as u64);
        self.entries.extend_from_slice(bound);
        self.count += 1;
    }

    pub(super) fn finish(self, first_key: &[u8], last_key: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len() + first_key.len() + last_key.len() + 16);
        for key in [first_key, last_key] {
            put_varint(&mut bytes, key.len() as u64);
            bytes.extend_from_slice(key);
        }
        put_varint(&mut bytes, self.count);
        bytes.extend_from_slice(&self.entries);
        bytes
    }
}

/// A short bound of a block that ends with key `last` before one that begins with `next`.
pub(super) fn bound_between<'a>(last: &'a [u8], next: &'a [u8]) -> &'a [u8] {
    let common = common_prefix(last, next);
    // One byte more tells `next` from `last`, but must not be all of `next`.
    if common + 1 < next.len().min(last.len()) { &next[..=common] } else { last }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const SIZES: Sizes = Sizes { min: 1, max: 5000 };

    fn encoded(blocks: &[(Vec<u8>, usize, u64)]) -> (Vec<u8>, u64) {
        let mut builder = IndexBuilder::default();
        let mut end = 48;
        for (bound, length, epoch_max) in blocks {
            builder.add(*length, *epoch_max, bound);
            end += *length as u64;
        }
        (builder.finish(b"first", b"last"), end)
    }

    fn blocks() -> impl Strategy<Value = Vec<(Vec<u8>, usize, u64)>> {
        let bounds = prop::collection::btree_set(prop::collection::vec(0..4u8, 0..6), 0..40);
        (bounds, 1..5000usize, any::<u64>()).prop_map(|(bounds, length, epoch)| {
            bounds.into_iter().map(|bound| (bound, length, epoch)).collect()
        })
    }

    proptest! {
        #[test]
        fn blocks_come_back_and_are_found(blocks in blocks(), key in prop::collection::vec(0..4u8, 0..6)) {
            let (bytes, end) = encoded(&blocks);
            let index = Index::decode(&bytes, 48, end, SIZES).expect("an index");
            prop_assert_eq!(index.count(), blocks.len());
            prop_assert_eq!((index.first_key(), index.last_key()), (&b"first"[..], &b"last"[..]));
            let mut offset = 48;
            for (number, (bound, length, epoch_max)) in blocks.iter().enumerate() {
                prop_assert_eq!(index.place(number), (offset, *length));
                prop_assert_eq!(index.bound(number), &bound[..]);
                prop_assert_eq!(index.epoch_max(number), *epoch_max);
                offset += *length as u64;
            }
            let at_least = blocks.iter().position(|(bound, ..)| *bound >= key);
            let greater = blocks.iter().position(|(bound, ..)| *bound > key);
            prop_assert_eq!(index.find(&key), at_least.unwrap_or(blocks.len()));
            prop_assert_eq!(index.find_after(&key), greater.unwrap_or(blocks.len()));
        }

        #[test]
        fn what_is_cut_off_is_refused(blocks in blocks(), cut in any::<prop::sample::Index>()) {
            let (bytes, end) = encoded(&blocks);
            prop_assert!(Index::decode(&bytes[..cut.index(bytes.len())], 48, end, SIZES).is_err());
            prop_assert!(Index::decode(&bytes, 48, end + 1, SIZES).is_err());
        }

        #[test]
        fn any_bytes_decode_or_are_refused(bytes: Vec<u8>) {
            if let Ok(index) = Index::decode(&bytes, 48, 100, SIZES) {
                prop_assert!(index.count() <= 52);
            }
        }

        #[test]
        fn a_bound_lies_between_its_blocks(keys in prop::collection::btree_set(prop::collection::vec(0..3u8, 0..8), 2)) {
            let keys: Vec<_> = BTreeSet::into_iter(keys).collect();
            let bound = bound_between(&keys[0], &keys[1]);
            prop_assert!(&keys[0][..] <= bound && bound < &keys[1][..]);
            prop_assert!(bound.len() <= keys[0].len());
            prop_assert_eq!(bound_between(&keys[0], &keys[0]), &keys[0][..]);
        }
    }
}
