//! JSON Lines: entries as text that other programs write and read.
//!
//! A line is one object. `key` (a number where keys are numbers) or `key_hex` and `value` or `value_hex` make a
//! whole entry. A value longer than [`PART_BYTES_MAX`] is spread over consecutive lines, each with the `offset` of its
//! part and the `length` of the whole, so that neither side ever holds more than a part.

use std::io::{self, BufRead};

use serde::Deserialize;
use serde_json::Value;

use super::KeyForm;
use crate::output::parse_hex;

/// Bytes of a value on one line.
pub(crate) const PART_BYTES_MAX: usize = 1 << 20;

/// Bytes in a line that is accepted.
pub(super) const LINE_BYTES_MAX: usize = 256 << 20;

/// A line, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// Where `value` begins in the whole value, and how long that is; none if it is the whole.
    pub(super) part: Option<(u64, u64)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    key: Option<Value>,
    key_hex: Option<String>,
    value: Option<String>,
    value_hex: Option<String>,
    offset: Option<u64>,
    length: Option<u64>,
}

/// Understands a line whose key is of a form, or says what is wrong with it.
pub(super) fn parse(line: &[u8], form: KeyForm) -> Result<Line, String> {
    let raw: Raw = serde_json::from_slice(line).map_err(|error| {
        let error = error.to_string();
        // The caller knows the line by its number in the file.
        let why = error.rsplit_once(" at line ").map_or(error.as_str(), |(why, _)| why);
        format!("not an entry such as {{\"key\": \"k\", \"value\": \"v\"}}: {why}")
    })?;
    let key = bytes("key", raw.key, raw.key_hex, |key| form.decode_json(&key))?;
    let value = bytes("value", raw.value, raw.value_hex, |text| Ok(text.into_bytes()))?;
    let part = match (raw.offset, raw.length) {
        (Some(offset), Some(length)) => Some((offset, length)),
        (None, Some(length)) if length != value.len() as u64 => {
            return Err(format!("the value has {} bytes, not {length} as \"length\" says", value.len()));
        }
        (None, _) => None,
        (Some(_), None) => return Err("an \"offset\" also needs the \"length\" of the whole value".into()),
    };
    Ok(Line { key, value, part })
}

/// Reads the next line into `line`, without its end. Answers whether there was one.
///
/// # Errors
/// `InvalidData` for a line longer than [`LINE_BYTES_MAX`], and those of the reader.
pub(super) fn read(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let count = io::Read::take(reader, LINE_BYTES_MAX as u64).read_until(b'\n', line)?;
    if count == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
        let message = format!("a line is longer than {LINE_BYTES_MAX} bytes: give long values in parts");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    while line.last().is_some_and(u8::is_ascii_whitespace) {
        line.pop();
    }
    Ok(count > 0)
}

/// How many bytes of `bytes` to put on a line, so that text stays text: a character that is cut
/// off at the end goes to the next line.
pub(super) fn whole_characters(bytes: &[u8]) -> usize {
    match str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => error.valid_up_to(),
        _ => bytes.len(),
    }
}

fn bytes<P>(
    name: &str,
    plain: Option<P>,
    digits: Option<String>,
    encode: impl FnOnce(P) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, String> {
    match (plain, digits) {
        (Some(plain), None) => encode(plain),
        (None, Some(digits)) => parse_hex(digits.as_bytes()).map_err(|why| format!("\"{name}_hex\": {why}")),
        (None, None) => Err(format!("neither \"{name}\" nor \"{name}_hex\"")),
        (Some(_), Some(_)) => Err(format!("both \"{name}\" and \"{name}_hex\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[u8]) -> Result<Line, String> {
        super::parse(line, KeyForm::Bytes)
    }

    #[test]
    fn numbers_are_keys_where_keys_are_numbers() {
        let entry = |key: [u8; 8]| Line { key: key.into(), value: b"v".into(), part: None };
        let line = br#"{"key":-7,"value":"v"}"#;
        assert_eq!(super::parse(line, KeyForm::Integer), Ok(entry((-7i64).to_le_bytes())));
        assert_eq!(super::parse(line, KeyForm::Float), Ok(entry((-7f64).to_le_bytes())));
        assert!(parse(line).unwrap_err().contains("-7"));
        let digits = br#"{"key_hex":"000000000000f0ff","value":"v"}"#;
        assert_eq!(super::parse(digits, KeyForm::Float), Ok(entry(f64::NEG_INFINITY.to_le_bytes())));
        let text = br#"{"key":"seven","value":"v"}"#;
        assert!(super::parse(text, KeyForm::Integer).unwrap_err().contains("whole numbers"));
    }

    #[test]
    fn lines_are_entries_or_parts_of_entries() {
        let entry = |key: &[u8], value: &[u8], part| Line { key: key.into(), value: value.into(), part };
        assert_eq!(parse(br#"{"key":"k","value":""}"#), Ok(entry(b"k", b"", None)));
        assert_eq!(parse(br#"{"value_hex":"00ff","key_hex":""}"#), Ok(entry(b"", b"\0\xff", None)));
        assert_eq!(parse(br#"{"key":"k","length":1,"value":"v"}"#), Ok(entry(b"k", b"v", None)));
        let part = br#"{"key":"k","offset":4,"length":9,"value":"v"}"#;
        assert_eq!(parse(part), Ok(entry(b"k", b"v", Some((4, 9)))));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        for (line, why) in [
            (&br#"{"value":"v"}"#[..], "neither \"key\" nor \"key_hex\""),
            (br#"{"key":"k"}"#, "neither \"value\""),
            (br#"{"key":"k","key_hex":"00","value":""}"#, "both \"key\""),
            (br#"{"key_hex":"0","value":""}"#, "\"key_hex\": 1 hexadecimal"),
            (br#"{"key":"k","value":7}"#, "not an entry"),
            (br#"{"key":"k","value":"v","ttl":1}"#, "unknown field `ttl`"),
            (br#"{"key":"\ud800","value":""}"#, "not an entry"),
            (br#"["k","v"]"#, "not an entry"),
            (br#"{"key":"k","value":"v","offset":1}"#, "\"length\""),
            (br#"{"key":"k","value":"v","length":2}"#, "has 1 bytes"),
            (b"\xff", "not an entry"),
        ] {
            let told = parse(line).expect_err("no entry");
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn lines_end_at_any_kind_of_end() {
        let mut reader = &b"one\r\n\ntwo"[..];
        let mut line = Vec::new();
        let mut all = Vec::new();
        while read(&mut reader, &mut line).unwrap() {
            all.push(line.clone());
        }
        assert_eq!(all, [&b"one"[..], b"", b"two"]);
    }

    #[test]
    fn characters_are_not_cut() {
        assert_eq!(whole_characters("aé".as_bytes()), 3);
        assert_eq!(whole_characters(b"a\xc3"), 1);
        assert_eq!(whole_characters(b"\xc3"), 1);
        assert_eq!(whole_characters(b"a\xff\xc3"), 3);
    }
}
