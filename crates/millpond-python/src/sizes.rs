//! Functions of the module: sizes, the version, the home of the pools, timeouts, backups.

use std::{path::PathBuf, time::Duration};

use millpond::{Error, ErrorKind};
use pyo3::prelude::*;

use crate::{arguments::Size, errors::Result, package, told::Told};

/// The directory that holds the pools known by label alone.
#[pyfunction]
pub fn home() -> Result<PathBuf> {
    Ok(millpond::home()?)
}

/// The number of bytes that a size such as "1GiB", "10 MB" or "4096" stands for.
#[pyfunction]
#[pyo3(signature = (text, /))]
pub fn parse_size(text: Size) -> u64 {
    text.0
}

/// A number of bytes as people read it: "1.0 GiB".
#[pyfunction]
#[pyo3(signature = (count, /))]
pub fn format_size(count: u64) -> String {
    millpond::format_size(count)
}

/// The version of Millpond.
#[pyfunction]
pub fn version() -> &'static str {
    millpond::version()
}

/// How long this thread waits for one lock that another process holds, in seconds.
#[pyfunction]
pub fn get_timeout() -> f64 {
    millpond::timeout().as_secs_f64()
}

/// Has all threads of the process wait so long for one lock that another process holds.
#[pyfunction]
#[pyo3(signature = (seconds, /))]
pub fn set_timeout(seconds: f64) -> Result<()> {
    millpond::set_timeout(duration(seconds)?);
    Ok(())
}

// Has this thread wait so long, or as all do; answers how long it did before, if that was its own. What
// `millpond.timeout` is made of, and nothing to call.
#[pyfunction]
#[pyo3(signature = (seconds, /))]
pub fn _set_own_timeout(seconds: Option<f64>) -> Result<Option<f64>> {
    let before = millpond::replace_own_timeout(seconds.map(duration).transpose()?);
    Ok(before.map(|before| before.as_secs_f64()))
}

fn duration(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        let message = format!("one can't wait for {seconds} seconds: give a number that isn't negative");
        Error::new(ErrorKind::InvalidArgument, message).into()
    })
}

/// Compares every file of a backup with what was written; nothing is restored.
#[pyfunction]
#[pyo3(signature = (path, *, progress=None))]
pub fn verify_backup<'py>(
    py: Python<'py>,
    path: PathBuf,
    progress: Option<Py<PyAny>>,
) -> Result<Bound<'py, PyAny>> {
    let mut told = Told::new(progress);
    let verified = py.detach(|| millpond::verify_backup(&path, &mut told));
    package::answer(py, "verified_backup", &told.settle(verified)?)
}
