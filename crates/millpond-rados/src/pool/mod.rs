//! A pool in a Ceph pool: one object that describes it and lists the storages of its containers.
//!
//! The object `pool` in the namespace `millpond`:
//!
//! | where                 | content                                                            |
//! |-----------------------|--------------------------------------------------------------------|
//! | data                  | the pool's document as JSON, sealed                                |
//! | omap `a.updates`      | the ids of the last 64 updates, newest first, sealed; the guard    |
//! | omap `c` and a UUID   | there is, or may be, storage of this container; when it was created|
//!
//! A Ceph pool holds one pool of ours, and may hold data of others beside it.

mod containers;
mod document;
mod store;

pub use store::RadosPool;
