//! Reads everything that is stored, and reports what isn't as it was written.

use std::ops::Range;

use millpond_core::{Damage, ErrorKind, Owner, Result, Verifier};

use super::{
    change,
    compact::{pages, place},
};
use crate::{
    container::Container,
    layout::{
        keys::{self, CONDEMNED, DEAD, HISTORY, HORIZON, IDENT, LOG, PARTITIONS, RECORDS, RETAINED},
        log,
        record::decode,
        wire::Malformed,
    },
    segments,
};

/// Verifies every omap entry and every frame that a record owns; answers how many bytes that were.
pub(crate) fn verify(container: &Container, verifier: &mut dyn Verifier) -> Result<u64> {
    let mut bytes = match container.read(&[HORIZON, RETAINED, IDENT], vec![]) {
        Ok(answer) => {
            match container.retention(&answer) {
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    verifier.damaged(damage(HORIZON, &error.to_string()));
                }
                other => drop(other?),
            }
            answer.entries.values().map(|value| value.len() as u64).sum()
        }
        // Without the head, nothing else can be told whole or not.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            verifier.damaged(damage(keys::HEAD, &error.to_string()));
            return Ok(0);
        }
        Err(error) => return Err(error),
    };
    verifier.read(bytes)?;
    for kind in [PARTITIONS, LOG, DEAD, CONDEMNED, HISTORY, RECORDS] {
        pages(container, kind, &[], &mut |_, entries| {
            for (key, value) in entries {
                let mut read = (key.len() + value.len()) as u64;
                let owner = owner(kind, key);
                match check(container, kind, key, value) {
                    Ok(extents) => {
                        let mut before = 0;
                        for extent in extents {
                            let is_still_owned = || owns(container, key, value);
                            let mut report = |bytes: Range<u64>, mut damage: Damage| {
                                damage.owner = owner.clone().map(|key| {
                                    let bytes = before + bytes.start..before + bytes.end;
                                    Owner::Value { key, extent, bytes }
                                });
                                verifier.damaged(damage);
                            };
                            read += segments::verify(container, &extent, &is_still_owned, &mut report)?;
                            before += extent.length;
                        }
                    }
                    Err(why) => {
                        let owner = owner.map(Owner::Key);
                        verifier.damaged(Damage { owner, ..damage(key, &why.to_string()) });
                    }
                }
                bytes += read;
                verifier.read(read)?;
            }
            Ok(())
        })?;
    }
    Ok(bytes)
}

/// Checks an entry; answers the extents that it owns.
fn check(
    container: &Container,
    kind: u8,
    key: &[u8],
    value: &[u8],
) -> Result<Vec<millpond_core::Extent>, Malformed> {
    let identity = &container.identity;
    match kind {
        HISTORY | RECORDS => {
            let (_, prefix_len) = keys::partition_of(key)?;
            if kind == HISTORY {
                keys::sort_and_version_of(prefix_len, key)?;
            } else {
                keys::sort_of(prefix_len, key)?;
            }
            return decode(identity, key, value).map(|version| version.record.extents);
        }
        PARTITIONS => drop(change::decode(identity, key, value)?),
        LOG => drop(log::decode(identity, key, value)?),
        _ => {
            keys::segment_of(key)?;
            identity.open(key, value)?;
        }
    }
    Ok(Vec::new())
}

/// Whether the entry is still as it was.
fn owns(container: &Container, key: &[u8], value: &[u8]) -> Result<bool> {
    Ok(container.read(&[key], vec![])?.entries.get(key).is_some_and(|now| now == value))
}

/// The key of the record in an entry, if it holds one.
fn owner(kind: u8, key: &[u8]) -> Option<Vec<u8>> {
    let (partition, prefix_len) = keys::partition_of(key).ok()?;
    let sort = match kind {
        HISTORY => keys::sort_and_version_of(prefix_len, key).ok()?.0,
        RECORDS => keys::sort_of(prefix_len, key).ok()?,
        _ => return None,
    };
    Some([partition, sort].concat())
}

fn damage(key: &[u8], what: &str) -> Damage {
    Damage::new(place(key), 0, what)
}
