//! Reading a value in bounded memory.

use std::io::{self, Read, Seek, SeekFrom};

use millpond_core::Result;

use super::Dict;
use crate::value::ContentReader;

/// Reads a value, from any place in it, in bounded memory.
///
/// It shows the value as it was when the reader was made. Each read goes to the storage: who reads
/// a few bytes at a time should put a [`std::io::BufReader`] around it. Errors of the store are
/// inside the `io::Error`s, as their source.
pub struct ValueReader {
    content: ContentReader,
}

impl ValueReader {
    pub(super) fn new(dict: &Dict, key: &[u8]) -> Result<Option<Self>> {
        let sort = dict.inner.sort_key(key)?;
        let view = dict.inner.view()?;
        let Some(record) = view.get(dict.inner.key(&sort))? else { return Ok(None) };
        let content = ContentReader::new(&dict.inner, view, sort, &record)
            .map_err(|error| dict.inner.about(key, error))?;
        Ok(Some(Self { content }))
    }

    /// The length of the value in bytes.
    pub fn len(&self) -> u64 {
        self.content.len()
    }

    /// Whether the value is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Read for ValueReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.content.read(into)
    }
}

impl Seek for ValueReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.content.seek(to)
    }
}
