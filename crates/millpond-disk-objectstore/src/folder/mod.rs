//! A folder, and the handle on it.

mod handle;
mod init;

pub(crate) use handle::Version;
pub use handle::{Folder, FolderOptions};
