//! The filter: says of most absent keys that the run doesn't hold them, for 10 bits a key.
//!
//! A split-block Bloom filter: a key's hash picks one block of 32 bytes, one cache line, and sets
//! one bit in each of its eight words. About 1% of absent keys pass.
//!
//! Invariant: a key that was added always passes.
//!
//! | part     | bytes | content                                      |
//! |----------|------:|----------------------------------------------|
//! | blocks   |  32 n | eight words of 4 bytes each; n is at least 1 |
//!
//! The checksum is in the footer.

use std::sync::Arc;

use crate::media::Mapping;

const BLOCK_BYTES: usize = 32;
const BITS_PER_KEY: u64 = 10;
/// So many keys are counted exactly before a filter is allocated.
const COUNTED_KEYS_MAX: usize = 1 << 17;
/// A filter allocated for an expected number of keys is a multiple of this many blocks, so that
/// it can be halved as often when they turn out to be fewer.
const HALVES: u64 = 1 << 8;

/// Odd numbers that pick a bit of each word.
const SALTS: [u32; 8] =
    [0x9E37_79B1, 0x85EB_CA77, 0xC2B2_AE3D, 0x27D4_EB2F, 0x1656_67B1, 0x7FEB_352D, 0x846C_A68B, 0x5851_F42D];

/// A filter.
#[derive(Debug)]
pub(super) struct Filter(FilterBytes);

/// Where the bytes of a filter are.
#[derive(Debug)]
pub(super) enum FilterBytes {
    Own(Vec<u8>),
    Mapped { mapping: Arc<Mapping>, at: usize, length: usize },
}

impl Filter {
    /// Takes the bytes of the file, whose checksum was found right.
    pub(super) fn new(bytes: FilterBytes) -> Option<Self> {
        let length = bytes.length();
        (length > 0 && length.is_multiple_of(BLOCK_BYTES)).then_some(Self(bytes))
    }

    /// False only if no key of this hash was added.
    #[inline]
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        let at = block_at(hash, (self.0.length() / BLOCK_BYTES) as u64);
        match &self.0 {
            FilterBytes::Own(bytes) => {
                bytes[at..].first_chunk().is_none_or(|block| block_may_contain(block, hash))
            }
            FilterBytes::Mapped { mapping, at: start, .. } => {
                let mut block = [0; BLOCK_BYTES];
                // A page that can't be read rules nothing out.
                !mapping.read(start + at, &mut block) || block_may_contain(&block, hash) || mapping.failed()
            }
        }
    }
}

impl FilterBytes {
    #[inline]
    fn length(&self) -> usize {
        match self {
            FilterBytes::Own(bytes) => bytes.len(),
            FilterBytes::Mapped { length, .. } => *length,
        }
    }
}

#[inline]
fn block_may_contain(block: &[u8; BLOCK_BYTES], hash: u64) -> bool {
    let mut missing = 0;
    for (word, salt) in block.as_chunks::<4>().0.iter().zip(SALTS) {
        missing |= bit(hash, salt) & !u32::from_le_bytes(*word);
    }
    missing == 0
}

/// A filter that is being filled.
#[derive(Debug)]
struct Filling(Vec<u8>);

impl Filling {
    fn new(blocks: u64) -> Self {
        Self(vec![0; blocks as usize * BLOCK_BYTES])
    }

    fn blocks(&self) -> u64 {
        (self.0.len() / BLOCK_BYTES) as u64
    }

    fn add(&mut self, hash: u64) {
        let at = block_at(hash, self.blocks());
        for (word, salt) in self.0[at..][..BLOCK_BYTES].chunks_exact_mut(4).zip(SALTS) {
            for (byte, bits) in word.iter_mut().zip(bit(hash, salt).to_le_bytes()) {
                *byte |= bits;
            }
        }
    }

    /// A filter of half the size that lets the same keys pass, and more: the block that a hash
    /// picks among half as many is the one at half the place.
    fn halve(&mut self) {
        let half = self.0.len() / 2;
        for at in 0..half {
            let (block, byte) = (at / BLOCK_BYTES, at % BLOCK_BYTES);
            let pair = 2 * block * BLOCK_BYTES + byte;
            self.0[at] = self.0[pair] | self.0[pair + BLOCK_BYTES];
        }
        self.0.truncate(half);
        self.0.shrink_to_fit();
    }
}

/// Where the block of a hash begins.
fn block_at(hash: u64, blocks: u64) -> usize {
    (((hash >> 32) * blocks) >> 32) as usize * BLOCK_BYTES
}

fn bit(hash: u64, salt: u32) -> u32 {
    1 << ((hash as u32).wrapping_mul(salt) >> 27)
}

/// Collects the keys of a filter in bounded memory: exactly at first, then in a filter of the
/// size that the expected number of keys needs. Where many more come than expected, more absent
/// keys pass.
#[derive(Debug)]
pub(super) struct FilterBuilder {
    hashes: Vec<u64>,
    filter: Option<Filling>,
    expected: u64,
    keys: u64,
}

impl FilterBuilder {
    pub(super) fn new(expected: u64) -> Self {
        Self { hashes: Vec::new(), filter: None, expected, keys: 0 }
    }

    /// How many keys were added.
    pub(super) fn keys(&self) -> u64 {
        self.keys
    }

    /// Adds a key that was not added before.
    pub(super) fn add(&mut self, hash: u64) {
        self.keys += 1;
        if let Some(filter) = &mut self.filter {
            filter.add(hash);
            return;
        }
        self.hashes.push(hash);
        if self.hashes.len() > COUNTED_KEYS_MAX {
            let expected = self.expected.max(2 * COUNTED_KEYS_MAX as u64);
            self.fill(blocks_for(expected).next_multiple_of(HALVES));
        }
    }

    /// The bytes of the filter.
    pub(super) fn finish(mut self) -> Vec<u8> {
        match self.filter.take() {
            None => self.fill(blocks_for(self.keys)),
            Some(mut filter) => {
                while filter.blocks().is_multiple_of(2) && filter.blocks() / 2 >= blocks_for(self.keys) {
                    filter.halve();
                }
                self.filter = Some(filter);
            }
        }
        self.filter.unwrap_or_else(|| Filling::new(1)).0
    }

    fn fill(&mut self, blocks: u64) {
        let mut filter = Filling::new(blocks);
        self.hashes.drain(..).for_each(|hash| filter.add(hash));
        self.hashes = Vec::new();
        self.filter = Some(filter);
    }
}

fn blocks_for(keys: u64) -> u64 {
    (keys * BITS_PER_KEY).div_ceil(8 * BLOCK_BYTES as u64).max(1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::run::key_hash as hash;

    fn decode(bytes: Vec<u8>) -> Filter {
        Filter::new(FilterBytes::Own(bytes)).expect("a filter")
    }

    proptest! {
        #[test]
        fn what_was_added_passes(keys: BTreeSet<Vec<u8>>, expected in 0..1_000_000u64) {
            let mut builder = FilterBuilder::new(expected);
            keys.iter().for_each(|key| builder.add(hash(key)));
            let filter = decode(builder.finish());
            for key in &keys {
                prop_assert!(filter.may_contain(hash(key)));
            }
        }
    }

    fn filled(keys: u64, expected: u64) -> Filter {
        let mut builder = FilterBuilder::new(expected);
        (0..keys).for_each(|key| builder.add(hash(&key.to_le_bytes())));
        assert_eq!(builder.keys(), keys);
        let filter = decode(builder.finish());
        assert!((0..keys).all(|key| filter.may_contain(hash(&key.to_le_bytes()))));
        filter
    }

    fn passing(filter: &Filter) -> usize {
        // An interpreter of this takes a minute for that many.
        let count = if cfg!(miri) { 100 } else { 100_000u64 };
        (0..count).filter(|key| filter.may_contain(hash(&(!key).to_le_bytes()))).count()
    }

    #[test]
    fn few_absent_keys_pass_whatever_number_was_expected() {
        let count = 300_000;
        for expected in [0, count / 2, count, 50 * count] {
            let filter = filled(count, expected);
            let bits = 8 * filter.0.length() as u64 / count;
            assert!((8..=21).contains(&bits), "{bits} bits a key where {expected} were expected");
            let passing = passing(&filter);
            assert!(passing < 2500, "{passing} of 100,000 pass where {expected} were expected");
        }
        let exact = filled(1000, 0);
        assert_eq!(exact.0.length(), 1280);
        assert!(passing(&exact) < 2000);
    }

    #[test]
    fn an_empty_filter_lets_nothing_pass() {
        assert_eq!(passing(&decode(FilterBuilder::new(7).finish())), 0);
        for length in [0, 33] {
            assert!(Filter::new(FilterBytes::Own(vec![0; length])).is_none());
        }
    }
}
