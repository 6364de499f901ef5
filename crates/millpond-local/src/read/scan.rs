//! A scan: the places of a state, merged by key, each key in its newest version as of an epoch.

use std::{collections::VecDeque, ops::Bound, sync::Arc};

use bytes::Bytes;
use millpond_core::{Cursor, Epoch, Error, ErrorKind, Extent, RecordRef, Result};

use super::{State, state::sum_parts};
use crate::{
    fork,
    run::{Entry, Run, RunCursor},
    tail::{Tail, Version, counter_entry},
};

/// Keys that a tail is asked for at a time, so that its lock is never held for long.
const PAGE_KEYS: usize = 128;

/// Walks over the keys of one place, each in its newest version as of an epoch.
struct Source {
    place: Place,
    at: Epoch,
    backward: bool,
    /// Where the walk stands; `None` at the end.
    current: Option<Current>,
    started: bool,
}

struct Current {
    key: Bytes,
    epoch: Epoch,
    entry: Entry,
}

enum Place {
    Tail {
        tail: Arc<Tail>,
        page: VecDeque<(Bytes, Version)>,
        start: Bound<Vec<u8>>,
        end: Bound<Vec<u8>>,
        more: bool,
    },
    Run {
        cursor: Box<RunCursor>,
        start: Bound<Vec<u8>>,
        end: Bound<Vec<u8>>,
    },
}

impl Source {
    fn tail(
        tail: &Arc<Tail>,
        start: &Bound<Vec<u8>>,
        end: &Bound<Vec<u8>>,
        at: Epoch,
        backward: bool,
    ) -> Self {
        let place = Place::Tail {
            tail: tail.clone(),
            page: VecDeque::new(),
            start: start.clone(),
            end: end.clone(),
            more: true,
        };
        Self { place, at, backward, current: None, started: false }
    }

    fn run(run: &Arc<Run>, start: &Bound<Vec<u8>>, end: &Bound<Vec<u8>>, at: Epoch, backward: bool) -> Self {
        let place = Place::Run { cursor: Box::new(run.cursor()), start: start.clone(), end: end.clone() };
        Self { place, at, backward, current: None, started: false }
    }

    /// Goes to the next key. After an error, the next call goes on behind what can't be read.
    fn advance(&mut self) -> Result<()> {
        let first = !std::mem::replace(&mut self.started, true);
        self.current = match &mut self.place {
            Place::Tail { tail, page, start, end, more } => {
                if page.is_empty() && *more {
                    let mut fresh = Vec::with_capacity(PAGE_KEYS);
                    *more = tail.page(
                        as_slice(start),
                        as_slice(end),
                        self.at,
                        self.backward,
                        PAGE_KEYS,
                        &mut fresh,
                    );
                    if let Some((last, _)) = fresh.last() {
                        let behind = Bound::Excluded(last.to_vec());
                        *(if self.backward { end } else { start }) = behind;
                    }
                    page.extend(fresh);
                }
                page.pop_front().map(|(key, version)| Current {
                    key,
                    epoch: version.epoch,
                    entry: version.entry,
                })
            }
            Place::Run { cursor, start, end } => {
                let previous = self.current.take().map(|current| current.key);
                if self.backward {
                    back(cursor, start, end, self.at, first)?
                } else {
                    forth(cursor, start, end, self.at, first, previous)?
                }
            }
        };
        Ok(())
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

/// The next key of a run, going forward; the cursor stays on one of its versions.
fn forth(
    cursor: &mut RunCursor,
    start: &Bound<Vec<u8>>,
    end: &Bound<Vec<u8>>,
    at: Epoch,
    first: bool,
    previous: Option<Bytes>,
) -> Result<Option<Current>> {
    let mut there = if first { cursor.seek(as_slice(start))? } else { cursor.next()? };
    while there {
        let key = cursor.key();
        let inside = match end {
            Bound::Included(end) => key <= &end[..],
            Bound::Excluded(end) => key < &end[..],
            Bound::Unbounded => true,
        };
        if !inside {
            return Ok(None);
        }
        if cursor.epoch() <= at && previous.as_ref().is_none_or(|previous| previous != key) {
            let (key, epoch, entry) = (Bytes::copy_from_slice(key), cursor.epoch(), cursor.entry_owned());
            if !matches!(entry, Entry::Counter(_)) {
                return Ok(Some(Current { key, epoch, entry }));
            }
            let mut parts = vec![entry];
            while matches!(parts.last(), Some(Entry::Counter(_))) && cursor.next()? {
                if cursor.key() != key {
                    // One too far: the next call begins with a step forward.
                    cursor.prev()?;
                    break;
                }
                parts.push(cursor.entry_owned());
            }
            return Ok(Some(Current { key, epoch, entry: folded(&parts) }));
        }
        there = cursor.next()?;
    }
    Ok(None)
}

/// The next key of a run, going backward; the cursor is left on the last record of the key before.
fn back(
    cursor: &mut RunCursor,
    start: &Bound<Vec<u8>>,
    end: &Bound<Vec<u8>>,
    at: Epoch,
    first: bool,
) -> Result<Option<Current>> {
    let mut there = if first { cursor.seek_back(as_slice(end))? } else { cursor.valid() };
    while there {
        let key = Bytes::copy_from_slice(cursor.key());
        let inside = match start {
            Bound::Included(start) => key >= start[..],
            Bound::Excluded(start) => key > start[..],
            Bound::Unbounded => true,
        };
        if !inside {
            return Ok(None);
        }
        // Backward, a key's versions come oldest first.
        let mut versions = Vec::new();
        while there && cursor.key() == key {
            if cursor.epoch() <= at {
                versions.push((cursor.epoch(), cursor.entry_owned()));
            }
            there = cursor.prev()?;
        }
        if let Some((epoch, newest)) = versions.pop() {
            let entry = match newest {
                Entry::Counter(_) => {
                    let parts: Vec<_> = std::iter::once(newest)
                        .chain(versions.into_iter().rev().map(|(_, entry)| entry))
                        .collect();
                    folded(&parts)
                }
                entry => entry,
            };
            return Ok(Some(Current { key, epoch, entry }));
        }
    }
    Ok(None)
}

/// A counter's entries, newest first, as one entry.
fn folded(parts: &[Entry]) -> Entry {
    match sum_parts(parts.iter()) {
        (sum, true) => counter_entry(sum),
        (sum, false) => Entry::Counter(sum),
    }
}

/// See the module. Keys are whole ones; the cursor shows them without their partition.
pub(crate) struct MergeScan {
    /// Keeps the files of the state from being unlinked, segments among them.
    _state: Arc<State>,
    sources: Vec<Source>,
    backward: bool,
    partition: usize,
    current: Option<Current>,
    /// Sources that stand on the current key, and have to go on.
    stale: Vec<usize>,
    fork: u64,
}

impl MergeScan {
    pub(crate) fn new(
        state: &Arc<State>,
        start: Bound<Vec<u8>>,
        end: Bound<Vec<u8>>,
        at: Epoch,
        backward: bool,
        partition: usize,
    ) -> Self {
        let mut sources = Vec::new();
        for tail in &state.tails {
            if !tail.is_empty() {
                sources.push(Source::tail(tail, &start, &end, at, backward));
            }
            for bulk in tail.bulk() {
                sources.push(Source::run(&bulk.run, &start, &end, at, backward));
            }
        }
        for run in &state.runs {
            let summary = run.summary();
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
            if !before && !behind {
                sources.push(Source::run(run, &start, &end, at, backward));
            }
        }
        let stale = (0..sources.len()).collect();
        Self {
            _state: state.clone(),
            sources,
            backward,
            partition,
            current: None,
            stale,
            fork: fork::generation(),
        }
    }

    fn step(&mut self) -> Result<bool> {
        while let Some(&index) = self.stale.last() {
            // Taken off the list only when it stands on a key: an error is met again at most once
            // for each place that can't be read.
            self.sources[index].advance()?;
            self.stale.pop();
        }
        let mut best: Option<usize> = None;
        for (index, source) in self.sources.iter().enumerate() {
            let Some(current) = &source.current else { continue };
            let order = best.map(|best| {
                // `best` stands on a key, since only such a source was chosen.
                self.sources[best]
                    .current
                    .as_ref()
                    .map_or(std::cmp::Ordering::Less, |best| current.key.cmp(&best.key))
            });
            match order {
                None => {
                    best = Some(index);
                    self.stale.clear();
                    self.stale.push(index);
                }
                Some(std::cmp::Ordering::Equal) => self.stale.push(index),
                Some(order) if order.is_lt() != self.backward => {
                    best = Some(index);
                    self.stale.clear();
                    self.stale.push(index);
                }
                Some(_) => {}
            }
        }
        let mut versions: Vec<Current> =
            self.stale.iter().filter_map(|&index| self.sources[index].current.take_for_merge()).collect();
        if versions.len() > 1 {
            versions.sort_by_key(|version| std::cmp::Reverse(version.epoch));
        }
        let Some(newest) = versions.first_mut() else {
            self.current = None;
            return Ok(false);
        };
        let (key, epoch) = (newest.key.clone(), newest.epoch);
        let entry = if matches!(newest.entry, Entry::Counter(_)) {
            counter_entry(sum_parts(versions.iter().map(|version| &version.entry)).0)
        } else {
            std::mem::replace(&mut newest.entry, Entry::Tombstone)
        };
        self.current = Some(Current { key, epoch, entry });
        Ok(true)
    }
}

/// A source keeps the key that it stands on, since going on from it needs it.
trait TakeForMerge {
    fn take_for_merge(&mut self) -> Option<Current>;
}

impl TakeForMerge for Option<Current> {
    fn take_for_merge(&mut self) -> Option<Current> {
        let current = self.as_mut()?;
        let entry = std::mem::replace(&mut current.entry, Entry::Tombstone);
        Some(Current { key: current.key.clone(), epoch: current.epoch, entry })
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
        loop {
            if !self.step()? {
                return Ok(false);
            }
            if !matches!(self.current, Some(Current { entry: Entry::Tombstone, .. })) {
                return Ok(true);
            }
        }
    }

    fn key(&self) -> &[u8] {
        match &self.current {
            Some(current) => &current.key[self.partition..],
            None => panic!("a cursor has no key before its first advance or behind its end"),
        }
    }

    fn record(&self) -> RecordRef<'_> {
        const NO_EXTENTS: &[Extent] = &[];
        match &self.current {
            Some(Current { epoch, entry: Entry::Put { value, extents }, .. }) => {
                RecordRef { version: *epoch, value, extents }
            }
            Some(Current { epoch, .. }) => RecordRef { version: *epoch, value: &[], extents: NO_EXTENTS },
            None => panic!("a cursor has no record before its first advance or behind its end"),
        }
    }
}
