//! The modules of the Python package that the native half calls back into.

use millpond::{Error, ErrorKind};
use pyo3::{exceptions::PyValueError, prelude::*, sync::PyOnceLock, types::PyModule};
use serde::Serialize;

use crate::errors::Result;

/// `millpond.errors`: the exceptions.
pub fn errors(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    module(py, &MODULE, "millpond.errors")
}

/// `millpond._views`: what `keys()`, `dicts` and `attributes` answer.
pub fn views(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    module(py, &MODULE, "millpond._views")
}

/// `millpond._streams`: files over values.
pub fn streams(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    module(py, &MODULE, "millpond._streams")
}

/// `millpond._info`: what queries answer.
pub fn info(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    module(py, &MODULE, "millpond._info")
}

/// `millpond._display`: notebooks.
pub fn display(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    module(py, &MODULE, "millpond._display")
}

/// `millpond._pickle`: how handles are made again in another process.
pub fn pickle(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    module(py, &MODULE, "millpond._pickle")
}

/// `millpond._watch`: watches.
pub fn watch(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    module(py, &MODULE, "millpond._watch")
}

/// `millpond._transactions`: running them again.
pub fn transactions(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    module(py, &MODULE, "millpond._transactions")
}

/// `millpond.compat.pmemkv._errors`: the exceptions of pmemkv's statuses.
pub fn pmemkv_errors(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    module(py, &MODULE, "millpond.compat.pmemkv._errors")
}

fn module<'py>(
    py: Python<'py>,
    cell: &'static PyOnceLock<Py<PyModule>>,
    name: &str,
) -> PyResult<&'py Bound<'py, PyModule>> {
    Ok(cell.get_or_try_init(py, || PyModule::import(py, name).map(Bound::unbind))?.bind(py))
}

/// What a query answers: `answer` as the class that `millpond._info` makes of it.
pub fn answer<'py>(py: Python<'py>, maker: &str, answer: &impl Serialize) -> Result<Bound<'py, PyAny>> {
    let text = serde_json::to_string(answer).map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(info(py)?.getattr(maker)?.call1((text,))?)
}

/// # Errors
/// `NotSupported` for a handle of a transaction, which is this process's alone, and for one at a
/// snapshot.
pub fn outside_of_transactions(container: &millpond::Container) -> Result<()> {
    if container.is_in_transaction() {
        let why = "a transaction belongs to the process that began it: it can't be pickled";
        return Err(Error::new(ErrorKind::NotSupported, why).into());
    }
    if !container.is_current() {
        let why = format!("{container} can't be pickled: pickle the container, and call at() of that");
        return Err(Error::new(ErrorKind::NotSupported, why).into());
    }
    Ok(())
}

/// A URL that means the same in another process.
///
/// # Errors
/// `NotSupported` for what lives in this process alone.
pub fn portable(url: String) -> Result<String> {
    if url.starts_with("mem:") {
        let why =
            format!("{url} lives in the memory of this process, so that a pickle of it would lead nowhere");
        return Err(Error::new(ErrorKind::NotSupported, why).into());
    }
    Ok(url)
}
