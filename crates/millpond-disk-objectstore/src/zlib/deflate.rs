//! Compression, by the same encoder that disk-objectstore has from Python: what either of us writes is
//! the same to the byte.

use std::{ffi::c_int, fmt, mem::MaybeUninit, ptr};

use libz_sys as z;
use millpond::{Error, ErrorKind, Result};

/// Room that an output is given at a time.
const CHUNK: usize = 64 << 10;

/// Compresses one object after the other.
pub(crate) struct Deflater {
    // zlib keeps a pointer to it, so it stays where it is.
    stream: Box<z::z_stream>,
}

// SAFETY: zlib's state belongs to its stream alone, and is used through `&mut` only.
unsafe impl Send for Deflater {}

impl Deflater {
    /// One that tries as hard as `level` says, from 1 to 9.
    pub fn new(level: u32) -> Result<Self> {
        let mut stream = Box::new(new_stream());
        // SAFETY: the stream stays where it is, and the version and size are those it was declared with.
        let code = unsafe {
            z::deflateInit_(&mut *stream, level as c_int, z::zlibVersion(), size_of::<z::z_stream>() as c_int)
        };
        check(code, "beginning to compress")?;
        Ok(Self { stream })
    }

    /// Compresses more of an object; `out` gets what is done.
    pub fn update(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        bytes.chunks(u32::MAX as usize).try_for_each(|part| self.run(part, z::Z_NO_FLUSH, out).map(drop))
    }

    /// Ends the object, and is ready for the next one.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        while self.run(&[], z::Z_FINISH, out)? != z::Z_STREAM_END {}
        // SAFETY: the stream was begun by deflateInit_.
        check(unsafe { z::deflateReset(&mut *self.stream) }, "compressing the next object")
    }

    /// Forgets what it was given of an object.
    pub fn abandon(&mut self) -> Result<()> {
        // SAFETY: the stream was begun by deflateInit_.
        check(unsafe { z::deflateReset(&mut *self.stream) }, "compressing the next object")
    }

    fn run(&mut self, bytes: &[u8], flush: c_int, out: &mut Vec<u8>) -> Result<c_int> {
        self.stream.next_in = bytes.as_ptr().cast_mut();
        self.stream.avail_in = bytes.len() as u32;
        loop {
            out.reserve(CHUNK.min(bytes.len() / 2 + 256));
            let room = out.spare_capacity_mut();
            let room_size = room.len().min(u32::MAX as usize);
            self.stream.next_out = room.as_mut_ptr().cast();
            self.stream.avail_out = room_size as u32;
            // SAFETY: the stream was begun by deflateInit_; its input is `bytes`, which is only read, and
            // its output is the spare room of `out`, and both outlive the call.
            let code = unsafe { z::deflate(&mut *self.stream, flush) };
            let written = room_size - self.stream.avail_out as usize;
            // SAFETY: zlib has written so many bytes at the beginning of the spare room.
            unsafe { out.set_len(out.len() + written) };
            if code != z::Z_BUF_ERROR {
                check(code, "compressing")?;
            }
            if code == z::Z_STREAM_END || (self.stream.avail_in == 0 && self.stream.avail_out > 0) {
                self.stream.next_in = ptr::null_mut();
                self.stream.next_out = ptr::null_mut();
                return Ok(code);
            }
        }
    }
}

impl Drop for Deflater {
    fn drop(&mut self) {
        // SAFETY: the stream was begun by deflateInit_, and isn't used again.
        unsafe { z::deflateEnd(&mut *self.stream) };
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").finish_non_exhaustive()
    }
}

/// A stream that nobody has begun.
pub(super) fn new_stream() -> z::z_stream {
    let mut stream = MaybeUninit::<z::z_stream>::zeroed();
    let fields = stream.as_mut_ptr();
    // SAFETY: its two functions are written, without being read, and all other fields are numbers and
    // pointers, which may be zero.
    unsafe {
        (&raw mut (*fields).zalloc).write(allocate);
        (&raw mut (*fields).zfree).write(free);
        stream.assume_init()
    }
}

extern "C" fn allocate(_: *mut std::ffi::c_void, items: u32, size: u32) -> *mut std::ffi::c_void {
    // SAFETY: calloc may be asked for any size.
    unsafe { libc::calloc(items as usize, size as usize) }
}

extern "C" fn free(_: *mut std::ffi::c_void, address: *mut std::ffi::c_void) {
    // SAFETY: zlib frees what `allocate` gave it, once.
    unsafe { libc::free(address) }
}

fn check(code: c_int, doing: &str) -> Result<()> {
    if code == z::Z_OK || code == z::Z_STREAM_END {
        return Ok(());
    }
    let kind = if code == z::Z_MEM_ERROR { ErrorKind::NoSpace } else { ErrorKind::Io };
    Err(Error::new(kind, format!("{doing}: zlib answers {code}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::Inflater, *};

    /// What it makes of `bytes`, given in parts.
    fn compressed(deflater: &mut Deflater, bytes: &[u8], part: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for bytes in bytes.chunks(part) {
            deflater.update(bytes, &mut out).expect("compressed");
        }
        deflater.finish(&mut out).expect("ended");
        out
    }

    #[test]
    fn an_empty_object_has_eight_bytes() {
        let mut deflater = Deflater::new(1).expect("begun");
        let expected = [0x78, 0x01, 0x03, 0, 0, 0, 0, 1];
        for _ in 0..2 {
            assert_eq!(compressed(&mut deflater, b"", 1), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_compressed_is_decompressed(
            level in 1u32..10, seed: u64, length in 0usize..300_000, part in 1usize..100_000, alphabet in 1u64..257,
        ) {
            let mut random = millpond_testkit::random::Random::new(seed);
            let bytes: Vec<u8> = (0..length).map(|_| random.below(alphabet) as u8).collect();
            let mut deflater = Deflater::new(level).expect("begun");
            deflater.update(b"something else", &mut Vec::new()).expect("compressed");
            deflater.abandon().expect("forgotten");
            let small = compressed(&mut deflater, &bytes, part);
            let mut back = Vec::new();
            let mut inflater = Inflater::new();
            let mut rest = &small[..];
            let mut room = vec![0; 4096];
            while !inflater.is_at_end() {
                let (read, written) = inflater.run(rest, &mut room).expect("sound");
                rest = &rest[read..];
                back.extend_from_slice(&room[..written]);
            }
            prop_assert_eq!(back, bytes);
            prop_assert!(rest.is_empty());
        }
    }
}
