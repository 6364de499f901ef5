//! Decompression whose state can be kept, and gone on from again: what makes a seek back in a large object
//! cheap. It is the C zlib's, since zlib-rs doesn't offer that through flate2, and slower than that one.

use std::{ffi::c_int, fmt, io};

use libz_sys as z;

use super::deflate::new_stream;

/// Decompresses one object; copies of it go on from where it is.
pub(crate) struct CopyableInflater {
    // zlib's state points to it, so it stays where it is.
    stream: Box<z::z_stream>,
    is_at_end: bool,
}

// SAFETY: zlib's state belongs to its stream alone, and is changed through `&mut` only.
unsafe impl Send for CopyableInflater {}

impl CopyableInflater {
    pub fn new() -> io::Result<Self> {
        let mut stream = Box::new(new_stream());
        // SAFETY: the stream stays where it is, and the version and size are those it was declared with.
        check(unsafe { z::inflateInit_(&mut *stream, z::zlibVersion(), size_of::<z::z_stream>() as c_int) })?;
        Ok(Self { stream, is_at_end: false })
    }

    /// One that goes on from where this one is.
    pub fn copy(&self) -> io::Result<Self> {
        let mut stream = Box::new(new_stream());
        // SAFETY: the source was begun by inflateInit_ and is only read, though the declaration says
        // otherwise; the copy, of which nothing is in use yet, stays where it is.
        check(unsafe { z::inflateCopy(&mut *stream, std::ptr::from_ref(&*self.stream).cast_mut()) })?;
        Ok(Self { stream, is_at_end: self.is_at_end })
    }

    /// Whether the stream has ended, with the checksum that it should have.
    pub fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Takes from `from`, gives to `room`; answers how many bytes of each.
    pub fn run(&mut self, from: &[u8], room: &mut [u8]) -> io::Result<(usize, usize)> {
        let [available, space] = [from.len(), room.len()].map(|length| length.min(u32::MAX as usize) as u32);
        self.stream.next_in = from.as_ptr().cast_mut();
        self.stream.avail_in = available;
        self.stream.next_out = room.as_mut_ptr();
        self.stream.avail_out = space;
        // SAFETY: the stream was begun by inflateInit_ or inflateCopy; its input is `from`, which is only read,
        // and its output `room`, and both outlive the call.
        let code = unsafe { z::inflate(&mut *self.stream, z::Z_NO_FLUSH) };
        self.is_at_end = code == z::Z_STREAM_END;
        if code != z::Z_BUF_ERROR {
            check(code)?;
        }
        Ok(((available - self.stream.avail_in) as usize, (space - self.stream.avail_out) as usize))
    }
}

impl Drop for CopyableInflater {
    fn drop(&mut self) {
        // SAFETY: the stream was begun by inflateInit_ or inflateCopy, and isn't used again.
        unsafe { z::inflateEnd(&mut *self.stream) };
    }
}

impl fmt::Debug for CopyableInflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyableInflater").finish_non_exhaustive()
    }
}

fn check(code: c_int) -> io::Result<()> {
    match code {
        z::Z_OK | z::Z_STREAM_END => Ok(()),
        z::Z_MEM_ERROR => Err(io::ErrorKind::OutOfMemory.into()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, format!("zlib answers {code}"))),
    }
}
