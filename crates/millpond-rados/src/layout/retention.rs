//! Which past epochs are readable: all from the horizon on, and the retained ones.
//!
//! A superseded version is deleted only after the horizon has passed the commit that superseded it,
//! unless a retained epoch sees it. The horizon only grows, and nobody retains an epoch below it
//! that wasn't retained before: an epoch is retained by the commit that makes it, which puts a record
//! of [`millpond_core::RETAINED`], and writes the list of such records' epochs anew with it. Whoever
//! moves the horizon does it under the guard that the list has not changed.

use millpond_core::{Epoch, Error, ErrorKind};
use uuid::Uuid;

use super::{
    keys::{HORIZON, RETAINED},
    record::Version,
    seal::Identity,
    wire::{Malformed, Reader, put_varint},
};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    pub(crate) horizon: Epoch,
    /// In order, each as often as records keep it.
    pub(crate) retained: Vec<Epoch>,
}

impl Retention {
    /// Whether the state at `epoch` is readable.
    pub(crate) fn keeps(&self, epoch: Epoch) -> bool {
        epoch >= self.horizon || self.retained.binary_search(&epoch).is_ok()
    }

    /// Whether a readable state shows this version, or may.
    pub(crate) fn needs(&self, version: &Version) -> bool {
        self.needs_between(version.record.version, version.superseded.unwrap_or(Epoch::MAX))
    }

    /// Whether a readable state lies in `from..to`.
    pub(crate) fn needs_between(&self, from: Epoch, to: Epoch) -> bool {
        let first = self.retained.partition_point(|epoch| *epoch < from);
        to > self.horizon || self.retained.get(first).is_some_and(|epoch| *epoch < to)
    }

    /// # Errors
    /// `EpochGone` when the state at `epoch` is no longer readable.
    pub(crate) fn check(&self, epoch: Epoch) -> millpond_core::Result<()> {
        if self.keeps(epoch) { Ok(()) } else { Err(gone(epoch)) }
    }
}

pub(crate) fn gone(epoch: Epoch) -> Error {
    Error::new(ErrorKind::EpochGone, format!("the state at epoch {epoch} is no longer kept"))
}

pub(crate) fn encode_horizon(identity: &Identity, horizon: Epoch) -> Vec<u8> {
    identity.seal(HORIZON, |out| out.extend_from_slice(&horizon.0.to_le_bytes()))
}

pub(crate) fn decode_horizon(identity: &Identity, sealed: &[u8]) -> Result<Epoch, Malformed> {
    Reader(identity.open(HORIZON, sealed)?).u64().map(Epoch)
}

/// `change` identifies the writing, for whoever doesn't hear how it ended.
pub(crate) fn encode_retained(identity: &Identity, change: Uuid, retained: &[Epoch]) -> Vec<u8> {
    identity.seal(RETAINED, |out| {
        out.extend_from_slice(change.as_bytes());
        put_varint(out, retained.len() as u64);
        retained.iter().for_each(|epoch| put_varint(out, epoch.0));
    })
}

pub(crate) fn decode_retained(identity: &Identity, sealed: &[u8]) -> Result<Vec<Epoch>, Malformed> {
    let mut body = Reader(identity.open(RETAINED, sealed)?);
    body.array::<16>()?;
    let count = body.length()?;
    (0..count).map(|_| body.varint().map(Epoch)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_come_back() {
        let identity = Identity(Uuid::from_u128(1));
        assert_eq!(decode_horizon(&identity, &encode_horizon(&identity, Epoch(8))), Ok(Epoch(8)));
        let retained = vec![Epoch(1), Epoch(1 << 40)];
        let sealed = encode_retained(&identity, Uuid::from_u128(2), &retained);
        assert_eq!(decode_retained(&identity, &sealed), Ok(retained));
    }

    #[test]
    fn what_a_readable_state_shows_is_needed() {
        let retention = Retention { horizon: Epoch(100), retained: vec![Epoch(10), Epoch(20)] };
        assert!(retention.keeps(Epoch(100)) && retention.keeps(Epoch(20)) && !retention.keeps(Epoch(99)));
        assert!(retention.needs_between(Epoch(5), Epoch(11)), "10 sees it");
        assert!(!retention.needs_between(Epoch(5), Epoch(10)), "superseded at 10");
        assert!(!retention.needs_between(Epoch(11), Epoch(20)));
        assert!(!retention.needs_between(Epoch(21), Epoch(100)), "superseded at the horizon");
        assert!(retention.needs_between(Epoch(21), Epoch(101)));
    }
}
