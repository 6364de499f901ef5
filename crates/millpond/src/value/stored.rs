//! Values as the index stores them.
//!
//! | bytes   | content                                                        |
//! |---------|----------------------------------------------------------------|
//! | 1       | 1: the value follows; 2: it is in the record's extents; 3: a   |
//! |         | value was here, and is lost                                    |
//! | rest    | of 1, the value; of 2, its length in bytes as a varint         |
//! |         | (LEB128); of 3, what was lost, as a text                       |
//!
//! Invariant: a long value is read into memory only after its length has been compared with that
//! of its extents, so that no damaged length makes anyone allocate.

use bytes::Bytes;
use millpond_core::{Error, ErrorKind, Extent, Record, RecordRef, Result, Segments};

const INLINE: u8 = 1;
const LONG: u8 = 2;
const LOST: u8 = 3;

/// A value, as a record has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored<'a> {
    /// The value itself.
    Inline(&'a [u8]),
    /// Its length; its bytes are in the extents.
    Long(u64),
}

impl<'a> Stored<'a> {
    /// Reads a record.
    ///
    /// # Errors
    /// `Corrupt` when it is malformed, or when its extents have another length; `DataLoss` when it says
    /// that the value is lost.
    pub(crate) fn parse(record: RecordRef<'a>) -> Result<Self> {
        match record.value.split_first() {
            Some((&INLINE, value)) => Ok(Self::Inline(value)),
            Some((&LONG, length)) => {
                let length = parse_varint(length).ok_or_else(|| corrupt("its length is malformed".into()))?;
                let held = record
                    .extents
                    .iter()
                    .try_fold(0u64, |sum, extent| sum.checked_add(extent.length))
                    .ok_or_else(|| corrupt("its extents are longer than anything".into()))?;
                if held != length {
                    return Err(corrupt(format!(
                        "it should have {length} bytes, but its extents hold {held}"
                    )));
                }
                Ok(Self::Long(length))
            }
            Some((&LOST, what)) => Err(Error::new(
                ErrorKind::DataLoss,
                format!(
                    "the value is lost: {}; put it again from a copy, delete the key, or forget all that is \
                     lost with `millpond container check --forget`",
                    String::from_utf8_lossy(what)
                ),
            )),
            Some((kind, _)) => Err(Error::new(
                ErrorKind::Incompatible,
                format!(
                    "a value of kind {kind} is unknown here: it was written by a newer version, use that"
                ),
            )),
            None => Err(corrupt("it is empty".into())),
        }
    }

    /// Its length in bytes.
    pub(crate) fn length(self) -> u64 {
        match self {
            Self::Inline(value) => value.len() as u64,
            Self::Long(length) => length,
        }
    }
}

fn corrupt(what: String) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the record of a value is damaged: {what}"))
}

/// Appends the record of a short value.
pub(crate) fn put_inline(out: &mut Vec<u8>, value: &[u8]) {
    out.reserve(value.len() + 1);
    out.push(INLINE);
    out.extend_from_slice(value);
}

/// Appends the record that stands for a value that was lost; `what` says what of it.
pub(crate) fn put_lost(out: &mut Vec<u8>, what: &str) {
    out.push(LOST);
    out.extend_from_slice(what.as_bytes());
}

/// Appends the record of a value in extents.
pub(crate) fn put_long(out: &mut Vec<u8>, mut length: u64) {
    out.push(LONG);
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

fn parse_varint(bytes: &[u8]) -> Option<u64> {
    let (last, more) = bytes.split_last()?;
    if bytes.len() > 10 || last & 0x80 != 0 || more.iter().any(|byte| byte & 0x80 == 0) {
        return None;
    }
    bytes.iter().rev().try_fold(0u64, |number, byte| {
        let shifted = number.checked_mul(0x80)?;
        shifted.checked_add(u64::from(byte & 0x7F))
    })
}

/// The whole value of a record.
///
/// # Errors
/// `EpochGone` when the bytes have moved: the record has to be read again.
pub(crate) fn load(segments: &dyn Segments, record: &Record) -> Result<Bytes> {
    let reference = RecordRef { version: record.version, value: &record.value, extents: &record.extents };
    match Stored::parse(reference)? {
        Stored::Inline(_) => Ok(record.value.slice(1..)),
        Stored::Long(length) => load_long(segments, &record.extents, length),
    }
}

/// The whole value of a record under a cursor. See [`load`].
pub(crate) fn load_ref(segments: &dyn Segments, record: RecordRef<'_>) -> Result<Bytes> {
    match Stored::parse(record)? {
        Stored::Inline(value) => Ok(Bytes::copy_from_slice(value)),
        Stored::Long(length) => load_long(segments, record.extents, length),
    }
}

fn load_long(segments: &dyn Segments, extents: &[Extent], length: u64) -> Result<Bytes> {
    let too_long = || {
        let message = format!("a value of {length} bytes doesn't fit in memory: stream it with a reader");
        Error::new(ErrorKind::ValueTooLong, message)
    };
    let length = usize::try_from(length).map_err(|_| too_long())?;
    let mut value = Vec::new();
    value.try_reserve_exact(length).map_err(|_| too_long())?;
    value.resize(length, 0);
    let mut rest = &mut value[..];
    for extent in extents {
        let (into, behind) = rest.split_at_mut(extent.length as usize);
        segments.read(extent, 0, into)?;
        rest = behind;
    }
    Ok(Bytes::from(value))
}

#[cfg(test)]
mod tests {
    use millpond_core::{Epoch, SegmentId, limits::VALUE_INLINE_BYTES_MAX};

    use super::*;

    fn parse<'a>(value: &'a [u8], extents: &'a [Extent]) -> Result<Stored<'a>> {
        Stored::parse(RecordRef { version: Epoch(1), value, extents })
    }

    #[test]
    fn values_come_back() {
        for value in [&b""[..], b"\0", &[0xFF; VALUE_INLINE_BYTES_MAX]] {
            let mut record = Vec::new();
            put_inline(&mut record, value);
            assert_eq!(parse(&record, &[]).expect("a value"), Stored::Inline(value));
        }
        for length in [0, 127, 128, 300, 1 << 40, u64::MAX] {
            let mut record = Vec::new();
            put_long(&mut record, length);
            let extent = Extent { segment: SegmentId(1), offset: 0, length };
            assert_eq!(parse(&record, &[extent]).expect("a value"), Stored::Long(length));
        }
    }

    #[test]
    fn damaged_records_are_told_and_allocate_nothing() {
        let extent = |length| Extent { segment: SegmentId(1), offset: 0, length };
        let mut long = Vec::new();
        put_long(&mut long, 1 << 60);
        for (value, extents) in [
            (&b""[..], vec![]),
            (&[LONG], vec![]),
            (&[LONG, 0x80], vec![extent(0)]),
            (&[LONG, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02], vec![]),
            (&[LONG, 0, 0], vec![]),
            (&long[..], vec![extent(4096)]),
            (&long[..], vec![extent(u64::MAX), extent(1)]),
        ] {
            assert_eq!(parse(value, &extents).expect_err("damaged").kind(), ErrorKind::Corrupt);
        }
        let mut lost = Vec::new();
        put_lost(&mut lost, "bytes 0 to 5");
        let error = parse(&lost, &[]).expect_err("lost");
        assert_eq!(error.kind(), ErrorKind::DataLoss);
        assert!(error.to_string().contains("bytes 0 to 5"), "{error}");
        assert_eq!(parse(&[9, 1], &[]).expect_err("newer").kind(), ErrorKind::Incompatible);
    }
}
