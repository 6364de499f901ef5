//! Reading objects: whole, as streams that can seek, one or many.

mod body;
mod check;
mod compressed;
mod meta;
mod objects;
mod one;
mod reader;

pub(crate) use check::corrupt;
pub use meta::ObjectMeta;
pub use objects::{Found, Objects};
pub use reader::ObjectReader;
pub(crate) use reader::into_error;
