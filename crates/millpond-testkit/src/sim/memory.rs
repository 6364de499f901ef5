//! Memory that simulated processes share.

use std::{
    alloc::{self, Layout},
    sync::atomic::{AtomicU64, Ordering},
};

use millpond_local::media::Shared;

use super::file::PAGE_BYTES;
use crate::random::Random;

/// Zeroed, aligned to a page, so that a mutex of processes can live in it.
#[derive(Debug)]
pub(super) struct Memory {
    address: *mut u8,
    length: usize,
    layout: Layout,
}

// SAFETY: plain memory, as a mapping would be; what is done with it is up to its users.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    pub(super) fn new(length: usize) -> Self {
        let bytes = length.max(1).next_multiple_of(PAGE_BYTES as usize);
        let layout = Layout::from_size_align(bytes, PAGE_BYTES as usize).expect("a sane length");
        // SAFETY: the layout isn't empty.
        let address = unsafe { alloc::alloc_zeroed(layout) };
        assert!(!address.is_null(), "out of memory");
        Self { address, length, layout }
    }

    pub(super) fn bytes_allocated(&self) -> u64 {
        self.layout.size() as u64
    }

    /// The same content elsewhere.
    pub(super) fn copy(&self) -> Self {
        let copy = Self::new(self.length);
        for (from, to) in self.words().iter().zip(copy.words()) {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        copy
    }

    /// What is left of it in its file when the machine went down: stale, zeroed or garbage.
    pub(super) fn after_power_cut(&self, salt: u64) -> Self {
        let left = Self::new(self.length);
        let mut random = Random::new(salt);
        let fate = salt % 3;
        for (from, to) in self.words().iter().zip(left.words()) {
            let word = match fate {
                0 => 0,
                1 => from.load(Ordering::Relaxed),
                _ => random.number(),
            };
            to.store(word, Ordering::Relaxed);
        }
        left
    }

    /// The memory in words, which others may be writing.
    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the allocation is whole pages, aligned, and lives as long as `self`; atomics
        // may be accessed while others write them.
        unsafe { std::slice::from_raw_parts(self.address.cast(), self.layout.size() / 8) }
    }
}

impl Shared for Memory {
    fn as_ptr(&self) -> *mut u8 {
        self.address
    }

    fn length(&self) -> usize {
        self.length
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { alloc::dealloc(self.address, self.layout) };
    }
}
