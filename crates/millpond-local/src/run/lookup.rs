//! Finds one key in a block, wherever the block is: in memory that is ours, or in a mapped file.
//!
//! Invariant: nothing is read in place. What may change under a reader (a mapped file) is copied
//! first, and what is returned was checked on the copy. Every length and offset is checked before it
//! is used, whatever the bytes say.
//!
//! A lookup reads the first bytes of the block, in which the fingerprints of its keys are, then the
//! offset and the record of each key whose fingerprint fits: in most cases of one.

use std::{cmp::Ordering, ops::Range};

use bytes::Bytes;

use super::{
    Entry, EntryRef,
    block::{HEAD_BYTES, Head},
    record::{Record, block_seed, is_sound},
};
use crate::{
    bugs::{Bug, planted},
    wire::Malformed,
};

/// Bytes from the beginning of a block that are read at once: in most blocks they have all
/// fingerprints.
const WINDOW_BYTES: usize = 128;

/// Longer records need memory of their own.
const RECORD_BYTES: usize = 256;

/// A block to copy from.
pub(super) trait Source {
    /// How many bytes the block has.
    fn length(&self) -> usize;

    /// Copies what begins at `at`.
    fn copy(&self, at: usize, into: &mut [u8]) -> Result<(), Malformed>;
}

impl Source for [u8] {
    fn length(&self) -> usize {
        self.len()
    }

    #[inline]
    fn copy(&self, at: usize, into: &mut [u8]) -> Result<(), Malformed> {
        let from = at.checked_add(into.len()).and_then(|end| self.get(at..end));
        into.copy_from_slice(from.ok_or(Malformed("a block names a place that it doesn't have"))?);
        Ok(())
    }
}

/// What to find: the newest version of `key` that is no newer than `epoch`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) key: &'a [u8],
    /// See [`key_hash`](super::key_hash).
    pub(super) hash: u64,
    pub(super) epoch: u64,
}

/// Looks for a version in one block; `place` is what checksums of the block are seeded with.
#[inline]
pub(super) fn find<S: Source + ?Sized>(
    source: &S,
    place: u64,
    wanted: &Wanted<'_>,
) -> Result<Option<(u64, Entry)>, Malformed> {
    let mut window = [0; WINDOW_BYTES];
    let in_window = source.length().min(WINDOW_BYTES);
    source.copy(0, &mut window[..in_window])?;
    let head = Head::decode(&window[..in_window], source.length())?;
    let Some((prefix, rest)) = wanted.key.split_at_checked(head.prefix) else { return Ok(None) };
    if !begins_with(source, &window[..in_window], prefix)? {
        return Ok(None);
    }
    let seed = block_seed(place, head.base, prefix);
    let fingerprint = fingerprint(wanted.hash);
    let (mut at, end) = (head.fingerprints(), head.fingerprints() + head.count);
    let mut chunk = window;
    let mut have = in_window.min(end).saturating_sub(at);
    if have > 0 {
        chunk.copy_within(at..at + have, 0);
    }
    let mut number = 0;
    while at < end {
        if have == 0 {
            have = (end - at).min(WINDOW_BYTES);
            source.copy(at, &mut chunk[..have])?;
        }
        let mut from = 0;
        while let Some(place) = position(&chunk[from..have], fingerprint) {
            from += place + 1;
            let found = candidate(source, &head, seed, number + from - 1, rest, wanted.epoch)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        number += have;
        at += have;
        have = 0;
    }
    Ok(None)
}

/// The number of the first record of a block that doesn't come before `key`, or, `behind` it, that comes after
/// all of its versions. `place` is what checksums of the block are seeded with. It is known to be among
/// `within`, or right behind, if that is given.
pub(super) fn position_of<S: Source + ?Sized>(
    source: &S,
    place: u64,
    (key, behind): (&[u8], bool),
    within: Option<Range<usize>>,
) -> Result<usize, Malformed> {
    let mut window = [0; WINDOW_BYTES];
    let in_window = source.length().min(WINDOW_BYTES);
    source.copy(0, &mut window[..in_window])?;
    let head = Head::decode(&window[..in_window], source.length())?;
    let mut long = Vec::new();
    let prefix = match window[..in_window].get(HEAD_BYTES..HEAD_BYTES + head.prefix) {
        Some(prefix) => prefix,
        None => {
            long.resize(head.prefix, 0);
            source.copy(HEAD_BYTES, &mut long)?;
            &long[..]
        }
    };
    let rest = match key.split_at_checked(prefix.len()) {
        Some((begins, rest)) if begins == prefix => rest,
        _ => return Ok(if key < prefix { 0 } else { head.count }),
    };
    let seed = block_seed(place, head.base, prefix);
    let within = within.unwrap_or(0..head.count);
    let (mut low, mut high) = (within.start, within.end.min(head.count));
    while low < high {
        let middle = low.midpoint(high);
        let order =
            with_record(source, &head, seed, middle, |record, bytes| Ok(record.rest(bytes).cmp(rest)))?;
        if order == Ordering::Less || (behind && order == Ordering::Equal) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Whether the block's keys begin with `prefix`, which is as long as what they begin with.
#[inline]
fn begins_with<S: Source + ?Sized>(source: &S, window: &[u8], prefix: &[u8]) -> Result<bool, Malformed> {
    if let Some(bytes) = window.get(HEAD_BYTES..HEAD_BYTES + prefix.len()) {
        return Ok(bytes == prefix);
    }
    let mut bytes = vec![0; prefix.len()];
    source.copy(HEAD_BYTES, &mut bytes)?;
    Ok(bytes == prefix)
}

/// Reads record `number`, whose fingerprint fits; answers it if it is a version that is wanted.
#[inline]
fn candidate<S: Source + ?Sized>(
    source: &S,
    head: &Head,
    seed: u64,
    number: usize,
    rest: &[u8],
    epoch: u64,
) -> Result<Option<(u64, Entry)>, Malformed> {
    with_record(source, head, seed, number, |record, bytes| {
        let own = head.base.wrapping_add(record.epoch);
        if record.rest(bytes) != rest || own > epoch {
            return Ok(None);
        }
        let mut extents = Vec::new();
        record.extents(bytes, &mut extents)?;
        Ok(Some((
            own,
            match record.entry(bytes, &[]) {
                EntryRef::Put { value, .. } => Entry::Put { value: Bytes::copy_from_slice(value), extents },
                EntryRef::Tombstone => Entry::Tombstone,
                EntryRef::Counter(sum) => Entry::Counter(sum),
                EntryRef::Damaged(place) => Entry::Damaged(place),
            },
        )))
    })
}

/// What `with` makes of record `number` and its bytes, which were verified on a copy.
#[inline]
fn with_record<S: Source + ?Sized, T>(
    source: &S,
    head: &Head,
    seed: u64,
    number: usize,
    with: impl FnOnce(&Record, &[u8]) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let mut offsets = [0; 8];
    let width = head.width();
    source.copy(head.offsets() + width * number, &mut offsets[..2 * width])?;
    let (start, end) = head.decode_offsets(&offsets)?;
    let mut short = [0; RECORD_BYTES];
    let mut long = Vec::new();
    let bytes = match short.get_mut(..end - start) {
        Some(short) => short,
        None => {
            long.resize(end - start, 0);
            &mut long[..]
        }
    };
    source.copy(start, bytes)?;
    if !is_sound(bytes, seed, start) && !planted(Bug::SkipChecksums) {
        return Err(Malformed("a record fails its checksum"));
    }
    with(&Record::parse(bytes)?, bytes)
}

/// The fingerprint of a key of this hash.
#[inline]
pub(super) fn fingerprint(hash: u64) -> u8 {
    (hash >> 24) as u8
}

/// The first place of `byte`; eight bytes are compared at a time.
#[inline]
fn position(bytes: &[u8], byte: u8) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let zeros = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        // The lowest bit set is that of the first byte that is zero.
        let found = zeros.wrapping_sub(ONES) & !zeros & (ONES << 7);
        if found != 0 {
            return Some(8 * number + found.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|other| *other == byte).map(|place| 8 * words.len() + place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_byte_is_found_where_it_is_first(bytes in prop::collection::vec(0..4u8, 0..40), byte in 0..4u8) {
            let expected = bytes.iter().position(|other| *other == byte);
            prop_assert_eq!(position(&bytes, byte), expected);
        }

        #[test]
        fn any_bytes_are_searched_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), key: Vec<u8>) {
            let wanted = Wanted { key: &key, hash: 7, epoch: u64::MAX };
            let found = find(&bytes[..], 1, &wanted);
            prop_assert!(!matches!(found, Ok(Some(_))), "no record of these has its checksum");
        }
    }
}
