//! Damage, as users are told of it: whose bytes it took.

use std::collections::BTreeMap;

use millpond_core::{Error, Owner, View};
use serde::Serialize;

use crate::{
    layout::ObjectId,
    snapshot::decode::{UserKey, decode, name_of},
};

/// A place that fails its checksum, is missing, or contradicts another one; and what was there, as far as
/// that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The file or object, relative to the container; or what of the container it is.
    pub place: String,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// What is wrong with it.
    pub what: String,
    /// The id of the object whose bytes those are, in hexadecimal digits.
    pub object: Option<String>,
    /// Its name, if it is a dictionary that has one now.
    pub dict: Option<String>,
    /// The key, with escapes for what isn't ASCII: of a dictionary's entry, or the dkey, the akey and the
    /// records of another object. Of a block of records, the first key that may be concerned.
    pub key: Option<String>,
    /// Of a block of records, the last key that may be concerned.
    pub last_key: Option<String>,
    /// From which byte of the value to which one, not included, bytes are damaged.
    pub extent: Option<[u64; 2]>,
    /// As the store has it.
    #[serde(skip)]
    pub(super) owner: Option<Owner>,
}

impl Damage {
    pub(super) fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), ..Self::default() }
    }

    /// Whose bytes they are, in words: `dict "d", key "k", bytes 0 to 65536`.
    pub fn whose(&self) -> Option<String> {
        let object = self.object.as_ref()?;
        let mut whose = match &self.dict {
            Some(name) => format!("dict {name:?}"),
            None => format!("object {object}"),
        };
        match (&self.key, &self.last_key) {
            (Some(first), Some(last)) => whose += &format!(", keys from {first} to {last}"),
            (Some(key), None) => whose += &format!(", key {key}"),
            (None, Some(last)) => whose += &format!(", keys up to {last}"),
            (None, None) => {}
        }
        if let Some([start, end]) = self.extent {
            whose += &format!(", bytes {start} to {end}");
        }
        Some(whose)
    }
}

/// What a compaction did not do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// Arrays whose extents were left as they are, since something of them is damaged.
    pub left: Vec<Damage>,
}

/// Something that was left as it is, of an object if that is known.
pub(super) fn left(id: Option<ObjectId>, error: &Error) -> Damage {
    let place = id.map_or_else(|| "the catalogue".to_owned(), |id| format!("object {id}"));
    Damage { object: id.map(|id| id.to_string()), ..Damage::new(place, error.to_string()) }
}

/// Why no marker stands for what was lost with a block of records.
const KEYS_UNKNOWN: &str = "; which of the keys between these were in the block isn't known any more, so that no marker can stand for the records and short values that are lost with it: what is missing has to be put again";

/// Names what the store's damage took.
pub(super) struct Naming<'a> {
    view: &'a dyn View,
    names: BTreeMap<ObjectId, Option<String>>,
}

impl<'a> Naming<'a> {
    /// Dictionaries have the names that `view` shows.
    pub(super) fn new(view: &'a dyn View) -> Self {
        Self { view, names: BTreeMap::new() }
    }

    pub(super) fn name(&mut self, damage: millpond_core::Damage) -> Damage {
        let millpond_core::Damage { place, offset, what, owner } = damage;
        let mut named = Damage { place, offset, what, ..Damage::default() };
        match &owner {
            Some(Owner::Key(key)) => self.set_key(&mut named, key),
            Some(Owner::Value { key, bytes, .. }) => {
                self.set_key(&mut named, key);
                named.extent = Some([bytes.start, bytes.end]);
            }
            Some(Owner::Between(first, last)) => {
                named.what += KEYS_UNKNOWN;
                self.set_key(&mut named, first);
                match decode(last) {
                    Some((id, key)) if named.object.is_none() => {
                        named.object = Some(id.to_string());
                        named.dict = self.dict(id);
                        named.last_key = Some(shown(id, &key));
                    }
                    // The bound between two blocks may be a part of a key.
                    Some((id, key)) => named.last_key = Some(shown(id, &key)),
                    None if named.key.is_some() => named.last_key = Some("the end".to_owned()),
                    None => {}
                }
            }
            None => {}
        }
        named.owner = owner;
        named
    }

    fn set_key(&mut self, damage: &mut Damage, key: &[u8]) {
        if let Some((id, key)) = decode(key) {
            damage.object = Some(id.to_string());
            damage.dict = self.dict(id);
            damage.key = Some(shown(id, &key));
        }
    }

    /// Where the catalogue can't be read either, the id has to do.
    fn dict(&mut self, id: ObjectId) -> Option<String> {
        self.names.entry(id).or_insert_with(|| name_of(self.view, id).ok().flatten()).clone()
    }
}

fn shown(id: ObjectId, key: &UserKey<'_>) -> String {
    match key {
        UserKey::Object => "(header)".to_owned(),
        UserKey::Entry(key) => id.key_form().shown(key),
        UserKey::Record(record) => match &record.records {
            Some(records) => format!("{}/{}[{}..{}]", record.dkey, record.akey, records.start, records.end),
            None => format!("{}/{}", record.dkey, record.akey),
        },
    }
}
