//! Which versions of a key a checkpoint or a merge keeps.

use std::{
    collections::BTreeSet,
    ops::Bound,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use millpond_core::{Epoch, Error, ErrorKind, RETAINED, Result};

use super::Engine;
use crate::{
    bugs::{Bug, planted},
    control::SLOTS,
    read::State,
    run::Entry,
    tail::{counter_entry, counter_value},
};

/// What a merge has to keep beside the newest version of each key.
///
/// Open views are no part of it: a view holds the tails and runs of its state, so that no merge
/// takes anything from it.
#[derive(Clone, Debug)]
pub(super) struct Needed {
    /// Tombstones of later epochs stay: a transaction that began here must see that something was
    /// removed from the range that it scanned.
    pub(super) tombstones_after: Epoch,
    /// Epochs that stay readable, ascending.
    pub(super) retained: Vec<Epoch>,
}

impl Needed {
    /// Whether a version is read by someone, where the next newer one is of epoch `newer`.
    fn needs(&self, version: Epoch, newer: Epoch) -> bool {
        if planted(Bug::DropNeededVersions) {
            return false;
        }
        let first = self.retained.partition_point(|&epoch| epoch < version);
        self.retained.get(first).is_some_and(|&epoch| epoch < newer)
    }
}

/// A version that is to be written.
pub(super) type Kept = (Epoch, Entry);

/// What of `versions` (newest first, of one key) is to be kept; what is dropped goes to `dropped`.
/// `is_oldest` says that no older place holds the key, so that a tombstone has nothing to hide.
pub(super) fn keep(
    versions: Vec<Kept>,
    needed: &Needed,
    is_oldest: impl FnOnce(Epoch) -> Result<bool>,
    dropped: &mut impl FnMut(&Entry),
) -> Result<Vec<Kept>> {
    let mut kept: Vec<Kept> = Vec::with_capacity(1);
    for (epoch, entry) in versions {
        match kept.last_mut() {
            None => kept.push((epoch, entry)),
            Some((newer, above)) => {
                if needed.needs(epoch, *newer) {
                    kept.push((epoch, entry));
                } else {
                    // A counter's part isn't lost with its version.
                    if let Entry::Counter(delta) = above {
                        *above = match &entry {
                            Entry::Counter(more) => Entry::Counter(delta.wrapping_add(*more)),
                            Entry::Put { value, .. } => {
                                counter_entry(counter_value(value).wrapping_add(*delta))
                            }
                            Entry::Tombstone => counter_entry(*delta),
                            Entry::Damaged(place) => Entry::Damaged(*place),
                        };
                    }
                    dropped(&entry);
                }
            }
        }
    }
    if let Some((epoch, Entry::Tombstone)) = kept.last()
        && (planted(Bug::DropTombstonesEarly) || (*epoch <= needed.tombstones_after && is_oldest(*epoch)?))
    {
        kept.pop();
    }
    Ok(kept)
}

impl Engine {
    /// What a merge, or a checkpoint, of places of `state` has to keep. Under the maintenance lock.
    ///
    /// The retained epochs are read after the places were chosen, of a state that is at least as new
    /// as they are. So nothing has to be locked against snapshots: one that is committed later has an
    /// epoch later than every version in these places, and sees the newest of each key at most, which
    /// is always kept. The newest manifest then says which epochs its runs were written for.
    pub(super) fn needed(&self, state: &Arc<State>) -> Result<Needed> {
        self.clear_dead_slots()?;
        self.update_slot();
        let mut tombstones_after = self.state().epoch();
        for slot in self.control.slots() {
            if slot.serial.load(Ordering::SeqCst) != 0 {
                tombstones_after = tombstones_after.min(Epoch(slot.epoch.load(Ordering::SeqCst)));
            }
        }
        let retained = match planted(Bug::ForgetRetained) {
            true => state.manifest.retained.clone(),
            false => retained_epochs(state)?,
        };
        let newest = state.newest_tail();
        if newest.changes_what_is_kept() && !planted(Bug::ForgetBeforeSync) {
            // Was one let go? What it kept must not go before that is durable.
            self.sync_to(self.applied.load(Ordering::Acquire))?;
        }
        Ok(Needed { tombstones_after, retained })
    }

    /// The oldest manifest that a live process uses.
    pub(super) fn oldest_generation(&self) -> Result<u64> {
        self.clear_dead_slots()?;
        let slots = self.control.slots().iter();
        Ok(slots
            .filter(|slot| slot.serial.load(Ordering::SeqCst) != 0)
            .map(|slot| slot.generation.load(Ordering::SeqCst))
            .min()
            .unwrap_or(u64::MAX))
    }

    /// Whether the process of that serial number is alive.
    pub(super) fn is_alive(&self, serial: u64) -> bool {
        self.control.slots().iter().any(|slot| slot.serial.load(Ordering::SeqCst) == serial)
    }

    /// Frees the slots of processes that died: their lock ended with them.
    pub(super) fn clear_dead_slots(&self) -> Result<()> {
        for place in 0..SLOTS {
            let slot = &self.control.slots()[place];
            let serial = slot.serial.load(Ordering::SeqCst);
            if serial != 0 && place != self.slot && !self.presence.is_slot_alive(place)? {
                // Only if nobody took the slot anew meanwhile.
                let _ = slot.serial.compare_exchange(serial, 0, Ordering::SeqCst, Ordering::SeqCst);
            }
        }
        Ok(())
    }
}

/// The epochs that records keep, ascending, as of the newest record of the state.
pub(super) fn retained_epochs(state: &State) -> Result<Vec<Epoch>> {
    let mut keys: BTreeSet<Bytes> = state.tails.iter().flat_map(|tail| tail.keeping()).collect();
    let mut retained = Vec::new();
    // What can't be read was in a run, and so it was known when that was written.
    let mut unless_damaged = |error: Error| match error.kind() {
        ErrorKind::Corrupt => {
            retained.extend_from_slice(&state.manifest.retained);
            Ok(())
        }
        _ => Err(error),
    };
    let bulk: Vec<_> = state.tails.iter().flat_map(|tail| tail.bulk()).collect();
    for run in state.runs.iter().chain(bulk.iter().map(|bulk| &bulk.run)) {
        if run.summary().last_key.as_slice() < &RETAINED[..] {
            continue;
        }
        let mut cursor = run.cursor();
        let mut there = cursor.seek(Bound::Included(RETAINED));
        loop {
            match there {
                Ok(true) if cursor.key().starts_with(RETAINED) => {
                    keys.insert(Bytes::copy_from_slice(cursor.key()));
                }
                Ok(_) => break,
                Err(error) => unless_damaged(error)?,
            }
            there = cursor.next();
        }
    }
    let mut kept = Vec::with_capacity(keys.len());
    for key in keys {
        match state.newest(&key) {
            Ok(newest) if newest.exists => kept.push(newest.epoch),
            Ok(_) => {}
            Err(error) => unless_damaged(error)?,
        }
    }
    retained.append(&mut kept);
    retained.sort_unstable();
    retained.dedup();
    Ok(retained)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn put(epoch: u64) -> Kept {
        (Epoch(epoch), Entry::Put { value: Bytes::from(epoch.to_string()), extents: Vec::new() })
    }

    fn epochs(versions: Vec<Kept>, from: u64, retained: &[u64], is_oldest: bool) -> Vec<u64> {
        let needed = Needed {
            tombstones_after: Epoch(from),
            retained: retained.iter().map(|&epoch| Epoch(epoch)).collect(),
        };
        let kept = keep(versions, &needed, |_| Ok(is_oldest), &mut |_| ()).expect("no reads");
        kept.iter().map(|(epoch, _)| epoch.0).collect()
    }

    #[test]
    fn the_newest_is_kept_and_what_an_epoch_sees() {
        let versions = || vec![put(30), put(20), put(10)];
        assert_eq!(epochs(versions(), 40, &[], false), [30]);
        assert_eq!(epochs(versions(), 15, &[], false), [30]);
        assert_eq!(epochs(versions(), 40, &[15], false), [30, 10]);
        assert_eq!(epochs(versions(), 40, &[20], false), [30, 20]);
        assert_eq!(epochs(versions(), 40, &[10, 29], false), [30, 20, 10]);
        assert_eq!(epochs(versions(), 40, &[9], false), [30]);
        assert_eq!(epochs(versions(), 40, &[30], false), [30]);
    }

    #[test]
    fn a_tombstone_goes_when_it_hides_nothing_any_more() {
        let dead = || vec![(Epoch(30), Entry::Tombstone), put(20)];
        assert_eq!(epochs(dead(), 40, &[], false), [30]);
        assert!(epochs(dead(), 40, &[], true).is_empty());
        assert_eq!(epochs(dead(), 25, &[], true), [30]);
        assert_eq!(epochs(dead(), 40, &[25], true), [30, 20]);
        assert_eq!(epochs(vec![(Epoch(30), Entry::Tombstone)], 29, &[], true), [30]);
    }

    #[test]
    fn a_counter_keeps_its_sum() {
        let versions = vec![
            (Epoch(3), Entry::Counter(1)),
            (Epoch(2), Entry::Counter(10)),
            (Epoch(1), counter_entry(100)),
        ];
        let needed = |retained| Needed { tombstones_after: Epoch(9), retained };
        let all = keep(versions.clone(), &needed(Vec::new()), |_| Ok(true), &mut |_| ()).expect("no reads");
        assert_eq!(all, [(Epoch(3), counter_entry(111))]);
        let some = keep(versions, &needed(vec![Epoch(2)]), |_| Ok(true), &mut |_| ()).expect("no reads");
        assert_eq!(some, [(Epoch(3), Entry::Counter(1)), (Epoch(2), counter_entry(110))]);
    }
}
