//! Errors of the front door as exceptions of `millpond.errors`.
//!
//! The classes are written in Python, where deriving from two bases is a line. A kind that this
//! file doesn't know becomes the base class, `millpond.Error`.

use std::io;

use millpond::{Error, ErrorKind};
use pyo3::prelude::*;

use crate::package;

/// The result of a method that Python calls.
pub type Result<T> = std::result::Result<T, Failure>;

/// An error on its way to Python, from the front door or from the interpreter.
pub enum Failure {
    /// The front door's.
    Store(Error),
    /// An engine's.
    Engine(millpond_pmemkv::Error),
    /// One that is an exception already.
    Python(PyErr),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl From<millpond_pmemkv::Error> for Failure {
    fn from(error: millpond_pmemkv::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        // A stream carries the store's own error, with its kind, through `std::io`.
        match error.downcast::<Error>() {
            Ok(error) => Self::Store(error),
            Err(error) => Self::Python(error.into()),
        }
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Store(error) => Python::attach(|py| exception(py, &error)),
            Failure::Engine(error) => Python::attach(|py| engine_exception(py, &error)),
            Failure::Python(error) => error,
        }
    }
}

/// The exception that pmemkv's programs know for a failure of an engine; what Python raised, as a comparator,
/// arrives unchanged.
fn engine_exception(py: Python<'_>, error: &millpond_pmemkv::Error) -> PyErr {
    if let Some(raised) = error.store_error().and_then(|error| raised(py, error)) {
        return raised;
    }
    let raise = || -> PyResult<PyErr> {
        let raise_for = package::pmemkv_errors(py)?.getattr("raise_for")?;
        Ok(PyErr::from_value(raise_for.call1((error.status().number(), error.to_string()))?))
    };
    raise().unwrap_or_else(|instead| instead)
}

/// What a callable or a file of Python's raised, inside an error of the store.
fn raised(py: Python<'_>, error: &Error) -> Option<PyErr> {
    let source = std::error::Error::source(error)?.downcast_ref::<io::Error>()?;
    Some(source.get_ref()?.downcast_ref::<PyErr>()?.clone_ref(py))
}

/// The exception for `error`; what Python raised arrives unchanged.
pub fn exception(py: Python<'_>, error: &Error) -> PyErr {
    if let Some(raised) = raised(py, error) {
        return raised;
    }
    let raise = || -> PyResult<PyErr> {
        let class = package::errors(py)?.getattr(class_name(error.kind()))?;
        let exception = class.call1((error.to_string(),))?;
        if let Some(epoch) = error.restart_epoch() {
            exception.setattr("restart_epoch", epoch.0)?;
        }
        Ok(PyErr::from_value(exception))
    };
    raise().unwrap_or_else(|instead| instead)
}

/// The exception for a key that a mapping doesn't have; `place` names the mapping.
pub fn key_not_found(key: &Bound<'_, PyAny>, place: &str) -> PyErr {
    let raise = || -> PyResult<PyErr> {
        let class = package::errors(key.py())?.getattr("KeyNotFound")?;
        Ok(PyErr::from_value(class.call1((key, place))?))
    };
    raise().unwrap_or_else(|instead| instead)
}

fn class_name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidArgument => "InvalidArgumentError",
        ErrorKind::ComparatorMismatch => "ComparatorMismatchError",
        ErrorKind::KeyTooLong => "KeyTooLongError",
        ErrorKind::ValueTooLong => "ValueTooLongError",
        ErrorKind::NotFound => "NotFoundError",
        ErrorKind::AlreadyExists => "AlreadyExistsError",
        ErrorKind::Busy => "BusyError",
        ErrorKind::Conflict => "ConflictError",
        ErrorKind::NoSpace => "NoSpaceError",
        ErrorKind::Corrupt => "CorruptError",
        ErrorKind::DataLoss => "DataLossError",
        ErrorKind::Incompatible => "IncompatibleError",
        ErrorKind::PermissionDenied => "PermissionDeniedError",
        ErrorKind::ReadOnly => "ReadOnlyError",
        ErrorKind::Closed => "ClosedError",
        ErrorKind::Forked => "ForkedError",
        ErrorKind::Timeout => "LockTimeoutError",
        ErrorKind::EpochGone => "EpochGoneError",
        ErrorKind::Lagged => "LaggedError",
        ErrorKind::NotSupported => "NotSupportedError",
        ErrorKind::Poisoned => "PoisonedError",
        ErrorKind::Io => "InputOutputError",
        _ => "Error",
    }
}
