//! Walking over a map from any key, in either direction, and changing values on the way.

use bytes::Bytes;
use millpond_core::{Cursor, Direction, Epoch, Error, ErrorKind, Record, Result, View};

use super::{MapRange, OrderedMap, UserKey};
use crate::dict::{owned, spliced};

/// An iterator that seeks: it stands on an entry, or on none.
///
/// A seek shows the map as it is then, and steps from there on show that same state, but for what the seeker
/// itself commits. A seek or a step that finds nothing answers false, and leaves the seeker where it stands.
/// What was written and not committed is forgotten when it moves.
pub struct MapSeeker {
    map: OrderedMap,
    view: Option<Box<dyn View>>,
    here: Option<Here>,
    /// Stands on the entry, too, and goes on from it in a direction of the sort keys.
    cursor: Option<(Direction, Box<dyn Cursor>)>,
    /// What is to be written over the value: where, and what.
    edits: Vec<(u64, Vec<u8>)>,
}

/// An entry.
struct Here {
    sort: Vec<u8>,
    record: Record,
}

impl MapSeeker {
    pub(super) fn new(map: OrderedMap) -> Self {
        Self { map, view: None, here: None, cursor: None, edits: Vec::new() }
    }

    /// Goes to a key.
    pub fn seek(&mut self, key: &[u8]) -> Result<bool> {
        let (sort, view) = (self.named().sort_key(key)?, self.named().view()?);
        let Some(record) = view.get(self.named().key(&sort))? else { return Ok(false) };
        self.settle(view, Here { sort, record }, None);
        Ok(true)
    }

    /// Goes to the last key before `key`.
    pub fn seek_lower(&mut self, key: &[u8]) -> Result<bool> {
        self.seek_in(&MapRange::below(key).reversed())
    }

    /// Goes to `key`, or to the last one before it.
    pub fn seek_lower_eq(&mut self, key: &[u8]) -> Result<bool> {
        self.seek_in(&MapRange::equal_below(key).reversed())
    }

    /// Goes to the first key behind `key`.
    pub fn seek_higher(&mut self, key: &[u8]) -> Result<bool> {
        self.seek_in(&MapRange::above(key))
    }

    /// Goes to `key`, or to the first one behind it.
    pub fn seek_higher_eq(&mut self, key: &[u8]) -> Result<bool> {
        self.seek_in(&MapRange::equal_above(key))
    }

    /// Goes to the first key.
    pub fn to_first(&mut self) -> Result<bool> {
        self.seek_in(&MapRange::all())
    }

    /// Goes to the last key.
    pub fn to_last(&mut self) -> Result<bool> {
        self.seek_in(&MapRange::all().reversed())
    }

    /// Goes to the next key.
    ///
    /// # Errors
    /// `InvalidArgument` when it stands on no entry.
    pub fn to_next(&mut self) -> Result<bool> {
        self.step(Direction::Forward)
    }

    /// Goes to the key before.
    ///
    /// # Errors
    /// As [`MapSeeker::to_next`].
    pub fn to_prev(&mut self) -> Result<bool> {
        self.step(Direction::Backward)
    }

    /// Whether there is a key behind the one that it stands on.
    ///
    /// # Errors
    /// As [`MapSeeker::to_next`].
    pub fn is_next(&self) -> Result<bool> {
        let view = self.view()?;
        let mut cursor = self.scan_from_here(view, Direction::Forward)?;
        cursor.advance()
    }

    /// The key that it stands on.
    pub fn key(&self) -> Option<Vec<u8>> {
        self.here.as_ref().map(|here| self.named().user_key(&here.sort).to_vec())
    }

    /// The value of the entry that it stands on, without what isn't committed.
    ///
    /// # Errors
    /// `InvalidArgument` when it stands on no entry; those of [`Dict::get`](crate::Dict::get).
    pub fn value(&self) -> Result<Bytes> {
        let here = self.here()?;
        let value = self.named().load_in(self.view()?, &here.sort, here.record.clone())?;
        value.ok_or_else(|| self.moved())
    }

    /// Up to `count` bytes of the value from `offset` on, without what isn't committed: fewer where it ends
    /// before.
    ///
    /// # Errors
    /// As [`MapSeeker::value`].
    pub fn read_range(&self, offset: u64, count: u64) -> Result<Bytes> {
        let value = self.value()?;
        let at = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(value.len());
        Ok(value.slice(at(offset)..at(offset.saturating_add(count))))
    }

    /// Writes over bytes of the value from `offset` on, once it is committed.
    ///
    /// # Errors
    /// `InvalidArgument` when it stands on no entry, or when they aren't all in the value; `ReadOnly`.
    pub fn write_range(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.map.container().check_writable()?;
        // That they fit is told now.
        spliced(&self.value()?, offset, bytes)?;
        self.edits.push((offset, bytes.to_vec()));
        Ok(())
    }

    /// Makes what was written the value, atomically.
    ///
    /// # Errors
    /// `Conflict` when the entry was changed since it was found: seek to it again. Then, and after other errors,
    /// what was written is kept.
    pub fn commit(&mut self) -> Result<()> {
        if self.edits.is_empty() {
            return Ok(());
        }
        let mut value = self.value()?.to_vec();
        for (offset, bytes) in &self.edits {
            value = spliced(&value, *offset, bytes)?;
        }
        let (sort, version) = {
            let here = self.here()?;
            (here.sort.clone(), here.record.version)
        };
        let dict = &self.map.dict;
        if dict.put_version(&sort, version, dict.prepare(&value)?)?.is_err() {
            return Err(self.moved());
        }
        let view = self.named().view()?;
        let record = view.get(self.named().key(&sort))?.ok_or_else(|| self.moved())?;
        self.settle(view, Here { sort, record }, None);
        Ok(())
    }

    /// Forgets what was written and not committed.
    pub fn abort(&mut self) {
        self.edits.clear();
    }

    /// The version of the entry that it stands on.
    pub fn version(&self) -> Option<Epoch> {
        self.here.as_ref().map(|here| here.record.version)
    }

    fn named(&self) -> &crate::named::Named {
        &self.map.dict.inner
    }

    fn view(&self) -> Result<&dyn View> {
        self.view.as_deref().ok_or_else(nowhere)
    }

    fn here(&self) -> Result<&Here> {
        self.here.as_ref().ok_or_else(nowhere)
    }

    fn moved(&self) -> Error {
        let key = self.here.as_ref().map(|here| self.named().user_key(&here.sort));
        self.named().contended("commit", key.as_ref().map_or(&[][..], |key: &UserKey<'_>| key))
    }

    /// Goes to the first entry of a range, in its direction.
    fn seek_in(&mut self, range: &MapRange) -> Result<bool> {
        let direction = if range.reverse { Direction::Backward } else { Direction::Forward };
        let direction = self.map.physical(direction);
        let view = self.named().view()?;
        let Some((start, end)) = range.bounds(self.named())? else { return Ok(false) };
        let cursor = self.named().scan(&*view, (&start, &end), direction)?;
        self.settle_first(view, direction, cursor)
    }

    fn step(&mut self, direction: Direction) -> Result<bool> {
        self.here()?;
        let physical = self.map.physical(direction);
        if let Some((there, cursor)) = &mut self.cursor
            && *there == physical
        {
            if !cursor.advance()? {
                self.cursor = None;
                return Ok(false);
            }
            self.here = Some(Here { sort: cursor.key().to_vec(), record: owned(cursor.record()) });
            self.edits.clear();
            return Ok(true);
        }
        let mut cursor = self.scan_from_here(self.view()?, direction)?;
        if !cursor.advance()? {
            return Ok(false);
        }
        self.here = Some(Here { sort: cursor.key().to_vec(), record: owned(cursor.record()) });
        self.cursor = Some((physical, cursor));
        self.edits.clear();
        Ok(true)
    }

    /// What comes behind the entry in a direction of the map's.
    fn scan_from_here(&self, view: &dyn View, direction: Direction) -> Result<Box<dyn Cursor>> {
        let here = self.here()?;
        self.named().scan_behind(view, &here.sort, self.map.physical(direction))
    }

    fn settle_first(
        &mut self,
        view: Box<dyn View>,
        direction: Direction,
        mut cursor: Box<dyn Cursor>,
    ) -> Result<bool> {
        if !cursor.advance()? {
            return Ok(false);
        }
        let here = Here { sort: cursor.key().to_vec(), record: owned(cursor.record()) };
        self.settle(view, here, Some((direction, cursor)));
        Ok(true)
    }

    fn settle(&mut self, view: Box<dyn View>, here: Here, cursor: Option<(Direction, Box<dyn Cursor>)>) {
        self.view = Some(view);
        self.here = Some(here);
        self.cursor = cursor;
        self.edits.clear();
    }
}

fn nowhere() -> Error {
    Error::new(ErrorKind::InvalidArgument, "the iterator stands on no entry: seek to one first")
}
