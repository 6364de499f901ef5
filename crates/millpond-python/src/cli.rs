//! The command line inside the wheel: the console script `millpond` comes here.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command line on the given arguments, the program's name first, and answers its exit code.
#[pyfunction]
#[pyo3(signature = (arguments, /))]
pub fn run_cli(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| millpond_cli::run(arguments))
}
