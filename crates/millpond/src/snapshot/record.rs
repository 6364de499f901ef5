//! The record of a snapshot. These bytes are the format: they never change their meaning.
//!
//! Its partition is [`RETAINED`], its version the epoch that it keeps.
//!
//! | sort key   | value                                                                           |
//! |------------|---------------------------------------------------------------------------------|
//! | `s` + name | 1 (1 byte), when it was made in milliseconds since 1970 (8 bytes, little-endian), |
//! |            | the rule that made it, empty for one that was made by name                        |

use std::ops::Bound;

use millpond_core::{Epoch, Error, ErrorKind, KeyRange, RETAINED, Result, limits::NAME_BYTES_MAX};
use serde::Serialize;

const KIND: u8 = 1;
const NAMES: u8 = b's';

/// A named state of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Its name.
    pub name: String,
    /// The epoch whose state it keeps.
    pub epoch: Epoch,
    /// Milliseconds since 1970 when it was made, by the clock of whoever did.
    pub created_millis: u64,
    /// The rule that made it; none for one that was made by name, which no rule destroys.
    pub rule: Option<String>,
}

/// What is recorded of a snapshot beside its name and epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) created_millis: u64,
    pub(super) rule: Option<String>,
}

impl Snapshot {
    pub(super) fn new(name: String, epoch: Epoch, made: Made) -> Self {
        Self { name, epoch, created_millis: made.created_millis, rule: made.rule }
    }
}

impl Made {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = vec![KIND];
        value.extend_from_slice(&self.created_millis.to_le_bytes());
        value.extend_from_slice(self.rule.as_deref().unwrap_or_default().as_bytes());
        value
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self> {
        let corrupt = || {
            let shown = value.escape_ascii();
            Error::new(ErrorKind::Corrupt, format!("the record of a snapshot is malformed: {shown}"))
        };
        match value.split_first() {
            Some((&KIND, rest)) => {
                let (millis, rule) = rest.split_first_chunk().ok_or_else(corrupt)?;
                let rule = std::str::from_utf8(rule).map_err(|_| corrupt())?;
                let rule = (!rule.is_empty()).then(|| rule.to_owned());
                Ok(Self { created_millis: u64::from_le_bytes(*millis), rule })
            }
            Some((kind, _)) => {
                let message = format!(
                    "a snapshot of kind {kind} is unknown here: it was taken by a newer version, use that"
                );
                Err(Error::new(ErrorKind::Incompatible, message))
            }
            None => Err(corrupt()),
        }
    }
}

pub(super) fn sort_key(name: &str) -> Vec<u8> {
    [&[NAMES], name.as_bytes()].concat()
}

/// The records of all snapshots.
pub(super) fn range() -> KeyRange<'static> {
    KeyRange { partition: RETAINED, start: Bound::Included(b"s"), end: Bound::Excluded(b"t") }
}

/// The name in a sort key.
pub(super) fn name_of(sort: &[u8]) -> Result<String> {
    let name = sort.get(1..).unwrap_or_default();
    String::from_utf8(name.to_vec()).map_err(|_| {
        let message = format!("a snapshot's name isn't UTF-8: {}", name.escape_ascii());
        Error::new(ErrorKind::Corrupt, message)
    })
}

/// # Errors
/// `InvalidArgument` for what can't be a name. A number stands for an epoch.
pub(super) fn check_name(name: &str) -> Result<()> {
    let invalid = |what: String| Err(Error::new(ErrorKind::InvalidArgument, what));
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return invalid(format!(
            "the name of a snapshot has 1 to {NAME_BYTES_MAX} bytes, not {}",
            name.len()
        ));
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return invalid(format!("{name} can't be the name of a snapshot: a number stands for an epoch"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use millpond_core::Key;

    use super::*;

    #[test]
    fn records_come_back() {
        for rule in [None, Some("daily:7".to_owned())] {
            let made = Made { created_millis: 1 << 40, rule };
            assert_eq!(Made::decode(&made.encode()).expect("decoded"), made);
        }
        let sort = sort_key("é");
        assert_eq!(name_of(&sort).expect("a name"), "é");
        assert!(range().contains(Key::new(RETAINED, &sort)));
    }

    #[test]
    fn what_is_malformed_or_newer_is_told_apart() {
        let good = Made { created_millis: 5, rule: None }.encode();
        for length in 0..good.len() {
            assert_eq!(Made::decode(&good[..length]).expect_err("short").kind(), ErrorKind::Corrupt);
        }
        assert_eq!(
            Made::decode(&[&good[..], b"\xFF"].concat()).expect_err("text").kind(),
            ErrorKind::Corrupt
        );
        assert_eq!(Made::decode(&[9; 9]).expect_err("newer").kind(), ErrorKind::Incompatible);
        assert_eq!(name_of(b"s\xFF").expect_err("text").kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn names_are_not_empty_nor_long_nor_numbers() {
        for name in ["a", "1a", "before the run", &"x".repeat(NAME_BYTES_MAX)] {
            check_name(name).expect("a name");
        }
        for name in ["", "17", &"x".repeat(NAME_BYTES_MAX + 1)] {
            assert_eq!(check_name(name).expect_err(name).kind(), ErrorKind::InvalidArgument);
        }
    }
}
