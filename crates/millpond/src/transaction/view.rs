//! What a transaction sees: the state that it began with, under what it has written since.
//!
//! Invariant: whatever is answered from the state is noted in [`Reads`](super::reads::Reads) before
//! it is answered, and before the transaction ends: each answer asks last whether it goes on.

use std::{ops::Bound, sync::Arc};

use bytes::Bytes;
use millpond_core::{Cursor, Direction, Epoch, Key, KeyRange, Record, RecordRef, Result, View};

use super::{
    buffer::{Change, Version},
    reads::Scan,
    state::{OWN_WRITES, State},
};

/// Keys of the transaction that a cursor takes at a time.
const PAGE_KEYS: usize = 64;

/// A state of the transaction, as of one of its changes.
pub(super) struct TransactionView {
    state: Arc<State>,
    base: Arc<dyn View>,
    number: u64,
}

impl TransactionView {
    pub(super) fn new(state: Arc<State>) -> Result<Self> {
        let (base, number) = state.open_view()?;
        Ok(Self { state, base, number })
    }

    /// The record of a key, from what the transaction wrote or from the state before.
    fn answer(
        &self,
        key: Key<'_>,
        own: Option<Version>,
        base: impl FnOnce() -> Result<Option<Record>>,
    ) -> Result<Option<Record>> {
        match own {
            Some(Version { number, change: Change::Put { value, extents } }) => {
                let record = Record { version: Epoch(OWN_WRITES | number), value, extents };
                Ok(Some(self.tallied(key, record)))
            }
            Some(Version { change: Change::Delete, .. }) => Ok(self.tally_alone(key)),
            Some(Version { number, change: Change::Adjust(delta) }) => {
                let sum = base()?.map_or(0, |record| record.counter());
                let record = counter(Epoch(OWN_WRITES | number), sum.wrapping_add(delta));
                Ok(Some(self.tallied(key, record)))
            }
            None => Ok(match base()? {
                Some(record) => Some(self.tallied(key, record)),
                None => self.tally_alone(key),
            }),
        }
    }

    /// A record with what the transaction's writes of other keys add to it, if it counts them.
    fn tallied(&self, key: Key<'_>, record: Record) -> Record {
        match self.state.tallied(key, self.number) {
            None => record,
            Some((number, sum)) => {
                let version = record.version.max(Epoch(OWN_WRITES | number));
                counter(version, record.counter().wrapping_add(sum))
            }
        }
    }

    fn tally_alone(&self, key: Key<'_>) -> Option<Record> {
        let (number, sum) = self.state.tallied(key, self.number)?;
        (sum != 0).then(|| counter(Epoch(OWN_WRITES | number), sum))
    }

    /// The record of a key in the state before, which is noted; for one that the transaction's writes
    /// don't concern, that is what it sees.
    pub(super) fn base_get(&self, key: Key<'_>) -> Result<Option<Record>> {
        let record = self.base.get(key)?;
        self.state.note_point(key, record.as_ref())?;
        Ok(record)
    }
}

impl Drop for TransactionView {
    fn drop(&mut self) {
        self.state.close_view(self.number);
    }
}

impl View for TransactionView {
    fn epoch(&self) -> Epoch {
        Epoch(OWN_WRITES | self.number)
    }

    fn get(&self, key: Key<'_>) -> Result<Option<Record>> {
        let record = self.answer(key, self.state.own(key, self.number)?, || self.base_get(key))?;
        self.state.check()?;
        Ok(record)
    }

    fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Option<Record>>> {
        let own: Vec<_> = keys.iter().map(|key| self.state.own(*key, self.number)).collect::<Result<_>>()?;
        let asks = |own: &Option<Version>| {
            own.as_ref().is_none_or(|version| matches!(version.change, Change::Adjust(_)))
        };
        let asked: Vec<_> =
            std::iter::zip(keys, &own).filter(|(_, own)| asks(own)).map(|(key, _)| *key).collect();
        let mut found = self.base.get_many(&asked)?.into_iter();
        let records = std::iter::zip(keys, own)
            .map(|(key, own)| {
                let base = asks(&own).then(|| found.next()).flatten();
                self.answer(*key, own, || {
                    let record = base.flatten();
                    self.state.note_point(*key, record.as_ref())?;
                    Ok(record)
                })
            })
            .collect::<Result<_>>()?;
        self.state.check()?;
        Ok(records)
    }

    fn count(&self, range: KeyRange<'_>) -> Result<u64> {
        self.state.check()?;
        let scan = Arc::new(Scan::new(&range, Direction::Forward));
        scan.end();
        // All of the range was seen, whatever becomes of the count.
        self.state.note_scan(scan);
        let mut count = self.base.count(range)?;
        let mut rest = (range.start.map(<[u8]>::to_vec), range.end.map(<[u8]>::to_vec));
        loop {
            let page =
                self.state.own_page(range.partition, &rest, Direction::Forward, self.number, PAGE_KEYS)?;
            let is_last = page.len() < PAGE_KEYS;
            let last = page.last().map(|(sort, _)| sort.clone());
            for (sort, version) in page {
                let key = Key::new(range.partition, &sort);
                let before = self.base.get(key)?;
                count -= u64::from(before.is_some());
                count += u64::from(self.answer(key, Some(version), || Ok(before))?.is_some());
            }
            match last {
                Some(last) if !is_last => rest.0 = Bound::Excluded(last),
                _ => break,
            }
        }
        self.state.check()?;
        Ok(count)
    }

    fn scan(&self, range: KeyRange<'_>, direction: Direction) -> Result<Box<dyn Cursor>> {
        self.state.check()?;
        let scan = Arc::new(Scan::new(&range, direction));
        let base = self.base.scan(range, direction)?;
        self.state.note_scan(Arc::clone(&scan));
        Ok(Box::new(TransactionCursor {
            view: Self {
                state: Arc::clone(&self.state),
                base: Arc::clone(&self.base),
                number: self.state.share_view(self.number),
            },
            partition: range.partition.to_vec(),
            rest: (range.start.map(<[u8]>::to_vec), range.end.map(<[u8]>::to_vec)),
            direction,
            scan,
            base,
            base_state: Ahead::Unknown,
            page: Vec::new().into_iter(),
            page_is_last: false,
            own: None,
            current: None,
        }))
    }
}

/// Whether the cursor of the state before stands on a record that wasn't shown yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ahead {
    Unknown,
    Record,
    End,
}

/// Walks over what the transaction sees. Where it wrote nothing, records are lent from the state
/// before.
struct TransactionCursor {
    view: TransactionView,
    partition: Vec<u8>,
    /// What of the range is left of the transaction's own keys.
    rest: (Bound<Vec<u8>>, Bound<Vec<u8>>),
    direction: Direction,
    scan: Arc<Scan>,
    base: Box<dyn Cursor>,
    base_state: Ahead,
    page: std::vec::IntoIter<(Vec<u8>, Version)>,
    page_is_last: bool,
    /// The next key of the transaction's own.
    own: Option<(Vec<u8>, Version)>,
    /// The record to show, where it isn't lent.
    current: Option<(Vec<u8>, Record)>,
}

impl TransactionCursor {
    /// Sees to it that `own` is the next key of the transaction's own, if there is one.
    fn look_at_own(&mut self) -> Result<()> {
        if self.own.is_some() {
            return Ok(());
        }
        self.own = self.page.next();
        if self.own.is_some() || self.page_is_last {
            return Ok(());
        }
        let page = self.view.state.own_page(
            &self.partition,
            &self.rest,
            self.direction,
            self.view.number,
            PAGE_KEYS,
        )?;
        self.page_is_last = page.len() < PAGE_KEYS;
        if let Some((last, _)) = page.last() {
            match self.direction {
                Direction::Forward => self.rest.0 = Bound::Excluded(last.clone()),
                Direction::Backward => self.rest.1 = Bound::Excluded(last.clone()),
            }
        }
        self.page = page.into_iter();
        self.own = self.page.next();
        Ok(())
    }

    fn look_at_base(&mut self) -> Result<()> {
        if self.base_state == Ahead::Unknown {
            self.base_state = if self.base.advance()? { Ahead::Record } else { Ahead::End };
        }
        Ok(())
    }

    /// The record of the state before that the cursor stands on.
    fn base_record(&self) -> Record {
        let record = self.base.record();
        Record {
            version: record.version,
            value: Bytes::copy_from_slice(record.value),
            extents: record.extents.to_vec(),
        }
    }

    fn step(&mut self) -> Result<bool> {
        if self.current.take().is_none() && self.base_state == Ahead::Record {
            // The record that was lent is done with.
            self.base_state = Ahead::Unknown;
        }
        loop {
            self.look_at_own()?;
            self.look_at_base()?;
            let own_first = match (&self.own, self.base_state) {
                (None, Ahead::Record) => false,
                (None, _) => {
                    self.scan.end();
                    return Ok(false);
                }
                (Some(_), Ahead::End | Ahead::Unknown) => true,
                (Some((own, _)), Ahead::Record) => match self.direction {
                    Direction::Forward => own.as_slice() <= self.base.key(),
                    Direction::Backward => own.as_slice() >= self.base.key(),
                },
            };
            if !own_first {
                self.scan.reach(self.base.key());
                let key = Key::new(&self.partition, self.base.key());
                if self.view.state.tallied(key, self.view.number).is_some() {
                    let record = self.view.tallied(key, self.base_record());
                    self.current = Some((self.base.key().to_vec(), record));
                    self.base_state = Ahead::Unknown;
                }
                return Ok(true);
            }
            let Some((sort, version)) = self.own.take() else { continue };
            let is_both = self.base_state == Ahead::Record && self.base.key() == sort;
            let before = is_both.then(|| self.base_record());
            if is_both {
                self.base_state = Ahead::Unknown;
            }
            self.scan.reach(&sort);
            let key = Key::new(&self.partition, &sort);
            if let Some(record) = self.view.answer(key, Some(version), || Ok(before))? {
                self.current = Some((sort, record));
                return Ok(true);
            }
        }
    }
}

impl Cursor for TransactionCursor {
    fn advance(&mut self) -> Result<bool> {
        let is_there = self.step()?;
        self.view.state.check()?;
        Ok(is_there)
    }

    fn key(&self) -> &[u8] {
        self.current.as_ref().map_or_else(|| self.base.key(), |(sort, _)| sort)
    }

    fn record(&self) -> RecordRef<'_> {
        match &self.current {
            Some((_, record)) => {
                RecordRef { version: record.version, value: &record.value, extents: &record.extents }
            }
            None => self.base.record(),
        }
    }
}

fn counter(version: Epoch, sum: i64) -> Record {
    Record { version, value: Bytes::copy_from_slice(&sum.to_le_bytes()), extents: Vec::new() }
}
