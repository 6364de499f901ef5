//! The class `NativeWriter`: what `millpond.ValueWriter`, a file of Python's, writes to.

use std::{
    io::Write,
    sync::{Mutex, PoisonError},
};

use millpond::{Error, ErrorKind, ValueWriter};
use pyo3::prelude::*;

use crate::{arguments::Value, errors::Result, handle::Handle};

/// A value that is written in pieces, and exists once it is committed.
#[pyclass(frozen, module = "millpond._millpond")]
pub struct NativeWriter {
    writer: Handle<Mutex<Option<ValueWriter>>>,
}

impl NativeWriter {
    pub fn new(writer: ValueWriter) -> Self {
        Self { writer: Handle::new(Mutex::new(Some(writer))) }
    }
}

#[pymethods]
impl NativeWriter {
    /// Appends to the value.
    #[pyo3(signature = (data, /))]
    fn write(&self, py: Python<'_>, data: Value<'_>) -> Result<usize> {
        let data = data.as_ref();
        py.detach(|| {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.as_mut().ok_or_else(finished)?.write_all(data)?;
            Ok(data.len())
        })
    }

    /// Makes the value what was written; answers whether the key had one before.
    fn commit(&self, py: Python<'_>) -> Result<bool> {
        py.detach(|| {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(writer.take().ok_or_else(finished)?.commit()?)
        })
    }

    /// Forgets what was written.
    fn discard(&self, py: Python<'_>) {
        py.detach(|| drop(self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()));
    }
}

fn finished() -> Error {
    Error::new(ErrorKind::Closed, "the value was committed or discarded already; take a new writer")
}
