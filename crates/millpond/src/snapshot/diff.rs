//! What is between two states, by object and key, in bounded memory.
//!
//! Only what was changed between the two is read, where the backend can tell; the older state is asked
//! for those keys alone.

use std::{collections::VecDeque, fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use millpond_core::{At, ChangeCursor, Epoch, Error, ErrorKind, Key, Record, RecordRef, Result, View};
use serde::Serialize;

use super::{
    Moment,
    decode::{UserKey, decode, name_of, partition_of, restored},
    find,
};
use crate::{
    container::Container,
    layout::{NamedKind, ObjectId},
    map::NumberKey,
    object::ObjectKey,
};

/// Changed keys that are looked up together.
const KEYS_AT_A_TIME: usize = 128;

/// What became of a key from one state to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DifferenceKind {
    /// It is in the second state only.
    Added,
    /// It is in both, with different values.
    Changed,
    /// It is in the first state only.
    Removed,
}

/// Whose key differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DifferentObject {
    /// The dictionary of this name.
    Dict(Arc<str>),
    /// The store of blobs of this name; its keys are the hashes.
    Blobs(Arc<str>),
    /// An ordered map, by its name.
    Map(Arc<str>),
    /// An object without a name.
    Object(ObjectId),
}

/// A key that differs, of a dictionary or of another object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DifferentKey {
    /// Of a dictionary.
    Entry(Vec<u8>),
    /// A key of an ordered map whose keys are numbers.
    Number(NumberKey),
    /// Of an object: a dkey and an akey.
    Akey {
        /// The dkey.
        dkey: ObjectKey<'static>,
        /// The akey.
        akey: ObjectKey<'static>,
        /// Of an array, records that were written or punched together; none for a single value, and
        /// where the array itself was made or punched.
        records: Option<Range<u64>>,
    },
}

/// A key that differs between two states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whose it is.
    pub object: DifferentObject,
    /// The key; none where the object itself was created or destroyed.
    pub key: Option<DifferentKey>,
    /// What became of it.
    pub change: DifferenceKind,
}

/// The differences between two states: in the order of objects' ids, and of keys within each.
///
/// After an error about a damaged place the iterator goes on behind it. A key that was written again
/// with the same value may count as changed, if the value is long. Of an array, extents are compared
/// as they were written: ones that a compaction has merged count as changed too.
pub struct Diff {
    older: Box<dyn View>,
    newer: Box<dyn View>,
    changes: Box<dyn ChangeCursor>,
    /// The first state is the newer one.
    backward: bool,
    ahead: VecDeque<Result<Difference>>,
    object: Option<(ObjectId, DifferentObject)>,
    ended: bool,
}

impl Container {
    /// What was added, changed and removed from one state to another: snapshots by name, epochs, or
    /// now, which `()` stands for. It costs what is different, not what there is (on Ceph: a walk over
    /// all records).
    ///
    /// # Errors
    /// `NotFound` when there is no such snapshot; `EpochGone` when an epoch is no longer kept.
    pub fn diff<'m>(&self, from: impl Into<Moment<'m>>, to: impl Into<Moment<'m>>) -> Result<Diff> {
        self.check_unscoped("compare two states")?;
        let (from, to) = (self.view_of(from.into())?, self.view_of(to.into())?);
        let backward = from.epoch() > to.epoch();
        let (older, newer) = if backward { (to, from) } else { (from, to) };
        let changes = newer.changes(older.epoch(), b"")?;
        let (ahead, object) = (VecDeque::new(), None);
        Ok(Diff { older, newer, changes, backward, ahead, object, ended: false })
    }

    fn view_of(&self, moment: Moment<'_>) -> Result<Box<dyn View>> {
        let index = self.index()?;
        match moment {
            Moment::Now => index.view(At::Latest),
            Moment::Epoch(epoch) => index.view(At::Epoch(epoch)),
            Moment::Snapshot(name) => {
                let newest = index.view(At::Latest)?;
                let epoch = find(self, &*newest, name)?.epoch;
                index.view(At::Epoch(epoch))
            }
        }
    }
}

/// A changed key, with what it is in the newer state.
struct Changed {
    key: Vec<u8>,
    newer: Option<Record>,
}

impl Diff {
    /// The epochs of the first and the second state.
    pub fn epochs(&self) -> (Epoch, Epoch) {
        let (older, newer) = (self.older.epoch(), self.newer.epoch());
        if self.backward { (newer, older) } else { (older, newer) }
    }

    /// Looks at the next changed keys.
    fn fill(&mut self) {
        let mut changed: Vec<Changed> = Vec::new();
        let mut failed = None;
        while changed.len() < KEYS_AT_A_TIME {
            match self.changes.advance() {
                Ok(true) => {
                    let key = self.changes.key();
                    if decode(key).is_some() {
                        let newer = self.changes.record().map(owned);
                        changed.push(Changed { key: key.to_vec(), newer });
                    }
                }
                Ok(false) => {
                    self.ended = true;
                    break;
                }
                Err(error) => {
                    self.ended = error.kind() != ErrorKind::Corrupt;
                    failed = Some(error);
                    break;
                }
            }
        }
        match self.older(&changed) {
            Ok(older) => {
                for (changed, older) in changed.iter().zip(older) {
                    let difference = older.and_then(|older| self.compare(changed, older.as_ref()));
                    self.ahead.extend(difference.transpose());
                }
            }
            Err(error) => {
                self.ended = true;
                self.ahead.push_back(Err(error));
            }
        }
        self.ahead.extend(failed.map(Err));
    }

    /// What the keys are in the older state; where some can't be read, the others can.
    fn older(&self, changed: &[Changed]) -> Result<Vec<Result<Option<Record>>>> {
        let keys: Vec<Key<'_>> = changed.iter().filter_map(|changed| key_of(&changed.key)).collect();
        match self.older.get_many(&keys) {
            Ok(records) => Ok(records.into_iter().map(Ok).collect()),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                Ok(keys.iter().map(|key| self.older.get(*key)).collect())
            }
            Err(error) => Err(error),
        }
    }

    fn compare(&mut self, changed: &Changed, older: Option<&Record>) -> Result<Option<Difference>> {
        let change = match (older, &changed.newer) {
            (None, None) => return Ok(None),
            (None, Some(_)) => DifferenceKind::Added,
            (Some(_), None) => DifferenceKind::Removed,
            (Some(older), Some(newer)) => {
                if is_same(&changed.key, older, newer) {
                    return Ok(None);
                }
                DifferenceKind::Changed
            }
        };
        let change = match change {
            DifferenceKind::Added if self.backward => DifferenceKind::Removed,
            DifferenceKind::Removed if self.backward => DifferenceKind::Added,
            same => same,
        };
        let Some((id, key)) = decode(&changed.key) else { return Ok(None) };
        let key = match key {
            UserKey::Object => None,
            UserKey::Entry(key) => Some(match id.key_form().number(&key) {
                Some(number) => DifferentKey::Number(number),
                None => DifferentKey::Entry(key.into_owned()),
            }),
            // It changes with the extents that come and go.
            UserKey::Record(record) if record.is_header && change == DifferenceKind::Changed => {
                return Ok(None);
            }
            UserKey::Record(record) => {
                Some(DifferentKey::Akey { dkey: record.dkey, akey: record.akey, records: record.records })
            }
        };
        Ok(Some(Difference { object: self.object(id)?, key, change }))
    }

    fn object(&mut self, id: ObjectId) -> Result<DifferentObject> {
        if let Some((known, object)) = &self.object
            && *known == id
        {
            return Ok(object.clone());
        }
        let name = match (id.named_kind(), name_of(&*self.newer, id)?) {
            (None, _) => None,
            (Some(_), None) => name_of(&*self.older, id)?,
            (Some(_), some) => some,
        };
        let object = match (id.named_kind(), name) {
            (Some(NamedKind::Dict), Some(name)) => DifferentObject::Dict(name.into()),
            (Some(NamedKind::Blobs), Some(name)) => DifferentObject::Blobs(name.into()),
            (Some(NamedKind::Map), Some(name)) => DifferentObject::Map(name.into()),
            _ => DifferentObject::Object(id),
        };
        self.object = Some((id, object.clone()));
        Ok(object)
    }
}

impl Iterator for Diff {
    type Item = Result<Difference>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ahead.is_empty() && !self.ended {
            self.fill();
        }
        self.ahead.pop_front()
    }
}

impl fmt::Debug for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = self.epochs();
        write!(f, "Diff(epoch {from} to {to})")
    }
}

impl fmt::Display for DifferentObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dict(name) | Self::Blobs(name) | Self::Map(name) => f.write_str(name),
            Self::Object(id) => id.fmt(f),
        }
    }
}

/// Keys of dictionaries with what isn't printable escaped.
impl fmt::Display for DifferentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(key) => key.escape_ascii().fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Akey { dkey, akey, records } => {
                write!(f, "{dkey} {akey}")?;
                records.as_ref().map_or(Ok(()), |records| write!(f, " {}..{}", records.start, records.end))
            }
        }
    }
}

/// `+ dict key`, `~ dict key`, `- dict key`; without a key for the object itself.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.change {
            DifferenceKind::Added => '+',
            DifferenceKind::Changed => '~',
            DifferenceKind::Removed => '-',
        };
        write!(f, "{sign} {}", self.object)?;
        self.key.as_ref().map_or(Ok(()), |key| write!(f, " {key}"))
    }
}

/// Whether two versions of a key hold the same, as far as their records tell.
pub(super) fn is_same(key: &[u8], one: &Record, other: &Record) -> bool {
    one.extents == other.extents
        && restored(key, one.version, &one.value) == restored(key, other.version, &other.value)
}

/// A record that a cursor shows, kept.
pub(super) fn owned(record: RecordRef<'_>) -> Record {
    Record {
        version: record.version,
        value: Bytes::copy_from_slice(record.value),
        extents: record.extents.to_vec(),
    }
}

/// A key of the index, in two parts again.
pub(super) fn key_of(key: &[u8]) -> Option<Key<'_>> {
    partition_of(key).map(|(partition, sort)| Key::new(partition, sort))
}

/// The error about a key that no data model has written.
pub(super) fn foreign(key: &[u8]) -> Error {
    let message = format!("the index has a key that is none of this version's: {}", key.escape_ascii());
    Error::new(ErrorKind::Incompatible, message)
}
