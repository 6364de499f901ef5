//! Dkeys and akeys: what a caller may give, and how they lie in sort keys.
//!
//! An integer key is 8 bytes, most significant first. A hashed or lexical one is escaped, so that it
//! keeps its order and no key is a prefix of another: `00` becomes `00 FF`, and `00 01` ends it.

use std::{borrow::Cow, fmt, str::FromStr};

use millpond_core::{Error, ErrorKind, Result, limits::KEY_BYTES_MAX};

/// Which keys an object takes, and in which order it has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum KeyKind {
    /// Bytes, in no order that a program may rely on.
    #[default]
    Hashed = 0,
    /// Whole numbers from 0 to 2^64 - 1, in their order.
    Integer = 1,
    /// Bytes, in the order of the bytes.
    Lexical = 2,
}

impl KeyKind {
    /// Whether it makes sense to ask for the smallest and the largest key.
    pub fn is_ordered(self) -> bool {
        self != Self::Hashed
    }
}

/// In lower case, as [`KeyKind::from_str`] reads it.
impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hashed => "hashed",
            Self::Integer => "integer",
            Self::Lexical => "lexical",
        })
    }
}

impl FromStr for KeyKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let kinds = [Self::Hashed, Self::Integer, Self::Lexical];
        kinds.into_iter().find(|kind| kind.to_string() == text).ok_or_else(|| {
            let message = format!("{text:?} is no kind of keys: use hashed, integer or lexical");
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }
}

/// A dkey or an akey: bytes or a number, as the object's kind asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey<'a> {
    /// Of a hashed or a lexical kind; at most 1024 bytes.
    Bytes(Cow<'a, [u8]>),
    /// Of the integer kind.
    Integer(u64),
}

impl ObjectKey<'_> {
    /// The bytes; none of a number.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Integer(_) => None,
        }
    }

    /// The number; none of bytes.
    pub fn integer(&self) -> Option<u64> {
        match self {
            Self::Bytes(_) => None,
            Self::Integer(number) => Some(*number),
        }
    }

    /// The same key, borrowed from nothing.
    pub fn into_owned(self) -> ObjectKey<'static> {
        match self {
            Self::Bytes(bytes) => ObjectKey::Bytes(Cow::Owned(bytes.into_owned())),
            Self::Integer(number) => ObjectKey::Integer(number),
        }
    }

    /// Appends the key as it lies in sort keys.
    ///
    /// # Errors
    /// `InvalidArgument` when the object takes keys of another kind; `KeyTooLong`.
    pub(super) fn encode(&self, kind: KeyKind, what: &str, out: &mut Vec<u8>) -> Result<()> {
        match (self, kind) {
            (Self::Integer(number), KeyKind::Integer) => out.extend_from_slice(&number.to_be_bytes()),
            (Self::Bytes(bytes), KeyKind::Hashed | KeyKind::Lexical) => {
                if bytes.len() > KEY_BYTES_MAX {
                    let message =
                        format!("{what} of {} bytes is too long: {KEY_BYTES_MAX} are allowed", bytes.len());
                    return Err(Error::new(ErrorKind::KeyTooLong, message));
                }
                for &byte in bytes.iter() {
                    out.push(byte);
                    if byte == 0 {
                        out.push(0xFF);
                    }
                }
                out.extend_from_slice(&[0, 1]);
            }
            (Self::Integer(number), _) => {
                let message = format!("{what} is the number {number}, but this object's are bytes");
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
            (Self::Bytes(_), KeyKind::Integer) => {
                let message =
                    format!("{what} is {self}, but this object's are whole numbers from 0 to 2^64 - 1");
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
        }
        Ok(())
    }

    /// Takes a key off the front of `bytes`; none where they are malformed.
    pub(super) fn decode(kind: KeyKind, bytes: &mut &[u8]) -> Option<ObjectKey<'static>> {
        let length = encoded_length(kind, bytes)?;
        let (key, rest) = bytes.split_at(length);
        *bytes = rest;
        Some(match kind {
            KeyKind::Integer => ObjectKey::Integer(u64::from_be_bytes(key.try_into().ok()?)),
            KeyKind::Hashed | KeyKind::Lexical => {
                let mut plain = Vec::with_capacity(length);
                let mut escaped = key[..length - 2].iter();
                while let Some(&byte) = escaped.next() {
                    plain.push(byte);
                    if byte == 0 {
                        escaped.next();
                    }
                }
                ObjectKey::Bytes(Cow::Owned(plain))
            }
        })
    }
}

/// How many bytes the key at the front of `bytes` takes there; none where they are malformed.
pub(super) fn encoded_length(kind: KeyKind, bytes: &[u8]) -> Option<usize> {
    if kind == KeyKind::Integer {
        return (bytes.len() >= 8).then_some(8);
    }
    let (mut at, mut plain) = (0, 0);
    loop {
        match (*bytes.get(at)?, bytes.get(at + 1)) {
            (0, Some(1)) => return (plain <= KEY_BYTES_MAX).then_some(at + 2),
            (0, Some(0xFF)) => at += 2,
            (0, _) => return None,
            _ => at += 1,
        }
        plain += 1;
    }
}

/// As messages show it.
impl fmt::Display for ObjectKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Self::Integer(number) => number.fmt(f),
        }
    }
}

impl From<u64> for ObjectKey<'_> {
    fn from(number: u64) -> Self {
        Self::Integer(number)
    }
}

impl<'a> From<&'a [u8]> for ObjectKey<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for ObjectKey<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}

impl<'a> From<&'a str> for ObjectKey<'a> {
    fn from(text: &'a str) -> Self {
        Self::Bytes(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<Vec<u8>> for ObjectKey<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Cow::Owned(bytes))
    }
}

impl From<String> for ObjectKey<'_> {
    fn from(text: String) -> Self {
        Self::Bytes(Cow::Owned(text.into_bytes()))
    }
}

impl<'a> From<&'a ObjectKey<'_>> for ObjectKey<'a> {
    fn from(key: &'a ObjectKey<'_>) -> Self {
        match key {
            ObjectKey::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
            ObjectKey::Integer(number) => Self::Integer(*number),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn encoded(key: &ObjectKey<'_>, kind: KeyKind) -> Vec<u8> {
        let mut out = Vec::new();
        key.encode(kind, "a dkey", &mut out).expect("a key");
        out
    }

    proptest! {
        #[test]
        fn encoded_keys_come_back_in_order(
            one in vec(prop_oneof![Just(0u8), Just(1), Just(0xFF), any::<u8>()], 0..20),
            other in vec(prop_oneof![Just(0u8), Just(1), Just(0xFF), any::<u8>()], 0..20),
            rest in vec(any::<u8>(), 0..4),
        ) {
            let (one, other) = (ObjectKey::from(one), ObjectKey::from(other));
            let (mut first, second) = (encoded(&one, KeyKind::Lexical), encoded(&other, KeyKind::Lexical));
            prop_assert_eq!(first.cmp(&second), one.cmp(&other));
            prop_assert!(one == other || !second.starts_with(&first));
            first.extend_from_slice(&rest);
            let mut bytes = &first[..];
            prop_assert_eq!(ObjectKey::decode(KeyKind::Lexical, &mut bytes), Some(one));
            prop_assert_eq!(bytes, &rest[..]);
        }

        #[test]
        fn any_bytes_decode_or_not(bytes in vec(prop_oneof![Just(0u8), Just(1), Just(0xFF), any::<u8>()], 0..40)) {
            for kind in [KeyKind::Hashed, KeyKind::Integer, KeyKind::Lexical] {
                let mut rest = &bytes[..];
                if let Some(key) = ObjectKey::decode(kind, &mut rest) {
                    prop_assert_eq!(encoded(&key, kind), &bytes[..bytes.len() - rest.len()]);
                }
            }
        }
    }

    #[test]
    fn kinds_have_names() {
        for kind in [KeyKind::Hashed, KeyKind::Integer, KeyKind::Lexical] {
            assert_eq!(kind.to_string().parse::<KeyKind>().expect("a kind"), kind);
        }
        assert_eq!("Lexical".parse::<KeyKind>().expect_err("none").kind(), ErrorKind::InvalidArgument);
    }

    #[test]
    fn numbers_keep_their_order_and_kinds_are_checked() {
        assert!(encoded(&255.into(), KeyKind::Integer) < encoded(&256.into(), KeyKind::Integer));
        let refused =
            |key: ObjectKey<'_>, kind| key.encode(kind, "a dkey", &mut Vec::new()).expect_err("wrong").kind();
        assert_eq!(refused(1.into(), KeyKind::Lexical), ErrorKind::InvalidArgument);
        assert_eq!(refused("1".into(), KeyKind::Integer), ErrorKind::InvalidArgument);
        assert_eq!(refused(vec![0; KEY_BYTES_MAX + 1].into(), KeyKind::Hashed), ErrorKind::KeyTooLong);
        assert_eq!(encoded(&vec![0; KEY_BYTES_MAX].into(), KeyKind::Hashed).len(), 2 * KEY_BYTES_MAX + 2);
    }
}
