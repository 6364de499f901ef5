//! The versions of one key that a tail holds, and what changes them.

use bytes::Bytes;
use millpond_core::{Epoch, Extent};

use super::{counter_entry, counter_value};
use crate::{
    log::LogPlace,
    run::Entry,
    sync::atomic::{AtomicU8, Ordering},
};

/// The versions of one key, newest first.
#[derive(Clone, Debug)]
pub(crate) struct Versions {
    pub(super) newest: Version,
    pub(super) older: Vec<Version>,
    /// Of the oldest of them.
    pub(super) replaced: Replaced,
    /// Whether the key existed before the oldest of them, if somebody looked where that isn't known
    /// otherwise.
    pub(super) existed: Looked,
}

/// An answer that may not have been looked for.
#[derive(Debug, Default)]
pub(super) struct Looked(AtomicU8);

impl Clone for Looked {
    fn clone(&self) -> Self {
        Self(AtomicU8::new(self.0.load(Ordering::Relaxed)))
    }
}

/// What stood in older places when a tail's first version of a key was committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Replaced {
    /// Not known to this process, or more than that it was there has to be known.
    #[default]
    Unknown,
    /// Nothing, so that no merge drops anything for its sake.
    Nothing,
    /// A record that owns no bytes of segments.
    Record,
}

/// One version of a key.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) epoch: Epoch,
    pub(crate) entry: Entry,
}

impl Versions {
    /// The newest one.
    pub(crate) fn newest(&self) -> &Version {
        &self.newest
    }

    /// The one that there is, if there is only one.
    pub(crate) fn only(&self) -> Option<&Version> {
        self.older.is_empty().then_some(&self.newest)
    }

    /// What the oldest one replaced.
    pub(crate) fn replaced(&self) -> Replaced {
        self.replaced
    }

    /// Whether the key existed before the oldest of them, where that is known.
    pub(crate) fn existed(&self) -> Option<bool> {
        match (self.replaced, self.existed.0.load(Ordering::Relaxed)) {
            (Replaced::Nothing, _) | (_, Self::EXISTED_NOT) => Some(false),
            (Replaced::Record, _) | (_, Self::EXISTED) => Some(true),
            _ => None,
        }
    }

    const EXISTED: u8 = 1;
    const EXISTED_NOT: u8 = 2;

    /// Notes what was looked for.
    pub(crate) fn note_existed(&self, existed: bool) {
        let answer = if existed { Self::EXISTED } else { Self::EXISTED_NOT };
        self.existed.0.store(answer, Ordering::Relaxed);
    }

    /// The oldest one.
    pub(crate) fn oldest(&self) -> &Version {
        self.older.first().unwrap_or(&self.newest)
    }

    /// The newest version that is no newer than `at`.
    pub(crate) fn at(&self, at: Epoch) -> Option<&Version> {
        if self.newest.epoch <= at {
            return Some(&self.newest);
        }
        // Pushed in order, so that the newest stands last.
        let count = self.older.partition_point(|version| version.epoch <= at);
        self.older[..count].last()
    }

    /// All versions, newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Version> {
        std::iter::once(&self.newest).chain(self.older.iter().rev())
    }

    pub(super) fn change(&mut self, epoch: Epoch, change: Change) {
        let entry = match (change, &self.newest.entry) {
            (Change::Put(value, extents), _) => Entry::Put { value, extents },
            (Change::Delete, _) => Entry::Tombstone,
            (Change::Adjust(delta), Entry::Counter(sum)) => Entry::Counter(sum.wrapping_add(delta)),
            (Change::Adjust(delta), Entry::Put { value, .. }) => {
                counter_entry(counter_value(value).wrapping_add(delta))
            }
            (Change::Adjust(delta), Entry::Tombstone) => counter_entry(delta),
            // What is added to an unknown sum is an unknown sum.
            (Change::Adjust(_), Entry::Damaged(place)) => Entry::Damaged(*place),
            (Change::Damaged(place), _) => Entry::Damaged(place),
        };
        if self.newest.epoch == epoch {
            self.newest.entry = entry;
        } else {
            self.push(Version { epoch, entry });
        }
    }

    pub(super) fn push(&mut self, version: Version) {
        let older = std::mem::replace(&mut self.newest, version);
        self.older.push(older);
    }
}

/// A change to apply.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Put(Bytes, Vec<Extent>),
    Delete,
    Adjust(i64),
    /// A put whose value is lost.
    Damaged(LogPlace),
}
