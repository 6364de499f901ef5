//! Scrubs, whose progress Python follows, and which it can end.

use millpond::{Error, ErrorKind, ScrubOptions};
use pyo3::prelude::*;

use crate::errors::Result;

/// Scrubs by `scrub`, without the interpreter; `progress` is called with it, and so are the handlers of
/// signals. What either raises ends the scrub, and is raised.
pub fn scrub<T: Send>(
    py: Python<'_>,
    rate: Option<u64>,
    progress: Option<Py<PyAny>>,
    scrub: impl FnOnce(ScrubOptions<'_>) -> millpond::Result<T> + Send,
) -> Result<T> {
    let mut raised = None;
    let scrubbed = py.detach(|| {
        let mut follow = |done: u64, total: u64| {
            let told = Python::attach(|py| {
                py.check_signals()?;
                progress.as_ref().map_or(Ok(()), |progress| progress.call1(py, (done, total)).map(drop))
            });
            told.map_err(|error| {
                raised = Some(error);
                Error::new(ErrorKind::Closed, "the scrub was ended by its caller")
            })
        };
        scrub(ScrubOptions { bytes_per_second: rate, progress: Some(&mut follow) })
    });
    match raised {
        Some(error) => Err(error.into()),
        None => Ok(scrubbed?),
    }
}
