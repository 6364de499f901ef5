//! The class `NativeEngineRecords`, and views of what engines hold.

use millpond_pmemkv::{Found, Records, Shape, Value};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyMemoryView},
};

use crate::{errors::Result, handle::Owned, value::to_python, view::view_of};

/// The records of a range of an engine, one after the other.
#[pyclass(frozen, module = "millpond")]
pub struct NativeEngineRecords {
    records: Owned<Records>,
    shape: Shape,
}

/// A record on its way to Python.
struct Taken<'py> {
    key: Bound<'py, PyBytes>,
    value: Option<Seen<'py>>,
}

enum Seen<'py> {
    Copied(Bound<'py, PyBytes>),
    Shared(Value),
}

impl NativeEngineRecords {
    pub fn new(records: Records, shape: Shape) -> Self {
        Self { records: Owned::new("an iteration over an engine", records), shape }
    }

    /// Takes the next record. No code of Python's runs while the records are locked.
    fn take<'py>(&self, py: Python<'py>) -> Result<Option<Taken<'py>>> {
        loop {
            if let Some(mut records) = self.records.try_lock()? {
                if let Some((key, value)) = records.next_ready() {
                    let key = PyBytes::new(py, key);
                    let value = match (self.shape, value) {
                        (Shape::Keys, _) => None,
                        (Shape::Items, Found::Copied(value)) => Some(Seen::Copied(PyBytes::new(py, value))),
                        (Shape::Items, Found::Shared(value)) => Some(Seen::Shared(value.clone())),
                    };
                    return Ok(Some(Taken { key, value }));
                }
                if !records.is_drained() {
                    return Ok(None);
                }
            }
            py.detach(|| -> Result<()> { Ok(self.records.lock()?.read_ahead()?) })?;
        }
    }

    /// Calls back for each record that is left, with views that stay valid. An exception ends it.
    pub fn each(&self, callback: &Bound<'_, PyAny>) -> Result<()> {
        let py = callback.py();
        while let Some(Taken { key, value }) = self.take(py)? {
            let key = PyMemoryView::from(key.as_any())?;
            match value {
                None => callback.call1((key,))?,
                Some(Seen::Copied(value)) => callback.call1((key, PyMemoryView::from(value.as_any())?))?,
                Some(Seen::Shared(value)) => callback.call1((key, view(py, value)?))?,
            };
        }
        Ok(())
    }
}

#[pymethods]
impl NativeEngineRecords {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        let Some(Taken { key, value }) = self.take(py)? else { return Ok(None) };
        let value = match value {
            None => return Ok(Some(key.into_any())),
            Some(Seen::Copied(value)) => value,
            Some(Seen::Shared(value)) => to_python(py, &value)?,
        };
        Ok(Some((key, value).into_pyobject(py)?.into_any()))
    }
}

/// A value, read-only and without a copy.
pub fn view(py: Python<'_>, value: Value) -> PyResult<Bound<'_, PyMemoryView>> {
    view_of(py, value.into())
}
