//! The last commits, kept for those who watch.
//!
//! Nothing is kept where nobody watches and no cursor is registered. What is kept is charged to the pool,
//! within the container's retention; a writer who finds the pool full has it let go.
//!
//! Invariant: the feed holds every commit after `begins`, but for those that changed nothing that is told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use millpond_core::{
    Change, ChangeKind, Epoch, KeyRange, Result, WatchRetention,
    watch::{CURSORS, Cursor, lagged, lost},
};

use crate::{
    account::{Account, Charge, Purpose},
    segments::Bulk,
    sync::lock,
    table::Table,
};

/// A commit that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) epoch: Epoch,
    pub(crate) changes: Vec<Change>,
    bytes: u64,
    since: Instant,
    /// Keeps the bulk bytes of the changes.
    _bulk: Vec<Arc<Bulk>>,
    _charge: Charge,
}

/// See the module. Locked after the table, where both are.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    state: Mutex<State>,
    published: Condvar,
}

#[derive(Debug, Default)]
struct State {
    kept: VecDeque<Arc<Kept>>,
    bytes: u64,
    begins: Epoch,
    retention: WatchRetention,
    /// Where each watch is, by its number.
    watches: BTreeMap<u64, Epoch>,
    made: u64,
}

impl State {
    fn drop_first(&mut self) {
        if let Some(first) = self.kept.pop_front() {
            self.bytes -= first.bytes;
            self.begins = first.epoch;
        }
    }
}

impl Feed {
    pub(crate) fn keep(&self, retention: WatchRetention) {
        lock(&self.state).retention = retention;
    }

    /// Whether the next commit has to be kept.
    pub(crate) fn is_wanted(&self, table: &Table) -> bool {
        !lock(&self.state).watches.is_empty() || first_cursor(table).is_some()
    }

    /// Keeps a commit, before it is published.
    pub(crate) fn push(
        &self,
        account: &Arc<Account>,
        epoch: Epoch,
        mut changes: Vec<Change>,
        bulk: Vec<Arc<Bulk>>,
    ) {
        changes.retain(|change| !change.key.starts_with(CURSORS));
        if changes.is_empty() {
            return;
        }
        let bytes = changes.iter().map(weight).sum();
        let charge = account.charge_anyway(Purpose::Records, bytes);
        let kept = Kept { epoch, changes, bytes, since: Instant::now(), _bulk: bulk, _charge: charge };
        let state = &mut *lock(&self.state);
        state.bytes += bytes;
        state.kept.push_back(Arc::new(kept));
    }

    /// A commit was published: what nobody needs goes, and those who wait are woken.
    pub(crate) fn published(&self, table: &Table) {
        let state = &mut *lock(&self.state);
        let cursor = first_cursor(table);
        let needed = state.watches.values().copied().chain(cursor).min();
        let now = Instant::now();
        while let Some(first) = state.kept.front() {
            let is_needed = needed.is_some_and(|needed| first.epoch > needed);
            let is_old = now.saturating_duration_since(first.since) > state.retention.age;
            if is_needed && !is_old && state.bytes <= state.retention.bytes {
                break;
            }
            state.drop_first();
        }
        if needed.is_none() {
            state.begins = table.newest;
        }
        self.published.notify_all();
    }

    /// Lets everything go; answers whether there was anything.
    pub(crate) fn clear(&self) -> bool {
        let state = &mut *lock(&self.state);
        let any = !state.kept.is_empty();
        while !state.kept.is_empty() {
            state.drop_first();
        }
        any
    }

    /// Begins a watch after an epoch, or after the newest one; answers its number and where it is.
    pub(crate) fn begin(&self, table: &Table, after: Option<Epoch>) -> Result<(u64, Epoch)> {
        let state = &mut *lock(&self.state);
        let after = after.unwrap_or(table.newest);
        if after > table.newest {
            return Err(lost(after, table.newest));
        }
        if after < state.begins {
            return Err(lagged(after, state.begins));
        }
        state.made += 1;
        state.watches.insert(state.made, after);
        Ok((state.made, after))
    }

    pub(crate) fn end(&self, watch: u64) {
        lock(&self.state).watches.remove(&watch);
    }

    /// The first commit after an epoch, for which it waits; nothing where none comes in time.
    pub(crate) fn next(&self, watch: u64, after: Epoch, timeout: Duration) -> Result<Option<Arc<Kept>>> {
        let mut state = lock(&self.state);
        state.watches.insert(watch, after);
        let is_empty = |state: &mut State| {
            state.begins <= after && state.kept.back().is_none_or(|last| last.epoch <= after)
        };
        if is_empty(&mut state) && !timeout.is_zero() {
            let waited = self.published.wait_timeout_while(state, timeout, is_empty);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.begins > after {
            return Err(lagged(after, state.begins));
        }
        let place = state.kept.partition_point(|kept| kept.epoch <= after);
        Ok(state.kept.get(place).cloned())
    }
}

fn weight(change: &Change) -> u64 {
    let bytes = match &change.kind {
        ChangeKind::Put { value, extents } => {
            value.len() as u64 + extents.iter().map(|extent| extent.length).sum::<u64>()
        }
        ChangeKind::Delete | ChangeKind::Adjust(_) => 8,
    };
    bytes + change.key.len() as u64 + size_of::<Change>() as u64
}

/// The epoch of the registered cursor that is behind all others.
fn first_cursor(table: &Table) -> Option<Epoch> {
    let all = KeyRange::all(CURSORS);
    let records = table.range(&all)?;
    let stored = records.filter_map(|(_, chain)| chain.newest.stored.as_ref());
    stored.filter_map(|stored| Cursor::parse(&stored.value).ok()).map(|cursor| cursor.epoch).min()
}
