//! The head of a container's index: which commit was the last.
//!
//! Every commit replaces it, under the guard that it is still what the commit was made from. It
//! names the batch of commits that wrote it, so that whoever doesn't hear how a write ended can look.
//!
//! The body, in its [`seal`](super::seal), is bound to the container's UUID: the head is what says
//! which incarnation everything else is bound to.
//!
//! | bytes | content                                                                   |
//! |-------|---------------------------------------------------------------------------|
//! | 16    | incarnation: drawn when the container was created                         |
//! | 16    | batch: drawn for each write of the head                                   |
//! | 1     | 1 while the container lives, 0 when it is being destroyed                 |
//! | 8     | the epoch of the newest commit, little-endian, as all that follows        |
//! | 8     | the epoch of the newest commit that owns extents                          |
//! | 8     | records                                                                   |
//! | 8     | bytes of their keys and values                                            |
//! | 8     | extents of records                                                        |
//! | 8     | bytes of these extents                                                    |
//! | 8     | bytes of extents whose records were superseded, and not yet given back    |

use millpond_core::Epoch;
use uuid::Uuid;

use super::{
    keys::HEAD,
    seal::Identity,
    wire::{Malformed, Reader},
};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) incarnation: Uuid,
    pub(crate) batch: Uuid,
    pub(crate) alive: bool,
    pub(crate) epoch: Epoch,
    pub(crate) epoch_bulk: Epoch,
    pub(crate) records: u64,
    pub(crate) bytes_records: u64,
    pub(crate) extents: u64,
    pub(crate) bytes_bulk: u64,
    pub(crate) bytes_dead: u64,
}

impl Head {
    /// The head of a new container.
    pub(crate) fn new() -> Self {
        Self {
            incarnation: Uuid::new_v4(),
            batch: Uuid::new_v4(),
            alive: true,
            epoch: Epoch::ZERO,
            epoch_bulk: Epoch::ZERO,
            records: 0,
            bytes_records: 0,
            extents: 0,
            bytes_bulk: 0,
            bytes_dead: 0,
        }
    }

    /// What the container's other checksums are bound to.
    pub(crate) fn identity(&self) -> Identity {
        Identity(self.incarnation)
    }

    /// The omap value of the head of `container`.
    pub(crate) fn encode(&self, container: Uuid) -> Vec<u8> {
        Identity(container).seal(HEAD, |out| {
            out.extend_from_slice(self.incarnation.as_bytes());
            out.extend_from_slice(self.batch.as_bytes());
            out.push(u8::from(self.alive));
            for number in [
                self.epoch.0,
                self.epoch_bulk.0,
                self.records,
                self.bytes_records,
                self.extents,
                self.bytes_bulk,
                self.bytes_dead,
            ] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        })
    }

    /// The head of `container` in an omap value.
    pub(crate) fn decode(container: Uuid, sealed: &[u8]) -> Result<Self, Malformed> {
        let mut body = Reader(Identity(container).open(HEAD, sealed)?);
        let head = Self {
            incarnation: Uuid::from_bytes(body.array()?),
            batch: Uuid::from_bytes(body.array()?),
            alive: body.u8()? == 1,
            epoch: Epoch(body.u64()?),
            epoch_bulk: Epoch(body.u64()?),
            records: body.u64()?,
            bytes_records: body.u64()?,
            extents: body.u64()?,
            bytes_bulk: body.u64()?,
            bytes_dead: body.u64()?,
        };
        if body.is_empty() { Ok(head) } else { Err(Malformed("it is too long")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_to_its_container_alone() {
        let head = Head { epoch: Epoch(7), bytes_dead: 9, alive: false, ..Head::new() };
        let sealed = head.encode(Uuid::from_u128(1));
        assert_eq!(Head::decode(Uuid::from_u128(1), &sealed), Ok(head));
        assert!(Head::decode(Uuid::from_u128(2), &sealed).is_err());
    }
}
