//! Commits: prepared outside the lock, validated and appended within.
//!
//! Data flow: a thread resolves preconditions and existence in its own view and encodes the
//! record's payload. Then it queues; whoever has the turn commits for all that wait. Under the
//! commit lock only what others committed since is looked at again, then the record is written,
//! published and applied, in this order. What fails before it is published never happened: its
//! bytes are zeroed by the next holder of the lock.

use std::{collections::VecDeque, sync::Arc};

use millpond_core::{Commit, Durability, Epoch, Error, ErrorKind, Op, Outcome, Result, SegmentId};

use super::{
    EPOCH_COMMIT_BITS, Engine,
    apply::{Applier, Source},
    lock,
    prepare::{Kind, Prepared, PreparedWrite},
};
use crate::{
    bugs::{Bug, planted},
    control::LockGuard,
    log::{PayloadRead, RecordHeader, encode_record},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// Commits that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Arc<Pending>>>,
    turn: Mutex<()>,
}

#[derive(Debug)]
struct Pending {
    prepared: Mutex<Option<Prepared>>,
    durability: Durability,
    done: AtomicBool,
    result: Mutex<Option<Result<Done>>>,
}

/// How a commit ended, and the log offset behind its record.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) end: u64,
}

impl Engine {
    pub(crate) fn commit_now(&self, commit: &Commit<'_>) -> Result<Outcome> {
        match self.commit_once(commit) {
            // Full of what nobody needs any more? Then it isn't full.
            Err(error) if error.kind() == ErrorKind::NoSpace && self.reclaim().unwrap_or(false) => {
                self.commit_once(commit)
            }
            other => other,
        }
    }

    fn commit_once(&self, commit: &Commit<'_>) -> Result<Outcome> {
        let mut view = self.current()?;
        if self.slow_down(&view.0)? {
            view = self.current()?;
        }
        let segments = commit.writes.iter().flat_map(|write| match write.op {
            Op::Put { extents, .. } => extents,
            _ => &[],
        });
        let is_sync = commit.durability == Durability::Sync;
        let names_any = segments.clone().next().is_some();
        let naming = if is_sync || !names_any {
            None
        } else {
            self.name_unsynced(segments.clone().map(|extent| extent.segment))
        };
        let segments_synced = naming.is_none();
        if segments_synced && names_any {
            self.sync_segments(segments.clone().map(|extent| extent.segment))?;
        }
        segments.clone().try_for_each(|extent| self.segments.check(extent.segment))?;
        let prepared = match self.prepare(commit, (&view.0, view.1), segments_synced)? {
            Ok(prepared) if names_any => {
                Prepared { shared: self.segments.not_pending(segments.clone()), ..prepared }
            }
            Ok(prepared) => prepared,
            Err(conflict) => return Ok(conflict),
        };
        // It pins files that may be replaced meanwhile.
        drop(view);
        let done = self.take_turn(prepared, commit.durability)?;
        drop(naming);
        if let Outcome::Committed { .. } = done.outcome {
            self.segments.committed(segments.copied());
            if commit.durability == Durability::Sync {
                self.sync_to(done.end)?;
            }
        }
        Ok(done.outcome)
    }

    /// Waits for the turn to commit; has it, and commits for all who wait, or is committed for.
    pub(super) fn take_turn(&self, prepared: Prepared, durability: Durability) -> Result<Done> {
        if let Ok(_turn) = self.queue.turn.try_lock()
            && lock(&self.queue.waiting).is_empty()
        {
            // Nobody else is here: nothing has to be handed over.
            return self
                .with_log(|guard, applier| self.commit_one(guard, applier, prepared, durability))
                .and_then(|result| result);
        }
        let pending = Arc::new(Pending {
            prepared: Mutex::new(Some(prepared)),
            durability,
            done: AtomicBool::new(false),
            result: Mutex::new(None),
        });
        lock(&self.queue.waiting).push_back(pending.clone());
        let turn = lock(&self.queue.turn);
        if !pending.done.load(Ordering::Acquire) {
            let group: Vec<_> = lock(&self.queue.waiting).drain(..).collect();
            self.commit_group(&group);
        }
        drop(turn);
        lock(&pending.result).take().unwrap_or_else(|| {
            Err(Error::new(
                ErrorKind::Io,
                "the thread that committed for this one panicked; whether the commit took effect is unknown",
            ))
        })
    }

    fn commit_group(&self, group: &[Arc<Pending>]) {
        let failure = self.with_log(|guard, applier| {
            for pending in group {
                let Some(prepared) = lock(&pending.prepared).take() else { continue };
                let (result, is_sound) = self.commit_one(guard, applier, prepared, pending.durability);
                *lock(&pending.result) = Some(result);
                pending.done.store(true, Ordering::Release);
                if !is_sound {
                    return ((), false);
                }
            }
            ((), true)
        });
        for pending in group {
            if !pending.done.load(Ordering::Acquire) {
                let error = match &failure {
                    Ok(()) => Error::new(
                        ErrorKind::Io,
                        "a commit before this one, in the same group, failed to write the log; try again",
                    ),
                    Err(error) => Error::new(error.kind(), error.to_string()),
                };
                *lock(&pending.result) = Some(Err(error));
                pending.done.store(true, Ordering::Release);
            }
        }
    }

    /// Does some work under the commit lock, ready to append; its flag says whether the log is as it
    /// should be.
    fn with_log<T>(&self, work: impl FnOnce(&LockGuard<'_>, &mut Applier) -> (T, bool)) -> Result<T> {
        let guard = self.commit_lock()?;
        let mut applier = lock(&self.applier);
        if let Err(error) = self.make_ready(&guard, &mut applier) {
            drop(applier);
            guard.abandon();
            return Err(error);
        }
        let (result, is_sound) = work(&guard, &mut applier);
        drop(applier);
        if is_sound {
            drop(guard);
        } else {
            guard.abandon();
        }
        // Not before the lock is free: whoever watches has nothing to do with it.
        self.control.ring();
        Ok(result)
    }

    /// Commits one; the flag says whether the log is as it should be.
    fn commit_one(
        &self,
        guard: &LockGuard<'_>,
        applier: &mut Applier,
        prepared: Prepared,
        durability: Durability,
    ) -> (Result<Done>, bool) {
        let Prepared { mut buffers, epoch: prepared_as_of, bulk, segments_synced, shared, adds } = prepared;
        if applier.epoch != prepared_as_of && !planted(Bug::SkipValidation) {
            match buffers.look_again(&self.state(), prepared_as_of) {
                Ok(None) => {}
                Ok(Some(precondition)) => {
                    let outcome = Outcome::Conflict { precondition };
                    return (Ok(Done { outcome, end: applier.offset }), true);
                }
                Err(error) => return (Err(error), true),
            }
        }
        if let Some(gone) = shared.iter().find(|segment| !self.is_owned(**segment)) {
            let message = format!(
                "what segment {} held was moved or reclaimed since it was read: read it again",
                self.segments.path(*gone).display()
            );
            return (Err(Error::new(ErrorKind::EpochGone, message)), true);
        }
        buffers.encode_tallies();
        let bytes = buffers.payload.record_bytes() as u64;
        let space = &self.options.space;
        if adds {
            if let Err(error) = space.charge(bytes) {
                return (Err(error), true);
            }
        } else {
            space.charge_anyway(bytes);
        }
        if let Err(error) = self.make_room(guard, applier, bytes, adds) {
            space.release(bytes);
            return (Err(error), false);
        }
        let words = self.control.words();
        let epoch = self.next_epoch(applier.epoch);
        let mut header = RecordHeader {
            length: bytes as u32,
            operations: buffers.payload.operations.len() as u32,
            checksum: 0,
            chain: applier.chain,
            epoch,
            synced_upto: words.synced.load(Ordering::Acquire),
            term: words.term.load(Ordering::Acquire) as u32,
            segments_synced,
        };
        applier.records.reserve(bytes as usize);
        header.checksum =
            encode_record(&mut applier.records, self.container, applier.offset, &header, &buffers.payload);
        let record = applier.records.split().freeze();
        let publish = || words.published.store(applier.offset + bytes, Ordering::Release);
        if planted(Bug::PublishBeforeRecord) {
            publish();
            // Others may look now.
            words.term.load(Ordering::Acquire);
        }
        // One that is synced at once goes through the kernel anyway, and faster so.
        let written = if self.options.mapped && durability == Durability::Async {
            applier.file.store(&record, applier.offset)
        } else {
            applier.file.write(&record, applier.offset)
        };
        if let Err(error) = written {
            space.release(bytes);
            return (Err(error), false);
        }
        // Behind the record, and before a reader of this process sees it: a death can't take it back.
        publish();
        let superseded = buffers.writes.iter().filter(|write| write.existed && write.kind != Kind::Adjust);
        for write in superseded {
            self.superseded.records.fetch_add(1, Ordering::Relaxed);
            self.superseded.bytes.fetch_add(write.supersedes_bytes, Ordering::Relaxed);
        }
        let replaced: &[PreparedWrite] = if bulk.is_some() { &[] } else { &buffers.writes };
        let source = Source::Own { writes: replaced };
        if let Some(bulk) = bulk {
            self.superseded.records.fetch_add(bulk.superseded.0, Ordering::Relaxed);
            self.superseded.bytes.fetch_add(bulk.superseded.1, Ordering::Relaxed);
            bulk.keep();
            self.background.wake();
        }
        let (begin, end) = (applier.offset, applier.offset + bytes);
        // It is committed, whether or not this process can take it in now: the next call tries again.
        let applied = self.apply(applier, &header, &PayloadRead::of(&record, &header), source).is_ok();
        self.note_progress(applier, begin);
        let existed = buffers.writes.iter().map(|write| write.existed).collect();
        buffers.give_back();
        (Ok(Done { outcome: Outcome::Committed { epoch, existed }, end }), applied)
    }

    /// Whether a record owns bytes of the segment, as of the newest manifest. Under the commit lock,
    /// so that nobody takes it for dead before the commit is in the log; see `drop_dead_segments`.
    fn is_owned(&self, segment: SegmentId) -> bool {
        let state = self.state();
        planted(Bug::DropSharedSegments)
            || state.manifest.segments.get(&segment).is_some_and(|entry| entry.live > 0)
            || state.tails.iter().any(|tail| tail.points_to(segment))
    }

    fn next_epoch(&self, last: Epoch) -> Epoch {
        let words = self.control.words();
        let first = words.incarnation.load(Ordering::Acquire) << EPOCH_COMMIT_BITS;
        Epoch((last.0 + 1).max(first).max(words.epoch_floor.load(Ordering::Acquire)))
    }

    /// Makes sure that a record of `bytes` fits into the current file, or goes on in a new one.
    fn make_room(&self, _: &LockGuard<'_>, applier: &mut Applier, bytes: u64, adds: bool) -> Result<()> {
        if applier.offset + bytes <= applier.file.end() {
            return Ok(());
        }
        self.roll(applier, bytes, !adds)
    }
}
