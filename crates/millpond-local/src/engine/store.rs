//! What the engine answers to the contracts' questions.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use millpond_core::{At, Epoch, Error, ErrorKind, Extent, Key, Record, Result, Statistics, View};

use super::{Engine, compaction::stored_bytes, lock, maintenance::Patience};
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
        let (mut bytes_segments, mut bytes_dead) = (0, 0);
        for (segment, owned) in &segments {
            let length = self.segment_length(*segment);
            let superseded = state.manifest.segments.get(segment).map_or(0, |entry| entry.superseded);
            bytes_segments += length;
            bytes_dead += length.saturating_sub(stored_bytes(owned.saturating_sub(superseded)));
        }
        let (bytes_records, records) =
            runs().fold((0u64, 0u64), |(bytes, records), run| (bytes + run.bytes, records + run.records));
        // A superseded record is taken to be as long as any other.
        let superseded = state.manifest.superseded_records.min(records);
        let share = u128::from(bytes_records) * u128::from(superseded) / u128::from(records.max(1));
        bytes_dead += u64::try_from(share).unwrap_or(bytes_records);
        self.clear_dead_slots()?;
        let slots = self.control.slots().iter();
        Ok(Statistics {
            epoch: epoch.0,
            epoch_synced: if synced >= offset { epoch.0 } else { state.manifest.horizon.0 },
            bytes_records,
            bytes_segments,
            bytes_segments_live: segments.values().sum(),
            bytes_dead,
            bytes_log: offset - first,
            records,
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

    /// What came of an operation; where a file was missing since the container was destroyed meanwhile, that.
    pub(crate) fn explained<T>(&self, result: Result<T>) -> Result<T> {
        match result {
            Err(error) if error.kind() == ErrorKind::NotFound => self.check().and(Err(error)),
            other => other,
        }
    }

    /// Whether the engine still serves: not closed, destroyed or of another process.
    pub(crate) fn is_usable(&self) -> bool {
        self.check().is_ok()
    }
}
