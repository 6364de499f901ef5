//! Commits of more writes than memory holds: written into their run as they come.
//!
//! Data flow: as of any bulk commit, but nothing is kept of a write except in the run. Whether its key
//! existed is looked up while it passes, for the counters. Nobody looks again under the lock: a
//! condition covers every key that is written, so that one which another commit touched meanwhile is a
//! conflict.

use std::collections::BTreeMap;

use millpond_core::{
    Commit, Durability, Error, ErrorKind, Extent, Key, Op, Outcome, Result, Write, WriteStream,
};

use super::{
    Engine,
    bulk::{Bulk, BulkWriter},
    prepare::{Buffers, Prepared, check_write},
};
use crate::{
    bugs::{Bug, planted},
    log::{LogOpRef, encode_op},
    read::{State, with_key},
};

/// What has to be known of writes that have passed.
struct Passed {
    bulk: Bulk,
    extents: Vec<Extent>,
    /// What counters that keep tally change by.
    tallies: BTreeMap<Vec<u8>, i64>,
    adds: bool,
}

impl Engine {
    pub(crate) fn commit_stream_now(
        &self,
        commit: &Commit<'_>,
        writes: &mut dyn WriteStream,
    ) -> Result<Outcome> {
        let mut view = self.current()?;
        if self.slow_down(&view.0)? {
            view = self.current()?;
        }
        let mut buffers = match Self::prepare_conditions(commit, &view.0)? {
            Ok(buffers) => buffers,
            Err(precondition) => return Ok(Outcome::Conflict { precondition }),
        };
        let Passed { bulk, extents, mut tallies, adds } = self.pass(writes, &view.0, &mut buffers)?;
        bulk.encode(&mut buffers.payload);
        let apart = planted(Bug::CountStreamsApart).then(|| std::mem::take(&mut tallies));
        for (key, delta) in tallies.into_iter().filter(|(_, delta)| *delta != 0) {
            encode_op(&mut buffers.payload, &key, &[], LogOpRef::Adjust(delta));
        }
        let shared = self.segments.not_pending(extents.iter());
        let epoch = view.1;
        // It pins files that may be replaced meanwhile.
        drop(view);
        let prepared = Prepared { buffers, epoch, bulk: Some(bulk), segments_synced: true, shared, adds };
        let done = self.take_turn(prepared, commit.durability)?;
        if let Outcome::Committed { .. } = done.outcome {
            self.segments.committed(extents.into_iter());
            if commit.durability == Durability::Sync {
                self.sync_to(done.end)?;
            }
            for (key, delta) in apart.into_iter().flatten() {
                let write = Write { key: Key::new(&key, b""), op: Op::Adjust(delta), tally: None };
                self.commit_now(&Commit { writes: vec![write], ..Commit::default() })?;
            }
        }
        Ok(done.outcome)
    }

    /// Writes everything into a run.
    fn pass(&self, writes: &mut dyn WriteStream, state: &State, buffers: &mut Buffers) -> Result<Passed> {
        let mut writer = BulkWriter::create(self, writes.records_max())?;
        let (mut extents, mut tallies, mut adds) = (Vec::new(), BTreeMap::new(), false);
        let mut last: Option<Vec<u8>> = None;
        let (mut superseded, mut superseded_bytes) = (0, 0);
        while let Some(write) = writes.next()? {
            check_write(&write)?;
            let newest = with_key(write.key, |key| {
                if last.as_ref().is_some_and(|last| last.as_slice() >= key) {
                    return Err(out_of_order(&write));
                }
                let last = last.get_or_insert_default();
                last.clear();
                last.extend_from_slice(key);
                state.newest(key)
            })?;
            let comes = match write.op {
                Op::Put { extents: owned, .. } => {
                    owned.iter().try_for_each(|extent| self.segments.check(extent.segment))?;
                    extents.extend_from_slice(owned);
                    adds = true;
                    i64::from(!newest.exists)
                }
                Op::Delete => -i64::from(newest.exists),
                Op::Adjust(_) => i64::from(!newest.exists),
            };
            if let Some(tally) = write.tally.filter(|_| comes != 0) {
                *tallies.entry(tally.concat()).or_insert(0) += comes;
            }
            if let Op::Adjust(delta) = write.op {
                encode_op(&mut buffers.payload, write.key.partition, write.key.sort, LogOpRef::Adjust(delta));
                continue;
            }
            writer.add(&write)?;
            if newest.exists {
                superseded += 1;
                superseded_bytes += newest.bulk_bytes;
            }
        }
        let mut bulk = writer.finish(adds)?;
        bulk.superseded = (superseded, superseded_bytes);
        Ok(Passed { bulk, extents, tallies, adds })
    }
}

fn out_of_order(write: &Write<'_>) -> Error {
    let message = format!("a stream of writes isn't in the order of its keys, at {:?}", write.key.sort);
    Error::new(ErrorKind::InvalidArgument, message)
}
