//! Bulk bytes in memory: each finished value is a segment of its own.
//!
//! Invariant: a segment lives while a version of a record owns it, or while it waits in `unowned`
//! for the commit that names it. Values that were finished but never committed go when their writer
//! gives them up, or when the container is compacted after the writer is gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, Weak},
};

use millpond_core::{Error, ErrorKind, Extent, Result, SegmentId, SegmentWriter, Segments};

use crate::{
    account::{Account, Charge, Purpose},
    handle::Handle,
    store::MemoryStore,
    sync::lock,
};

/// Bytes of a piece of a value: large enough to be rare, small enough not to waste memory.
const PIECE_BYTES: usize = 1 << 20;

/// The bytes of one value.
#[derive(Debug)]
pub(crate) struct Bulk {
    id: SegmentId,
    /// All of them full but the last.
    pieces: Vec<Vec<u8>>,
    length: u64,
    directory: Weak<Directory>,
    _charge: Charge,
}

impl Drop for Bulk {
    fn drop(&mut self) {
        if let Some(directory) = self.directory.upgrade() {
            lock(&directory.state).known.remove(&self.id);
        }
    }
}

/// The segments of a container.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    known: BTreeMap<SegmentId, Weak<Bulk>>,
    /// Finished values that no commit has named yet.
    unowned: BTreeMap<SegmentId, Unowned>,
    /// Writers that are open; their values may still be committed.
    writers: BTreeSet<u64>,
}

impl State {
    /// Takes out the values of some writers, to be dropped when the lock is given back.
    fn take_unowned(&mut self, of: impl Fn(u64) -> bool) -> BTreeMap<SegmentId, Unowned> {
        let (taken, kept) =
            std::mem::take(&mut self.unowned).into_iter().partition(|(_, value)| of(value.writer));
        self.unowned = kept;
        taken
    }
}

#[derive(Debug)]
struct Unowned {
    bulk: Arc<Bulk>,
    writer: u64,
}

impl Directory {
    /// The bulk bytes behind `extents`, for the record that is to own them. Extents of segments
    /// that this container never had are the caller's own business.
    ///
    /// # Errors
    /// `EpochGone` for a segment that was reclaimed.
    pub(crate) fn own(&self, extents: &[Extent]) -> Result<Vec<Arc<Bulk>>> {
        if extents.is_empty() {
            return Ok(Vec::new());
        }
        let mut bulk = Vec::with_capacity(extents.len());
        let gone = {
            let state = lock(&self.state);
            extents.iter().find(|extent| match state.known.get(&extent.segment).and_then(Weak::upgrade) {
                Some(found) => {
                    bulk.push(found);
                    false
                }
                None => extent.segment.0 < state.next,
            })
        };
        match gone {
            Some(extent) => Err(reclaimed(extent.segment)),
            None => Ok(bulk),
        }
    }

    /// The commit that owns these segments took effect.
    pub(crate) fn committed(&self, extents: &[Extent]) {
        if extents.is_empty() {
            return;
        }
        let freed: Vec<_> = {
            let mut state = lock(&self.state);
            extents.iter().filter_map(|extent| state.unowned.remove(&extent.segment)).collect()
        };
        drop(freed);
    }

    /// Frees the values that no commit can name any more.
    pub(crate) fn reclaim(&self) {
        let freed = {
            let mut state = lock(&self.state);
            let writers = std::mem::take(&mut state.writers);
            let freed = state.take_unowned(|writer| !writers.contains(&writer));
            state.writers = writers;
            freed
        };
        drop(freed);
    }

    pub(crate) fn count(&self) -> u64 {
        lock(&self.state).known.len() as u64
    }

    /// Bytes of values that no commit has named yet.
    pub(crate) fn bytes_unowned(&self) -> u64 {
        lock(&self.state).unowned.values().map(|value| value.bulk.length).sum()
    }

    fn find(&self, segment: SegmentId) -> Option<Arc<Bulk>> {
        lock(&self.state).known.get(&segment).and_then(Weak::upgrade)
    }
}

fn reclaimed(segment: SegmentId) -> Error {
    Error::new(ErrorKind::EpochGone, format!("segment {} was reclaimed: read its record again", segment.0))
}

impl Segments for MemoryStore {
    fn writer(&self) -> Result<Box<dyn SegmentWriter>> {
        self.handle.check_writable()?;
        let writer = {
            let mut state = lock(&self.handle.shared.segments.state);
            state.next += 1;
            let writer = state.next;
            state.writers.insert(writer);
            writer
        };
        Ok(Box::new(Writer { handle: Arc::clone(&self.handle), writer, value: Value::default() }))
    }

    fn read(&self, extent: &Extent, offset: u64, into: &mut [u8]) -> Result<()> {
        self.handle.check_open()?;
        let bulk =
            self.handle.shared.segments.find(extent.segment).ok_or_else(|| reclaimed(extent.segment))?;
        let fits = offset.checked_add(into.len() as u64).is_some_and(|end| end <= extent.length)
            && extent.offset.checked_add(extent.length).is_some_and(|end| end <= bulk.length);
        if !fits {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "{} bytes from {offset} on are more than the extent's {} in segment {}",
                    into.len(),
                    extent.length,
                    extent.segment.0
                ),
            ));
        }
        let mut place = (extent.offset + offset) as usize;
        let mut rest = into;
        while !rest.is_empty() {
            let piece = &bulk.pieces[place / PIECE_BYTES][place % PIECE_BYTES..];
            let count = piece.len().min(rest.len());
            let (head, tail) = rest.split_at_mut(count);
            head.copy_from_slice(&piece[..count]);
            place += count;
            rest = tail;
        }
        Ok(())
    }
}

/// A value that is being written.
#[derive(Debug, Default)]
struct Value {
    pieces: Vec<Vec<u8>>,
    length: u64,
    charge: Option<Charge>,
}

impl Value {
    fn append(&mut self, account: &Arc<Account>, mut bytes: &[u8]) -> Result<()> {
        let charge = account.charge(Purpose::Segments, bytes.len() as u64)?;
        match &mut self.charge {
            Some(charged) => charged.merge(charge),
            None => self.charge = Some(charge),
        }
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.pieces.last().is_none_or(|piece| piece.len() == PIECE_BYTES) {
                self.pieces.push(Vec::new());
            }
            let Some(piece) = self.pieces.last_mut() else { break };
            let (head, tail) = bytes.split_at(bytes.len().min(PIECE_BYTES - piece.len()));
            piece.extend_from_slice(head);
            bytes = tail;
        }
        Ok(())
    }
}

struct Writer {
    handle: Arc<Handle>,
    writer: u64,
    value: Value,
}

impl SegmentWriter for Writer {
    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let appended =
            self.handle.check_writable().and_then(|()| self.value.append(&self.handle.shared.account, bytes));
        if appended.is_err() {
            self.value = Value::default();
        }
        appended
    }

    fn finish(&mut self) -> Result<Vec<Extent>> {
        let Value { pieces, length, charge } = std::mem::take(&mut self.value);
        self.handle.check_writable()?;
        let Some(charge) = charge.filter(|_| length > 0) else { return Ok(Vec::new()) };
        let directory = &self.handle.shared.segments;
        let mut state = lock(&directory.state);
        state.next += 1;
        let id = SegmentId(state.next - 1);
        let bulk = Bulk { id, pieces, length, directory: Arc::downgrade(directory), _charge: charge };
        let bulk = Arc::new(bulk);
        state.known.insert(id, Arc::downgrade(&bulk));
        state.unowned.insert(id, Unowned { bulk, writer: self.writer });
        Ok(vec![Extent { segment: id, offset: 0, length }])
    }

    fn abandon(&mut self) {
        self.value = Value::default();
        let freed = lock(&self.handle.shared.segments.state).take_unowned(|writer| writer == self.writer);
        drop(freed);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        lock(&self.handle.shared.segments.state).writers.remove(&self.writer);
    }
}
