//! Records of arrays that are lost: a repair puts markers in their place, and forgetting makes holes of
//! those.
//!
//! An extent of which some bytes are lost becomes several, in one commit: what is intact is written
//! anew, and the rest gets a marker. Invariant: all of them have the stamp of that extent, so that they
//! hide what it hid, and are hidden by what hid it. Older versions, which snapshots show, stay.

use std::{borrow::Cow, ops::Range};

use millpond_core::{Epoch, ErrorKind, Extent, Outcome, Record, RecordRef, Result, View};

use super::{
    Object,
    extent::{self, Content, ExtentValue, Stamp},
    plan::{Plan, Put},
    read::read_part,
    records::{self, ArrayHeader, Place, Slot},
};
use crate::value::{Applied, LongValues};

/// Bytes that are read at once.
const PART_BYTES: u64 = 1 << 20;

/// Bytes of what a marker says, at most.
const TEXT_BYTES_MAX: usize = 1000;

/// Bytes of a value that are damaged, and where they are.
pub(crate) struct LostBytes<'a> {
    /// The extent of the segment that they are in.
    pub(crate) extent: Extent,
    pub(crate) bytes: Range<u64>,
    pub(crate) place: &'a str,
}

/// An extent, a part of which is lost.
struct Torn<'a> {
    akey: &'a [u8],
    header: ArrayHeader,
    records: Range<u64>,
    stamp: Stamp,
    record: &'a Record,
}

/// What comes in its place.
struct Part {
    sort: Vec<u8>,
    value: Vec<u8>,
    extents: Vec<Extent>,
    /// The version of what it replaces.
    version: Epoch,
}

impl Object {
    /// Puts markers in the place of what is lost of the extent with this sort key; answers whether
    /// anything was.
    ///
    /// # Errors
    /// `NoSpace`, since what is intact is written anew.
    pub(crate) fn mark_lost(&self, sort: &[u8], damaged: &[LostBytes<'_>]) -> Result<bool> {
        let Ok(Place { akey_end, record: Slot::Extent(records), .. }) = Place::parse(self.kind(), sort)
        else {
            return Ok(false);
        };
        let view = self.view()?;
        let akey = &sort[..akey_end];
        let array_key = records::array_key(akey);
        // What can't be read of these has its own damage.
        let Ok(Some((header, version))) = self.array(Some(&*view), akey, &array_key) else {
            return Ok(false);
        };
        let Ok(Some(record)) = view.get(self.key(sort)) else { return Ok(false) };
        let bytes = (records.end - records.start).saturating_mul(header.record_bytes);
        let Ok(ExtentValue { stamp, content: Content::Segments }) = parse(&record, bytes) else {
            return Ok(false);
        };
        let torn = Torn { akey, header, records, stamp, record: &record };
        let (lost, text) = self.lost_records(&torn, damaged)?;
        if lost.is_empty() {
            return Ok(false);
        }
        let mut long = LongValues::default();
        let Some(parts) = self.parts(&*view, &torn, &lost, &text, &mut long)? else { return Ok(false) };

        let mut plan = Plan::default();
        plan.unchanged.push((Cow::Borrowed(&array_key), version));
        plan.unchanged.push((Cow::Borrowed(sort), record.version));
        let mut levels = header.levels;
        for part in &parts {
            if part.sort != sort {
                plan.unchanged.push((Cow::Borrowed(&part.sort), part.version));
            }
            levels |= 1 << part.sort[akey_end + 1];
            let (sort, value) = (Cow::Borrowed(&part.sort[..]), Cow::Borrowed(&part.value[..]));
            plan.puts.push(Put { sort, value, extents: &part.extents });
        }
        if levels != header.levels {
            let value = Cow::Owned(ArrayHeader { levels, ..header }.encode());
            plan.puts.push(Put { sort: Cow::Borrowed(&array_key), value, extents: &[] });
        }
        if parts.iter().all(|part| part.sort != sort) {
            plan.deletes.push(sort.to_vec());
        }
        let applied = plan.commit(self).map(|outcome| match outcome {
            Outcome::Committed { existed, .. } => Applied::Done(existed),
            Outcome::Conflict { .. } => Applied::Conflict,
        });
        long.settle(&applied);
        self.arrays().remove(akey);
        Ok(matches!(applied?, Applied::Done(_)))
    }

    /// The records of which bytes are damaged, and can't be read once more; in order, none touching
    /// another. And what a marker is to say.
    fn lost_records(&self, torn: &Torn<'_>, damaged: &[LostBytes<'_>]) -> Result<(Vec<Range<u64>>, String)> {
        let mut ranges: Vec<_> =
            damaged.iter().filter(|lost| torn.record.extents.contains(&lost.extent)).collect();
        ranges.sort_by_key(|lost| lost.bytes.start);
        let (mut lost, mut text): (Vec<Range<u64>>, String) = (Vec::new(), String::new());
        // Of other ones, snapshots show what is lost.
        for LostBytes { bytes, place, .. } in ranges {
            match self.read_bytes(torn, bytes.clone(), &mut |_| Ok(())) {
                Ok(()) => continue,
                Err(error) if error.kind() == ErrorKind::Corrupt => {}
                // It has moved, or the right file brings it back.
                Err(error) if matches!(error.kind(), ErrorKind::EpochGone | ErrorKind::Incompatible) => {
                    continue;
                }
                Err(error) => return Err(error),
            }
            let width = torn.header.record_bytes;
            let start = torn.records.start + bytes.start / width;
            let end = (torn.records.start + bytes.end.div_ceil(width)).min(torn.records.end);
            let part = format!("records {start} to {end} ({place})");
            if text.len() + part.len() < TEXT_BYTES_MAX {
                text += if text.is_empty() { "" } else { ", " };
                text += &part;
            }
            match lost.last_mut() {
                Some(last) if last.end >= start => last.end = last.end.max(end),
                _ => lost.push(start..end),
            }
        }
        Ok((lost, text))
    }

    /// What comes in the place of the extent; nothing if more of it is lost than was said.
    fn parts(
        &self,
        view: &dyn View,
        torn: &Torn<'_>,
        lost: &[Range<u64>],
        text: &str,
        long: &mut LongValues,
    ) -> Result<Option<Vec<Part>>> {
        let mut parts = Vec::new();
        let mut at = torn.records.start;
        for gone in lost.iter().cloned().chain(std::iter::once(torn.records.end..torn.records.end)) {
            if at < gone.start
                && let Some((sort, version)) = self.room(view, torn, at..gone.start)?
            {
                let Some((value, extents)) = self.intact(torn, at..gone.start, long)? else {
                    return Ok(None);
                };
                parts.push(Part { sort, value, extents, version });
            }
            if !gone.is_empty()
                && let Some((sort, version)) = self.room(view, torn, gone.clone())?
            {
                let value = torn.encode(Content::Lost(text.as_bytes()));
                parts.push(Part { sort, value, extents: Vec::new(), version });
            }
            at = gone.end;
        }
        Ok(Some(parts))
    }

    /// The sort key for some records of the extent, and the version of what is there and can't be seen
    /// any more. Nothing where a newer extent hides just these records.
    fn room(
        &self,
        view: &dyn View,
        torn: &Torn<'_>,
        records: Range<u64>,
    ) -> Result<Option<(Vec<u8>, Epoch)>> {
        let length = records.end - records.start;
        let sort = records::extent_key(torn.akey, records.start, length);
        if records == torn.records {
            return Ok(Some((sort, torn.record.version)));
        }
        let Some(there) = view.get(self.key(&sort))? else { return Ok(Some((sort, Epoch::ZERO))) };
        let value = parse(&there, length.saturating_mul(torn.header.record_bytes))?;
        Ok((value.stamp < torn.stamp).then_some((sort, there.version)))
    }

    /// The value and the extents of records that are intact.
    fn intact(
        &self,
        torn: &Torn<'_>,
        records: Range<u64>,
        long: &mut LongValues,
    ) -> Result<Option<(Vec<u8>, Vec<Extent>)>> {
        let width = torn.header.record_bytes;
        let place = |record: u64| (record - torn.records.start) * width;
        let bytes = place(records.start)..place(records.end);
        let is_short = self.container().fits_inline((bytes.end - bytes.start) as usize);
        let segments = self.container().segments()?;
        let mut inline = Vec::new();
        let copied = self.read_bytes(torn, bytes, &mut |part| {
            if is_short {
                inline.extend_from_slice(part);
                return Ok(());
            }
            long.append(segments, part)
        });
        match copied {
            Ok(()) if is_short => Ok(Some((torn.encode(Content::Inline(&inline)), Vec::new()))),
            Ok(()) => Ok(Some((torn.encode(Content::Segments), long.finish()?))),
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::EpochGone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads bytes of the extent, a part at a time.
    fn read_bytes(
        &self,
        torn: &Torn<'_>,
        bytes: Range<u64>,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let segments = self.container().segments()?;
        let mut part = Vec::new();
        let mut at = bytes.start;
        while at < bytes.end {
            part.resize((bytes.end - at).min(PART_BYTES) as usize, 0);
            read_part(segments, &torn.record.extents, at, &mut part)?;
            take(&part)?;
            at += part.len() as u64;
        }
        Ok(())
    }
}

impl Torn<'_> {
    fn encode(&self, content: Content<'_>) -> Vec<u8> {
        extent::encode(content, Some(self.stamp.epoch), self.stamp.sequence)
    }
}

fn parse(record: &Record, bytes: u64) -> Result<ExtentValue<'_>> {
    let record = RecordRef { version: record.version, value: &record.value, extents: &record.extents };
    ExtentValue::parse(record, bytes)
}
