//! Keys as words, as text and as JSON: bytes, or the numbers that the keys of some maps are.

use std::{
    ffi::OsString,
    fmt::{Debug, Display},
    str::FromStr,
};

use millpond::{Comparator, NumberKey};
use serde::ser::SerializeMap;
use serde_json::{Number, Value};

use super::bytes;
use crate::{
    failure::{Failure, Outcome},
    output::{bytes_entry, hex, printable_bytes},
};

/// What the keys of something are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum KeyForm {
    /// Any bytes.
    #[default]
    Bytes,
    /// An `i64`, of 8 bytes, the least significant one first.
    Integer,
    /// An `f64`, likewise.
    Float,
}

impl KeyForm {
    /// Those of a map.
    pub(crate) fn of(comparator: &Comparator) -> Self {
        match comparator {
            Comparator::Integer => Self::Integer,
            Comparator::Float => Self::Float,
            Comparator::Bytes | Comparator::Reverse | Comparator::Registered(_) => Self::Bytes,
        }
    }

    /// The key that `word` stands for: a decimal number, or bytes, in hexadecimal digits with `hex`.
    pub(crate) fn decode(self, word: OsString, hex: bool) -> Outcome<Vec<u8>> {
        match self {
            Self::Bytes => bytes::decode(word, hex),
            Self::Integer => self.number(&word, i64::to_le_bytes),
            Self::Float => self.number(&word, f64::to_le_bytes),
        }
    }

    /// As [`KeyForm::decode`] for each of `words`.
    pub(crate) fn decode_all(self, words: Vec<OsString>, hex: bool) -> Outcome<Vec<Vec<u8>>> {
        words.into_iter().map(|word| self.decode(word, hex)).collect()
    }

    fn number<N: FromStr>(self, word: &OsString, encode: impl Fn(N) -> [u8; 8]) -> Outcome<Vec<u8>> {
        let number = word.to_str().and_then(|word| word.parse().ok());
        number.map(|number| encode(number).to_vec()).ok_or_else(|| {
            Failure::usage(format!("the keys here are {self}: {:?} isn't one", word.to_string_lossy()))
        })
    }

    /// A key as people read it, in hexadecimal digits with `hex` if it is bytes.
    pub(crate) fn shown(self, key: &[u8], hexadecimal: bool) -> String {
        match (self, <[u8; 8]>::try_from(key)) {
            (Self::Integer, Ok(bytes)) => i64::from_le_bytes(bytes).to_string(),
            // Unlike its other form this one is short, and says that the number needn't be whole.
            (Self::Float, Ok(bytes)) => format!("{:?}", f64::from_le_bytes(bytes)),
            _ if hexadecimal => hex(key),
            _ => printable_bytes(key),
        }
    }

    /// Those of a map that has a number as a key.
    pub(crate) fn of_number(number: &NumberKey) -> Self {
        if number.integer().is_some() { Self::Integer } else { Self::Float }
    }

    /// A key in a sentence.
    pub(crate) fn quoted(self, key: &[u8]) -> String {
        match self {
            Self::Bytes => format!("\"{}\"", self.shown(key, false)),
            _ => self.shown(key, false),
        }
    }

    /// A key in a JSON object: a number or text under `key`, and what is neither under `key_hex`.
    pub(crate) fn serialize<M: SerializeMap>(self, map: &mut M, key: &[u8]) -> Result<(), M::Error> {
        let number = match (self, <[u8; 8]>::try_from(key)) {
            (Self::Integer, Ok(bytes)) => Some(Number::from(i64::from_le_bytes(bytes))),
            // JSON has neither infinities nor what is no number.
            (Self::Float, Ok(bytes)) => Number::from_f64(f64::from_le_bytes(bytes)),
            _ => None,
        };
        match (self, number) {
            (_, Some(number)) => map.serialize_entry("key", &number),
            (Self::Bytes, None) => bytes_entry(map, ["key", "key_hex"], key),
            _ => map.serialize_entry("key_hex", &hex(key)),
        }
    }

    /// The key that stands under `key` in a JSON object, or what is wrong with it.
    pub(crate) fn decode_json(self, key: &Value) -> Result<Vec<u8>, String> {
        let bytes = match (self, key) {
            (Self::Bytes, Value::String(text)) => Some(text.clone().into_bytes()),
            (Self::Integer, Value::Number(number)) => {
                number.as_i64().map(|number| number.to_le_bytes().to_vec())
            }
            (Self::Float, Value::Number(number)) => {
                number.as_f64().map(|number| number.to_le_bytes().to_vec())
            }
            _ => None,
        };
        bytes.ok_or_else(|| format!("\"key\": {key} isn't one of the keys here, which are {self}"))
    }
}

/// What they are, all of them.
impl Display for KeyForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bytes => "text",
            Self::Integer => "whole numbers from -2^63 to 2^63 - 1",
            Self::Float => "numbers such as -1.5, 3e8 or inf",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(form: KeyForm, key: &[u8]) -> String {
        let entry = crate::output::Entry { key, form, ..Default::default() };
        serde_json::to_string(&entry).expect("JSON")
    }

    #[test]
    fn numbers_go_there_and_back() {
        for number in [0, -1, i64::MIN, i64::MAX, 1 << 53 | 1] {
            let key = KeyForm::Integer.decode(number.to_string().into(), true).expect("a number");
            assert_eq!(key, number.to_le_bytes());
            assert_eq!(KeyForm::Integer.shown(&key, true), number.to_string());
            assert_eq!(json(KeyForm::Integer, &key), format!("{{\"key\":{number}}}"));
            assert_eq!(KeyForm::Integer.decode_json(&number.into()), Ok(key));
        }
        for number in [0.0, -0.0, 0.1, -1.5e300, f64::MIN_POSITIVE, f64::MAX, 5e-324] {
            let key = KeyForm::Float.decode(format!("{number:?}").into(), false).expect("a number");
            assert_eq!(key, number.to_le_bytes());
            assert_eq!(KeyForm::Float.shown(&key, false), format!("{number:?}"));
            let parsed: Value = serde_json::from_str(&json(KeyForm::Float, &key)).expect("JSON");
            assert_eq!(KeyForm::Float.decode_json(&parsed["key"]), Ok(key), "{number}");
        }
    }

    #[test]
    fn what_json_has_no_number_for_stands_in_digits() {
        let infinite = KeyForm::Float.decode("inf".into(), false).expect("a number");
        assert_eq!(json(KeyForm::Float, &infinite), "{\"key_hex\":\"000000000000f07f\"}");
        assert_eq!(KeyForm::Float.shown(&infinite, false), "inf");
        // Bytes that no key of such a map has.
        assert_eq!(json(KeyForm::Integer, b"seven"), "{\"key_hex\":\"736576656e\"}");
    }

    #[test]
    fn what_is_no_key_is_told() {
        let told = |outcome: Outcome<Vec<u8>>| match outcome {
            Err(Failure::Failed(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        for word in ["", "seven", "1.0", "9223372036854775808", "0x10"] {
            let message = told(KeyForm::Integer.decode(word.into(), false));
            assert!(message.contains("whole numbers") && message.contains(word), "{message}");
        }
        assert!(told(KeyForm::Float.decode("1,5".into(), false)).contains("\"1,5\""));
        for (form, key) in [
            (KeyForm::Bytes, Value::from(7)),
            (KeyForm::Integer, Value::from("7")),
            (KeyForm::Integer, Value::from(7.0)),
            (KeyForm::Integer, Value::from(u64::MAX)),
            (KeyForm::Float, Value::from(vec![7])),
        ] {
            let message = form.decode_json(&key).expect_err("no key");
            assert!(message.contains(&key.to_string()), "{message}");
        }
        assert_eq!(KeyForm::Integer.quoted(&7i64.to_le_bytes()), "7");
        assert_eq!(KeyForm::Bytes.quoted(b"a\0"), "\"a\\x00\"");
    }
}
