//! Functions of the module: sizes, the version, the home of the pools.

use std::path::PathBuf;

use pyo3::prelude::*;

use crate::{arguments::Size, errors::Result};

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
