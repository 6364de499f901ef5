//! What every engine is made of. Who calls it has made sure that the engine supports the call.

use crate::{
    batch::{Cursor, Shape},
    error::{Error, Result},
    range::Range,
    value::Value,
};

/// What keeps the records of an engine. Any number of threads may use it.
pub(crate) trait Backend: Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Value>>;
    fn exists(&self, key: &[u8]) -> Result<bool>;
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()>;
    /// Removes a record; answers whether there was one.
    fn remove(&self, key: &[u8]) -> Result<bool>;

    fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// Makes changes one after the other, all of them or none.
    fn apply(&self, changes: &[Change<'_>]) -> Result<()>;

    /// Writes pieces into a value, in one step; answers whether there was such a record.
    fn write(&self, key: &[u8], pieces: &[Piece]) -> Result<bool>;

    /// Puts `new`, or removes the record, if the value is the expected one; answers whether it was.
    fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool>;

    fn count(&self, range: Range<'_>) -> Result<u64>;
    fn scan(&self, range: Range<'_>, reverse: bool, shape: Shape) -> Result<Box<dyn Cursor>>;
    fn seeker(&self) -> Result<Box<dyn Seeker>>;

    /// Moves records together.
    fn defrag(&self) -> Result<()> {
        Ok(())
    }

    fn close(&self) -> Result<()>;
}

/// Part of a value: where it begins, and what is to be there.
pub(crate) type Piece = (usize, Vec<u8>);

/// A put, or without a value a removal.
pub(crate) type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// Finds records by their places.
pub(crate) trait Seeker: Send {
    fn seek(&mut self, place: Place<'_>) -> Result<Option<(Vec<u8>, Value)>>;

    /// Finds the neighbour of a record that was found.
    fn step(&mut self, from: &[u8], backwards: bool) -> Result<Option<(Vec<u8>, Value)>> {
        self.seek(if backwards { Place::Lower(from) } else { Place::Higher(from) })
    }

    /// Whether a record that was found has a next one.
    fn is_next(&mut self, from: &[u8]) -> Result<bool> {
        Ok(self.seek(Place::Higher(from))?.is_some())
    }
}

/// Which record an iterator goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    At(&'a [u8]),
    Lower(&'a [u8]),
    LowerOrEqual(&'a [u8]),
    Higher(&'a [u8]),
    HigherOrEqual(&'a [u8]),
    First,
    Last,
}

impl<'a> Place<'a> {
    /// The range whose first record it is, and whether that range is walked backwards.
    pub fn range(self) -> (Range<'a>, bool) {
        match self {
            Self::At(key) | Self::HigherOrEqual(key) => (Range::EqualAbove(key), false),
            Self::Higher(key) => (Range::Above(key), false),
            Self::Lower(key) => (Range::Below(key), true),
            Self::LowerOrEqual(key) => (Range::EqualBelow(key), true),
            Self::First => (Range::All, false),
            Self::Last => (Range::All, true),
        }
    }
}

/// What a call answers that no engine of this kind gets.
pub(crate) fn unordered(engine: &str) -> Error {
    Error::not_supported(engine, "order of its records, and so no ranges")
}
