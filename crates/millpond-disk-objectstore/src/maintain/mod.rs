//! What keeps a folder in order.

mod clean;
mod count;
mod delete;
mod import;
mod list;
mod loosen;
mod pack_loose;
mod repack;
mod repack_copy;
mod validate;

pub use count::{ObjectCount, TotalSize};
pub use import::ImportOptions;
pub use list::Ids;
pub use pack_loose::PackLooseOptions;
pub use repack::RepackOptions;
pub use validate::ValidationIssues;
