//! Object ids, and what they say of an object before anything of it is read.
//!
//! | bits     | content                                                                       |
//! |----------|-------------------------------------------------------------------------------|
//! | 127..120 | 0x10: an object of this model                                                  |
//! | 119..118 | 0                                                                             |
//! | 117..116 | form: 0 keys and values; 1 a 1-D array whose cells and chunks its header tells |
//! | 115..114 | kind of akeys: 0 hashed, 1 integer, 2 lexical                                  |
//! | 113..112 | kind of dkeys, likewise                                                        |
//! | 111..96  | class, see `object/class.rs`                                                   |
//! | 95..0    | chosen by the caller, or at random                                            |

use std::str::FromStr;

use millpond_core::{Error, ErrorKind, Result};

use super::{class::ObjectClass, key::KeyKind};
use crate::layout::ObjectId;

const TAG: u8 = 0x10;

/// Greatest of the bits of an id that its caller may choose.
const LOW_MAX: u128 = u128::MAX >> 32;

/// What an object is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ObjectForm {
    /// Values and extents under dkeys and akeys.
    #[default]
    Keyed = 0,
    /// A 1-D array, of which [`Array`](crate::Array) knows how it lies under the keys.
    Array = 1,
}

/// What an id says of its object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ObjectKind {
    /// Which dkeys it takes.
    pub dkeys: KeyKind,
    /// Which akeys it takes.
    pub akeys: KeyKind,
    /// What it is made of.
    pub form: ObjectForm,
    /// How it is to be spread over devices.
    pub class: ObjectClass,
}

impl ObjectId {
    /// The id of an object of some kind; `low` tells it from others of that kind.
    ///
    /// # Errors
    /// `InvalidArgument` when `low` has more than 96 bits.
    pub fn new(kind: ObjectKind, low: u128) -> Result<Self> {
        if low > LOW_MAX {
            let message = format!(
                "{low:#x} is too great for an object: the lower 96 bits of an id are chosen, at most {LOW_MAX:#x}"
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let kinds = (kind.form as u8) << 4 | (kind.akeys as u8) << 2 | kind.dkeys as u8;
        let high = u32::from(TAG) << 24 | u32::from(kinds) << 16 | u32::from(kind.class.number());
        Ok(Self::from_number(u128::from(high) << 96 | low))
    }

    /// What the id says of its object.
    ///
    /// # Errors
    /// `InvalidArgument` when it isn't the id of an object of this model; `Incompatible` when it
    /// says what only a newer version understands.
    pub fn kind(self) -> Result<ObjectKind> {
        if !self.is_object() {
            let message = format!("{self} is no id of an object: those begin with {TAG:02x}");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let [_, kinds, class @ ..] = ((self.number() >> 96) as u32).to_be_bytes();
        let key_kind = |bits: u8| match bits & 3 {
            0 => Some(KeyKind::Hashed),
            1 => Some(KeyKind::Integer),
            2 => Some(KeyKind::Lexical),
            _ => None,
        };
        let form = match kinds >> 4 {
            0 => Some(ObjectForm::Keyed),
            1 => Some(ObjectForm::Array),
            _ => None,
        };
        match (key_kind(kinds), key_kind(kinds >> 2), form) {
            (Some(dkeys), Some(akeys), Some(form)) => Ok(ObjectKind {
                dkeys,
                akeys,
                form,
                class: ObjectClass::from_number(u16::from_be_bytes(class))?,
            }),
            _ => {
                let message =
                    format!("the object {self} is of a kind that is unknown here: use a newer version");
                Err(Error::new(ErrorKind::Incompatible, message))
            }
        }
    }

    /// The part that tells it from other objects of its kind.
    pub fn low(self) -> u128 {
        self.number() & LOW_MAX
    }

    /// Whether this model reads it; else it is a dictionary, say.
    pub(crate) fn is_object(self) -> bool {
        (self.number() >> 120) as u8 == TAG
    }
}

/// An id in 32 hexadecimal digits, as it is printed.
impl FromStr for ObjectId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = if digits { u128::from_str_radix(text, 16).ok() } else { None };
        number.map(Self::from_number).ok_or_else(|| {
            let message = format!("{text:?} is no object id: one has 32 hexadecimal digits");
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_what_it_was_made_of() {
        for dkeys in [KeyKind::Hashed, KeyKind::Integer, KeyKind::Lexical] {
            for akeys in [KeyKind::Hashed, KeyKind::Integer, KeyKind::Lexical] {
                for form in [ObjectForm::Keyed, ObjectForm::Array] {
                    for class in [ObjectClass::S1, ObjectClass::SX, ObjectClass::default()] {
                        let kind = ObjectKind { dkeys, akeys, form, class };
                        let id = ObjectId::new(kind, LOW_MAX).expect("an id");
                        assert_eq!(id.kind().expect("a kind"), kind);
                        assert_eq!(id.low(), LOW_MAX);
                        assert_eq!(id.to_string().parse::<ObjectId>().expect("an id"), id);
                        assert_eq!(id.partition()[0], TAG);
                    }
                }
            }
        }
        assert!(ObjectId::new(ObjectKind::default(), LOW_MAX + 1).is_err());
    }

    #[test]
    fn other_ids_are_told_apart() {
        let of =
            |high: u32| ObjectId::from_number(u128::from(high) << 96).kind().map_err(|error| error.kind());
        assert_eq!(of(0x0000_0001), Err(ErrorKind::InvalidArgument));
        assert_eq!(of(0x1003_0801), Err(ErrorKind::Incompatible));
        assert_eq!(of(0x1020_0801), Err(ErrorKind::Incompatible));
        assert_eq!(of(0x1000_FFFF), Err(ErrorKind::Incompatible));
        for text in ["", "1", "+0000000000000000000000000000000", "g0000000000000000000000000000000"] {
            assert!(text.parse::<ObjectId>().is_err(), "{text}");
        }
    }
}
