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

impl Container {
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
