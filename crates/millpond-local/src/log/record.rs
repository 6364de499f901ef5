//! A record of the log: one commit.
//!
//! | offset | bytes | what |
//! | ---: | ---: | --- |
//! | 0 | 4 | bytes of the whole record, a multiple of 8 |
//! | 4 | 4 | bytes of the operations |
//! | 8 | 8 | xxh3 of the rest of this header and of the operations, seeded by container and log offset |
//! | 16 | 8 | checksum of the record before |
//! | 24 | 8 | epoch |
//! | 32 | 8 | log offset up to which all was durable when this was written |
//! | 40 | 4 | term |
//! | 44 | 4 | flags: 1 = the segments that it names are synced |
//! | 48 | … | operations |
//! | … | … | the values of the puts, one behind the other, then zeros |
//!
//! The seed binds a record to its place, so that no copy of it elsewhere is ever taken for one;
//! the checksum of the record before binds it to its history. A zeroed place is no record, since
//! no record is 0 bytes long.
//!
//! Values have checksums of their own, among the operations: a record whose operations are intact
//! says what it did to which keys, and a damaged value hides nothing but itself.
//!
//! Operations: a kind byte, the key (varint length, bytes), and
//! 1 put: bytes of the value (varint), xxh3 of the value, extents (varint count, three varints each);
//! 2 delete; 3 adjust: zigzag varint; 4 run (no key): id, then a count of segments and for each
//! its id and the bytes of it that the run makes reachable, as varints.

use std::ops::DerefMut;

use bytes::{BufMut, Bytes};
use millpond_core::{Epoch, Extent, SegmentId, limits};
use uuid::Uuid;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::{
    bugs::{Bug, planted},
    wire::{Malformed, Reader, put_varint},
};

/// Bytes before the payload.
pub(crate) const RECORD_HEADER_BYTES: usize = 48;

/// What a record says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    /// Bytes of the whole record.
    pub(crate) length: u32,
    /// Bytes of its operations, without their values.
    pub(crate) operations: u32,
    pub(crate) checksum: u64,
    pub(crate) chain: u64,
    pub(crate) epoch: Epoch,
    pub(crate) synced_upto: u64,
    pub(crate) term: u32,
    pub(crate) segments_synced: bool,
}

impl RecordHeader {
    /// Reads what the first bytes of a record say, unverified; none if there are too few.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes.get(..RECORD_HEADER_BYTES)?);
        let mut read = || {
            let (length, operations) = (reader.u32()?, reader.u32()?);
            let (checksum, chain, epoch, synced_upto) =
                (reader.u64()?, reader.u64()?, Epoch(reader.u64()?), reader.u64()?);
            let (term, flags) = (reader.u32()?, reader.u32()?);
            Ok::<_, Malformed>(Self {
                length,
                operations,
                checksum,
                chain,
                epoch,
                synced_upto,
                term,
                segments_synced: flags & 1 != 0,
            })
        };
        read().ok()
    }
}

/// One operation of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogOp {
    Put {
        key: Bytes,
        value: Bytes,
        /// That of the value as it was written.
        checksum: u64,
        extents: Vec<Extent>,
    },
    Delete {
        key: Bytes,
    },
    Adjust {
        key: Bytes,
        delta: i64,
    },
    /// The commit's puts and deletes are in a run of their own.
    Run {
        id: u64,
        segments: Vec<(SegmentId, u64)>,
    },
}

/// An operation to encode.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LogOpRef<'a> {
    Put { value: &'a [u8], extents: &'a [Extent] },
    Delete,
    Adjust(i64),
}

/// The operations of a commit, and their values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Payload {
    pub(crate) operations: Vec<u8>,
    pub(crate) values: Vec<u8>,
}

/// A [`Payload`] that was read: keys and values share its memory.
#[derive(Clone, Debug)]
pub(crate) struct PayloadRead {
    pub(crate) operations: Bytes,
    /// The values, and maybe zeros behind them.
    pub(crate) values: Bytes,
}

impl Payload {
    /// Bytes of a record of it.
    pub(crate) fn record_bytes(&self) -> usize {
        (RECORD_HEADER_BYTES + self.operations.len() + self.values.len()).next_multiple_of(8)
    }
}

impl PayloadRead {
    /// That of a record with its header, all of whose bytes are there.
    pub(crate) fn of(record: &Bytes, header: &RecordHeader) -> Self {
        let end = RECORD_HEADER_BYTES + header.operations as usize;
        Self {
            operations: record.slice(RECORD_HEADER_BYTES..end),
            values: record.slice(end..header.length as usize),
        }
    }
}

/// Whether a value is the one that was written.
pub(crate) fn is_intact(value: &[u8], checksum: u64) -> bool {
    xxh3_64(value) == checksum || planted(Bug::AcceptRecordsWithoutChecksum)
}

/// Whether all values of a record are, of which the operations are.
pub(crate) fn values_intact(payload: &PayloadRead) -> bool {
    Ops::new(payload).all(|op| match op {
        Ok(LogOp::Put { value, checksum, .. }) => is_intact(&value, checksum),
        Ok(_) => true,
        Err(_) => false,
    })
}

/// Appends an operation on the key that `key` and `rest` make together.
pub(crate) fn encode_op(payload: &mut Payload, key: &[u8], rest: &[u8], op: LogOpRef<'_>) {
    let Payload { operations: out, values } = payload;
    out.push(match op {
        LogOpRef::Put { .. } => 1,
        LogOpRef::Delete => 2,
        LogOpRef::Adjust(_) => 3,
    });
    put_varint(out, (key.len() + rest.len()) as u64);
    out.extend_from_slice(key);
    out.extend_from_slice(rest);
    match op {
        LogOpRef::Put { value, extents } => {
            put_varint(out, value.len() as u64);
            out.extend_from_slice(&xxh3_64(value).to_le_bytes());
            values.extend_from_slice(value);
            put_varint(out, extents.len() as u64);
            for extent in extents {
                put_varint(out, extent.segment.0);
                put_varint(out, extent.offset);
                put_varint(out, extent.length);
            }
        }
        LogOpRef::Delete => {}
        LogOpRef::Adjust(delta) => put_varint(out, (delta << 1 ^ delta >> 63) as u64),
    }
}

/// Appends the operation that names a bulk commit's run.
pub(crate) fn encode_run(payload: &mut Payload, id: u64, segments: &[(SegmentId, u64)]) {
    let out = &mut payload.operations;
    out.push(4);
    put_varint(out, id);
    put_varint(out, segments.len() as u64);
    for (segment, bytes) in segments {
        put_varint(out, segment.0);
        put_varint(out, *bytes);
    }
}

/// Reads the operations of a payload. Their values are not verified.
pub(crate) struct Ops<'a> {
    payload: &'a PayloadRead,
    reader: Reader<'a>,
    /// Bytes of the values of the operations before.
    values: usize,
}

impl<'a> Ops<'a> {
    pub(crate) fn new(payload: &'a PayloadRead) -> Self {
        Self { payload, reader: Reader(&payload.operations), values: 0 }
    }

    fn length(&mut self, most: usize) -> Result<usize, Malformed> {
        let length = self.reader.length()?;
        if length > most { Err(Malformed("a length is out of range")) } else { Ok(length) }
    }

    fn key(&mut self) -> Result<Bytes, Malformed> {
        let length = self.length(limits::PARTITION_BYTES_MAX + limits::SORT_KEY_BYTES_MAX)?;
        Ok(self.payload.operations.slice_ref(self.reader.bytes(length)?))
    }

    fn value(&mut self) -> Result<Bytes, Malformed> {
        let length = self.length(limits::RECORD_VALUE_BYTES_MAX)?;
        let end = self.values + length;
        if end > self.payload.values.len() {
            return Err(Malformed("a value is cut off"));
        }
        let value = self.payload.values.slice(self.values..end);
        self.values = end;
        Ok(value)
    }

    fn op(&mut self) -> Result<LogOp, Malformed> {
        match self.reader.u8()? {
            1 => {
                let key = self.key()?;
                let value = self.value()?;
                let checksum = self.reader.u64()?;
                let count = self.reader.length()?;
                // Three bytes at the least for each: no count makes us allocate more than there is.
                if count > limits::RECORD_EXTENTS_MAX || count > self.reader.0.len() / 3 {
                    return Err(Malformed("a count of extents is out of range"));
                }
                let mut extents = Vec::with_capacity(count);
                for _ in 0..count {
                    extents.push(Extent {
                        segment: SegmentId(self.reader.varint()?),
                        offset: self.reader.varint()?,
                        length: self.reader.varint()?,
                    });
                }
                Ok(LogOp::Put { key, value, checksum, extents })
            }
            2 => Ok(LogOp::Delete { key: self.key()? }),
            3 => {
                let key = self.key()?;
                let zigzag = self.reader.varint()?;
                Ok(LogOp::Adjust { key, delta: (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64) })
            }
            4 => {
                let id = self.reader.varint()?;
                let count = self.reader.length()?;
                if count > self.reader.0.len() / 2 {
                    return Err(Malformed("a count of segments is out of range"));
                }
                let mut segments = Vec::with_capacity(count);
                for _ in 0..count {
                    segments.push((SegmentId(self.reader.varint()?), self.reader.varint()?));
                }
                Ok(LogOp::Run { id, segments })
            }
            _ => Err(Malformed("an operation is of an unknown kind")),
        }
    }
}

impl Iterator for Ops<'_> {
    type Item = Result<LogOp, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let op = self.op();
        if op.is_err() {
            self.reader = Reader(&[]);
        }
        Some(op)
    }
}

/// Appends a record of `payload` that begins at log offset `offset`, and answers its checksum.
pub(crate) fn encode_record(
    out: &mut (impl BufMut + DerefMut<Target = [u8]>),
    container: Uuid,
    offset: u64,
    header: &RecordHeader,
    payload: &Payload,
) -> u64 {
    let start = out.len();
    let length = payload.record_bytes();
    out.put_u32_le(length as u32);
    out.put_u32_le(payload.operations.len() as u32);
    out.put_u64_le(0);
    for word in [header.chain, header.epoch.0, header.synced_upto] {
        out.put_u64_le(word);
    }
    out.put_u32_le(header.term);
    out.put_u32_le(header.segments_synced.into());
    out.put_slice(&payload.operations);
    let checksum = checksum_of(&out[start..], seed(container, offset));
    out.put_slice(&payload.values);
    out.put_bytes(0, start + length - out.len());
    out[start + 8..start + 16].copy_from_slice(&checksum.to_le_bytes());
    checksum
}

/// Reads the record that begins `bytes`, at log offset `offset`; `None` if there is none whose
/// operations are intact. Its values may still be damaged.
pub(crate) fn parse(bytes: &[u8], container: Uuid, offset: u64) -> Option<RecordHeader> {
    let header = RecordHeader::read(bytes)?;
    let length = header.length as usize;
    let end = RECORD_HEADER_BYTES + header.operations as usize;
    if length > bytes.len() || end > length || !length.is_multiple_of(8) {
        return None;
    }
    let intact = checksum_of(&bytes[..end], seed(container, offset)) == header.checksum;
    (intact || planted(Bug::AcceptRecordsWithoutChecksum)).then_some(header)
}

fn seed(container: Uuid, offset: u64) -> u64 {
    let (high, low) = container.as_u64_pair();
    high ^ low.rotate_left(32) ^ offset.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Of a record's header, but for the checksum itself, and its operations.
fn checksum_of(record: &[u8], seed: u64) -> u64 {
    // Short ones in one piece: three updates of a streaming hash cost more than they hash.
    if record.len() <= 1024 {
        let mut copy = [0u8; 1024];
        copy[..8].copy_from_slice(&record[..8]);
        copy[8..record.len() - 8].copy_from_slice(&record[16..]);
        return xxhash_rust::xxh3::xxh3_64_with_seed(&copy[..record.len() - 8], seed);
    }
    let mut hasher = Xxh3::with_seed(seed);
    hasher.update(&record[..8]);
    hasher.update(&record[16..]);
    hasher.digest()
}

/// Where the chain of a new container begins.
pub(crate) fn first_chain(container: Uuid) -> u64 {
    xxh3_64(container.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTAINER: Uuid = Uuid::from_u128(0x1234);

    fn payload() -> Payload {
        let mut out = Payload::default();
        let extent = Extent { segment: SegmentId(u64::MAX), offset: 96, length: 1 << 40 };
        encode_op(&mut out, b"key", b"-1", LogOpRef::Put { value: b"value", extents: &[extent] });
        encode_op(&mut out, b"", b"", LogOpRef::Delete);
        encode_op(&mut out, b"n", b"", LogOpRef::Adjust(-3));
        encode_op(&mut out, b"n", b"", LogOpRef::Adjust(i64::MAX));
        encode_op(&mut out, b"key", b"-2", LogOpRef::Put { value: &[7; 40], extents: &[] });
        encode_run(&mut out, 77, &[(SegmentId(5), 1000)]);
        out
    }

    fn long() -> Payload {
        let mut out = Payload::default();
        for number in 0..200u8 {
            encode_op(&mut out, b"key", &[number], LogOpRef::Put { value: &[number; 9], extents: &[] });
        }
        out
    }

    fn record(offset: u64, payload: &Payload) -> Bytes {
        let header = RecordHeader {
            length: 0,
            operations: 0,
            checksum: 0,
            chain: 11,
            epoch: Epoch(12),
            synced_upto: 13,
            term: 14,
            segments_synced: true,
        };
        let mut out = Vec::new();
        encode_record(&mut out, CONTAINER, offset, &header, payload);
        out.into()
    }

    #[test]
    fn operations_come_back() {
        let record = record(0, &payload());
        let header = parse(&record, CONTAINER, 0).expect("intact");
        let payload = PayloadRead::of(&record, &header);
        let ops: Vec<_> = Ops::new(&payload).collect::<Result<_, _>>().expect("intact");
        assert_eq!(ops.len(), 6);
        assert_eq!(ops[2], LogOp::Adjust { key: "n".into(), delta: -3 });
        assert_eq!(ops[3], LogOp::Adjust { key: "n".into(), delta: i64::MAX });
        assert_eq!(ops[5], LogOp::Run { id: 77, segments: vec![(SegmentId(5), 1000)] });
        let LogOp::Put { key, value, extents, checksum } = &ops[0] else { panic!("not a put") };
        assert_eq!((&key[..], &value[..], extents[0].length), (&b"key-1"[..], &b"value"[..], 1 << 40));
        assert!(is_intact(value, *checksum) && !is_intact(b"valuf", *checksum));
        let LogOp::Put { key, value, .. } = &ops[4] else { panic!("not a put") };
        assert_eq!((&key[..], &value[..]), (&b"key-2"[..], &[7; 40][..]));
        assert!(values_intact(&payload));
    }

    #[test]
    fn a_record_is_taken_only_unchanged_and_in_its_place() {
        for payload in [payload(), long()] {
            let good = record(4096, &payload);
            let header = parse(&good, CONTAINER, 4096).expect("intact");
            assert_eq!(
                (header.chain, header.epoch, header.synced_upto, header.term),
                (11, Epoch(12), 13, 14)
            );
            assert_eq!(header.operations as usize, payload.operations.len());
            assert_eq!(parse(&good, CONTAINER, 4104), None);
            assert_eq!(parse(&good, Uuid::from_u128(9), 4096), None);
            assert_eq!(parse(&good[..good.len() - 1], CONTAINER, 4096), None);
            let values = RECORD_HEADER_BYTES + payload.operations.len();
            for place in 0..values + payload.values.len() {
                let mut bad = good.to_vec();
                bad[place] ^= 1;
                let parsed = parse(&bad, CONTAINER, 4096);
                if place < values {
                    assert_eq!(parsed, None, "byte {place} was flipped");
                    continue;
                }
                // A value hides itself only.
                let bad = PayloadRead::of(&bad.into(), &parsed.expect("its operations are intact"));
                assert!(!values_intact(&bad), "byte {place} was flipped");
                let damaged = Ops::new(&bad).filter(
                    |op| matches!(op, Ok(LogOp::Put { value, checksum, .. }) if !is_intact(value, *checksum)),
                );
                assert_eq!(damaged.count(), 1, "byte {place} was flipped");
            }
        }
        assert_eq!(parse(&[0; 64], CONTAINER, 0), None);
    }

    #[test]
    fn malformed_operations_end_in_an_error_not_in_a_panic() {
        let good = payload();
        let read = |operations: Vec<u8>, values: &[u8]| PayloadRead {
            operations: operations.into(),
            values: Bytes::copy_from_slice(values),
        };
        for cut in 0..good.operations.len() {
            let _ = Ops::new(&read(good.operations[..cut].to_vec(), &good.values)).count();
        }
        for place in 0..good.operations.len() {
            let mut bad = good.operations.clone();
            bad[place] ^= 0xFF;
            let _ = Ops::new(&read(bad, &good.values)).count();
        }
        for cut in 0..good.values.len() {
            let payload = read(good.operations.clone(), &good.values[..cut]);
            assert!(Ops::new(&payload).any(|op| op.is_err()) && !values_intact(&payload));
        }
        let payload = read(vec![1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F], &[]);
        assert!(Ops::new(&payload).next().expect("one").is_err());
    }
}
