//! A scan: the places of a state, merged by key, each key in its newest version as of an epoch.
//!
//! Nothing is copied on the way: a source lends the key and the value that it stands on, and goes on
//! only when the next key is asked for. What has to be put together first (counters, and versions
//! that a run holds oldest first, going backward) is owned.

use std::{cmp::Ordering, ops::Bound, sync::Arc};

use bytes::Bytes;
use millpond_core::{ChangeCursor, Cursor, Epoch, Error, ErrorKind, Extent, RecordRef, Result};

use super::{
    State,
    state::{folded, whole_sum},
};
use crate::{
    fork,
    log::{LogPlace, Lost},
    run::{Entry, EntryRef, Run, RunCursor},
    tail::{Tail, Version},
};

/// Keys that a tail is asked for at a time, so that its lock is never held for long.
const PAGE_KEYS: usize = 128;

/// Which versions a scan shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epochs {
    /// Of each key the newest one that is no newer than this;
    pub(crate) at: Epoch,
    /// and only where that is newer than this. Zero shows all that exists, anything else also what
    /// is gone.
    pub(crate) since: Epoch,
}

impl Epochs {
    /// All that exists as of an epoch.
    pub(crate) fn at(at: Epoch) -> Self {
        Self { at, since: Epoch::ZERO }
    }

    fn are_changes(self) -> bool {
        self.since > Epoch::ZERO
    }
}

/// Walks over the keys of one place, each in its newest version as of an epoch.
struct Source {
    place: Place,
    epochs: Epochs,
    backward: bool,
    stand: Stand,
    /// Whether it came by something that couldn't be read.
    damaged: bool,
}

/// What a source stands on.
enum Stand {
    BeforeFirst,
    /// The record of its run's cursor, or of its tail's page.
    Lent,
    /// What was put together from several records.
    Own(Own),
    End,
}

struct Own {
    key: Bytes,
    epoch: Epoch,
    entry: Entry,
}

enum Place {
    Tail(TailWalk),
    Run(Box<RunWalk>),
}

/// A walk over a tail, page by page.
struct TailWalk {
    tail: Arc<Tail>,
    page: Vec<(Bytes, Version)>,
    /// Of the page, the one that the walk stands on.
    here: usize,
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
    more: bool,
}

struct RunWalk {
    cursor: RunCursor,
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
    /// The key whose older versions are to be passed over.
    passed: Option<Vec<u8>>,
    /// What the walk met behind the key that it stands on.
    failed: Option<Error>,
}

impl Source {
    fn new(place: Place, epochs: Epochs, backward: bool) -> Self {
        Self { place, epochs, backward, stand: Stand::BeforeFirst, damaged: false }
    }

    /// Goes to the next key. After an error, the next call goes on behind what can't be read.
    fn advance(&mut self) -> Result<()> {
        // An error leaves the source where it hides nothing: going on from the cursor's place.
        let before = std::mem::replace(&mut self.stand, Stand::Lent);
        let moved = match &mut self.place {
            Place::Tail(walk) => Ok(walk.advance(self.epochs, self.backward)),
            Place::Run(walk) if self.backward => walk.back(self.epochs.at, &before),
            Place::Run(walk) => walk.forth(self.epochs, &before),
        };
        match moved {
            Ok(stand) => self.stand = stand,
            Err(error) => {
                self.damaged = true;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Whether a damaged block that the walk came by may hold a newer version of `key` than that of
    /// `epoch`.
    fn hides(&self, key: &[u8], epoch: Epoch) -> bool {
        match &self.place {
            Place::Run(walk) if self.damaged => walk.cursor.hides(key, epoch),
            _ => false,
        }
    }

    /// The key that it stands on; none at the end.
    fn key(&self) -> Option<&[u8]> {
        match (&self.stand, &self.place) {
            (Stand::Own(own), _) => Some(&own.key),
            (Stand::Lent, Place::Tail(walk)) => Some(&walk.page.get(walk.here)?.0),
            (Stand::Lent, Place::Run(walk)) => walk.cursor.valid().then(|| walk.cursor.key()),
            (Stand::BeforeFirst | Stand::End, _) => None,
        }
    }

    fn epoch(&self) -> Epoch {
        match (&self.stand, &self.place) {
            (Stand::Own(own), _) => own.epoch,
            (_, Place::Tail(walk)) => {
                walk.page.get(walk.here).map_or(Epoch::ZERO, |(_, version)| version.epoch)
            }
            (_, Place::Run(walk)) => walk.cursor.epoch(),
        }
    }

    fn entry(&self) -> EntryRef<'_> {
        match (&self.stand, &self.place) {
            (Stand::Own(own), _) => own.entry.as_ref(),
            (_, Place::Tail(walk)) => {
                walk.page.get(walk.here).map_or(EntryRef::Tombstone, |(_, version)| version.entry.as_ref())
            }
            (_, Place::Run(walk)) => walk.cursor.entry(),
        }
    }
}

impl TailWalk {
    fn advance(&mut self, epochs: Epochs, backward: bool) -> Stand {
        self.here = self.here.wrapping_add(1);
        if self.here >= self.page.len() && self.more {
            self.page.clear();
            self.here = 0;
            let (start, end) = (as_slice(&self.start), as_slice(&self.end));
            let epochs = (epochs.since, epochs.at);
            self.more = self.tail.page(start, end, epochs, backward, PAGE_KEYS, &mut self.page);
            if let Some((last, _)) = self.page.last() {
                let behind = Bound::Excluded(last.to_vec());
                *(if backward { &mut self.end } else { &mut self.start }) = behind;
            }
        }
        if self.here < self.page.len() { Stand::Lent } else { Stand::End }
    }
}

impl RunWalk {
    /// The next key, going forward; the cursor stays on one of its versions.
    fn forth(&mut self, epochs: Epochs, before: &Stand) -> Result<Stand> {
        let Self { cursor, start, end, passed, .. } = self;
        let next = |cursor: &mut RunCursor| match epochs.are_changes() {
            true => cursor.next_newer(epochs.since),
            false => cursor.next(),
        };
        let mut there = match before {
            Stand::BeforeFirst if epochs.are_changes() => cursor.seek_newer(as_slice(start), epochs.since)?,
            Stand::BeforeFirst => cursor.seek(as_slice(start))?,
            Stand::End => return Ok(Stand::End),
            Stand::Lent | Stand::Own(_) => {
                // Of a key whose newest version may be in a damaged block, older ones aren't shown.
                let key = if cursor.valid() { Some(cursor.key()) } else { cursor.damaged() };
                if let Some(key) = key {
                    let passed = passed.get_or_insert_default();
                    passed.clear();
                    passed.extend_from_slice(key);
                }
                next(cursor)?
            }
        };
        while there {
            let key = cursor.key();
            let inside = match end {
                Bound::Included(end) => key <= &end[..],
                Bound::Excluded(end) => key < &end[..],
                Bound::Unbounded => true,
            };
            if !inside {
                return Ok(Stand::End);
            }
            if cursor.epoch() <= epochs.at && passed.as_ref().is_none_or(|passed| key != &passed[..]) {
                // Of a counter that was changed, the parts are added up for all places at once.
                if epochs.are_changes() || !matches!(cursor.entry(), EntryRef::Counter(_)) {
                    return Ok(Stand::Lent);
                }
                let (key, epoch) = (Bytes::copy_from_slice(key), cursor.epoch());
                let mut parts = vec![cursor.entry_owned()];
                while matches!(parts.last(), Some(Entry::Counter(_))) && cursor.next()? {
                    if cursor.key() != key {
                        // One too far: the next call begins with a step forward.
                        cursor.prev()?;
                        break;
                    }
                    parts.push(cursor.entry_owned());
                }
                return Ok(Stand::Own(Own { key, epoch, entry: folded(parts.iter().map(Entry::as_ref)) }));
            }
            there = next(cursor)?;
        }
        Ok(Stand::End)
    }

    /// The next key, going backward; the cursor is left on the last record of the key before.
    fn back(&mut self, at: Epoch, before: &Stand) -> Result<Stand> {
        let Self { cursor, start, end, failed, .. } = self;
        if let Some(error) = failed.take() {
            return Err(error);
        }
        let mut there = match before {
            Stand::BeforeFirst => cursor.seek_back(as_slice(end))?,
            Stand::End => return Ok(Stand::End),
            // After an error the cursor stands on no record.
            Stand::Lent => cursor.valid() || cursor.prev()?,
            Stand::Own(_) => cursor.valid(),
        };
        while there {
            let key = Bytes::copy_from_slice(cursor.key());
            let inside = match start {
                Bound::Included(start) => key >= start[..],
                Bound::Excluded(start) => key > start[..],
                Bound::Unbounded => true,
            };
            if !inside {
                return Ok(Stand::End);
            }
            // Backward, a key's versions come oldest first.
            let mut versions = Vec::new();
            while there && cursor.key() == key {
                if cursor.epoch() <= at {
                    versions.push((cursor.epoch(), cursor.entry_owned()));
                }
                there = match cursor.prev() {
                    // The damaged block holds none of this key, which is shown first.
                    Err(error) if cursor.damaged().is_some_and(|bound| bound < &key[..]) => {
                        *failed = Some(error);
                        false
                    }
                    other => other?,
                };
            }
            if let Some((epoch, newest)) = versions.pop() {
                let entry = match newest {
                    Entry::Counter(_) => {
                        let parts: Vec<_> = std::iter::once(newest)
                            .chain(versions.into_iter().rev().map(|(_, entry)| entry))
                            .collect();
                        folded(parts.iter().map(Entry::as_ref))
                    }
                    entry => entry,
                };
                return Ok(Stand::Own(Own { key, epoch, entry }));
            }
        }
        failed.take().map_or(Ok(Stand::End), Err)
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

/// See the module. Keys are whole ones; the cursor shows them without their partition.
pub(crate) struct MergeScan {
    /// Keeps the files of the state from being unlinked, segments among them.
    state: Arc<State>,
    epochs: Epochs,
    sources: Vec<Source>,
    backward: bool,
    partition: usize,
    /// The source whose record is shown.
    best: Option<usize>,
    /// The sum of a counter that is shown.
    sum: Option<Entry>,
    /// The oldest epoch that the shown record depends on.
    begins: Epoch,
    /// Where a value was lost, if that was the error of the last advance.
    damaged: Option<LogPlace>,
    /// Sources that stand on the current key, and have to go on.
    stale: Vec<usize>,
    /// What of the log is lost, and whether that was told.
    lost: Option<(Lost, bool)>,
    fork: u64,
}

impl MergeScan {
    pub(crate) fn new(
        state: &Arc<State>,
        start: Bound<Vec<u8>>,
        end: Bound<Vec<u8>>,
        epochs: Epochs,
        backward: bool,
        partition: usize,
    ) -> Self {
        let mut sources = Vec::new();
        let run = |run: &Arc<Run>| {
            let (start, end) = (start.clone(), end.clone());
            let walk = RunWalk { cursor: run.cursor(), start, end, passed: None, failed: None };
            Source::new(Place::Run(Box::new(walk)), epochs, backward)
        };
        for tail in &state.tails {
            // The newest tail grows, but not by what the scan shows.
            if !tail.is_empty() && tail.newest() > epochs.since {
                let (start, end) = (start.clone(), end.clone());
                // Before the first record, where a page is asked for.
                let (tail, page, here) = (tail.clone(), Vec::new(), usize::MAX);
                let walk = TailWalk { tail, page, here, start, end, more: true };
                sources.push(Source::new(Place::Tail(walk), epochs, backward));
            }
            let bulk = tail.bulk();
            sources.extend(bulk.iter().filter(|bulk| bulk.epoch > epochs.since).map(|bulk| run(&bulk.run)));
        }
        for each in &state.runs {
            let summary = each.summary();
            let before = match &end {
                Bound::Included(end) => summary.first_key > *end,
                Bound::Excluded(end) => summary.first_key >= *end,
                Bound::Unbounded => false,
            };
            let behind = match &start {
                Bound::Included(start) => summary.last_key < *start,
                Bound::Excluded(start) => summary.last_key <= *start,
                Bound::Unbounded => false,
            };
            if !before && !behind && (summary.epoch_max > epochs.since || !epochs.are_changes()) {
                sources.push(run(each));
            }
        }
        let stale = (0..sources.len()).collect();
        Self {
            state: state.clone(),
            epochs,
            sources,
            backward,
            partition,
            best: None,
            sum: None,
            begins: Epoch::ZERO,
            damaged: None,
            stale,
            // What was lost before the changes is none of them.
            lost: state.lost(epochs.at).filter(|lost| epochs.since < lost.before).map(|lost| (*lost, false)),
            fork: fork::generation(),
        }
    }

    /// The same, which shows what there is whatever may be lost.
    pub(crate) fn in_spite_of_losses(self) -> Self {
        Self { lost: None, ..self }
    }

    /// Where a value was lost, if that was the error of the last advance.
    pub(crate) fn damaged(&self) -> Option<LogPlace> {
        self.damaged
    }

    /// Goes to the next key that has any version; false at the end.
    fn step(&mut self) -> Result<bool> {
        self.best = None;
        self.sum = None;
        while let Some(&index) = self.stale.last() {
            // Taken off the list only when it stands on a key: an error is met again at most once
            // for each place that can't be read.
            self.sources[index].advance()?;
            self.stale.pop();
        }
        let mut best: Option<(usize, &[u8])> = None;
        for (index, source) in self.sources.iter().enumerate() {
            let Some(key) = source.key() else { continue };
            let order = match best {
                None => Ordering::Less,
                Some((_, best)) if self.backward => best.cmp(key),
                Some((_, best)) => key.cmp(best),
            };
            match order {
                Ordering::Greater => {}
                Ordering::Equal => self.stale.push(index),
                Ordering::Less => {
                    best = Some((index, key));
                    self.stale.clear();
                    self.stale.push(index);
                }
            }
        }
        let newest = self.stale.iter().copied().max_by_key(|&index| self.sources[index].epoch());
        self.best = newest;
        let Some(newest) = newest else { return Ok(false) };
        self.begins = self.sources[newest].epoch();
        if !matches!(self.sources[newest].entry(), EntryRef::Counter(_)) {
            return Ok(true);
        }
        if self.epochs.are_changes() {
            // Parts of it are where nothing was changed.
            let key = self.sources[newest].key().unwrap_or_default();
            self.sum = self.state.get(key, self.epochs.at)?.map(|found| found.entry);
        } else {
            self.stale.sort_by_key(|&index| std::cmp::Reverse(self.sources[index].epoch()));
            let is_part = |index: &&usize| matches!(self.sources[**index].entry(), EntryRef::Counter(_));
            let begins = self.stale.iter().find(|index| !is_part(index));
            self.begins = begins.map_or(Epoch::ZERO, |begins| self.sources[*begins].epoch());
            let parts = self.stale.iter().map(|&index| self.sources[index].entry());
            self.sum = Some(whole_sum(parts));
        }
        Ok(true)
    }
}

impl ChangeCursor for MergeScan {
    fn advance(&mut self) -> Result<bool> {
        Cursor::advance(self)
    }

    fn key(&self) -> &[u8] {
        Cursor::key(self)
    }

    fn record(&self) -> Option<RecordRef<'_>> {
        let record = Cursor::record(self);
        // A stored value is never empty.
        (!record.value.is_empty()).then_some(record)
    }
}

impl Cursor for MergeScan {
    fn advance(&mut self) -> Result<bool> {
        if self.fork != fork::generation() {
            return Err(Error::new(
                ErrorKind::Forked,
                "this scan was begun before a fork; begin a new one in the child",
            ));
        }
        self.damaged = None;
        if let Some((lost, is_told)) = &mut self.lost
            && !std::mem::replace(is_told, true)
        {
            return Err(lost.error());
        }
        while self.step()? {
            let Some(index) = self.best else { continue };
            let best = &self.sources[index];
            // That something is damaged was told already: what it hides isn't shown in an older
            // version. (Of its own keys, a source passes over those versions itself.)
            let is_hidden = || {
                let others = || self.sources.iter().enumerate().filter(|(other, _)| *other != index);
                // Of a counter, older parts count too.
                let since = if self.sum.is_some() { Epoch::ZERO } else { best.epoch() };
                let hides = |key| others().any(|(_, other)| other.hides(key, since));
                best.key().is_some_and(hides)
            };
            let shown = self.sum.as_ref().map_or_else(|| best.entry(), Entry::as_ref);
            let in_doubt = self.lost.is_some_and(|(lost, _)| self.begins < lost.before);
            let is_gone = matches!(shown, EntryRef::Tombstone);
            if (is_gone && !self.epochs.are_changes()) || in_doubt || is_hidden() {
                continue;
            }
            if let EntryRef::Damaged(place) = shown {
                // The next call goes on behind it.
                self.damaged = Some(place);
                return Err(place.error());
            }
            return Ok(true);
        }
        Ok(false)
    }

    fn key(&self) -> &[u8] {
        match self.best.and_then(|best| self.sources[best].key()) {
            Some(key) => &key[self.partition..],
            None => panic!("a cursor has no key before its first advance or behind its end"),
        }
    }

    fn record(&self) -> RecordRef<'_> {
        const NO_EXTENTS: &[Extent] = &[];
        let Some(source) = self.best.map(|best| &self.sources[best]) else {
            panic!("a cursor has no record before its first advance or behind its end")
        };
        let version = source.epoch();
        match self.sum.as_ref().map_or_else(|| source.entry(), Entry::as_ref) {
            EntryRef::Put { value, extents } => RecordRef { version, value, extents },
            _ => RecordRef { version, value: &[], extents: NO_EXTENTS },
        }
    }
}
