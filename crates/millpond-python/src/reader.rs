//! The class `NativeReader`: what `millpond.ValueReader`, a file of Python's, reads from.

use std::io::{Read, Seek, SeekFrom};

use pyo3::{
    buffer::PyBuffer,
    exceptions::{PyBufferError, PyValueError},
    prelude::*,
};

use crate::{
    errors::{Failure, Result},
    handle::Owned,
};

/// What is read in pieces, from any place.
pub trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send + ?Sized> ReadSeek for T {}

/// A value, read in pieces.
#[pyclass(frozen, module = "millpond._millpond")]
pub struct NativeReader {
    reader: Owned<Box<dyn ReadSeek>>,
    length: u64,
}

impl NativeReader {
    pub fn new(reader: impl ReadSeek + 'static, length: u64) -> Self {
        let reader: Box<dyn ReadSeek> = Box::new(reader);
        Self { reader: Owned::new("a reader", reader), length }
    }
}

#[pymethods]
impl NativeReader {
    /// Fills the buffer from the value, and answers how many bytes it took; 0 at the end.
    #[pyo3(signature = (buffer, /))]
    fn readinto(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>) -> Result<usize> {
        let exported: PyBuffer<u8> = PyBuffer::get(buffer)?;
        if exported.readonly() {
            return Err(PyBufferError::new_err("the buffer is read-only").into());
        }
        let Some(target) = exported.as_slice_ptr() else {
            return Err(PyBufferError::new_err("the buffer is not contiguous").into());
        };
        let target = Target(target.as_ptr());
        let count = py.detach(|| {
            let target = target;
            // SAFETY: the memory is exported by `exported`, which outlives this call, so that it can
            // be neither moved nor freed. Python lets another thread write to it meanwhile, as it
            // does for every `readinto`; what the buffer then holds is that program's affair.
            let slice = unsafe { &mut *target.0 };
            Ok::<_, Failure>(self.reader.lock()?.read(slice)?)
        })?;
        Ok(count)
    }

    /// Moves to an offset from the start (0), from here (1) or from the end (2); answers the new place.
    #[pyo3(signature = (offset, whence=0, /))]
    fn seek(&self, py: Python<'_>, offset: i64, whence: u8) -> Result<u64> {
        let target =
            match whence {
                0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| {
                    PyValueError::new_err(format!("can't seek to {offset}, before the start"))
                })?),
                1 => SeekFrom::Current(offset),
                2 => SeekFrom::End(offset),
                _ => return Err(PyValueError::new_err(format!("whence is 0, 1 or 2, not {whence}")).into()),
            };
        py.detach(|| Ok(self.reader.lock()?.seek(target)?))
    }

    /// The place in the value.
    fn tell(&self, py: Python<'_>) -> Result<u64> {
        py.detach(|| Ok(self.reader.lock()?.stream_position()?))
    }

    /// Bytes in the value.
    #[getter]
    fn length(&self) -> u64 {
        self.length
    }
}

/// The memory to read into, on its way to where the interpreter is released.
struct Target(*mut [u8]);

// SAFETY: whoever holds the pointer keeps the buffer exported; see `readinto`.
unsafe impl Send for Target {}
