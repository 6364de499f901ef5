//! Scans and iterators of a persistent engine.

use millpond::{MapIter, MapSeeker};

use crate::{
    backend::{Place, Seeker},
    batch::{Batch, Cursor, Shape},
    error::Result,
    value::Value,
};

/// The entries of a range, of one state.
pub struct MapCursor {
    entries: MapIter,
    shape: Shape,
}

impl MapCursor {
    pub fn new(entries: MapIter, shape: Shape) -> Self {
        Self { entries, shape }
    }
}

impl Cursor for MapCursor {
    fn fill(&mut self, batch: &mut Batch) -> Result<bool> {
        while !batch.is_full() {
            let Some(entry) = self.entries.next_entry()? else { return Ok(false) };
            match self.shape {
                Shape::Keys => batch.push(entry.key(), b""),
                Shape::Items => match entry.short_value()? {
                    Some(value) => batch.push(entry.key(), value),
                    None => batch.push_shared(entry.key(), entry.value()?.into()),
                },
            }
        }
        Ok(true)
    }
}

/// Finds entries. A step from where it stands shows the state of the seek before.
pub struct MapSeek {
    seeker: MapSeeker,
}

impl MapSeek {
    pub fn new(seeker: MapSeeker) -> Self {
        Self { seeker }
    }

    fn found(&self, is_found: bool) -> Result<Option<(Vec<u8>, Value)>> {
        match self.seeker.key().filter(|_| is_found) {
            Some(key) => Ok(Some((key, self.seeker.value()?.into()))),
            None => Ok(None),
        }
    }

    fn stands_on(&self, key: &[u8]) -> bool {
        self.seeker.key().is_some_and(|here| here == key)
    }
}

impl Seeker for MapSeek {
    fn seek(&mut self, place: Place<'_>) -> Result<Option<(Vec<u8>, Value)>> {
        let is_found = match place {
            Place::At(key) => self.seeker.seek(key),
            Place::Lower(key) => self.seeker.seek_lower(key),
            Place::LowerOrEqual(key) => self.seeker.seek_lower_eq(key),
            Place::Higher(key) => self.seeker.seek_higher(key),
            Place::HigherOrEqual(key) => self.seeker.seek_higher_eq(key),
            Place::First => self.seeker.to_first(),
            Place::Last => self.seeker.to_last(),
        }?;
        self.found(is_found)
    }

    fn step(&mut self, from: &[u8], backwards: bool) -> Result<Option<(Vec<u8>, Value)>> {
        if !self.stands_on(from) {
            return self.seek(if backwards { Place::Lower(from) } else { Place::Higher(from) });
        }
        let is_found = if backwards { self.seeker.to_prev()? } else { self.seeker.to_next()? };
        self.found(is_found)
    }

    fn is_next(&mut self, from: &[u8]) -> Result<bool> {
        if self.stands_on(from) {
            return Ok(self.seeker.is_next()?);
        }
        Ok(self.seek(Place::Higher(from))?.is_some())
    }
}
