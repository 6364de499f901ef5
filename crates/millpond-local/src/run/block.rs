//! Data blocks: records in order, each key without what it shares with the one before.
//!
//! Invariant: every 16th record is a restart, which holds its whole key, so that a search can
//! begin there.
//!
//! | part       | bytes | content                                                  |
//! |------------|------:|----------------------------------------------------------|
//! | base epoch |     8 | the epoch of the first record                            |
//! | records    |   any | see below                                                |
//! | restarts   |   4 n | where in the block each restart begins                   |
//! | count      |     4 | n                                                        |
//! | checksum   |     8 | of the bytes before, bound to the run and the offset     |
//!
//! A record, where `v` is a variable-length number and `z` a signed one:
//!
//! | part    | bytes | content                                                         |
//! |---------|------:|-----------------------------------------------------------------|
//! | shared  |     v | bytes that the key shares with the one before; 0 in a restart   |
//! | length  |     v | bytes of the rest of the key                                    |
//! | rest    |length | the rest of the key                                             |
//! | epoch   |     z | the record's epoch, less the base epoch                         |
//! | tag     |     v | 0 tombstone, 1 counter, 2 put, 3 put with extents; + 4 × size   |
//! | size    |     v | of a put with extents: the bytes of the extents                 |
//! | content |   any | of a counter `z`; of a put the value (of `size` bytes), then    |
//! |         |       | the extents: segment `v`, offset `v` and length `v` of each; of |
//! |         |       | a tombstone of size 1, which stands for a value that was lost,  |
//! |         |       | the log file `v` and the offset in it `v`                       |

use std::{cmp::Ordering, ops::Range};

use bytes::Bytes;
use millpond_core::{Extent, SegmentId};

use super::{Entry, EntryRef};
use crate::{
    bugs::{Bug, planted},
    identity::Identity,
    log::LogPlace,
    wire::{Malformed, Reader, put_varint},
};

/// Where a block ends, unless its first record is longer.
pub(super) const BLOCK_BYTES: usize = 4096;
/// No block is longer: the longest key and value and the most extents make up 2 MiB.
pub(super) const BLOCK_BYTES_MAX: usize = 4 << 20;
/// Records from one restart to the next.
const RESTART_RECORDS: usize = 16;

const BASE_BYTES: usize = 8;
const COUNT_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 8;
/// Bytes of an empty block.
pub(super) const BLOCK_BYTES_MIN: usize = BASE_BYTES + COUNT_BYTES + CHECKSUM_BYTES;

const TOMBSTONE: u64 = 0;
const COUNTER: u64 = 1;
const PUT: u64 = 2;
const PUT_WITH_EXTENTS: u64 = 3;
/// A tombstone of size 1.
const DAMAGED: u64 = TOMBSTONE | 1 << 2;

/// A block that was read and verified. Clones share the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    bytes: Bytes,
    base: u64,
    records_end: u32,
    restarts: u32,
}

/// Where in its block a record is, and what it says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    /// Where the next record begins.
    pub(super) next: usize,
    /// Bytes of the key that are the previous record's.
    pub(super) shared: usize,
    rest: (u32, u32),
    pub(super) epoch: u64,
    content: Content,
}

#[derive(Clone, Copy, Debug, Default)]
enum Content {
    #[default]
    Tombstone,
    Counter(i64),
    Damaged(LogPlace),
    Put {
        value: (u32, u32),
        extents: (u32, u32),
    },
}

/// How a search in a block ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lookup {
    Found(Record),
    /// There is no such record in the run.
    Absent,
    /// All records of the block come before; the next block may hold it.
    Beyond,
}

impl Block {
    /// Takes the bytes that were read at `offset` of the run.
    pub(super) fn open(bytes: Bytes, identity: &Identity, offset: u64) -> Result<Self, Malformed> {
        let cut_off = Malformed("a block is cut off");
        let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(cut_off)?;
        if identity.checksum(offset, body).to_le_bytes() != *checksum && !planted(Bug::SkipChecksums) {
            return Err(Malformed("a block of records fails its checksum"));
        }
        let (body, restarts) = body.split_last_chunk::<COUNT_BYTES>().ok_or(cut_off)?;
        let restarts = u32::from_le_bytes(*restarts);
        let restart_bytes = usize::try_from(restarts).ok().and_then(|count| count.checked_mul(4));
        let records_end = restart_bytes.and_then(|bytes| body.len().checked_sub(bytes)).ok_or(cut_off)?;
        let base = u64::from_le_bytes(*body.first_chunk::<BASE_BYTES>().ok_or(cut_off)?);
        let records_end = u32::try_from(records_end).map_err(|_| cut_off)?;
        let block = Self { base, records_end, restarts, bytes };
        let mut previous = 0;
        for number in 0..restarts as usize {
            let place = block.restart(number);
            if place <= previous || place >= records_end as usize {
                return Err(Malformed("a restart of a block is out of place"));
            }
            previous = place;
        }
        if restarts == 0 || block.restart(0) != BASE_BYTES {
            return Err(Malformed("a block has no first restart"));
        }
        Ok(block)
    }

    /// How many bytes the block has.
    pub(crate) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Where the first record begins.
    pub(super) fn first(&self) -> usize {
        BASE_BYTES
    }

    /// Where the records end.
    pub(super) fn end(&self) -> usize {
        self.records_end as usize
    }

    pub(super) fn restart_count(&self) -> usize {
        self.restarts as usize
    }

    /// Where a restart begins.
    pub(super) fn restart(&self, number: usize) -> usize {
        let at = self.end() + 4 * number;
        self.bytes[at..].first_chunk().map_or(0, |place| u32::from_le_bytes(*place) as usize)
    }

    /// The restart whose interval holds what begins at `place`.
    pub(super) fn interval_of(&self, place: usize) -> usize {
        partition(self.restart_count(), |number| Ok(self.restart(number) <= place)).unwrap_or(0).max(1) - 1
    }

    /// The last restart before the versions of `key` at `epoch` and older, or the first one.
    pub(super) fn interval_before(&self, key: &[u8], epoch: u64) -> Result<usize, Malformed> {
        let before = |number| {
            let record = self.record(self.restart(number))?;
            Ok(match self.rest(&record).cmp(key) {
                Ordering::Less => true,
                Ordering::Equal => record.epoch > epoch,
                Ordering::Greater => false,
            })
        };
        Ok(partition(self.restart_count(), before)?.max(1) - 1)
    }

    /// The newest version of `key` that is no newer than `epoch`.
    pub(super) fn find(&self, key: &[u8], epoch: u64) -> Result<Lookup, Malformed> {
        let mut place = self.restart(self.interval_before(key, epoch)?);
        // How many bytes of `key` the record before began with. It came before `key`, so one that
        // shares more with it comes before too, and one that shares less comes after.
        let mut matched = 0;
        while place < self.end() {
            let record = self.record(place)?;
            place = record.next;
            if record.shared == 0 {
                matched = 0;
            }
            match record.shared.cmp(&matched) {
                Ordering::Greater => {}
                Ordering::Less => return Ok(Lookup::Absent),
                Ordering::Equal => {
                    let rest = self.rest(&record);
                    let wanted = &key[matched..];
                    let common = common_prefix(rest, wanted);
                    matched += common;
                    match (rest.get(common), wanted.get(common)) {
                        (None, None) if record.epoch <= epoch => return Ok(Lookup::Found(record)),
                        (None, _) => {}
                        (Some(_), None) => return Ok(Lookup::Absent),
                        (Some(have), Some(want)) if have > want => return Ok(Lookup::Absent),
                        (Some(_), Some(_)) => {}
                    }
                }
            }
        }
        Ok(Lookup::Beyond)
    }

    /// The record that begins at `place`.
    #[inline]
    pub(super) fn record(&self, place: usize) -> Result<Record, Malformed> {
        let end = self.end();
        let bytes = self.bytes.get(place..end).ok_or(Malformed("a record is out of place"))?;
        let mut reader = Reader(bytes);
        let at = |reader: &Reader<'_>| (end - reader.0.len()) as u32;
        let shared = small(&mut reader)?;
        let length = small(&mut reader)?;
        let rest = (at(&reader), length as u32);
        reader.bytes(length)?;
        let epoch = self.base.wrapping_add(unzigzag(reader.varint()?) as u64);
        let tag = reader.varint()?;
        let size = usize::try_from(tag >> 2).map_err(|_| Malformed("a length is out of range"))?;
        let content = match tag & 3 {
            TOMBSTONE if size == 0 => Content::Tombstone,
            TOMBSTONE => Content::Damaged(LogPlace { file: reader.varint()?, offset: reader.varint()? }),
            COUNTER => Content::Counter(unzigzag(reader.varint()?)),
            kind => {
                let extents_length = if kind == PUT { 0 } else { reader.length()? };
                let value = (at(&reader), size as u32);
                reader.bytes(size)?;
                let extents = (at(&reader), extents_length as u32);
                reader.bytes(extents_length)?;
                Content::Put { value, extents }
            }
        };
        Ok(Record { next: end - reader.0.len(), shared, rest, epoch, content })
    }

    /// What of the record's key is its own.
    #[inline]
    pub(super) fn rest(&self, record: &Record) -> &[u8] {
        &self.bytes[range(record.rest)]
    }

    /// Appends the record's extents to `out`.
    #[inline]
    pub(super) fn extents(&self, record: &Record, out: &mut Vec<Extent>) -> Result<(), Malformed> {
        let Content::Put { extents, .. } = record.content else { return Ok(()) };
        let mut reader = Reader(&self.bytes[range(extents)]);
        while !reader.is_empty() {
            let segment = SegmentId(reader.varint()?);
            out.push(Extent { segment, offset: reader.varint()?, length: reader.varint()? });
        }
        Ok(())
    }

    /// The record's entry.
    pub(super) fn entry<'a>(&'a self, record: &Record, extents: &'a [Extent]) -> EntryRef<'a> {
        match record.content {
            Content::Tombstone => EntryRef::Tombstone,
            Content::Counter(sum) => EntryRef::Counter(sum),
            Content::Damaged(place) => EntryRef::Damaged(place),
            Content::Put { value, .. } => EntryRef::Put { value: &self.bytes[range(value)], extents },
        }
    }

    /// The record's entry, which keeps the block alive.
    pub(super) fn entry_owned(&self, record: &Record, extents: Vec<Extent>) -> Entry {
        match record.content {
            Content::Tombstone => Entry::Tombstone,
            Content::Counter(sum) => Entry::Counter(sum),
            Content::Damaged(place) => Entry::Damaged(place),
            Content::Put { value, .. } => Entry::Put { value: self.bytes.slice(range(value)), extents },
        }
    }

    /// A block for tests of what holds blocks.
    #[cfg(test)]
    pub(crate) fn of_length(length: usize) -> Self {
        Self { bytes: vec![0; length].into(), base: 0, records_end: 0, restarts: 0 }
    }
}

/// Puts a block together.
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    bytes: Vec<u8>,
    restarts: Vec<u32>,
    records: usize,
    base: u64,
    key: Vec<u8>,
    extents: Vec<u8>,
}

impl BlockBuilder {
    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// How many bytes the block has so far.
    pub(super) fn length(&self) -> usize {
        self.bytes.len() + 4 * self.restarts.len() + COUNT_BYTES + CHECKSUM_BYTES
    }

    /// The key of the last record.
    pub(super) fn last_key(&self) -> &[u8] {
        &self.key
    }

    /// Adds a record, which comes after those before.
    pub(super) fn add(&mut self, key: &[u8], epoch: u64, entry: EntryRef<'_>) {
        if self.records == 0 {
            self.base = epoch;
            self.bytes.extend_from_slice(&epoch.to_le_bytes());
        }
        let mut shared = 0;
        if self.records.is_multiple_of(RESTART_RECORDS) {
            self.restarts.push(self.bytes.len() as u32);
        } else {
            shared = common_prefix(&self.key, key);
        }
        self.records += 1;
        self.key.truncate(shared);
        self.key.extend_from_slice(&key[shared..]);

        let out = &mut self.bytes;
        put_varint(out, shared as u64);
        put_varint(out, (key.len() - shared) as u64);
        out.extend_from_slice(&key[shared..]);
        put_varint(out, zigzag(epoch.wrapping_sub(self.base) as i64));
        match entry {
            EntryRef::Tombstone => put_varint(out, TOMBSTONE),
            EntryRef::Damaged(place) => {
                put_varint(out, DAMAGED);
                put_varint(out, place.file);
                put_varint(out, place.offset);
            }
            EntryRef::Counter(sum) => {
                put_varint(out, COUNTER);
                put_varint(out, zigzag(sum));
            }
            EntryRef::Put { value, extents: [] } => {
                put_varint(out, PUT | (value.len() as u64) << 2);
                out.extend_from_slice(value);
            }
            EntryRef::Put { value, extents } => {
                self.extents.clear();
                for extent in extents {
                    put_varint(&mut self.extents, extent.segment.0);
                    put_varint(&mut self.extents, extent.offset);
                    put_varint(&mut self.extents, extent.length);
                }
                put_varint(out, PUT_WITH_EXTENTS | (value.len() as u64) << 2);
                put_varint(out, self.extents.len() as u64);
                out.extend_from_slice(value);
                out.extend_from_slice(&self.extents);
            }
        }
    }

    /// Appends the block to `out`, as the one at `offset` of the run, and begins another. Answers
    /// the block's length.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>, identity: &Identity, offset: u64) -> usize {
        for restart in &self.restarts {
            self.bytes.extend_from_slice(&restart.to_le_bytes());
        }
        self.bytes.extend_from_slice(&(self.restarts.len() as u32).to_le_bytes());
        let checksum = identity.checksum(offset, &self.bytes);
        self.bytes.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(&self.bytes);
        let length = self.bytes.len();
        self.bytes.clear();
        self.restarts.clear();
        self.records = 0;
        length
    }
}

/// How many bytes both begin with.
pub(super) fn common_prefix(left: &[u8], right: &[u8]) -> usize {
    let mut count = 0;
    let (left_words, right_words) = (left.chunks_exact(8), right.chunks_exact(8));
    for (left, right) in left_words.zip(right_words) {
        if left != right {
            break;
        }
        count += 8;
    }
    count + left[count..].iter().zip(&right[count..]).take_while(|(left, right)| left == right).count()
}

/// The first number below `count` of which `before` does not hold.
fn partition(count: usize, before: impl Fn(usize) -> Result<bool, Malformed>) -> Result<usize, Malformed> {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low.midpoint(high);
        if before(middle)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// A length that is mostly below 128.
#[inline]
fn small(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    match reader.0 {
        [byte, rest @ ..] if *byte < 0x80 => {
            reader.0 = rest;
            Ok(usize::from(*byte))
        }
        _ => reader.length(),
    }
}

fn range((start, length): (u32, u32)) -> Range<usize> {
    start as usize..start as usize + length as usize
}

fn zigzag(number: i64) -> u64 {
    (number.wrapping_shl(1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::run::{KIND, tests::model};

    fn identity() -> Identity {
        Identity::new(&KIND, Path::new("runs/1"), Uuid::from_u128(1), 1)
    }

    fn block_of(records: &model::Records, offset: u64) -> Vec<u8> {
        let mut builder = BlockBuilder::default();
        for (key, epoch, entry) in records {
            builder.add(key, *epoch, entry.as_ref());
        }
        let mut bytes = Vec::new();
        let expected = builder.length();
        assert_eq!(builder.finish(&mut bytes, &identity(), offset), expected);
        bytes
    }

    fn records_of(block: &Block) -> model::Records {
        let (mut place, mut key, mut records) = (block.first(), Vec::new(), Vec::new());
        while place < block.end() {
            let record = block.record(place).expect("a record");
            key.truncate(record.shared);
            key.extend_from_slice(block.rest(&record));
            let mut extents = Vec::new();
            block.extents(&record, &mut extents).expect("extents");
            records.push((key.clone(), record.epoch, block.entry_owned(&record, extents)));
            place = record.next;
        }
        records
    }

    proptest! {
        #[test]
        fn records_come_back_and_are_found(records in model::records(1..120)) {
            let bytes = block_of(&records, 77);
            let block = Block::open(bytes.into(), &identity(), 77).expect("a block");
            prop_assert_eq!(&records_of(&block), &records);
            for (key, epoch, _) in &records {
                for at in [*epoch, epoch.saturating_sub(1), epoch.saturating_add(1)] {
                    let expected = records.iter().find(|(k, e, _)| k == key && *e <= at);
                    match block.find(key, at).expect("a search") {
                        Lookup::Found(record) => {
                            prop_assert_eq!(Some(record.epoch), expected.map(|found| found.1));
                        }
                        Lookup::Absent | Lookup::Beyond => prop_assert!(expected.is_none()),
                    }
                }
                let neighbour = [&key[..], &[0]].concat();
                let there = records.iter().any(|(key, _, _)| *key == neighbour);
                let found = matches!(block.find(&neighbour, u64::MAX), Ok(Lookup::Found(_)));
                prop_assert_eq!(found, there);
            }
        }

        #[test]
        fn any_bytes_decode_or_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let checksum = identity().checksum(0, &bytes);
            bytes.extend_from_slice(&checksum.to_le_bytes());
            if let Ok(block) = Block::open(bytes.into(), &identity(), 0) {
                let _ = block.find(b"key", 7);
                let mut place = block.first();
                while let Ok(record) = block.record(place) {
                    let _ = block.extents(&record, &mut Vec::new());
                    prop_assert!(record.next > place);
                    place = record.next;
                }
            }
        }

        #[test]
        fn signed_numbers_come_back(number: i64) {
            prop_assert_eq!(unzigzag(zigzag(number)), number);
        }
    }

    #[test]
    fn a_flipped_bit_or_another_place_is_seen() {
        let put = Entry::Put { value: Bytes::from_static(b"value"), extents: Vec::new() };
        let bytes = block_of(&vec![(b"key".to_vec(), 9, put)], 48);
        Block::open(bytes.clone().into(), &identity(), 48).expect("a block");
        assert!(Block::open(bytes.clone().into(), &identity(), 49).is_err());
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Block::open(flipped.into(), &identity(), 48).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Block::open(bytes[..length].to_vec().into(), &identity(), 48).is_err());
        }
    }

    #[test]
    fn common_prefixes() {
        for (left, right, expected) in [
            (&b"abcdefghij"[..], &b"abcdefghix"[..], 9),
            (b"abcdefgh", b"abcdefgh", 8),
            (b"abcdefgh", b"abcdefghi", 8),
            (b"", b"a", 0),
            (b"xbcdefgh", b"abcdefgh", 0),
        ] {
            assert_eq!(common_prefix(left, right), expected);
        }
    }
}
