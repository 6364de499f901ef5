//! The class `ValueView`: the bytes of a value, without a copy.

use std::{ffi::c_int, ptr};

use bytes::Bytes;
use pyo3::{exceptions::PyBufferError, ffi, prelude::*, types::PyMemoryView};

/// What a memoryview of a value keeps alive: its bytes, which never change.
#[pyclass(frozen, module = "millpond._millpond")]
pub struct ValueView {
    bytes: Bytes,
}

/// A memoryview of bytes, for reading only. It stays valid as long as anybody has it.
pub fn view_of(py: Python<'_>, bytes: Bytes) -> PyResult<Bound<'_, PyMemoryView>> {
    let owner = Bound::new(py, ValueView { bytes })?;
    PyMemoryView::from(owner.as_any())
}

#[pymethods]
impl ValueView {
    fn __len__(&self) -> usize {
        self.bytes.len()
    }

    /// # Safety
    /// `view` is null or points to a `Py_buffer` to be filled, as the buffer protocol has it.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("there is no buffer to fill"));
        }
        let bytes = &slf.get().bytes;
        let (start, length) = (bytes.as_ptr().cast_mut().cast(), bytes.len() as ffi::Py_ssize_t);
        // SAFETY: the buffer is there to be filled; the bytes live as long as `slf`, of which the buffer gets a
        // reference, and are told to be for reading only.
        let filled = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, length, 1, flags) };
        if filled == -1 {
            // SAFETY: as above; what failed owns nothing.
            unsafe { (*view).obj = ptr::null_mut() };
            return Err(PyErr::fetch(slf.py()));
        }
        Ok(())
    }
}
