//! The storage of one open container.

use std::{any::Any, sync::Arc};

use millpond_core::{
    At, Commit, Epoch, Error, ErrorKind, Extent, Index, Key, Outcome, Record, Result, SegmentWriter,
    Segments, Statistics, Store, Verifier, View, Watch, WatchOptions,
};

use crate::{
    container::Container,
    index,
    layout::{
        INDEX,
        keys::{self, RECORDS},
    },
    presence, segments,
};

/// A handle to a container in a cluster. Each opening makes one of its own, to be closed by itself.
pub struct RadosStore {
    container: Arc<Container>,
}

impl RadosStore {
    pub(crate) fn new(container: Arc<Container>) -> Self {
        Self { container }
    }
}

impl Index for RadosStore {
    fn commit(&self, commit: &Commit<'_>) -> Result<Outcome> {
        index::commit(&self.container, commit)
    }

    fn view(&self, at: At) -> Result<Box<dyn View>> {
        index::view(&self.container, at)
    }

    fn get(&self, key: Key<'_>) -> Result<Option<Record>> {
        index::get(&self.container, &keys::of_key(RECORDS, key))
    }

    fn epoch(&self) -> Result<Epoch> {
        Ok(self.container.read(&[], vec![])?.head.epoch)
    }

    /// What a cluster has acknowledged is durable on every replica.
    fn flush(&self) -> Result<Epoch> {
        self.epoch()
    }

    /// The log of batches names what they superseded, and not what they wrote.
    fn watch(&self, _: &WatchOptions<'_>) -> Result<Box<dyn Watch>> {
        Err(Error::new(
            ErrorKind::NotSupported,
            "a container on a Ceph cluster can't be watched, since its log doesn't say what commits wrote; compare states instead",
        ))
    }
}

impl Segments for RadosStore {
    fn writer(&self) -> Result<Box<dyn SegmentWriter>> {
        Ok(Box::new(segments::Writer::new(&self.container)?))
    }

    fn read(&self, extent: &Extent, offset: u64, into: &mut [u8]) -> Result<()> {
        segments::read(&self.container, extent, offset, into)
    }
}

impl Store for RadosStore {
    fn index(&self) -> &dyn Index {
        self
    }

    fn segments(&self) -> &dyn Segments {
        self
    }

    fn statistics(&self) -> Result<Statistics> {
        let head = self.container.read(&[], vec![])?.head;
        let processes = match presence::watchers(&self.container.context, INDEX)? {
            Ok(watchers) => watchers.clients.len().max(1) as u64,
            Err(_) => 1,
        };
        Ok(Statistics {
            epoch: head.epoch.0,
            epoch_synced: head.epoch.0,
            bytes_records: head.bytes_records,
            bytes_segments: head.bytes_bulk + head.bytes_dead,
            bytes_segments_live: head.bytes_bulk,
            bytes_dead: head.bytes_dead,
            bytes_log: 0,
            records: head.records,
            runs: 0,
            segments: head.extents,
            processes,
        })
    }

    fn compact(&self) -> Result<()> {
        index::compact(&self.container)
    }

    fn verify_with(&self, verifier: &mut dyn Verifier) -> Result<u64> {
        index::verify(&self.container, verifier)
    }

    fn close(&self) -> Result<()> {
        self.container.check_open()?;
        // Nothing of it is needed: that it can't be done now must not keep anyone from closing.
        if self.container.check_writable().is_ok()
            && index::is_worth_compacting(&self.container).unwrap_or(false)
        {
            let _ = index::compact(&self.container);
        }
        self.container.close();
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
