//! Who may write packs: one at a time, among our processes and disk-objectstore's.

mod pack_lock;
mod packer;

pub(crate) use pack_lock::PackLock;
pub(crate) use packer::Packer;
