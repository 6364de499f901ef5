//! Iterators as pmemkv has them: a position that is moved, and writes into the value there.

use crate::{
    backend::{Piece, Place, Seeker},
    engine::Engine,
    error::{Error, Result},
    traits::Steps,
    value::Value,
};

/// A position among the records of an engine.
///
/// What it shows is the record as it was when it went there. It holds no lock: others may change the record,
/// or remove it, and the next step goes on from its key. Each move lets go of what was written and not
/// committed. Where a move answers `false`, the iterator is nowhere, and has to seek again.
pub struct EngineIterator {
    engine: Engine,
    seeker: Box<dyn Seeker>,
    is_writing: bool,
    at: Option<(Vec<u8>, Value)>,
    pieces: Vec<Piece>,
}

impl EngineIterator {
    pub(crate) fn new(engine: Engine, seeker: Box<dyn Seeker>, is_writing: bool) -> Self {
        Self { engine, seeker, is_writing, at: None, pieces: Vec::new() }
    }

    /// Goes to the record of a key; answers whether there is one, as all moves do.
    pub fn seek(&mut self, key: &[u8]) -> Result<bool> {
        self.go(Place::At(key), Steps::Seek)
    }

    /// Goes to the greatest smaller key.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` where the engine's iterators only seek, as for the next four.
    pub fn seek_lower(&mut self, key: &[u8]) -> Result<bool> {
        self.go(Place::Lower(key), Steps::Forward)
    }

    /// Goes to the key, or to the greatest smaller one.
    pub fn seek_lower_eq(&mut self, key: &[u8]) -> Result<bool> {
        self.go(Place::LowerOrEqual(key), Steps::Forward)
    }

    /// Goes to the smallest greater key.
    pub fn seek_higher(&mut self, key: &[u8]) -> Result<bool> {
        self.go(Place::Higher(key), Steps::Forward)
    }

    /// Goes to the key, or to the smallest greater one.
    pub fn seek_higher_eq(&mut self, key: &[u8]) -> Result<bool> {
        self.go(Place::HigherOrEqual(key), Steps::Forward)
    }

    /// Goes to the first record.
    pub fn to_first(&mut self) -> Result<bool> {
        self.go(Place::First, Steps::Forward)
    }

    /// Goes to the last record.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` where the engine's iterators don't step back.
    pub fn to_last(&mut self) -> Result<bool> {
        self.go(Place::Last, Steps::Full)
    }

    /// Whether there is a next record; the iterator stays where it is.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` where the engine's iterators only seek.
    pub fn is_next(&mut self) -> Result<bool> {
        self.engine.expect_steps(Steps::Forward)?;
        match &self.at {
            Some((key, _)) => self.seeker.is_next(key),
            None => Ok(false),
        }
    }

    /// Goes to the next record.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` where the engine's iterators only seek.
    pub fn step_next(&mut self) -> Result<bool> {
        self.step(Steps::Forward, false)
    }

    /// Goes to the previous record.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` where the engine's iterators don't step back.
    pub fn step_prev(&mut self) -> Result<bool> {
        self.step(Steps::Full, true)
    }

    /// The key of the record.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` where the iterator is nowhere, as for all that follow.
    pub fn key(&self) -> Result<&[u8]> {
        self.record().map(|(key, _)| key.as_slice())
    }

    /// The value of the record, shared.
    pub fn value(&self) -> Result<&Value> {
        self.record().map(|(_, value)| value)
    }

    /// `count` bytes of the value from `begin` on, or as many as there are.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` where the value ends before `begin`.
    pub fn read_range(&self, begin: usize, count: usize) -> Result<&[u8]> {
        let (_, value) = self.record()?;
        let rest = value
            .get(begin..)
            .ok_or_else(|| Error::invalid(format!("a value of {} bytes has no byte {begin}", value.len())))?;
        Ok(&rest[..count.min(rest.len())])
    }

    /// Writes into the value, from `begin` on. Nobody sees it before [`EngineIterator::commit`].
    ///
    /// # Errors
    /// `NOT_SUPPORTED` of an iterator that only reads; `INVALID_ARGUMENT` where the value ends before the data
    /// does.
    pub fn write_range(&mut self, begin: usize, data: &[u8]) -> Result<()> {
        self.expect_writing()?;
        let length = self.record()?.1.len();
        crate::volatile::check_piece(begin, data.len(), length)?;
        self.pieces.push((begin, data.to_vec()));
        Ok(())
    }

    /// Makes what was written the record's, in one step. The iterator shows it then.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` of an iterator that only reads; `NOT_FOUND` where others have removed the record,
    /// and `INVALID_ARGUMENT` where they have put a value that is too short: then nothing is changed.
    pub fn commit(&mut self) -> Result<()> {
        self.expect_writing()?;
        let key = self.record()?.0.clone();
        let pieces = std::mem::take(&mut self.pieces);
        if pieces.is_empty() {
            return Ok(());
        }
        if !self.engine.write(&key, &pieces)? {
            self.at = None;
            let message =
                format!("the record {} was removed by another thread or process", key.escape_ascii());
            return Err(Error::new(crate::status::Status::NotFound, message));
        }
        self.at = self.seeker.seek(Place::At(&key))?;
        Ok(())
    }

    /// Lets go of what was written and not committed.
    pub fn abort(&mut self) {
        self.pieces.clear();
    }

    fn go(&mut self, place: Place<'_>, needed: Steps) -> Result<bool> {
        self.leave(needed)?;
        self.at = self.seeker.seek(place)?;
        Ok(self.at.is_some())
    }

    fn step(&mut self, needed: Steps, backwards: bool) -> Result<bool> {
        let Some((key, _)) = self.leave(needed)? else { return Ok(false) };
        self.at = self.seeker.step(&key, backwards)?;
        Ok(self.at.is_some())
    }

    /// Leaves the record, if the engine's iterators do what is asked.
    fn leave(&mut self, needed: Steps) -> Result<Option<(Vec<u8>, Value)>> {
        self.engine.expect_steps(needed)?;
        self.engine.expect_open()?;
        self.pieces.clear();
        Ok(self.at.take())
    }

    fn record(&self) -> Result<&(Vec<u8>, Value)> {
        self.at.as_ref().ok_or_else(|| Error::invalid("the iterator is at no record: seek one first"))
    }

    fn expect_writing(&self) -> Result<()> {
        if self.is_writing {
            return Ok(());
        }
        Err(Error::not_supported(
            self.engine.name(),
            "writes by an iterator that reads: open one that writes",
        ))
    }
}

impl std::fmt::Debug for EngineIterator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineIterator").field("engine", &self.engine).finish_non_exhaustive()
    }
}
