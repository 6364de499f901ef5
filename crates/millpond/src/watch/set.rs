//! The changes of one commit.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
};

use millpond_core::{Epoch, Result};

use super::{Change, Source, gone_on, lock};

/// Changes of a commit that are held in memory; the rest of a huge one is read as it is taken.
const HELD_MAX: usize = 1000;

/// Bytes of keys and values that are held in memory.
const HELD_BYTES_MAX: usize = 1 << 20;

/// A commit: all the changes that it made, and the watch is to tell of, at one epoch.
///
/// An iterator over them. What is short is held here; the rest of a huge commit is read as it is taken,
/// which has to be before the watch goes on to the next one.
pub struct ChangeSet {
    epoch: Epoch,
    held: VecDeque<Result<Change>>,
    /// Where the rest comes from, and the commit that it has to be at.
    rest: Option<(Arc<Mutex<Source>>, u64)>,
}

impl ChangeSet {
    /// Reads the commit that the source is at, as far as it is to be held; nothing where it has no change
    /// to tell of.
    pub(super) fn read(source: &mut Source, epoch: Epoch, origin: &Arc<Mutex<Source>>) -> Option<Self> {
        let mut set = Self { epoch, held: VecDeque::new(), rest: None };
        let mut bytes = 0;
        while let Some(change) = source.change().transpose() {
            bytes += change.as_ref().map_or(0, Change::held_bytes);
            set.held.push_back(change);
            if set.held.len() >= HELD_MAX || bytes >= HELD_BYTES_MAX {
                set.rest = Some((Arc::clone(origin), source.turn));
                break;
            }
        }
        (!set.held.is_empty()).then_some(set)
    }

    /// The epoch of the commit: what to store, to go on after it.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }
}

impl Iterator for ChangeSet {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(change) = self.held.pop_front() {
            return Some(change);
        }
        let (source, turn) = self.rest.as_ref()?;
        let mut source = lock(source);
        if source.turn != *turn {
            drop(source);
            self.rest = None;
            return Some(Err(gone_on(self.epoch)));
        }
        let next = source.change().transpose();
        drop(source);
        if next.is_none() {
            self.rest = None;
        }
        next
    }
}

impl fmt::Debug for ChangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChangeSet(of epoch {}, {} changes held)", self.epoch, self.held.len())
    }
}
