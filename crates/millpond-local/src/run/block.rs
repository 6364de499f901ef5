//! Data blocks: records in order, each found by its number, and by one byte of its key's hash.
//!
//! | part         |   bytes | content                                                       |
//! |--------------|--------:|---------------------------------------------------------------|
//! | checksum     |       8 | of the bytes behind it, bound to the run and the offset       |
//! | base epoch   |       8 | the epoch of the first record                                 |
//! | count        |       4 | n, the number of records, not 0                               |
//! | length       |       4 | p, bytes that all keys begin with                             |
//! | prefix       |       p | what all keys begin with                                      |
//! | fingerprints |       n | a byte of the hash of each key                                |
//! | offsets      | w (n+1) | where in the block each record begins, and the last one ends; |
//! |              |         | w is 2 in a block of less than 64 KiB, else 4                 |
//! | records      |     any | see `record`                                                  |
//! | zeros        |     any | up to where the next block is to begin                        |
//!
//! What a lookup needs first lies together at the beginning, and the block, where that wastes
//! little, ends with a page: a lookup touches a few cache lines of one page.

use std::cmp::Ordering;

use bytes::Bytes;
use millpond_core::Extent;

use super::{
    Entry, EntryRef, key_hash,
    lookup::{Source, fingerprint},
    record::{self, Record, block_seed, is_sound},
};
use crate::{
    bugs::{Bug, planted},
    identity::Identity,
    wire::{Malformed, Reader, put_varint},
};

/// No block is longer: the longest key and value and the most extents make up 2 MiB.
pub(super) const BLOCK_BYTES_MAX: usize = 4 << 20;
/// Bytes before the prefix.
pub(super) const HEAD_BYTES: usize = 24;
/// Bytes of an empty block.
pub(super) const BLOCK_BYTES_MIN: usize = HEAD_BYTES;

const CHECKSUM_BYTES: usize = 8;
/// From this length on offsets have four bytes.
const WIDE_BYTES: usize = 1 << 16;

/// What the first bytes of a block say, checked against its length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) base: u64,
    pub(super) count: usize,
    /// How many bytes all keys begin with.
    pub(super) prefix: usize,
    length: usize,
}

impl Head {
    /// Reads the head of a block of `length` bytes.
    #[inline]
    pub(super) fn decode(bytes: &[u8], length: usize) -> Result<Self, Malformed> {
        let cut_off = Malformed("a block is cut off");
        let mut reader = Reader(bytes.get(CHECKSUM_BYTES..).ok_or(cut_off)?);
        let base = reader.u64()?;
        let (count, prefix) = (reader.u32()? as usize, reader.u32()? as usize);
        let head = Self { base, count, prefix, length };
        if count == 0 || count > length || prefix > length || head.records() > length {
            return Err(Malformed("a block says that it holds what it has no room for"));
        }
        Ok(head)
    }

    /// Where the fingerprints begin.
    pub(super) fn fingerprints(&self) -> usize {
        HEAD_BYTES + self.prefix
    }

    /// Where the offsets begin.
    pub(super) fn offsets(&self) -> usize {
        self.fingerprints() + self.count
    }

    /// Bytes of an offset.
    pub(super) fn width(&self) -> usize {
        width(self.length)
    }

    /// Where the records begin.
    pub(super) fn records(&self) -> usize {
        self.offsets() + self.width() * (self.count + 1)
    }

    /// Where a record begins and ends, by its offset and the next one.
    #[inline]
    pub(super) fn decode_offsets(&self, bytes: &[u8; 8]) -> Result<(usize, usize), Malformed> {
        let [a, b, c, d, e, f, g, h] = *bytes;
        let (start, end) = match self.width() {
            2 => (u32::from(u16::from_le_bytes([a, b])), u32::from(u16::from_le_bytes([c, d]))),
            _ => (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])),
        };
        let (start, end) = (start as usize, end as usize);
        if start < self.records() || end <= start || end > self.length {
            return Err(Malformed("a record is out of place"));
        }
        Ok((start, end))
    }
}

/// Bytes of an offset in a block of `length` bytes.
pub(super) fn width(length: usize) -> usize {
    if length < WIDE_BYTES { 2 } else { 4 }
}

/// A block that was read into memory of its own and verified. Clones share the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    bytes: Bytes,
    head: Head,
}

/// A record of a [`Block`], and where it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Placed {
    place: (u32, u32),
    record: Record,
    pub(super) epoch: u64,
}

impl Block {
    /// Takes the bytes that were read at `offset` of the run.
    pub(super) fn open(bytes: Bytes, identity: &Identity, offset: u64) -> Result<Self, Malformed> {
        let (checksum, body) =
            bytes.split_first_chunk::<CHECKSUM_BYTES>().ok_or(Malformed("a block is cut off"))?;
        if identity.checksum(offset, body).to_le_bytes() != *checksum && !planted(Bug::SkipChecksums) {
            return Err(Malformed("a block of records fails its checksum"));
        }
        let head = Head::decode(&bytes, bytes.len())?;
        Ok(Self { bytes, head })
    }

    /// The memory of the block, if no one else has it.
    pub(super) fn into_memory(self) -> Option<Vec<u8>> {
        self.bytes.try_into_mut().ok().map(Vec::from)
    }

    /// How many bytes the block has.
    pub(crate) fn length(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many records there are.
    pub(super) fn count(&self) -> usize {
        self.head.count
    }

    /// What all keys begin with.
    pub(super) fn prefix(&self) -> &[u8] {
        &self.bytes[HEAD_BYTES..self.head.fingerprints()]
    }

    /// The record of that number.
    #[inline]
    pub(super) fn record(&self, number: usize) -> Result<Placed, Malformed> {
        let mut offsets = [0; 8];
        let width = self.head.width();
        self.bytes.copy(self.head.offsets() + width * number, &mut offsets[..2 * width])?;
        let (start, end) = self.head.decode_offsets(&offsets)?;
        let record = Record::parse(&self.bytes[start..end])?;
        let epoch = self.head.base.wrapping_add(record.epoch);
        Ok(Placed { place: (start as u32, end as u32), record, epoch })
    }

    /// What of the record's key comes behind the prefix.
    #[inline]
    pub(super) fn rest(&self, placed: &Placed) -> &[u8] {
        placed.record.rest(self.bytes_of(placed))
    }

    /// Appends the record's extents to `out`.
    #[inline]
    pub(super) fn extents(&self, placed: &Placed, out: &mut Vec<Extent>) -> Result<(), Malformed> {
        placed.record.extents(self.bytes_of(placed), out)
    }

    /// What the record holds; `extents` are those that it names.
    #[inline]
    pub(super) fn entry<'a>(&'a self, placed: &Placed, extents: &'a [Extent]) -> EntryRef<'a> {
        placed.record.entry(self.bytes_of(placed), extents)
    }

    /// The record's entry, whose value keeps the block alive.
    pub(super) fn entry_owned(&self, placed: &Placed, extents: &[Extent]) -> Entry {
        match self.entry(placed, extents) {
            EntryRef::Tombstone => Entry::Tombstone,
            EntryRef::Counter(sum) => Entry::Counter(sum),
            EntryRef::Damaged(place) => Entry::Damaged(place),
            EntryRef::Put { value, extents } => {
                Entry::Put { value: self.bytes.slice_ref(value), extents: extents.to_vec() }
            }
        }
    }

    /// The number of the first record at or behind the versions of `key` at `epoch` and older; the
    /// count of records if there is none.
    pub(super) fn seek(&self, key: &[u8], epoch: u64) -> Result<usize, Malformed> {
        let prefix = self.prefix();
        let rest = match key.split_at_checked(prefix.len()) {
            Some((begins, rest)) if begins == prefix => rest,
            _ => return Ok(if key < prefix { 0 } else { self.count() }),
        };
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low.midpoint(high);
            let placed = self.record(middle)?;
            let before = match self.rest(&placed).cmp(rest) {
                Ordering::Less => true,
                Ordering::Equal => placed.epoch > epoch,
                Ordering::Greater => false,
            };
            if before {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Whether lookups find the record and believe it: what only they rely on. `key` is its whole
    /// key, and `place` what checksums of the block are seeded with.
    pub(super) fn check_lookup(&self, number: usize, key: &[u8], place: u64) -> Result<(), Malformed> {
        let placed = self.record(number)?;
        if self.bytes[self.head.fingerprints() + number] != fingerprint(key_hash(key)) {
            return Err(Malformed("the fingerprint of a record isn't that of its key"));
        }
        let seed = block_seed(place, self.head.base, self.prefix());
        if !is_sound(self.bytes_of(&placed), seed, placed.place.0 as usize) {
            return Err(Malformed("a record fails its checksum"));
        }
        Ok(())
    }

    fn bytes_of(&self, placed: &Placed) -> &[u8] {
        &self.bytes[placed.place.0 as usize..placed.place.1 as usize]
    }

    /// A block for tests of what holds blocks.
    #[cfg(test)]
    pub(crate) fn of_length(length: usize) -> Self {
        Self { bytes: vec![0; length].into(), head: Head { base: 0, count: 0, prefix: 0, length } }
    }
}

/// What the checksums of the records of a block at `offset` are seeded with.
pub(super) fn place_of(identity: &Identity, offset: u64) -> u64 {
    identity.binding().wrapping_add(offset)
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

/// Puts a block together.
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    records: Vec<Pending>,
    /// The keys of all records, one behind the other, and so on.
    keys: Vec<u8>,
    heads: Vec<u8>,
    contents: Vec<u8>,
    base: u64,
    /// How many bytes all keys begin with.
    prefix: usize,
    /// How many bytes of `keys` are before the last key.
    last_key: usize,
}

/// Where the parts of a record end.
#[derive(Clone, Copy, Debug)]
struct Pending {
    key: usize,
    head: usize,
    content: usize,
    fingerprint: u8,
}

/// The most bytes that a record needs beside its key, head and content: checksum, length,
/// fingerprint and offset.
const RECORD_OVERHEAD_BYTES: usize = record::CHECKSUM_BYTES + 2 + 1 + 2;

impl BlockBuilder {
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The key of the last record, of this block or the one before.
    pub(super) fn last_key(&self) -> &[u8] {
        &self.keys[self.last_key..]
    }

    /// At most how many bytes the block would have with one record more, of which `content` is an
    /// estimate.
    pub(super) fn length_with(&self, key: &[u8], content: usize) -> usize {
        let prefix = self.records.first().map_or(key.len(), |first| {
            self.prefix.min(common_prefix(&self.keys[self.first_key()..first.key], key))
        });
        let count = self.records.len() + 1;
        let keys = self.keys.len() - self.first_key() + key.len() - count * prefix;
        let contents = self.heads.len() + self.contents.len() + content;
        HEAD_BYTES + prefix + 2 + count * RECORD_OVERHEAD_BYTES + keys + contents
    }

    /// Adds a record, which comes after those before, and whose key has that hash.
    pub(super) fn add(&mut self, key: &[u8], hash: u64, epoch: u64, entry: EntryRef<'_>) {
        if self.records.is_empty() {
            self.keys.clear();
            self.base = epoch;
            self.prefix = key.len();
        } else {
            self.prefix = self.prefix.min(common_prefix(&self.keys[..self.records[0].key], key));
        }
        self.last_key = self.keys.len();
        self.keys.extend_from_slice(key);
        record::encode_head(&mut self.heads, epoch, self.base, entry);
        record::encode_content(&mut self.contents, entry);
        self.records.push(Pending {
            key: self.keys.len(),
            head: self.heads.len(),
            content: self.contents.len(),
            fingerprint: fingerprint(hash),
        });
    }

    /// Appends the block to `out`, as the one at `offset` of the run, and begins another. It is
    /// filled up with zeros where it would end at most `fill` bytes before `end`, an offset of the
    /// run. Answers the block's length.
    pub(super) fn finish(
        &mut self,
        out: &mut Vec<u8>,
        identity: &Identity,
        offset: u64,
        (end, fill): (u64, u64),
    ) -> usize {
        let count = self.records.len();
        let rest = self.keys.len() - count * self.prefix;
        let most = HEAD_BYTES
            + self.prefix
            + count * RECORD_OVERHEAD_BYTES
            + 4 * (count + 1)
            + rest
            + self.heads.len()
            + self.contents.len()
            + fill as usize;
        let width = width(most);
        let begin = out.len();
        out.extend_from_slice(&[0; CHECKSUM_BYTES]);
        out.extend_from_slice(&self.base.to_le_bytes());
        out.extend_from_slice(&(count as u32).to_le_bytes());
        out.extend_from_slice(&(self.prefix as u32).to_le_bytes());
        out.extend_from_slice(&self.keys[..self.prefix]);
        out.extend(self.records.iter().map(|pending| pending.fingerprint));
        let offsets = out.len();
        out.resize(offsets + width * (count + 1), 0);
        let block = &out[begin..];
        let seed = block_seed(place_of(identity, offset), self.base, &block[HEAD_BYTES..][..self.prefix]);
        let (mut key, mut head, mut content) = (0, 0, 0);
        for (number, pending) in self.records.iter().enumerate() {
            let start = out.len() - begin;
            put_offset(&mut out[offsets + width * number..], start, width);
            out.extend_from_slice(&[0; record::CHECKSUM_BYTES]);
            let rest = &self.keys[key + self.prefix..pending.key];
            put_varint(out, rest.len() as u64);
            out.extend_from_slice(&self.heads[head..pending.head]);
            out.extend_from_slice(rest);
            out.extend_from_slice(&self.contents[content..pending.content]);
            record::seal(&mut out[begin..], start, seed);
            (key, head, content) = (pending.key, pending.head, pending.content);
        }
        let length = out.len() - begin;
        put_offset(&mut out[offsets + width * count..], length, width);
        out.resize(begin + filled_length(length, width, offset, (end, fill)), 0);
        let checksum = identity.checksum(offset, &out[begin + CHECKSUM_BYTES..]);
        out[begin..][..CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
        self.records.clear();
        self.heads.clear();
        self.contents.clear();
        out.len() - begin
    }

    /// Where the first key begins: behind that of the block before, as long as there is none.
    fn first_key(&self) -> usize {
        if self.records.is_empty() { self.keys.len() } else { 0 }
    }
}

/// How long a block at `offset` is whose records end after `length` bytes, and whose offsets have
/// `width` bytes; see [`BlockBuilder::finish`].
pub(super) fn filled_length(length: usize, width: usize, offset: u64, (end, fill): (u64, u64)) -> usize {
    let left = end.saturating_sub(offset + length as u64);
    let length = if left <= fill { length + left as usize } else { length };
    // It may just fall short of what its offsets were made for.
    if width == 4 { length.max(WIDE_BYTES) } else { length }
}

fn put_offset(out: &mut [u8], offset: usize, width: usize) {
    out[..width].copy_from_slice(&(offset as u32).to_le_bytes()[..width]);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::run::{
        KIND,
        lookup::{Wanted, find},
        tests::model,
    };

    fn identity() -> Identity {
        Identity::new(&KIND, Path::new("runs/1"), Uuid::from_u128(1), 1)
    }

    fn block_of(records: &model::Records, offset: u64) -> Vec<u8> {
        let mut builder = BlockBuilder::default();
        let mut most = 0;
        for (key, epoch, entry) in records {
            let entry = entry.as_ref();
            most = builder.length_with(key, content_bytes(entry));
            builder.add(key, key_hash(key), *epoch, entry);
        }
        let mut bytes = b"before".to_vec();
        let length = builder.finish(&mut bytes, &identity(), offset, (0, 0));
        assert!(length <= most || length >= WIDE_BYTES, "{length} bytes where {most} were foretold");
        bytes.split_off(6)
    }

    fn content_bytes(entry: EntryRef<'_>) -> usize {
        let (mut head, mut content) = (Vec::new(), Vec::new());
        record::encode_head(&mut head, u64::MAX, 0, entry);
        record::encode_content(&mut content, entry);
        head.len() + content.len() + 10
    }

    fn records_of(block: &Block) -> model::Records {
        let each = (0..block.count()).map(|number| {
            let placed = block.record(number).expect("a record");
            let key = [block.prefix(), block.rest(&placed)].concat();
            block.check_lookup(number, &key, place_of(&identity(), 77)).expect("lookups find it");
            let mut extents = Vec::new();
            block.extents(&placed, &mut extents).expect("extents");
            (key, placed.epoch, block.entry_owned(&placed, &extents))
        });
        each.collect()
    }

    proptest! {
        #[test]
        fn records_come_back_and_are_found(records in model::records(1..120)) {
            let bytes = block_of(&records, 77);
            let block = Block::open(bytes.into(), &identity(), 77).expect("a block");
            prop_assert_eq!(&records_of(&block), &records);
            let find = |key: &[u8], epoch| {
                let wanted = Wanted { key, hash: key_hash(key), epoch };
                find(block.bytes(), place_of(&identity(), 77), &wanted).expect("a search")
            };
            for (number, (key, epoch, _)) in records.iter().enumerate() {
                prop_assert_eq!(block.seek(key, *epoch), Ok(number));
                for at in [*epoch, epoch.saturating_sub(1), epoch.saturating_add(1)] {
                    let expected = records.iter().find(|(k, e, _)| k == key && *e <= at);
                    prop_assert_eq!(find(key, at), expected.map(|(_, epoch, entry)| (*epoch, entry.clone())));
                }
                let neighbour = [&key[..], &[0]].concat();
                let there = records.iter().any(|(key, _, _)| *key == neighbour);
                prop_assert_eq!(find(&neighbour, u64::MAX).is_some(), there);
                let behind = records.iter().position(|(other, ..)| *other >= neighbour);
                prop_assert_eq!(block.seek(&neighbour, u64::MAX), Ok(behind.unwrap_or(records.len())));
            }
        }

        #[test]
        fn any_bytes_decode_or_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0..9u8) {
            if bytes.len() >= HEAD_BYTES {
                bytes[CHECKSUM_BYTES + 8..HEAD_BYTES].fill(0);
                (bytes[CHECKSUM_BYTES + 8], bytes[HEAD_BYTES - 4]) = (count, count / 2);
            }
            if let Some((checksum, body)) = bytes.split_first_chunk_mut::<CHECKSUM_BYTES>() {
                *checksum = identity().checksum(0, body).to_le_bytes();
            }
            if let Ok(block) = Block::open(bytes.into(), &identity(), 0) {
                let _ = block.seek(b"key", 7);
                for number in 0..block.count() {
                    if let Ok(placed) = block.record(number) {
                        let _ = (block.extents(&placed, &mut Vec::new()), block.rest(&placed));
                        prop_assert!(block.check_lookup(number, b"key", 0).is_err());
                    }
                }
            }
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

    /// What a mapped file may do to a block that was verified.
    #[test]
    fn a_bit_that_flips_after_the_block_was_verified_is_an_error_or_hides_a_record() {
        let records: model::Records = (0..40u64)
            .map(|number| {
                let value = Bytes::from(vec![number as u8; 50]);
                (format!("key-{number:03}").into_bytes(), 7, Entry::Put { value, extents: Vec::new() })
            })
            .collect();
        let bytes = block_of(&records, 48);
        let mut errors = 0;
        for bit in 8 * CHECKSUM_BYTES..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            for (key, epoch, entry) in &records {
                let wanted = Wanted { key, hash: key_hash(key), epoch: u64::MAX };
                match find(&flipped[..], place_of(&identity(), 48), &wanted) {
                    Ok(None) => {}
                    Ok(Some(found)) => assert_eq!(found, (*epoch, entry.clone()), "bit {bit}"),
                    Err(_) => errors += 1,
                }
            }
        }
        assert!(errors > 8 * 50 * 40, "{errors} errors");
    }

    #[test]
    fn a_block_is_filled_up_where_little_is_missing() {
        let mut builder = BlockBuilder::default();
        let mut lengths = Vec::new();
        for (end, fill) in [(0, 256), (1000, 256), (300, 256)] {
            builder.add(b"key", key_hash(b"key"), 1, EntryRef::Put { value: &[7; 100], extents: &[] });
            lengths.push(builder.finish(&mut Vec::new(), &identity(), 48, (end, fill)));
        }
        assert_eq!(lengths, [lengths[0], lengths[0], 252]);
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
