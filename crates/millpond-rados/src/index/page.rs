//! A piece of a scan: the records of a range that a view sees, as far as one or two operations go.
//!
//! Where nothing of the partition changed since the view, that is a listing of the newest records.
//! Otherwise the listing of superseded versions beside it is merged in.

use std::{collections::BTreeMap, ops::Bound};

use millpond_core::{Epoch, Error, Record, Result};

use super::{change::last_change, read};
use crate::{
    container::{Answer, Container},
    layout::{
        keys::{self, HISTORY, HORIZON, PARTITIONS, RECORDS, RETAINED},
        record::{Version, decode},
    },
    operation::Query,
};

/// Superseded versions that one operation lists at most; no listing of a cluster gives more.
const HISTORY_MAX: u64 = 1024;

/// A bound of sort keys.
pub(super) type SortBound = Bound<Vec<u8>>;

/// A record of a page, or why it can't be read.
pub(super) type Item = (Vec<u8>, Result<Record>);

/// See the module.
pub(super) struct Page {
    /// In ascending order.
    pub(super) items: Vec<Item>,
    /// Where the next page begins, if the range goes on.
    pub(super) next: Option<SortBound>,
}

/// What a page is cut out of.
#[derive(Clone, Copy)]
pub(super) struct Range<'a> {
    pub(super) epoch: Epoch,
    pub(super) partition: &'a [u8],
    pub(super) start: &'a SortBound,
    pub(super) end: &'a SortBound,
}

/// The first page of a range, of about `max` records.
pub(super) fn page(container: &Container, range: Range<'_>, max: u64) -> Result<Page> {
    if is_empty(range.start, range.end) {
        return Ok(Page { items: Vec::new(), next: None });
    }
    let changes = keys::prefix(PARTITIONS, range.partition);
    let list = |kind, max| Query::List {
        prefix: keys::prefix(kind, range.partition),
        after: keys::after(kind, range.partition, range.start.as_ref().map(Vec::as_slice)),
        max,
    };
    let wanted = [HORIZON, RETAINED, &changes];
    let answer = container.read(&wanted, vec![list(RECORDS, max)])?;
    let changed = answer.head.epoch > range.epoch && last_change(container, &answer, &changes)? > range.epoch;
    if !changed {
        return Merge::new(container, range).run(&answer);
    }
    let answer = container.read(&wanted, vec![list(RECORDS, max), list(HISTORY, HISTORY_MAX)])?;
    container.retention(&answer)?.check(range.epoch)?;
    Merge::new(container, range).run(&answer)
}

/// Whether no sort key lies between the bounds.
pub(super) fn is_empty(start: &SortBound, end: &SortBound) -> bool {
    match (start, end) {
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end))
        | (Bound::Excluded(start), Bound::Included(end)) => start >= end,
        _ => false,
    }
}

/// Whether a sort key lies behind the end of a range.
fn is_past(sort: &[u8], end: &SortBound) -> bool {
    match end {
        Bound::Included(end) => sort > end.as_slice(),
        Bound::Excluded(end) => sort >= end.as_slice(),
        Bound::Unbounded => false,
    }
}

/// What is known of a sort key.
#[derive(Default)]
struct Slot {
    newest: Option<Result<Version>>,
    /// The newest of the superseded versions that are no newer than the view.
    past: Option<Result<Version>>,
}

struct Merge<'a> {
    container: &'a Container,
    range: Range<'a>,
    slots: BTreeMap<Vec<u8>, Slot>,
    /// Where the next page begins, at the latest: what lies behind isn't known well enough.
    next: Option<SortBound>,
}

impl<'a> Merge<'a> {
    fn new(container: &'a Container, range: Range<'a>) -> Self {
        Self { container, range, slots: BTreeMap::new(), next: None }
    }

    fn run(mut self, answer: &Answer) -> Result<Page> {
        let prefix_len = keys::prefix(RECORDS, self.range.partition).len();
        let malformed = |key: &[u8], why| self.container.damaged(key, why);
        if let Some(list) = answer.lists.first() {
            for (key, value) in &list.entries {
                let sort = keys::sort_of(prefix_len, key).map_err(|why| malformed(key, why))?;
                let version = decode(&self.container.identity, key, value).map_err(|why| malformed(key, why));
                self.slots.entry(sort).or_default().newest = Some(version);
            }
            if list.more
                && let Some((last, _)) = self.slots.last_key_value()
            {
                self.next = Some(Bound::Excluded(last.clone()));
            }
        }
        if let Some(list) = answer.lists.get(1) {
            let mut first_and_last: Option<(Vec<u8>, Vec<u8>)> = None;
            for (key, value) in &list.entries {
                let (sort, version) =
                    keys::sort_and_version_of(prefix_len, key).map_err(|why| malformed(key, why))?;
                let first = first_and_last.map_or_else(|| sort.clone(), |(first, _)| first);
                first_and_last = Some((first, sort.clone()));
                let slot = self.slots.entry(sort).or_default();
                if version <= self.range.epoch && slot.past.is_none() {
                    let version = decode(&self.container.identity, key, value);
                    slot.past = Some(version.map_err(|why| malformed(key, why)));
                }
            }
            if list.more
                && let Some((first, last)) = first_and_last
            {
                self.cut_history(&first, last);
            }
        }
        self.finish()
    }

    /// The listing of superseded versions ended within those of `last`.
    fn cut_history(&mut self, first: &[u8], last: Vec<u8>) {
        if first != last {
            self.end_at(Bound::Included(last));
            return;
        }
        // One record with a long history fills the page: it is looked up by itself.
        let record = keys::of_key(RECORDS, millpond_core::Key::new(self.range.partition, &last));
        let found = read::past(self.container, self.range.epoch, &[&record]);
        self.slots.entry(last.clone()).or_default().past = match found {
            Ok(mut found) => found.pop().flatten().map(|record| Ok(Version { record, superseded: None })),
            Err(error) => Some(Err(error)),
        };
        self.end_at(Bound::Excluded(last));
    }

    /// Lets the page end where `next` begins, or before.
    fn end_at(&mut self, next: SortBound) {
        let is_sooner = match (&next, &self.next) {
            (_, None) => true,
            (Bound::Included(one), Some(Bound::Excluded(other))) => one <= other,
            (Bound::Excluded(one), Some(Bound::Excluded(other))) => one < other,
            _ => false,
        };
        if is_sooner {
            self.next = Some(next);
        }
    }

    fn finish(self) -> Result<Page> {
        let Self { range, slots, next, .. } = self;
        let mut items = Vec::with_capacity(slots.len());
        let mut ended = false;
        for (sort, slot) in slots {
            let beyond = match &next {
                Some(Bound::Excluded(last)) => sort > *last,
                Some(Bound::Included(first)) => sort >= *first,
                _ => false,
            };
            if beyond {
                break;
            }
            if is_past(&sort, range.end) {
                ended = true;
                break;
            }
            if let Some(record) = slot.seen_at(range.epoch) {
                items.push((sort, record));
            }
        }
        let next = next.filter(|next| !ended && !is_empty(next, range.end));
        Ok(Page { items, next })
    }
}

impl Slot {
    /// What a view sees.
    fn seen_at(self, epoch: Epoch) -> Option<Result<Record>> {
        let live = |version: Result<Version>| match version {
            Ok(version) => version.is_live_at(epoch).then_some(Ok(version.record)),
            Err(error) => Some(Err::<Record, Error>(error)),
        };
        match self.newest {
            Some(Ok(newest)) if newest.record.version <= epoch => Some(Ok(newest.record)),
            Some(Err(error)) => Some(Err(error)),
            _ => self.past.and_then(live),
        }
    }
}
