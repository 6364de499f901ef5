//! Preparing a commit: conditions and existence are resolved in a view, and the payload is encoded,
//! all outside the lock. What was resolved says as of which epoch, so that it can be looked at again.

use std::{
    cell::Cell,
    collections::BTreeSet,
    ops::{Bound, Range},
};

use millpond_core::{
    Commit, Epoch, Error, ErrorKind, Key, Op, Outcome, Precondition, Result, SegmentId, Write, limits,
};

use super::{Engine, bulk::Bulk};
use crate::{
    log::{LogOpRef, Payload, encode_op},
    read::{Newest, State, concat_bounds, with_key},
    tail::Replaced,
};

/// A commit whose payload is longer is written as a run of its own (rule 7).
const PAYLOAD_BYTES_MAX: u64 = 1 << 20;

/// Buffers that are longer are not kept for the next commit of the thread.
const SPARE_BYTES_MAX: usize = 512 << 10;

thread_local! {
    /// The buffers of the thread's last commit, so that the next one allocates nothing.
    static SPARE: Cell<Option<Box<Buffers>>> = const { Cell::new(None) };
}

/// A commit, resolved as of an epoch.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) buffers: Box<Buffers>,
    /// As of which conditions and existence were resolved.
    pub(super) epoch: Epoch,
    pub(super) bulk: Option<Bulk>,
    pub(super) segments_synced: bool,
    /// Segments of bytes that it comes to own beside a record that owns them already.
    pub(super) shared: BTreeSet<SegmentId>,
    /// It adds to the store, so that a full pool refuses it.
    pub(super) adds: bool,
}

/// What a commit consists of.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) payload: Payload,
    pub(super) writes: Vec<PreparedWrite>,
    pub(super) conditions: Vec<Condition>,
    /// The counters that keep tally, each once.
    tallies: Vec<Range<usize>>,
    /// Keys that the payload doesn't hold, one behind the other: ranges of keys are of this.
    keys: Vec<u8>,
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

/// A key, as a part of the payload's operations, or of the keys that they don't hold.
#[derive(Debug)]
pub(super) enum PreparedKey {
    Payload(Range<usize>),
    Own(Range<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Put,
    Delete,
    Adjust,
}

#[derive(Debug)]
pub(super) enum Condition {
    Key { key: Range<usize>, version: Epoch },
    Range { start: Bound<Vec<u8>>, end: Bound<Vec<u8>>, since: Epoch },
}

impl Condition {
    fn holds(&self, keys: &[u8], state: &State) -> Result<bool> {
        match self {
            Condition::Key { key, version } => {
                Ok(is_version(state.newest_of_condition(&keys[key.clone()])?, *version))
            }
            Condition::Range { start, end, since } => Ok(!state.changed_since(
                start.as_ref().map(Vec::as_slice),
                end.as_ref().map(Vec::as_slice),
                *since,
            )?),
        }
    }

    /// Whether a condition that held as of `epoch` holds still.
    fn still_holds(&self, keys: &[u8], state: &State, epoch: Epoch) -> Result<bool> {
        match self {
            Condition::Key { key, version } => Ok(state
                .newer_than(&keys[key.clone()], epoch)?
                .is_none_or(|newest| is_version(newest, *version))),
            Condition::Range { start, end, since } => Ok(!state.changed_since(
                start.as_ref().map(Vec::as_slice),
                end.as_ref().map(Vec::as_slice),
                epoch.max(*since),
            )?),
        }
    }
}

impl Buffers {
    /// Those of the thread's last commit, emptied.
    fn take() -> Box<Self> {
        SPARE.take().unwrap_or_default()
    }

    /// Keeps them for the thread's next commit.
    pub(super) fn give_back(mut self: Box<Self>) {
        let bytes =
            self.payload.operations.capacity() + self.payload.values.capacity() + self.keys.capacity();
        if bytes + self.writes.capacity() * size_of::<PreparedWrite>() > SPARE_BYTES_MAX {
            return;
        }
        self.payload.operations.clear();
        self.payload.values.clear();
        self.writes.clear();
        self.conditions.clear();
        self.tallies.clear();
        self.keys.clear();
        SPARE.set(Some(self));
    }

    fn add_key(&mut self, key: Key<'_>) -> Range<usize> {
        let start = self.keys.len();
        self.keys.extend_from_slice(key.partition);
        self.keys.extend_from_slice(key.sort);
        start..self.keys.len()
    }

    /// The number of a counter that keeps tally.
    fn add_tally(&mut self, key: Key<'_>) -> usize {
        let added = self.add_key(key);
        let (keys, key) = self.keys.split_at(added.start);
        match self.tallies.iter().rposition(|known| keys[known.clone()] == *key) {
            Some(place) => {
                self.keys.truncate(added.start);
                place
            }
            None => {
                self.tallies.push(added);
                self.tallies.len() - 1
            }
        }
    }

    /// Looks again at what others committed since the commit was prepared, as of `epoch`; answers the
    /// condition that no longer holds, if there is one.
    pub(super) fn look_again(&mut self, state: &State, epoch: Epoch) -> Result<Option<usize>> {
        for (place, condition) in self.conditions.iter().enumerate() {
            if !condition.still_holds(&self.keys, state, epoch)? {
                return Ok(Some(place));
            }
        }
        for write in &mut self.writes {
            let key = match &write.key {
                PreparedKey::Payload(range) => &self.payload.operations[range.clone()],
                PreparedKey::Own(range) => &self.keys[range.clone()],
            };
            if let Some(newest) = state.newer_than(key, epoch)? {
                write.existed = newest.exists;
                write.supersedes_bytes = newest.bulk_bytes;
            }
        }
        Ok(None)
    }

    /// Appends to the payload what the commit adds to counters that keep tally.
    pub(super) fn encode_tallies(&mut self) {
        for (place, key) in self.tallies.iter().enumerate() {
            let delta: i64 = self
                .writes
                .iter()
                .filter(|write| write.tally == Some(place))
                .map(|write| match write.kind {
                    Kind::Put | Kind::Adjust => i64::from(!write.existed),
                    Kind::Delete => -i64::from(write.existed),
                })
                .sum();
            if delta != 0 {
                encode_op(&mut self.payload, &self.keys[key.clone()], &[], LogOpRef::Adjust(delta));
            }
        }
    }
}

impl PreparedWrite {
    /// What a put or delete leaves for merges to drop.
    pub(super) fn replaces(&self) -> Replaced {
        match (self.existed, self.supersedes_bytes) {
            (false, _) => Replaced::Nothing,
            (true, 0) => Replaced::Record,
            (true, _) => Replaced::Unknown,
        }
    }
}

/// Whether this is what a condition asks for, where zero stands for a key that isn't there.
fn is_version(newest: Newest, version: Epoch) -> bool {
    if newest.exists { newest.epoch == version } else { version == Epoch::ZERO }
}

impl Engine {
    /// Resolves conditions and existence in a view, and encodes the payload; or says which condition fails.
    pub(super) fn prepare(
        &self,
        commit: &Commit<'_>,
        (state, epoch): (&State, Epoch),
        segments_synced: bool,
    ) -> Result<Result<Prepared, Outcome>> {
        check_writes(&commit.writes)?;
        let mut buffers = match Self::prepare_conditions(commit, state)? {
            Ok(buffers) => buffers,
            Err(precondition) => return Ok(Err(Outcome::Conflict { precondition })),
        };

        let size: u64 = commit.writes.iter().map(|write| write_bytes(write) as u64).sum();
        let adds = commit.writes.iter().any(|write| matches!(write.op, Op::Put { .. }));
        let is_bulk = size > PAYLOAD_BYTES_MAX.min(self.options.log_bytes / 4);
        let bulk = if is_bulk { Some(self.write_bulk(commit, adds)?) } else { None };
        // A bulk commit's run is durable before its record, and so is what the run points to.
        let segments_synced = segments_synced || is_bulk;

        if let Some(bulk) = &bulk {
            bulk.encode(&mut buffers.payload);
        }
        let found = commit.found.iter().copied().chain(std::iter::repeat(None));
        for (write, found) in std::iter::zip(&commit.writes, found) {
            let newest = with_key(write.key, |key| match (commit.seen, found) {
                (Some(seen), Some(found)) => Ok(state.newer_than(key, seen)?.unwrap_or(found.into())),
                _ => state.newest(key),
            })?;
            let (kind, op) = match write.op {
                Op::Put { value, extents } => (Kind::Put, LogOpRef::Put { value, extents }),
                Op::Delete => (Kind::Delete, LogOpRef::Delete),
                Op::Adjust(delta) => (Kind::Adjust, LogOpRef::Adjust(delta)),
            };
            let key = if is_bulk && kind != Kind::Adjust {
                PreparedKey::Own(buffers.add_key(write.key))
            } else {
                let length = write.key.partition.len() + write.key.sort.len();
                let before = buffers.payload.operations.len();
                encode_op(&mut buffers.payload, write.key.partition, write.key.sort, op);
                // Behind the kind byte and the length.
                let start = before + 1 + varint_bytes(length as u64);
                PreparedKey::Payload(start..start + length)
            };
            let tally = write.tally.map(|tally| buffers.add_tally(tally));
            buffers.writes.push(PreparedWrite {
                key,
                kind,
                existed: newest.exists,
                supersedes_bytes: newest.bulk_bytes,
                tally,
            });
        }
        let shared = BTreeSet::new();
        Ok(Ok(Prepared { buffers, epoch, bulk, segments_synced, shared, adds }))
    }
}

impl Engine {
    /// Buffers with the conditions of a commit, which hold in a view; or the place of one that doesn't.
    pub(super) fn prepare_conditions(
        commit: &Commit<'_>,
        state: &State,
    ) -> Result<Result<Box<Buffers>, usize>> {
        let mut buffers = Buffers::take();
        for (precondition, place) in commit.preconditions.iter().zip(0..) {
            let condition = match precondition {
                Precondition::Unchanged { key, version } => {
                    Condition::Key { key: buffers.add_key(*key), version: *version }
                }
                Precondition::RangeUnchanged { range, since } => {
                    let (start, end) = concat_bounds(range);
                    Condition::Range { start, end, since: *since }
                }
            };
            let holds = match commit.seen {
                Some(seen) => condition.still_holds(&buffers.keys, state, seen)?,
                None => condition.holds(&buffers.keys, state)?,
            };
            if !holds {
                return Ok(Err(place));
            }
            buffers.conditions.push(condition);
        }
        Ok(Ok(buffers))
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

/// # Errors
/// Those about what no record can hold.
pub(super) fn check_write(write: &Write<'_>) -> Result<()> {
    let invalid = |kind, what: String| Err(Error::new(kind, what));
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
                format!("a sort key of {} bytes; {} are allowed", key.sort.len(), limits::SORT_KEY_BYTES_MAX),
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
                format!("a record of {} extents; {} are allowed", extents.len(), limits::RECORD_EXTENTS_MAX),
            );
        }
    }
    Ok(())
}

fn check_writes(writes: &[Write<'_>]) -> Result<()> {
    writes.iter().try_for_each(check_write)?;
    if writes.len() > 1 {
        let mut order: Vec<&Write<'_>> =
            writes.iter().filter(|write| !matches!(write.op, Op::Adjust(_))).collect();
        order.sort_unstable_by_key(|write| write.key);
        if let Some(twice) = order.windows(2).find(|pair| pair[0].key == pair[1].key) {
            let message = format!("a commit writes the key {:?} twice", twice[0].key.sort);
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
    }
    Ok(())
}
