//! The classes `NativeWatch`, `NativeCommit` and `Change`: what `millpond.Watch` is made of.
//!
//! A wait takes a moment at most here, and Python asks again: between two waits the interpreter handles
//! signals, so that Ctrl-C works, and whoever was cancelled gives up.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use millpond::{ChangeSet, Epoch};
use pyo3::{prelude::*, types::PyBytes};

use crate::{
    arguments::number_to_python,
    errors::Result,
    handle::{Handle, Owned},
    records::key_to_python,
    value::to_python,
};

const WHAT: &str = "a watch";

/// A watch of the front door, until it is closed.
#[pyclass(frozen, module = "millpond._millpond")]
pub struct NativeWatch {
    watch: Owned<Option<millpond::Watch>>,
    epoch: AtomicU64,
}

impl NativeWatch {
    pub fn new(watch: millpond::Watch) -> Self {
        let epoch = AtomicU64::new(watch.epoch().0);
        Self { watch: Owned::new(WHAT, Some(watch)), epoch }
    }
}

fn closed() -> millpond::Error {
    millpond::Error::new(millpond::ErrorKind::Closed, "the watch was closed; begin another one")
}

#[pymethods]
impl NativeWatch {
    /// The next commit, for which it waits so many seconds; None where none came.
    #[pyo3(signature = (seconds, /))]
    fn next(&self, py: Python<'_>, seconds: f64) -> Result<Option<NativeCommit>> {
        let timeout = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
        py.detach(|| {
            let mut watch = self.watch.lock()?;
            let watch = watch.as_mut().ok_or_else(closed)?;
            let set = watch.next_within(timeout)?;
            self.epoch.store(watch.epoch().0, Ordering::Relaxed);
            Ok(set.map(|set| NativeCommit { epoch: set.epoch().0, set: Owned::new("a commit", set) }))
        })
    }

    /// The epoch up to which everything was delivered, or was nothing to tell of.
    #[getter]
    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Has the cursor know that all is done with up to an epoch.
    #[pyo3(signature = (epoch, /))]
    fn acknowledge(&self, py: Python<'_>, epoch: u64) -> Result<()> {
        py.detach(|| {
            let mut watch = self.watch.lock()?;
            Ok(watch.as_mut().ok_or_else(closed)?.acknowledge(Epoch(epoch))?)
        })
    }

    /// Ends it.
    fn close(&self, py: Python<'_>) -> Result<()> {
        py.detach(|| {
            let watch = self.watch.lock()?.take();
            drop(watch);
            Ok(())
        })
    }
}

/// A commit, whose changes are taken one by one.
#[pyclass(frozen, module = "millpond._millpond")]
pub struct NativeCommit {
    /// The epoch of the commit.
    #[pyo3(get)]
    epoch: u64,
    set: Owned<ChangeSet>,
}

#[pymethods]
impl NativeCommit {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> Result<Option<Change>> {
        let change = py.detach(|| self.set.lock().and_then(|mut set| set.next().transpose()))?;
        Ok(change.map(|change| Change { inner: Handle::new(change) }))
    }
}

/// What a commit did to a key, or to a dictionary as a whole.
#[pyclass(frozen, module = "millpond")]
pub struct Change {
    inner: Handle<millpond::Change>,
}

#[pymethods]
impl Change {
    /// What happened; ``create`` and ``destroy`` concern the dictionary as a whole.
    #[getter]
    fn kind(&self) -> &'static str {
        self.inner.kind().as_str()
    }

    /// The name of the dictionary; None where it was destroyed before it could be looked up.
    #[getter]
    fn dict(&self) -> Option<&str> {
        self.inner.dict()
    }

    /// The name of the store of blobs, whose keys are the hashes.
    #[getter]
    fn blobs(&self) -> Option<&str> {
        self.inner.blobs()
    }

    /// The name of the ordered map.
    #[getter]
    fn map(&self) -> Option<&str> {
        self.inner.map()
    }

    /// The id of the object, which no other one ever has, also not one of the same name.
    #[getter]
    fn object(&self) -> String {
        self.inner.object()
    }

    /// The key; None for the dictionary as a whole.
    #[getter]
    fn key<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        Ok(match self.inner.number() {
            Some(number) => Some(number_to_python(py, &number)?),
            None => self.inner.key().map(|key| PyBytes::new(py, key).into_any()),
        })
    }

    /// The dkey of an object that was changed.
    #[getter]
    fn dkey<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.dkey().map(|key| key_to_python(py, key)).transpose()
    }

    /// The akey of an object that was changed.
    #[getter]
    fn akey<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.inner.akey().map(|key| key_to_python(py, key)).transpose()
    }

    /// Of an array, the first record that was written or punched, and the one behind the last.
    #[getter]
    fn records(&self) -> Option<(u64, u64)> {
        self.inner.records().map(|records| (records.start, records.end))
    }

    /// The value that was put, as the commit put it. A long one is read now.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyBytes>>> {
        match py.detach(|| self.inner.value())? {
            Some(value) => Ok(Some(to_python(py, &value)?)),
            None => Ok(None),
        }
    }

    /// Bytes in the value that was put, without reading it.
    #[getter]
    fn length(&self) -> Result<Option<u64>> {
        Ok(self.inner.value_length()?)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let dict = match self.inner.dict() {
            Some(dict) => format!(" in {dict:?}"),
            None => String::new(),
        };
        let key = match self.key(py)? {
            Some(key) => format!(" {}", key.repr()?),
            None => String::new(),
        };
        Ok(format!("<millpond.Change {}{key}{dict}>", self.kind()))
    }
}
