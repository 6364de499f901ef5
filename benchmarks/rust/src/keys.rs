//! Keys and values: random, the same in every run, computed and not stored.

/// A key.
pub type Key = [u8; 16];

/// Bytes that values are cut from. They don't compress, so that no peer wins by compression.
const POOL_BYTES: usize = 1 << 20;

/// A stride by which all indices are visited in another order; prime, so no count has it as a factor.
const STRIDE: u64 = 2_654_435_761;

/// The key of an index.
pub fn key(seed: u64, index: u64) -> Key {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&mix(seed ^ index.wrapping_mul(2)).to_le_bytes());
    key[8..].copy_from_slice(&mix(!seed ^ (index.wrapping_mul(2) + 1)).to_le_bytes());
    key
}

/// An index that isn't the next one: visits each of `count` once while `turn` does.
pub fn shuffled(turn: u64, count: u64) -> u64 {
    let index = u128::from(turn) * u128::from(STRIDE) + 12_345;
    u64::try_from(index % u128::from(count.max(1))).unwrap_or(0)
}

/// Values of one length.
pub struct Values {
    pool: Vec<u8>,
    bytes: usize,
}

impl Values {
    /// Values of that many bytes.
    pub fn new(bytes: usize) -> Self {
        let words = (POOL_BYTES + bytes) / 8 + 1;
        let pool = (0..words as u64).flat_map(|index| mix(index).to_le_bytes()).collect();
        Self { pool, bytes }
    }

    /// The value of an index.
    pub fn get(&self, index: u64) -> &[u8] {
        let start = usize::try_from(mix(index) % POOL_BYTES as u64).unwrap_or(0);
        &self.pool[start..start + self.bytes]
    }
}

/// Reads a byte of every cache line, as a reader of the value would: a pointer isn't a value yet.
pub fn touch(value: &[u8]) -> u64 {
    value.iter().step_by(64).fold(0, |sum, byte| sum + u64::from(*byte))
}

/// SplitMix64's finalizer.
fn mix(seed: u64) -> u64 {
    let mut word = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
