//! The epochs that stay readable although the horizon has passed them.

use std::collections::BTreeSet;

use millpond_core::{Epoch, Error, ErrorKind, Result};
use uuid::Uuid;

use super::trim::guarded;
use crate::{
    container::Container,
    layout::{
        keys::{HORIZON, RETAINED},
        retention::{encode_retained, gone},
    },
    operation::Change,
};

/// How often it is tried while others move the horizon.
const TRIES: usize = 100;

/// Replaces the set of retained epochs.
pub(crate) fn retain(container: &Container, epochs: &[Epoch]) -> Result<()> {
    container.check_writable()?;
    let epochs: Vec<Epoch> = epochs.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    for _ in 0..TRIES {
        let answer = container.read(&[HORIZON, RETAINED], vec![])?;
        let retention = container.retention(&answer)?;
        let is_kept = |epoch: &&Epoch| **epoch <= answer.head.epoch && retention.keeps(**epoch);
        if let Some(epoch) = epochs.iter().find(|epoch| !is_kept(epoch)) {
            return Err(gone(*epoch));
        }
        if retention.retained == epochs {
            return Ok(());
        }
        let value = encode_retained(&container.identity, Uuid::new_v4(), &epochs);
        let entry = [(RETAINED.to_vec(), value)];
        let old = |key: &[u8]| answer.entries.get(key).map_or(&[][..], Vec::as_slice);
        let changes = [
            Change::AssertExists,
            Change::Compare { key: HORIZON, value: old(HORIZON) },
            Change::Compare { key: RETAINED, value: old(RETAINED) },
            Change::Set(&entry),
        ];
        match guarded(container, &changes) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // If it was applied all the same, the next round sees that nothing is left to do.
            Err(error) if error.kind() == ErrorKind::Timeout => {}
            Err(error) => return Err(error),
        }
    }
    let message =
        format!("other clients were always faster in changing container {}: try again", container.uuid);
    Err(Error::new(ErrorKind::Conflict, message))
}
