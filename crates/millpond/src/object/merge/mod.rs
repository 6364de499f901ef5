//! Merging the extents of an array, so that reading what was written in a million small pieces costs
//! about as much as reading what was written once.
//!
//! A merge looks at a window of records in one view. What of its extents shows becomes new extents of
//! up to 1 MiB, and the extents that lie in the window go, in one commit. Invariants:
//! - A merged extent has the newest stamp of what went into it, not that of its commit: what others
//!   write meanwhile is newer, and what lies beneath is older.
//! - The commit asks that each record that goes be unchanged, and each that comes be absent or one
//!   that goes. What is visible in a view shows in one extent alone, so of two merges of the same
//!   records one is refused.
//! - A hole goes only if no extent that stays, because it reaches out of the window, lies beneath it.
//!
//! Who notices that it is worth it does it, a bounded step at a time: a reader that met many small
//! extents, a writer after every so many of its own, [`Object::merge`], and a compaction of the
//! container. Nobody does in a transaction, at a snapshot, or with a handle for reading only.

mod commit;
mod outline;

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use millpond_core::{Direction, Error, ErrorKind, Result, View};

use self::{commit::Window, outline::Outline};
use super::{
    Anchor, Object,
    anchor::ListOf,
    extent::Stamp,
    read::Extents,
    records::{self, ArrayHeader},
};
use crate::{container::Container, layout::ObjectId, value::MOVED_RETRIES};

/// Bytes of a window, and of a merged extent at most.
const WINDOW_BYTES: u64 = 1 << 20;

/// Extents of a window beyond which it is merged in halves.
const WINDOW_EXTENTS_MAX: usize = 100_000;

/// Extents that a reader has to meet in a window.
const READ_EXTENTS: usize = 32;

/// Windows that one reader merges at most.
const READ_WINDOWS: usize = 64;

/// New extents after which a writer makes a step, and how many that step looks at.
const WRITE_EXTENTS: u64 = 1024;
const STEP_EXTENTS: usize = 2048;

/// Occasions that pass after a merge met another writer, failed, or had nothing to do.
const REST: u64 = 16;

/// Who merges by the way.
const WRITER: usize = 0;
const READER: usize = 1;

/// What a handle knows of its merges.
#[derive(Default)]
pub(super) struct MergeState {
    busy: AtomicBool,
    /// Extents that came since a writer merged.
    fresh: AtomicU64,
    /// Occasions that are still to pass: a writer's, and a reader's.
    rests: [AtomicU64; 2],
    /// Where the next step of a writer begins.
    at: Mutex<(Vec<u8>, u64)>,
}

/// What a merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Extents that are gone.
    pub removed: u64,
    /// Extents that stand for them.
    pub added: u64,
    /// Parts that were left as they are, since others wrote to them meanwhile.
    pub conflicts: u64,
}

/// When it is worth to merge a window.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// When at least as much is hidden as shows.
    Hidden,
    /// When several extents become one, or something is hidden.
    Anything,
}

impl Object {
    /// Merges the extents of all arrays of the object, now. It also happens by itself.
    ///
    /// # Errors
    /// `NoSpace`, since what is merged is written before what it stands for is given back.
    pub fn merge(&self) -> Result<Merged> {
        self.container().check_writable()?;
        let mut merged = Merged::default();
        if !self.container().is_scoped() {
            self.merge_arrays(&mut merged, &mut Err)?;
        }
        Ok(merged)
    }

    /// Merges all arrays; where one of them fails, or can't be listed, `failed` says whether to go on with the
    /// next.
    fn merge_arrays(&self, merged: &mut Merged, failed: &mut dyn FnMut(Error) -> Result<()>) -> Result<()> {
        for dkey in self.list_dkeys()? {
            let akeys = dkey.and_then(|dkey| {
                let dkey = records::dkey_prefix(self.kind(), &dkey)?;
                let anchor = Anchor::keys(self.id(), ListOf::Akeys, dkey.clone());
                Ok((self.keys_from(&anchor)?, dkey))
            });
            let (akeys, dkey) = match akeys {
                Ok(akeys) => akeys,
                Err(error) => {
                    failed(error)?;
                    continue;
                }
            };
            for akey in akeys {
                let done = akey.and_then(|akey| {
                    let akey = records::akey_prefix(self.kind(), &dkey, &akey)?;
                    let all = 0..u64::MAX;
                    self.merge_array(&akey, &all, Worth::Anything, &mut usize::MAX.clone(), merged)?;
                    self.drop_levels(&akey)
                });
                done.or_else(&mut *failed)?;
            }
        }
        Ok(())
    }

    /// A range was read, and these extents were met: merges the windows in which there are many.
    pub(super) fn merge_after_read(
        &self,
        akey: &[u8],
        header: ArrayHeader,
        range: &Range<u64>,
        found: Vec<(Range<u64>, Stamp)>,
    ) {
        let width = width_of(header);
        // What is read a little at a time is as well off with small extents.
        if found.len() < READ_EXTENTS || range.end - range.start < width / 4 {
            return;
        }
        let mut met: BTreeMap<u64, usize> = BTreeMap::new();
        for (records, _) in found {
            *met.entry(records.start / width).or_default() += 1;
        }
        let dense = met.into_iter().filter(|(_, met)| *met >= READ_EXTENTS).map(|(window, _)| window);
        let dense: Vec<u64> = dense.take(READ_WINDOWS).collect();
        if dense.is_empty() {
            return;
        }
        self.merge_by_the_way(READER, |merged| {
            for window in dense {
                let start = window * width;
                let end = start.saturating_add(width);
                self.merge_window(start..end, width, akey, Worth::Anything, &mut usize::MAX.clone(), merged)?;
            }
            self.drop_levels(akey)
        });
    }

    /// So many new extents were written: merges some of the array, if it is time.
    pub(super) fn merge_after_write(&self, akey: &[u8], fresh: u64) {
        let state = &self.inner.merge;
        if state.fresh.fetch_add(fresh, Ordering::Relaxed) + fresh < WRITE_EXTENTS {
            return;
        }
        state.fresh.store(0, Ordering::Relaxed);
        self.merge_by_the_way(WRITER, |merged| {
            let mut at = state.at.lock().unwrap_or_else(PoisonError::into_inner);
            if at.0 != akey {
                *at = (akey.to_vec(), 0);
            }
            let mut left = STEP_EXTENTS;
            at.1 = self.merge_array(akey, &(at.1..u64::MAX), Worth::Hidden, &mut left, merged)?;
            Ok(())
        });
    }

    /// Merges beside something else, which it must not fail.
    fn merge_by_the_way(&self, who: usize, merge: impl FnOnce(&mut Merged) -> Result<()>) {
        let (container, state) = (self.container(), &self.inner.merge);
        if container.is_scoped() || container.is_read_only() {
            return;
        }
        let rest = &state.rests[who];
        let rested = rest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |rest| rest.checked_sub(1));
        if rested.is_ok() || state.busy.swap(true, Ordering::Acquire) {
            return;
        }
        let mut merged = Merged::default();
        if merge(&mut merged).is_err() || merged.conflicts > 0 || merged.removed == 0 {
            rest.store(REST, Ordering::Relaxed);
        }
        state.busy.store(false, Ordering::Release);
    }

    /// Merges an array window by window, until it has looked at as many extents as are left; answers
    /// where to go on, 0 at the end.
    fn merge_array(
        &self,
        akey: &[u8],
        range: &Range<u64>,
        worth: Worth,
        left: &mut usize,
        merged: &mut Merged,
    ) -> Result<u64> {
        let mut at = range.start;
        while at < range.end && *left > 0 {
            let view = self.view()?;
            let array_key = records::array_key(akey);
            let Some((header, _)) = self.array(Some(&*view), akey, &array_key)? else { return Ok(0) };
            let width = width_of(header);
            // What begins before, its own window has seen to.
            let Some(start) = self.next_start(&*view, akey, header, at)? else { return Ok(0) };
            let start = start - start % width;
            at = start.saturating_add(width);
            self.merge_window(start..at, width, akey, worth, left, merged)?;
            for long in self.longer_than(&*view, akey, header, width, &(start..at))? {
                self.try_window(&long, width, akey, Worth::Hidden, left, merged)?;
            }
        }
        Ok(if at < range.end { at } else { 0 })
    }

    /// Extents of more than `width` records that begin in a range: no window holds one.
    fn longer_than(
        &self,
        view: &dyn View,
        akey: &[u8],
        header: ArrayHeader,
        width: u64,
        range: &Range<u64>,
    ) -> Result<Vec<Range<u64>>> {
        let mut longer = Vec::new();
        for level in header.each_level().filter(|level| *level >= records::level(width)) {
            let start = records::level_key(akey, level, range.start);
            let end = records::level_key(akey, level, range.end);
            let mut cursor = view.scan(self.range(&start, Some(&end)), Direction::Forward)?;
            while cursor.advance()? {
                let place = cursor.key().get(akey.len() + 1..).and_then(records::parse_extent);
                let records = place.ok_or_else(|| self.malformed(cursor.key()))?;
                if records.end - records.start > width {
                    longer.push(records);
                }
            }
        }
        Ok(longer)
    }

    fn merge_window(
        &self,
        window: Range<u64>,
        width: u64,
        akey: &[u8],
        worth: Worth,
        left: &mut usize,
        merged: &mut Merged,
    ) -> Result<()> {
        for attempt in 1.. {
            match self.try_window(&window, width, akey, worth, left, merged) {
                Ok(None) => return Ok(()),
                Ok(Some(middle)) => {
                    self.merge_window(window.start..middle, width, akey, worth, left, merged)?;
                    return self.merge_window(middle..window.end, width, akey, worth, left, merged);
                }
                // The bytes have moved since the view was opened: a new one knows where to.
                Err(error) if error.kind() == ErrorKind::EpochGone && attempt < MOVED_RETRIES => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Merges a window, or answers where to halve it.
    fn try_window(
        &self,
        window: &Range<u64>,
        width: u64,
        akey: &[u8],
        worth: Worth,
        left: &mut usize,
        merged: &mut Merged,
    ) -> Result<Option<u64>> {
        let view = self.view()?;
        let array_key = records::array_key(akey);
        let Some((header, version)) = self.array(Some(&*view), akey, &array_key)? else { return Ok(None) };
        let mut range = window.clone();
        let mut extents = Extents::collect(self, &*view, akey, header, &range)?;
        *left = left.saturating_sub(extents.found.len());
        if extents.found.len() < 2 {
            return Ok(None);
        }
        if extents.found.len() > WINDOW_EXTENTS_MAX && range.end - range.start > 1 {
            return Ok(Some(range.start + (range.end - range.start) / 2));
        }
        // Small extents that reach over the edges are merged too, else they would be left for ever.
        for (records, _) in &extents.found {
            if records.end - records.start <= width {
                range = range.start.min(records.start)..range.end.max(records.end);
            }
        }
        if range != *window {
            extents = Extents::collect(self, &*view, akey, header, &range)?;
        }
        let outline = Outline::new(&extents, &range, width);
        if !outline.is_worth(worth) {
            return Ok(None);
        }
        let window = Window { object: self, akey, header, version };
        window.commit(&extents, &outline, merged).map(|()| None)
    }
}

/// Records of a window.
fn width_of(header: ArrayHeader) -> u64 {
    (WINDOW_BYTES / header.record_bytes).max(1)
}

/// Errors of damage, one behind the other, after which no more of a container is merged.
const DAMAGES_MAX: usize = 1000;

/// Merges the extents of all arrays of a container, but for those that damage keeps from being merged: `left`
/// is told of each, with the object that it is of, where that is known.
pub(crate) fn merge_all(container: &Container, left: &mut dyn FnMut(Option<ObjectId>, Error)) -> Result<()> {
    let mut damages = 0;
    let mut leave = |id: Option<ObjectId>, error: Error| {
        damages += 1;
        let is_damage = matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::DataLoss);
        if !is_damage || damages > DAMAGES_MAX {
            return Err(error);
        }
        left(id, error);
        Ok(())
    };
    for id in container.objects()? {
        let merged = id.map_err(|error| (None, error)).and_then(|id| {
            let object = Object::new(container.clone(), id).map_err(|error| (Some(id), error))?;
            object
                .merge_arrays(&mut Merged::default(), &mut |error| leave(Some(id), error))
                .map_err(|error| (Some(id), error))
        });
        merged.or_else(|(id, error)| leave(id, error))?;
    }
    Ok(())
}
