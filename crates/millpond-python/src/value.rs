//! Values on their way to Python.

use std::ptr;

use pyo3::{ffi, prelude::*, types::PyBytes};

/// Bytes in a value whose copy is worth releasing the interpreter for.
const LONG_BYTES_MIN: usize = 1 << 18;

/// The value as `bytes`. A long one is copied with the interpreter released, so that other threads
/// go on meanwhile.
///
/// # Errors
/// `MemoryError`.
pub fn to_python<'py>(py: Python<'py>, value: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    if value.len() < LONG_BYTES_MIN {
        return Ok(PyBytes::new(py, value));
    }
    // SAFETY: without a source, this makes a `bytes` of that length whose content is still open. What
    // it answers is owned here, or null with an exception set; a slice's length fits an `isize`.
    let bytes = unsafe {
        let object = ffi::PyBytes_FromStringAndSize(ptr::null(), value.len() as ffi::Py_ssize_t);
        Bound::from_owned_ptr_or_err(py, object)?.cast_into_unchecked::<PyBytes>()
    };
    // SAFETY: the object is a `bytes`.
    let target = Target(unsafe { ffi::PyBytes_AsString(bytes.as_ptr()) }.cast());
    py.detach(|| {
        let target = target;
        // SAFETY: the target has room for the value; it is alive as long as `bytes`, and nobody else
        // knows of it before it is returned.
        unsafe { ptr::copy_nonoverlapping(value.as_ptr(), target.0, value.len()) };
    });
    Ok(bytes)
}

/// The memory to copy to, on its way to where the interpreter is released.
struct Target(*mut u8);

// SAFETY: it is used by one thread at a time; see `to_python`.
unsafe impl Send for Target {}
