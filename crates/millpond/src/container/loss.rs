//! Values that are lost: a repair puts a marker in the place of each, and forgetting deletes the markers,
//! or makes holes of those in arrays (see `object/lost.rs`).
//!
//! Invariant: a marker takes the place of exactly the version whose bytes were found damaged, and were
//! still so when they were read once more. What others put meanwhile stays, and so do older versions,
//! which snapshots show.

use std::{collections::BTreeMap, ops::Bound};

use millpond_core::{
    At, Cursor, Direction, ErrorKind, Extent, Key, KeyRange, Op, Outcome, Owner, Precondition, RecordRef,
    Result, View, Write,
};

use super::{Container, damage::Damage};
use crate::{
    blobs,
    bugs::{Bug, planted},
    layout::{self, COUNT, Listing, NamedKind, ObjectId, RAW_BYTES, STORED_BYTES},
    object::{LostBytes, RecordKey, forgotten_value},
    snapshot::decode::{UserKey, decode, partition_of},
    value::{Stored, put_lost},
};

/// Damages one behind the other after which an object is left alone.
const UNREADABLE_MAX: usize = 1000;

/// Bytes that are read again at once, to see whether they are lost.
const PART_BYTES: u64 = 1 << 20;

/// Bytes of what a marker says, at most.
const MARKER_BYTES_MAX: usize = 1000;

/// Puts markers in the place of what `damages` took; answers what they stand for.
pub(super) fn mark(container: &Container, damages: &[Damage]) -> Result<Vec<Damage>> {
    let mut lost: BTreeMap<&[u8], Vec<&Damage>> = BTreeMap::new();
    for damage in damages {
        match &damage.owner {
            Some(Owner::Value { key, .. }) => lost.entry(key).or_default().push(damage),
            // Elsewhere, a record may come back whole from another copy.
            Some(Owner::Key(key)) if damage.place.starts_with("log/") => {
                lost.entry(key).or_default().push(damage);
            }
            _ => {}
        }
    }
    let mut marked = Vec::new();
    for (key, damages) in lost {
        let Some(first) = damages.first() else { continue };
        let what = if mark_one(container, key, &damages)? || mark_unreadable(container, key, first)? {
            "the value is lost: a marker was put in its place"
        } else if mark_records(container, key, &damages)? {
            "records of the array are lost: markers were put in their place"
        } else {
            continue;
        };
        marked.push(Damage { what: what.to_owned(), ..(*first).clone() });
    }
    Ok(marked)
}

fn mark_one(container: &Container, key: &[u8], damages: &[&Damage]) -> Result<bool> {
    let Some((partition, sort)) = partition_of(key).filter(|_| has_stored_value(key)) else {
        return Ok(false);
    };
    let key = Key::new(partition, sort);
    // What can't be read has its own damage.
    let Ok(Some(record)) = container.index()?.get(key) else { return Ok(false) };
    let reference = RecordRef { version: record.version, value: &record.value, extents: &record.extents };
    let Ok(stored @ (Stored::Long(_) | Stored::LongCoded(..))) = Stored::parse(reference) else {
        return Ok(false);
    };
    let length = stored.stored_length();
    let mut what = String::new();
    for damage in damages {
        let Some(Owner::Value { extent, bytes, .. }) = &damage.owner else { continue };
        if record.extents.contains(extent) && is_lost(container, extent)? {
            let part = format!("bytes {} to {} of {length} ({})", bytes.start, bytes.end, damage.place);
            if what.len() + part.len() < MARKER_BYTES_MAX {
                what += if what.is_empty() { "" } else { ", " };
                what += &part;
            }
        }
    }
    if what.is_empty() {
        return Ok(false);
    }
    let mut value = Vec::new();
    put_lost(&mut value, &what);
    let marker = Write { key, op: Op::Put { value: &value, extents: &[] }, tally: None };
    if planted(Bug::DeleteBeforeMarker) {
        container.commit(Vec::new(), vec![Write { key, op: Op::Delete, tally: None }])?;
        return container.commit(Vec::new(), vec![marker]).map(|_| true);
    }
    let same = Precondition::Unchanged { key, version: record.version };
    let mut writes = vec![marker];
    if ObjectId::of_partition(partition).named_kind() == Some(NamedKind::Blobs) {
        // A marker counts as a blob without bytes.
        let (raw, size) = blobs::sizes(reference);
        for (sort, bytes) in [(RAW_BYTES, raw), (STORED_BYTES, size)] {
            writes.push(Write { key: Key::new(partition, sort), op: Op::Adjust(-bytes), tally: None });
        }
    }
    Ok(matches!(container.commit(vec![same], writes)?, Outcome::Committed { .. }))
}

/// Puts a marker in the place of a value that was damaged in the log, of which the store knows the key.
fn mark_unreadable(container: &Container, key: &[u8], damage: &Damage) -> Result<bool> {
    let is_whole = matches!(damage.owner, Some(Owner::Key(_)));
    let Some((partition, sort)) = partition_of(key).filter(|_| is_whole && has_stored_value(key)) else {
        return Ok(false);
    };
    let view = container.index()?.view(At::Latest)?;
    let key = Key::new(partition, sort);
    if !view.get(key).is_err_and(|error| error.kind() == ErrorKind::Corrupt) {
        // It was put again.
        return Ok(false);
    }
    let mut value = Vec::new();
    put_lost(&mut value, &format!("all of it ({})", damage.place));
    let range = KeyRange { partition, start: Bound::Included(sort), end: Bound::Included(sort) };
    let same = Precondition::RangeUnchanged { range, since: view.epoch() };
    let marker = Write { key, op: Op::Put { value: &value, extents: &[] }, tally: None };
    match container.commit(vec![same], vec![marker]) {
        Ok(outcome) => Ok(matches!(outcome, Outcome::Committed { .. })),
        // It isn't the value alone.
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts markers in the place of what is lost of an extent of an array.
fn mark_records(container: &Container, key: &[u8], damages: &[&Damage]) -> Result<bool> {
    let Some((_, sort)) = partition_of(key) else { return Ok(false) };
    let Some((id, UserKey::Record(RecordKey { records: Some(_), .. }))) = decode(key) else {
        return Ok(false);
    };
    let bytes = damages.iter().filter_map(|damage| match &damage.owner {
        Some(Owner::Value { extent, bytes, .. }) => {
            Some(LostBytes { extent: *extent, bytes: bytes.clone(), place: &damage.place })
        }
        _ => None,
    });
    container.object(id)?.mark_lost(sort, &bytes.collect::<Vec<_>>())
}

/// Whether an extent can't be read, once more.
fn is_lost(container: &Container, extent: &Extent) -> Result<bool> {
    let mut buffer = Vec::new();
    let mut at = 0;
    while at < extent.length {
        buffer.resize((extent.length - at).min(PART_BYTES) as usize, 0);
        match container.segments()?.read(extent, at, &mut buffer) {
            Ok(()) => at += buffer.len() as u64,
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(true),
            // It has moved: then it could be read. Or its file is another one, or of a newer version:
            // then the right file, or the right version, brings it back.
            Err(error) if matches!(error.kind(), ErrorKind::EpochGone | ErrorKind::Incompatible) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Deletes the markers of all objects; answers how many. What else can't be read stays as it is.
pub(super) fn forget(container: &Container) -> Result<u64> {
    let view = container.index()?.view(At::Latest)?;
    let mut objects = Vec::new();
    let mut cursor = view.scan(Listing::Objects.range(), Direction::Forward)?;
    while readable(&mut *cursor)? {
        if let Ok(id) = layout::object_of(cursor.key()) {
            objects.push(id);
        }
    }
    let mut forgotten = 0;
    for id in objects {
        forgotten += forget_in(container, &*view, id)?;
    }
    Ok(forgotten)
}

fn forget_in(container: &Container, view: &dyn View, id: ObjectId) -> Result<u64> {
    let partition = id.partition();
    let count = id.named_kind().map(|_| Key::new(&partition, COUNT));
    let mut cursor = view.scan(KeyRange::all(&partition), Direction::Forward)?;
    let mut forgotten = 0;
    while readable(&mut *cursor)? {
        let whole = [&partition[..], cursor.key()].concat();
        let record = cursor.record();
        let key = Key::new(&partition, cursor.key());
        let hole = if is_extent(&whole) { forgotten_value(record.value) } else { None };
        let op = match &hole {
            Some(hole) => Op::Put { value: hole, extents: &[] },
            None if has_stored_value(&whole) && is_marker(record) => Op::Delete,
            None => continue,
        };
        let same = Precondition::Unchanged { key, version: record.version };
        let tally = count.filter(|_| hole.is_none());
        if let Outcome::Committed { .. } = container.commit(vec![same], vec![Write { key, op, tally }])? {
            forgotten += 1;
        }
    }
    Ok(forgotten)
}

/// Whether the record of a key is a value as dictionaries and akeys have it.
fn has_stored_value(key: &[u8]) -> bool {
    match decode(key) {
        Some((_, UserKey::Entry(_))) => true,
        Some((_, UserKey::Record(record))) => !record.is_header && record.records.is_none(),
        _ => false,
    }
}

/// Whether the record of a key is an extent of an array.
fn is_extent(key: &[u8]) -> bool {
    matches!(decode(key), Some((_, UserKey::Record(record))) if record.records.is_some())
}

fn is_marker(record: RecordRef<'_>) -> bool {
    Stored::parse(record).is_err_and(|error| error.kind() == ErrorKind::DataLoss)
}

/// Goes to the next record that can be read.
fn readable(cursor: &mut dyn Cursor) -> Result<bool> {
    for _ in 0..UNREADABLE_MAX {
        match cursor.advance() {
            Err(error) if error.kind() == ErrorKind::Corrupt => {}
            other => return other,
        }
    }
    Ok(false)
}
