//! The index of a container: one omap object, so that every commit is one compound operation.
//!
//! All records of a container are in the omap of its object `index`, together with the versions that
//! they superseded. A commit reads what it depends on, with the head, as of one moment; decides; and
//! writes everything under the guard that the head is still the same. So commits are serializable
//! whatever partitions they touch, epochs are consecutive, and nothing needs a lock or a clock.
//! Commits of one process that come in at once share an operation (`queue`).
//!
//! What it costs: a container's commits go through one object, that is one placement group, one after
//! the other; and a cluster warns about omaps of more than 200,000 keys or 1 GiB. Spreading
//! partitions over several such objects is what lies ahead: a commit within one of them stays as it
//! is, one over several will lock its writes and publish a transaction record. No key has to change
//! for it, since each begins with its partition.

mod change;
mod changes;
mod commit;
mod compact;
mod cursor;
mod draft;
mod page;
mod plan;
mod queue;
mod read;
mod settle;
mod trim;
mod verify;
mod view;

pub(crate) use commit::commit;
pub(crate) use compact::{compact, is_worth_compacting, pages};
pub(crate) use queue::Queue;
pub(crate) use read::get;
pub(crate) use trim::{Commits, guarded, mark};
pub(crate) use verify::verify;
pub(crate) use view::open as view;
