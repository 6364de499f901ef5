//! The log of commits: for each batch, who wrote it, when, and which versions it superseded.
//!
//! It says what can be deleted once the horizon has passed, without a search, and whether a batch
//! whose writer heard no answer was applied.
//!
//! The body of a part, in its [`seal`](super::seal):
//!
//! | bytes | content                                                                      |
//! |-------|------------------------------------------------------------------------------|
//! | 16    | the batch, as in the head                                                    |
//! | 8     | the first epoch of the batch, little-endian; the last one is in the key      |
//! | 8     | when it was written, in seconds since 1970, by the writer's clock            |
//! | each  | 1 byte: whether it owned extents; varint: the epoch that superseded it, less |
//! |       | the first; varint and bytes: the key of the superseded version               |

use millpond_core::Epoch;
use uuid::Uuid;

use super::{
    keys,
    seal::Identity,
    wire::{Malformed, Reader, put_varint},
};
use crate::operation::Entry;

/// A part is ended when it has this many bytes, so that a listing of parts is bounded.
const PART_BYTES: usize = 64 << 10;

/// A batch of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) id: Uuid,
    pub(crate) first: Epoch,
    pub(crate) last: Epoch,
    pub(crate) time: u64,
}

/// A version that a batch superseded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Superseded {
    /// Its key in the history.
    pub(crate) key: Vec<u8>,
    pub(crate) by: Epoch,
    pub(crate) owns_extents: bool,
}

/// The omap entries of a batch: one at least.
pub(crate) fn encode(identity: &Identity, batch: &Batch, superseded: &[Superseded]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut rest = superseded;
    loop {
        let key = keys::log(batch.last, entries.len());
        let value = identity.seal(&key, |out| {
            out.extend_from_slice(batch.id.as_bytes());
            out.extend_from_slice(&batch.first.0.to_le_bytes());
            out.extend_from_slice(&batch.time.to_le_bytes());
            while let Some((version, others)) = rest.split_first()
                && out.len() < PART_BYTES
            {
                out.push(u8::from(version.owns_extents));
                put_varint(out, version.by.0 - batch.first.0);
                put_varint(out, version.key.len() as u64);
                out.extend_from_slice(&version.key);
                rest = others;
            }
        });
        entries.push((key, value));
        if rest.is_empty() {
            return entries;
        }
    }
}

/// The batch and the superseded versions in an omap entry.
pub(crate) fn decode(
    identity: &Identity,
    key: &[u8],
    sealed: &[u8],
) -> Result<(Batch, Vec<Superseded>), Malformed> {
    let (last, _) = keys::parse_log(key)?;
    let mut body = Reader(identity.open(key, sealed)?);
    let batch =
        Batch { id: Uuid::from_bytes(body.array()?), first: Epoch(body.u64()?), last, time: body.u64()? };
    let mut superseded = Vec::new();
    while !body.is_empty() {
        let owns_extents = body.u8()? == 1;
        let by = Epoch(batch.first.0.wrapping_add(body.varint()?));
        let length = body.length()?;
        superseded.push(Superseded { key: body.bytes(length)?.to_vec(), by, owns_extents });
    }
    Ok((batch, superseded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_comes_back_from_its_parts() {
        let identity = Identity(Uuid::from_u128(1));
        let batch = Batch { id: Uuid::from_u128(2), first: Epoch(10), last: Epoch(12), time: 77 };
        for count in [0u64, 1, 5000] {
            let superseded: Vec<_> = (0..count)
                .map(|at| Superseded {
                    key: vec![b'h'; 40],
                    by: Epoch(10 + at % 3),
                    owns_extents: at % 2 == 0,
                })
                .collect();
            let entries = encode(&identity, &batch, &superseded);
            assert_eq!(entries.len() > 1, count == 5000);
            let mut found = Vec::new();
            for (at, (key, value)) in entries.iter().enumerate() {
                assert_eq!(keys::parse_log(key), Ok((Epoch(12), at)));
                let (of, part) = decode(&identity, key, value).expect("whole");
                assert_eq!(of, batch);
                found.extend(part);
            }
            assert_eq!(found, superseded);
        }
    }
}
