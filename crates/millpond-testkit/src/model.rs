//! The reference model: what a container holds after any commits, kept in the simplest way.
//!
//! It keeps every version of every key for good, so that any state of the past can be asked for.

use std::collections::BTreeMap;

use millpond_core::{Commit, Epoch, Key, KeyRange, Op, Precondition};

/// A key in the model: partition and sort key.
pub type ModelKey = (Vec<u8>, Vec<u8>);

/// A record in the model. Bulk bytes are held themselves, whatever extents they are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRecord {
    /// The epoch of the commit that wrote it.
    pub version: Epoch,
    /// What was put, or a counter's sum.
    pub value: Vec<u8>,
    /// The bytes of its extents.
    pub bulk: Vec<u8>,
}

/// All versions of all keys.
#[derive(Clone, Debug, Default)]
pub struct Model {
    versions: BTreeMap<ModelKey, Vec<(Epoch, Option<ModelRecord>)>>,
    epoch: Epoch,
}

impl Model {
    /// The epoch of the newest commit.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The record of a key in the state at `epoch`.
    pub fn get(&self, key: Key<'_>, epoch: Epoch) -> Option<&ModelRecord> {
        self.get_owned(&owned(key), epoch)
    }

    fn get_owned(&self, key: &ModelKey, epoch: Epoch) -> Option<&ModelRecord> {
        let versions = self.versions.get(key)?;
        versions.iter().rev().find(|(version, _)| *version <= epoch)?.1.as_ref()
    }

    /// The records of a range in the state at `epoch`, in order.
    pub fn scan(&self, range: KeyRange<'_>, epoch: Epoch) -> Vec<(&[u8], &ModelRecord)> {
        self.versions
            .keys()
            .filter(|(partition, sort)| range.contains(Key::new(partition, sort)))
            .filter_map(|key| Some((&key.1[..], self.get_owned(key, epoch)?)))
            .collect()
    }

    /// Of every key that ever was, in the order of their concatenations, its record in two states.
    pub fn between(
        &self,
        since: Epoch,
        epoch: Epoch,
    ) -> impl Iterator<Item = (Vec<u8>, Option<&ModelRecord>, Option<&ModelRecord>)> {
        self.versions.keys().map(move |key| {
            let concat = [&key.0[..], &key.1].concat();
            (concat, self.get_owned(key, since), self.get_owned(key, epoch))
        })
    }

    /// The precondition that doesn't hold now, if any. Of several, the first.
    pub fn conflict(&self, preconditions: &[Precondition<'_>]) -> Option<usize> {
        preconditions.iter().position(|precondition| match precondition {
            Precondition::Unchanged { key, version } => {
                self.get(*key, self.epoch).map_or(Epoch::ZERO, |record| record.version) != *version
            }
            Precondition::RangeUnchanged { range, since } => self.versions.iter().any(|(key, versions)| {
                range.contains(Key::new(&key.0, &key.1))
                    && versions.last().is_some_and(|(version, _)| version > since)
            }),
        })
    }

    /// Applies a commit's writes at `epoch`; `bulk` has the bytes of each write's extents. Answers
    /// of each write whether its key existed.
    ///
    /// # Panics
    /// Where `epoch` isn't greater than the last one.
    pub fn apply(&mut self, commit: &Commit<'_>, bulk: &[Vec<u8>], epoch: Epoch) -> Vec<bool> {
        assert!(epoch > self.epoch, "epoch {epoch} comes after {}", self.epoch);
        let before = self.epoch;
        self.epoch = epoch;
        let existed: Vec<bool> =
            commit.writes.iter().map(|write| self.get(write.key, before).is_some()).collect();
        let mut tallies: BTreeMap<Key<'_>, i64> = BTreeMap::new();
        for (at, write) in commit.writes.iter().enumerate() {
            let existed = self.get(write.key, epoch).is_some();
            match write.op {
                Op::Put { value, .. } => {
                    let bulk = bulk.get(at).cloned().unwrap_or_default();
                    self.set(write.key, Some(ModelRecord { version: epoch, value: value.to_vec(), bulk }));
                }
                Op::Delete => self.set(write.key, None),
                Op::Adjust(by) => self.adjust(write.key, by),
            }
            if let Some(tally) = write.tally {
                let exists = self.get(write.key, epoch).is_some();
                *tallies.entry(tally).or_default() += i64::from(exists) - i64::from(existed);
            }
        }
        for (tally, by) in tallies.into_iter().filter(|(_, by)| *by != 0) {
            self.adjust(tally, by);
        }
        existed
    }

    fn adjust(&mut self, key: Key<'_>, by: i64) {
        let sum = self.counter(key, self.epoch).wrapping_add(by);
        let record = ModelRecord { version: self.epoch, value: sum.to_le_bytes().to_vec(), bulk: Vec::new() };
        self.set(key, Some(record));
    }

    /// The value of a counter in the state at `epoch`.
    pub fn counter(&self, key: Key<'_>, epoch: Epoch) -> i64 {
        let record = self.get(key, epoch);
        record.and_then(|record| record.value[..].try_into().ok()).map_or(0, i64::from_le_bytes)
    }

    fn set(&mut self, key: Key<'_>, record: Option<ModelRecord>) {
        let versions = self.versions.entry(owned(key)).or_default();
        versions.retain(|(version, _)| *version != self.epoch);
        // Deleting what isn't there changes nothing.
        if record.is_some() || versions.last().is_some_and(|(_, last)| last.is_some()) {
            versions.push((self.epoch, record));
        }
    }
}

fn owned(key: Key<'_>) -> ModelKey {
    (key.partition.to_vec(), key.sort.to_vec())
}

#[cfg(test)]
mod tests {
    use millpond_core::Write;

    use super::*;

    fn commit<'a>(writes: &[(&'a [u8], Op<'a>)]) -> Commit<'a> {
        let write = |(sort, op): &(&'a [u8], Op<'a>)| Write {
            key: Key::new(b"p", sort),
            op: *op,
            tally: Some(Key::new(b"t", b"#")),
        };
        Commit { writes: writes.iter().map(write).collect(), ..Commit::default() }
    }

    #[test]
    fn it_remembers_every_state() {
        let mut model = Model::default();
        let put = |value| Op::Put { value, extents: &[] };
        assert_eq!(
            model.apply(&commit(&[(b"a", put(b"1")), (b"n", Op::Adjust(5))]), &[], Epoch(3)),
            [false; 2]
        );
        assert_eq!(
            model.apply(&commit(&[(b"a", Op::Delete), (b"n", Op::Adjust(2))]), &[], Epoch(7)),
            [true; 2]
        );
        let tally = Key::new(b"t", b"#");
        assert_eq!((model.counter(tally, Epoch(2)), model.counter(tally, Epoch(3))), (0, 2));
        assert_eq!((model.counter(tally, Epoch(6)), model.counter(tally, Epoch(7))), (2, 1));
        assert_eq!(model.counter(Key::new(b"p", b"n"), Epoch(7)), 7);
        assert_eq!(model.scan(KeyRange::all(b"p"), Epoch(3)).len(), 2);
        assert_eq!(model.scan(KeyRange::all(b"p"), Epoch(7)).len(), 1);
        let version = |version| Precondition::Unchanged { key: Key::new(b"p", b"a"), version };
        assert_eq!(model.conflict(&[version(Epoch::ZERO)]), None);
        assert_eq!(model.conflict(&[version(Epoch::ZERO), version(Epoch(3))]), Some(1));
        let range = |since| Precondition::RangeUnchanged { range: KeyRange::all(b"p"), since };
        assert_eq!(model.conflict(&[range(Epoch(6))]), Some(0));
        assert_eq!(model.conflict(&[range(Epoch(7))]), None);
    }
}
