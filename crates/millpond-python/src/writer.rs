//! The class `NativeWriter`: what `millpond.ValueWriter`, a file of Python's, writes to.

use std::io::Write;

use millpond::{Error, ErrorKind, ValueWriter};
use pyo3::prelude::*;

use crate::{arguments::Value, errors::Result, handle::Owned};

/// A value that is written in pieces, and exists once it is committed.
#[pyclass(frozen, module = "millpond._millpond")]
pub struct NativeWriter {
    writer: Owned<Option<ValueWriter>>,
}

impl NativeWriter {
    pub fn new(writer: ValueWriter) -> Self {
        Self { writer: Owned::new("a writer", Some(writer)) }
    }
}

#[pymethods]
impl NativeWriter {
    /// Appends to the value.
    #[pyo3(signature = (data, /))]
    fn write(&self, py: Python<'_>, data: Value<'_>) -> Result<usize> {
        let data = data.as_ref();
        py.detach(|| {
            let mut writer = self.writer.lock()?;
            writer.as_mut().ok_or_else(finished)?.write_all(data)?;
            Ok(data.len())
        })
    }

    /// Makes the value what was written; answers whether the key had one before.
    fn commit(&self, py: Python<'_>) -> Result<bool> {
        py.detach(|| {
            let mut writer = self.writer.lock()?;
            Ok(writer.take().ok_or_else(finished)?.commit()?)
        })
    }

    /// Forgets what was written.
    fn discard(&self, py: Python<'_>) {
        py.detach(|| {
            // In a forked child there is nothing to forget: the value is the parent's.
            if let Ok(mut writer) = self.writer.lock() {
                drop(writer.take());
            }
        });
    }
}

fn finished() -> Error {
    Error::new(ErrorKind::Closed, "the value was committed or discarded already; take a new writer")
}
