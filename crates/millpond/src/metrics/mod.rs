//! What a container's handles do and what it holds, for those who watch over many.
//!
//! What a container holds can be asked of any handle, at no cost for others. What is done through a
//! handle is counted only if it was opened with [`OpenOptions::metrics`](crate::OpenOptions), since a
//! clock around every call costs about as much as a short get.

mod histogram;
mod metered;
mod prometheus;

use millpond_core::Statistics;
use serde::Serialize;

pub use self::histogram::Histogram;
pub(crate) use self::metered::{Meter, Metered};

/// What a container holds, and what was done through one handle of it.
#[derive(Clone, Debug, Serialize)]
pub struct Metrics {
    /// The label of its pool.
    pub pool: String,
    /// Its label, or its UUID.
    pub container: String,
    /// Sizes and counts of its storage.
    pub statistics: Statistics,
    /// Bytes allocated in its pool.
    pub pool_used: u64,
    /// The quota of its pool in bytes, if any.
    pub pool_size: Option<u64>,
    /// What was done through this handle and its clones; nothing where that isn't counted.
    pub operations: Option<Operations>,
}

/// What was done through a handle and its clones.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Operations {
    /// Commits that took effect.
    pub commits: Histogram,
    /// Calls of `flush`.
    pub flushes: Histogram,
    /// Records looked up by their keys.
    pub gets: Histogram,
    /// Reads of long values.
    pub segment_reads: Histogram,
    /// Commits that failed.
    pub commits_refused: u64,
    /// Commits that met another one; most were tried again.
    pub conflicts: u64,
    /// Records that commits put, deleted or adjusted.
    pub records_written: u64,
    /// Records that scans came by.
    pub records_scanned: u64,
    /// Bytes of keys and values that were written.
    pub bytes_written: u64,
    /// Bytes of keys and values that were read.
    pub bytes_read: u64,
}

impl Operations {
    pub(crate) fn of(meter: &Meter) -> Self {
        meter.read()
    }
}

impl Metrics {
    /// As Prometheus reads it: its text format, version 0.0.4. Names begin with `millpond_`, times are
    /// in seconds, sizes in bytes; labels tell pool and container.
    pub fn to_prometheus(&self) -> String {
        prometheus::text(std::slice::from_ref(self))
    }

    /// Those of many containers in one text, as one page has to give them.
    pub fn all_to_prometheus(metrics: &[Metrics]) -> String {
        prometheus::text(metrics)
    }
}
