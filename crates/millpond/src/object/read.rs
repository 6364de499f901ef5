//! Reading records of an array: which extents are there, which of them show, and their bytes.

use std::ops::Range;

use bytes::Bytes;
use millpond_core::{Direction, Epoch, Error, ErrorKind, Extent, Result, Segments, View};

use super::{
    Object, add_range,
    extent::{self, Content, ExtentValue, Stamp},
    key::ObjectKey,
    records::{self, ArrayHeader},
    visible::{Piece, visible},
};
use crate::value::MOVED_RETRIES;

/// Extents of an array, as a view has them.
#[derive(Default)]
pub(super) struct Extents {
    /// Their records, and when they were written. Of one level after another, in each by their
    /// first record.
    pub(super) found: Vec<(Range<u64>, Stamp)>,
    /// The versions of their records.
    pub(super) versions: Vec<Epoch>,
    pub(super) held: Vec<Held>,
    inline: Vec<u8>,
    segments: Vec<Extent>,
}

/// Where the bytes of an extent are.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// In [`Extents::inline`], from there on.
    Inline(usize),
    /// Those of [`Extents::segments`].
    Segments(Range<usize>),
    Hole,
    /// They are lost, as this says.
    Lost(String),
}

/// Bytes of a segment that are wanted, and where to.
struct Wanted {
    extent: Extent,
    offset: u64,
    into: Range<usize>,
}

impl Extents {
    /// All that overlap `range`, in the levels that `header` names.
    pub(super) fn collect(
        object: &Object,
        view: &dyn View,
        akey: &[u8],
        header: ArrayHeader,
        range: &Range<u64>,
    ) -> Result<Self> {
        let mut extents = Self::default();
        for level in header.each_level() {
            let start = records::level_key(akey, level, records::first_start(level, range.start));
            let end = records::level_key(akey, level, range.end);
            let mut cursor = view.scan(object.range(&start, Some(&end)), Direction::Forward)?;
            while cursor.advance()? {
                let place = cursor.key().get(akey.len() + 1..).and_then(records::parse_extent);
                let records = place.ok_or_else(|| object.malformed(cursor.key()))?;
                if records.end <= range.start {
                    continue;
                }
                let bytes = (records.end - records.start).saturating_mul(header.record_bytes);
                let record = cursor.record();
                let value = ExtentValue::parse(record, bytes).map_err(|error| object.about(akey, error))?;
                extents.found.push((records, value.stamp));
                extents.versions.push(record.version);
                extents.held.push(match value.content {
                    Content::Hole => Held::Hole,
                    Content::Lost(text) => Held::Lost(String::from_utf8_lossy(text).into_owned()),
                    Content::Inline(bytes) => {
                        extents.inline.extend_from_slice(bytes);
                        Held::Inline(extents.inline.len() - bytes.len())
                    }
                    Content::Segments => {
                        let first = extents.segments.len();
                        extents.segments.extend_from_slice(record.extents);
                        Held::Segments(first..extents.segments.len())
                    }
                });
            }
        }
        Ok(extents)
    }

    /// Fills `into` with the records of `range` as `pieces` show them; what no piece shows becomes
    /// zeros. Adds the holes.
    pub(super) fn fill(
        &self,
        segments: &dyn Segments,
        record_bytes: u64,
        range: &Range<u64>,
        pieces: &[Piece],
        into: &mut [u8],
        holes: &mut Vec<Range<u64>>,
    ) -> Result<()> {
        let place = |record: u64| ((record - range.start) * record_bytes) as usize;
        let mut wanted = Vec::new();
        let mut at = range.start;
        for Piece { records, extent } in pieces {
            if at < records.start {
                into[place(at)..place(records.start)].fill(0);
                add_range(holes, at..records.start);
            }
            at = records.end;
            let bytes = place(records.start)..place(records.end);
            // Of a hole, that may be more bytes than there are numbers.
            let skipped = (records.start - self.found[*extent].0.start).saturating_mul(record_bytes);
            match &self.held[*extent] {
                Held::Hole => {
                    into[bytes].fill(0);
                    add_range(holes, records.clone());
                }
                Held::Inline(from) => {
                    let from = from + skipped as usize;
                    let length = bytes.len();
                    into[bytes].copy_from_slice(&self.inline[from..from + length]);
                }
                Held::Lost(text) => return Err(extent::lost(text)),
                Held::Segments(which) => want(&self.segments[which.clone()], skipped, bytes, &mut wanted),
            }
        }
        if at < range.end {
            into[place(at)..].fill(0);
            add_range(holes, at..range.end);
        }
        wanted.sort_unstable_by_key(|wanted| (wanted.extent.segment, wanted.extent.offset, wanted.offset));
        for Wanted { extent, offset, into: bytes } in wanted {
            segments.read(&extent, offset, &mut into[bytes])?;
        }
        Ok(())
    }
}

/// Reads bytes of a value in segments, from `offset` on.
pub(super) fn read_part(
    segments: &dyn Segments,
    extents: &[Extent],
    offset: u64,
    into: &mut [u8],
) -> Result<()> {
    let mut wanted = Vec::new();
    want(extents, offset, 0..into.len(), &mut wanted);
    wanted.into_iter().try_for_each(|Wanted { extent, offset, into: bytes }| {
        segments.read(&extent, offset, &mut into[bytes])
    })
}

/// The parts of a value in segments that hold its bytes from `offset` on.
fn want(extents: &[Extent], mut offset: u64, into: Range<usize>, wanted: &mut Vec<Wanted>) {
    let mut at = into.start;
    for extent in extents {
        if offset >= extent.length {
            offset -= extent.length;
            continue;
        }
        let length = usize::try_from(extent.length - offset).unwrap_or(usize::MAX).min(into.end - at);
        if length == 0 {
            return;
        }
        wanted.push(Wanted { extent: *extent, offset, into: at..at + length });
        at += length;
        offset = 0;
    }
}

impl Object {
    /// The single value of an akey, if there is one.
    ///
    /// # Errors
    /// `InvalidArgument` when the akey is an array; `KeyTooLong`; `Corrupt` when the bytes fail their
    /// checksum.
    pub fn get<'d, 'a>(
        &self,
        dkey: impl Into<ObjectKey<'d>>,
        akey: impl Into<ObjectKey<'a>>,
    ) -> Result<Option<Bytes>> {
        let dkey = records::dkey_prefix(self.kind(), &dkey.into())?;
        let akey = records::akey_prefix(self.kind(), &dkey, &akey.into())?;
        self.load_single(None, &akey)
    }

    /// Reads records of an array, from the record `start` on, until `into` is full; answers the
    /// holes, whose bytes are zeros. An akey that doesn't exist is one hole.
    ///
    /// # Errors
    /// `InvalidArgument` when the akey has a single value or records of another size, or when `into`
    /// isn't whole records; `KeyTooLong`; `Corrupt` when bytes fail their checksum; `DataLoss` when a repair
    /// has noted that records are lost.
    pub fn read<'d, 'a>(
        &self,
        dkey: impl Into<ObjectKey<'d>>,
        akey: impl Into<ObjectKey<'a>>,
        record_bytes: u64,
        start: u64,
        into: &mut [u8],
    ) -> Result<Vec<Range<u64>>> {
        let dkey = records::dkey_prefix(self.kind(), &dkey.into())?;
        let akey = records::akey_prefix(self.kind(), &dkey, &akey.into())?;
        let length = into.len() as u64;
        if record_bytes == 0 || !length.is_multiple_of(record_bytes) {
            let text = format!("{length} bytes aren't whole records of {record_bytes} bytes");
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let range = start..super::update::end_of(start, length / record_bytes)?;
        let view = self.view()?;
        let mut holes = Vec::new();
        match self.array(Some(&*view), &akey, &records::array_key(&akey))? {
            Some((header, _)) => {
                self.check_record_bytes(&akey, header, record_bytes)?;
                self.read_array(&*view, &akey, header, &range, into, &mut holes)?;
            }
            None => {
                self.check_no_single(&*view, &akey)?;
                into.fill(0);
                add_range(&mut holes, range);
            }
        }
        Ok(holes)
    }

    /// Reads a range of an array, and takes note of what it took.
    pub(super) fn read_array(
        &self,
        view: &dyn View,
        akey: &[u8],
        header: ArrayHeader,
        range: &Range<u64>,
        into: &mut [u8],
        holes: &mut Vec<Range<u64>>,
    ) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let segments = self.container().segments()?;
        let before = holes.len();
        for attempt in 1.. {
            let extents = Extents::collect(self, view, akey, header, range)?;
            let pieces = visible(&extents.found, range);
            match extents.fill(segments, header.record_bytes, range, &pieces, into, holes) {
                Ok(()) => {
                    self.merge_after_read(akey, header, range, extents.found);
                    return Ok(());
                }
                // The bytes have moved; the view knows where to.
                Err(error) if error.kind() == ErrorKind::EpochGone && attempt < MOVED_RETRIES => {
                    holes.truncate(before);
                }
                Err(error) => return Err(self.about(akey, error)),
            }
        }
        Ok(())
    }

    /// The single value of an akey, in a view or the newest one.
    pub(super) fn load_single(&self, view: Option<&dyn View>, akey: &[u8]) -> Result<Option<Bytes>> {
        let sort = records::single_key(akey);
        for attempt in 1.. {
            let Some(record) = self.look(view, &sort)? else { break };
            match crate::value::load(self.container().segments()?, &record) {
                Ok(value) => return Ok(Some(value)),
                Err(error) if error.kind() == ErrorKind::EpochGone && attempt < MOVED_RETRIES => {}
                Err(error) => return Err(self.about(akey, error)),
            }
        }
        match self.look(view, &records::array_key(akey))? {
            Some(_) => Err(self.wrong_type(akey, "an array", "extents")),
            None => Ok(None),
        }
    }

    pub(super) fn check_record_bytes(
        &self,
        akey: &[u8],
        header: ArrayHeader,
        record_bytes: u64,
    ) -> Result<()> {
        if header.record_bytes == record_bytes {
            return Ok(());
        }
        let text = format!(
            "{} has records of {} bytes, not of {record_bytes}",
            self.describe(akey),
            header.record_bytes
        );
        Err(Error::new(ErrorKind::InvalidArgument, text))
    }

    pub(super) fn check_no_single(&self, view: &dyn View, akey: &[u8]) -> Result<()> {
        match self.look(Some(view), &records::single_key(akey))? {
            Some(_) => Err(self.wrong_type(akey, "a single value", "the value")),
            None => Ok(()),
        }
    }

    fn wrong_type(&self, akey: &[u8], has: &str, remedy: &str) -> Error {
        let text = format!("{} has {has}: ask for {remedy}", self.describe(akey));
        Error::new(ErrorKind::InvalidArgument, text)
    }

    pub(super) fn malformed(&self, sort: &[u8]) -> Error {
        let text = format!("a sort key of {self} is malformed: {}", sort.escape_ascii());
        Error::new(ErrorKind::Corrupt, text)
    }
}
