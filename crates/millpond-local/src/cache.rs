//! Decoded blocks of runs that were read lately, up to a number of bytes.
//!
//! A block in the cache was verified when it was read; runs never change, so it stays right for as
//! long as it stays. Blocks are found by the run's binding (see `identity`), which no two runs of
//! any containers share.

use quick_cache::{Weighter, sync::Cache};

use crate::run::Block;

/// Blocks by run and offset.
pub(crate) struct BlockCache(Cache<Place, Block, Bytes>);

/// The run's binding, and the block's offset in it.
type Place = (u64, u64);

#[derive(Clone)]
struct Bytes;

/// What the cache itself needs for a block, beside its bytes.
const OVERHEAD_BYTES: u64 = 128;

impl Weighter<Place, Block> for Bytes {
    fn weight(&self, _: &Place, block: &Block) -> u64 {
        block.length() as u64 + OVERHEAD_BYTES
    }
}

impl BlockCache {
    /// A cache that holds about `capacity_bytes`.
    pub(crate) fn new(capacity_bytes: usize) -> Self {
        Self(Cache::with_weighter(capacity_bytes / 4096, capacity_bytes as u64, Bytes))
    }

    pub(crate) fn get(&self, run: u64, offset: u64) -> Option<Block> {
        self.0.get(&(run, offset))
    }

    pub(crate) fn insert(&self, run: u64, offset: u64, block: Block) {
        self.0.insert((run, offset), block);
    }
}

impl std::fmt::Debug for BlockCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockCache")
            .field("bytes", &self.0.weight())
            .field("capacity", &self.0.capacity())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_no_more_than_its_capacity() {
        let cache = BlockCache::new(1 << 20);
        for offset in 0..1000 {
            cache.insert(7, offset, Block::of_length(4096));
        }
        assert!(cache.0.weight() <= 1 << 20);
        assert!(cache.get(7, 999).is_some(), "the newest is there");
        assert!(cache.get(8, 999).is_none(), "another run's is not");
    }
}
