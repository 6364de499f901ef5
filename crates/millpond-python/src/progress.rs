//! Progress, told as disk-objectstore tells it: `callback(action, value)`, where the action is `init`,
//! `update` or `close`.

use millpond::{Error, ErrorKind, Progress};
use pyo3::{
    prelude::*,
    types::{PyDict, PyString},
};

use crate::errors::Result;

/// How a callback is called: some take their arguments by name.
#[derive(Clone, Copy)]
pub enum Called {
    ByPosition,
    ByName,
}

/// A callback of Python's. What it raises ends what it is told of, and is raised.
pub struct Told {
    callback: Py<PyAny>,
    called: Called,
    raised: Option<PyErr>,
}

impl Told {
    pub fn new(callback: Py<PyAny>, called: Called) -> Self {
        Self { callback, called, raised: None }
    }

    /// What an operation takes.
    pub fn lend(told: &mut Option<Self>) -> Option<&mut dyn Progress> {
        told.as_mut().map(|told| told as &mut dyn Progress)
    }

    /// What the operation answers, or what the callback raised.
    pub fn settle<T>(told: Option<Self>, answer: millpond::Result<T>) -> Result<T> {
        match told.and_then(|told| told.raised) {
            Some(error) => Err(error.into()),
            None => Ok(answer?),
        }
    }

    fn tell(
        &mut self,
        action: &str,
        value: impl for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>>,
    ) -> millpond::Result<()> {
        let told = Python::attach(|py| {
            py.check_signals()?;
            let (action, value) = (PyString::new(py, action), value(py)?);
            match self.called {
                Called::ByPosition => self.callback.call1(py, (action, value))?,
                Called::ByName => {
                    let arguments = PyDict::new(py);
                    arguments.set_item("action", action)?;
                    arguments.set_item("value", value)?;
                    self.callback.call(py, (), Some(&arguments))?
                }
            };
            Ok(())
        });
        told.map_err(|error| {
            self.raised = Some(error);
            Error::new(ErrorKind::Closed, "this was ended by its caller")
        })
    }
}

impl Progress for Told {
    fn begin(&mut self, total: u64, description: &str) -> millpond::Result<()> {
        self.tell("init", |py| {
            let what = PyDict::new(py);
            what.set_item("total", total)?;
            what.set_item("description", description)?;
            Ok(what.into_any())
        })
    }

    fn advance(&mut self, by: u64) -> millpond::Result<()> {
        self.tell("update", |py| Ok(by.into_pyobject(py)?.into_any()))
    }

    fn end(&mut self) -> millpond::Result<()> {
        self.tell("close", |py| Ok(py.None().into_bound(py)))
    }
}
