//! What the engine answers to the contracts' questions.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use millpond_core::{At, Epoch, Error, ErrorKind, Extent, Key, Record, Result, Statistics, View};

use super::{Engine, lock, maintenance::Patience};
use crate::{
    read::{LocalView, into_record, with_key},
    segments::{Writer, asking},
};

impl Engine {
    pub(crate) fn view_at(&self, at: At) -> Result<Box<dyn View>> {
        let (state, newest) = self.current()?;
        let epoch = match at {
            At::Latest => newest,
            At::Epoch(epoch) => {
                if epoch > newest {
                    return Err(Error::new(
                        ErrorKind::InvalidArgument,
                        format!("epoch {epoch} is not there yet; the newest one is {newest}"),
                    ));
                }
                state.manifest.check_readable(epoch)?;
                epoch
            }
        };
        Ok(Box::new(LocalView::new(state, epoch)))
    }

    pub(crate) fn get_newest(&self, key: Key<'_>) -> Result<Option<Record>> {
        let (state, epoch) = self.current()?;
        with_key(key, |key| state.get(key, epoch)?.map_or(Ok(None), into_record))
    }

    pub(crate) fn newest_epoch(&self) -> Result<Epoch> {
        Ok(self.current()?.1)
    }

    pub(crate) fn segment_writer(self: &Arc<Self>) -> Result<Writer<'static>> {
        self.check()?;
        self.ensure_writable()?;
        let reclaim = asking(self, Self::reclaim);
        Ok(self.segments.writer(asking(self, Self::new_file_id), move || reclaim().unwrap_or(false)))
    }

    pub(crate) fn read_segment(&self, extent: &Extent, offset: u64, into: &mut [u8]) -> Result<()> {
        self.check()?;
        self.segments.read(extent, offset, into)
    }

    pub(crate) fn statistics_now(&self) -> Result<Statistics> {
        let (state, epoch) = self.current()?;
        let bulk: Vec<_> = state.tails.iter().flat_map(|tail| tail.bulk()).collect();
        let runs = || state.runs.iter().chain(bulk.iter().map(|bulk| &bulk.run)).map(|run| run.summary());
        let words = self.control.words();
        let synced = words.synced.load(Ordering::Acquire);
        let applier = lock(&self.applier);
        let (offset, first) = (applier.offset, applier.file.header.base);
        drop(applier);
        let mut segments: BTreeMap<_, u64> =
            state.manifest.segments.iter().map(|(segment, entry)| (*segment, entry.live)).collect();
        for segment in self.segments.own() {
            segments.entry(segment).or_default();
        }
        for (segment, bytes) in state.tails.iter().flat_map(|tail| tail.segments()) {
            *segments.entry(segment).or_default() += bytes;
        }
        let mut bytes_segments = 0;
        for segment in segments.keys() {
            bytes_segments += self.segments.reader(*segment).and_then(|reader| reader.length()).unwrap_or(0);
        }
        self.clear_dead_slots()?;
        let slots = self.control.slots().iter();
        Ok(Statistics {
            epoch: epoch.0,
            epoch_synced: if synced >= offset { epoch.0 } else { state.manifest.horizon.0 },
            bytes_records: runs().map(|run| run.bytes).sum(),
            bytes_segments,
            bytes_segments_live: segments.values().sum(),
            bytes_log: offset - first,
            records: runs().map(|run| run.records).sum(),
            runs: runs().count() as u64,
            segments: segments.len() as u64,
            processes: slots.filter(|slot| slot.serial.load(Ordering::Relaxed) != 0).count() as u64,
        })
    }

    /// Compacts, and gives back what that freed.
    pub(crate) fn compact_now(&self) -> Result<()> {
        self.check()?;
        self.compact_all(Patience::Caller)
    }

    /// Whether the engine still serves: not closed, destroyed or of another process.
    pub(crate) fn is_usable(&self) -> bool {
        self.check().is_ok()
    }
}
