//! Anchors: where a list of keys or extents goes on, in a form that can be stored.
//!
//! | bytes  | content                                                                |
//! |--------|------------------------------------------------------------------------|
//! | 1      | 1, the version of this form                                            |
//! | 1      | 1 dkeys; 2 akeys; 3 extents                                            |
//! | 16     | object id, big-endian                                                   |
//! | 2 + n  | what the sort keys of the list have in common: its length, big-endian  |
//! | 2 + n  | where it goes on                                                        |
//! | 2 + n  | where it ends                                                           |
//!
//! Of a list of keys, the last two are sort keys; of extents, records (8 bytes, big-endian). In text
//! it is all that in hexadecimal digits.

use std::{fmt, ops::Range, str::FromStr};

use millpond_core::{Error, ErrorKind, KeyRange, Result, limits::SORT_KEY_BYTES_MAX};

use crate::layout::ObjectId;

const VERSION: u8 = 1;

/// Where a list of an object's dkeys, akeys or extents goes on, and where it ends.
///
/// It can be stored, as bytes or as text, and used by another process: it depends on nothing but the
/// object. [`Object::split`](super::Object::split) makes several of one, for scans in parallel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub(super) object: ObjectId,
    pub(super) of: ListOf,
    /// What the sort keys of the list have in common.
    pub(super) prefix: Vec<u8>,
    pub(super) start: Vec<u8>,
    pub(super) end: Vec<u8>,
}

/// What a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum ListOf {
    Dkeys = 1,
    Akeys = 2,
    Extents = 3,
}

impl Anchor {
    /// The beginning of a list of keys.
    pub(super) fn keys(object: ObjectId, of: ListOf, prefix: Vec<u8>) -> Self {
        // An entry's prefix begins with a small byte, so that there is something behind it.
        let end = KeyRange::prefix_end(&prefix).unwrap_or_default();
        Self { object, of, start: prefix.clone(), prefix, end }
    }

    /// The beginning of a list of the extents of some records.
    pub(super) fn extents(object: ObjectId, prefix: Vec<u8>, records: Range<u64>) -> Self {
        let (start, end) = (records.start.to_be_bytes().to_vec(), records.end.to_be_bytes().to_vec());
        Self { object, of: ListOf::Extents, prefix, start, end }
    }

    /// Whether the list has come to its end.
    pub fn is_done(&self) -> bool {
        self.start >= self.end
    }

    /// Whether it is of a list of extents, which [`Object::extents_from`](super::Object::extents_from)
    /// goes on with; else of keys, for [`Object::keys_from`](super::Object::keys_from).
    pub fn is_of_extents(&self) -> bool {
        self.of == ListOf::Extents
    }

    /// The records from which on and to before which extents are listed.
    pub(super) fn records(&self) -> Range<u64> {
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_be_bytes);
        number(&self.start)..number(&self.end)
    }

    /// The anchor as bytes, to be stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, self.of as u8];
        bytes.extend_from_slice(&self.object.number().to_be_bytes());
        for part in [&self.prefix, &self.start, &self.end] {
            bytes.extend_from_slice(&(part.len() as u16).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }

    /// The anchor of bytes that [`Anchor::to_bytes`] made.
    ///
    /// # Errors
    /// `InvalidArgument` when they are no anchor; `Incompatible` when a newer version made it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => {
                parse(rest).ok_or_else(|| refused("these bytes are no anchor of a list"))
            }
            Some((version, _)) => {
                let text = format!("an anchor of version {version} is unknown here: use a newer version");
                Err(Error::new(ErrorKind::Incompatible, text))
            }
            None => Err(refused("no bytes are no anchor of a list")),
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Anchor> {
    let (of, rest) = bytes.split_first()?;
    let of = match of {
        1 => ListOf::Dkeys,
        2 => ListOf::Akeys,
        3 => ListOf::Extents,
        _ => return None,
    };
    let (object, mut rest) = rest.split_first_chunk()?;
    let object = ObjectId::from_number(u128::from_be_bytes(*object));
    let mut part = || {
        let (length, behind) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (part, behind) = (behind.get(..length)?, behind.get(length..)?);
        rest = behind;
        (length <= SORT_KEY_BYTES_MAX).then(|| part.to_vec())
    };
    let anchor = Anchor { object, of, prefix: part()?, start: part()?, end: part()? };
    let whole = Anchor::keys(object, of, anchor.prefix.clone());
    let is_sound = match of {
        ListOf::Dkeys | ListOf::Akeys => whole.start <= anchor.start && anchor.end <= whole.end,
        ListOf::Extents => anchor.start.len() == 8 && anchor.end.len() == 8,
    };
    (is_sound && rest.is_empty()).then_some(anchor)
}

fn refused(text: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{text}: use one that a list gave"))
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Anchor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let bytes: Option<Vec<u8>> = match text.len().is_multiple_of(2) {
            true => text.as_bytes().chunks(2).map(|two| Some(digit(two[0])? << 4 | digit(two[1])?)).collect(),
            false => None,
        };
        Self::from_bytes(&bytes.ok_or_else(|| refused("this text is no anchor of a list"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_come_back_from_bytes_and_text() {
        let object = ObjectId::from_number(0x10 << 120 | 7);
        for anchor in [
            Anchor::keys(object, ListOf::Dkeys, vec![2]),
            Anchor::keys(object, ListOf::Akeys, vec![2, b'a', 0, 1]),
            Anchor::extents(object, vec![2, b'a', 0, 1, b'b', 0, 1], 3..u64::MAX),
        ] {
            assert_eq!(Anchor::from_bytes(&anchor.to_bytes()).expect("an anchor"), anchor);
            assert_eq!(anchor.to_string().parse::<Anchor>().expect("an anchor"), anchor);
            assert_eq!(anchor.is_of_extents(), anchor.of == ListOf::Extents);
            let bytes = anchor.to_bytes();
            for cut in 0..bytes.len() {
                assert!(Anchor::from_bytes(&bytes[..cut]).is_err());
            }
        }
        assert_eq!(Anchor::from_bytes(&[9]).expect_err("newer").kind(), ErrorKind::Incompatible);
        assert!("0".parse::<Anchor>().is_err() && "é1".parse::<Anchor>().is_err());
    }
}
