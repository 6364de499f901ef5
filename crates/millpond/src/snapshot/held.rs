//! What each snapshot holds back: the bytes that would come back if it alone were destroyed.
//!
//! Those are the versions that it shows, that the next newer state doesn't, and the next older one
//! doesn't yet. What several snapshots share counts for none of them. It costs a walk over what was
//! changed since the oldest one; the bytes are those of keys, values and extents, before they are
//! packed.

use millpond_core::{At, Epoch, Key, Record, Result, View};
use serde::Serialize;

use super::{
    Snapshot,
    diff::{foreign, key_of},
    list,
};
use crate::container::Container;

/// Keys that are looked up together.
const KEYS_AT_A_TIME: usize = 1024;

/// A snapshot, with what it holds back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotSize {
    /// The snapshot.
    #[serde(flatten)]
    pub snapshot: Snapshot,
    /// About how many bytes would come back if it alone were destroyed.
    pub bytes: u64,
}

/// What snapshots and the newest state have of a container's bytes: those of keys, values and extents, before
/// they are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SnapshotSpace {
    /// How many snapshots there are.
    pub snapshots: u64,
    /// Bytes that snapshots alone need: they would come back if all were destroyed.
    pub bytes_held: u64,
    /// Bytes that the newest state has in common with a snapshot: they stay, whichever of the two goes.
    pub bytes_shared: u64,
    /// Bytes of the newest state that no snapshot has.
    pub bytes_unshared: u64,
}

impl Container {
    /// What snapshots need, and what they share with the newest state. This reads every record, though no long
    /// value.
    pub fn snapshot_space(&self) -> Result<SnapshotSpace> {
        self.check_unscoped("tell what snapshots share")?;
        let index = self.index()?;
        let now = index.view(At::Latest)?;
        let snapshots = list(&*now)?;
        let mut space = SnapshotSpace { snapshots: snapshots.len() as u64, ..SnapshotSpace::default() };
        let mut newest = Epoch::ZERO;
        for (place, snapshot) in snapshots.iter().enumerate() {
            let state = index.view(At::Epoch(snapshot.epoch))?;
            // Each version that goes is counted where it goes.
            space.bytes_held += match snapshots.get(place + 1) {
                Some(next) => held(&*state, &*index.view(At::Epoch(next.epoch))?, Epoch::ZERO)?,
                None => held(&*state, &*now, Epoch::ZERO)?,
            };
            newest = snapshot.epoch;
        }
        let mut records = now.changes(Epoch::ZERO, b"")?;
        while records.advance()? {
            let Some(record) = records.record() else { continue };
            let bulk: u64 = record.extents.iter().map(|extent| extent.length).sum();
            let bytes = (records.key().len() + record.value.len()) as u64 + bulk;
            let has =
                if record.version <= newest { &mut space.bytes_shared } else { &mut space.bytes_unshared };
            *has += bytes;
        }
        Ok(space)
    }

    /// The snapshots, the oldest first, and what each of them holds back. Unlike
    /// [`Container::snapshots`] this reads all that was changed since the oldest one.
    pub fn snapshot_sizes(&self) -> Result<Vec<SnapshotSize>> {
        self.check_unscoped("tell what snapshots hold back")?;
        let index = self.index()?;
        let now = index.view(At::Latest)?;
        let snapshots = list(&*now)?;
        let mut sizes = Vec::with_capacity(snapshots.len());
        let mut before = Epoch::ZERO;
        let mut state = match snapshots.first() {
            Some(first) => index.view(At::Epoch(first.epoch))?,
            None => return Ok(sizes),
        };
        for (place, snapshot) in snapshots.iter().enumerate() {
            let bytes;
            match snapshots.get(place + 1) {
                Some(next) => {
                    let next = index.view(At::Epoch(next.epoch))?;
                    bytes = held(&*state, &*next, before)?;
                    state = next;
                }
                None => bytes = held(&*state, &*now, before)?,
            }
            before = snapshot.epoch;
            sizes.push(SnapshotSize { snapshot: snapshot.clone(), bytes });
        }
        Ok(sizes)
    }
}

/// Bytes of what `state` shows, `next` doesn't, and nothing up to `before` did.
fn held(state: &dyn View, next: &dyn View, before: Epoch) -> Result<u64> {
    let mut changes = next.changes(state.epoch(), b"")?;
    let (mut bytes, mut more) = (0, true);
    while more {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        while more && keys.len() < KEYS_AT_A_TIME {
            more = changes.advance()?;
            if more {
                keys.push(changes.key().to_vec());
            }
        }
        let wanted = keys.iter().map(|key| key_of(key).ok_or_else(|| foreign(key)));
        let wanted: Vec<Key<'_>> = wanted.collect::<Result<_>>()?;
        for (key, record) in keys.iter().zip(state.get_many(&wanted)?) {
            bytes += record.filter(|record| record.version > before).map_or(0, |record| size(key, &record));
        }
    }
    Ok(bytes)
}

fn size(key: &[u8], record: &Record) -> u64 {
    let bulk: u64 = record.extents.iter().map(|extent| extent.length).sum();
    (key.len() + record.value.len()) as u64 + bulk
}
