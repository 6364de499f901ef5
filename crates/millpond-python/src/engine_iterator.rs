//! The class `NativeEngineIterator`: a position among the records of an engine.

use millpond_pmemkv::EngineIterator;
use pyo3::{prelude::*, types::PyBytes};

use crate::{
    arguments::{Data, Key},
    errors::Result,
    handle::Owned,
    value::to_python,
};

/// An iterator as pmemkv has them: it seeks, steps, reads and writes.
#[pyclass(frozen, module = "millpond")]
pub struct NativeEngineIterator {
    iterator: Owned<EngineIterator>,
}

impl NativeEngineIterator {
    pub fn new(iterator: EngineIterator) -> Self {
        Self { iterator: Owned::new("an iterator of an engine", iterator) }
    }

    fn call<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&mut EngineIterator) -> millpond_pmemkv::Result<T> + Send,
    ) -> Result<T> {
        py.detach(|| Ok(call(&mut *self.iterator.lock()?)?))
    }
}

#[pymethods]
impl NativeEngineIterator {
    /// Goes to a key; answers whether it is there.
    #[pyo3(signature = (key, /))]
    fn seek(&self, py: Python<'_>, key: Key<'_>) -> Result<bool> {
        self.call(py, |iterator| iterator.seek(key.as_ref()))
    }

    /// Goes to the greatest smaller key.
    #[pyo3(signature = (key, /))]
    fn seek_lower(&self, py: Python<'_>, key: Key<'_>) -> Result<bool> {
        self.call(py, |iterator| iterator.seek_lower(key.as_ref()))
    }

    /// Goes to a key or the greatest smaller one.
    #[pyo3(signature = (key, /))]
    fn seek_lower_eq(&self, py: Python<'_>, key: Key<'_>) -> Result<bool> {
        self.call(py, |iterator| iterator.seek_lower_eq(key.as_ref()))
    }

    /// Goes to the smallest greater key.
    #[pyo3(signature = (key, /))]
    fn seek_higher(&self, py: Python<'_>, key: Key<'_>) -> Result<bool> {
        self.call(py, |iterator| iterator.seek_higher(key.as_ref()))
    }

    /// Goes to a key or the smallest greater one.
    #[pyo3(signature = (key, /))]
    fn seek_higher_eq(&self, py: Python<'_>, key: Key<'_>) -> Result<bool> {
        self.call(py, |iterator| iterator.seek_higher_eq(key.as_ref()))
    }

    /// Goes to the first record.
    fn to_first(&self, py: Python<'_>) -> Result<bool> {
        self.call(py, EngineIterator::to_first)
    }

    /// Goes to the last record.
    fn to_last(&self, py: Python<'_>) -> Result<bool> {
        self.call(py, EngineIterator::to_last)
    }

    /// Whether there is a next record.
    fn is_next(&self, py: Python<'_>) -> Result<bool> {
        self.call(py, EngineIterator::is_next)
    }

    /// Goes to the next record.
    fn next(&self, py: Python<'_>) -> Result<bool> {
        self.call(py, EngineIterator::step_next)
    }

    /// Goes to the previous record.
    fn prev(&self, py: Python<'_>) -> Result<bool> {
        self.call(py, EngineIterator::step_prev)
    }

    /// The key of the record.
    fn key<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>> {
        let key = self.call(py, |iterator| iterator.key().map(<[u8]>::to_vec))?;
        Ok(PyBytes::new(py, &key))
    }

    /// Part of the value of the record.
    #[pyo3(signature = (begin=0, count=usize::MAX, /), text_signature = "($self, begin=0, count=..., /)")]
    fn read_range<'py>(&self, py: Python<'py>, begin: usize, count: usize) -> Result<Bound<'py, PyBytes>> {
        let (value, length) = self.call(py, |iterator| {
            let length = iterator.read_range(begin, count)?.len();
            Ok((iterator.value()?.clone(), length))
        })?;
        Ok(to_python(py, &value[begin..begin + length])?)
    }

    /// Writes into the value of the record, for the next commit.
    #[pyo3(signature = (begin, data, /))]
    fn write_range(&self, py: Python<'_>, begin: usize, data: Data<'_>) -> Result<()> {
        self.call(py, |iterator| iterator.write_range(begin, data.as_ref()))
    }

    /// Makes what was written the record's.
    fn commit(&self, py: Python<'_>) -> Result<()> {
        self.call(py, EngineIterator::commit)
    }

    /// Lets go of what was written.
    fn abort(&self, py: Python<'_>) -> Result<()> {
        self.call(py, |iterator| {
            iterator.abort();
            Ok(())
        })
    }
}
