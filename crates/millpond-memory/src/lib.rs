//! The memory backend: a pool that lives and dies with its process.
//!
//! It implements the contracts of `millpond-core` in full (epochs, views, preconditions, counters,
//! retained epochs, segments, quotas) without a file, for `mem:` pools and for tests. Nothing in it
//! is durable, and other processes don't see it.

mod account;
mod commit;
mod feed;
mod handle;
mod pool;
mod registry;
mod segments;
mod store;
mod sync;
mod table;
mod view;
mod watch;

pub use pool::MemoryPool;
pub use store::MemoryStore;
