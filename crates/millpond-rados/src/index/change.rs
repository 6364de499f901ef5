//! When a partition changed last: what a range precondition asks, and what spares a scan the history.
//!
//! The entry of a partition goes when the horizon has passed it; an absent one says just that.

use millpond_core::{Epoch, Result};

use crate::{
    container::{Answer, Container},
    layout::{
        keys::HORIZON,
        seal::Identity,
        wire::{Malformed, Reader},
    },
};

/// The omap value of a partition's last change, at `key`.
pub(super) fn encode(identity: &Identity, key: &[u8], epoch: Epoch) -> Vec<u8> {
    identity.seal(key, |out| out.extend_from_slice(&epoch.0.to_le_bytes()))
}

/// The epoch in such a value.
pub(super) fn decode(identity: &Identity, key: &[u8], sealed: &[u8]) -> Result<Epoch, Malformed> {
    Reader(identity.open(key, sealed)?).u64().map(Epoch)
}

/// No partition of the entry `key` changed after this epoch, of an answer to `key` and [`HORIZON`].
pub(super) fn last_change(container: &Container, answer: &Answer, key: &[u8]) -> Result<Epoch> {
    let identity = &container.identity;
    match answer.entries.get(key) {
        Some(value) => decode(identity, key, value).map_err(|why| container.damaged(key, why)),
        None => container.horizon(answer.entries.get(HORIZON).map(Vec::as_slice)),
    }
}
