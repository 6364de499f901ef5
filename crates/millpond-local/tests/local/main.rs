//! The local engine against the contracts, and against a machine that fails it.
//!
//! Everything here is replayed by `MILLPOND_TEST_SEED`, which each failure names.

mod conformance;
mod faults;
mod kill;
mod power_cut;
mod subject;
