//! Objects of dkeys and akeys, on every backend: each module mirrors a part of `src/object`.

#![allow(clippy::single_range_in_vec_init)] // One range of records, where there may be many.

mod array;
mod basics;
mod check;
mod conditions;
mod lists;
mod lost;
mod merge;
mod oracle;
mod processes;
mod random;
mod snapshots;
mod transactions;
