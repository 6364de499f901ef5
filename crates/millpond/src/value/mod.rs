//! Values: how they lie in records and segments, for every data model.

mod long;
mod stored;

pub(crate) use self::{
    long::{Applied, LongValues, Prepared},
    stored::{Stored, load, load_ref, put_inline, put_long, put_lost},
};

/// How often a record is read again because its bytes have moved.
pub(crate) const MOVED_RETRIES: usize = 16;

/// How often a conditional change is tried again because another writer was faster.
pub(crate) const CONFLICT_RETRIES: usize = 100;
