//! The records of an extent: when they were written, and where their bytes are.
//!
//! The value of an extent's record:
//!
//! | bytes | content                                                                                |
//! |-------|----------------------------------------------------------------------------------------|
//! | 1     | low four bits: 1 the bytes follow, 2 they are in the record's extents, 3 a hole, 4 they are lost; `10`: an epoch follows; `20`: a number follows |
//! | 8     | of `10`: the epoch as of which it was written, most significant first                   |
//! | 8     | of `20`: its place among the extents of its commit, most significant first; 0 otherwise |
//! | rest  | of 1, the bytes; of 4, what was lost, as a text                                         |
//!
//! Invariant: of two extents that overlap, the one with the greater [`Stamp`] shows. A stamp is the
//! epoch as of which an extent was written (of most, the version of its record) and, in one commit,
//! the order in which the extents came. Whatever writes a record of the past again, be it a merge or a
//! return to a snapshot, writes its stamp with it.

use millpond_core::{Epoch, Error, ErrorKind, RecordRef, Result};

use super::bugs::ObjectBug;

const INLINE: u8 = 1;
const SEGMENTS: u8 = 2;
const HOLE: u8 = 3;
const LOST: u8 = 4;
const CONTENT_BITS: u8 = 0x0F;
const HAS_EPOCH: u8 = 0x10;
const HAS_SEQUENCE: u8 = 0x20;

/// When an extent was written, among those of its akey.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    /// As of which epoch.
    pub(super) epoch: Epoch,
    /// Which of the same commit.
    pub(super) sequence: u64,
}

/// Where the bytes of an extent are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    Inline(&'a [u8]),
    Segments,
    Hole,
    /// They are lost; this says where they were.
    Lost(&'a [u8]),
}

/// An extent's record, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExtentValue<'a> {
    pub(super) stamp: Stamp,
    pub(super) content: Content<'a>,
}

impl<'a> ExtentValue<'a> {
    /// Reads the record of an extent of `bytes` bytes.
    ///
    /// # Errors
    /// `Corrupt` when it is malformed, or has another length; `Incompatible` when a newer version
    /// wrote it.
    pub(super) fn parse(record: RecordRef<'a>, bytes: u64) -> Result<Self> {
        let Some((&first, rest)) = record.value.split_first() else { return Err(corrupt("it is empty")) };
        if first & !(CONTENT_BITS | HAS_EPOCH | HAS_SEQUENCE) != 0
            || !(INLINE..=LOST).contains(&(first & CONTENT_BITS))
        {
            let text = format!("an extent of kind {first:#04x} is unknown here: use a newer version");
            return Err(Error::new(ErrorKind::Incompatible, text));
        }
        let mut rest = rest;
        let mut number = |there: bool| {
            if !there {
                return Ok(None);
            }
            let (number, behind) = rest.split_first_chunk().ok_or_else(|| corrupt("it is cut off"))?;
            rest = behind;
            Ok(Some(u64::from_be_bytes(*number)))
        };
        let epoch = number(first & HAS_EPOCH != 0)?.map_or(record.version, Epoch);
        let sequence = number(first & HAS_SEQUENCE != 0)?.unwrap_or(0);
        let sequence = if ObjectBug::IgnoreSequence.is_planted() { 0 } else { sequence };
        let held = || record.extents.iter().try_fold(0u64, |sum, extent| sum.checked_add(extent.length));
        let content = match first & CONTENT_BITS {
            INLINE if rest.len() as u64 == bytes => Content::Inline(rest),
            SEGMENTS if rest.is_empty() && held() == Some(bytes) => Content::Segments,
            HOLE if rest.is_empty() => Content::Hole,
            LOST if record.extents.is_empty() => Content::Lost(rest),
            _ => return Err(corrupt(&format!("it hasn't the {bytes} bytes that its key says"))),
        };
        Ok(Self { stamp: Stamp { epoch, sequence }, content })
    }
}

fn corrupt(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the record of an extent is damaged: {what}"))
}

/// The value of an extent's record. Without an epoch it counts as written when it is committed.
pub(super) fn encode(content: Content<'_>, epoch: Option<Epoch>, sequence: u64) -> Vec<u8> {
    let (kind, bytes): (u8, &[u8]) = match content {
        Content::Inline(bytes) => (INLINE, bytes),
        Content::Segments => (SEGMENTS, &[]),
        Content::Hole => (HOLE, &[]),
        Content::Lost(text) => (LOST, text),
    };
    let mut value = Vec::with_capacity(17 + bytes.len());
    value.push(kind);
    if let Some(epoch) = epoch {
        value[0] |= HAS_EPOCH;
        value.extend_from_slice(&epoch.0.to_be_bytes());
    }
    if sequence > 0 {
        value[0] |= HAS_SEQUENCE;
        value.extend_from_slice(&sequence.to_be_bytes());
    }
    value.extend_from_slice(bytes);
    value
}

/// Whether the value says as of which epoch it was written: whoever writes extents anew leaves it out.
pub(super) fn has_epoch(value: &[u8]) -> bool {
    value.first().is_some_and(|first| first & HAS_EPOCH != 0)
}

/// The value to put where the record of an extent of the past is written again: the same, with the
/// epoch as of which it was written.
pub(super) fn restamped(value: &[u8], version: Epoch) -> Vec<u8> {
    match value.split_first() {
        Some((&first, rest)) if first & HAS_EPOCH == 0 => {
            [&[first | HAS_EPOCH][..], &version.0.to_be_bytes(), rest].concat()
        }
        _ => value.to_vec(),
    }
}

/// The value of a hole in the place of records that are lost, as old as they are; nothing for other
/// extents.
pub(super) fn forgotten(value: &[u8]) -> Option<Vec<u8>> {
    let (&first, rest) = value.split_first()?;
    let numbers = [HAS_EPOCH, HAS_SEQUENCE].iter().filter(|number| first & **number != 0).count();
    let stamp = rest.get(..8 * numbers).filter(|_| first & CONTENT_BITS == LOST)?;
    Some([&[first & !CONTENT_BITS | HOLE], stamp].concat())
}

/// The error of reading records that are lost.
pub(super) fn lost(text: &str) -> Error {
    Error::new(
        ErrorKind::DataLoss,
        format!(
            "records of the array are lost: {text}; write them again from a copy, punch them, or forget all \
             that is lost with `millpond container check --forget`"
        ),
    )
}

#[cfg(test)]
mod tests {
    use millpond_core::{Extent, SegmentId};
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn parse<'a>(value: &'a [u8], extents: &'a [Extent], bytes: u64) -> Result<ExtentValue<'a>> {
        ExtentValue::parse(RecordRef { version: Epoch(7), value, extents }, bytes)
    }

    #[test]
    fn extents_come_back_with_their_stamps() {
        let held = [Extent { segment: SegmentId(1), offset: 0, length: 3 }];
        for epoch in [None, Some(Epoch(5))] {
            for sequence in [0, 2] {
                let stamp = Stamp { epoch: epoch.unwrap_or(Epoch(7)), sequence };
                for content in
                    [Content::Inline(b"abc"), Content::Segments, Content::Hole, Content::Lost(b"it")]
                {
                    let value = encode(content, epoch, sequence);
                    let held = if content == Content::Lost(b"it") { &[][..] } else { &held };
                    let read = parse(&value, held, 3).expect("an extent");
                    assert_eq!(read, ExtentValue { stamp, content });
                    let again = restamped(&value, Epoch(7));
                    let later = RecordRef { version: Epoch(99), value: &again, extents: held };
                    assert_eq!(ExtentValue::parse(later, 3).expect("an extent"), read);
                    let hole =
                        (content == Content::Lost(b"it")).then(|| encode(Content::Hole, epoch, sequence));
                    assert_eq!(forgotten(&value), hole);
                }
            }
        }
    }

    #[test]
    fn damaged_extents_are_told_from_newer_ones() {
        let held = [Extent { segment: SegmentId(1), offset: 0, length: u64::MAX }; 2];
        for (value, extents) in [
            (&b""[..], &[][..]),
            (b"\x01ab", &[]),
            (b"\x11abc", &[]),
            (b"\x02", &[]),
            (b"\x02", &held),
            (b"\x03a", &[]),
            (b"\x04a", &held),
        ] {
            assert_eq!(parse(value, extents, 3).expect_err("damaged").kind(), ErrorKind::Corrupt);
        }
        for value in [b"\x00", b"\x05", b"\x41"] {
            assert_eq!(parse(value, &[], 3).expect_err("newer").kind(), ErrorKind::Incompatible);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(value in vec(any::<u8>(), 0..40), bytes in 0u64..40) {
            if let Ok(ExtentValue { content: Content::Inline(read), .. }) = parse(&value, &[], bytes) {
                prop_assert_eq!(read.len() as u64, bytes);
            }
        }
    }
}
