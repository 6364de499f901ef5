//! A record of the log: one commit.
//!
//! | offset | bytes | what |
//! | ---: | ---: | --- |
//! | 0 | 4 | bytes of the whole record, a multiple of 8 |
//! | 4 | 4 | bytes of the payload |
//! | 8 | 8 | xxh3 of all else, seeded by container and log offset |
//! | 16 | 8 | checksum of the record before |
//! | 24 | 8 | epoch |
//! | 32 | 8 | log offset up to which all was durable when this was written |
//! | 40 | 4 | term |
//! | 44 | 4 | flags: 1 = the segments that it names are synced |
//! | 48 | … | payload: operations, then zeros |
//!
//! The seed binds a record to its place, so that no copy of it elsewhere is ever taken for one;
//! the checksum of the record before binds it to its history. A zeroed place is no record, since
//! no record is 0 bytes long.
//!
//! Operations: a kind byte, the key (varint length, bytes), and
//! 1 put: value (varint length, bytes), extents (varint count, three varints each);
//! 2 delete; 3 adjust: zigzag varint; 4 run (no key): id, then a count of segments and for each
//! its id and the bytes of it that the run makes reachable, as varints.

use bytes::Bytes;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    /// Bytes of the whole record.
    pub(crate) length: u32,
    pub(crate) payload: u32,
    pub(crate) checksum: u64,
    pub(crate) chain: u64,
    pub(crate) epoch: Epoch,
    pub(crate) synced_upto: u64,
    pub(crate) term: u32,
    pub(crate) segments_synced: bool,
}

/// One operation of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogOp {
    Put {
        key: Bytes,
        value: Bytes,
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

/// Appends an operation on the key that `key` and `rest` make together.
pub(crate) fn encode_op(out: &mut Vec<u8>, key: &[u8], rest: &[u8], op: LogOpRef<'_>) {
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
            out.extend_from_slice(value);
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
pub(crate) fn encode_run(out: &mut Vec<u8>, id: u64, segments: &[(SegmentId, u64)]) {
    out.push(4);
    put_varint(out, id);
    put_varint(out, segments.len() as u64);
    for (segment, bytes) in segments {
        put_varint(out, segment.0);
        put_varint(out, *bytes);
    }
}

/// Reads the operations of a payload; keys and values share its memory.
pub(crate) struct Ops<'a> {
    payload: &'a Bytes,
    reader: Reader<'a>,
}

impl<'a> Ops<'a> {
    pub(crate) fn new(payload: &'a Bytes) -> Self {
        Self { payload, reader: Reader(payload) }
    }

    fn sized(&mut self, most: usize) -> Result<Bytes, Malformed> {
        let length = self.reader.length()?;
        if length > most {
            return Err(Malformed("a length is out of range"));
        }
        Ok(self.payload.slice_ref(self.reader.bytes(length)?))
    }

    fn key(&mut self) -> Result<Bytes, Malformed> {
        self.sized(limits::PARTITION_BYTES_MAX + limits::SORT_KEY_BYTES_MAX)
    }

    fn op(&mut self) -> Result<LogOp, Malformed> {
        match self.reader.u8()? {
            1 => {
                let key = self.key()?;
                let value = self.sized(limits::RECORD_VALUE_BYTES_MAX)?;
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
                Ok(LogOp::Put { key, value, extents })
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
    out: &mut Vec<u8>,
    container: Uuid,
    offset: u64,
    header: &RecordHeader,
    payload: &[u8],
) -> u64 {
    let start = out.len();
    let length = record_bytes(payload.len());
    out.extend_from_slice(&(length as u32).to_le_bytes());
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    for word in [header.chain, header.epoch.0, header.synced_upto] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&header.term.to_le_bytes());
    out.extend_from_slice(&u32::from(header.segments_synced).to_le_bytes());
    out.extend_from_slice(payload);
    out.resize(start + length, 0);
    let checksum = checksum_of(&out[start..], seed(container, offset));
    out[start + 8..start + 16].copy_from_slice(&checksum.to_le_bytes());
    checksum
}

/// Bytes of a record with a payload of `payload` bytes.
pub(crate) fn record_bytes(payload: usize) -> usize {
    (RECORD_HEADER_BYTES + payload).next_multiple_of(8)
}

/// Reads the record that begins `bytes`, at log offset `offset`; `None` if there is no intact one.
pub(crate) fn parse(bytes: &[u8], container: Uuid, offset: u64) -> Option<RecordHeader> {
    let mut reader = Reader(bytes.get(..RECORD_HEADER_BYTES)?);
    let header = (|| {
        let (length, payload) = (reader.u32()?, reader.u32()?);
        let (checksum, chain, epoch, synced_upto) =
            (reader.u64()?, reader.u64()?, Epoch(reader.u64()?), reader.u64()?);
        let (term, flags) = (reader.u32()?, reader.u32()?);
        Ok::<_, Malformed>(RecordHeader {
            length,
            payload,
            checksum,
            chain,
            epoch,
            synced_upto,
            term,
            segments_synced: flags & 1 != 0,
        })
    })()
    .ok()?;
    let length = header.length as usize;
    if length > bytes.len() || length != record_bytes(header.payload as usize) {
        return None;
    }
    let intact = checksum_of(&bytes[..length], seed(container, offset)) == header.checksum;
    (intact || planted(Bug::AcceptRecordsWithoutChecksum)).then_some(header)
}

fn seed(container: Uuid, offset: u64) -> u64 {
    let (high, low) = container.as_u64_pair();
    high ^ low.rotate_left(32) ^ offset.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn checksum_of(record: &[u8], seed: u64) -> u64 {
    // Short records in one piece: three updates of a streaming hash cost more than they hash.
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

    fn payload() -> Vec<u8> {
        let mut out = Vec::new();
        let extent = Extent { segment: SegmentId(u64::MAX), offset: 96, length: 1 << 40 };
        encode_op(&mut out, b"key", b"-1", LogOpRef::Put { value: b"value", extents: &[extent] });
        encode_op(&mut out, b"", b"", LogOpRef::Delete);
        encode_op(&mut out, b"n", b"", LogOpRef::Adjust(-3));
        encode_op(&mut out, b"n", b"", LogOpRef::Adjust(i64::MAX));
        encode_run(&mut out, 77, &[(SegmentId(5), 1000)]);
        out
    }

    fn record(offset: u64, payload: &[u8]) -> Vec<u8> {
        let header = RecordHeader {
            length: 0,
            payload: 0,
            checksum: 0,
            chain: 11,
            epoch: Epoch(12),
            synced_upto: 13,
            term: 14,
            segments_synced: true,
        };
        let mut out = Vec::new();
        encode_record(&mut out, CONTAINER, offset, &header, payload);
        out
    }

    #[test]
    fn operations_come_back() {
        let payload = Bytes::from(payload());
        let ops: Vec<_> = Ops::new(&payload).collect::<Result<_, _>>().expect("intact");
        assert_eq!(ops.len(), 5);
        assert_eq!(ops[2], LogOp::Adjust { key: "n".into(), delta: -3 });
        assert_eq!(ops[3], LogOp::Adjust { key: "n".into(), delta: i64::MAX });
        assert_eq!(ops[4], LogOp::Run { id: 77, segments: vec![(SegmentId(5), 1000)] });
        let LogOp::Put { key, value, extents } = &ops[0] else { panic!("not a put") };
        assert_eq!((&key[..], &value[..], extents[0].length), (&b"key-1"[..], &b"value"[..], 1 << 40));
    }

    #[test]
    fn a_record_is_taken_only_whole_unchanged_and_in_its_place() {
        for payload in [payload(), vec![7; 5000]] {
            let good = record(4096, &payload);
            let header = parse(&good, CONTAINER, 4096).expect("intact");
            assert_eq!(
                (header.chain, header.epoch, header.synced_upto, header.term),
                (11, Epoch(12), 13, 14)
            );
            assert_eq!(header.payload as usize, payload.len());
            assert_eq!(parse(&good, CONTAINER, 4104), None);
            assert_eq!(parse(&good, Uuid::from_u128(9), 4096), None);
            assert_eq!(parse(&good[..good.len() - 1], CONTAINER, 4096), None);
            for place in 0..good.len() {
                let mut bad = good.clone();
                bad[place] ^= 1;
                assert_eq!(parse(&bad, CONTAINER, 4096), None, "byte {place} was flipped");
            }
        }
        assert_eq!(parse(&[0; 64], CONTAINER, 0), None);
    }

    #[test]
    fn malformed_operations_end_in_an_error_not_in_a_panic() {
        let good = payload();
        for cut in 0..good.len() {
            let bytes = Bytes::copy_from_slice(&good[..cut]);
            let _ = Ops::new(&bytes).count();
        }
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 0xFF;
            let bytes = Bytes::from(bad);
            let _ = Ops::new(&bytes).count();
        }
        let bytes = Bytes::from_static(&[1, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F]);
        assert!(Ops::new(&bytes).next().expect("one").is_err());
    }
}
