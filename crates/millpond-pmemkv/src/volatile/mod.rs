//! The engines in memory: nothing of them outlives the process, or a stop.

mod budget;
mod hash;
mod record;
mod sorted;
mod sorts;

pub(crate) use self::{hash::HashEngine, record::check_piece, sorted::SortedEngine};
