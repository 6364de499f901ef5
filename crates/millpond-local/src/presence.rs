//! Who has a container open: byte locks of its `lock` file, which is never replaced.
//!
//! | byte | held | by |
//! | ---: | --- | --- |
//! | 0 | shared | everyone who has the container open |
//! | 0 | exclusive | whoever opens, closes or destroys it and is alone |
//! | 1 | exclusive | whoever is opening or closing, so that these follow each other |
//! | 64 + n | exclusive | the process that has slot n |
//!
//! Liveness is a kernel lock, never a pid: it ends with its process, however that ends.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use millpond_core::{Error, ErrorKind, Result};

use crate::{
    control::SLOTS,
    media::{Lock, LockFile, Media},
};

const PRESENCE: u64 = 0;
const DOOR: u64 = 1;
const SLOT_BASE: u64 = 64;

/// One process's hold on a container.
#[derive(Clone, Debug)]
pub(crate) struct Presence {
    lock: Arc<dyn LockFile>,
    path: PathBuf,
}

/// While it lives, nobody else opens or closes the container.
pub(crate) struct Door<'a>(&'a Presence);

impl Presence {
    /// Opens the lock file of the container in `dir`, without a lock.
    pub(crate) fn new(media: &Arc<dyn Media>, dir: &Path) -> Result<Self> {
        let path = dir.join("lock");
        let lock = media
            .lock_file(&path)
            .map_err(|error| Error::io(format!("opening lock file {}", path.display()), error))?;
        Ok(Self { lock, path })
    }

    fn try_lock(&self, byte: u64, lock: Lock) -> Result<bool> {
        self.lock
            .try_lock(byte, lock)
            .map_err(|error| Error::io(format!("locking {}", self.path.display()), error))
    }

    /// Waits for the door, no longer than `patience`.
    pub(crate) fn door(&self, patience: Duration) -> Result<Door<'_>> {
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_micros(50);
        while !self.try_lock(DOOR, Lock::Exclusive)? {
            if Instant::now() > deadline {
                return Err(Error::new(
                    ErrorKind::Timeout,
                    format!(
                        "another process has been opening or closing this container for over {patience:?} ({}); if it is stopped, continue or kill it (lsof shows it)",
                        self.path.display()
                    ),
                ));
            }
            // On the model checker of interleavings, whoever holds the door gets on meanwhile.
            if !crate::sync::pause() {
                std::thread::sleep(pause);
            }
            pause = (pause * 2).min(Duration::from_millis(10));
        }
        Ok(Door(self))
    }

    /// Whether this process is alone; then nobody else comes until [`Presence::attend`] or
    /// [`Presence::leave`]. The door is held.
    pub(crate) fn be_alone(&self, _: &Door<'_>) -> Result<bool> {
        self.try_lock(PRESENCE, Lock::Exclusive)
    }

    /// Counts this process among those who have the container open.
    pub(crate) fn attend(&self, _: &Door<'_>) -> Result<()> {
        if self.try_lock(PRESENCE, Lock::Shared)? {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Busy,
            format!("this container is being destroyed ({})", self.path.display()),
        ))
    }

    /// Counts this process out.
    pub(crate) fn leave(&self, _: &Door<'_>) -> Result<()> {
        self.try_lock(PRESENCE, Lock::None).map(drop)
    }

    /// Takes a free slot.
    pub(crate) fn take_slot(&self) -> Result<usize> {
        for slot in 0..SLOTS {
            if self.try_lock(SLOT_BASE + slot as u64, Lock::Exclusive)? {
                return Ok(slot);
            }
        }
        Err(Error::new(
            ErrorKind::Busy,
            format!("{SLOTS} processes have this container open; close one of them"),
        ))
    }

    /// Gives a slot back.
    pub(crate) fn free_slot(&self, slot: usize) -> Result<()> {
        self.try_lock(SLOT_BASE + slot as u64, Lock::None).map(drop)
    }

    /// Whether another living process has the slot.
    pub(crate) fn is_slot_alive(&self, slot: usize) -> Result<bool> {
        self.lock
            .is_locked(SLOT_BASE + slot as u64)
            .map_err(|error| Error::io(format!("asking for locks of {}", self.path.display()), error))
    }
}

impl Drop for Door<'_> {
    fn drop(&mut self) {
        // If this fails, the lock ends with the file, at the latest.
        let _ = self.0.lock.try_lock(DOOR, Lock::None);
    }
}
