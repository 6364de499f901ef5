//! A key and its value, or a part of it, as one JSON object.
//!
//! A key that is a number is one in JSON. Bytes that are UTF-8 stand as text under `key` and `value`; others in hexadecimal digits under
//! `key_hex` and `value_hex`, so that a reader never has to guess.

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::hex;
use crate::entries::KeyForm;

/// A key, and what is said of its value.
#[derive(Default)]
pub(crate) struct Entry<'a> {
    /// The key.
    pub(crate) key: &'a [u8],
    /// What the key is.
    pub(crate) form: KeyForm,
    /// The value, or a part of it.
    pub(crate) value: Option<&'a [u8]>,
    /// Where the bytes of `value` begin in the whole value, if they aren't the whole.
    pub(crate) offset: Option<u64>,
    /// Bytes in the whole value.
    pub(crate) length: Option<u64>,
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.form.serialize(&mut map, self.key)?;
        if let Some(offset) = self.offset {
            map.serialize_entry("offset", &offset)?;
        }
        if let Some(length) = self.length {
            map.serialize_entry("length", &length)?;
        }
        if let Some(value) = self.value {
            bytes_entry(&mut map, ["value", "value_hex"], value)?;
        }
        map.end()
    }
}

/// Bytes under one of two names: as text, or in hexadecimal digits.
pub(crate) fn bytes_entry<M: SerializeMap>(
    map: &mut M,
    [text, digits]: [&'static str; 2],
    bytes: &[u8],
) -> Result<(), M::Error> {
    match str::from_utf8(bytes) {
        Ok(utf8) => map.serialize_entry(text, utf8),
        Err(_) => map.serialize_entry(digits, &hex(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_bytes_become_digits() {
        let of = |entry: &Entry<'_>| serde_json::to_string(entry).unwrap();
        let entry = Entry { key: b"k\"\0", value: Some(b"\xff\x00"), ..Entry::default() };
        assert_eq!(of(&entry), r#"{"key":"k\"\u0000","value_hex":"ff00"}"#);
        let part =
            Entry { key: b"\x80", value: Some(b""), offset: Some(0), length: Some(7), ..Entry::default() };
        assert_eq!(of(&part), r#"{"key_hex":"80","offset":0,"length":7,"value":""}"#);
    }
}
