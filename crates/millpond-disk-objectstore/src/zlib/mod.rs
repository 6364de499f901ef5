//! zlib, the only compression that these folders have.

mod copyable;
mod deflate;
mod inflate;
mod worth;

pub(crate) use copyable::CopyableInflater;
pub(crate) use deflate::Deflater;
pub(crate) use inflate::Inflater;
pub use worth::CompressMode;
pub(crate) use worth::{Sample, should_compress};
