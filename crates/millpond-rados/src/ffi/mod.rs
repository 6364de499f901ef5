//! The C library librados, as much of it as we use: loaded when the first cluster is connected, so
//! that nothing of Ceph is needed to build or to run anything else.

mod library;
mod symbols;

pub(crate) use library::library;
pub(crate) use symbols::{CompletionPtr, IoCtxPtr, IterPtr, Library, RadosPtr, ReadOpPtr, WriteOpPtr};
