//! blackhole: takes everything, has nothing. For measuring what is around an engine.
//!
//! pmemkv's answers 0 where it counts, and `NOT_FOUND` where others call back for each record.

use crate::{
    backend::{Backend, Change, Piece, Seeker},
    batch::{Cursor, Shape},
    error::{Error, Result},
    range::Range,
    status::Status,
    value::Value,
};

pub struct Blackhole;

impl Backend for Blackhole {
    fn get(&self, _key: &[u8]) -> Result<Option<Value>> {
        Ok(None)
    }

    fn exists(&self, _key: &[u8]) -> Result<bool> {
        Ok(false)
    }

    fn put(&self, _key: &[u8], _value: &[u8]) -> Result<()> {
        Ok(())
    }

    /// There was one, as it seems: pmemkv's answers `OK`.
    fn remove(&self, _key: &[u8]) -> Result<bool> {
        Ok(true)
    }

    fn apply(&self, _changes: &[Change<'_>]) -> Result<()> {
        Ok(())
    }

    fn write(&self, _key: &[u8], _pieces: &[Piece]) -> Result<bool> {
        Ok(false)
    }

    fn compare_and_swap(&self, _key: &[u8], expected: Option<&[u8]>, _new: Option<&[u8]>) -> Result<bool> {
        Ok(expected.is_none())
    }

    fn count(&self, _range: Range<'_>) -> Result<u64> {
        Ok(0)
    }

    fn scan(&self, _range: Range<'_>, _reverse: bool, _shape: Shape) -> Result<Box<dyn Cursor>> {
        Err(Error::new(Status::NotFound, "the engine blackhole has no record to show"))
    }

    fn seeker(&self) -> Result<Box<dyn Seeker>> {
        Err(Error::not_supported("blackhole", "iterators"))
    }

    fn close(&self) -> Result<()> {
        Ok(())
    }
}
