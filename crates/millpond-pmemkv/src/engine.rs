//! The one type that programs use: any engine, with every call of pmemkv's C interface and some more.

use std::{
    fmt,
    mem::ManuallyDrop,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    backend::{Backend, Change, Piece, unordered},
    batch::{Records, Shape},
    config::Config,
    error::{Error, Result},
    fork::Maker,
    iterator::EngineIterator,
    open, persistent,
    range::Range,
    status::Status,
    traits::{Steps, Traits},
    transaction::EngineTransaction,
    value::Value,
};

/// An open engine. Clones are the same one; any number of threads may use them at once.
///
/// A call that the engine of this name doesn't have in pmemkv answers `NOT_SUPPORTED`. Those that pmemkv has
/// for no engine ([`Engine::get_many`], [`Engine::put_many`], [`Engine::update`], [`Engine::compare_and_swap`]
/// and [`Engine::records`] backwards) are there for every engine that could have them.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    traits: &'static Traits,
    backend: ManuallyDrop<Box<dyn Backend>>,
    /// Where it lives in the memory of one process.
    maker: Option<Maker>,
    is_closed: AtomicBool,
}

impl Inner {
    /// Whether this process is a child of the one in whose memory it lives.
    fn is_parents(&self) -> bool {
        self.maker.is_some_and(|maker| maker.check(self.traits.name).is_err())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A thread that the child doesn't have may have been amid a change.
        if !self.is_parents() {
            // SAFETY: it isn't used after this, since its owner goes.
            unsafe { ManuallyDrop::drop(&mut self.backend) };
        }
    }
}

impl Engine {
    /// Opens the engine of a name.
    ///
    /// # Errors
    /// `WRONG_ENGINE_NAME`; `INVALID_ARGUMENT` and `CONFIG_TYPE_ERROR` where the configuration isn't as the
    /// engine needs it; `COMPARATOR_MISMATCH`.
    pub fn open(name: &str, config: &Config) -> Result<Self> {
        let traits = Self::named(name)?;
        Ok(Self::new(traits, open::backend(traits, config)?))
    }

    /// A persistent engine in a pool that is open already, for tests that put a machine of their own below.
    #[doc(hidden)]
    pub fn over(name: &str, pool: &millpond::Pool) -> Result<Self> {
        let traits = Self::named(name)?;
        Ok(Self::new(traits, Box::new(persistent::over(traits, pool)?)))
    }

    fn named(name: &str) -> Result<&'static Traits> {
        Traits::of(name).ok_or_else(|| {
            let names: Vec<_> = Traits::all().iter().map(|engine| engine.name).collect();
            let message = format!("there is no engine {name:?}: take one of {}", names.join(", "));
            Error::new(Status::WrongEngineName, message)
        })
    }

    fn new(traits: &'static Traits, backend: Box<dyn Backend>) -> Self {
        let maker = (!traits.persistent).then(Maker::here);
        let backend = ManuallyDrop::new(backend);
        Self { inner: Arc::new(Inner { traits, backend, maker, is_closed: AtomicBool::new(false) }) }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.inner.traits.name
    }

    /// What it is and does.
    pub fn traits(&self) -> &'static Traits {
        self.inner.traits
    }

    /// Closes it. Volatile records are gone, persistent ones durable. Every later call is refused but this one.
    pub fn close(&self) -> Result<()> {
        if self.inner.is_closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        if self.inner.is_parents() {
            // Whoever holds its locks may not be here.
            return Ok(());
        }
        self.inner.backend.close()
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed.load(Ordering::Acquire)
    }

    // ---- one record

    /// The value of a key, without a copy.
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>> {
        self.backend(key, None)?.get(key)
    }

    /// Copies the value of a key into a buffer; answers its length. `None` where there is no such record.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY` where the buffer is too short, as of pmemkv 1.5.
    pub fn get_copy(&self, key: &[u8], buffer: &mut [u8]) -> Result<Option<usize>> {
        let Some(value) = self.get(key)? else { return Ok(None) };
        let length = buffer.len();
        let Some(place) = buffer.get_mut(..value.len()) else {
            let message = format!("a value of {} bytes doesn't fit into a buffer of {length}", value.len());
            return Err(Error::new(Status::OutOfMemory, message));
        };
        place.copy_from_slice(&value);
        Ok(Some(value.len()))
    }

    /// Whether there is a record of a key.
    pub fn exists(&self, key: &[u8]) -> Result<bool> {
        self.backend(key, None)?.exists(key)
    }

    /// Puts a record in place of any that has its key.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY` where the engine's size doesn't allow it; then nothing is changed.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.backend(key, Some(value))?.put(key, value)
    }

    /// Removes a record; answers whether there was one.
    pub fn remove(&self, key: &[u8]) -> Result<bool> {
        self.backend(key, None)?.remove(key)
    }

    /// Writes into a value from `offset` on, in one step; answers whether there was such a record.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` where the value ends before the data does; then nothing is changed.
    pub fn update(&self, key: &[u8], offset: usize, data: &[u8]) -> Result<bool> {
        self.write(key, &[(offset, data.to_vec())])
    }

    /// Puts the value `new`, or removes the record where that is `None`, if its value is the expected one, or
    /// there is no record where that is `None`. Answers whether it was so. One step: of several that swap the
    /// same value, one does.
    pub fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool> {
        self.backend(key, new)?.compare_and_swap(key, expected, new)
    }

    // ---- many records

    /// The values of many keys, in the order of the keys.
    pub fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>> {
        self.expect_open()?;
        for key in keys {
            self.check(key, None)?;
        }
        self.inner.backend.get_many(keys)
    }

    /// Puts many records: all of them, or where that fails none. Of equal keys the last one counts.
    pub fn put_many(&self, records: &[(&[u8], &[u8])]) -> Result<()> {
        let changes: Vec<Change<'_>> = records.iter().map(|(key, value)| (*key, Some(*value))).collect();
        for (key, value) in records {
            self.check(key, Some(value))?;
        }
        self.apply(&changes)
    }

    /// How many records a range has.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` for anything but all of them where the engine has no order.
    pub fn count(&self, range: Range<'_>) -> Result<u64> {
        self.expect_range(range)?;
        self.inner.backend.count(range)
    }

    /// Calls back for each record of a range, in ascending order where the engine has one.
    ///
    /// # Errors
    /// `STOPPED_BY_CB` where the callback breaks off; `NOT_SUPPORTED` as of [`Engine::count`]; `NOT_FOUND` of
    /// blackhole.
    pub fn each(
        &self,
        range: Range<'_>,
        mut callback: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut records = self.records(range, false, Shape::Items)?;
        while let Some((key, value)) = records.next_record()? {
            if callback(key, value.as_ref()).is_break() {
                return Err(Error::new(Status::StoppedByCallback, "the callback stopped the iteration"));
            }
        }
        Ok(())
    }

    /// The records of a range, one after the other; backwards where the engine has an order.
    ///
    /// # Errors
    /// As of [`Engine::each`].
    pub fn records(&self, range: Range<'_>, reverse: bool, shape: Shape) -> Result<Records> {
        self.expect_range(range)?;
        if reverse && !self.traits().sorted {
            return Err(unordered(self.name()));
        }
        Ok(Records::new(self, self.inner.backend.scan(range, reverse, shape)?))
    }

    /// An iterator that reads.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` where the engine has none.
    pub fn iterator(&self) -> Result<EngineIterator> {
        self.new_iterator(false)
    }

    /// An iterator that also writes into values.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` where the engine has none.
    pub fn write_iterator(&self) -> Result<EngineIterator> {
        self.new_iterator(true)
    }

    fn new_iterator(&self, is_writing: bool) -> Result<EngineIterator> {
        self.expect_steps(Steps::Seek)?;
        self.expect_open()?;
        Ok(EngineIterator::new(self.clone(), self.inner.backend.seeker()?, is_writing))
    }

    /// A transaction.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` where the engine has none.
    pub fn transaction(&self) -> Result<EngineTransaction> {
        if !self.traits().transactions {
            return Err(Error::not_supported(self.name(), "transactions"));
        }
        self.expect_open()?;
        Ok(EngineTransaction::new(self.clone()))
    }

    /// Moves records together: `amount` percent of them, beginning with those at `start` percent.
    ///
    /// # Errors
    /// `NOT_SUPPORTED` where the engine doesn't; `INVALID_ARGUMENT` where that is more than there is.
    pub fn defrag(&self, start: f64, amount: f64) -> Result<()> {
        if !self.traits().defrag {
            return Err(Error::not_supported(self.name(), "defragmentation"));
        }
        self.expect_open()?;
        if !(start >= 0.0 && amount >= 0.0 && start + amount <= 100.0) {
            let message = format!(
                "{amount} percent beginning at {start} percent isn't possible: both are 0 or more, and 100 together at most"
            );
            return Err(Error::invalid(message));
        }
        if amount == 0.0 {
            return Ok(());
        }
        self.inner.backend.defrag()
    }

    // ---- what all calls ask

    /// What keeps the records, if this call may be made.
    fn backend(&self, key: &[u8], value: Option<&[u8]>) -> Result<&dyn Backend> {
        self.expect_open()?;
        self.check(key, value)?;
        Ok(&**self.inner.backend)
    }

    pub(crate) fn expect_open(&self) -> Result<()> {
        if self.is_closed() {
            return Err(Error::invalid(format!("the engine {} was stopped: open it again", self.name())));
        }
        self.inner.maker.map_or(Ok(()), |maker| maker.check(self.name()))
    }

    /// Whether a key and a value are of the length that the engine takes.
    pub(crate) fn check(&self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let Some(bytes) = self.traits().fixed_bytes else { return Ok(()) };
        if key.len() == bytes && value.is_none_or(|value| value.len() == bytes) {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "the engine {} takes keys and values of {bytes} bytes: given were {} and {}",
            self.name(),
            key.len(),
            value.map_or("none".to_owned(), |value| value.len().to_string())
        )))
    }

    fn expect_range(&self, range: Range<'_>) -> Result<()> {
        if range != Range::All && !self.traits().ranges {
            return Err(unordered(self.name()));
        }
        self.expect_open()
    }

    pub(crate) fn expect_steps(&self, needed: Steps) -> Result<()> {
        match (self.traits().iterators, needed) {
            (Steps::None, _) => Err(Error::not_supported(self.name(), "iterators")),
            (Steps::Seek, Steps::Forward | Steps::Full) => {
                Err(Error::not_supported(self.name(), "steps of its iterators: they seek a key"))
            }
            (Steps::Forward, Steps::Full) => Err(Error::not_supported(
                self.name(),
                "steps back of its iterators, nor a way to the last record",
            )),
            _ => Ok(()),
        }
    }

    pub(crate) fn apply(&self, changes: &[Change<'_>]) -> Result<()> {
        self.expect_open()?;
        self.inner.backend.apply(changes)
    }

    pub(crate) fn write(&self, key: &[u8], pieces: &[Piece]) -> Result<bool> {
        self.backend(key, None)?.write(key, pieces)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Engine({})", self.name())
    }
}
