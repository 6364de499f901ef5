//! The RADOS backend: pools and containers in a Ceph cluster, shared by any number of clients.
//!
//! It implements the contracts of `millpond-core` over librados, Ceph's C library, which is loaded
//! when the first pool is opened (`ffi`): nothing of Ceph is needed to build this crate, and where it
//! is missing, an error says what to install.
//!
//! - `context`, `operation`, `background`, `presence`: a thin, safe layer over librados.
//! - `layout`: what lies where, byte by byte.
//! - `index`: records in the omap of one object; each commit is one compound operation.
//! - `segments`: bulk bytes in objects of 4 MiB.
//! - `pool`: the description of a pool, and the storages of its containers.

mod background;
pub mod bugs;
mod cluster;
mod container;
mod context;
mod errno;
mod ffi;
mod fork;
mod index;
mod layout;
mod operation;
mod pool;
mod presence;
mod quota;
mod segments;
mod store;
mod sync;

pub use cluster::ClusterOptions;
pub use pool::RadosPool;
pub use store::RadosStore;
