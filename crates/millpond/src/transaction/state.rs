//! The state of a transaction, shared by its handle and by all that was opened through it.
//!
//! Invariant: `base` is there until the transaction ends. As long as it is, the backend keeps what the
//! validation at commit needs.

use std::{
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use millpond_core::{
    At, Commit, Direction, Durability, Epoch, Error, ErrorKind, Key, KeyRange, Op, Outcome, Precondition,
    Record, Result, Segments, View, Write, WriteStream,
};

use super::{
    buffer::{Buffer, Stream, Version},
    reads::{Reads, Scan},
    view::TransactionView,
    writers::Writers,
};
use crate::{
    bugs::{Bug, planted},
    container::{Container, may_have_taken_effect},
    layout::{CATALOGUE, Listing},
    maker::Maker,
};

/// The bit of an epoch that says that a transaction wrote it and hasn't committed yet. The rest is
/// the number of the write.
pub(super) const OWN_WRITES: u64 = 1 << 63;

/// See the module.
pub(super) struct State {
    container: Container,
    read_only: bool,
    durability: Durability,
    /// Bytes of writes to hold in memory.
    memory_bytes: usize,
    /// The epoch that the transaction began with.
    pub(super) epoch: Epoch,
    inner: Mutex<Inner>,
    /// Held by whoever writes: what it has checked holds until it is written.
    turn: Mutex<()>,
    pub(super) writers: Writers,
    maker: Maker,
}

struct Inner {
    /// None once the transaction has ended.
    base: Option<Arc<dyn View>>,
    buffer: Buffer,
    reads: Reads,
}

impl State {
    pub(super) fn begin(
        container: &Container,
        at: At,
        read_only: bool,
        durability: Durability,
        memory_bytes: usize,
    ) -> Result<Self> {
        let mut base: Arc<dyn View> = container.index()?.view(at)?.into();
        if planted(Bug::BeginInThePast)
            && let Ok(past) = container.index()?.view(At::Epoch(Epoch(base.epoch().0 - 2)))
        {
            base = past.into();
        }
        Ok(Self {
            container: container.clone(),
            read_only,
            durability,
            memory_bytes,
            epoch: base.epoch(),
            inner: Mutex::new(Inner { base: Some(base), buffer: Buffer::default(), reads: Reads::default() }),
            turn: Mutex::new(()),
            writers: Writers::default(),
            maker: Maker::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// `Closed` once it has ended, `Forked` in a child of the process that began it.
    pub(super) fn check(&self) -> Result<()> {
        self.check_here()?;
        self.lock().base.as_ref().map(drop).ok_or_else(ended)
    }

    /// Asked before anything is locked: in a child, whoever holds the lock may not be there to let go.
    fn check_here(&self) -> Result<()> {
        self.maker.check("a transaction")
    }

    pub(super) fn check_writable(&self) -> Result<()> {
        if self.read_only {
            let message = format!("a transaction of {} was begun for reading only", self.container);
            return Err(Error::new(ErrorKind::ReadOnly, message));
        }
        self.check()
    }

    /// The number of its last change.
    pub(super) fn number(&self) -> u64 {
        self.lock().buffer.number()
    }

    /// The bulk bytes of the container.
    pub(super) fn base_segments(&self) -> Result<&dyn Segments> {
        self.container.segments()
    }

    /// Begins a view of what the transaction sees now.
    pub(super) fn open_view(&self) -> Result<(Arc<dyn View>, u64)> {
        self.check_here()?;
        let mut inner = self.lock();
        let base = self.shown(inner.base.clone().ok_or_else(ended)?)?;
        Ok((base, inner.buffer.open_view()))
    }

    /// The state that is read.
    fn shown(&self, base: Arc<dyn View>) -> Result<Arc<dyn View>> {
        if planted(Bug::ReadLatest) {
            return Ok(self.container.index()?.view(At::Latest)?.into());
        }
        Ok(base)
    }

    /// The newest record of a key, as a view would answer it.
    pub(super) fn get(self: &Arc<Self>, key: Key<'_>) -> Result<Option<Record>> {
        self.check_here()?;
        let inner = self.lock();
        let base = self.shown(inner.base.clone().ok_or_else(ended)?)?;
        let is_own = key.with_concat(|key| inner.buffer.concerns(key));
        drop(inner);
        if is_own {
            return TransactionView::new(Arc::clone(self))?.get(key);
        }
        let record = base.get(key)?;
        self.note_point(key, record.as_ref())?;
        Ok(record)
    }

    /// Another view of the same number.
    pub(super) fn share_view(&self, number: u64) -> u64 {
        self.lock().buffer.reopen_view(number);
        number
    }

    pub(super) fn close_view(&self, number: u64) {
        if self.maker.is_here() {
            self.lock().buffer.close_view(number);
        }
    }

    /// What the transaction did to a key, as of `number`.
    pub(super) fn own(&self, key: Key<'_>, number: u64) -> Result<Option<Version>> {
        self.check_here()?;
        let inner = self.lock();
        if inner.buffer.is_empty() {
            return Ok(None);
        }
        let segments = self.base_segments()?;
        key.with_concat(|key| inner.buffer.get(segments, key, number))
    }

    /// What the transaction's writes of other keys add to a counter.
    pub(super) fn tallied(&self, key: Key<'_>, number: u64) -> Option<(u64, i64)> {
        let inner = self.lock();
        if inner.buffer.is_empty() {
            return None;
        }
        key.with_concat(|key| inner.buffer.tallied(key, number))
    }

    /// Up to `most` sort keys that the transaction wrote in a range of a partition.
    pub(super) fn own_page(
        &self,
        partition: &[u8],
        (start, end): &(Bound<Vec<u8>>, Bound<Vec<u8>>),
        direction: Direction,
        number: u64,
        most: usize,
    ) -> Result<Vec<(Vec<u8>, Version)>> {
        let whole = |sort: &Vec<u8>| [partition, sort].concat();
        let start = match start {
            Bound::Unbounded => Bound::Included(partition.to_vec()),
            bound => bound.as_ref().map(whole),
        };
        let end = match end {
            Bound::Unbounded => KeyRange::prefix_end(partition).map_or(Bound::Unbounded, Bound::Excluded),
            bound => bound.as_ref().map(whole),
        };
        let bounds = (start.as_ref().map(Vec::as_slice), end.as_ref().map(Vec::as_slice));
        let inner = self.lock();
        if inner.buffer.is_empty() {
            return Ok(Vec::new());
        }
        let mut page = inner.buffer.page(self.base_segments()?, bounds, direction, number, most)?;
        page.iter_mut().for_each(|(key, _)| drop(key.drain(..partition.len().min(key.len()))));
        Ok(page)
    }

    /// Notes that a key was read in the state that the transaction began with.
    ///
    /// # Errors
    /// `Closed` where it ended meanwhile: a commit hasn't asked for what is noted behind it.
    pub(super) fn note_point(&self, key: Key<'_>, found: Option<&Record>) -> Result<()> {
        if self.read_only {
            return Ok(());
        }
        let mut inner = self.lock();
        if inner.base.is_none() {
            return Err(ended());
        }
        inner.reads.point(key, found);
        Ok(())
    }

    pub(super) fn note_scan(&self, scan: Arc<Scan>) {
        if !self.read_only {
            self.lock().reads.scan(scan);
        }
    }

    /// What a commit through a handle of the transaction does: it is checked against what the
    /// transaction sees, and waits with the others.
    pub(super) fn write(self: &Arc<Self>, commit: &Commit<'_>) -> Result<Outcome> {
        self.check_writable()?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let view = TransactionView::new(Arc::clone(self))?;
        for (precondition, place) in commit.preconditions.iter().zip(0..) {
            if !self.holds(&view, precondition)? {
                return Ok(Outcome::Conflict { precondition: place });
            }
        }
        let existed = commit
            .writes
            .iter()
            .map(|write| Ok(self.version(&view, write.key)? != Epoch::ZERO))
            .collect::<Result<Vec<bool>>>()?;
        drop(view);
        let mut inner = self.lock();
        if inner.base.is_none() {
            return Err(ended());
        }
        let segments = self.base_segments()?;
        if inner.buffer.bytes() > self.memory_bytes {
            let mut writer = self.writers.writer(segments)?;
            inner.buffer.spill(&mut *writer)?;
        }
        inner.buffer.next();
        for (write, existed) in std::iter::zip(&commit.writes, &existed) {
            if let Err(error) = inner.buffer.write(segments, write, *existed) {
                // With a part of these changes it must not commit.
                drop(inner);
                self.abort();
                return Err(error);
            }
        }
        if planted(Bug::WriteThrough) {
            self.container.commit_as(Durability::Async, Vec::new(), commit.writes.clone())?;
        }
        Ok(Outcome::Committed { epoch: Epoch(OWN_WRITES | inner.buffer.number()), existed })
    }

    /// In which version the transaction sees a key, zero if it isn't there; without looking for it
    /// again in the state before.
    fn version(&self, view: &TransactionView, key: Key<'_>) -> Result<Epoch> {
        let inner = self.lock();
        let known = key.with_concat(|whole| {
            if inner.buffer.concerns(whole) { None } else { Some(inner.reads.version_of(whole)) }
        });
        drop(inner);
        let record = match known {
            Some(Some(version)) => return Ok(version),
            Some(None) => view.base_get(key)?,
            None => view.get(key)?,
        };
        Ok(record.map_or(Epoch::ZERO, |record| record.version))
    }

    fn holds(&self, view: &TransactionView, precondition: &Precondition<'_>) -> Result<bool> {
        match precondition {
            Precondition::Unchanged { key, version } => Ok(self.version(view, *key)? == *version),
            Precondition::RangeUnchanged { range, since } => {
                let mut inner = self.lock();
                if since.0 & OWN_WRITES == 0 {
                    // Of a state from outside of the transaction: only its own beginning is known.
                    if *since < self.epoch {
                        return Ok(false);
                    }
                }
                inner.reads.range(range);
                let number = if since.0 & OWN_WRITES == 0 { 0 } else { since.0 & !OWN_WRITES };
                Ok(!inner.buffer.changed_since(self.base_segments()?, range, number)?)
            }
        }
    }

    /// Commits what was written, if all that was read is still so. Answers the epoch of the commit,
    /// or of the state that was read where nothing was written.
    ///
    /// # Errors
    /// `Conflict` when something that was read has changed.
    pub(super) fn commit(&self) -> Result<Epoch> {
        self.check_here()?;
        let mut inner = self.lock();
        // Kept until the commit has returned.
        let base = inner.base.take().ok_or_else(ended)?;
        let buffer = std::mem::take(&mut inner.buffer);
        let mut reads = std::mem::take(&mut inner.reads);
        drop(inner);
        if buffer.is_empty() {
            self.writers.abandon();
            return Ok(base.epoch());
        }
        // Before the preconditions, which borrow what was read.
        let found = buffer.keys().map(|key| reads.found(key)).collect();
        let mut commit = Commit {
            preconditions: reads.preconditions(self.epoch),
            durability: self.durability,
            seen: Some(self.epoch),
            ..Commit::default()
        };
        commit.preconditions.retain(|precondition| match precondition {
            Precondition::Unchanged { key, .. } => {
                let is_own = || key.with_concat(|key| buffer.concerns(key));
                !(planted(Bug::LoseUpdates) && is_own() || planted(Bug::SkewWrites) && !is_own())
            }
            Precondition::RangeUnchanged { .. } => !planted(Bug::MissPhantoms),
        });
        let mut destroys = false;
        let outcome = if buffer.is_in_memory() {
            commit.writes = buffer.writes().collect();
            commit.found = found;
            destroys = commit.writes.iter().any(is_reap);
            if planted(Bug::TearCommits) && commit.writes.len() > 1 {
                let rest = commit.writes.split_off(commit.writes.len() / 2);
                if let Outcome::Committed { .. } = self.container.commit_whole(&commit)? {
                    self.container.commit_as(self.durability, Vec::new(), rest)?;
                    return Ok(self.epoch);
                }
            }
            self.container.commit_whole(&commit)
        } else {
            let mut stream =
                Watched { stream: buffer.stream(self.base_segments()?)?, destroys: &mut destroys };
            self.container.commit_stream(&commit, &mut stream)
        };
        drop(base);
        match outcome {
            Ok(Outcome::Committed { epoch, .. }) => {
                self.writers.settle(true);
                if destroys {
                    // That a destroyed dictionary can't be cleared now must not hide that it is
                    // destroyed: the next opening or compaction goes on with it.
                    let _ = crate::catalog::reap_all(&self.container, usize::MAX);
                }
                Ok(epoch)
            }
            Ok(Outcome::Conflict { precondition }) => {
                self.writers.settle(false);
                if planted(Bug::AcknowledgeConflicts) {
                    return Ok(self.epoch);
                }
                Err(conflict(&self.container, commit.preconditions.get(precondition)))
            }
            Err(error) => {
                self.writers.settle(may_have_taken_effect(&error));
                Err(error)
            }
        }
    }

    /// Gives up what was written.
    pub(super) fn abort(&self) {
        if !self.maker.is_here() {
            return self.writers.forget();
        }
        let mut inner = self.lock();
        if inner.base.take().is_some() {
            inner.buffer = Buffer::default();
            inner.reads = Reads::default();
            drop(inner);
            self.writers.abandon();
        }
    }
}

/// Notes whether a dictionary is destroyed by the writes that pass.
struct Watched<'a> {
    stream: Stream<'a>,
    destroys: &'a mut bool,
}

impl WriteStream for Watched<'_> {
    fn records_max(&self) -> u64 {
        self.stream.records_max()
    }

    fn next(&mut self) -> Result<Option<Write<'_>>> {
        let write = self.stream.next()?;
        *self.destroys |= write.as_ref().is_some_and(is_reap);
        Ok(write)
    }
}

fn is_reap(write: &Write<'_>) -> bool {
    matches!(write.op, Op::Put { .. })
        && write.key.partition == CATALOGUE
        && Listing::Reaps.range().contains(write.key)
}

fn ended() -> Error {
    Error::new(ErrorKind::Closed, "the transaction has ended: begin a new one")
}

fn conflict(container: &Container, precondition: Option<&Precondition<'_>>) -> Error {
    let what = match precondition {
        Some(Precondition::Unchanged { key, .. }) => {
            format!("the record \"{}\" that it read", key.sort.escape_ascii())
        }
        Some(Precondition::RangeUnchanged { .. }) => "a range that it read".to_owned(),
        None => "something that it read".to_owned(),
    };
    let message =
        format!("a transaction of {container} didn't commit: {what} was changed meanwhile; run it again");
    Error::new(ErrorKind::Conflict, message)
}
