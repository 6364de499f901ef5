//! Objects of dkeys and akeys, on every backend: each module mirrors a part of `src/object`.

mod array;
mod basics;
mod check;
mod conditions;
mod lists;
mod merge;
mod oracle;
mod processes;
mod random;
mod snapshots;
mod transactions;
