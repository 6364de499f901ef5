//! Writing a value in bounded memory.

use std::io::{self, Write};

use millpond_core::{Error, ErrorKind, Result};

use super::Dict;
use crate::{
    maker::Maker,
    value::{self, LongValues, Prepared, io_error},
};

/// Writes the value of a key, piece by piece, in bounded memory.
///
/// The entry changes with [`ValueWriter::commit`], at once and atomically; a writer that is dropped
/// before that changes nothing. Errors of the store are inside the `io::Error`s, as their source;
/// after one the value can't be committed any more.
pub struct ValueWriter {
    dict: Dict,
    sort: Vec<u8>,
    /// The value, as long as it is short.
    short: Vec<u8>,
    long: Option<LongValues>,
    length: u64,
    failed: bool,
    maker: Maker,
}

impl ValueWriter {
    pub(super) fn new(dict: Dict, sort: Vec<u8>) -> Self {
        Self { dict, sort, short: Vec::new(), long: None, length: 0, failed: false, maker: Maker::default() }
    }

    /// How many bytes were written.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Sets the value of the key to what was written; answers whether there was one before.
    ///
    /// # Errors
    /// `NoSpace` when the pool's quota or the disk is full, `NotFound` when the dictionary was
    /// destroyed, `InvalidArgument` when a write failed before, `Forked` in a child of the process
    /// that began it: then nothing has changed.
    pub fn commit(self) -> Result<bool> {
        self.maker.check("a writer of a value")?;
        let Self { dict, sort, short, long, length, failed, .. } = self;
        if failed {
            let key = dict.inner.user_key(&sort);
            let message =
                format!("the value of \"{}\" can't be committed: writing it failed", key.escape_ascii());
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let mut record = Vec::new();
        let Some(mut long) = long else {
            value::put_inline(&mut record, &short);
            let long = LongValues::default();
            return dict.put_prepared(&sort, Prepared { record, extents: Vec::new(), long });
        };
        let extents = long.finish()?;
        value::put_long(&mut record, length);
        dict.put_prepared(&sort, Prepared { record, extents, long })
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.maker.check("a writer of a value")?;
        let segments = self.dict.container().segments()?;
        match &mut self.long {
            Some(long) => long.append(segments, bytes)?,
            None if self.dict.container().fits_inline(self.short.len() + bytes.len()) => {
                self.short.extend_from_slice(bytes);
            }
            None => {
                let long = self.long.insert(LongValues::default());
                if !self.short.is_empty() {
                    long.append(segments, &self.short)?;
                }
                long.append(segments, bytes)?;
            }
        }
        self.length += bytes.len() as u64;
        Ok(())
    }
}

impl Write for ValueWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed {
            return Err(io::Error::other("an earlier write of this value failed"));
        }
        self.append(bytes).map_err(|error| {
            self.failed = true;
            io_error(error)
        })?;
        Ok(bytes.len())
    }

    /// Does nothing: there is nothing to see before the commit.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
