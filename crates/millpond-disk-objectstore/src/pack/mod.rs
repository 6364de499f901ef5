//! Pack files: which there are, which is written next, and writing them.

mod list;
mod recover;
mod writer;

pub use list::LockedPack;
pub(crate) use writer::PackWriter;
