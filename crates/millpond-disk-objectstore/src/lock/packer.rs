//! The lock of the one who packs, among processes of ours: the kernel's, on a file of its own, so
//! that it ends with its holder, however that ends. The file has the holder's number, for messages.
//!
//! Readers, and writers of loose objects, never need it.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::Read,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use millpond::{Error, ErrorKind, Result};

const PAUSE_MAX: Duration = Duration::from_millis(20);

/// The right to write packs, until it is dropped.
#[derive(Debug)]
pub(crate) struct Packer {
    // Closing it ends the lock.
    _file: File,
}

impl Packer {
    /// Waits for the lock, no longer than `timeout`.
    pub fn acquire(path: &Path, timeout: Duration) -> Result<Self> {
        let doing = || format!("locking {}", path.display());
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(|error| Error::io(doing(), error))?;
        let deadline = Instant::now() + timeout;
        let mut pause = Duration::from_micros(200);
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(Error::io(doing(), error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(held(path, file, timeout));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(pause),
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
        // Only messages need it.
        let _ = file.write_all_at(format!("{:<10}\n", std::process::id()).as_bytes(), 0);
        Ok(Self { _file: file })
    }
}

fn held(path: &Path, file: File, timeout: Duration) -> Error {
    let mut holder = String::new();
    let _ = file.take(10).read_to_string(&mut holder);
    let message = format!(
        "process {} has been packing for longer than {timeout:?} and holds {}: try again later, or with a longer timeout",
        holder.trim(),
        path.display()
    );
    Error::new(ErrorKind::Timeout, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_the_others_are_told_who() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("millpond.lock");
        let first = Packer::acquire(&path, Duration::ZERO).expect("locked");
        let error = Packer::acquire(&path, Duration::from_millis(5)).expect_err("held");
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().contains(&format!("process {} has", std::process::id())), "{error}");
        drop(first);
        Packer::acquire(&path, Duration::ZERO).expect("free again");
    }
}
