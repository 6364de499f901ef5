//! The index of a run whose own, or the footer that leads to it, is damaged: made from the blocks.
//!
//! Each block says where its records end, and its checksum is bound to its place in this run: what
//! verifies is a block of it, and says where the next one begins. Where none verifies, the next one
//! is searched for, and what lies between is lost: the index has it as a block that can't be read,
//! which holds every key that isn't proven to be elsewhere.
//!
//! Without a footer nothing says where the blocks end. They do where the bytes of the index that was
//! made stand in the file before the footer's place: then the blocks that were found are all of them.

use bytes::Bytes;
use millpond_core::Result;

use super::{
    block::{BLOCK_BYTES_MAX, Block, HEAD_BYTES, Head, filled_length},
    footer::{FOOTER_BYTES, Footer},
    index::{Index, IndexBuilder, Sizes, bound_between},
    parts::Parts,
    writer::{KEY_BYTES_MAX, block_ends},
};
use crate::{identity::HEADER_BYTES, wire::Malformed};

/// Bytes to read at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Rebuilt {
    pub(super) index: Index,
    /// Numbers of the blocks of the index that stand for what was lost.
    pub(super) lost: Vec<usize>,
    /// What the footer said, or would have. The places of filter and index mean nothing.
    pub(super) footer: Footer,
}

/// Makes the index of a run of `length` bytes, whose footer is that, if it can be read.
pub(super) fn rebuild(parts: Parts<'_>, footer: Option<&Footer>, length: u64) -> Result<Rebuilt> {
    let start = HEADER_BYTES as u64;
    let end = footer.map_or(length, |footer| footer.filter.offset).max(start);
    let mut is_whole = footer.is_some();
    let mut search = Search { parts, end, window: Bytes::new(), window_at: 0 };
    let mut found = Found::default();
    let mut at = start;
    while at < end {
        if let Some(block) = search.block(at)? {
            at += block.length() as u64;
            found.add(&block).map_err(|what| parts.identity.corrupt(at, what))?;
            continue;
        }
        if footer.is_none() && found.is_all(parts, at, length)? {
            is_whole = true;
            break;
        }
        let mut next = at + 1;
        while next < end && search.block(next)?.is_none() {
            next += 1;
        }
        found.lose((next - at) as usize);
        at = next;
    }
    if !is_whole {
        // Behind what there is of the file, there may have been more.
        found.lose(1);
        at += 1;
    }
    let any_lost = !found.lost.is_empty();
    let (first_key, last_key, lost) = (found.first_key(), found.last_key(), found.lost.clone());
    // At least as many: a run without records would be one without keys.
    let records = found.records + u64::from(any_lost);
    let own = Footer {
        records,
        keys: records,
        // What was lost may be of any epoch.
        epoch_min: if any_lost { 0 } else { found.epoch_min },
        epoch_max: if any_lost { u64::MAX } else { found.epoch_max },
        ..Footer::default()
    };
    let footer = footer.copied().unwrap_or(own);
    let bytes = found.entries(footer.epoch_max).finish(&first_key, &last_key);
    let index = Index::decode(&bytes, start, at, Sizes { min: 1, max: usize::MAX })
        .map_err(|what| parts.identity.corrupt(at, what))?;
    Ok(Rebuilt { index, lost, footer })
}

/// Looks for blocks in a file.
struct Search<'a> {
    parts: Parts<'a>,
    /// Where blocks end at the latest.
    end: u64,
    window: Bytes,
    window_at: u64,
}

impl Search<'_> {
    /// The block that begins at `at`, if one does.
    fn block(&mut self, at: u64) -> Result<Option<Block>> {
        for width in [2, 4] {
            let Some(length) = self.length(at, width)? else { continue };
            let Some(bytes) = self.bytes(at, length)? else { continue };
            if let Ok(block) = Block::open(bytes, self.parts.identity, at) {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    /// How long a block at `at` would be whose offsets have `width` bytes.
    fn length(&mut self, at: u64, width: usize) -> Result<Option<usize>> {
        let Some(head) = self.bytes(at, HEAD_BYTES)? else { return Ok(None) };
        let Ok(head) = Head::decode(&head, BLOCK_BYTES_MAX) else { return Ok(None) };
        // The last offset is where the records end.
        let Some(offset) = self.bytes(at + (head.offsets() + width * head.count) as u64, width)? else {
            return Ok(None);
        };
        let mut end = [0; 4];
        end[..width].copy_from_slice(&offset);
        let end = u32::from_le_bytes(end) as usize;
        if end < head.offsets() + width * (head.count + 1) || end > BLOCK_BYTES_MAX {
            return Ok(None);
        }
        Ok(Some(filled_length(end, width, at, block_ends(at))))
    }

    /// Bytes of the file, if there are as many.
    fn bytes(&mut self, at: u64, length: usize) -> Result<Option<Bytes>> {
        if at + length as u64 > self.end {
            return Ok(None);
        }
        let (from, to) = (self.window_at, self.window_at + self.window.len() as u64);
        if at < from || at + length as u64 > to {
            let count = length.max(WINDOW_BYTES).min((self.end - at) as usize);
            self.window = self.parts.read(at, count)?.into();
            self.window_at = at;
        }
        let begin = (at - self.window_at) as usize;
        Ok(Some(self.window.slice(begin..begin + length)))
    }
}

/// What was found so far.
#[derive(Clone, Default)]
struct Found {
    blocks: Vec<Part>,
    /// Numbers of the blocks that stand for what was lost.
    lost: Vec<usize>,
    records: u64,
    epoch_min: u64,
    epoch_max: u64,
}

/// A block that was found, or what was lost between two of them.
#[derive(Clone)]
struct Part {
    length: usize,
    found: Option<Ends>,
}

/// What the index says of a block.
#[derive(Clone)]
struct Ends {
    epoch_max: u64,
    first_key: Vec<u8>,
    last_key: Vec<u8>,
}

impl Found {
    fn add(&mut self, block: &Block) -> Result<(), Malformed> {
        let key = |place| Ok([block.prefix(), block.rest(&block.record(place)?)].concat());
        let (mut least, mut greatest) = (u64::MAX, 0);
        for place in 0..block.count() {
            let epoch = block.record(place)?.epoch;
            (least, greatest) = (least.min(epoch), greatest.max(epoch));
        }
        self.epoch_min = if self.records == 0 { least } else { self.epoch_min.min(least) };
        self.epoch_max = self.epoch_max.max(greatest);
        self.records += block.count() as u64;
        let ends = Ends { epoch_max: greatest, first_key: key(0)?, last_key: key(block.count() - 1)? };
        self.blocks.push(Part { length: block.length(), found: Some(ends) });
        Ok(())
    }

    fn lose(&mut self, length: usize) {
        self.lost.push(self.blocks.len());
        self.blocks.push(Part { length, found: None });
    }

    /// Whether the index of what was found stands in a file of that length where it would if this were
    /// all, with a filter behind the blocks, which end at `at`.
    fn is_all(&self, parts: Parts<'_>, at: u64, length: u64) -> Result<bool> {
        if !self.lost.is_empty() || self.blocks.is_empty() {
            return Ok(false);
        }
        let bytes = self.entries(0).finish(&self.first_key(), &self.last_key());
        let place = length.checked_sub((FOOTER_BYTES + bytes.len()) as u64).filter(|place| *place > at);
        match place {
            Some(place) => Ok(parts.read(place, bytes.len())? == bytes),
            None => Ok(false),
        }
    }

    /// The least key that there may be.
    fn first_key(&self) -> Vec<u8> {
        self.blocks
            .first()
            .and_then(|part| part.found.as_ref())
            .map(|ends| ends.first_key.clone())
            .unwrap_or_default()
    }

    /// The greatest key that there may be.
    fn last_key(&self) -> Vec<u8> {
        match self.blocks.last() {
            Some(Part { found: Some(ends), .. }) => ends.last_key.clone(),
            Some(_) => vec![0xFF; KEY_BYTES_MAX],
            None => Vec::new(),
        }
    }

    /// The entries of the index; what was lost may be as new as `epoch_max`.
    fn entries(&self, epoch_max: u64) -> IndexBuilder {
        let last_key = self.last_key();
        let mut builder = IndexBuilder::default();
        for (number, part) in self.blocks.iter().enumerate() {
            let next = self.blocks.get(number + 1);
            let next_key = next.and_then(|next| next.found.as_ref()).map(|next| &next.first_key[..]);
            let bound = match (&part.found, next_key) {
                (Some(ends), Some(next)) => bound_between(&ends.last_key, next),
                (Some(ends), None) => &ends.last_key,
                // Its last key may be the next block's first one, in a newer version.
                (None, next) => next.unwrap_or(&last_key),
            };
            builder.add(part.length, part.found.as_ref().map_or(epoch_max, |ends| ends.epoch_max), bound);
        }
        builder
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, ops::Bound};

    use millpond_core::{Damage, Epoch, ErrorKind};
    use millpond_testkit::random::{Random, test_seed};

    use super::super::tests::{Place, current, found, model, numbered};
    use crate::verification::Walk;

    /// Overwrites a part of the file, after which everything is right, or an error; answers how many
    /// records are hidden.
    fn hidden_by(place: &Place, records: &model::Records, damage: &[(usize, usize)]) -> usize {
        let intact = fs::read(&place.path).expect("the file");
        let mut bytes = intact.clone();
        for (at, length) in damage {
            let end = (at + length).min(bytes.len());
            bytes[*at..end].iter_mut().for_each(|byte| *byte ^= 0x5A);
        }
        fs::write(&place.path, &bytes).expect("written");
        let run = place.open().expect("it opens");
        let mut hidden = 0;
        for (key, epoch, _) in records {
            match run.get(key, Epoch(*epoch)) {
                Ok(answer) => assert_eq!(answer, found(records, key, *epoch), "{damage:?}"),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                    hidden += 1;
                }
            }
            assert!(run.may_contain(key));
        }
        let (mut cursor, mut errors) = (run.cursor(), 0);
        let mut step = cursor.seek(Bound::Unbounded);
        loop {
            match step {
                Ok(true) => assert!(records.contains(&current(&cursor)), "{damage:?}"),
                Ok(false) => break,
                Err(_) => errors += 1,
            }
            step = cursor.next();
        }
        assert_eq!(hidden > 0, errors > 0, "{damage:?}");
        let mut reported = 0;
        run.verify(&mut Walk::new(&mut |_: Damage| reported += 1)).expect("verified");
        assert!(reported >= errors, "{damage:?}: {reported} are reported of {errors}");
        fs::write(&place.path, &intact).expect("written");
        hidden
    }

    #[test]
    fn a_run_without_its_index_or_its_footer_is_read() {
        for count in [1, 2, 160, 3000] {
            let records = numbered(count);
            let place = Place::new();
            place.write(&records);
            let length = fs::metadata(&place.path).expect("a file").len() as usize;
            // The footer, the end of the index, the header, and both ends.
            for damage in
                [&[(length - 60, 1)][..], &[(length - 105, 1)], &[(3, 40)], &[(3, 40), (length - 5, 1)]]
            {
                assert_eq!(hidden_by(&place, &records, damage), 0, "{count} records, {damage:?}");
            }
        }
    }

    #[test]
    fn a_damaged_block_hides_itself_without_an_index_too() {
        let records = numbered(3000);
        let place = Place::new();
        place.write(&records);
        let length = fs::metadata(&place.path).expect("a file").len() as usize;
        let mut random = Random::new(test_seed(1));
        for _ in 0..30 {
            let block = (48 + random.index(length / 2), 1 + random.index(600));
            // Two blocks and a key of their neighbour are the most.
            let hidden = hidden_by(&place, &records, &[block, (length - 105, 1)]);
            assert!((1..150).contains(&hidden), "{hidden} are hidden");
            // Without the footer nothing says where the blocks end, and no key is behind the last one.
            let hidden = hidden_by(&place, &records, &[block, (length - 60, 1)]);
            assert!((1..150).contains(&hidden), "{hidden} are hidden");
        }
    }
}
