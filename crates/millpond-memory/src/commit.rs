//! How a commit is checked, planned and applied.
//!
//! Invariant: everything that can fail comes before the first change, so that a commit is applied
//! whole or not at all.

use std::collections::HashMap;

use bytes::Bytes;
use millpond_core::{
    ChangeKind, Commit, Epoch, Error, ErrorKind, Key, Op, Outcome, Precondition, Record, Result, Write,
    limits::{PARTITION_BYTES_MAX, RECORD_EXTENTS_MAX, RECORD_VALUE_BYTES_MAX, SORT_KEY_BYTES_MAX},
};

use crate::{
    account::Purpose,
    handle::Handle,
    sync::write,
    table::{Stored, Table},
};

/// What a record is charged beside its key and value.
const RECORD_OVERHEAD_BYTES: u64 = 64;

/// Applies a commit at the next epoch, or reports the precondition that does not hold.
pub(crate) fn commit(handle: &Handle, commit: &Commit<'_>) -> Result<Outcome> {
    handle.check_writable()?;
    for write in &commit.writes {
        check(write)?;
    }
    let shared = &handle.shared;
    let table = &mut *write(&shared.table);
    handle.check_open()?;
    if let Some(precondition) = commit.preconditions.iter().position(|p| !holds(table, p)) {
        return Ok(Outcome::Conflict { precondition });
    }

    let plan = Plan::new(table, &commit.writes)?;
    let needed = shared.needed(table);
    let bytes: u64 = plan.changes.iter().map(|change| change.bytes()).sum();
    let freed: u64 = plan
        .changes
        .iter()
        .filter_map(|change| table.live(change.key))
        .filter(|version| needed.range(version.epoch..).next().is_none())
        .map(|version| version.stored.as_ref().map_or(0, |stored| stored.bytes))
        .sum();
    // What the commit frees pays for what it adds, and deletes pass on a full pool.
    let growth = if plan.only_deletes { 0 } else { bytes.saturating_sub(freed) };
    let mut owned = Vec::with_capacity(plan.changes.len());
    for change in &plan.changes {
        owned.push(shared.segments.own(change.extents())?);
    }
    let mut charge = match shared.account.charge(Purpose::Records, growth) {
        // What is kept for those who watch never stands in the way of one who writes.
        Err(error) if error.kind() == ErrorKind::NoSpace && shared.feed.clear() => {
            shared.account.charge(Purpose::Records, growth)?
        }
        charged => charged?,
    };
    charge.merge(shared.account.charge_anyway(Purpose::Records, bytes - growth));

    let epoch = Epoch(table.newest.0 + 1);
    if shared.feed.is_wanted(table) {
        let changes = plan.changes.iter().map(Change::watched).collect();
        shared.feed.push(&shared.account, epoch, changes, owned.iter().flatten().cloned().collect());
    }
    for (change, bulk) in plan.changes.iter().zip(owned) {
        let stored = match &change.new {
            New::Absent => None,
            New::Put { value, extents } => {
                let bytes = change.bytes();
                Some(Stored {
                    value: value.clone(),
                    extents: extents.to_vec(),
                    bytes,
                    _bulk: bulk,
                    _charge: charge.split(bytes),
                })
            }
        };
        table.set(change.key, epoch, stored, &needed);
        shared.segments.committed(change.extents());
    }
    table.newest = epoch;
    table.prune(&needed);
    shared.feed.published(table);
    Ok(Outcome::Committed { epoch, existed: plan.existed })
}

/// Checks a write against the limits.
fn check(write: &Write<'_>) -> Result<()> {
    let tally = write.tally.iter();
    for key in std::iter::once(&write.key).chain(tally) {
        let (partition, sort) = (key.partition.len(), key.sort.len());
        if partition > PARTITION_BYTES_MAX || sort > SORT_KEY_BYTES_MAX {
            return Err(Error::new(
                ErrorKind::KeyTooLong,
                format!(
                    "an index key of {partition} + {sort} bytes is longer than the \
                     {PARTITION_BYTES_MAX} + {SORT_KEY_BYTES_MAX} that are allowed"
                ),
            ));
        }
    }
    let Op::Put { value, extents } = write.op else { return Ok(()) };
    if value.is_empty() {
        return Err(Error::new(ErrorKind::InvalidArgument, "a record's value can't be empty"));
    }
    if value.len() > RECORD_VALUE_BYTES_MAX || extents.len() > RECORD_EXTENTS_MAX {
        return Err(Error::new(
            ErrorKind::ValueTooLong,
            format!(
                "a record of {} bytes and {} extents is longer than the {RECORD_VALUE_BYTES_MAX} bytes \
                 and {RECORD_EXTENTS_MAX} extents that are allowed",
                value.len(),
                extents.len()
            ),
        ));
    }
    Ok(())
}

fn holds(table: &Table, precondition: &Precondition<'_>) -> bool {
    match precondition {
        Precondition::Unchanged { key, version } => {
            table.live(*key).map_or(Epoch::ZERO, |newest| newest.epoch) == *version
        }
        Precondition::RangeUnchanged { range, since } => !table.changed(range, *since),
    }
}

/// The state that a key is to have.
enum New<'a> {
    Absent,
    Put { value: Bytes, extents: &'a [millpond_core::Extent] },
}

struct Change<'a> {
    key: Key<'a>,
    new: New<'a>,
    /// What is added to a counter, if it is one.
    added: Option<i64>,
}

impl Change<'_> {
    /// As those who watch are told of it.
    fn watched(&self) -> millpond_core::Change {
        let kind = match (&self.new, self.added) {
            (_, Some(by)) => ChangeKind::Adjust(by),
            (New::Absent, None) => ChangeKind::Delete,
            (New::Put { value, extents }, None) => {
                ChangeKind::Put { value: value.clone(), extents: extents.to_vec() }
            }
        };
        millpond_core::Change { key: self.key.concat().into(), kind }
    }

    fn extents(&self) -> &[millpond_core::Extent] {
        match &self.new {
            New::Absent => &[],
            New::Put { extents, .. } => extents,
        }
    }

    /// What the new version is charged.
    fn bytes(&self) -> u64 {
        match &self.new {
            New::Absent => 0,
            New::Put { value, extents } => {
                let key = self.key.partition.len() + self.key.sort.len();
                (key + value.len() + size_of_val(*extents)) as u64 + RECORD_OVERHEAD_BYTES
            }
        }
    }
}

/// What a commit does to the table, each key once.
struct Plan<'a> {
    changes: Vec<Change<'a>>,
    existed: Vec<bool>,
    only_deletes: bool,
}

impl<'a> Plan<'a> {
    fn new(table: &Table, writes: &[Write<'a>]) -> Result<Self> {
        let mut changes = Vec::with_capacity(writes.len() + 1);
        let mut existed = Vec::with_capacity(writes.len());
        let mut only_deletes = true;
        // Of each key that is put or deleted, nothing; of a counter, what is added to it.
        let mut touched: HashMap<Key<'a>, Option<i64>> = HashMap::with_capacity(writes.len() + 1);
        let mut tallies: Vec<(Key<'a>, i64)> = Vec::new();
        for write in writes {
            let exists = table.live(write.key).is_some();
            let first = !touched.contains_key(&write.key);
            let (new, exists_then) = match write.op {
                Op::Put { value, extents } => {
                    only_deletes = false;
                    (Some(New::Put { value: Bytes::copy_from_slice(value), extents }), true)
                }
                Op::Delete => (Some(New::Absent), false),
                Op::Adjust(by) => {
                    only_deletes = false;
                    adjust(&mut touched, write.key, by)?;
                    (None, true)
                }
            };
            if let Some(new) = new {
                if !first {
                    return Err(twice(write.key));
                }
                touched.insert(write.key, None);
                changes.push(Change { key: write.key, new, added: None });
            }
            if let Some(tally) = write.tally
                && first
                && exists != exists_then
            {
                tallies.push((tally, if exists_then { 1 } else { -1 }));
            }
            existed.push(exists);
        }
        for (key, by) in tallies {
            adjust(&mut touched, key, by)?;
        }
        for (key, by) in touched {
            let Some(by) = by else { continue };
            let before = table.get(key, Epoch::MAX).as_ref().map_or(0, Record::counter);
            let value = Bytes::copy_from_slice(&before.wrapping_add(by).to_le_bytes());
            changes.push(Change { key, new: New::Put { value, extents: &[] }, added: Some(by) });
        }
        Ok(Self { changes, existed, only_deletes })
    }
}

fn adjust<'a>(touched: &mut HashMap<Key<'a>, Option<i64>>, key: Key<'a>, by: i64) -> Result<()> {
    match touched.entry(key).or_insert(Some(0)) {
        Some(sum) => {
            *sum = sum.wrapping_add(by);
            Ok(())
        }
        None => Err(twice(key)),
    }
}

fn twice(key: Key<'_>) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("a commit changes the key {:?} of {:?} twice", key.sort, key.partition),
    )
}
