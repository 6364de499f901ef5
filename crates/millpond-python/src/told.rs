//! Callables that are told how far something is.

use millpond::{Error, ErrorKind, Progress};
use pyo3::prelude::*;

use crate::errors::Result;

/// A callable of Python's that is told how far something is: `progress(done, total)`. What it raises ends
/// that, and is raised.
pub(crate) struct Told {
    callable: Option<Py<PyAny>>,
    done: u64,
    total: u64,
    raised: Option<PyErr>,
}

impl Told {
    pub(crate) fn new(callable: Option<Py<PyAny>>) -> Self {
        Self { callable, done: 0, total: 0, raised: None }
    }

    fn tell(&mut self) -> millpond::Result<()> {
        let told = Python::attach(|py| {
            py.check_signals()?;
            let Some(callable) = &self.callable else { return Ok(()) };
            callable.call1(py, (self.done, self.total)).map(drop)
        });
        told.map_err(|error| {
            self.raised = Some(error);
            Error::new(ErrorKind::Closed, "this was ended by its caller")
        })
    }

    /// What the operation answers, or what the callable raised.
    pub(crate) fn settle<T>(self, answer: millpond::Result<T>) -> Result<T> {
        match self.raised {
            Some(error) => Err(error.into()),
            None => Ok(answer?),
        }
    }
}

impl Progress for Told {
    fn begin(&mut self, total: u64, _: &str) -> millpond::Result<()> {
        (self.done, self.total) = (0, total);
        self.tell()
    }

    fn advance(&mut self, by: u64) -> millpond::Result<()> {
        self.done += by;
        self.tell()
    }

    fn end(&mut self) -> millpond::Result<()> {
        Ok(())
    }
}
