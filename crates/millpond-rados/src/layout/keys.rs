//! The keys of a container's omap.
//!
//! | key                                       | value            | meaning                                     |
//! |-------------------------------------------|------------------|---------------------------------------------|
//! | `a.head`                                  | [`head`]         | the newest epoch; every commit replaces it  |
//! | `a.horizon`, `a.retained`                 | [`retention`]    | which past epochs are readable              |
//! | `a.ident`                                 | JSON             | how the container was created               |
//! | `r` partition `01 01` sort `01 01`        | [`record`]       | the newest version of a record              |
//! | `h` partition `01 01` sort `01 01` version| [`record`]       | a superseded version                        |
//! | `l` epoch `.` part                        | [`log`]          | a batch of commits, and what it superseded  |
//! | `p` partition `01 01`                     | epoch            | the last change of a partition              |
//! | `d` segment                               | time             | owned by superseded versions that are gone  |
//! | `g` segment                               | time             | condemned: no commit may name it any more   |
//!
//! librados takes keys that end with a NUL, so that ours have none: in partitions and sort keys, `00`
//! is written as `01 02` and `01` as `01 03`, which keeps their order. Numbers are 16 hexadecimal
//! digits; the version of a superseded record is counted down from the greatest number, so that newer
//! versions come first.
//!
//! [`head`]: super::head
//! [`retention`]: super::retention
//! [`record`]: super::record
//! [`log`]: super::log

use std::ops::Bound;

use millpond_core::{Epoch, Key, SegmentId};

use super::wire::Malformed;

pub(crate) const HEAD: &[u8] = b"a.head";
pub(crate) const HORIZON: &[u8] = b"a.horizon";
pub(crate) const RETAINED: &[u8] = b"a.retained";
pub(crate) const IDENT: &[u8] = b"a.ident";

pub(crate) const RECORDS: u8 = b'r';
pub(crate) const HISTORY: u8 = b'h';
pub(crate) const LOG: u8 = b'l';
pub(crate) const PARTITIONS: u8 = b'p';
pub(crate) const DEAD: u8 = b'd';
pub(crate) const CONDEMNED: u8 = b'g';

const TERMINATOR: [u8; 2] = [1, 1];
/// Sorts after every hexadecimal digit.
const AFTER_DIGITS: u8 = b'z';
const DIGITS: usize = 16;

/// Appends `bytes` without NULs, in the same order.
fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for &byte in bytes {
        match byte {
            0 => out.extend_from_slice(&[1, 2]),
            1 => out.extend_from_slice(&[1, 3]),
            _ => out.push(byte),
        }
    }
}

/// Takes an escaped string and its terminator off the front of `bytes`.
fn unescape(bytes: &mut &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    loop {
        match rest.next() {
            Some(1) => match rest.next() {
                Some(1) => {
                    *bytes = rest.as_slice();
                    return Ok(out);
                }
                Some(2) => out.push(0),
                Some(3) => out.push(1),
                _ => return Err(Malformed("its key is malformed")),
            },
            Some(&byte) => out.push(byte),
            None => return Err(Malformed("its key is cut off")),
        }
    }
}

/// What all the keys of a kind begin with, in a partition.
pub(crate) fn prefix(kind: u8, partition: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(partition.len() + 8);
    out.push(kind);
    escape(&mut out, partition);
    out.extend_from_slice(&TERMINATOR);
    out
}

/// The key of a record, or what the keys of its superseded versions begin with.
pub(crate) fn of_key(kind: u8, key: Key<'_>) -> Vec<u8> {
    let mut out = prefix(kind, key.partition);
    escape(&mut out, key.sort);
    out.extend_from_slice(&TERMINATOR);
    out
}

/// The key of a superseded version of the record whose key is `record`.
pub(crate) fn history(record: &[u8], version: Epoch) -> Vec<u8> {
    let mut out = record.to_vec();
    out[0] = HISTORY;
    out.extend_from_slice(number(u64::MAX - version.0).as_bytes());
    out
}

/// What sorts before the superseded versions of a record up to `epoch`, and after the later ones.
pub(crate) fn before_version(record: &[u8], epoch: Epoch) -> Vec<u8> {
    match epoch.0.checked_add(1) {
        Some(next) => history(record, Epoch(next)),
        None => [&[HISTORY], &record[1..]].concat(),
    }
}

/// Behind the key of a record without its kind, what sorts after all its superseded versions.
pub(crate) const BEHIND_VERSIONS: &[u8] = &[AFTER_DIGITS];

/// The key of a record, or of the record whose superseded version a key of the history names,
/// without its kind.
pub(crate) fn without_kind(kind: u8, key: &[u8]) -> Result<&[u8], Malformed> {
    let version = if kind == HISTORY { DIGITS } else { 0 };
    let end = key.len().checked_sub(version).filter(|end| *end > 0);
    end.map(|end| &key[1..end]).ok_or(Malformed("its key is cut off"))
}

/// Partition and sort key, in one piece, in the key of a record without its kind.
pub(crate) fn concat_of(record: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut rest = record;
    let mut concat = unescape(&mut rest)?;
    concat.append(&mut unescape(&mut rest)?);
    if rest.is_empty() { Ok(concat) } else { Err(Malformed("its key is malformed")) }
}

/// The sort key in the key of a record, behind the partition's prefix.
pub(crate) fn sort_of(prefix_len: usize, key: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut rest = key.get(prefix_len..).unwrap_or_default();
    let sort = unescape(&mut rest)?;
    if rest.is_empty() { Ok(sort) } else { Err(Malformed("its key is malformed")) }
}

/// The sort key and the version in the key of a superseded version.
pub(crate) fn sort_and_version_of(prefix_len: usize, key: &[u8]) -> Result<(Vec<u8>, Epoch), Malformed> {
    let mut rest = key.get(prefix_len..).unwrap_or_default();
    let sort = unescape(&mut rest)?;
    Ok((sort, Epoch(u64::MAX - parse_number(rest)?)))
}

/// The partition in a key, and how long its prefix is.
pub(crate) fn partition_of(key: &[u8]) -> Result<(Vec<u8>, usize), Malformed> {
    let mut rest = key.get(1..).unwrap_or_default();
    let partition = unescape(&mut rest)?;
    Ok((partition, key.len() - rest.len()))
}

/// The version in the key of a superseded version.
pub(crate) fn history_version(key: &[u8]) -> Result<Epoch, Malformed> {
    let digits = &key[key.len().saturating_sub(DIGITS)..];
    Ok(Epoch(u64::MAX - parse_number(digits)?))
}

/// What a listing of a partition's keys of a kind begins after, so that the first one is that of
/// `start`.
pub(crate) fn after(kind: u8, partition: &[u8], start: Bound<&[u8]>) -> Vec<u8> {
    let mut out = prefix(kind, partition);
    let sort = match start {
        // The prefix itself is no key.
        Bound::Unbounded => return out,
        Bound::Included(sort) | Bound::Excluded(sort) => sort,
    };
    escape(&mut out, sort);
    // Before the terminator there is nothing that begins with the sort key, so that with half of
    // it, the listing begins just there.
    out.push(TERMINATOR[0]);
    if matches!(start, Bound::Excluded(_)) {
        out.push(TERMINATOR[1]);
        if kind == HISTORY {
            out.push(AFTER_DIGITS);
        }
    }
    out
}

/// The key of a part of a batch of commits that ended with `epoch`.
pub(crate) fn log(epoch: Epoch, part: usize) -> Vec<u8> {
    format!("{}{}.{part:04x}", char::from(LOG), number(epoch.0)).into_bytes()
}

/// The epoch and the part in a key of the log.
pub(crate) fn parse_log(key: &[u8]) -> Result<(Epoch, usize), Malformed> {
    let malformed = Malformed("its key is malformed");
    let (epoch, part) = key.get(1..).and_then(|rest| rest.split_at_checked(DIGITS)).ok_or(malformed)?;
    let part = part.strip_prefix(b".").and_then(|part| std::str::from_utf8(part).ok()).ok_or(malformed)?;
    Ok((Epoch(parse_number(epoch)?), usize::from_str_radix(part, 16).map_err(|_| malformed)?))
}

/// The key of a mark on a segment.
pub(crate) fn of_segment(kind: u8, segment: SegmentId) -> Vec<u8> {
    format!("{}{}", char::from(kind), number(segment.0)).into_bytes()
}

/// The segment in the key of a mark.
pub(crate) fn segment_of(key: &[u8]) -> Result<SegmentId, Malformed> {
    parse_number(key.get(1..).unwrap_or_default()).map(SegmentId)
}

fn number(number: u64) -> String {
    format!("{number:016x}")
}

fn parse_number(digits: &[u8]) -> Result<u64, Malformed> {
    std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.len() == DIGITS)
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or(Malformed("its key has no number"))
}

/// A key as a message names it.
pub(crate) fn shown(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SORTS: &[&[u8]] = &[
        b"",
        b"\0",
        b"\0\0",
        b"\0\x01",
        b"\0\x02",
        b"\0\xFF",
        b"\x01",
        b"\x01\0",
        b"\x01\x01",
        b"\x01\x02",
        b"\x02",
        b"a",
        b"a\0",
        b"a\x01",
        b"a\x02",
        b"ab",
        b"b",
        b"\xFF",
        b"\xFF\0",
        b"\xFF\xFF",
    ];

    #[test]
    fn the_order_of_keys_is_that_of_sort_keys_and_none_has_a_nul() {
        let keys: Vec<_> = SORTS.iter().map(|sort| of_key(RECORDS, Key::new(b"p\0\x01", sort))).collect();
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(keys.iter().all(|key| !key.contains(&0)));
        let start = prefix(RECORDS, b"p\0\x01");
        for (key, sort) in keys.iter().zip(SORTS) {
            assert!(key.starts_with(&start));
            assert_eq!(sort_of(start.len(), key).as_deref(), Ok(*sort));
            assert_eq!(partition_of(key), Ok((b"p\0\x01".to_vec(), start.len())));
        }
    }

    #[test]
    fn a_listing_begins_just_at_its_start() {
        for kind in [RECORDS, HISTORY] {
            let keys: Vec<_> = SORTS
                .iter()
                .map(|sort| of_key(RECORDS, Key::new(b"p", sort)))
                .map(|key| if kind == HISTORY { history(&key, Epoch(7)) } else { key })
                .collect();
            for (at, sort) in SORTS.iter().enumerate() {
                let first = |start| {
                    let after = after(kind, b"p", start);
                    keys.iter().position(|key| **key > *after).unwrap_or(keys.len())
                };
                assert_eq!(first(Bound::Included(*sort)), at, "{sort:?}");
                assert_eq!(first(Bound::Excluded(*sort)), at + 1, "{sort:?}");
                assert_eq!(first(Bound::Unbounded), 0);
            }
        }
    }

    #[test]
    fn newer_versions_come_first() {
        let record = of_key(RECORDS, Key::new(b"p", b"a\0"));
        let versions = [u64::MAX - 1, 300, 20, 1].map(Epoch);
        let keys = versions.map(|version| history(&record, version));
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
        let start = prefix(HISTORY, b"p").len();
        for (key, version) in keys.iter().zip(versions) {
            assert_eq!(sort_and_version_of(start, key), Ok((b"a\0".to_vec(), version)));
            assert_eq!(history_version(key), Ok(version));
            assert!(before_version(&record, version) < *key);
            assert!(before_version(&record, Epoch(version.0 - 1)) >= *key);
        }
    }

    #[test]
    fn marks_and_log_keys_come_back() {
        assert_eq!(segment_of(&of_segment(DEAD, SegmentId(99))), Ok(SegmentId(99)));
        assert_eq!(parse_log(&log(Epoch(77), 3)), Ok((Epoch(77), 3)));
        assert!(parse_log(b"l12").is_err() && segment_of(b"d").is_err());
    }
}
