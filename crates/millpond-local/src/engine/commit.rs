//! Commits: prepared outside the lock, validated and appended within.
//!
//! Data flow: a thread resolves preconditions and existence in its own view and encodes the
//! record's payload. Then it queues; whoever has the turn commits for all that wait. Under the
//! commit lock only what others committed since is looked at again, then the record is written,
//! published and applied, in this order. What fails before it is published never happened: its
//! bytes are zeroed by the next holder of the lock.

use std::{
    collections::VecDeque,
    ops::{Bound, Range},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use millpond_core::{
    Commit, Durability, Epoch, Error, ErrorKind, Key, Op, Outcome, Precondition, Result, Write, limits,
};

use super::{EPOCH_COMMIT_BITS, EPOCHS_SKIPPED, Engine, PATIENCE, apply::Applier, bulk::Bulk, lock};
use crate::{
    bugs::{Bug, planted},
    control::{LockGuard, LockName, NOT_POISONED},
    log::{
        HEADER_BYTES, LogFile, LogHeader, LogOpRef, RECORD_HEADER_BYTES, RecordHeader, encode_op,
        encode_record, file_name, scratch_name,
    },
    read::{State, concat_bounds, with_key},
};

/// A commit whose payload is longer is written as a run of its own (rule 7).
const PAYLOAD_BYTES_MAX: u64 = 1 << 20;

/// Log bytes that may be left to replay under the lock.
const LAG_BYTES_MAX: u64 = 64 << 10;

/// How much longer than the first one a log file may get.
const LOG_GROWTH_MAX: u64 = 8;

/// Commits that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Arc<Pending>>>,
    turn: Mutex<()>,
}

#[derive(Debug)]
struct Pending {
    prepared: Mutex<Option<Prepared>>,
    done: AtomicBool,
    result: Mutex<Option<Result<Done>>>,
}

/// How a commit ended, and the log offset behind its record.
#[derive(Clone, Debug)]
struct Done {
    outcome: Outcome,
    end: u64,
}

/// A commit, resolved as of an epoch.
#[derive(Debug)]
pub(super) struct Prepared {
    payload: Vec<u8>,
    writes: Vec<PreparedWrite>,
    /// Keys of the counters that keep tally.
    tallies: Vec<Vec<u8>>,
    conditions: Vec<Condition>,
    /// As of which conditions and existence were resolved.
    epoch: Epoch,
    bulk: Option<Bulk>,
    segments_synced: bool,
    /// It adds to the store, so that a full pool refuses it.
    adds: bool,
}

#[derive(Debug)]
pub(super) struct PreparedWrite {
    pub(super) key: PreparedKey,
    pub(super) kind: Kind,
    pub(super) existed: bool,
    /// Bytes of segments that the version before owned.
    supersedes_bytes: u64,
    tally: Option<usize>,
}

/// A key, as a part of the payload, or by itself if the payload doesn't hold it.
#[derive(Debug)]
pub(super) enum PreparedKey {
    Payload(Range<usize>),
    Own(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Put,
    Delete,
    Adjust,
}

#[derive(Debug)]
enum Condition {
    Key { key: Vec<u8>, version: Epoch },
    Range { start: Bound<Vec<u8>>, end: Bound<Vec<u8>>, since: Epoch },
}

impl Condition {
    fn holds(&self, state: &State) -> Result<bool> {
        match self {
            Condition::Key { key, version } => {
                let newest = state.newest(key)?;
                Ok(if newest.exists { newest.epoch == *version } else { *version == Epoch::ZERO })
            }
            Condition::Range { start, end, since } => Ok(!state.changed_since(
                start.as_ref().map(Vec::as_slice),
                end.as_ref().map(Vec::as_slice),
                *since,
            )?),
        }
    }
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
        self.check()?;
        self.slow_down()?;
        let segments = commit.writes.iter().flat_map(|write| match write.op {
            Op::Put { extents, .. } => extents,
            _ => &[],
        });
        let segments_synced = commit.durability == Durability::Sync;
        if segments_synced {
            self.segments.sync(segments.clone().map(|extent| extent.segment))?;
        }
        segments.clone().try_for_each(|extent| self.segments.check(extent.segment))?;
        let prepared = match self.prepare(commit, segments_synced)? {
            Ok(prepared) => prepared,
            Err(conflict) => return Ok(conflict),
        };
        let done = self.take_turn(prepared)?;
        if let Outcome::Committed { .. } = done.outcome {
            self.segments.committed(segments.map(|extent| extent.segment));
            if commit.durability == Durability::Sync {
                self.sync_to(done.end)?;
            }
        }
        Ok(done.outcome)
    }

    /// Resolves conditions and existence, and encodes the payload; or says which condition fails.
    fn prepare(&self, commit: &Commit<'_>, segments_synced: bool) -> Result<Result<Prepared, Outcome>> {
        check_writes(&commit.writes)?;
        let (state, epoch) = self.current()?;
        let mut conditions = Vec::with_capacity(commit.preconditions.len());
        for (precondition, place) in commit.preconditions.iter().zip(0..) {
            let condition = match precondition {
                Precondition::Unchanged { key, version } => {
                    Condition::Key { key: key.concat(), version: *version }
                }
                Precondition::RangeUnchanged { range, since } => {
                    let (start, end) = concat_bounds(range);
                    Condition::Range { start, end, since: *since }
                }
            };
            if !condition.holds(&state)? {
                return Ok(Err(Outcome::Conflict { precondition: place }));
            }
            conditions.push(condition);
        }

        let size: u64 = commit.writes.iter().map(|write| write_bytes(write) as u64).sum();
        let adds = commit.writes.iter().any(|write| matches!(write.op, Op::Put { .. }));
        let is_bulk = size > PAYLOAD_BYTES_MAX.min(self.options.log_bytes / 4);
        let bulk = if is_bulk { Some(self.write_bulk(commit, adds)?) } else { None };
        // A bulk commit's run is durable before its record, and so is what the run points to.
        let segments_synced = segments_synced || is_bulk;

        let mut payload = Vec::with_capacity(if is_bulk { 256 } else { size as usize + 64 });
        if let Some(bulk) = &bulk {
            bulk.encode(&mut payload);
        }
        let mut writes = Vec::with_capacity(commit.writes.len());
        let mut tallies = Tallies::default();
        for write in &commit.writes {
            let newest = with_key(write.key, |key| state.newest(key))?;
            let (kind, op) = match write.op {
                Op::Put { value, extents } => (Kind::Put, LogOpRef::Put { value, extents }),
                Op::Delete => (Kind::Delete, LogOpRef::Delete),
                Op::Adjust(delta) => (Kind::Adjust, LogOpRef::Adjust(delta)),
            };
            let key = if is_bulk && kind != Kind::Adjust {
                PreparedKey::Own(write.key.concat())
            } else {
                let length = write.key.partition.len() + write.key.sort.len();
                let before = payload.len();
                encode_op(&mut payload, write.key.partition, write.key.sort, op);
                // Behind the kind byte and the length.
                let start = before + 1 + varint_bytes(length as u64);
                PreparedKey::Payload(start..start + length)
            };
            writes.push(PreparedWrite {
                key,
                kind,
                existed: newest.exists,
                supersedes_bytes: newest.bulk_bytes,
                tally: write.tally.map(|tally| tallies.place(tally)),
            });
        }
        Ok(Ok(Prepared {
            payload,
            writes,
            tallies: tallies.keys,
            conditions,
            epoch,
            bulk,
            segments_synced,
            adds,
        }))
    }

    /// Waits for the turn to commit; has it, and commits for all who wait, or is committed for.
    fn take_turn(&self, prepared: Prepared) -> Result<Done> {
        let pending = Arc::new(Pending {
            prepared: Mutex::new(Some(prepared)),
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
        let mut failure: Option<Error> = None;
        match self.commit_lock() {
            Ok(guard) => {
                let mut applier = lock(&self.applier);
                if let Err(error) = self.make_ready(&guard, &mut applier) {
                    failure = Some(error);
                    drop(applier);
                    guard.abandon();
                } else {
                    let mut sound = true;
                    for pending in group {
                        let Some(prepared) = lock(&pending.prepared).take() else { continue };
                        let (result, is_sound) = self.commit_one(&guard, &mut applier, prepared);
                        sound &= is_sound;
                        *lock(&pending.result) = Some(result);
                        pending.done.store(true, Ordering::Release);
                        if !sound {
                            break;
                        }
                    }
                    drop(applier);
                    if sound {
                        drop(guard);
                    } else {
                        guard.abandon();
                    }
                }
            }
            Err(error) => failure = Some(error),
        }
        for pending in group {
            if !pending.done.load(Ordering::Acquire) {
                let error = failure.as_ref().map_or_else(
                    || {
                        Error::new(
                            ErrorKind::Io,
                            "a commit before this one, in the same group, failed to write the log; try again",
                        )
                    },
                    |error| Error::new(error.kind(), error.to_string()),
                );
                *lock(&pending.result) = Some(Err(error));
                pending.done.store(true, Ordering::Release);
            }
        }
    }

    /// The commit lock, caught up to within little of what is published.
    pub(super) fn commit_lock(&self) -> Result<LockGuard<'_>> {
        loop {
            if !planted(Bug::AppendWithoutCatchingUp) {
                self.catch_up()?;
            }
            let guard = self.control.lock(LockName::Commit, PATIENCE)?;
            let published = self.control.words().published.load(Ordering::Acquire);
            if published - self.applied.load(Ordering::Acquire) <= LAG_BYTES_MAX {
                return Ok(guard);
            }
            if guard.abandoned {
                // Whoever comes first cleans up, and that may be another one now.
                guard.abandon();
            }
        }
    }

    /// Under the lock: nothing is left over from a dead holder, this process has applied all, and
    /// commits may be given epochs.
    pub(super) fn make_ready(&self, guard: &LockGuard<'_>, applier: &mut Applier) -> Result<()> {
        if !planted(Bug::AppendWithoutCatchingUp) {
            self.catch_up_with(applier)?;
        }
        if guard.abandoned {
            self.take_over(applier)?;
        }
        if self.control.words().poisoned_from.load(Ordering::Acquire) != NOT_POISONED {
            self.repair(applier)?;
        }
        self.make_writable(applier)
    }

    /// Cleans up behind a holder of the commit lock that died or failed (rule 3).
    fn take_over(&self, applier: &mut Applier) -> Result<()> {
        let words = self.control.words();
        words.term.fetch_add(1, Ordering::AcqRel);
        words.epoch_floor.store(applier.epoch.0 + EPOCHS_SKIPPED, Ordering::Release);
        if planted(Bug::TakeOverWithoutZeroing) {
            return Ok(());
        }
        self.remove_next_file(applier)?;
        applier.file.zero_from(applier.offset)?;
        Ok(())
    }

    /// Removes a log file that was made and not begun: it would cut the log short.
    fn remove_next_file(&self, applier: &Applier) -> Result<()> {
        let (dir, name) = (self.log_dir(), file_name(applier.file.number() + 1));
        match self.media.remove(&dir.join(&name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.and_then(|()| self.media.sync_dir(&dir)),
        }
        .map_err(|error| Error::io(format!("removing unused log file {}", dir.join(name).display()), error))
    }

    /// Makes the incarnation durable before anything is made in its name (rule 4).
    fn make_writable(&self, applier: &mut Applier) -> Result<()> {
        let words = self.control.words();
        if words.writable.load(Ordering::Acquire) != 0 {
            return Ok(());
        }
        // What recovery accepted may be in the page cache alone, with half a record behind it.
        self.remove_next_file(applier)?;
        applier.file.zero_from(applier.offset)?;
        self.settle_recovered(applier)?;
        self.replace_manifest(|manifest| {
            manifest.incarnation = words.incarnation.load(Ordering::Acquire);
            manifest.clean_end = applier.offset;
        })?;
        words.writable.store(1, Ordering::Release);
        self.make_reserve();
        self.adopt(applier)
    }

    /// Commits one; the flag says whether the log is as it should be.
    fn commit_one(
        &self,
        guard: &LockGuard<'_>,
        applier: &mut Applier,
        mut prepared: Prepared,
    ) -> (Result<Done>, bool) {
        match self.validate(applier, &mut prepared) {
            Ok(None) => {}
            Ok(Some(conflict)) => {
                let end = applier.offset;
                return (Ok(Done { outcome: conflict, end }), true);
            }
            Err(error) => return (Err(error), true),
        }
        let Prepared { mut payload, writes, tallies, bulk, segments_synced, adds, .. } = prepared;
        encode_tallies(&mut payload, &writes, &tallies);
        let bytes = (RECORD_HEADER_BYTES + payload.len()).next_multiple_of(8) as u64;
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
            payload: payload.len() as u32,
            checksum: 0,
            chain: applier.chain,
            epoch,
            synced_upto: words.synced.load(Ordering::Acquire),
            term: words.term.load(Ordering::Acquire) as u32,
            segments_synced,
        };
        let mut record = Vec::with_capacity(bytes as usize);
        header.checksum = encode_record(&mut record, self.container, applier.offset, &header, &payload);
        if let Err(error) = applier.file.write(&record, applier.offset) {
            space.release(bytes);
            return (Err(error), false);
        }
        // Published first: what a reader of this process sees, a death can't take back.
        words.published.store(applier.offset + bytes, Ordering::Release);
        let superseded = writes.iter().filter(|write| write.existed && write.kind != Kind::Adjust);
        for write in superseded {
            self.superseded.records.fetch_add(1, Ordering::Relaxed);
            self.superseded.bytes.fetch_add(write.supersedes_bytes, Ordering::Relaxed);
        }
        if let Some(bulk) = bulk {
            bulk.keep();
        }
        let end = applier.offset + bytes;
        let existed = writes.iter().map(|write| write.existed).collect();
        // It is committed, whether or not this process can take it in now: the next call tries again.
        let applied = self.apply(applier, &header, &Bytes::from(payload)).is_ok();
        (Ok(Done { outcome: Outcome::Committed { epoch, existed }, end }), applied)
    }

    /// Looks again at what others committed since the commit was prepared.
    fn validate(&self, applier: &Applier, prepared: &mut Prepared) -> Result<Option<Outcome>> {
        if applier.epoch == prepared.epoch || planted(Bug::SkipValidation) {
            return Ok(None);
        }
        let state = self.state();
        for (place, condition) in prepared.conditions.iter().enumerate() {
            if !condition.holds(&state)? {
                return Ok(Some(Outcome::Conflict { precondition: place }));
            }
        }
        for write in &mut prepared.writes {
            let key = match &write.key {
                PreparedKey::Payload(range) => &prepared.payload[range.clone()],
                PreparedKey::Own(key) => key,
            };
            write.existed = state.newest(key)?.exists;
        }
        Ok(None)
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
        if adds { self.roll(applier, bytes) } else { self.with_reserve(|| self.roll(applier, bytes)) }
    }

    /// Ends the current log file and begins the next one. Under the commit lock.
    pub(super) fn roll(&self, applier: &mut Applier, bytes: u64) -> Result<()> {
        if !planted(Bug::RollWithoutSync) {
            self.sync_or_poison(applier.offset)?;
        }
        let words = self.control.words();
        let grown = (applier.file.header.capacity + HEADER_BYTES) * 2;
        let header = |length: u64| LogHeader {
            container: self.container,
            number: applier.file.number() + 1,
            base: applier.offset,
            chain: applier.chain,
            epoch: applier.epoch,
            term: words.term.load(Ordering::Acquire),
            capacity: length.max(bytes + HEADER_BYTES) - HEADER_BYTES,
        };
        let create =
            |header| LogFile::create(&self.media, &self.log_dir(), &scratch_name(self.serial), header, &[]);
        let file = match create(header(grown.min(self.options.log_bytes * LOG_GROWTH_MAX))) {
            // A shorter one may still fit.
            Err(error) if error.kind() == ErrorKind::NoSpace => create(header(self.options.log_bytes))?,
            other => other?,
        };
        words.log_file.store(file.number(), Ordering::Release);
        self.switch_file(applier, file);
        self.background.wake();
        Ok(())
    }
}

/// The counters of a commit, each once.
#[derive(Default)]
struct Tallies {
    keys: Vec<Vec<u8>>,
}

impl Tallies {
    fn place(&mut self, key: Key<'_>) -> usize {
        with_key(key, |key| {
            self.keys.iter().rposition(|known| known == key).unwrap_or_else(|| {
                self.keys.push(key.to_vec());
                self.keys.len() - 1
            })
        })
    }
}

fn encode_tallies(payload: &mut Vec<u8>, writes: &[PreparedWrite], tallies: &[Vec<u8>]) {
    for (place, key) in tallies.iter().enumerate() {
        let delta: i64 = writes
            .iter()
            .filter(|write| write.tally == Some(place))
            .map(|write| match write.kind {
                Kind::Put | Kind::Adjust => i64::from(!write.existed),
                Kind::Delete => -i64::from(write.existed),
            })
            .sum();
        if delta != 0 {
            encode_op(payload, key, &[], LogOpRef::Adjust(delta));
        }
    }
}

fn varint_bytes(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

/// About how many bytes a write takes in the log.
fn write_bytes(write: &Write<'_>) -> usize {
    write.key.partition.len()
        + write.key.sort.len()
        + 8
        + match write.op {
            Op::Put { value, extents } => value.len() + 24 * extents.len(),
            _ => 0,
        }
}

fn check_writes(writes: &[Write<'_>]) -> Result<()> {
    let invalid = |kind, what: String| Err(Error::new(kind, what));
    for write in writes {
        for key in [Some(write.key), write.tally].into_iter().flatten() {
            if key.partition.len() > limits::PARTITION_BYTES_MAX {
                return invalid(
                    ErrorKind::KeyTooLong,
                    format!(
                        "a partition of {} bytes; {} are allowed",
                        key.partition.len(),
                        limits::PARTITION_BYTES_MAX
                    ),
                );
            }
            if key.sort.len() > limits::SORT_KEY_BYTES_MAX {
                return invalid(
                    ErrorKind::KeyTooLong,
                    format!(
                        "a sort key of {} bytes; {} are allowed",
                        key.sort.len(),
                        limits::SORT_KEY_BYTES_MAX
                    ),
                );
            }
        }
        if let Op::Put { value, extents } = write.op {
            if value.is_empty() {
                return invalid(
                    ErrorKind::InvalidArgument,
                    "a stored value can't be empty; a data model puts a header first".into(),
                );
            }
            if value.len() > limits::RECORD_VALUE_BYTES_MAX {
                return invalid(
                    ErrorKind::ValueTooLong,
                    format!(
                        "a record's value of {} bytes; {} are allowed, longer ones go to segments",
                        value.len(),
                        limits::RECORD_VALUE_BYTES_MAX
                    ),
                );
            }
            if extents.len() > limits::RECORD_EXTENTS_MAX {
                return invalid(
                    ErrorKind::ValueTooLong,
                    format!(
                        "a record of {} extents; {} are allowed",
                        extents.len(),
                        limits::RECORD_EXTENTS_MAX
                    ),
                );
            }
        }
    }
    if writes.len() > 1 {
        let mut order: Vec<&Write<'_>> =
            writes.iter().filter(|write| !matches!(write.op, Op::Adjust(_))).collect();
        order.sort_unstable_by_key(|write| write.key);
        if let Some(twice) = order.windows(2).find(|pair| pair[0].key == pair[1].key) {
            return invalid(
                ErrorKind::InvalidArgument,
                format!("a commit writes the key {:?} twice", twice[0].key.sort),
            );
        }
    }
    Ok(())
}
