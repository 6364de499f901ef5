//! Preparing a commit: conditions and existence are resolved in a view, and the payload is encoded,
//! all outside the lock. What was resolved says as of which epoch, so that it can be looked at again.

use std::ops::{Bound, Range};

use millpond_core::{Commit, Epoch, Error, ErrorKind, Key, Op, Outcome, Precondition, Result, Write, limits};

use super::{Engine, bulk::Bulk};
use crate::{
    log::{LogOpRef, Payload, encode_op},
    read::{Newest, State, concat_bounds, with_key},
};

/// A commit whose payload is longer is written as a run of its own (rule 7).
const PAYLOAD_BYTES_MAX: u64 = 1 << 20;

/// A commit, resolved as of an epoch.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) payload: Payload,
    pub(super) writes: Vec<PreparedWrite>,
    /// Keys of the counters that keep tally.
    pub(super) tallies: Vec<Vec<u8>>,
    pub(super) conditions: Vec<Condition>,
    /// As of which conditions and existence were resolved.
    pub(super) epoch: Epoch,
    pub(super) bulk: Option<Bulk>,
    pub(super) segments_synced: bool,
    /// It adds to the store, so that a full pool refuses it.
    pub(super) adds: bool,
}

#[derive(Debug)]
pub(super) struct PreparedWrite {
    pub(super) key: PreparedKey,
    pub(super) kind: Kind,
    pub(super) existed: bool,
    /// Bytes of segments that the version before owned.
    pub(super) supersedes_bytes: u64,
    tally: Option<usize>,
}

/// A key, as a part of the payload's operations, or by itself if they don't hold it.
#[derive(Debug)]
pub(super) enum PreparedKey {
    Payload(Range<usize>),
    Own(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Put,
    Delete,
    Adjust,
}

#[derive(Debug)]
pub(super) enum Condition {
    Key { key: Vec<u8>, version: Epoch },
    Range { start: Bound<Vec<u8>>, end: Bound<Vec<u8>>, since: Epoch },
}

impl Condition {
    pub(super) fn holds(&self, state: &State) -> Result<bool> {
        match self {
            Condition::Key { key, version } => Ok(is_version(state.newest_of_condition(key)?, *version)),
            Condition::Range { start, end, since } => Ok(!state.changed_since(
                start.as_ref().map(Vec::as_slice),
                end.as_ref().map(Vec::as_slice),
                *since,
            )?),
        }
    }

    /// Whether a condition that held as of `epoch` holds still.
    pub(super) fn still_holds(&self, state: &State, epoch: Epoch) -> Result<bool> {
        match self {
            Condition::Key { key, version } => {
                Ok(state.newer_than(key, epoch)?.is_none_or(|newest| is_version(newest, *version)))
            }
            Condition::Range { start, end, since } => Ok(!state.changed_since(
                start.as_ref().map(Vec::as_slice),
                end.as_ref().map(Vec::as_slice),
                epoch.max(*since),
            )?),
        }
    }
}

/// Whether this is what a condition asks for, where zero stands for a key that isn't there.
fn is_version(newest: Newest, version: Epoch) -> bool {
    if newest.exists { newest.epoch == version } else { version == Epoch::ZERO }
}

impl Engine {
    /// Resolves conditions and existence, and encodes the payload; or says which condition fails.
    pub(super) fn prepare(
        &self,
        commit: &Commit<'_>,
        segments_synced: bool,
    ) -> Result<Result<Prepared, Outcome>> {
        check_writes(&commit.writes)?;
        let (state, epoch) = self.current()?;
        let mut conditions = Vec::with_capacity(commit.preconditions.len());
        for (precondition, place) in commit.preconditions.iter().zip(0..) {
            let condition = match precondition {
                Precondition::Unchanged { key, version } => {
                    Condition::Key { key: key.concat(), version: *version }
                }
                Precondition::RangeUnchanged { range, since } => {
                    let (start, end) = concat_bounds(range);
                    Condition::Range { start, end, since: *since }
                }
            };
            let holds = match commit.seen {
                Some(seen) => condition.still_holds(&state, seen)?,
                None => condition.holds(&state)?,
            };
            if !holds {
                return Ok(Err(Outcome::Conflict { precondition: place }));
            }
            conditions.push(condition);
        }

        let size: u64 = commit.writes.iter().map(|write| write_bytes(write) as u64).sum();
        let adds = commit.writes.iter().any(|write| matches!(write.op, Op::Put { .. }));
        let is_bulk = size > PAYLOAD_BYTES_MAX.min(self.options.log_bytes / 4);
        let bulk = if is_bulk { Some(self.write_bulk(commit, adds)?) } else { None };
        // A bulk commit's run is durable before its record, and so is what the run points to.
        let segments_synced = segments_synced || is_bulk;

        let mut payload = Payload::default();
        if !is_bulk {
            payload.operations.reserve(128);
            payload.values.reserve(size as usize);
        }
        if let Some(bulk) = &bulk {
            bulk.encode(&mut payload);
        }
        let mut writes = Vec::with_capacity(commit.writes.len());
        let mut tallies = Tallies::default();
        for write in &commit.writes {
            let newest = with_key(write.key, |key| state.newest(key))?;
            let (kind, op) = match write.op {
                Op::Put { value, extents } => (Kind::Put, LogOpRef::Put { value, extents }),
                Op::Delete => (Kind::Delete, LogOpRef::Delete),
                Op::Adjust(delta) => (Kind::Adjust, LogOpRef::Adjust(delta)),
            };
            let key = if is_bulk && kind != Kind::Adjust {
                PreparedKey::Own(write.key.concat())
            } else {
                let length = write.key.partition.len() + write.key.sort.len();
                let before = payload.operations.len();
                encode_op(&mut payload, write.key.partition, write.key.sort, op);
                // Behind the kind byte and the length.
                let start = before + 1 + varint_bytes(length as u64);
                PreparedKey::Payload(start..start + length)
            };
            writes.push(PreparedWrite {
                key,
                kind,
                existed: newest.exists,
                supersedes_bytes: newest.bulk_bytes,
                tally: write.tally.map(|tally| tallies.place(tally)),
            });
        }
        Ok(Ok(Prepared {
            payload,
            writes,
            tallies: tallies.keys,
            conditions,
            epoch,
            bulk,
            segments_synced,
            adds,
        }))
    }
}

/// The counters of a commit, each once.
#[derive(Default)]
struct Tallies {
    keys: Vec<Vec<u8>>,
}

impl Tallies {
    fn place(&mut self, key: Key<'_>) -> usize {
        with_key(key, |key| {
            self.keys.iter().rposition(|known| known == key).unwrap_or_else(|| {
                self.keys.push(key.to_vec());
                self.keys.len() - 1
            })
        })
    }
}

pub(super) fn encode_tallies(payload: &mut Payload, writes: &[PreparedWrite], tallies: &[Vec<u8>]) {
    for (place, key) in tallies.iter().enumerate() {
        let delta: i64 = writes
            .iter()
            .filter(|write| write.tally == Some(place))
            .map(|write| match write.kind {
                Kind::Put | Kind::Adjust => i64::from(!write.existed),
                Kind::Delete => -i64::from(write.existed),
            })
            .sum();
        if delta != 0 {
            encode_op(payload, key, &[], LogOpRef::Adjust(delta));
        }
    }
}

fn varint_bytes(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// About how many bytes a write takes in the log.
fn write_bytes(write: &Write<'_>) -> usize {
    write.key.partition.len()
        + write.key.sort.len()
        + 8
        + match write.op {
            Op::Put { value, extents } => 8 + value.len() + 24 * extents.len(),
            _ => 0,
        }
}

fn check_writes(writes: &[Write<'_>]) -> Result<()> {
    let invalid = |kind, what: String| Err(Error::new(kind, what));
    for write in writes {
        for key in [Some(write.key), write.tally].into_iter().flatten() {
            if key.partition.len() > limits::PARTITION_BYTES_MAX {
                return invalid(
                    ErrorKind::KeyTooLong,
                    format!(
                        "a partition of {} bytes; {} are allowed",
                        key.partition.len(),
                        limits::PARTITION_BYTES_MAX
                    ),
                );
            }
            if key.sort.len() > limits::SORT_KEY_BYTES_MAX {
                return invalid(
                    ErrorKind::KeyTooLong,
                    format!(
                        "a sort key of {} bytes; {} are allowed",
                        key.sort.len(),
                        limits::SORT_KEY_BYTES_MAX
                    ),
                );
            }
        }
        if let Op::Put { value, extents } = write.op {
            if value.is_empty() {
                return invalid(
                    ErrorKind::InvalidArgument,
                    "a stored value can't be empty; a data model puts a header first".into(),
                );
            }
            if value.len() > limits::RECORD_VALUE_BYTES_MAX {
                return invalid(
                    ErrorKind::ValueTooLong,
                    format!(
                        "a record's value of {} bytes; {} are allowed, longer ones go to segments",
                        value.len(),
                        limits::RECORD_VALUE_BYTES_MAX
                    ),
                );
            }
            if extents.len() > limits::RECORD_EXTENTS_MAX {
                return invalid(
                    ErrorKind::ValueTooLong,
                    format!(
                        "a record of {} extents; {} are allowed",
                        extents.len(),
                        limits::RECORD_EXTENTS_MAX
                    ),
                );
            }
        }
    }
    if writes.len() > 1 {
        let mut order: Vec<&Write<'_>> =
            writes.iter().filter(|write| !matches!(write.op, Op::Adjust(_))).collect();
        order.sort_unstable_by_key(|write| write.key);
        if let Some(twice) = order.windows(2).find(|pair| pair[0].key == pair[1].key) {
            return invalid(
                ErrorKind::InvalidArgument,
                format!("a commit writes the key {:?} twice", twice[0].key.sort),
            );
        }
    }
    Ok(())
}
