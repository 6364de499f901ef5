//! The class `DictIterator`, and the batches that it hands out.
//!
//! Entries are fetched in batches with the interpreter released, so that iterating costs one
//! release for many entries. The first batches are small, for those who only want a few; a batch
//! stops at a number of bytes, so that large values don't pile up.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use millpond::{DictIter, Error, ErrorKind};
use pyo3::{prelude::*, sync::MutexExt, types::PyBytes};

use crate::{errors::Result, handle::Handle};

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

/// Iterates over a dictionary in the order of its keys, as it was when the iteration began.
#[pyclass(frozen, module = "millpond")]
pub struct DictIterator {
    batches: Mutex<Batches>,
    shape: Shape,
}

impl DictIterator {
    pub fn new(iter: DictIter, shape: Shape) -> Self {
        Self { batches: Mutex::new(Batches::new(iter, shape)), shape }
    }
}

#[pymethods]
impl DictIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        let mut batches = self.batches.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        let Some((key, value)) = batches.next(py)? else { return Ok(None) };
        Ok(Some(match self.shape {
            Shape::Keys => PyBytes::new(py, &key).into_any(),
            Shape::Values => PyBytes::new(py, &value).into_any(),
            Shape::Items => (PyBytes::new(py, &key), PyBytes::new(py, &value)).into_pyobject(py)?.into_any(),
        }))
    }
}

/// A front door's iterator, read ahead by batches.
pub struct Batches {
    iter: Handle<Mutex<DictIter>>,
    shape: Shape,
    ready: VecDeque<(Bytes, Bytes)>,
    entries: usize,
    /// Met while reading ahead, and raised once what came before it was handed out.
    error: Option<Error>,
    done: bool,
    process: u32,
}

impl Batches {
    pub fn new(iter: DictIter, shape: Shape) -> Self {
        Self {
            iter: Handle::new(Mutex::new(iter)),
            shape,
            ready: VecDeque::new(),
            entries: BATCH_ENTRIES_MIN,
            error: None,
            done: false,
            process: std::process::id(),
        }
    }

    /// The next entry; its value is empty when only keys are wanted.
    pub fn next(&mut self, py: Python<'_>) -> Result<Option<(Bytes, Bytes)>> {
        if self.ready.is_empty() && self.error.is_none() && !self.done {
            py.detach(|| self.read_ahead());
        }
        match (self.ready.pop_front(), self.error.take()) {
            (Some(entry), error) => {
                self.error = error;
                Ok(Some(entry))
            }
            (None, Some(error)) => Err(error.into()),
            (None, None) => Ok(None),
        }
    }

    fn read_ahead(&mut self) {
        if self.process != std::process::id() {
            self.error = Some(Error::new(
                ErrorKind::Forked,
                "an iterator was carried across a fork; begin a new one in the child",
            ));
            return;
        }
        let mut iter = self.iter.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = 0;
        while self.ready.len() < self.entries && bytes < BATCH_BYTES {
            match next_entry(&mut iter, self.shape) {
                Ok(Some((key, value))) => {
                    bytes += key.len() + value.len();
                    self.ready.push_back((key, value));
                }
                Ok(None) => {
                    self.done = true;
                    break;
                }
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
            }
        }
        self.entries = (2 * self.entries).min(BATCH_ENTRIES_MAX);
    }
}

fn next_entry(iter: &mut DictIter, shape: Shape) -> millpond::Result<Option<(Bytes, Bytes)>> {
    let Some(entry) = iter.next_entry()? else { return Ok(None) };
    let key = Bytes::copy_from_slice(entry.key());
    let value = if shape == Shape::Keys { Bytes::new() } else { entry.value()? };
    Ok(Some((key, value)))
}
