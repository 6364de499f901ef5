//! What a transaction wrote and memory has no room for: sorted, in a segment that no record will own.
//!
//! A crash leaves bytes there that nothing leads to, which the backend takes back; an end of the
//! transaction gives them up. Nobody but this process ever reads them, so that their layout isn't a
//! format. In a block, records follow each other:
//!
//! | bytes | content                                                          |
//! |------:|------------------------------------------------------------------|
//! | 2     | bytes in the key                                                 |
//! | 1     | of these, bytes in the partition                                 |
//! | 8     | the number of the change                                         |
//! | 4     | the place of its tally among the counters and one, or zero       |
//! | 1     | 0: put, 1: delete, 2: adjust                                     |
//! |       | the key                                                          |
//! | 4 + 4 | of a put: bytes in the value, number of extents                  |
//! |       | of a put: the value, and 24 bytes an extent                      |
//! | 8     | of an adjustment: by how much                                    |
//!
//! Versions of one key follow each other, the newest first, in one block.

use std::ops::{Bound, RangeBounds};

use bytes::{Buf, Bytes};
use fastbloom::BloomFilter;
use millpond_core::{Direction, Error, ErrorKind, Extent, Result, SegmentId, SegmentWriter, Segments};

use super::buffer::{Change, Version};

/// Bytes of a block, about: what is read to find a key.
const BLOCK_BYTES: usize = 16 << 10;

/// Of so many keys that a chunk doesn't hold, one is looked for in it.
const FALSE_POSITIVES: f64 = 0.01;

/// A version of a key, as a chunk holds it.
#[derive(Clone, Debug)]
pub(super) struct Spilled {
    pub(super) key: Vec<u8>,
    /// Bytes of the key that are its partition.
    pub(super) partition: usize,
    pub(super) tally: Option<usize>,
    pub(super) version: Version,
}

/// A sorted piece of what a transaction wrote.
#[derive(Debug)]
pub(super) struct Chunk {
    keys: usize,
    extents: Vec<Extent>,
    blocks: Vec<Block>,
    filter: BloomFilter,
}

#[derive(Debug)]
struct Block {
    first: Vec<u8>,
    offset: u64,
    length: usize,
}

impl Chunk {
    /// Writes versions in the order of their keys, those of one key the newest first.
    pub(super) fn write<'a>(
        writer: &mut dyn SegmentWriter,
        keys: usize,
        versions: impl Iterator<Item = (&'a [u8], usize, Option<usize>, &'a Version)>,
    ) -> Result<Self> {
        let mut filter = BloomFilter::with_false_pos(FALSE_POSITIVES).expected_items(keys.max(1));
        let mut blocks: Vec<Block> = Vec::new();
        let mut buffer = Vec::with_capacity(2 * BLOCK_BYTES);
        let mut last: &[u8] = &[];
        let mut offset = 0;
        let mut first: Option<Vec<u8>> = None;
        for (key, partition, tally, version) in versions {
            if buffer.len() >= BLOCK_BYTES && key != last {
                writer.append(&buffer)?;
                blocks.push(Block { first: first.take().unwrap_or_default(), offset, length: buffer.len() });
                offset += buffer.len() as u64;
                buffer.clear();
            }
            first.get_or_insert_with(|| key.to_vec());
            filter.insert(key);
            encode(&mut buffer, key, partition, tally, version);
            last = key;
        }
        if let Some(first) = first {
            writer.append(&buffer)?;
            blocks.push(Block { first, offset, length: buffer.len() });
        }
        Ok(Self { keys, extents: writer.finish()?, blocks, filter })
    }

    /// How many keys it holds.
    pub(super) fn keys(&self) -> usize {
        self.keys
    }

    /// Whether a key may be in this chunk.
    pub(super) fn may_hold(&self, key: &[u8]) -> bool {
        self.filter.contains(key)
    }

    /// The version of a key that a view of number `at` shows, if it is in this chunk.
    pub(super) fn get(&self, segments: &dyn Segments, key: &[u8], at: u64) -> Result<Option<Spilled>> {
        if !self.may_hold(key) {
            return Ok(None);
        }
        let Some(place) = self.block_of(key) else { return Ok(None) };
        let mut block = self.load(segments, place)?;
        while let Some(spilled) = decode(&mut block)? {
            if spilled.key == key && spilled.version.number <= at {
                return Ok(Some(spilled));
            }
            if spilled.key.as_slice() > key {
                break;
            }
        }
        Ok(None)
    }

    /// Up to `most` keys of a range with their version as of `at`, from its start or, backward, from
    /// its end.
    pub(super) fn page(
        &self,
        segments: &dyn Segments,
        (start, end): (Bound<&[u8]>, Bound<&[u8]>),
        direction: Direction,
        at: u64,
        most: usize,
    ) -> Result<Vec<Spilled>> {
        let (first, last) = self.blocks_between(start, end);
        let mut page: Vec<Spilled> = Vec::new();
        let blocks: Box<dyn Iterator<Item = usize>> = match direction {
            Direction::Forward => Box::new(first..last),
            Direction::Backward => Box::new((first..last).rev()),
        };
        for place in blocks {
            let mut found: Vec<Spilled> = Vec::new();
            let mut block = self.load(segments, place)?;
            while let Some(spilled) = decode(&mut block)? {
                let is_shown = spilled.version.number <= at
                    && is_between(&spilled.key, start, end)
                    && found.last().is_none_or(|before| before.key != spilled.key);
                if is_shown {
                    found.push(spilled);
                }
            }
            if direction == Direction::Backward {
                found.reverse();
            }
            page.append(&mut found);
            if page.len() >= most {
                page.truncate(most);
                break;
            }
        }
        Ok(page)
    }

    /// Whether a key of a range has a version after that number.
    pub(super) fn changed_since(
        &self,
        segments: &dyn Segments,
        (start, end): (Bound<&[u8]>, Bound<&[u8]>),
        number: u64,
    ) -> Result<bool> {
        let (first, last) = self.blocks_between(start, end);
        for place in first..last {
            let mut block = self.load(segments, place)?;
            while let Some(spilled) = decode(&mut block)? {
                if spilled.version.number > number && is_between(&spilled.key, start, end) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The blocks that may hold keys of a range: from the first one to before the second.
    fn blocks_between(&self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> (usize, usize) {
        let first = match start {
            Bound::Included(key) | Bound::Excluded(key) => self.block_of(key).unwrap_or(0),
            Bound::Unbounded => 0,
        };
        let last = match end {
            Bound::Included(key) | Bound::Excluded(key) => self.block_of(key).map_or(0, |place| place + 1),
            Bound::Unbounded => self.blocks.len(),
        };
        (first, last)
    }

    /// The block that would hold a key.
    fn block_of(&self, key: &[u8]) -> Option<usize> {
        self.blocks.partition_point(|block| block.first.as_slice() <= key).checked_sub(1)
    }

    fn load(&self, segments: &dyn Segments, place: usize) -> Result<Bytes> {
        let Some(block) = self.blocks.get(place) else { return Ok(Bytes::new()) };
        let mut bytes = vec![0; block.length];
        let mut rest = &mut bytes[..];
        let mut skip = block.offset;
        for extent in &self.extents {
            if skip >= extent.length {
                skip -= extent.length;
                continue;
            }
            let here = rest.len().min((extent.length - skip) as usize);
            let (into, behind) = rest.split_at_mut(here);
            segments.read(extent, skip, into)?;
            rest = behind;
            skip = 0;
            if rest.is_empty() {
                return Ok(bytes.into());
            }
        }
        Err(malformed())
    }
}

/// Walks over the newest versions of a chunk.
pub(super) struct ChunkCursor<'a> {
    chunk: &'a Chunk,
    segments: &'a dyn Segments,
    /// The block to load next.
    place: usize,
    block: Bytes,
    last: Vec<u8>,
}

impl<'a> ChunkCursor<'a> {
    pub(super) fn new(chunk: &'a Chunk, segments: &'a dyn Segments) -> Self {
        Self { chunk, segments, place: 0, block: Bytes::new(), last: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Result<Option<Spilled>> {
        loop {
            while let Some(spilled) = decode(&mut self.block)? {
                if spilled.key != self.last {
                    self.last.clone_from(&spilled.key);
                    return Ok(Some(spilled));
                }
            }
            if self.place == self.chunk.blocks.len() {
                return Ok(None);
            }
            self.block = self.chunk.load(self.segments, self.place)?;
            self.place += 1;
        }
    }
}

fn is_between(key: &[u8], start: Bound<&[u8]>, end: Bound<&[u8]>) -> bool {
    RangeBounds::<[u8]>::contains(&(start, end), key)
}

fn encode(out: &mut Vec<u8>, key: &[u8], partition: usize, tally: Option<usize>, version: &Version) {
    out.extend_from_slice(&(key.len() as u16).to_le_bytes());
    out.push(partition as u8);
    out.extend_from_slice(&version.number.to_le_bytes());
    out.extend_from_slice(&tally.map_or(0, |place| place as u32 + 1).to_le_bytes());
    out.push(match version.change {
        Change::Put { .. } => 0,
        Change::Delete => 1,
        Change::Adjust(_) => 2,
    });
    out.extend_from_slice(key);
    match &version.change {
        Change::Put { value, extents } => {
            out.extend_from_slice(&(value.len() as u32).to_le_bytes());
            out.extend_from_slice(&(extents.len() as u32).to_le_bytes());
            out.extend_from_slice(value);
            for extent in extents {
                out.extend_from_slice(&extent.segment.0.to_le_bytes());
                out.extend_from_slice(&extent.offset.to_le_bytes());
                out.extend_from_slice(&extent.length.to_le_bytes());
            }
        }
        Change::Delete => {}
        Change::Adjust(delta) => out.extend_from_slice(&delta.to_le_bytes()),
    }
}

fn decode(block: &mut Bytes) -> Result<Option<Spilled>> {
    if block.is_empty() {
        return Ok(None);
    }
    let mut parse = || {
        let length = usize::from(block.try_get_u16_le().ok()?);
        let partition = usize::from(block.try_get_u8().ok()?);
        let number = block.try_get_u64_le().ok()?;
        let tally = (block.try_get_u32_le().ok()? as usize).checked_sub(1);
        let kind = block.try_get_u8().ok()?;
        let key = take(block, length)?;
        let change = match kind {
            0 => {
                let value = block.try_get_u32_le().ok()? as usize;
                let count = block.try_get_u32_le().ok()? as usize;
                let value = take(block, value)?;
                let mut extents = take(block, count.checked_mul(24)?)?;
                let extents = (0..count).map(|_| Extent {
                    segment: SegmentId(extents.get_u64_le()),
                    offset: extents.get_u64_le(),
                    length: extents.get_u64_le(),
                });
                Change::Put { value, extents: extents.collect() }
            }
            1 => Change::Delete,
            2 => Change::Adjust(block.try_get_i64_le().ok()?),
            _ => return None,
        };
        let version = Version { number, change };
        (partition <= length).then(|| Spilled { key: key.to_vec(), partition, tally, version })
    };
    parse().map(Some).ok_or_else(malformed)
}

fn take(block: &mut Bytes, length: usize) -> Option<Bytes> {
    (block.len() >= length).then(|| block.split_to(length))
}

fn malformed() -> Error {
    Error::new(ErrorKind::Corrupt, "what a transaction had written to disk came back damaged: run it again")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn change() -> impl Strategy<Value = Change> {
        let extent = (any::<u64>(), any::<u64>(), any::<u64>())
            .prop_map(|(segment, offset, length)| Extent { segment: SegmentId(segment), offset, length });
        let put = (proptest::collection::vec(any::<u8>(), 0..50), proptest::collection::vec(extent, 0..3));
        prop_oneof![
            put.prop_map(|(value, extents)| Change::Put { value: value.into(), extents }),
            Just(Change::Delete),
            any::<i64>().prop_map(Change::Adjust),
        ]
    }

    proptest! {
        #[test]
        fn records_come_back(
            key in proptest::collection::vec(any::<u8>(), 1..100),
            tally in proptest::option::of(0..1000usize),
            number in any::<u64>(),
            change in change(),
        ) {
            let partition = key.len() / 2;
            let version = Version { number, change };
            let mut bytes = Vec::new();
            encode(&mut bytes, &key, partition, tally, &version);
            let mut block = Bytes::from(bytes);
            let back = decode(&mut block).expect("well-formed").expect("a record");
            prop_assert_eq!((&back.key, back.partition, back.tally), (&key, partition, tally));
            prop_assert_eq!(back.version.number, number);
            prop_assert_eq!(back.version.change, version.change);
            prop_assert!(decode(&mut block).expect("the end").is_none());
        }

        #[test]
        fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut block = Bytes::from(bytes);
            while let Ok(Some(_)) = decode(&mut block) {}
        }
    }
}
