//! One change.

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use millpond_core::{Epoch, Error, ErrorKind, Key, Record, RecordRef, Result};

use crate::{
    container::Container,
    layout::{NamedKind, ObjectId},
    map::NumberKey,
    object::{ObjectKey, RecordKey},
    value::{Stored, load},
};

/// What a [`Change`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// A value was put under a key.
    Put,
    /// A key was deleted, whether or not it was there.
    Delete,
    /// The dictionary was created, or came by its name; the object got its first record.
    Create,
    /// The dictionary was destroyed, the object punched, with all that it held.
    Destroy,
}

impl ChangeKind {
    /// It as a word: `put`, `delete`, `create`, `destroy`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Create => "create",
            Self::Destroy => "destroy",
        }
    }
}

/// What a commit did to one key, or to a dictionary as a whole.
#[derive(Clone)]
pub struct Change {
    pub(super) container: Container,
    pub(super) object: ObjectId,
    /// Its name, if it has one.
    pub(super) name: Option<Arc<str>>,
    pub(super) kind: ChangeKind,
    /// The sort key; empty for one that concerns the dictionary as a whole.
    pub(super) sort: Bytes,
    /// The user's key in it.
    pub(super) key: Bytes,
    /// Of an object, which akey it is, and which records of it.
    pub(super) akey: Option<RecordKey>,
    /// What was put.
    pub(super) record: Option<Record>,
}

impl Change {
    /// The name of the dictionary; none of another object, and where it was destroyed before it could be looked up.
    pub fn dict(&self) -> Option<&str> {
        self.name_of(NamedKind::Dict)
    }

    /// The name of the store of blobs, whose keys are the hashes; otherwise as [`Change::dict`].
    pub fn blobs(&self) -> Option<&str> {
        self.name_of(NamedKind::Blobs)
    }

    /// The name of the ordered map; otherwise as [`Change::dict`].
    pub fn map(&self) -> Option<&str> {
        self.name_of(NamedKind::Map)
    }

    fn name_of(&self, kind: NamedKind) -> Option<&str> {
        self.name.as_deref().filter(|_| self.object.named_kind() == Some(kind))
    }

    /// The id of the object, in hexadecimal digits: two dictionaries never share one, also if one of
    /// them takes the name of the other.
    pub fn object(&self) -> String {
        self.object.to_string()
    }

    /// The id of the object.
    pub fn object_id(&self) -> ObjectId {
        self.object
    }

    /// Of an object of dkeys and akeys, the dkey that was changed; none where the object as a whole was.
    pub fn dkey(&self) -> Option<&ObjectKey<'static>> {
        Some(&self.akey.as_ref()?.dkey)
    }

    /// The akey that was changed.
    pub fn akey(&self) -> Option<&ObjectKey<'static>> {
        Some(&self.akey.as_ref()?.akey)
    }

    /// Of an array, the records that were written or punched together.
    pub fn records(&self) -> Option<Range<u64>> {
        self.akey.as_ref()?.records.clone()
    }

    /// What happened.
    pub fn kind(&self) -> ChangeKind {
        self.kind
    }

    /// The key in a dictionary; none where the dictionary as a whole was created or destroyed, and of
    /// other objects.
    pub fn key(&self) -> Option<&[u8]> {
        (!self.sort.is_empty() && self.akey.is_none()).then_some(&self.key[..])
    }

    /// The key, if it is that of an ordered map whose keys are numbers.
    pub fn number(&self) -> Option<NumberKey> {
        self.object.key_form().number(self.key()?)
    }

    /// The length in bytes of the value that was put, without reading it.
    pub fn value_length(&self) -> Result<Option<u64>> {
        let Some(record) = self.value_record() else { return Ok(None) };
        let stored = RecordRef { version: record.version, value: &record.value, extents: &record.extents };
        Ok(Some(Stored::parse(stored)?.length()))
    }

    /// The value that was put. A long one is read now, from where the commit wrote it. Records of an
    /// array are read from the object, where [`Change::records`] says.
    ///
    /// # Errors
    /// `EpochGone` when it was replaced or deleted since and the watch has gone on, so that its space was
    /// given back; `Corrupt` when its bytes fail their checksum.
    pub fn value(&self) -> Result<Option<Bytes>> {
        let Some(record) = self.value_record() else { return Ok(None) };
        let segments = self.container.segments()?;
        let gone = match load(segments, record) {
            Err(error) if error.kind() == ErrorKind::EpochGone => error,
            other => return other.map(Some),
        };
        // Its bytes have moved, if it is still the newest.
        let partition = self.object.partition();
        match self.container.index()?.get(Key::new(&partition, &self.sort))? {
            Some(newest) if newest.version == record.version => load(segments, &newest).map(Some),
            _ => Err(gone.context(format_args!(
                "the value that commit {} put under \"{}\" was replaced or deleted since, and its space given back",
                record.version,
                self.key.escape_ascii()
            ))),
        }
    }

    /// What was put, if it is a value by itself.
    fn value_record(&self) -> Option<&Record> {
        self.record.as_ref().filter(|_| self.records().is_none())
    }

    /// Bytes of memory that it holds.
    pub(super) fn held_bytes(&self) -> usize {
        self.sort.len() + self.record.as_ref().map_or(0, |record| record.value.len())
    }
}

/// The record that a commit of `epoch` put.
pub(super) fn record(epoch: Epoch, value: Bytes, extents: Vec<millpond_core::Extent>) -> Result<Record> {
    if value.is_empty() {
        return Err(Error::new(ErrorKind::Corrupt, "the record of a value is damaged: it is empty"));
    }
    Ok(Record { version: epoch, value, extents })
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key().map(|key| key.escape_ascii().to_string());
        f.debug_struct("Change")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .field("key", &key)
            .field("akey", &self.akey)
            .finish_non_exhaustive()
    }
}
