//! Views and cursors: a state of the table, as of one epoch.
//!
//! Invariant: an open view's epoch is in `Shared::views`, so that the versions that it sees stay.

use std::{collections::VecDeque, ops::Bound, sync::Arc};

use millpond_core::{
    At, ChangeCursor, Cursor, Direction, Epoch, Error, ErrorKind, Key, KeyRange, Record, RecordRef, Result,
    View,
};

use crate::{
    handle::Handle,
    sync::{lock, read, write},
};

/// Records that a cursor takes at a time: few enough that writers don't wait long.
const CURSOR_RECORDS: usize = 128;

/// Keeps the versions of an epoch while it lives.
#[derive(Debug)]
struct Pin {
    handle: Arc<Handle>,
    epoch: Epoch,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let shared = &self.handle.shared;
        let last = {
            let mut views = lock(&shared.views);
            let last = views.get(&self.epoch).is_none_or(|&count| count <= 1);
            if last {
                views.remove(&self.epoch);
            } else if let Some(count) = views.get_mut(&self.epoch) {
                *count -= 1;
            }
            last
        };
        if last && read(&shared.table).has_history() {
            let table = &mut *write(&shared.table);
            let needed = shared.needed(table);
            table.prune(&needed);
        }
    }
}

/// Opens a view.
pub(crate) fn open(handle: &Arc<Handle>, at: At) -> Result<Box<dyn View>> {
    Ok(Box::new(MemoryView { pin: pin(handle, at)? }))
}

/// Keeps an epoch readable.
fn pin(handle: &Arc<Handle>, at: At) -> Result<Arc<Pin>> {
    handle.check_open()?;
    let shared = &handle.shared;
    let table = read(&shared.table);
    let mut views = lock(&shared.views);
    let epoch = match at {
        At::Latest => table.newest,
        At::Epoch(epoch) if epoch > table.newest => {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("epoch {epoch} is still to come: the newest one is {}", table.newest),
            ));
        }
        At::Epoch(epoch) => {
            let kept = epoch == table.newest || table.retained.contains(&epoch) || views.contains_key(&epoch);
            if !kept {
                return Err(gone(epoch));
            }
            epoch
        }
    };
    *views.entry(epoch).or_insert(0) += 1;
    Ok(Arc::new(Pin { handle: Arc::clone(handle), epoch }))
}

fn gone(epoch: Epoch) -> Error {
    Error::new(ErrorKind::EpochGone, format!("the state at epoch {epoch} is no longer kept"))
}

struct MemoryView {
    pin: Arc<Pin>,
}

impl View for MemoryView {
    fn epoch(&self) -> Epoch {
        self.pin.epoch
    }

    fn get(&self, key: Key<'_>) -> Result<Option<Record>> {
        self.pin.handle.check_open()?;
        Ok(read(&self.pin.handle.shared.table).get(key, self.pin.epoch))
    }

    fn get_many(&self, keys: &[Key<'_>]) -> Result<Vec<Option<Record>>> {
        self.pin.handle.check_open()?;
        let table = read(&self.pin.handle.shared.table);
        Ok(keys.iter().map(|key| table.get(*key, self.pin.epoch)).collect())
    }

    fn scan(&self, range: KeyRange<'_>, direction: Direction) -> Result<Box<dyn Cursor>> {
        self.pin.handle.check_open()?;
        Ok(Box::new(MemoryCursor {
            pin: Arc::clone(&self.pin),
            partition: range.partition.into(),
            start: owned(range.start),
            end: owned(range.end),
            direction,
            ahead: VecDeque::new(),
            current: None,
            exhausted: false,
        }))
    }

    fn changes(&self, since: Epoch, prefix: &[u8]) -> Result<Box<dyn ChangeCursor>> {
        self.pin.handle.check_open()?;
        if since > self.pin.epoch {
            let message = format!("epoch {since} comes after the view, which is of epoch {}", self.pin.epoch);
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        // Held by the cursor, so that no deletion is forgotten while it walks.
        let since = if since == Epoch::ZERO { None } else { Some(pin(&self.pin.handle, At::Epoch(since))?) };
        Ok(Box::new(Changes {
            pin: Arc::clone(&self.pin),
            since,
            prefix: prefix.into(),
            after: None,
            ahead: VecDeque::new(),
            current: None,
            exhausted: false,
        }))
    }
}

/// What was changed since an epoch.
struct Changes {
    pin: Arc<Pin>,
    since: Option<Arc<Pin>>,
    prefix: Box<[u8]>,
    /// The last key that was looked at.
    after: Option<(Vec<u8>, Vec<u8>)>,
    ahead: VecDeque<(Vec<u8>, Option<Record>)>,
    current: Option<(Vec<u8>, Option<Record>)>,
    exhausted: bool,
}

impl Changes {
    /// Looks at the next keys; those that were changed are ahead then.
    fn refill(&mut self) {
        let table = read(&self.pin.handle.shared.table);
        let since = self.since.as_ref().map_or(Epoch::ZERO, |since| since.epoch);
        let after = self.after.take();
        let mut seen = 0;
        let borrowed = after.as_ref().map(|(partition, sort)| (&partition[..], &sort[..]));
        for (partition, sort, chain) in table.from(borrowed, &self.prefix).take(CURSOR_RECORDS) {
            seen += 1;
            if let Some(version) = chain.at(self.pin.epoch)
                && version.epoch > since
                && (self.since.is_some() || version.stored.is_some())
            {
                self.ahead.push_back(([partition, sort].concat(), version.record()));
            }
            self.after = Some((partition.to_vec(), sort.to_vec()));
        }
        self.exhausted = seen < CURSOR_RECORDS;
    }

    fn at(&self) -> &(Vec<u8>, Option<Record>) {
        self.current.as_ref().expect("a cursor shows a key only after advance() answered true")
    }
}

impl ChangeCursor for Changes {
    fn advance(&mut self) -> Result<bool> {
        self.pin.handle.check_open()?;
        while self.ahead.is_empty() && !self.exhausted {
            self.refill();
        }
        self.current = self.ahead.pop_front();
        Ok(self.current.is_some())
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

fn owned(bound: Bound<&[u8]>) -> Bound<Box<[u8]>> {
    bound.map(Into::into)
}

struct MemoryCursor {
    pin: Arc<Pin>,
    partition: Box<[u8]>,
    start: Bound<Box<[u8]>>,
    end: Bound<Box<[u8]>>,
    direction: Direction,
    ahead: VecDeque<(Box<[u8]>, Record)>,
    current: Option<(Box<[u8]>, Record)>,
    exhausted: bool,
}

impl MemoryCursor {
    /// Takes the next records of the range and shrinks it to what lies behind them.
    fn refill(&mut self) {
        let range = KeyRange {
            partition: &self.partition,
            start: self.start.as_ref().map(|key| &**key),
            end: self.end.as_ref().map(|key| &**key),
        };
        let table = read(&self.pin.handle.shared.table);
        let Some(chains) = table.range(&range) else {
            self.exhausted = true;
            return;
        };
        let epoch = self.pin.epoch;
        let records = |(sort, chain): (&[u8], &crate::table::Chain)| {
            Some((Box::<[u8]>::from(sort), chain.at(epoch)?.record()?))
        };
        self.ahead = match self.direction {
            Direction::Forward => chains.filter_map(records).take(CURSOR_RECORDS).collect(),
            Direction::Backward => chains.rev().filter_map(records).take(CURSOR_RECORDS).collect(),
        };
        self.exhausted = self.ahead.len() < CURSOR_RECORDS;
        if let Some((last, _)) = self.ahead.back() {
            match self.direction {
                Direction::Forward => self.start = Bound::Excluded(last.clone()),
                Direction::Backward => self.end = Bound::Excluded(last.clone()),
            }
        }
    }

    fn at(&self) -> &(Box<[u8]>, Record) {
        self.current.as_ref().expect("a cursor shows a record only after advance() answered true")
    }
}

impl Cursor for MemoryCursor {
    fn advance(&mut self) -> Result<bool> {
        self.pin.handle.check_open()?;
        if self.ahead.is_empty() && !self.exhausted {
            self.refill();
        }
        self.current = self.ahead.pop_front();
        Ok(self.current.is_some())
    }

    fn key(&self) -> &[u8] {
        &self.at().0
    }

    fn record(&self) -> RecordRef<'_> {
        let record = &self.at().1;
        RecordRef { version: record.version, value: &record.value, extents: &record.extents }
    }
}
