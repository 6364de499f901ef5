//! Writing objects straight into packs.

mod adder;
mod options;
mod packing;

pub use adder::PackAdder;
pub(crate) use adder::digest;
pub use options::AddOptions;
pub(crate) use packing::Packing;
