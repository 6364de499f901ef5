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
//! The checksum is in the footer. In memory a block takes 29 bytes and what tells its bound from its
//! neighbours'.

use std::cmp::Ordering;

use super::block::common_prefix;
use crate::{
    bugs::{Bug, planted},
    prefetch::prefetch_all,
    wire::{Malformed, Reader, put_varint},
};

/// Bytes of an entry with an empty bound.
const ENTRY_BYTES_MIN: usize = 1 + 8 + 1;

/// Bounds that are searched together; the last ones of such groups are a level of their own.
const GROUP: usize = 64;

/// The index of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    first_key: Vec<u8>,
    last_key: Vec<u8>,
    /// The bounds of all blocks, then of each level the last ones of the groups of the level below.
    levels: Vec<Level>,
    /// Where each block begins, and the last one ends.
    offsets: Vec<u64>,
    epochs_max: Vec<u64>,
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
        self.epochs_max.len()
    }

    /// The offset and length of a block.
    pub(super) fn place(&self, block: usize) -> (u64, usize) {
        let (offset, end) = (self.offsets[block], self.offsets[block + 1]);
        (offset, (end - offset) as usize)
    }

    pub(super) fn epoch_max(&self, block: usize) -> u64 {
        self.epochs_max[block]
    }

    /// The bound of a block.
    pub(super) fn bound(&self, block: usize) -> Vec<u8> {
        self.levels
            .first()
            .map(|level| [level.prefix(block / GROUP), level.rest(block)].concat())
            .unwrap_or_default()
    }

    /// How the bound of a block compares with `key`.
    pub(super) fn compare_bound(&self, block: usize, key: &[u8]) -> Ordering {
        self.levels.first().map_or(Ordering::Less, |level| level.compare(block, key))
    }

    /// The first block that may hold `key` or a greater one; [`Index::count`] if none does.
    pub(super) fn find(&self, key: &[u8]) -> usize {
        self.partition(key, Ordering::is_lt)
    }

    /// The first block that may hold a key greater than `key`.
    pub(super) fn find_after(&self, key: &[u8]) -> usize {
        self.partition(key, Ordering::is_le)
    }

    /// The first block whose bound doesn't compare with `key` as `before` says.
    #[inline]
    fn partition(&self, key: &[u8], before: impl Fn(Ordering) -> bool) -> usize {
        let mut group = 0;
        for (depth, level) in self.levels.iter().enumerate().rev() {
            let Some(place) = level.partition(group, key, &before) else {
                // Only the last group of all ends before the key: in the others there is one, or
                // the level above would have led elsewhere.
                debug_assert!(depth + 1 == self.levels.len());
                return self.count();
            };
            group = place;
        }
        group
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
        let mut index = Self { first_key, last_key, ..Self::default() };
        index.offsets.reserve_exact(count + 1);
        index.epochs_max.reserve_exact(count);
        let mut bounds: Vec<&[u8]> = Vec::with_capacity(count);
        let mut offset = start;
        for _ in 0..count {
            let length = reader.varint()?;
            if !(block_bytes.min as u64..=block_bytes.max as u64).contains(&length) || length > end - offset {
                return Err(Malformed("the index names a block of an impossible length"));
            }
            index.offsets.push(offset);
            index.epochs_max.push(reader.u64()?);
            offset += length;
            let bound_length = reader.length()?;
            let bound = reader.bytes(bound_length)?;
            if bounds.last().is_some_and(|before| bound < *before) {
                return Err(Malformed("the blocks of the index are out of order"));
            }
            bounds.push(bound);
        }
        index.offsets.push(offset);
        if offset != end || !reader.is_empty() {
            return Err(Malformed("the index doesn't name all blocks"));
        }
        while !bounds.is_empty() {
            index.levels.push(Level::new(&bounds));
            if bounds.len() <= GROUP || (index.levels.len() == 2 && planted(Bug::IndexOfTwoLevels)) {
                break;
            }
            bounds = bounds.chunks(GROUP).filter_map(|group| group.last().copied()).collect();
        }
        Ok(index)
    }
}

/// Bounds in order, in groups: of each group what all its bounds begin with is kept once.
#[derive(Debug, Default, PartialEq, Eq)]
struct Level {
    /// Of each bound the eight bytes behind what its group begins with, greatest first: a search
    /// that these numbers decide touches little memory.
    heads: Vec<u64>,
    /// What of each bound comes behind what its group begins with.
    rests: Vec<u8>,
    rest_ends: Vec<u32>,
    prefixes: Vec<u8>,
    prefix_ends: Vec<u32>,
}

impl Level {
    fn new(bounds: &[&[u8]]) -> Self {
        let mut level = Self::default();
        level.heads.reserve_exact(bounds.len());
        level.rest_ends.reserve_exact(bounds.len());
        for group in bounds.chunks(GROUP) {
            let (first, last) = (group[0], group[group.len() - 1]);
            let shared = common_prefix(first, last);
            level.prefixes.extend_from_slice(&first[..shared]);
            level.prefix_ends.push(level.prefixes.len() as u32);
            for bound in group {
                level.heads.push(head(&bound[shared..]));
                level.rests.extend_from_slice(&bound[shared..]);
                level.rest_ends.push(level.rests.len() as u32);
            }
        }
        level.prefixes.shrink_to_fit();
        level.rests.shrink_to_fit();
        level
    }

    fn prefix(&self, group: usize) -> &[u8] {
        slice_of(&self.prefixes, &self.prefix_ends, group)
    }

    fn rest(&self, place: usize) -> &[u8] {
        slice_of(&self.rests, &self.rest_ends, place)
    }

    /// How a bound compares with `key`.
    fn compare(&self, place: usize, key: &[u8]) -> Ordering {
        let prefix = self.prefix(place / GROUP);
        match key.split_at_checked(prefix.len()) {
            Some((begins, rest)) => prefix.cmp(begins).then_with(|| self.rest(place).cmp(rest)),
            None => prefix.cmp(key).then(Ordering::Greater),
        }
    }

    /// The first bound of a group that doesn't compare with `key` as `before` says.
    #[inline]
    fn partition(&self, group: usize, key: &[u8], before: &impl Fn(Ordering) -> bool) -> Option<usize> {
        let (start, end) = (group * GROUP, self.heads.len().min((group + 1) * GROUP));
        // At once, instead of one after the other as the search comes to them.
        prefetch_all(&self.heads[start..end]);
        let prefix = self.prefix(group);
        let rest = match key.split_at_checked(prefix.len()) {
            Some((begins, rest)) => match prefix.cmp(begins) {
                Ordering::Less => return None,
                Ordering::Equal => rest,
                Ordering::Greater => return Some(start),
            },
            // Where it isn't less it is shorter, and before all of them.
            None if prefix < key => return None,
            None => return Some(start),
        };
        let heads = &self.heads[start..end];
        let head = head(rest);
        let mut low = heads.partition_point(|&other| other < head);
        let mut high = low + heads[low..].iter().take_while(|&&other| other == head).count();
        while low < high {
            let middle = low.midpoint(high);
            if before(self.rest(start + middle).cmp(rest)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (start + low < end).then_some(start + low)
    }
}

fn slice_of<'a>(bytes: &'a [u8], ends: &[u32], place: usize) -> &'a [u8] {
    let start = place.checked_sub(1).map_or(0, |before| ends[before]);
    &bytes[start as usize..ends[place] as usize]
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
        let bounds = prop::collection::btree_set(prop::collection::vec(0..4u8, 0..6), 0..600);
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
                prop_assert_eq!(&index.bound(number), bound);
                prop_assert_eq!(index.compare_bound(number, &key), bound.cmp(&key));
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
