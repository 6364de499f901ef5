//! A file's bytes as memory, in which a page that can't be read is an error and not a death.
//!
//! A page of a mapped file may become unreadable: the file was cut, the device fails, the disk is
//! full. The kernel then sends SIGBUS to the thread that touches it. Our handler puts a page of zeros
//! in its place and marks the mapping, and whoever read or wrote asks for the mark before it believes
//! what it did.
//!
//! Invariants:
//! - Nobody gets a reference to mapped bytes, which may change at any time: they are copied in and out.
//! - A mapping that was marked stays so. Its bytes are worthless from then on.
//!
//! The handler leaves every other SIGBUS to whoever had it before. What installs a handler of its own
//! later, and doesn't pass on what isn't its own, gets ours too: an unreadable page then ends the
//! process, as in any program that maps files.

use std::{
    fmt, fs, io,
    os::fd::AsRawFd,
    ptr,
    sync::atomic::{Ordering, compiler_fence, fence},
};

use super::guard::{self, Guard};

/// A part of a file, from its beginning, that is mapped.
pub struct Mapping {
    address: *mut u8,
    length: usize,
    guard: &'static Guard,
}

// SAFETY: the memory belongs to the mapping until it is dropped, and is only copied from and to.
unsafe impl Send for Mapping {}
// SAFETY: as above; of two who write the same bytes, the engine's locks let one go first.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `length` bytes of a file that has them; none where there are too many mappings.
    pub(super) fn new(file: &fs::File, length: u64, writable: bool) -> io::Result<Option<Self>> {
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        if length == 0 || file.metadata()?.len() < length as u64 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file is shorter than its contents",
            ));
        }
        let protection = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        // SAFETY: a fresh mapping of an open file, of a length that the file has.
        let address =
            unsafe { libc::mmap(ptr::null_mut(), length, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let Some(guard) = guard::guard(address as usize, length, protection) else {
            // SAFETY: it was mapped just now, and nobody has it.
            unsafe { libc::munmap(address, length) };
            return Ok(None);
        };
        Ok(Some(Self { address: address.cast(), length, guard }))
    }

    /// How many bytes are mapped.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Copies what begins at `at`; false if the mapping doesn't have it. What was copied counts only
    /// if [`Mapping::failed`] says no afterwards.
    #[inline]
    pub fn read(&self, at: usize, into: &mut [u8]) -> bool {
        if !self.has(at, into.len()) {
            return false;
        }
        // SAFETY: the range is within the mapping, which lives as long as `self`, and a page of it
        // that can't be read becomes one of zeros.
        unsafe { ptr::copy_nonoverlapping(self.address.add(at), into.as_mut_ptr(), into.len()) };
        // The bytes may change: what is done with the copy must not become a second look at them.
        compiler_fence(Ordering::SeqCst);
        true
    }

    /// Copies `bytes` to `at`; false if the mapping doesn't have the room. They are in the file only
    /// if [`Mapping::failed`] says no afterwards.
    #[inline]
    pub(super) fn write(&self, at: usize, bytes: &[u8]) -> bool {
        if !self.has(at, bytes.len()) {
            return false;
        }
        // SAFETY: as above, and the mapping was made to be written.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.address.add(at), bytes.len()) };
        compiler_fence(Ordering::SeqCst);
        true
    }

    /// Whether a page of it could not be read or written since it was mapped.
    #[inline]
    pub fn failed(&self) -> bool {
        // Another thread may have met the page: its mark comes before the zeros that we saw.
        fence(Ordering::Acquire);
        self.guard.is_marked()
    }

    #[inline]
    fn has(&self, at: usize, length: usize) -> bool {
        at.checked_add(length).is_some_and(|end| end <= self.length)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.guard.release();
        // SAFETY: `new` made this mapping, and nobody uses it past `self`.
        unsafe { libc::munmap(self.address.cast(), self.length) };
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping")
            .field("length", &self.length)
            .field("failed", &self.failed())
            .finish_non_exhaustive()
    }
}
