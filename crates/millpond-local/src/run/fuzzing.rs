//! The decoders of a run's parts, for fuzzers. Each takes the bytes as they are, and with a right
//! checksum behind them, which chance doesn't find.

use std::path::Path;

use bytes::Bytes;
use uuid::Uuid;

use super::{
    KIND,
    block::{Block, place_of},
    filter::{Filter, FilterBytes},
    footer::Footer,
    index::{Index, Sizes},
    key_hash,
    lookup::{Wanted, find},
};
use crate::identity::Identity;

const OFFSET: u64 = 48;

fn identity() -> Identity {
    Identity::new(&KIND, Path::new("a run"), Uuid::from_u128(1), 1)
}

fn sealed(bytes: &[u8], offset: u64) -> Vec<u8> {
    [bytes, &identity().checksum(offset, bytes).to_le_bytes()].concat()
}

/// A block of records, without its checksum.
pub(crate) fn block(bytes: &[u8]) {
    let _ = Block::open(Bytes::copy_from_slice(bytes), &identity(), OFFSET);
    let sealed = [&identity().checksum(OFFSET, bytes).to_le_bytes(), bytes].concat();
    let Ok(block) = Block::open(Bytes::from(sealed), &identity(), OFFSET) else { return };
    for number in 0..block.count().min(10_000) {
        let Ok(record) = block.record(number) else { return };
        let mut extents = Vec::new();
        if block.extents(&record, &mut extents).is_ok() {
            let _ = block.entry_owned(&record, &extents);
        }
        let key = [block.prefix(), block.rest(&record)].concat();
        for epoch in [0, record.epoch, u64::MAX] {
            let _ = block.seek(&key, epoch);
            let wanted = Wanted { key: &key, hash: key_hash(&key), epoch };
            if let Ok(Some((found, _))) = find(block.bytes(), place_of(&identity(), OFFSET), &wanted) {
                assert!(found <= epoch);
            }
        }
        let _ = block.check_lookup(number, &key, place_of(&identity(), OFFSET));
    }
}

/// An index of blocks.
pub(crate) fn index(bytes: &[u8]) {
    let end = OFFSET + 4 * 4096;
    let Ok(index) = Index::decode(bytes, OFFSET, end, Sizes { min: 1, max: 1 << 20 }) else { return };
    let mut offset = OFFSET;
    for number in 0..index.count() {
        let (begins, length) = index.place(number);
        assert_eq!(begins, offset, "blocks lie one behind the other");
        offset += length as u64;
        let bound = index.bound(number);
        assert!(index.find(&bound) <= number && index.find_after(&bound) <= index.count());
        let _ = index.epoch_max(number);
    }
    assert_eq!(offset, end, "they fill their place");
    let _ = (index.first_key(), index.last_key());
}

/// A filter of keys.
pub(crate) fn filter(bytes: &[u8]) {
    let decoded = Filter::new(FilterBytes::Own(bytes.to_vec()));
    assert_eq!(decoded.is_some(), !bytes.is_empty() && bytes.len().is_multiple_of(32));
    for key in [&b""[..], b"key", bytes] {
        let _ = decoded.as_ref().map(|filter| filter.may_contain(key_hash(key)));
    }
}

/// A footer.
pub(crate) fn footer(bytes: &[u8]) {
    for file_length in [0, 200, 1 << 20] {
        let _ = Footer::decode(bytes, &identity(), file_length);
        let Some(offset) = u64::checked_sub(file_length, bytes.len() as u64 + 8) else { continue };
        if let Ok(footer) = Footer::decode(&sealed(bytes, offset), &identity(), file_length) {
            let end = footer.index.offset + footer.index.length;
            assert!(end <= file_length, "its parts lie in the file");
        }
    }
}

/// Valid inputs of each.
#[cfg(test)]
pub(crate) fn samples() -> [(&'static str, Vec<Vec<u8>>); 4] {
    use std::sync::Arc;

    use millpond_core::{Epoch, Extent, SegmentId};

    use super::{EntryRef, RunId, RunWriter};
    use crate::media::{Media, SystemMedia};

    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("run");
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    let mut writer = RunWriter::create(&media, &path, RunId(1), Uuid::from_u128(1), 100).expect("a writer");
    let extent = Extent { segment: SegmentId(1 << 40), offset: 48, length: 5000 };
    for number in 0..100u64 {
        let key = format!("partition/{number:04}");
        let mut add = |epoch, entry| writer.add(key.as_bytes(), Epoch(epoch), entry).expect("added");
        match number % 4 {
            0 => add(number + 1, EntryRef::Put { value: &[7; 150], extents: &[] }),
            1 => add(number + 1, EntryRef::Put { value: b"long", extents: &[extent] }),
            2 => add(number + 1, EntryRef::Counter(-5)),
            _ => {
                add(number + 1, EntryRef::Tombstone);
                add(number, EntryRef::Put { value: b"older", extents: &[] });
            }
        }
    }
    writer.finish().expect("written");
    let file = std::fs::read(&path).expect("read");
    let footer = &file[file.len() - super::footer::FOOTER_BYTES..];
    let decoded = Footer::decode(footer, &identity(), file.len() as u64).expect("a footer");
    let section = |offset: u64, length: u64| file[offset as usize..(offset + length) as usize].to_vec();
    let index = section(decoded.index.offset, decoded.index.length);
    let sizes = Sizes { min: 1, max: 1 << 20 };
    let blocks = Index::decode(&index, OFFSET, decoded.filter.offset, sizes).expect("an index");
    let (offset, length) = blocks.place(0);
    // Without the checksum, which is put before it.
    let block = section(offset + 8, length as u64 - 8);
    // For the place that the fuzzer's blocks fill.
    let mut builder = super::index::IndexBuilder::default();
    for number in 0..4u8 {
        builder.add(4096, 9, &[number]);
    }
    [
        ("run_block", vec![block]),
        ("run_index", vec![index, builder.finish(b"", b"last")]),
        ("run_filter", vec![section(decoded.filter.offset, decoded.filter.length)]),
        ("run_footer", vec![footer[..footer.len() - 8].to_vec(), footer.to_vec()]),
    ]
}
