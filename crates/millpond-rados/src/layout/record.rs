//! A version of a record, as an omap value holds it.
//!
//! The body, in its [`seal`](super::seal):
//!
//! | bytes | content                                                                  |
//! |-------|--------------------------------------------------------------------------|
//! | 8     | the epoch of the commit that wrote it, little-endian                     |
//! | 8     | of a superseded version only: the epoch of the commit that superseded it |
//! | 1–10  | how many extents follow, as a varint                                     |
//! | each  | 8 bytes segment, varint offset, varint length                            |
//! | rest  | the value                                                                |

use bytes::Bytes;
use millpond_core::{Epoch, Extent, Record, SegmentId};

use super::{
    keys::HISTORY,
    seal::Identity,
    wire::{Malformed, Reader, put_varint},
};

/// A version of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) record: Record,
    /// Of a superseded version, the epoch at which it ceased to be the newest.
    pub(crate) superseded: Option<Epoch>,
}

impl Version {
    /// Whether a view at `epoch` sees it.
    pub(crate) fn is_live_at(&self, epoch: Epoch) -> bool {
        self.record.version <= epoch && self.superseded.is_none_or(|superseded| epoch < superseded)
    }
}

/// The omap value of a version, at `key`.
pub(crate) fn encode(
    identity: &Identity,
    key: &[u8],
    version: Epoch,
    superseded: Option<Epoch>,
    value: &[u8],
    extents: &[Extent],
) -> Vec<u8> {
    identity.seal(key, |out| {
        out.extend_from_slice(&version.0.to_le_bytes());
        if let Some(superseded) = superseded {
            out.extend_from_slice(&superseded.0.to_le_bytes());
        }
        put_varint(out, extents.len() as u64);
        for extent in extents {
            out.extend_from_slice(&extent.segment.0.to_le_bytes());
            put_varint(out, extent.offset);
            put_varint(out, extent.length);
        }
        out.extend_from_slice(value);
    })
}

/// The version that the omap value of `key` holds.
pub(crate) fn decode(identity: &Identity, key: &[u8], sealed: &[u8]) -> Result<Version, Malformed> {
    let mut body = Reader(identity.open(key, sealed)?);
    let version = Epoch(body.u64()?);
    let superseded = if key.first() == Some(&HISTORY) { Some(Epoch(body.u64()?)) } else { None };
    let count = body.length()?;
    let mut extents = Vec::with_capacity(count);
    for _ in 0..count {
        extents.push(Extent {
            segment: SegmentId(body.u64()?),
            offset: body.varint()?,
            length: body.varint()?,
        });
    }
    let record = Record { version, value: Bytes::copy_from_slice(body.0), extents };
    Ok(Version { record, superseded })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn versions_come_back_from_both_places() {
        let identity = Identity(Uuid::from_u128(1));
        let extents = [Extent { segment: SegmentId(u64::MAX), offset: 3, length: 1 << 40 }];
        for (key, superseded) in [(&b"rx"[..], None), (b"hx", Some(Epoch(9)))] {
            let sealed = encode(&identity, key, Epoch(5), superseded, b"value", &extents);
            let version = decode(&identity, key, &sealed).expect("whole");
            assert_eq!((version.record.version, version.superseded), (Epoch(5), superseded));
            assert_eq!(&version.record.value[..], b"value");
            assert_eq!(version.record.extents, extents);
            assert!(!version.is_live_at(Epoch(4)) && version.is_live_at(Epoch(8)));
            assert_eq!(version.is_live_at(Epoch(9)), superseded.is_none());
        }
    }
}
