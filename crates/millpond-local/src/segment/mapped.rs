//! Reads of a segment out of its file as memory, which saves a call to the kernel and a copy of everything.
//!
//! Invariants:
//! - Each frame is copied out first and verified in the copy: what is answered has been verified, whatever
//!   becomes of the file meanwhile.
//! - What can't be read in this way is read from the file, by which errors are told.
//! - Only what was read from the file before is read in this way: what a device has to bring is asked for
//!   in one piece, and not page by page.

use std::{
    ops::Range,
    sync::{Arc, PoisonError},
};

use millpond_core::{Extent, limits};

use super::reader::{Frames, SegmentReader};
use crate::{
    media::{File, Mapping},
    sync::{
        RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Bytes of a segment that are remembered as read together.
const REGION_BYTES: u64 = 1 << 20;
/// Of what lies behind the last region, nothing is remembered.
const REGIONS: usize = (limits::SEGMENT_BYTES_MAX / REGION_BYTES) as usize + 64;

/// A segment's file as memory, and what of it was read.
#[derive(Debug)]
pub(super) struct MappedSegment {
    file: Arc<dyn File>,
    mapping: RwLock<Option<Arc<Mapping>>>,
    /// A bit for each region.
    regions: Box<[AtomicU64]>,
}

impl MappedSegment {
    pub(super) fn new(file: Arc<dyn File>) -> Self {
        let regions = (0..REGIONS / 64).map(|_| AtomicU64::new(0)).collect();
        Self { file, mapping: RwLock::default(), regions }
    }

    /// A mapping that has this part of the file, if all of it was asked for before.
    fn holding(&self, place: &Range<u64>) -> Option<Arc<Mapping>> {
        let mut was_read = true;
        for region in place.start / REGION_BYTES..place.end.div_ceil(REGION_BYTES) {
            let word = self.regions.get((region / 64) as usize)?;
            let bit = 1 << (region % 64);
            if word.load(Ordering::Relaxed) & bit == 0 {
                word.fetch_or(bit, Ordering::Relaxed);
                was_read = false;
            }
        }
        if was_read { self.reaching(place.end) } else { None }
    }

    /// A mapping of the first `end` bytes at least.
    fn reaching(&self, end: u64) -> Option<Arc<Mapping>> {
        let known = self.mapping.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mapped = known.as_ref().map_or(0, |mapping| mapping.length() as u64);
        if mapped >= end {
            return known;
        }
        let length = self.file.length().ok()?;
        // One that is written to grows all the time, and to map it anew isn't free.
        if length < end || length - mapped < mapped / 4 {
            return None;
        }
        let fresh = Arc::new(self.file.map(length).ok().flatten()?);
        *self.mapping.write().unwrap_or_else(PoisonError::into_inner) = Some(fresh.clone());
        Some(fresh)
    }

    /// A page was missing: the mapping is of no use any more.
    fn forget(&self) {
        *self.mapping.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl SegmentReader {
    /// Fills `into` with bytes of an extent that lie within it; false where that isn't possible in this
    /// way, and what is in `into` is worthless.
    pub(super) fn read_mapped(&self, extent: &Extent, offset: u64, into: &mut [u8]) -> bool {
        let Some(mapped) = &self.mapped else { return false };
        let Ok(frames) = self.frames(extent, offset, into.len()) else { return false };
        let end = frames.offset + self.stored_bytes(frames.payload as u64);
        let Some(mapping) = mapped.holding(&(frames.offset..end)) else { return false };
        let skipped = (offset % self.format.frame_bytes as u64) as usize;
        let is_copied = self.copy_verified(&mapping, frames, skipped, into);
        if mapping.failed() {
            mapped.forget();
            return false;
        }
        is_copied
    }

    /// Fills `into` from the payloads of `frames` behind the first `skipped` bytes; false where one of
    /// them is not what was written.
    fn copy_verified(
        &self,
        mapping: &Mapping,
        frames: Frames,
        mut skipped: usize,
        mut into: &mut [u8],
    ) -> bool {
        let (mut offset, mut left) = (frames.offset, frames.payload);
        let mut part_of = Vec::new();
        while !into.is_empty() {
            let length = left.min(self.format.frame_bytes);
            let (part, rest) = into.split_at_mut((length - skipped).min(into.len()));
            let is_whole = part.len() == length;
            let payload = if is_whole {
                &mut *part
            } else {
                part_of.resize(length, 0);
                &mut part_of[..]
            };
            let mut checksum = [0; 8];
            let at = offset as usize;
            if !mapping.read(at, &mut checksum)
                || !mapping.read(at + self.format.head_bytes, payload)
                || !self.format.is_sound(checksum, payload, &self.identity, offset)
            {
                return false;
            }
            if !is_whole {
                part.copy_from_slice(&part_of[skipped..skipped + part.len()]);
            }
            offset += self.format.length(length) as u64;
            left -= length;
            skipped = 0;
            into = rest;
        }
        true
    }
}
