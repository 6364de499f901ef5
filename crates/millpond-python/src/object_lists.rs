//! The classes `ObjectIds`, `ObjectKeys` and `ObjectExtents`: what a container's and an object's lists
//! are iterated with.
//!
//! What they list is read in batches with the interpreter released; an anchor tells of what was handed
//! out, not of what was read ahead.

use std::collections::VecDeque;

use millpond::Anchor;
use pyo3::{Borrowed, exceptions::PyTypeError, prelude::*, types::PyString};

use crate::{
    errors::{Failure, Result},
    handle::Owned,
    records::key_to_python,
};

/// Entries that are read at once.
const BATCH: usize = 64;

/// Where a list goes on: the text that an iterator's `anchor` is.
pub struct AnchorArgument(pub Anchor);

impl<'a, 'py> FromPyObject<'a, 'py> for AnchorArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let text = object
            .cast::<PyString>()
            .map_err(|_| PyTypeError::new_err("an anchor is a str, as an iterator's `anchor` is"))?;
        Ok(Self(text.to_str()?.parse().map_err(Failure::from)?))
    }
}

/// A list of the front door that knows where it is.
trait Anchored: Send {
    type Entry: Send;

    fn step(&mut self) -> Option<millpond::Result<Self::Entry>>;

    fn place(&self) -> Anchor;
}

impl Anchored for millpond::ObjectKeys {
    type Entry = millpond::ObjectKey<'static>;

    fn step(&mut self) -> Option<millpond::Result<Self::Entry>> {
        self.next()
    }

    fn place(&self) -> Anchor {
        self.anchor()
    }
}

impl Anchored for millpond::ObjectExtents {
    type Entry = millpond::ObjectExtent;

    fn step(&mut self) -> Option<millpond::Result<Self::Entry>> {
        self.next()
    }

    fn place(&self) -> Anchor {
        self.anchor()
    }
}

/// Entries that were read ahead, each with the anchor behind it.
struct Ahead<I: Anchored> {
    list: I,
    /// What the next call hands out, or raises.
    ready: VecDeque<(millpond::Result<I::Entry>, Anchor)>,
    anchor: Anchor,
    batch: usize,
}

impl<I: Anchored> Ahead<I> {
    fn new(list: I) -> Self {
        Self { anchor: list.place(), list, ready: VecDeque::new(), batch: 1 }
    }

    fn next(&mut self) -> Option<millpond::Result<I::Entry>> {
        if self.ready.is_empty() {
            for _ in 0..self.batch {
                let Some(entry) = self.list.step() else { break };
                let failed = entry.is_err();
                self.ready.push_back((entry, self.list.place()));
                if failed {
                    break;
                }
            }
            self.batch = (2 * self.batch).min(BATCH);
        }
        match self.ready.pop_front() {
            Some((entry, anchor)) => {
                self.anchor = anchor;
                Some(entry)
            }
            None => {
                self.anchor = self.list.place();
                None
            }
        }
    }
}

/// Iterates over an object's dkeys, or over the akeys of one, in the order of their bytes.
#[pyclass(frozen, module = "millpond")]
pub struct ObjectKeys {
    list: Owned<Ahead<millpond::ObjectKeys>>,
}

impl ObjectKeys {
    pub fn new(list: millpond::ObjectKeys) -> Self {
        Self { list: Owned::new("a list of keys", Ahead::new(list)) }
    }
}

#[pymethods]
impl ObjectKeys {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        let key = py.detach(|| self.list.lock()?.next().transpose())?;
        Ok(key.map(|key| key_to_python(py, &key)).transpose()?)
    }

    /// Where a list goes on with what this one hasn't handed out yet: a text that can be stored.
    #[getter]
    fn anchor(&self, py: Python<'_>) -> Result<String> {
        Ok(py.detach(|| Ok::<_, millpond::Error>(self.list.lock()?.anchor.to_string()))?)
    }
}

/// Iterates over the extents of an array, as they show.
#[pyclass(frozen, module = "millpond")]
pub struct ObjectExtents {
    list: Owned<Ahead<millpond::ObjectExtents>>,
}

impl ObjectExtents {
    pub fn new(list: millpond::ObjectExtents) -> Self {
        Self { list: Owned::new("a list of extents", Ahead::new(list)) }
    }
}

#[pymethods]
impl ObjectExtents {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> Result<Option<(u64, u64, u64)>> {
        let extent = py.detach(|| self.list.lock()?.next().transpose())?;
        Ok(extent.map(|extent| (extent.records.start, extent.records.end, extent.epoch.0)))
    }

    /// Where a list goes on with what this one hasn't handed out yet: a text that can be stored.
    #[getter]
    fn anchor(&self, py: Python<'_>) -> Result<String> {
        Ok(py.detach(|| Ok::<_, millpond::Error>(self.list.lock()?.anchor.to_string()))?)
    }
}

/// Iterates over the ids of a container's objects, dictionaries left out.
#[pyclass(frozen, module = "millpond")]
pub struct ObjectIds {
    list: Owned<millpond::Objects>,
}

impl ObjectIds {
    pub fn new(list: millpond::Objects) -> Self {
        Self { list: Owned::new("a list of objects", list) }
    }
}

#[pymethods]
impl ObjectIds {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> Result<Option<String>> {
        let id = py.detach(|| self.list.lock()?.next().transpose())?;
        Ok(id.map(|id| id.to_string()))
    }
}
