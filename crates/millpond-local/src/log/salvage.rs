//! What of the log can be read behind a damaged record, and what of it is lost.
//!
//! A damaged record doesn't say where it ends. The next one is known by itself: its checksum is bound
//! to its place, its epoch is greater than all before, and it says of nothing behind it that it is
//! durable. Where the checksum of the damaged record can still be read, the record that names it as
//! the one before is the next one, whatever else there is.
//!
//! What lies between is lost, and may have changed any key. So of each key only what is newer can be
//! relied on: all older versions, and the absence of any, are in doubt, until a repair accepts the loss.

use millpond_core::{Damage, Epoch, Error, ErrorKind};
use uuid::Uuid;

use super::{LogPlace, RecordHeader, parse};

/// Records of the log, one or several in a row, that are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Where they begin.
    pub(crate) place: LogPlace,
    /// The epoch of the record before: no view up to it sees them.
    pub(crate) after: Epoch,
    /// An epoch that is above all of theirs: what has it, or a greater one, is newer than they are.
    pub(crate) before: Epoch,
}

impl Lost {
    /// What a read answers whose key they may have changed last.
    pub(crate) fn error(&self) -> Error {
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "{}, offset {}: {}, and may have changed this; restore the container from a copy, or accept the loss by `millpond container check --repair`",
                self.place.path(),
                self.place.offset,
                Self::WHAT
            ),
        )
    }

    /// What a change of the container answers.
    pub(crate) fn refusal(container: Uuid) -> Error {
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "container {container} can't be changed: {}; restore it from a copy, or accept the loss by `millpond container check --repair`",
                Self::WHAT
            ),
        )
    }

    pub(crate) fn damage(&self) -> Damage {
        Damage::new(self.place.path(), self.place.offset, Self::WHAT)
    }

    const WHAT: &'static str = "records of the log were damaged and are lost";
}

/// The next record behind a damaged one with which `bytes` begin, at log offset `offset`, and its own
/// log offset. `epoch` is that of the record before the damaged one.
pub(crate) fn next_intact(
    bytes: &[u8],
    container: Uuid,
    offset: u64,
    epoch: Epoch,
) -> Option<(u64, RecordHeader)> {
    let damaged =
        bytes.get(8..16).and_then(|bytes| bytes.first_chunk()).map(|word| u64::from_le_bytes(*word));
    let mut first = None;
    for at in (8..bytes.len()).step_by(8) {
        let place = offset + at as u64;
        let Some(header) = parse(&bytes[at..], container, place) else { continue };
        if header.epoch <= epoch || header.synced_upto > place {
            continue;
        }
        if Some(header.chain) == damaged {
            return Some((place, header));
        }
        first.get_or_insert((place, header));
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{LogOpRef, Payload, encode_op, encode_record};

    const CONTAINER: Uuid = Uuid::from_u128(3);

    /// Appends a record that puts `value`; answers its checksum.
    fn append(out: &mut Vec<u8>, base: u64, chain: u64, epoch: u64, value: &[u8]) -> u64 {
        let mut payload = Payload::default();
        encode_op(&mut payload, b"key", b"", LogOpRef::Put { value, extents: &[] });
        let offset = base + out.len() as u64;
        let header = RecordHeader {
            length: 0,
            operations: 0,
            checksum: 0,
            chain,
            epoch: Epoch(epoch),
            synced_upto: offset,
            term: 1,
            segments_synced: true,
        };
        encode_record(out, CONTAINER, offset, &header, &payload)
    }

    #[test]
    fn the_next_record_is_found_whatever_the_damaged_one_says() {
        let (mut log, base) = (Vec::new(), 4096);
        let chain = append(&mut log, base, 7, 10, &[1; 30]);
        let second = log.len();
        let chain = append(&mut log, base, chain, 11, &[2; 30]);
        append(&mut log, base, chain, 12, &[3; 30]);
        let next =
            |log: &[u8], epoch| next_intact(log, CONTAINER, base, Epoch(epoch)).map(|(at, _)| at - base);
        for place in 0..second {
            let mut bad = log.clone();
            bad[place] ^= 0xFF;
            assert_eq!(next(&bad, 9), Some(second as u64), "byte {place}");
        }
        // Nothing is taken for newer than it is.
        assert!(next(&log, 11) > Some(second as u64));
        assert_eq!(next(&log, 12), None);
        assert_eq!(next(&log[..second], 9), None);
        assert_eq!(next_intact(&log, CONTAINER, base + 8, Epoch(9)), None);
    }

    #[test]
    fn a_copy_of_a_record_within_a_value_is_not_taken_for_the_next_one() {
        let base = 0;
        // What the value holds would be a record in the very place where it lies.
        let mut inner = vec![0; 200];
        append(&mut inner, base, 99, 50, b"forged");
        let forged = inner.split_off(200);
        let mut log = Vec::new();
        let mut value = vec![0; 200 - values_at(&forged)];
        value.extend_from_slice(&forged);
        let chain = append(&mut log, base, 7, 10, &value);
        let second = log.len() as u64;
        append(&mut log, base, chain, 60, b"next");
        assert!(parse(&log[200..], CONTAINER, 200).is_some(), "the forgery is in its place");
        log[30] ^= 1;
        assert_eq!(next_intact(&log, CONTAINER, base, Epoch(9)).map(|(at, _)| at), Some(second));
    }

    /// Where the values of a record with one put begin.
    fn values_at(value: &[u8]) -> usize {
        let mut payload = Payload::default();
        let value = [&vec![0; 100][..], value].concat();
        encode_op(&mut payload, b"key", b"", LogOpRef::Put { value: &value, extents: &[] });
        crate::log::RECORD_HEADER_BYTES + payload.operations.len()
    }
}
