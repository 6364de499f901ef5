//! The engines that keep their records: each is a Millpond pool in the directory `path`.
//!
//! The pool has one container, which is labelled as pmemkv calls the layout of the engine's file, so that an
//! engine doesn't open what another one made. The container has one ordered map, which knows its comparator. All
//! three are made one after the other: whoever is interrupted leaves something that is completed when it is
//! next opened to be created if missing.

mod open;
mod scan;

use millpond::{Container, MapRange, OrderedMap};

pub(crate) use self::open::{open, over};
use self::scan::{MapCursor, MapSeek};
use crate::{
    backend::{Backend, Change, Piece, Seeker},
    batch::{Cursor, Shape},
    error::{Error, Result},
    range::Range,
    status::Status,
    value::Value,
    volatile::check_piece,
};

/// Records in an ordered map.
pub(crate) struct PersistentEngine {
    container: Container,
    map: OrderedMap,
}

impl PersistentEngine {
    /// A range as the map has it.
    fn map_range(range: Range<'_>, reverse: bool) -> MapRange {
        let (start, end) = range.bounds();
        MapRange { start: start.map(<[u8]>::to_vec), end: end.map(<[u8]>::to_vec), reverse }
    }
}

impl Backend for PersistentEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        Ok(self.map.get(key)?.map(Value::from))
    }

    fn exists(&self, key: &[u8]) -> Result<bool> {
        Ok(self.map.contains(key)?)
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.map.put(key, value)?;
        Ok(())
    }

    fn remove(&self, key: &[u8]) -> Result<bool> {
        Ok(self.map.delete(key)?)
    }

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>> {
        Ok(self.map.get_many(keys)?.into_iter().map(|value| value.map(Value::from)).collect())
    }

    fn apply(&self, changes: &[Change<'_>]) -> Result<()> {
        let mut batch = self.map.batch();
        for (key, value) in changes {
            match value {
                Some(value) => batch.put(key, value)?,
                None => batch.delete(key)?,
            };
        }
        batch.commit()?;
        Ok(())
    }

    fn write(&self, key: &[u8], pieces: &[Piece]) -> Result<bool> {
        if let [(offset, piece)] = pieces {
            return Ok(self.map.update_in_place(key, *offset as u64, piece)?);
        }
        loop {
            let Some(old) = self.map.get(key)? else { return Ok(false) };
            let mut new = old.to_vec();
            for (offset, piece) in pieces {
                check_piece(*offset, piece.len(), new.len())?;
                new[*offset..*offset + piece.len()].copy_from_slice(piece);
            }
            // Others may write meanwhile: one of us has written then, so that all of us go on.
            if self.map.compare_and_swap(key, Some(&old), Some(&new))? {
                return Ok(true);
            }
        }
    }

    fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool> {
        Ok(self.map.compare_and_swap(key, expected, new)?)
    }

    fn count(&self, range: Range<'_>) -> Result<u64> {
        Ok(self.map.count(&Self::map_range(range, false))?)
    }

    fn scan(&self, range: Range<'_>, reverse: bool, shape: Shape) -> Result<Box<dyn Cursor>> {
        Ok(Box::new(MapCursor::new(self.map.range(&Self::map_range(range, reverse))?, shape)))
    }

    fn seeker(&self) -> Result<Box<dyn Seeker>> {
        Ok(Box::new(MapSeek::new(self.map.seeker())))
    }

    /// Space is given back where it lies, not by places in an order: a share is all or nothing.
    fn defrag(&self) -> Result<()> {
        self.container.compact().map_err(|error| Error::new(Status::DefragError, error.to_string()))
    }

    fn close(&self) -> Result<()> {
        Ok(self.container.close()?)
    }
}
