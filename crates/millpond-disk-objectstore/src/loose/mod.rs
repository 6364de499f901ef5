//! Loose objects: a file each.

mod list;
mod write;
