//! What was changed since an epoch: a walk over all records and superseded versions, page by page.
//!
//! The omap has no order of time, so that the walk costs what there is, not what was changed. Each
//! page lists both kinds of entries as of one moment: what a commit moves from one to the other
//! meanwhile is in one of them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use millpond_core::{ChangeCursor, Epoch, Error, ErrorKind, Record, RecordRef, Result};

use super::read;
use crate::{
    container::{Container, Pin},
    layout::{
        keys::{self, HISTORY, HORIZON, RECORDS, RETAINED},
        record::{Version, decode},
        wire::Malformed,
    },
    operation::Query,
};

/// Entries of a kind that one operation lists: a cluster gives no more.
const ENTRIES_MAX: u64 = 1024;

/// A changed key, with the record that the view shows.
type Item = (Vec<u8>, Result<Option<Record>>);

/// See the module.
pub(super) struct Changes {
    pin: Arc<Pin>,
    since: Epoch,
    prefix: Vec<u8>,
    /// The last key that was listed, without its kind.
    after: Option<Vec<u8>>,
    ahead: VecDeque<Item>,
    current: Option<(Vec<u8>, Option<Record>)>,
    ended: bool,
}

/// What a page says of a key.
#[derive(Default)]
struct Slot {
    newest: Option<Result<Version>>,
    /// When its newest superseded version was superseded.
    superseded: Option<Epoch>,
}

impl Changes {
    /// # Errors
    /// `EpochGone` when the state at `since` is no longer kept.
    pub(super) fn new(pin: &Arc<Pin>, since: Epoch, prefix: &[u8]) -> Result<Self> {
        let mut changes = Self {
            pin: Arc::clone(pin),
            since,
            prefix: prefix.to_vec(),
            after: None,
            ahead: VecDeque::new(),
            current: None,
            ended: false,
        };
        if since > pin.epoch {
            let message = format!("epoch {since} comes after the view, which is of epoch {}", pin.epoch);
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        changes.fill()?;
        Ok(changes)
    }

    /// Lists the next page; what was changed of it is ahead then.
    fn fill(&mut self) -> Result<()> {
        let pin = Arc::clone(&self.pin);
        let container = &pin.container;
        let after = self.after.clone().unwrap_or_default();
        let records = [&[RECORDS][..], &after].concat();
        let history = [&[HISTORY][..], &after, keys::BEHIND_VERSIONS].concat();
        let history = if self.after.is_none() { vec![HISTORY] } else { history };
        let list = |kind, after| Query::List { prefix: vec![kind], after, max: ENTRIES_MAX };
        let lists = vec![list(RECORDS, records), list(HISTORY, history)];
        let answer = container.read(&[HORIZON, RETAINED], lists)?;
        if self.since > Epoch::ZERO {
            container.retention(&answer)?.check(self.since)?;
        }
        let mut slots: BTreeMap<Vec<u8>, Slot> = BTreeMap::new();
        // The page ends where a listing was cut off.
        let mut end: Option<Vec<u8>> = None;
        for (kind, list) in [RECORDS, HISTORY].into_iter().zip(&answer.lists) {
            let mut last = None;
            for (key, value) in &list.entries {
                let record = keys::without_kind(kind, key).map_err(|why| container.damaged(key, why))?;
                note(container, kind, slots.entry(record.to_vec()).or_default(), key, value);
                last = Some(record);
            }
            if let Some(last) = last.filter(|_| list.more)
                && end.as_deref().is_none_or(|end| last < end)
            {
                end = Some(last.to_vec());
            }
        }
        if let Some(end) = &end {
            slots.retain(|key, _| key <= end);
        }
        self.ended = end.is_none();
        self.after = end;
        self.look_up(slots)
    }

    /// Takes the changed ones of a page, as the view shows them.
    fn look_up(&mut self, slots: BTreeMap<Vec<u8>, Slot>) -> Result<()> {
        let container = &self.pin.container;
        let mut superseded = Vec::new();
        for (key, slot) in slots {
            let concat = keys::concat_of(&key).map_err(|why| container.damaged(&key, why))?;
            let (newest, since) = (slot.newest, self.since);
            let is_newer = |version: &Version| version.record.version > since;
            let changed = slot.superseded.is_some_and(|at| at > since)
                || newest.as_ref().is_some_and(|newest| newest.as_ref().map_or(true, is_newer));
            if !changed || !concat.starts_with(&self.prefix) {
                continue;
            }
            match newest {
                Some(Ok(version)) if version.record.version <= self.pin.epoch => {
                    self.ahead.push_back((concat, Ok(Some(version.record))));
                }
                Some(Err(error)) => self.ahead.push_back((concat, Err(error))),
                _ => {
                    superseded.push((self.ahead.len(), [&[RECORDS][..], &key].concat()));
                    self.ahead.push_back((concat, Ok(None)));
                }
            }
        }
        let wanted: Vec<_> = superseded.iter().map(|(_, record)| record.clone()).collect();
        let found = read::get_many(container, self.pin.epoch, &wanted)?;
        for ((at, _), record) in superseded.iter().zip(found) {
            self.ahead[*at].1 = Ok(record);
        }
        // Changed, but not between the two epochs; or gone, where only what exists is asked for.
        let since = self.since;
        self.ahead.retain(|(_, record)| match record {
            Ok(Some(record)) => record.version > since,
            Ok(None) => since > Epoch::ZERO,
            Err(_) => true,
        });
        Ok(())
    }

    fn at(&self) -> &(Vec<u8>, Option<Record>) {
        self.current.as_ref().expect("a cursor shows a key only after advance() answered true")
    }
}

/// Notes what an entry says of its key.
fn note(container: &Container, kind: u8, slot: &mut Slot, key: &[u8], value: &[u8]) {
    let damaged = |why: Malformed| container.damaged(key, why);
    let version = decode(&container.identity, key, value);
    match version {
        _ if kind == RECORDS => slot.newest = Some(version.map_err(damaged)),
        Ok(version) => slot.superseded = slot.superseded.max(version.superseded),
        // When it was superseded isn't known any more: it counts as changed.
        Err(_) => slot.superseded = Some(Epoch::MAX),
    }
}

impl ChangeCursor for Changes {
    fn advance(&mut self) -> Result<bool> {
        self.pin.container.check_open()?;
        self.current = None;
        while self.ahead.is_empty() && !self.ended {
            self.fill()?;
        }
        match self.ahead.pop_front() {
            Some((key, record)) => {
                self.current = Some((key, record?));
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn key(&self) -> &[u8] {
        &self.at().0
    }

    fn record(&self) -> Option<RecordRef<'_>> {
        self.at().1.as_ref().map(|record| RecordRef {
            version: record.version,
            value: &record.value,
            extents: &record.extents,
        })
    }
}
