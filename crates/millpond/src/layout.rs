//! Where everything of a container is in its index. These bytes are the format: they never change
//! their meaning.
//!
//! A partition is an object's id and a shard, so that all partitions have one length and none is a
//! prefix of another:
//!
//! | bytes | content                                                               |
//! |-------|-----------------------------------------------------------------------|
//! | 16    | object id, big-endian; its top 32 bits say what the object is          |
//! | 2     | shard, big-endian; 0 as long as an object isn't spread over a cluster  |
//!
//! The catalogue is object 0. Its sort keys:
//!
//! | sort key     | value                         | meaning                                      |
//! |--------------|-------------------------------|----------------------------------------------|
//! | `d` + name   | kind (1 byte), object id (16) | the name leads to the object                 |
//! | `n`          | counter                       | how many names of dictionaries there are     |
//! | `b`          | counter                       | how many names of stores of blobs            |
//! | `p`          | counter                       | how many names of ordered maps               |
//! | `o` + id     | as its header                 | the object exists; its name, for the check   |
//! | `m`          | counter                       | how many objects of kind 2 there are         |
//! | `r` + id     | kind (1 byte)                 | the object is destroyed; its records are not |
//!
//! Kinds: 1 is a dictionary; 2 an object of dkeys and akeys, which has no name; 3 a store of blobs; 4 an ordered map.
//! The id of a map says also how its keys lie in sort keys, which `map/order.rs` has the table of.
//!
//! A dictionary's sort keys:
//!
//! | sort key     | value                         | meaning                                      |
//! |--------------|-------------------------------|----------------------------------------------|
//! | `00`         | kind (1 byte), name           | the header: there while the dictionary lives |
//! | `01`         | counter                       | how many entries there are                   |
//! | `02` + key   | see `value/stored.rs`         | an entry                                     |
//!
//! A store of blobs is laid out as a dictionary is: each blob is an entry, under its hash. Beside that:
//!
//! | sort key     | value                         | meaning                                      |
//! |--------------|-------------------------------|----------------------------------------------|
//! | `00`         | kind, hash, codec, level (a   | the header                                   |
//! |              | byte each), name              |                                              |
//! | `03` + hash  | any bytes                     | what a user noted about the blob             |
//! | `04`         | counter                       | bytes of all blobs, uncompressed             |
//! | `05`         | counter                       | bytes that they take                         |
//!
//! An ordered map is laid out as a dictionary is, but for its keys. Its header:
//!
//! | sort key     | value                                                                        |
//! |--------------|------------------------------------------------------------------------------|
//! | `00`         | kind (1 byte), the comparator's name (its length in a byte before it), name  |
//!
//! Those of objects of dkeys and akeys are in `object/records.rs`.

use std::ops::Bound;

use bytes::Bytes;
use millpond_core::{Error, ErrorKind, Key, KeyRange, Result, limits::KEY_BYTES_MAX};
use uuid::Uuid;

use crate::{
    blobs::BlobSettings,
    map::{Comparator, KeyForm, UserKey},
};

/// The kind of a dictionary, in records of the catalogue.
const KIND_DICT: u8 = 1;

/// The kind of an object of dkeys and akeys.
pub(crate) const KIND_OBJECT: u8 = 2;

/// The kind of a store of blobs.
const KIND_BLOBS: u8 = 3;

/// The kind of an ordered map.
const KIND_MAP: u8 = 4;

/// The top 32 bits of a dictionary's id.
const TAG_DICT: u32 = 0x0000_0001;

/// The top 32 bits of the id of a store of blobs.
const TAG_BLOBS: u32 = 0x0000_0002;

/// The low 16 of the top 32 bits of an ordered map's id; those above say how its keys lie.
const TAG_MAP: u32 = 0x0000_0003;

/// A partition of the index.
pub(crate) type Partition = [u8; 18];

/// The partition of the catalogue.
pub(crate) const CATALOGUE: &Partition = &[0; 18];

/// The catalogue's counter of names of dictionaries.
const DICT_COUNT: Key<'static> = Key { partition: CATALOGUE, sort: b"n" };

/// The catalogue's counter of names of stores of blobs.
const BLOBS_COUNT: Key<'static> = Key { partition: CATALOGUE, sort: b"b" };

/// The catalogue's counter of names of ordered maps.
const MAP_COUNT: Key<'static> = Key { partition: CATALOGUE, sort: b"p" };

/// The catalogue's counter of objects of dkeys and akeys.
pub(crate) const OBJECT_COUNT: Key<'static> = Key { partition: CATALOGUE, sort: b"m" };

/// The sort key of a dictionary's header, and of any object's.
pub(crate) const HEADER: &[u8] = &[0x00];

/// The sort key of a dictionary's counter of entries.
pub(crate) const COUNT: &[u8] = &[0x01];

/// The first byte of an entry's sort key.
const ENTRY: u8 = 0x02;

/// The first byte of the sort key of what is noted about a blob.
const NOTE: u8 = 0x03;

/// The sort key of the counter of bytes of all blobs, uncompressed.
pub(crate) const RAW_BYTES: &[u8] = &[0x04];

/// The sort key of the counter of bytes that blobs take.
pub(crate) const STORED_BYTES: &[u8] = &[0x05];

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamedKind {
    Dict,
    Blobs,
    Map,
}

impl NamedKind {
    /// It in words, without an article.
    pub(crate) fn noun(self) -> &'static str {
        let described = self.described();
        described.split_once(' ').map_or(described, |(_, noun)| noun)
    }

    /// It in words, with an article.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Self::Dict => "a dictionary",
            Self::Blobs => "a store of blobs",
            Self::Map => "an ordered map",
        }
    }

    /// The catalogue's counter of names that lead to such.
    pub(crate) fn count(self) -> Key<'static> {
        match self {
            Self::Dict => DICT_COUNT,
            Self::Blobs => BLOBS_COUNT,
            Self::Map => MAP_COUNT,
        }
    }
}

/// The id of an object: what it is, and which of its kind. In text, 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(u128);

impl ObjectId {
    /// The id of a new object that has a name.
    pub(crate) fn named(settings: &Settings, random: Uuid) -> Self {
        let tag = match settings {
            Settings::Dict => TAG_DICT,
            Settings::Blobs(_) => TAG_BLOBS,
            Settings::Map(comparator) => (comparator.form() as u32) << 16 | TAG_MAP,
        };
        Self(u128::from(tag) << 96 | (random.as_u128() & (u128::MAX >> 32)))
    }

    /// The id as a number.
    pub fn number(self) -> u128 {
        self.0
    }

    /// The id of a number, whatever it says of its object.
    pub fn from_number(number: u128) -> Self {
        Self(number)
    }

    /// The partition of the object's records. Sharding, when it comes, is decided here.
    pub(crate) fn partition(self) -> Partition {
        let mut partition = [0; 18];
        partition[..16].copy_from_slice(&self.0.to_be_bytes());
        partition
    }

    /// The object whose records a partition holds.
    pub(crate) fn of_partition(partition: &Partition) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&partition[..16]);
        Self(u128::from_be_bytes(id))
    }

    /// Whether it is the catalogue.
    pub(crate) fn is_catalogue(self) -> bool {
        self.0 == 0
    }

    /// What it is, if it is an object that has a name and entries.
    pub(crate) fn named_kind(self) -> Option<NamedKind> {
        match (self.0 >> 96) as u32 {
            TAG_DICT => Some(NamedKind::Dict),
            TAG_BLOBS => Some(NamedKind::Blobs),
            _ => self.map_form().map(|_| NamedKind::Map),
        }
    }

    /// How the keys of an ordered map lie in sort keys, if it is one.
    fn map_form(self) -> Option<KeyForm> {
        let tag = (self.0 >> 96) as u32;
        let is_map = tag & 0xFFFF == TAG_MAP;
        KeyForm::ALL.into_iter().find(|form| is_map && *form as u32 == tag >> 16)
    }

    /// How its keys lie in sort keys, if it has a name and entries.
    pub(crate) fn key_form(self) -> KeyForm {
        self.map_form().unwrap_or_default()
    }

    /// The user's key in a sort key of an entry of this object.
    pub(crate) fn user_key(self, sort: &[u8]) -> UserKey<'_> {
        self.key_form().decode(user_key(sort))
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(u128::from_be_bytes(bytes.try_into().ok()?)))
    }
}

impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Sorts of records in the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Listing {
    Names = b'd',
    Objects = b'o',
    Reaps = b'r',
}

impl Listing {
    /// The sort key of one record.
    pub(crate) fn key(self, rest: &[u8]) -> Vec<u8> {
        [&[self as u8], rest].concat()
    }

    /// The sort key of an object's record.
    pub(crate) fn object_key(self, id: ObjectId) -> Vec<u8> {
        self.key(&id.0.to_be_bytes())
    }

    /// All records of this sort.
    pub(crate) fn range(self) -> KeyRange<'static> {
        let (start, end): (&[u8], &[u8]) = match self {
            Self::Names => (b"d", b"e"),
            Self::Objects => (b"o", b"p"),
            Self::Reaps => (b"r", b"s"),
        };
        KeyRange { partition: CATALOGUE, start: Bound::Included(start), end: Bound::Excluded(end) }
    }
}

/// The object and the sort key of a key in one piece, partition and sort key; none where it is too short.
pub(crate) fn split(key: &Bytes) -> Option<(ObjectId, Bytes)> {
    let id = key.first_chunk::<16>()?;
    let sort = (key.len() >= size_of::<Partition>()).then(|| key.slice(size_of::<Partition>()..))?;
    Some((ObjectId(u128::from_be_bytes(*id)), sort))
}

/// Of which sort a record of the catalogue is.
pub(crate) fn listing_of(sort: &[u8]) -> Option<Listing> {
    [Listing::Names, Listing::Objects, Listing::Reaps]
        .into_iter()
        .find(|listing| sort.len() > 1 && sort[0] == *listing as u8)
}

/// The name in a sort key of [`Listing::Names`].
pub(crate) fn name_of(sort: &[u8]) -> Result<String> {
    let name = sort.get(1..).unwrap_or_default();
    String::from_utf8(name.to_vec()).map_err(|_| corrupt("a dictionary's name isn't UTF-8", sort))
}

/// The object in a sort key of [`Listing::Objects`] or [`Listing::Reaps`].
pub(crate) fn object_of(sort: &[u8]) -> Result<ObjectId> {
    sort.get(1..).and_then(ObjectId::from_bytes).ok_or_else(|| corrupt("an object's id is malformed", sort))
}

/// The value of a name's record.
pub(crate) fn name_record(id: ObjectId) -> Vec<u8> {
    let kind = match id.named_kind() {
        Some(NamedKind::Blobs) => KIND_BLOBS,
        Some(NamedKind::Map) => KIND_MAP,
        _ => KIND_DICT,
    };
    [&[kind][..], &id.0.to_be_bytes()].concat()
}

/// The object that a name's record leads to.
pub(crate) fn parse_name_record(value: &[u8]) -> Result<ObjectId> {
    let expected = match value.first() {
        Some(&KIND_DICT) => NamedKind::Dict,
        Some(&KIND_BLOBS) => NamedKind::Blobs,
        Some(&KIND_MAP) => NamedKind::Map,
        _ => return Err(newer(value)),
    };
    ObjectId::from_bytes(&value[1..])
        .filter(|id| id.named_kind() == Some(expected))
        .ok_or_else(|| corrupt("a name's record is malformed", value))
}

/// What the header of an object that has a name says of it: also its record among the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settings {
    Dict,
    Blobs(BlobSettings),
    Map(Comparator),
}

impl Settings {
    /// What can be told of the settings of an object by its id alone.
    pub(crate) fn of(id: ObjectId) -> Option<Self> {
        (id.named_kind() == Some(NamedKind::Dict)).then_some(Self::Dict)
    }

    pub(crate) fn kind(&self) -> NamedKind {
        match self {
            Self::Dict => NamedKind::Dict,
            Self::Blobs(_) => NamedKind::Blobs,
            Self::Map(_) => NamedKind::Map,
        }
    }

    /// The value of the header of an object of that name.
    pub(crate) fn record(&self, name: &str) -> Vec<u8> {
        match self {
            Self::Dict => [&[KIND_DICT], name.as_bytes()].concat(),
            Self::Blobs(settings) => [&[KIND_BLOBS], &settings.encode()[..], name.as_bytes()].concat(),
            Self::Map(comparator) => {
                let comparator = comparator.name().as_bytes();
                // No comparator's name has more than 128 bytes.
                [&[KIND_MAP, comparator.len() as u8], comparator, name.as_bytes()].concat()
            }
        }
    }

    /// What a header says, and the name in it.
    pub(crate) fn parse(value: &[u8]) -> Result<(Self, String)> {
        let (settings, name) = match value.split_first() {
            Some((&KIND_DICT, name)) => (Self::Dict, name),
            Some((&KIND_BLOBS, rest)) => {
                let (settings, name) = rest
                    .split_first_chunk()
                    .ok_or_else(|| corrupt("the header of a store of blobs is too short", value))?;
                (Self::Blobs(BlobSettings::decode(settings)?), name)
            }
            Some((&KIND_MAP, rest)) => {
                let (comparator, name) = rest
                    .split_first()
                    .and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)))
                    .ok_or_else(|| corrupt("the header of an ordered map is too short", value))?;
                let comparator = std::str::from_utf8(comparator).ok().and_then(|name| name.parse().ok());
                let malformed = || corrupt("the name of a comparator is malformed", value);
                (Self::Map(comparator.ok_or_else(malformed)?), name)
            }
            _ => return Err(newer(value)),
        };
        let name = String::from_utf8(name.to_vec())
            .map_err(|_| corrupt("the name of an object isn't UTF-8", value))?;
        Ok((settings, name))
    }
}

/// The value of the record of an object of dkeys and akeys.
pub(crate) const OBJECT_RECORD: &[u8] = &[KIND_OBJECT];

/// What an object's record in the catalogue says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    Named,
    Object,
}

/// What is listed by an object's record.
pub(crate) fn parse_listed(value: &[u8]) -> Result<Listed> {
    match value.first() {
        Some(&(KIND_DICT | KIND_BLOBS | KIND_MAP)) => Ok(Listed::Named),
        Some(&KIND_OBJECT) if value == OBJECT_RECORD => Ok(Listed::Object),
        _ => Err(newer(value)),
    }
}

/// The name in an object's record, or in its header.
pub(crate) fn parse_header_record(value: &[u8]) -> Result<String> {
    Settings::parse(value).map(|(_, name)| name)
}

/// The value of the record of an object that is destroyed.
pub(crate) const REAP_RECORD: &[u8] = &[KIND_DICT];

/// The sort key of an entry.
///
/// # Errors
/// `KeyTooLong`, naming the length and the limit.
pub(crate) fn entry_key(key: &[u8]) -> Result<Vec<u8>> {
    check_entry_key(key)?;
    let mut sort = Vec::with_capacity(key.len() + 1);
    put_entry_key(&mut sort, key);
    Ok(sort)
}

/// # Errors
/// `KeyTooLong`, naming the length and the limit.
pub(crate) fn check_entry_key(key: &[u8]) -> Result<()> {
    if key.len() > KEY_BYTES_MAX {
        let message = format!("a key of {} bytes is too long: {KEY_BYTES_MAX} are allowed", key.len());
        return Err(Error::new(ErrorKind::KeyTooLong, message));
    }
    Ok(())
}

/// Appends the sort key of an entry, whose key was checked.
pub(crate) fn put_entry_key(out: &mut Vec<u8>, key: &[u8]) {
    out.push(ENTRY);
    out.extend_from_slice(key);
}

/// The sort key of what is noted about a blob.
pub(crate) fn note_key(hash: &[u8]) -> Vec<u8> {
    [&[NOTE], hash].concat()
}

/// Whether a sort key of a dictionary is an entry's.
pub(crate) fn is_entry(sort: &[u8]) -> bool {
    sort.first() == Some(&ENTRY)
}

/// The user's key in an entry's sort key.
pub(crate) fn user_key(sort: &[u8]) -> &[u8] {
    sort.get(1..).unwrap_or_default()
}

/// The bound of sort keys for a bound of users' keys, of any length. `open` stands for no bound.
pub(crate) fn entry_bound(bound: Bound<&[u8]>, open: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    let sort = |key: &[u8]| [&[ENTRY], key].concat();
    match bound {
        Bound::Included(key) => Bound::Included(sort(key)),
        Bound::Excluded(key) => Bound::Excluded(sort(key)),
        Bound::Unbounded => open,
    }
}

/// Where the entries begin.
pub(crate) fn entries_start() -> Bound<Vec<u8>> {
    Bound::Included(vec![ENTRY])
}

/// Where the entries end.
pub(crate) fn entries_end() -> Bound<Vec<u8>> {
    Bound::Excluded(vec![ENTRY + 1])
}

/// All entries of a dictionary.
pub(crate) fn entries(partition: &Partition) -> KeyRange<'_> {
    KeyRange { partition, start: Bound::Included(&[ENTRY]), end: Bound::Excluded(&[ENTRY + 1]) }
}

/// A hash, as people read it.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn corrupt(what: &str, bytes: &[u8]) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{what}: {}", bytes.escape_ascii()))
}

fn newer(value: &[u8]) -> Error {
    let message = format!(
        "an object of kind {:?} is unknown here: it was written by a newer version, use that",
        value.first()
    );
    Error::new(ErrorKind::Incompatible, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        let id = ObjectId::named(&Settings::Dict, Uuid::from_u128(u128::MAX));
        assert_eq!(id.to_string(), "00000001ffffffffffffffffffffffff");
        assert_eq!(id.partition()[..4], [0, 0, 0, 1]);
        assert_eq!(ObjectId::of_partition(&id.partition()), id);
        assert_eq!(id.named_kind(), Some(NamedKind::Dict));
        assert_eq!(ObjectId::of_partition(CATALOGUE).named_kind(), None);
        assert_eq!(parse_name_record(&name_record(id)).expect("a record"), id);
        assert_eq!(object_of(&Listing::Reaps.object_key(id)).expect("an id"), id);
        assert_eq!(name_of(&Listing::Names.key("é".as_bytes())).expect("a name"), "é");
        assert_eq!(parse_header_record(&Settings::Dict.record("a")).expect("a name"), "a");
        let settings = Settings::Blobs(BlobSettings::default());
        assert_eq!(Settings::parse(&settings.record("b")).expect("a header"), (settings, "b".to_owned()));
        let blobs = ObjectId::named(&Settings::Blobs(BlobSettings::default()), Uuid::from_u128(7));
        assert_eq!(parse_name_record(&name_record(blobs)).expect("a record"), blobs);
        for comparator in ["bytes", "reverse", "integer", "float", "by length"] {
            let comparator: Comparator = comparator.parse().expect("a name");
            let settings = Settings::Map(comparator.clone());
            let map = ObjectId::named(&settings, Uuid::from_u128(7));
            assert_eq!((map.named_kind(), map.key_form()), (Some(NamedKind::Map), comparator.form()));
            assert_eq!(parse_name_record(&name_record(map)).expect("a record"), map);
            assert_eq!(Settings::parse(&settings.record("m")).expect("a header"), (settings, "m".to_owned()));
        }
        let unknown = ObjectId::from_number(u128::from(4u32 << 16 | TAG_MAP) << 96);
        assert_eq!(unknown.named_kind(), None);
    }

    #[test]
    fn what_is_malformed_or_newer_is_told_apart() {
        assert_eq!(parse_name_record(&[KIND_DICT, 1]).expect_err("short").kind(), ErrorKind::Corrupt);
        assert_eq!(parse_name_record(&[9; 17]).expect_err("newer").kind(), ErrorKind::Incompatible);
        assert_eq!(parse_header_record(&[KIND_DICT, 0xFF]).expect_err("bytes").kind(), ErrorKind::Corrupt);
        let blobs = ObjectId::named(&Settings::Blobs(BlobSettings::default()), Uuid::from_u128(7));
        let crossed = [&[KIND_DICT][..], &blobs.0.to_be_bytes()].concat();
        assert_eq!(parse_name_record(&crossed).expect_err("crossed").kind(), ErrorKind::Corrupt);
        assert_eq!(parse_header_record(&[KIND_BLOBS, 1]).expect_err("short").kind(), ErrorKind::Corrupt);
        assert_eq!(
            parse_header_record(&[KIND_BLOBS, 9, 9, 9]).expect_err("newer").kind(),
            ErrorKind::Incompatible
        );
        for malformed in [&[KIND_MAP][..], &[KIND_MAP, 3, b'a'], &[KIND_MAP, 0], &[KIND_MAP, 1, 0xFF]] {
            assert_eq!(parse_header_record(malformed).expect_err("malformed").kind(), ErrorKind::Corrupt);
        }
        assert_eq!(name_of(b"d\xFF").expect_err("bytes").kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn every_record_lies_in_its_range() {
        let id = ObjectId::named(&Settings::Dict, Uuid::from_u128(7));
        for listing in [Listing::Names, Listing::Objects, Listing::Reaps] {
            assert!(listing.range().contains(Key::new(CATALOGUE, &listing.object_key(id))));
        }
        let partition = id.partition();
        let range = entries(&partition);
        for key in [&b""[..], b"\0", &[0xFF; KEY_BYTES_MAX]] {
            let sort = entry_key(key).expect("a key");
            assert!(range.contains(Key::new(&partition, &sort)));
            assert_eq!(user_key(&sort), key);
        }
        assert!(
            !range.contains(Key::new(&partition, HEADER)) && !range.contains(Key::new(&partition, COUNT))
        );
        assert_eq!(entry_key(&[0; KEY_BYTES_MAX + 1]).expect_err("long").kind(), ErrorKind::KeyTooLong);
    }
}
