//! Walking over the entries of a dictionary.

use bytes::Bytes;
use millpond_core::{Cursor, Direction, Key, Record, Result, View};

use super::{
    Dict,
    range::{DictRange, SortBounds},
};
use crate::{
    layout::COUNT,
    map::UserKey,
    value::{self, Stored},
};

/// Entries of a dictionary, of one consistent state: what others change meanwhile isn't seen.
///
/// As an iterator it yields keys with their values. [`DictIter::next_entry`] and
/// [`DictIter::keys_only`] don't read values that nobody asks for. After an error it goes on behind
/// what couldn't be read.
pub struct DictIter {
    dict: Dict,
    view: Box<dyn View>,
    /// None where the range can't hold a key.
    cursor: Option<Box<dyn Cursor>>,
    /// Whether it walks over all entries, so that their number is known.
    is_all: bool,
    seen: u64,
}

impl DictIter {
    pub(super) fn new(dict: Dict, range: &DictRange) -> Result<Self> {
        let direction = if range.reverse { Direction::Backward } else { Direction::Forward };
        Self::between(dict, range.bounds(), direction, range.is_all())
    }

    /// The entries between two sort keys, or none.
    pub(crate) fn between(
        dict: Dict,
        bounds: Option<SortBounds>,
        direction: Direction,
        is_all: bool,
    ) -> Result<Self> {
        let view = dict.inner.view()?;
        let cursor = match bounds {
            None => None,
            Some((start, end)) => Some(dict.inner.scan(&*view, (&start, &end), direction)?),
        };
        Ok(Self { dict, view, cursor, is_all, seen: 0 })
    }

    /// The next entry; its value is read when it is asked for.
    pub fn next_entry(&mut self) -> Result<Option<DictEntry<'_>>> {
        let Some(cursor) = &mut self.cursor else { return Ok(None) };
        if !cursor.advance()? {
            return Ok(None);
        }
        self.seen += 1;
        let key = self.dict.inner.user_key(cursor.key());
        Ok(Some(DictEntry { dict: &self.dict, view: &*self.view, cursor: &**cursor, key }))
    }

    /// The keys alone.
    pub fn keys_only(self) -> DictKeys {
        DictKeys { entries: self }
    }

    /// How many entries are still to come, where that is known without walking over them: for all
    /// entries of a dictionary it is.
    pub fn len_hint(&self) -> Result<Option<u64>> {
        if !self.is_all {
            return Ok(None);
        }
        let count = self.view.counter(self.dict.inner.key(COUNT))?.max(0).unsigned_abs();
        Ok(Some(count.saturating_sub(self.seen)))
    }
}

impl Iterator for DictIter {
    type Item = Result<(Bytes, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.next_entry().transpose()?;
        Some(entry.and_then(|entry| Ok((Bytes::copy_from_slice(entry.key()), entry.value()?))))
    }
}

/// Keys of a dictionary. See [`DictIter`].
pub struct DictKeys {
    entries: DictIter,
}

impl DictKeys {
    /// See [`DictIter::len_hint`].
    pub fn len_hint(&self) -> Result<Option<u64>> {
        self.entries.len_hint()
    }
}

impl Iterator for DictKeys {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next_entry().transpose()?;
        Some(entry.map(|entry| Bytes::copy_from_slice(entry.key())))
    }
}

/// An entry of a dictionary, under an iterator.
pub struct DictEntry<'a> {
    dict: &'a Dict,
    view: &'a dyn View,
    cursor: &'a dyn Cursor,
    key: UserKey<'a>,
}

impl<'a> DictEntry<'a> {
    /// Its key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The length of its value in bytes, without reading it.
    pub fn value_length(&self) -> Result<u64> {
        let stored = Stored::parse(self.cursor.record());
        Ok(stored.map_err(|error| self.dict.inner.about(&self.key, error))?.length())
    }

    /// Its value, without a copy, if it lies beside its key; a longer one is read by
    /// [`DictEntry::value`].
    pub fn short_value(&self) -> Result<Option<&'a [u8]>> {
        match Stored::parse(self.cursor.record()) {
            Ok(Stored::Inline(value)) => Ok(Some(value)),
            Ok(_) => Ok(None),
            Err(error) => Err(self.dict.inner.about(&self.key, error)),
        }
    }

    /// Its value.
    pub fn value(&self) -> Result<Bytes> {
        let segments = self.dict.container().segments()?;
        match value::load_ref(segments, self.cursor.record()) {
            Err(error) if error.kind() == millpond_core::ErrorKind::EpochGone => self.value_again(error),
            other => other.map_err(|error| self.dict.inner.about(&self.key, error)),
        }
    }

    /// The bytes have moved since the cursor read the record: the view knows where to.
    fn value_again(&self, gone: millpond_core::Error) -> Result<Bytes> {
        let sort = self.cursor.key();
        let key = Key::new(&self.dict.inner.partition, sort);
        let value = match self.view.get(key)? {
            Some(record) => self.dict.inner.load_in(self.view, sort, Record { ..record })?,
            None => None,
        };
        value.ok_or_else(|| self.dict.inner.about(&self.key, gone))
    }
}
