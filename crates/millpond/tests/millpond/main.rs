//! The front door, on every backend: each module mirrors one of `src`.

#[macro_use]
mod scratch;
mod serializability;
mod transaction_reads;
mod transactions;

mod attacks;
mod backup;
mod blobs;
mod check;
mod container;
mod crashes;
mod dict;
mod dict_large;
mod dict_model;
mod dict_threads;
mod forks;
mod formats;
mod map;
mod namespace;
mod object;
mod pool;
mod processes;
mod properties;
mod scrub;
mod simulated;
mod snapshots;
mod watch;
