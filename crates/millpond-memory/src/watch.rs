//! Watches: each has a place in the feed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use millpond_core::{
    Change, Commit, Epoch, Error, ErrorKind, Key, Result, Watch, WatchOptions, watch::Cursors,
};

use crate::{commit, feed::Kept, handle::Handle, sync::read};

/// How long to wait before looking whether the container was closed.
const NAP: Duration = Duration::from_millis(250);

/// See the module.
pub(crate) struct MemoryWatch {
    handle: Arc<Handle>,
    number: u64,
    epoch: Epoch,
    cursor: Option<String>,
    /// The commit that it is at, and how many of its changes were read.
    current: Option<(Arc<Kept>, usize)>,
}

impl MemoryWatch {
    pub(crate) fn new(handle: &Arc<Handle>, options: &WatchOptions<'_>) -> Result<Self> {
        handle.check_open()?;
        let mut after = options.after;
        if let Some(name) = options.cursor {
            handle.check_writable()?;
            if after.is_none() {
                after = with_cursors(handle, |cursors| cursors.find(name))?;
            }
        }
        let (number, epoch) = {
            let table = read(&handle.shared.table);
            handle.shared.feed.begin(&table, after)?
        };
        let cursor = options.cursor.map(str::to_owned);
        let watch = Self { handle: Arc::clone(handle), number, epoch, cursor, current: None };
        if let Some(name) = options.cursor {
            with_cursors(handle, |cursors| cursors.register(name, epoch))?;
        }
        Ok(watch)
    }
}

fn with_cursors<T>(handle: &Handle, work: impl FnOnce(Cursors<'_>) -> Result<T>) -> Result<T> {
    let get = |key: Key<'_>| Ok(read(&handle.shared.table).get(key, Epoch::MAX));
    work(Cursors { get: &get, commit: &|commit: &Commit<'_>| commit::commit(handle, commit) })
}

impl Watch for MemoryWatch {
    fn next(&mut self, timeout: Duration) -> Result<Option<Epoch>> {
        let deadline = Instant::now().checked_add(timeout);
        self.current = None;
        loop {
            self.handle.check_open()?;
            let left = deadline.map_or(NAP, |deadline| deadline.saturating_duration_since(Instant::now()));
            if let Some(kept) = self.handle.shared.feed.next(self.number, self.epoch, left.min(NAP))? {
                self.epoch = kept.epoch;
                self.current = Some((kept, 0));
                return Ok(Some(self.epoch));
            }
            if left.is_zero() {
                return Ok(None);
            }
        }
    }

    fn change(&mut self) -> Result<Option<Change>> {
        let Some((kept, read)) = &mut self.current else { return Ok(None) };
        let change = kept.changes.get(*read).cloned();
        *read += 1;
        Ok(change)
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn acknowledge(&mut self, epoch: Epoch) -> Result<()> {
        match &self.cursor {
            Some(name) => with_cursors(&self.handle, |cursors| cursors.acknowledge(name, epoch)),
            None => Err(Error::new(
                ErrorKind::InvalidArgument,
                "the watch has no cursor that could acknowledge anything; name one when it begins",
            )),
        }
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.handle.shared.feed.end(self.number);
    }
}
