//! The class `MapSeeker`: an iterator over an ordered map that seeks, steps both ways and writes.

use millpond::Result as StoreResult;
use pyo3::{prelude::*, types::PyBytes};

use crate::{
    arguments::{Key, KeyType, Value},
    errors::Result,
    handle::Owned,
    value::to_python,
};

/// Walks over an ordered map from any key, in either direction, and changes values on the way.
#[pyclass(frozen, module = "millpond")]
pub struct MapSeeker {
    inner: Owned<millpond::MapSeeker>,
    keys: KeyType,
}

impl MapSeeker {
    pub fn new(inner: millpond::MapSeeker, keys: KeyType) -> Self {
        Self { inner: Owned::new("an iterator", inner), keys }
    }

    fn with<T: Send>(
        &self,
        py: Python<'_>,
        act: impl FnOnce(&mut millpond::MapSeeker) -> StoreResult<T> + Send,
    ) -> Result<T> {
        Ok(py.detach(|| act(&mut *self.inner.lock()?))?)
    }

    fn seek_by(
        &self,
        key: &Bound<'_, PyAny>,
        seek: fn(&mut millpond::MapSeeker, &[u8]) -> StoreResult<bool>,
    ) -> Result<bool> {
        let bytes: Key<'_> = self.keys.extract(key)?;
        self.with(key.py(), |seeker| seek(seeker, bytes.as_ref()))
    }
}

#[pymethods]
impl MapSeeker {
    /// Goes to a key.
    #[pyo3(signature = (key, /))]
    fn seek(&self, key: &Bound<'_, PyAny>) -> Result<bool> {
        self.seek_by(key, millpond::MapSeeker::seek)
    }

    /// Goes to the last key before a key.
    #[pyo3(signature = (key, /))]
    fn seek_lower(&self, key: &Bound<'_, PyAny>) -> Result<bool> {
        self.seek_by(key, millpond::MapSeeker::seek_lower)
    }

    /// Goes to a key, or to the last one before it.
    #[pyo3(signature = (key, /))]
    fn seek_lower_eq(&self, key: &Bound<'_, PyAny>) -> Result<bool> {
        self.seek_by(key, millpond::MapSeeker::seek_lower_eq)
    }

    /// Goes to the first key behind a key.
    #[pyo3(signature = (key, /))]
    fn seek_higher(&self, key: &Bound<'_, PyAny>) -> Result<bool> {
        self.seek_by(key, millpond::MapSeeker::seek_higher)
    }

    /// Goes to a key, or to the first one behind it.
    #[pyo3(signature = (key, /))]
    fn seek_higher_eq(&self, key: &Bound<'_, PyAny>) -> Result<bool> {
        self.seek_by(key, millpond::MapSeeker::seek_higher_eq)
    }

    /// Goes to the first key.
    fn to_first(&self, py: Python<'_>) -> Result<bool> {
        self.with(py, millpond::MapSeeker::to_first)
    }

    /// Goes to the last key.
    fn to_last(&self, py: Python<'_>) -> Result<bool> {
        self.with(py, millpond::MapSeeker::to_last)
    }

    /// Goes to the next key.
    fn to_next(&self, py: Python<'_>) -> Result<bool> {
        self.with(py, millpond::MapSeeker::to_next)
    }

    /// Goes to the key before.
    fn to_prev(&self, py: Python<'_>) -> Result<bool> {
        self.with(py, millpond::MapSeeker::to_prev)
    }

    /// The key that it stands on; None if it stands on none.
    #[getter]
    fn key<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        let key = self.with(py, |seeker| Ok(seeker.key()))?;
        Ok(key.map(|key| self.keys.to_python(py, &key)).transpose()?)
    }

    /// The value that it stands on, without what isn't committed.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>> {
        Ok(to_python(py, &self.with(py, |seeker| seeker.value())?)?)
    }

    /// Bytes of the value.
    #[pyo3(signature = (offset, count, /))]
    fn read_range<'py>(&self, py: Python<'py>, offset: u64, count: u64) -> Result<Bound<'py, PyBytes>> {
        Ok(to_python(py, &self.with(py, |seeker| seeker.read_range(offset, count))?)?)
    }

    /// Writes over bytes of the value, once it is committed.
    #[pyo3(signature = (offset, data, /))]
    fn write_range(&self, py: Python<'_>, offset: u64, data: Value<'_>) -> Result<()> {
        self.with(py, |seeker| seeker.write_range(offset, data.as_ref()))
    }

    /// Makes what was written the value.
    fn commit(&self, py: Python<'_>) -> Result<()> {
        self.with(py, millpond::MapSeeker::commit)
    }

    /// Forgets what was written and not committed.
    fn abort(&self, py: Python<'_>) -> Result<()> {
        self.with(py, |seeker| {
            seeker.abort();
            Ok(())
        })
    }
}
