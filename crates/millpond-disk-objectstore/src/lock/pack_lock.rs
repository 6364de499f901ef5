//! `packs/<number>.lock`, by which disk-objectstore keeps others from a pack: whoever makes the file
//! has the pack, as long as it is there.
//!
//! - A file that its maker left behind when it was killed would lock the pack for ever. But the maker
//!   holds the file open for writing, and the kernel knows whether anybody does: it grants a read lease
//!   only on a file that nobody can write to. So a lock is stale when it grants one.
//! - A stale lock is taken over, not replaced: the file is opened for writing, and is then ours. Nothing
//!   is unlinked that somebody else may have made meanwhile.
//! - disk-objectstore removes the lock of another when it finds a pack locked. So who holds a lock looks
//!   whether it still has it before it trusts what it wrote, and locks again where nobody else has.
//!
//! Processes of ours exclude each other by [`Packer`](super::Packer) first, so that no two of them look
//! at the same stale lock.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind as IoErrorKind},
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::PathBuf,
    time::{Duration, Instant},
};

use millpond::{Error, ErrorKind, Result};

use super::Packer;

/// `fcntl`'s, which libc doesn't have: the number is the same on every architecture of Linux.
const F_SETSIG: libc::c_int = 10;
const PAUSE: Duration = Duration::from_millis(5);

/// A pack that nobody else writes, until it is dropped.
#[derive(Debug)]
pub(crate) struct PackLock {
    path: PathBuf,
    file: File,
}

/// What can be known of who holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    /// Somebody has the file open.
    Alive,
    /// Nobody has.
    Gone,
    /// The kernel doesn't say.
    Unknown,
}

impl PackLock {
    /// Locks the pack whose lock is at `path`; waits no longer than `timeout`.
    pub fn acquire(_packer: &Packer, path: PathBuf, timeout: Duration) -> Result<Self> {
        let deadline = Instant::now() + timeout;
        loop {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { path, file }),
                Err(error) if error.kind() == IoErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io(format!("making {}", path.display()), error)),
            }
            let holder = match holder(&path) {
                Ok(Holder::Gone) => {
                    // Only processes of ours take over, and we are the one that packs.
                    if let Some(lock) = take_over(&path)? {
                        return Ok(lock);
                    }
                    continue;
                }
                Ok(holder) => holder,
                Err(error) if error.kind() == IoErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io(format!("looking at {}", path.display()), error)),
            };
            if Instant::now() >= deadline {
                let hint = match holder {
                    Holder::Unknown => ". If no program packs there, one has died: remove the file",
                    Holder::Alive | Holder::Gone => ": try again when it is done",
                };
                let message = format!("another program holds {}{hint}", path.display());
                return Err(Error::new(ErrorKind::Timeout, message));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Makes the file again where somebody has removed it. Whether it is held then says [`PackLock::is_held`].
    pub fn renew(&mut self) {
        if !self.path.exists()
            && let Ok(file) = OpenOptions::new().write(true).create_new(true).open(&self.path)
        {
            self.file = file;
        }
    }

    /// Whether the file is still there, and the one that we made.
    pub fn is_held(&self) -> bool {
        is_same(&self.file, &self.path).unwrap_or(false)
    }
}

impl Drop for PackLock {
    fn drop(&mut self) {
        if self.is_held() {
            // What stays behind is stale, and found to be.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn take_over(path: &PathBuf) -> Result<Option<PackLock>> {
    let doing = || format!("taking over {}", path.display());
    match OpenOptions::new().write(true).open(path) {
        Ok(file) => {
            let is_it = is_same(&file, path).map_err(|error| Error::io(doing(), error))?;
            Ok(is_it.then(|| PackLock { path: path.clone(), file }))
        }
        Err(error) if error.kind() == IoErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(doing(), error)),
    }
}

fn is_same(file: &File, path: &PathBuf) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == IoErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether somebody has the file at `path` open for writing.
fn holder(path: &PathBuf) -> io::Result<Holder> {
    let file = File::open(path)?;
    let fd = file.as_raw_fd();
    // SAFETY: plain calls on a descriptor that is open until the end of the function. Somebody who opens
    // the file for writing meanwhile would have the kernel send SIGIO, which kills; SIGURG is passed over
    // by whoever doesn't ask for it.
    let granted = unsafe {
        libc::fcntl(fd, F_SETSIG, libc::SIGURG) == 0 && libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK) == 0
    };
    if granted {
        // SAFETY: as above.
        unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK) };
        return Ok(Holder::Gone);
    }
    let error = io::Error::last_os_error();
    Ok(if error.raw_os_error() == Some(libc::EAGAIN) { Holder::Alive } else { Holder::Unknown })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_lives_as_long_as_somebody_has_it_open() {
        let dir = tempfile::tempdir().expect("a directory");
        let packer = Packer::acquire(&dir.path().join("lock"), Duration::ZERO).expect("locked");
        let path = dir.path().join("0.lock");
        // As disk-objectstore makes it.
        let made = OpenOptions::new().write(true).create_new(true).open(&path).expect("made");
        let error = PackLock::acquire(&packer, path.clone(), Duration::from_millis(20)).expect_err("held");
        assert_eq!(error.kind(), ErrorKind::Timeout);
        // As it leaves it when it is killed.
        drop(made);
        let lock = PackLock::acquire(&packer, path.clone(), Duration::ZERO).expect("taken over");
        assert!(lock.is_held());
        assert_eq!(holder(&path).expect("asked"), Holder::Alive);
        drop(lock);
        assert!(!path.exists());
    }

    #[test]
    fn a_lock_that_another_removed_is_not_held() {
        let dir = tempfile::tempdir().expect("a directory");
        let packer = Packer::acquire(&dir.path().join("lock"), Duration::ZERO).expect("locked");
        let path = dir.path().join("0.lock");
        let mut lock = PackLock::acquire(&packer, path.clone(), Duration::ZERO).expect("locked");
        fs::remove_file(&path).expect("removed");
        assert!(!lock.is_held());
        lock.renew();
        assert!(lock.is_held());
        fs::remove_file(&path).expect("removed");
        let others = File::create(&path).expect("made by another");
        lock.renew();
        assert!(!lock.is_held());
        drop(lock);
        assert!(path.exists(), "the lock of another was removed");
        drop(others);
    }
}
