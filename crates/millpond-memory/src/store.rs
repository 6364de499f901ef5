//! The storage of one open container.

use std::{any::Any, sync::Arc};

use millpond_core::{
    At, Commit, Epoch, Index, Key, Outcome, Record, Result, Segments, Statistics, Store, Verifier, View,
    Watch, WatchOptions,
};

use crate::{
    account::Purpose,
    commit,
    handle::Handle,
    sync::{read, write},
    view,
    watch::MemoryWatch,
};

/// A handle to a container in memory. Each opening makes one of its own, to be closed by itself.
#[derive(Debug)]
pub struct MemoryStore {
    pub(crate) handle: Arc<Handle>,
}

impl MemoryStore {
    pub(crate) fn new(handle: Arc<Handle>) -> Self {
        Self { handle }
    }
}

impl Store for MemoryStore {
    fn index(&self) -> &dyn Index {
        self
    }

    fn segments(&self) -> &dyn Segments {
        self
    }

    fn statistics(&self) -> Result<Statistics> {
        self.handle.check_open()?;
        let shared = &self.handle.shared;
        let table = read(&shared.table);
        let bytes_segments = shared.account.bytes(Purpose::Segments);
        Ok(Statistics {
            epoch: table.newest.0,
            epoch_synced: table.newest.0,
            bytes_records: shared.account.bytes(Purpose::Records),
            bytes_segments,
            bytes_segments_live: bytes_segments.saturating_sub(shared.segments.bytes_unowned()),
            bytes_dead: shared.segments.bytes_unowned(),
            bytes_log: 0,
            records: table.versions,
            runs: 0,
            segments: shared.segments.count(),
            processes: 1,
        })
    }

    fn compact(&self) -> Result<()> {
        self.handle.check_open()?;
        let shared = &self.handle.shared;
        let table = &mut *write(&shared.table);
        let needed = shared.needed(table);
        table.prune_all(&needed);
        shared.segments.reclaim();
        Ok(())
    }

    /// Memory carries no checksums of its own, so there is nothing that could fail.
    fn verify_with(&self, verifier: &mut dyn Verifier) -> Result<u64> {
        self.handle.check_open()?;
        let account = &self.handle.shared.account;
        let bytes = account.bytes(Purpose::Records) + account.bytes(Purpose::Segments);
        verifier.read(bytes)?;
        Ok(bytes)
    }

    fn close(&self) -> Result<()> {
        self.handle.close();
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Index for MemoryStore {
    fn commit(&self, commit: &Commit<'_>) -> Result<Outcome> {
        commit::commit(&self.handle, commit)
    }

    fn view(&self, at: At) -> Result<Box<dyn View>> {
        view::open(&self.handle, at)
    }

    fn get(&self, key: Key<'_>) -> Result<Option<Record>> {
        self.handle.check_open()?;
        Ok(read(&self.handle.shared.table).get(key, Epoch::MAX))
    }

    fn epoch(&self) -> Result<Epoch> {
        self.handle.check_open()?;
        Ok(read(&self.handle.shared.table).newest)
    }

    fn flush(&self) -> Result<Epoch> {
        self.epoch()
    }

    fn watch(&self, options: &WatchOptions<'_>) -> Result<Box<dyn Watch>> {
        Ok(Box::new(MemoryWatch::new(&self.handle, options)?))
    }
}
