//! What each record of a run adds to the number of keys that exist: that its key exists with it, less that the
//! key existed with the version before it, wherever that is.
//!
//! Over all runs these come to how many keys exist, and since a run never changes, what was found out about a
//! block serves as long as the other runs are the same ones: a range is counted by its two ends in each run
//! and one number for each block in between.
//!
//! Invariant: what is kept here was found in verified blocks. A damaged one is an error, each time it is met.

use std::{
    ops::Bound,
    sync::{
        Arc, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use millpond_core::{Epoch, ErrorKind, Result};

use super::{Entry, EntryRef, Run, RunId, heads::Heads, key_hash};
use crate::bugs::{Bug, planted};

/// See the module. Of one run, as long as others that may hold older versions of its keys are these.
#[derive(Debug)]
pub(crate) struct Gains {
    others: Vec<RunId>,
    groups: Box<[OnceLock<Box<[Part]>>]>,
    /// Memory of all heads.
    heads_bytes: AtomicUsize,
}

/// What is known of a block.
#[derive(Debug, Default)]
struct Part {
    gains: OnceLock<BlockGains>,
    heads: OnceLock<Heads>,
}

/// Blocks of which memory is made at once, when one of them is met.
const GROUP: usize = 64;

/// No more memory is taken for the heads of one run.
const HEADS_BYTES_MAX: usize = 8 << 20;

/// What the records of a block add.
#[derive(Debug)]
enum BlockGains {
    /// One each: so many.
    Ones(u32),
    /// Something else.
    Mixed(Box<Mixed>),
}

#[derive(Debug)]
struct Mixed {
    /// None where one of them is unknown.
    total: Option<i64>,
    each: Box<[Option<i8>]>,
}

/// A version of a key: its epoch, and whether the key exists with it. That may be unknown, since a value is
/// lost, or a block damaged, of which the range that is counted may have no need: a scan tells.
type Version = (Epoch, Option<bool>);

/// Whether a key exists whose newest version holds this; nothing where that is lost.
pub(crate) fn exists(entry: EntryRef<'_>) -> Option<bool> {
    match entry {
        EntryRef::Put { .. } | EntryRef::Counter(_) => Some(true),
        EntryRef::Tombstone => Some(false),
        EntryRef::Damaged(_) => None,
    }
}

impl Run {
    /// What the run's records add, where `others` are the runs that may hold older versions of their keys.
    pub(crate) fn gains(&self, others: &[Arc<Run>]) -> Arc<Gains> {
        let mut kept = self.gains.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gains) = &*kept
            && gains.others.iter().eq(others.iter().map(|other| &other.summary.id))
        {
            return gains.clone();
        }
        let others = others.iter().map(|other| other.summary.id).collect();
        let groups = (0..self.index.count().div_ceil(GROUP)).map(|_| OnceLock::new()).collect();
        kept.insert(Arc::new(Gains { others, groups, heads_bytes: AtomicUsize::new(0) })).clone()
    }
}

impl Gains {
    /// What the records of `run` between the bounds add, by these others; nothing where that is
    /// unknown of one of them.
    ///
    /// # Errors
    /// `Corrupt` where a block is damaged.
    pub(crate) fn between(
        &self,
        run: &Run,
        others: &[Arc<Run>],
        start: Bound<&[u8]>,
        end: Bound<&[u8]>,
    ) -> Result<Option<i64>> {
        let count = run.index().count();
        let from = match start {
            Bound::Included(key) => self.place_of(run, key, false, 0)?,
            Bound::Excluded(key) => self.place_of(run, key, true, 0)?,
            Bound::Unbounded => (0, 0),
        };
        let to = match end {
            Bound::Included(key) => self.place_of(run, key, true, from.0)?,
            Bound::Excluded(key) => self.place_of(run, key, false, from.0)?,
            Bound::Unbounded => (count, 0),
        };
        let mut sum = 0;
        for number in from.0..count.min(to.0 + 1) {
            let first = if number == from.0 { from.1 } else { 0 };
            let end = if number == to.0 { Some(to.1) } else { None };
            if end.is_some_and(|end| end <= first) {
                break;
            }
            match self.block(run, others, number)? {
                BlockGains::Ones(count) => {
                    sum += end.map_or(i64::from(*count), |end| end as i64) - first as i64
                }
                BlockGains::Mixed(mixed) => {
                    let count = mixed.each.len();
                    let gained = match (first, end) {
                        (0, None) => mixed.total,
                        (first, end) => total(&mixed.each[first.min(count)..end.unwrap_or(count).min(count)]),
                    };
                    match gained {
                        Some(gained) => sum += gained,
                        None => return Ok(None),
                    }
                }
            }
        }
        Ok(Some(sum))
    }

    /// Where the first record is that doesn't come before `key`, or, `behind` it, that comes after all of its
    /// versions: its block, and its place there, which may be behind the block's last record.
    fn place_of(&self, run: &Run, key: &[u8], behind: bool, from: usize) -> Result<(usize, usize)> {
        let number = run.block_of(key, behind, from);
        if number >= run.index().count() {
            return Ok((number, 0));
        }
        let alike = self.heads(run, number)?.map(|heads| heads.alike(key));
        match alike {
            Some(alike) if alike.is_empty() => Ok((number, alike.start)),
            alike => Ok((number, run.place_in_block(number, key, behind, alike)?)),
        }
    }

    fn heads(&self, run: &Run, number: usize) -> Result<Option<&Heads>> {
        let kept = &self.part(number).heads;
        if let Some(known) = kept.get() {
            return Ok(Some(known));
        }
        if self.heads_bytes.load(Ordering::Relaxed) > HEADS_BYTES_MAX {
            return Ok(None);
        }
        let heads = Heads::of(&run.load(number, None)?).map_err(|what| run.malformed(number, what))?;
        self.heads_bytes.fetch_add(heads.bytes(), Ordering::Relaxed);
        Ok(Some(kept.get_or_init(|| heads)))
    }

    #[inline]
    fn block(&self, run: &Run, others: &[Arc<Run>], number: usize) -> Result<&BlockGains> {
        let kept = &self.part(number).gains;
        match kept.get() {
            Some(known) => Ok(known),
            None => {
                let found = look_at(run, others, number)?;
                Ok(kept.get_or_init(|| found))
            }
        }
    }

    #[inline]
    fn part(&self, number: usize) -> &Part {
        let group = &self.groups[number / GROUP];
        &group.get_or_init(|| (0..GROUP).map(|_| Part::default()).collect())[number % GROUP]
    }
}

/// What records add together, where that is known of each.
fn total(each: &[Option<i8>]) -> Option<i64> {
    each.iter().map(|gain| gain.map(i64::from)).sum()
}

/// Finds out what the records of a block add.
#[cold]
fn look_at(run: &Run, others: &[Arc<Run>], number: usize) -> Result<BlockGains> {
    let block = run.load(number, None)?;
    let mut each = vec![None; block.count()];
    let mut key = Vec::new();
    // Backward, so that the version before a record is known when it is of this block, too.
    let mut behind: Option<(usize, Version)> = None;
    for place in (0..block.count()).rev() {
        let malformed = |what| run.malformed(number, what);
        let record = block.record(place).map_err(malformed)?;
        let epoch = run.epoch_of(record.epoch);
        key.clear();
        key.extend_from_slice(block.prefix());
        key.extend_from_slice(block.rest(&record));
        let mut before = match behind {
            Some((next, version)) => {
                let next = block.record(next).map_err(malformed)?;
                (block.rest(&next) == block.rest(&record)).then_some(version)
            }
            // The versions of one key may go on in the next block.
            None if run.index().compare_bound(number, &key).is_eq() => {
                version_before(run, key_hash(&key), &key, epoch)?
            }
            None => None,
        };
        let hash = if others.is_empty() { 0 } else { key_hash(&key) };
        for other in others {
            let is_newest = before.is_some_and(|(before, _)| before >= other.summary.epoch_max);
            if is_newest || planted(Bug::CountReplaced) {
                break;
            }
            if let Some(version) = version_before(other, hash, &key, epoch)?
                && before.is_none_or(|(before, _)| before < version.0)
            {
                before = Some(version);
            }
        }
        let exists_now = exists(block.entry(&record, &[]));
        let existed = before.map_or(Some(false), |(_, existed)| existed);
        each[place] = exists_now.zip(existed).map(|(exists, existed)| i8::from(exists) - i8::from(existed));
        behind = Some((place, (epoch, exists_now)));
    }
    Ok(match each.iter().all(|gain| *gain == Some(1)) {
        true => BlockGains::Ones(each.len() as u32),
        false => BlockGains::Mixed(Box::new(Mixed { total: total(&each), each: each.into() })),
    })
}

/// The newest version of a key in a run that is older than `epoch`. Where a damaged block would hold it, that
/// stands for the newest there could be.
fn version_before(run: &Run, hash: u64, key: &[u8], epoch: Epoch) -> Result<Option<Version>> {
    let Some(before) = epoch.0.checked_sub(1) else { return Ok(None) };
    match run.get_hashed(key, hash, Epoch(before)) {
        Ok(found) => Ok(found.map(|found| (found.epoch, exists(Entry::as_ref(&found.entry))))),
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Some((Epoch(before), None))),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::run::tests::{Place, model};

    proptest! {
        #[test]
        fn what_lies_before_a_key_is_counted(
            records in model::records(1..120),
            probes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..20),
        ) {
            let place = Place::new();
            place.write(&records);
            let run = Arc::new(place.open().expect("the run"));
            // Backward, so that the newest version of each key stays.
            let newest: BTreeMap<_, _> =
                records.iter().rev().map(|(key, _, entry)| (&key[..], exists(entry.as_ref()))).collect();
            let there = |end: Bound<&[u8]>| {
                let before = newest.range::<[u8], _>((Bound::Unbounded, end));
                before.filter(|(_, exists)| **exists == Some(true)).count() as i64
            };
            let gains = run.gains(&[]);
            for key in newest.keys().copied().chain(probes.iter().map(Vec::as_slice)) {
                for end in [Bound::Excluded(key), Bound::Included(key)] {
                    let counted = gains.between(&run, &[], Bound::Unbounded, end).expect("counted");
                    prop_assert_eq!(counted, Some(there(end)));
                    let rest = match end {
                        Bound::Excluded(key) => Bound::Included(key),
                        _ => Bound::Excluded(key),
                    };
                    let counted = gains.between(&run, &[], rest, Bound::Unbounded).expect("counted");
                    prop_assert_eq!(counted, Some(there(Bound::Unbounded) - there(end)));
                }
            }
        }
    }

    #[test]
    fn no_more_memory_is_taken_than_that() {
        let records: model::Records = (0..200u32)
            .map(|number| {
                let value = bytes::Bytes::from_static(&[7; 100]);
                (number.to_be_bytes().to_vec(), 7, Entry::Put { value, extents: Vec::new() })
            })
            .collect();
        let place = Place::new();
        place.write(&records);
        let run = Arc::new(place.open().expect("the run"));
        let gains = run.gains(&[]);
        gains.heads_bytes.store(HEADS_BYTES_MAX + 1, Ordering::Relaxed);
        for (number, (key, ..)) in records.iter().enumerate() {
            let end = Bound::Excluded(&key[..]);
            assert_eq!(
                gains.between(&run, &[], Bound::Unbounded, end).expect("counted"),
                Some(number as i64)
            );
        }
        assert_eq!(gains.heads_bytes.load(Ordering::Relaxed), HEADS_BYTES_MAX + 1);
        assert!(Arc::ptr_eq(&gains, &run.gains(&[])), "kept, as long as the others are the same");
    }
}
