//! The class `DictIterator`, and the batches that it hands out.
//!
//! Entries are fetched in batches with the interpreter released, so that iterating costs one
//! release for many entries. The first batches are small, for those who only want a few; a batch
//! stops at a number of bytes, so that large values don't pile up. Its keys and short values lie in one
//! piece of memory, so that an entry costs no allocation but those of Python.

use std::{
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
};

use bytes::Bytes;
use millpond::{DictIter, Error};
use pyo3::{prelude::*, sync::MutexExt};

use crate::{
    arguments::KeyType,
    errors::Result,
    handle::{Maker, Owned},
    value::to_python,
};

/// Entries in the first batch; each further one has twice as many.
const BATCH_ENTRIES_MIN: usize = 16;
/// Entries in a batch at most.
const BATCH_ENTRIES_MAX: usize = 1024;
/// Bytes after which a batch is complete.
const BATCH_BYTES: usize = 1 << 20;

/// What an iterator yields.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Keys,
    Values,
    Items,
}

/// Iterates over a dictionary or a map in the order of its keys, as it was when the iteration began.
#[pyclass(frozen, module = "millpond")]
pub struct DictIterator {
    batches: Mutex<Batches>,
    shape: Shape,
    keys: KeyType,
    maker: Maker,
}

impl DictIterator {
    pub fn new(iter: DictIter, shape: Shape, keys: KeyType) -> Self {
        let batches = Mutex::new(Batches::new(iter, shape));
        Self { batches, shape, keys, maker: Maker::of(WHAT) }
    }

    fn lock(&self, py: Python<'_>) -> Result<MutexGuard<'_, Batches>> {
        match self.batches.try_lock() {
            Ok(batches) => Ok(batches),
            Err(TryLockError::Poisoned(error)) => Ok(error.into_inner()),
            Err(TryLockError::WouldBlock) => {
                // In a forked child, whoever holds it may not exist.
                self.maker.check()?;
                Ok(self.batches.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner))
            }
        }
    }
}

#[pymethods]
impl DictIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        let mut batches = self.lock(py)?;
        let Some((key, value)) = batches.next(py)? else { return Ok(None) };
        Ok(Some(match self.shape {
            Shape::Keys => self.keys.to_python(py, key)?,
            Shape::Values => to_python(py, value)?.into_any(),
            Shape::Items => {
                (self.keys.to_python(py, key)?, to_python(py, value)?).into_pyobject(py)?.into_any()
            }
        }))
    }
}

const WHAT: &str = "an iterator";

/// A front door's iterator, read ahead by batches.
pub struct Batches {
    iter: Owned<DictIter>,
    shape: Shape,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Entries of the batch that were handed out.
    taken: usize,
    entries_max: usize,
    /// Met while reading ahead, and raised once what came before it was handed out.
    error: Option<Error>,
    done: bool,
}

/// An entry of a batch, within its bytes.
struct Entry {
    key: Range<usize>,
    value: Value,
}

enum Value {
    Short(Range<usize>),
    Long(Bytes),
}

impl Batches {
    pub fn new(iter: DictIter, shape: Shape) -> Self {
        Self {
            iter: Owned::new(WHAT, iter),
            shape,
            bytes: Vec::new(),
            entries: Vec::new(),
            taken: 0,
            entries_max: BATCH_ENTRIES_MIN,
            error: None,
            done: false,
        }
    }

    /// The next entry; its value is empty when only keys are wanted, and its key when only values are.
    pub fn next(&mut self, py: Python<'_>) -> Result<Option<(&[u8], &[u8])>> {
        if self.taken == self.entries.len() && self.error.is_none() && !self.done {
            py.detach(|| self.read_ahead());
        }
        let Some(entry) = self.entries.get(self.taken) else {
            return self.error.take().map_or(Ok(None), |error| Err(error.into()));
        };
        self.taken += 1;
        let value = match &entry.value {
            Value::Short(range) => &self.bytes[range.clone()],
            Value::Long(bytes) => bytes,
        };
        Ok(Some((&self.bytes[entry.key.clone()], value)))
    }

    fn read_ahead(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.taken = 0;
        if let Err(error) = self.read_batch() {
            self.error = Some(error);
        }
        self.entries_max = (2 * self.entries_max).min(BATCH_ENTRIES_MAX);
    }

    fn read_batch(&mut self) -> millpond::Result<()> {
        let Self { iter, shape, bytes, entries, entries_max, done, .. } = self;
        let mut iter = iter.lock()?;
        let mut push = |slice: &[u8]| {
            bytes.extend_from_slice(slice);
            bytes.len() - slice.len()..bytes.len()
        };
        let mut total = 0;
        while entries.len() < *entries_max && total < BATCH_BYTES {
            let Some(entry) = iter.next_entry()? else {
                *done = true;
                break;
            };
            let key = if *shape == Shape::Values { 0..0 } else { push(entry.key()) };
            total += key.len();
            let value = match *shape {
                Shape::Keys => Value::Short(0..0),
                Shape::Values | Shape::Items => match entry.short_value()? {
                    Some(value) => {
                        total += value.len();
                        Value::Short(push(value))
                    }
                    None => {
                        let value = entry.value()?;
                        total += value.len();
                        Value::Long(value)
                    }
                },
            };
            entries.push(Entry { key, value });
        }
        Ok(())
    }
}
