//! What a batch of commits makes of the index, worked out before anything is written.
//!
//! Invariant: the state that it begins with is that of one moment, the head's; the plan is written
//! only if the head is still the same. Within the batch, each commit sees those before it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use millpond_core::{Epoch, Error, ErrorKind, Extent, Outcome, RETAINED, Record, Result};
use uuid::Uuid;

use super::{
    change,
    draft::{Change, ChangeOp, Condition, Draft},
};
use crate::{
    bugs::{Bug, planted},
    container::{Container, seconds},
    layout::{
        head::Head,
        keys::{self, CONDEMNED, PARTITIONS},
        log::{self, Batch, Superseded},
        record::{decode, encode},
        retention::{decode_retained, encode_retained},
    },
    operation::Entry,
};

/// What the index holds of the keys that the batch depends on.
pub(super) struct State {
    pub(super) head: Head,
    /// The head's omap value: the guard.
    pub(super) head_value: Vec<u8>,
    /// The omap values of the keys that there are.
    pub(super) entries: HashMap<Vec<u8>, Vec<u8>>,
    /// No partition without an entry changed after this.
    pub(super) horizon: Epoch,
}

/// See the module.
pub(super) struct Plan<'a> {
    container: &'a Container,
    state: &'a State,
    head: Head,
    /// The records that the batch has met, as it leaves them.
    records: HashMap<Vec<u8>, Option<Record>>,
    changed: BTreeSet<Vec<u8>>,
    /// The last changes of partitions, by the keys of their entries.
    partitions: BTreeMap<Vec<u8>, Epoch>,
    history: Vec<Entry>,
    superseded: Vec<Superseded>,
    /// The retained epochs, if the batch changes them.
    retained: Option<Vec<Epoch>>,
}

/// What is to be written.
pub(super) struct Writing {
    pub(super) batch: Uuid,
    pub(super) last: Epoch,
    pub(super) sets: Vec<Entry>,
    pub(super) removals: Vec<Vec<u8>>,
    pub(super) bytes: usize,
}

impl<'a> Plan<'a> {
    pub(super) fn new(container: &'a Container, state: &'a State) -> Self {
        Self {
            container,
            state,
            head: state.head.clone(),
            records: HashMap::new(),
            changed: BTreeSet::new(),
            partitions: BTreeMap::new(),
            history: Vec::new(),
            superseded: Vec::new(),
            retained: None,
        }
    }

    /// Adds a commit. What fails, or meets a conflict, leaves the plan as it was.
    pub(super) fn add(&mut self, draft: &Draft) -> Result<Outcome> {
        for (precondition, condition) in draft.conditions.iter().enumerate() {
            if !self.holds(condition)? {
                return Ok(Outcome::Conflict { precondition });
            }
        }
        self.check_segments(draft)?;
        if draft.retains {
            self.load_retained()?;
        }
        let (changes, existed) = self.resolve(&draft.writes)?;
        let epoch = Epoch(self.head.epoch.0 + 1);
        for (record, new) in changes {
            self.set(record, epoch, new)?;
        }
        self.head.epoch = epoch;
        if !draft.segments.is_empty() {
            self.head.epoch_bulk = epoch;
        }
        Ok(Outcome::Committed { epoch, existed })
    }

    /// Whether anything is to be written.
    pub(super) fn is_empty(&self) -> bool {
        self.head.epoch == self.state.head.epoch
    }

    pub(super) fn finish(mut self) -> Writing {
        let identity = &self.container.identity;
        self.head.batch = Uuid::new_v4();
        let batch = Batch {
            id: self.head.batch,
            first: Epoch(self.state.head.epoch.0 + 1),
            last: self.head.epoch,
            time: seconds(),
        };
        let (mut sets, mut removals) = (self.history, Vec::new());
        for key in self.changed {
            match self.records.get(&key).and_then(Option::as_ref) {
                Some(record) => {
                    let value = encode(identity, &key, record.version, None, &record.value, &record.extents);
                    sets.push((key, value));
                }
                None if self.state.entries.contains_key(&key) => removals.push(key),
                None => {}
            }
        }
        if let Some(retained) = &self.retained {
            let value = encode_retained(identity, Uuid::new_v4(), retained);
            sets.push((keys::RETAINED.to_vec(), value));
        }
        for (key, epoch) in self.partitions {
            let value = change::encode(identity, &key, epoch);
            sets.push((key, value));
        }
        sets.extend(log::encode(identity, &batch, &self.superseded));
        sets.push((keys::HEAD.to_vec(), self.head.encode(self.container.uuid)));
        let bytes = sets.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
            + removals.iter().map(Vec::len).sum::<usize>();
        Writing { batch: batch.id, last: batch.last, sets, removals, bytes }
    }

    fn holds(&mut self, condition: &Condition) -> Result<bool> {
        match condition {
            Condition::Unchanged { record, version } => {
                Ok(self.record(record)?.map_or(Epoch::ZERO, |found| found.version) == *version)
            }
            Condition::PartitionUnchanged { partition, since } => {
                if *since >= self.head.epoch {
                    return Ok(true);
                }
                let changed = match (self.partitions.get(partition), self.state.entries.get(partition)) {
                    (Some(epoch), _) => *epoch,
                    (None, Some(value)) => change::decode(&self.container.identity, partition, value)
                        .map_err(|why| self.container.damaged(partition, why))?,
                    (None, None) => self.state.horizon,
                };
                Ok(changed <= *since)
            }
        }
    }

    fn check_segments(&self, draft: &Draft) -> Result<()> {
        let condemned =
            |segment: &&_| self.state.entries.contains_key(&keys::of_segment(CONDEMNED, **segment));
        match draft.segments.iter().find(condemned) {
            Some(segment) => {
                let message = format!("segment {:016x} was reclaimed: write its bytes again", segment.0);
                Err(Error::new(ErrorKind::EpochGone, message))
            }
            None => Ok(()),
        }
    }

    /// The record of a key as the batch leaves it so far.
    fn record(&mut self, key: &[u8]) -> Result<Option<&Record>> {
        if !self.records.contains_key(key) {
            let found = match self.state.entries.get(key) {
                Some(value) => {
                    let version = decode(&self.container.identity, key, value)
                        .map_err(|why| self.container.damaged(key, why))?;
                    Some(version.record)
                }
                None => None,
            };
            self.records.insert(key.to_vec(), found);
        }
        Ok(self.records.get(key).and_then(Option::as_ref))
    }

    /// The new states of the keys that a commit writes, each once, and of each write whether its
    /// key existed.
    #[allow(clippy::type_complexity)] // It is told once.
    fn resolve(&mut self, writes: &[Change]) -> Result<(Vec<(Vec<u8>, Option<Content>)>, Vec<bool>)> {
        let mut changes = Vec::with_capacity(writes.len() + 1);
        let mut existed = Vec::with_capacity(writes.len());
        // Of each key that is put or deleted, nothing; of a counter, what is added to it.
        let mut touched: HashMap<&[u8], Option<i64>> = HashMap::with_capacity(writes.len() + 1);
        let mut tallies: Vec<(&[u8], i64)> = Vec::new();
        for Change { record, op, tally } in writes {
            let exists = self.record(record)?.is_some();
            let first = !touched.contains_key(record.as_slice());
            let exists_then = match op {
                ChangeOp::Put { value, extents } => {
                    changes.push((
                        record.clone(),
                        Some(Content { value: value.clone(), extents: extents.clone() }),
                    ));
                    true
                }
                ChangeOp::Delete => {
                    changes.push((record.clone(), None));
                    false
                }
                ChangeOp::Adjust(by) => {
                    adjust(&mut touched, record, *by)?;
                    true
                }
            };
            if !matches!(op, ChangeOp::Adjust(_)) {
                if !first {
                    return Err(twice(record));
                }
                touched.insert(record, None);
            }
            if let Some(tally) = tally
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
            let before = self.record(key)?.map_or(0, Record::counter);
            let value = Bytes::copy_from_slice(&before.wrapping_add(by).to_le_bytes());
            changes.push((key.to_vec(), Some(Content { value, extents: Vec::new() })));
        }
        // So that nothing fails once the first change is made.
        for (key, _) in &changes {
            self.record(key)?;
        }
        Ok((changes, existed))
    }

    /// Makes a key's newest version what a commit has it be; the one before goes to the history.
    fn set(&mut self, key: Vec<u8>, epoch: Epoch, new: Option<Content>) -> Result<()> {
        let new = new.map(|new| Record { version: epoch, value: new.value, extents: new.extents });
        let old = self.records.get(&key).cloned().flatten();
        if old.is_none() && new.is_none() {
            return Ok(());
        }
        let (partition, _) = keys::partition_of(&key).map_err(|why| self.container.damaged(&key, why))?;
        self.partitions.insert(keys::prefix(PARTITIONS, &partition), epoch);
        if partition == RETAINED {
            self.retain(old.as_ref().map(|old| old.version), new.as_ref().map(|new| new.version));
        }
        let head = &mut self.head;
        if let Some(old) = &old {
            let past = keys::history(&key, old.version);
            if !planted(Bug::DropHistory) {
                let identity = &self.container.identity;
                let value = encode(identity, &past, old.version, Some(epoch), &old.value, &old.extents);
                self.history.push((past.clone(), value));
            }
            self.superseded.push(Superseded { key: past, by: epoch, owns_extents: !old.extents.is_empty() });
            head.records = head.records.saturating_sub(1);
            head.bytes_records = head.bytes_records.saturating_sub(bytes(&key, old));
            head.extents = head.extents.saturating_sub(old.extents.len() as u64);
            head.bytes_bulk = head.bytes_bulk.saturating_sub(bulk(old));
            head.bytes_dead += bulk(old);
        }
        if let Some(new) = &new {
            head.records += 1;
            head.bytes_records += bytes(&key, new);
            head.extents += new.extents.len() as u64;
            head.bytes_bulk += bulk(new);
        }
        self.records.insert(key.clone(), new);
        self.changed.insert(key);
        Ok(())
    }

    fn load_retained(&mut self) -> Result<()> {
        let container = self.container;
        self.retained = match (self.retained.take(), self.state.entries.get(keys::RETAINED)) {
            (Some(retained), _) => Some(retained),
            (None, Some(value)) => {
                let retained = decode_retained(&container.identity, value);
                Some(retained.map_err(|why| container.damaged(keys::RETAINED, why))?)
            }
            (None, None) => Some(Vec::new()),
        };
        Ok(())
    }

    /// A record that keeps an epoch readable comes, goes, or is replaced.
    fn retain(&mut self, old: Option<Epoch>, new: Option<Epoch>) {
        let retained = self.retained.get_or_insert_default();
        if let Some(place) = old.and_then(|old| retained.binary_search(&old).ok()) {
            retained.remove(place);
        }
        // The greatest of all.
        retained.extend(new);
    }
}

/// What a record is to hold.
struct Content {
    value: Bytes,
    extents: Vec<Extent>,
}

/// What a record takes in the omap, but for its seal.
fn bytes(key: &[u8], record: &Record) -> u64 {
    (key.len() + record.value.len() + size_of_val(record.extents.as_slice())) as u64
}

fn bulk(record: &Record) -> u64 {
    record.extents.iter().map(|extent| extent.length).sum()
}

fn adjust<'k>(touched: &mut HashMap<&'k [u8], Option<i64>>, key: &'k [u8], by: i64) -> Result<()> {
    match touched.entry(key).or_insert(Some(0)) {
        Some(sum) => {
            *sum = sum.wrapping_add(by);
            Ok(())
        }
        None => Err(twice(key)),
    }
}

fn twice(key: &[u8]) -> Error {
    let message = format!("a commit changes the key \"{}\" twice", keys::shown(key));
    Error::new(ErrorKind::InvalidArgument, message)
}
