//! A commit as the queue holds it: checked against the limits, with the cluster's keys, and owning
//! what it holds, since the thread that writes it may be another one.

use std::collections::BTreeSet;

use bytes::Bytes;
use millpond_core::{
    Commit, Epoch, Error, ErrorKind, Extent, Key, Op, Precondition, RETAINED, Result, SegmentId, Write,
    limits::{PARTITION_BYTES_MAX, RECORD_EXTENTS_MAX, RECORD_VALUE_BYTES_MAX, SORT_KEY_BYTES_MAX},
};

use crate::layout::keys::{self, CONDEMNED, PARTITIONS, RECORDS};

/// See the module.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) conditions: Vec<Condition>,
    pub(super) writes: Vec<Change>,
    /// The segments that its records are to own.
    pub(super) segments: BTreeSet<SegmentId>,
    /// About how many bytes it writes.
    pub(super) bytes: usize,
    pub(super) only_deletes: bool,
    /// Whether it puts or deletes records that keep past epochs readable.
    pub(super) retains: bool,
}

/// A precondition.
#[derive(Debug)]
pub(super) enum Condition {
    Unchanged {
        record: Vec<u8>,
        version: Epoch,
    },
    /// `partition` is the key of the partition's last change.
    PartitionUnchanged {
        partition: Vec<u8>,
        since: Epoch,
    },
}

/// A write.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) record: Vec<u8>,
    pub(super) op: ChangeOp,
    pub(super) tally: Option<Vec<u8>>,
}

#[derive(Debug)]
pub(super) enum ChangeOp {
    Put { value: Bytes, extents: Vec<Extent> },
    Delete,
    Adjust(i64),
}

impl Draft {
    /// # Errors
    /// `KeyTooLong`, `ValueTooLong` or `InvalidArgument` for what no store takes.
    pub(super) fn new(commit: &Commit<'_>) -> Result<Self> {
        let mut draft = Self {
            conditions: commit.preconditions.iter().map(condition).collect(),
            writes: Vec::with_capacity(commit.writes.len()),
            segments: BTreeSet::new(),
            bytes: 0,
            only_deletes: commit.writes.iter().all(|write| matches!(write.op, Op::Delete)),
            retains: commit.writes.iter().any(|write| write.key.partition == RETAINED),
        };
        for write in &commit.writes {
            draft.add(write)?;
        }
        Ok(draft)
    }

    fn add(&mut self, write: &Write<'_>) -> Result<()> {
        for key in std::iter::once(&write.key).chain(&write.tally) {
            check_key(*key)?;
        }
        let op = match write.op {
            Op::Put { value, extents } => {
                check_value(value, extents)?;
                self.segments.extend(extents.iter().map(|extent| extent.segment));
                self.bytes += value.len() + 24 * extents.len();
                ChangeOp::Put { value: Bytes::copy_from_slice(value), extents: extents.to_vec() }
            }
            Op::Delete => ChangeOp::Delete,
            Op::Adjust(by) => ChangeOp::Adjust(by),
        };
        let record = keys::of_key(RECORDS, write.key);
        self.bytes += 2 * record.len();
        let tally = write.tally.map(|key| keys::of_key(RECORDS, key));
        self.writes.push(Change { record, op, tally });
        Ok(())
    }

    /// The keys of everything that it depends on.
    pub(super) fn dependencies(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        let conditions = self.conditions.iter().map(|condition| match condition {
            Condition::Unchanged { record, .. } => record.clone(),
            Condition::PartitionUnchanged { partition, .. } => partition.clone(),
        });
        let writes = self
            .writes
            .iter()
            .flat_map(|write| std::iter::once(write.record.clone()).chain(write.tally.clone()));
        let segments = self.segments.iter().map(|segment| keys::of_segment(CONDEMNED, *segment));
        let retained = self.retains.then(|| keys::RETAINED.to_vec());
        conditions.chain(writes).chain(segments).chain(retained)
    }
}

fn condition(precondition: &Precondition<'_>) -> Condition {
    match precondition {
        Precondition::Unchanged { key, version } => {
            Condition::Unchanged { record: keys::of_key(RECORDS, *key), version: *version }
        }
        Precondition::RangeUnchanged { range, since } => Condition::PartitionUnchanged {
            partition: keys::prefix(PARTITIONS, range.partition),
            since: *since,
        },
    }
}

fn check_key(key: Key<'_>) -> Result<()> {
    let (partition, sort) = (key.partition.len(), key.sort.len());
    if partition > PARTITION_BYTES_MAX || sort > SORT_KEY_BYTES_MAX {
        return Err(Error::new(
            ErrorKind::KeyTooLong,
            format!(
                "an index key of {partition} + {sort} bytes is longer than the {PARTITION_BYTES_MAX} + \
                 {SORT_KEY_BYTES_MAX} that are allowed"
            ),
        ));
    }
    Ok(())
}

fn check_value(value: &[u8], extents: &[Extent]) -> Result<()> {
    if value.is_empty() {
        return Err(Error::new(ErrorKind::InvalidArgument, "a record's value can't be empty"));
    }
    if value.len() > RECORD_VALUE_BYTES_MAX || extents.len() > RECORD_EXTENTS_MAX {
        return Err(Error::new(
            ErrorKind::ValueTooLong,
            format!(
                "a record of {} bytes and {} extents is longer than the {RECORD_VALUE_BYTES_MAX} bytes and \
                 {RECORD_EXTENTS_MAX} extents that are allowed",
                value.len(),
                extents.len()
            ),
        ));
    }
    Ok(())
}
