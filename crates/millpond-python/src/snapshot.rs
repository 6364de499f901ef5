//! The classes `Difference` and `DiffIterator`.

use millpond::{DifferenceKind, DifferentKey, DifferentObject, Moment};
use pyo3::{prelude::*, types::PyBytes};

use crate::{arguments::number_to_python, errors::Result, handle::Owned, records::key_to_python};

/// A state of a container: a snapshot's name, or the number of an epoch.
#[derive(FromPyObject)]
pub enum MomentArgument {
    Epoch(u64),
    Name(String),
}

impl MomentArgument {
    pub fn moment(&self) -> Moment<'_> {
        match self {
            Self::Epoch(epoch) => Moment::Epoch(millpond::Epoch(*epoch)),
            Self::Name(name) => Moment::Snapshot(name),
        }
    }
}

/// A key that differs between two states of a container.
#[pyclass(frozen, module = "millpond")]
pub struct Difference {
    inner: millpond::Difference,
}

#[pymethods]
impl Difference {
    /// What became of it: ``"added"``, ``"changed"`` or ``"removed"``.
    #[getter]
    fn change(&self) -> &'static str {
        match self.inner.change {
            DifferenceKind::Added => "added",
            DifferenceKind::Changed => "changed",
            DifferenceKind::Removed => "removed",
        }
    }

    /// The name of the dictionary, if it is one's.
    #[getter]
    fn dict(&self) -> Option<&str> {
        match &self.inner.object {
            DifferentObject::Dict(name) => Some(name),
            _ => None,
        }
    }

    /// The name of the store of blobs, if it is one's.
    #[getter]
    fn blobs(&self) -> Option<&str> {
        match &self.inner.object {
            DifferentObject::Blobs(name) => Some(name),
            _ => None,
        }
    }

    /// The name of the ordered map, if it is one's.
    #[getter]
    fn map(&self) -> Option<&str> {
        match &self.inner.object {
            DifferentObject::Map(name) => Some(name),
            _ => None,
        }
    }

    /// The id of the object in hexadecimal digits, if it has no name.
    #[getter]
    fn object(&self) -> Option<String> {
        match &self.inner.object {
            DifferentObject::Object(id) => Some(id.to_string()),
            _ => None,
        }
    }

    /// The key of a dictionary; None where the dictionary itself was created or destroyed.
    #[getter]
    fn key<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        Ok(match &self.inner.key {
            Some(DifferentKey::Entry(key)) => Some(PyBytes::new(py, key).into_any()),
            Some(DifferentKey::Number(number)) => Some(number_to_python(py, number)?),
            _ => None,
        })
    }

    /// The dkey of another object.
    #[getter]
    fn dkey<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        match &self.inner.key {
            Some(DifferentKey::Akey { dkey, .. }) => Ok(Some(key_to_python(py, dkey)?)),
            _ => Ok(None),
        }
    }

    /// The akey of another object.
    #[getter]
    fn akey<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        match &self.inner.key {
            Some(DifferentKey::Akey { akey, .. }) => Ok(Some(key_to_python(py, akey)?)),
            _ => Ok(None),
        }
    }

    /// Of an array, the first of the records and the one behind the last.
    #[getter]
    fn records(&self) -> Option<(u64, u64)> {
        match &self.inner.key {
            Some(DifferentKey::Akey { records: Some(records), .. }) => Some((records.start, records.end)),
            _ => None,
        }
    }

    fn __repr__(&self) -> String {
        format!("<millpond.Difference {}>", self.inner)
    }
}

/// Iterates over the differences between two states, in bounded memory.
#[pyclass(frozen, module = "millpond")]
pub struct DiffIterator {
    inner: Owned<millpond::Diff>,
}

impl DiffIterator {
    pub fn new(diff: millpond::Diff) -> Self {
        Self { inner: Owned::new("a comparison of two states", diff) }
    }
}

#[pymethods]
impl DiffIterator {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> Result<Option<Difference>> {
        let next = py.detach(|| self.inner.lock()?.next().transpose())?;
        Ok(next.map(|inner| Difference { inner }))
    }
}
