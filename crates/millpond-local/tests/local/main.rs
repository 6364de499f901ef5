//! The local engine against the contracts, and against a machine that fails it.
//!
//! Everything here is replayed by `MILLPOND_TEST_SEED`, which each failure names.

mod conformance;
mod damage;
mod faults;
mod flips;
mod forks;
mod full_disk;
mod history;
mod kill;
mod log_space;
#[cfg(feature = "planted-bugs")]
mod planted_bugs;
mod planting;
mod pool;
mod power_cut;
mod processes;
mod retention;
mod salvage;
mod sharing;
mod short_media;
mod space;
mod stopped;
mod strace;
mod streams;
mod subject;
mod system_calls;
mod watching;
mod workload;
