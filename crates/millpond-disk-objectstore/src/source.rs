//! Where the bytes of a new object come from.

use std::io::{self, Cursor, Read, Seek};

use millpond::{Error, Result};

/// The bytes of one object, which may be opened only when its turn comes.
pub trait Source {
    /// Its turn has come.
    ///
    /// # Errors
    /// Where it can't be opened: the operation ends.
    fn open(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Reads the next bytes into `room`; 0 at the end.
    ///
    /// # Errors
    /// Where it can't be read: the operation ends.
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize>;

    /// Begins again from the first byte. Only called where an operation was asked to read twice.
    ///
    /// # Errors
    /// Where that isn't possible: the operation ends.
    fn rewind(&mut self) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this stream can't be read twice"))
    }

    /// Its bytes were taken, or the operation ends; it was opened before.
    ///
    /// # Errors
    /// The operation ends.
    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// All of its bytes, where they are in memory.
    fn bytes(&self) -> Option<&[u8]> {
        None
    }
}

impl Source for &[u8] {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        Read::read(self, room)
    }

    fn bytes(&self) -> Option<&[u8]> {
        Some(self)
    }
}

impl Source for Vec<u8> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "these bytes are taken at once"))
    }

    fn bytes(&self) -> Option<&[u8]> {
        Some(self)
    }
}

/// The bytes of a reader, from where it is.
#[derive(Debug)]
pub struct FromReader<R>(pub R);

impl<R: Read> Source for FromReader<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room)
    }
}

/// The bytes of a reader that can be read twice.
#[derive(Debug)]
pub struct FromSeekable<R>(pub R);

impl<R: Read + Seek> Source for FromSeekable<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room)
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.0.rewind()
    }
}

impl Source for Cursor<Vec<u8>> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        Read::read(self, room)
    }

    fn rewind(&mut self) -> io::Result<()> {
        Seek::rewind(self)
    }
}

impl Source for Box<dyn Source + '_> {
    fn open(&mut self) -> io::Result<()> {
        (**self).open()
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        (**self).read(room)
    }

    fn rewind(&mut self) -> io::Result<()> {
        (**self).rewind()
    }

    fn close(&mut self) -> io::Result<()> {
        (**self).close()
    }

    fn bytes(&self) -> Option<&[u8]> {
        (**self).bytes()
    }
}

/// Fills `room` as far as the source goes, asking for at most `chunk` bytes at a time. Answers how far.
pub(crate) fn fill<S: Source + ?Sized>(source: &mut S, room: &mut [u8], chunk: usize) -> io::Result<usize> {
    let mut length = 0;
    while length < room.len() {
        let end = room.len().min(length + chunk);
        match source.read(&mut room[length..end]) {
            Ok(0) => break,
            Ok(more) => length += more.min(end - length),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// Does something with an opened source, and closes it whatever comes of that.
pub(crate) fn with_opened<S: Source + ?Sized, T>(
    source: &mut S,
    work: impl FnOnce(&mut S) -> Result<T>,
) -> Result<T> {
    source.open().map_err(failed)?;
    let done = work(source);
    let closed = source.close().map_err(failed);
    let done = done?;
    closed.map(|()| done)
}

/// The error of one whose source failed: the source's own where it is one of ours; else what it said is
/// the cause.
pub(crate) fn failed(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::io("reading the stream of a new object", error),
    }
}
