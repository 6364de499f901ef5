//! What one process holds of a pool that it has open: its presence, and the memory that it shares
//! with the others.
//!
//! Invariant: nothing in the memory is trusted that a last holder left; who comes in alone makes
//! it anew, with a count of the files.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use millpond_core::{Error, ErrorKind, Result};

use super::{
    document::load_pool,
    failed,
    lock::{Byte, PoolLock},
    no_pool, removal, usage,
};
use crate::media::{Lock, Media, Shared};

const CONTROL_BYTES: usize = 4096;
const MAGIC: u64 = u64::from_le_bytes(*b"mppool\x00\x01");

/// No quota.
pub(super) const UNLIMITED: i64 = i64::MAX;

/// The shared memory.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Words {
    magic: AtomicU64,
    /// The quota in bytes, or [`UNLIMITED`].
    pub(super) limit: AtomicI64,
    /// Bytes that count against it. May be a little below zero for a moment.
    pub(super) used: AtomicI64,
    /// Milliseconds since 1970 when the files were last counted to make room.
    pub(super) counted: AtomicU64,
}

const _: () = assert!(size_of::<Words>() <= CONTROL_BYTES);

/// See the module.
#[derive(Debug)]
pub(super) struct Attachment {
    lock: PoolLock,
    memory: Arc<dyn Shared>,
}

impl Attachment {
    /// Attaches this process to the pool in `dir`, and cleans up if it is alone.
    pub(super) fn new(media: &Arc<dyn Media>, dir: &Path) -> Result<Self> {
        let lock = PoolLock::open(media, dir)?;
        let path = dir.join("control");
        let door = lock.hold(Byte::Door)?;
        let alone = lock.try_lock(Byte::Presence, Lock::Exclusive)?;
        let share = |fresh| {
            media
                .share(&path, CONTROL_BYTES, fresh)
                .map_err(|error| failed("share memory through", &path, error))
        };
        let memory = if alone {
            removal::clean_up(media, dir)?;
            let used = usage::count(media, dir)?;
            let memory = share(true)?;
            let words = words_of(&memory, &path)?;
            words.used.store(used as i64, Ordering::Relaxed);
            words.limit.store(UNLIMITED, Ordering::Relaxed);
            words.magic.store(MAGIC, Ordering::Release);
            memory
        } else {
            share(false)?
        };
        if words_of(&memory, &path)?.magic.load(Ordering::Acquire) != MAGIC {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!(
                    "{}: another process has this pool open with another version of Millpond; close it there first",
                    path.display()
                ),
            ));
        }
        if !lock.try_lock(Byte::Presence, Lock::Shared)? {
            return Err(Error::new(ErrorKind::Busy, format!("pool {} is being destroyed", dir.display())));
        }
        drop(door);
        let attachment = Self { lock, memory };
        attachment.adopt_limit(media, dir)?;
        Ok(attachment)
    }

    pub(super) fn words(&self) -> &Words {
        // SAFETY: `new` found the memory long enough, it is aligned to a page and lives as long as
        // `self`, all of it is atomic, and any bits are valid.
        unsafe { &*self.memory.as_ptr().cast::<Words>() }
    }

    /// Makes this process the only one that has the pool open; false if there are others.
    pub(super) fn be_alone(&self) -> Result<bool> {
        self.lock.try_lock(Byte::Presence, Lock::Exclusive)
    }

    /// Gives up being alone.
    pub(super) fn be_present(&self) -> Result<()> {
        self.lock.try_lock(Byte::Presence, Lock::Shared).map(drop)
    }

    /// Sets the limit to what the description says; it may have changed while nobody told.
    fn adopt_limit(&self, media: &Arc<dyn Media>, dir: &Path) -> Result<()> {
        let _change = self.lock.hold(Byte::Change)?;
        let document = load_pool(media, dir)?.ok_or_else(|| no_pool(dir))?;
        self.set_limit(document.size);
        Ok(())
    }

    pub(super) fn set_limit(&self, size: Option<u64>) {
        let limit = size.map_or(UNLIMITED, |size| i64::try_from(size).unwrap_or(UNLIMITED));
        self.words().limit.store(limit, Ordering::Release);
    }
}

fn words_of<'a>(memory: &'a Arc<dyn Shared>, path: &Path) -> Result<&'a Words> {
    if memory.length() < size_of::<Words>() {
        return Err(Error::new(ErrorKind::Corrupt, format!("{} is too short; remove it", path.display())));
    }
    // SAFETY: as in `Attachment::words`.
    Ok(unsafe { &*memory.as_ptr().cast::<Words>() })
}
