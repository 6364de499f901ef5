//! Values as the index stores them.
//!
//! | bytes   | content                                                        |
//! |---------|----------------------------------------------------------------|
//! | 1       | 1: the value follows; 2: it is in the record's extents; 3: a   |
//! |         | value was here, and is lost; 4: the value follows, compressed; |
//! |         | 5: it is in the record's extents, compressed                   |
//! | rest    | of 1, the value; of 2, its length in bytes as a varint         |
//! |         | (LEB128); of 3, what was lost, as a text; of 4 and 5, the      |
//! |         | codec (1 byte), the length of the value as a varint, and then  |
//! |         | what 1 and 2 have, of the compressed bytes                     |
//!
//! Invariant: a long value is read into memory only after its length has been compared with that
//! of its extents, so that no damaged length makes anyone allocate.

use bytes::Bytes;
use millpond_core::{Error, ErrorKind, Extent, Record, RecordRef, Result, Segments};

use super::{codec::Codec, frames};

const INLINE: u8 = 1;
const LONG: u8 = 2;
const LOST: u8 = 3;
const INLINE_CODED: u8 = 4;
const LONG_CODED: u8 = 5;

/// A value, as a record has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored<'a> {
    /// The value itself.
    Inline(&'a [u8]),
    /// Its length; its bytes are in the extents.
    Long(u64),
    /// The compressed value.
    InlineCoded(Coding, &'a [u8]),
    /// How many compressed bytes are in the extents.
    LongCoded(Coding, u64),
}

/// How a value is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coding {
    pub(crate) codec: Codec,
    /// The length in bytes of the value itself.
    pub(crate) length: u64,
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
                let length = parse_varint(length).ok_or_else(malformed_length)?;
                check_held(record.extents, length)?;
                Ok(Self::Long(length))
            }
            Some((&INLINE_CODED, rest)) => {
                let (coding, compressed) = parse_coding(rest)?;
                Ok(Self::InlineCoded(coding, compressed))
            }
            Some((&LONG_CODED, rest)) => {
                let (coding, length) = parse_coding(rest)?;
                let length = parse_varint(length).ok_or_else(malformed_length)?;
                check_held(record.extents, length)?;
                Ok(Self::LongCoded(coding, length))
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
            Self::InlineCoded(coding, _) | Self::LongCoded(coding, _) => coding.length,
        }
    }

    /// How many bytes it takes in the store.
    pub(crate) fn stored_length(self) -> u64 {
        match self {
            Self::Inline(bytes) | Self::InlineCoded(_, bytes) => bytes.len() as u64,
            Self::Long(length) | Self::LongCoded(_, length) => length,
        }
    }

    /// How it is compressed.
    pub(crate) fn codec(self) -> Codec {
        match self {
            Self::Inline(_) | Self::Long(_) => Codec::None,
            Self::InlineCoded(coding, _) | Self::LongCoded(coding, _) => coding.codec,
        }
    }
}

/// # Errors
/// `Corrupt` when the extents don't hold exactly `length` bytes.
fn check_held(extents: &[Extent], length: u64) -> Result<()> {
    let held = extents
        .iter()
        .try_fold(0u64, |sum, extent| sum.checked_add(extent.length))
        .ok_or_else(|| corrupt("its extents are longer than anything".into()))?;
    if held != length {
        return Err(corrupt(format!("it should have {length} bytes, but its extents hold {held}")));
    }
    Ok(())
}

/// How a value is compressed, and what follows on that.
fn parse_coding(bytes: &[u8]) -> Result<(Coding, &[u8])> {
    let Some((&codec, rest)) = bytes.split_first() else {
        return Err(corrupt("its codec is missing".into()));
    };
    let codec = Codec::of_number(codec).filter(|codec| *codec != Codec::None).ok_or_else(|| {
        let message = format!(
            "the codec {codec} of a value is unknown here: it was written by a newer version, use that"
        );
        Error::new(ErrorKind::Incompatible, message)
    })?;
    let length = rest.iter().position(|byte| byte & 0x80 == 0).map(|last| rest.split_at(last + 1));
    let (length, rest) = length.ok_or_else(malformed_length)?;
    let length = parse_varint(length).ok_or_else(malformed_length)?;
    Ok((Coding { codec, length }, rest))
}

fn malformed_length() -> Error {
    corrupt("its length is malformed".into())
}

pub(super) fn corrupt(what: String) -> Error {
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
pub(crate) fn put_long(out: &mut Vec<u8>, length: u64) {
    out.push(LONG);
    put_varint(out, length);
}

/// Appends the record of a short compressed value.
pub(crate) fn put_inline_coded(out: &mut Vec<u8>, coding: Coding, compressed: &[u8]) {
    out.extend_from_slice(&[INLINE_CODED, coding.codec as u8]);
    put_varint(out, coding.length);
    out.extend_from_slice(compressed);
}

/// Appends the record of a compressed value in extents that hold `length` bytes.
pub(crate) fn put_long_coded(out: &mut Vec<u8>, coding: Coding, length: u64) {
    out.extend_from_slice(&[LONG_CODED, coding.codec as u8]);
    put_varint(out, coding.length);
    put_varint(out, length);
}

fn put_varint(out: &mut Vec<u8>, mut length: u64) {
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
        _ => load_ref(segments, reference),
    }
}

/// The whole value of a record under a cursor. See [`load`].
pub(crate) fn load_ref(segments: &dyn Segments, record: RecordRef<'_>) -> Result<Bytes> {
    match Stored::parse(record)? {
        Stored::Inline(value) => Ok(Bytes::copy_from_slice(value)),
        Stored::Long(length) => load_long(segments, record.extents, length),
        Stored::InlineCoded(coding, compressed) => frames::decode(coding, compressed),
        Stored::LongCoded(coding, length) => {
            frames::decode(coding, &load_long(segments, record.extents, length)?)
        }
    }
}

/// An empty vector that takes `length` bytes.
///
/// # Errors
/// `ValueTooLong` when there is no memory for them.
pub(crate) fn reserve(length: u64) -> Result<Vec<u8>> {
    let too_long = || {
        let message = format!("a value of {length} bytes doesn't fit in memory: stream it with a reader");
        Error::new(ErrorKind::ValueTooLong, message)
    };
    let mut value = Vec::new();
    value.try_reserve_exact(usize::try_from(length).map_err(|_| too_long())?).map_err(|_| too_long())?;
    Ok(value)
}

fn load_long(segments: &dyn Segments, extents: &[Extent], length: u64) -> Result<Bytes> {
    let mut value = reserve(length)?;
    value.resize(length as usize, 0);
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
    fn compressed_values_come_back() {
        for (codec, length) in [(Codec::Zlib, 0), (Codec::Zstd, 300), (Codec::Zstd, u64::MAX)] {
            let coding = Coding { codec, length };
            for compressed in [&b""[..], b"\x80\0", &[0xFF; 500]] {
                let mut record = Vec::new();
                put_inline_coded(&mut record, coding, compressed);
                assert_eq!(parse(&record, &[]).expect("a value"), Stored::InlineCoded(coding, compressed));
                let mut record = Vec::new();
                put_long_coded(&mut record, coding, compressed.len() as u64);
                let extents = [Extent { segment: SegmentId(1), offset: 0, length: compressed.len() as u64 }];
                let stored = parse(&record, &extents).expect("a value");
                assert_eq!(stored, Stored::LongCoded(coding, compressed.len() as u64));
                assert_eq!((stored.length(), stored.codec()), (length, codec));
                assert_eq!(stored.stored_length(), compressed.len() as u64);
                assert_eq!(parse(&record, &[]).is_ok(), compressed.is_empty());
            }
        }
        for damaged in [&[INLINE_CODED][..], &[INLINE_CODED, 2], &[LONG_CODED, 1, 0x80], &[LONG_CODED, 2, 5]]
        {
            assert_eq!(parse(damaged, &[]).expect_err("damaged").kind(), ErrorKind::Corrupt, "{damaged:?}");
        }
        for newer in [&[INLINE_CODED, 0, 1][..], &[LONG_CODED, 3, 1, 1]] {
            assert_eq!(parse(newer, &[]).expect_err("newer").kind(), ErrorKind::Incompatible, "{newer:?}");
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
