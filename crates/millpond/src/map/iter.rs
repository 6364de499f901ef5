//! Walking over the entries of a map.

use bytes::Bytes;
use millpond_core::Result;

use super::UserKey;
use crate::dict::{DictEntry, DictIter};

/// Entries of a map, of one consistent state: what others change meanwhile isn't seen.
///
/// As an iterator it yields keys with their values. [`MapIter::next_entry`] doesn't read values that nobody
/// asks for. After an error it goes on behind what couldn't be read.
pub struct MapIter {
    entries: DictIter,
}

impl MapIter {
    pub(super) fn new(entries: DictIter) -> Self {
        Self { entries }
    }

    /// The next entry; its value is read when it is asked for.
    pub fn next_entry(&mut self) -> Result<Option<MapEntry<'_>>> {
        let entry = self.entries.next_entry()?;
        Ok(entry.map(|entry| MapEntry { key: entry.user_key(), entry }))
    }

    /// See [`DictIter::len_hint`].
    pub fn len_hint(&self) -> Result<Option<u64>> {
        self.entries.len_hint()
    }
}

impl Iterator for MapIter {
    type Item = Result<(Bytes, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.next_entry().transpose()?;
        Some(entry.and_then(|entry| Ok((Bytes::copy_from_slice(entry.key()), entry.value()?))))
    }
}

/// An entry of a map, under an iterator.
pub struct MapEntry<'a> {
    entry: DictEntry<'a>,
    key: UserKey<'a>,
}

impl<'a> MapEntry<'a> {
    /// Its key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The length of its value in bytes, without reading it.
    pub fn value_length(&self) -> Result<u64> {
        self.entry.value_length()
    }

    /// Its value, without a copy, if it lies beside its key; a longer one is read by
    /// [`MapEntry::value`].
    pub fn short_value(&self) -> Result<Option<&'a [u8]>> {
        self.entry.short_value()
    }

    /// Its value.
    pub fn value(&self) -> Result<Bytes> {
        self.entry.value()
    }
}
