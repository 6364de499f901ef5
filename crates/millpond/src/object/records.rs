//! How an object's data lies in its partition. These bytes are the format.
//!
//! | sort key                                   | value                     | meaning                         |
//! |--------------------------------------------|---------------------------|---------------------------------|
//! | `00`                                       | see `object/header.rs`    | the header: the object exists    |
//! | `02` + E(dkey) + E(akey) + `00`            | see `value/stored.rs`     | the akey's single value          |
//! | `02` + E(dkey) + E(akey) + `01`            | [`ArrayHeader`]           | the akey is an array             |
//! | `02` + E(dkey) + E(akey) + `02` + extent   | see `object/extent.rs`    | records of the array             |
//!
//! E is the escape of `object/key.rs`. An extent in a sort key is 17 bytes: its level, its first record
//! and its length in records (8 bytes each, most significant first). The level is the logarithm of the
//! length to base 2, rounded up, 63 at most: whoever looks for what overlaps a range looks in each
//! level only as far before the range as extents of that level reach.
//!
//! The value of an array's header:
//!
//! | bytes | content                                                                       |
//! |-------|-------------------------------------------------------------------------------|
//! | 1     | 1                                                                             |
//! | 8     | bytes in a record, most significant first                                     |
//! | 8     | levels that have or had extents, a bit each: where a reader need not look     |
//!
//! Invariants:
//! - An akey never has both a single value and an array's header: whoever makes one asks that the
//!   other be absent.
//! - An extent is only ever written in a commit that asks for the array's header, unchanged, and finds
//!   the extent's level in it or puts it there. So writers of one akey conflict at most once a level.

use std::ops::Range;

use millpond_core::{Error, ErrorKind, Result};

use super::{
    bugs::ObjectBug,
    id::ObjectKind,
    key::{ObjectKey, encoded_length},
};

/// The first byte of every record's sort key but the header's.
pub(super) const ENTRY: u8 = 0x02;

const SINGLE: u8 = 0x00;
const ARRAY: u8 = 0x01;
const EXTENT: u8 = 0x02;
const EXTENT_BYTES: usize = 17;
const ARRAY_HEADER: u8 = 1;

/// The greatest level.
const LEVEL_MAX: u8 = 63;

/// What the sort keys of a dkey begin with.
pub(super) fn dkey_prefix(kind: ObjectKind, dkey: &ObjectKey<'_>) -> Result<Vec<u8>> {
    let mut prefix = Vec::with_capacity(64);
    prefix.push(ENTRY);
    dkey.encode(kind.dkeys, "a dkey", &mut prefix)?;
    Ok(prefix)
}

/// What the sort keys of an akey begin with.
pub(super) fn akey_prefix(kind: ObjectKind, dkey: &[u8], akey: &ObjectKey<'_>) -> Result<Vec<u8>> {
    let mut prefix = Vec::with_capacity(dkey.len() + 64);
    prefix.extend_from_slice(dkey);
    akey.encode(kind.akeys, "an akey", &mut prefix)?;
    Ok(prefix)
}

/// The sort key of an akey's single value.
pub(super) fn single_key(akey: &[u8]) -> Vec<u8> {
    with(akey, &[SINGLE])
}

/// The sort key of an akey's array header.
pub(super) fn array_key(akey: &[u8]) -> Vec<u8> {
    with(akey, &[ARRAY])
}

/// The sort key of an extent.
pub(super) fn extent_key(akey: &[u8], start: u64, length: u64) -> Vec<u8> {
    let mut key = level_key(akey, level(length), start);
    key.extend_from_slice(&length.to_be_bytes());
    key
}

/// Where in a level the extents begin whose first record is `start` or later.
pub(super) fn level_key(akey: &[u8], level: u8, start: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(akey.len() + 1 + EXTENT_BYTES);
    key.extend_from_slice(akey);
    key.extend_from_slice(&[EXTENT, level]);
    key.extend_from_slice(&start.to_be_bytes());
    key
}

/// Where a level ends.
pub(super) fn level_end(akey: &[u8], level: u8) -> Vec<u8> {
    with(akey, &[EXTENT, level + 1])
}

fn with(prefix: &[u8], rest: &[u8]) -> Vec<u8> {
    [prefix, rest].concat()
}

/// The level of an extent of `length` records.
pub(super) fn level(length: u64) -> u8 {
    let log = u64::BITS - length.saturating_sub(1).leading_zeros();
    (log as u8).min(LEVEL_MAX)
}

/// The first record at which an extent of a level may begin and still hold `record`.
pub(super) fn first_start(level: u8, record: u64) -> u64 {
    match level {
        LEVEL_MAX.. => 0,
        level if ObjectBug::SearchTooShort.is_planted() => record.saturating_sub((1 << level) / 2),
        level => record.saturating_sub((1 << level) - 1),
    }
}

/// A sort key, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Where in the sort key the dkey's prefix ends.
    pub(super) dkey_end: usize,
    /// Where in the sort key the akey's prefix ends.
    pub(super) akey_end: usize,
    pub(super) record: Slot,
}

/// Which record of an akey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Single,
    Array,
    Extent(Range<u64>),
}

impl Place {
    /// Takes a sort key apart.
    ///
    /// # Errors
    /// `Corrupt` when it is malformed; `Incompatible` when the record is of an unknown sort.
    pub(super) fn parse(kind: ObjectKind, sort: &[u8]) -> Result<Self> {
        let malformed = || {
            let text = format!("the sort key of an object's record is malformed: {}", sort.escape_ascii());
            Error::new(ErrorKind::Corrupt, text)
        };
        let Some((&ENTRY, rest)) = sort.split_first() else { return Err(malformed()) };
        let dkey_end = 1 + encoded_length(kind.dkeys, rest).ok_or_else(malformed)?;
        let akey_end = dkey_end + encoded_length(kind.akeys, &sort[dkey_end..]).ok_or_else(malformed)?;
        let record = match &sort[akey_end..] {
            [SINGLE] => Slot::Single,
            [ARRAY] => Slot::Array,
            [EXTENT, extent @ ..] => Slot::Extent(parse_extent(extent).ok_or_else(malformed)?),
            [] | [SINGLE | ARRAY, ..] => return Err(malformed()),
            [sort, ..] => {
                let text = format!("records of the sort {sort:#04x} are unknown here: use a newer version");
                return Err(Error::new(ErrorKind::Incompatible, text));
            }
        };
        Ok(Self { dkey_end, akey_end, record })
    }

    /// The dkey of a sort key that was taken apart.
    pub(super) fn dkey(kind: ObjectKind, sort: &[u8]) -> Option<ObjectKey<'static>> {
        ObjectKey::decode(kind.dkeys, &mut sort.get(1..)?)
    }

    /// The akey in it.
    pub(super) fn akey(&self, kind: ObjectKind, sort: &[u8]) -> Option<ObjectKey<'static>> {
        ObjectKey::decode(kind.akeys, &mut sort.get(self.dkey_end..)?)
    }
}

/// The records of an extent, by the last bytes of its sort key.
pub(super) fn parse_extent(bytes: &[u8]) -> Option<Range<u64>> {
    let bytes: &[u8; EXTENT_BYTES] = bytes.try_into().ok()?;
    let number = |from: usize| bytes[from..from + 8].try_into().ok().map(u64::from_be_bytes);
    let (start, length) = (number(1)?, number(9)?);
    let end = start.checked_add(length)?;
    (length > 0 && bytes[0] == level(length)).then_some(start..end)
}

/// What all records of an array have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ArrayHeader {
    /// Bytes in a record; at least 1.
    pub(super) record_bytes: u64,
    /// Levels that may hold extents.
    pub(super) levels: u64,
}

impl ArrayHeader {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut value = vec![ARRAY_HEADER];
        value.extend_from_slice(&self.record_bytes.to_be_bytes());
        value.extend_from_slice(&self.levels.to_be_bytes());
        value
    }

    /// # Errors
    /// `Corrupt` when it is malformed; `Incompatible` when a newer version wrote it.
    pub(super) fn parse(value: &[u8]) -> Result<Self> {
        let numbers = match value.split_first() {
            Some((&ARRAY_HEADER, numbers)) => numbers,
            Some((kind, _)) => {
                let text = format!("an array of kind {kind} is unknown here: use a newer version");
                return Err(Error::new(ErrorKind::Incompatible, text));
            }
            None => &[],
        };
        let number = |from: usize| Some(u64::from_be_bytes(numbers.get(from..from + 8)?.try_into().ok()?));
        match (number(0), number(8)) {
            (Some(record_bytes @ 1..), Some(levels)) if numbers.len() == 16 => {
                Ok(Self { record_bytes, levels })
            }
            _ => Err(Error::new(
                ErrorKind::Corrupt,
                format!("the header of an array is malformed: {}", value.escape_ascii()),
            )),
        }
    }

    /// Its levels, one after another.
    pub(super) fn each_level(self) -> impl DoubleEndedIterator<Item = u8> {
        (0..=LEVEL_MAX).filter(move |level| self.levels >> level & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::object::key::KeyKind;

    const KIND: ObjectKind = ObjectKind {
        dkeys: KeyKind::Integer,
        akeys: KeyKind::Lexical,
        form: crate::object::id::ObjectForm::Keyed,
        class: crate::object::class::ObjectClass::S1,
    };

    #[test]
    fn a_level_holds_what_reaches_no_further_than_it_says() {
        for (length, expected) in
            [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (1 << 62, 62), ((1 << 62) + 1, 63), (u64::MAX, 63)]
        {
            assert_eq!(level(length), expected, "{length}");
            let record = 1u64 << 63;
            let first = first_start(expected, record);
            assert!(first == 0 || record - first < length.next_power_of_two());
            assert!(first <= record.saturating_sub(length - 1), "{length}");
        }
    }

    proptest! {
        #[test]
        fn places_come_back(dkey in any::<u64>(), akey in any::<Vec<u8>>(), start in any::<u64>(), length in 1..u64::MAX) {
            let dkey = ObjectKey::from(dkey);
            let akey = ObjectKey::from(akey.iter().copied().take(1000).collect::<Vec<u8>>());
            let dkey_prefix = dkey_prefix(KIND, &dkey).expect("a key");
            let prefix = akey_prefix(KIND, &dkey_prefix, &akey).expect("a key");
            let length = length.min(u64::MAX - start).max(1);
            let start = start.min(u64::MAX - length);
            for (sort, record) in [
                (single_key(&prefix), Slot::Single),
                (array_key(&prefix), Slot::Array),
                (extent_key(&prefix, start, length), Slot::Extent(start..start + length)),
            ] {
                let place = Place::parse(KIND, &sort).expect("a place");
                prop_assert_eq!(&place.record, &record);
                prop_assert_eq!(&sort[..place.akey_end], &prefix[..]);
                prop_assert_eq!(Place::dkey(KIND, &sort), Some(dkey.clone()));
                prop_assert_eq!(place.akey(KIND, &sort), Some(akey.clone()));
            }
        }
    }

    #[test]
    fn damaged_headers_are_told_from_newer_ones() {
        let header = ArrayHeader { record_bytes: 8, levels: 5 };
        let value = header.encode();
        assert_eq!(ArrayHeader::parse(&value).expect("a header"), header);
        assert_eq!(header.each_level().collect::<Vec<_>>(), [0, 2]);
        for damaged in [&[][..], &value[..16], &[&value[..], &[0]].concat(), &[&[1][..], &[0; 16]].concat()] {
            assert_eq!(ArrayHeader::parse(damaged).expect_err("damaged").kind(), ErrorKind::Corrupt);
        }
        assert_eq!(ArrayHeader::parse(&[2]).expect_err("newer").kind(), ErrorKind::Incompatible);
    }
}
