//! Everything that the engine asks of the machine: files, locks, shared memory, time, chance.
//!
//! One narrow seam, so that a test can put a machine behind it that loses power, tears writes,
//! fails syncs or kills a process between any two calls, and replay it from a seed.
//!
//! What the engine relies on, and a medium may do no worse than:
//! - Bytes written but not synced may be lost after a loss of power, whole or in sectors of 512
//!   bytes, in any order. Synced bytes stay.
//! - An entry of a directory (created, renamed, removed) may be lost until the directory is synced;
//!   a rename is atomic all the same.
//! - After a failed sync, nothing is known of what was not synced before.
//! - A read or write may be short, or be interrupted; [`FileExt`] carries on where it stopped.
//! - A store may be torn at any byte by the death of the process, its parts in any order. Otherwise it
//!   is as a write.

pub mod futex;
mod guard;
mod mapping;
mod system;

use std::{
    fmt, io,
    path::Path,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

pub use mapping::Mapping;
pub use system::SystemMedia;

/// A machine, as one process sees it.
pub trait Media: fmt::Debug + Send + Sync {
    /// Opens a file. New files get mode 0600.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;

    /// Creates a directory of mode 0700, and those above it that are missing.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Renames a file or directory, replacing a file atomically.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name, which must be free.
    fn link(&self, from: &Path, _to: &Path) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, format!("{} can't be linked", from.display())))
    }

    /// Makes a symbolic link to `target`, which isn't looked at, in a place that must be free.
    fn symlink(&self, _target: &str, at: &Path) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, format!("{} can't be a link", at.display())))
    }

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory with all that is in it.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Makes the entries of a directory survive a loss of power.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Opens a file for locking, creating it if it is missing. Its locks end with this process, or
    /// when the answer is dropped; a forked child doesn't keep them.
    fn lock_file(&self, path: &Path) -> io::Result<Arc<dyn LockFile>>;

    /// Maps `length` bytes of memory that processes share. `fresh` makes a new, zeroed one in the
    /// place of what was there; else it must exist with at least that length.
    fn share(&self, path: &Path, length: usize, fresh: bool) -> io::Result<Arc<dyn Shared>>;

    /// The time since 1970.
    fn now(&self) -> Duration;

    /// A random number.
    fn random(&self) -> u64;

    /// Refuses a directory that the engine can't be safe on, such as a network file system.
    fn check_dir(&self, path: &Path) -> io::Result<()>;

    /// What tells a directory from every other one, if handles of one process are to share it.
    fn identity(&self, _: &Path) -> io::Result<Option<(u64, u64)>> {
        Ok(None)
    }

    /// Whether this process was killed, which only a test's medium says: what is dropped from then
    /// on must leave everything as it is.
    fn killed(&self) -> bool {
        false
    }
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must exist, and is read.
    Read,
    /// It must exist, and is read and written.
    Write,
    /// It must not exist, and is read and written.
    Create,
}

/// An open file. Any number of threads may read and write it at once.
pub trait File: fmt::Debug + Send + Sync {
    /// Reads at `offset`, perhaps less than asked; 0 at the end.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at `offset`, perhaps less than asked.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// The first `length` bytes, which it must have, as memory to be read; none where the medium
    /// can't map files.
    fn map(&self, _length: u64) -> io::Result<Option<Mapping>> {
        Ok(None)
    }

    /// Writes all of `bytes` at `offset`, where the file already has space of its own, without asking
    /// the kernel if that is possible. Others who read the file see them, in no order among each other.
    fn store(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    /// Makes all that was written by anyone to this file survive a loss of power, its length
    /// included (not its directory entry).
    fn sync(&self) -> io::Result<()>;

    /// The file's length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Cuts or extends the file; what is added reads as zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Extends the file from `from` bytes to `to` with space of its own, which reads as zeros. When
    /// the disk is full, it has been extended as far as possible.
    fn allocate(&self, from: u64, to: u64) -> io::Result<()> {
        zero(self, from, to)
    }
}

/// Writes zeros from `from` to `to`.
fn zero(file: &(impl File + ?Sized), from: u64, to: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut place = from;
    while place < to {
        let count = (ZEROS.len() as u64).min(to - place);
        file.write_all_at(&ZEROS[..count as usize], place)?;
        place += count;
    }
    Ok(())
}

/// Whole reads and writes on any [`File`].
pub trait FileExt {
    /// Fills `into` from `offset` on; a file that ends before is an `UnexpectedEof`.
    fn read_exact_at(&self, into: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
}

impl<F: File + ?Sized> FileExt for F {
    fn read_exact_at(&self, mut into: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !into.is_empty() {
            match self.read_at(into, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    into = &mut into[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.write_at(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes = &bytes[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// A file that processes lock bytes of. Locks belong to the open file, not to a thread.
pub trait LockFile: fmt::Debug + Send + Sync {
    /// Takes, changes (atomically) or gives back the lock of one byte; false if others hold what
    /// rules it out.
    fn try_lock(&self, byte: u64, lock: Lock) -> io::Result<bool>;

    /// Whether someone else holds a lock on the byte.
    fn is_locked(&self, byte: u64) -> io::Result<bool>;
}

/// What to hold on a byte of a [`LockFile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Nothing.
    None,
    /// With others that share it.
    Shared,
    /// Alone.
    Exclusive,
}

/// Memory that processes share. It outlives no process that could be trusted for it: never read
/// what was left by a last holder.
pub trait Shared: fmt::Debug + Send + Sync {
    /// Where it begins; aligned to a page, valid as long as `self`.
    fn as_ptr(&self) -> *mut u8;

    /// How many bytes there are.
    fn length(&self) -> usize;

    /// Sleeps while the low half of the 64-bit word at `offset` is `expected`, until another process or
    /// thread wakes those who do or `timeout` has passed; it may also wake up for no reason.
    fn wait(&self, offset: usize, expected: u32, timeout: Duration) {
        futex::wait(low_half(self, offset), expected, timeout);
    }

    /// Wakes all who sleep on the word at `offset`.
    fn wake(&self, offset: usize) {
        futex::wake_all(low_half(self, offset));
    }
}

/// The less significant half of a 64-bit word of shared memory.
fn low_half<S: Shared + ?Sized>(memory: &S, offset: usize) -> &AtomicU32 {
    assert!(offset.is_multiple_of(8) && offset + 8 <= memory.length(), "a word of the memory");
    let half = if cfg!(target_endian = "big") { offset + 4 } else { offset };
    // SAFETY: within the memory, aligned, valid as long as `memory`; atomics may be accessed while
    // others write them.
    unsafe { &*memory.as_ptr().add(half).cast::<AtomicU32>() }
}
