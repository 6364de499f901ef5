//! Values: how they lie in records and segments, for every data model.

pub(crate) mod codec;
mod content;
mod frames;
mod long;
mod pieces;
mod stored;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::frames::fuzz as fuzz_compressed;
#[cfg(test)]
pub(crate) use self::frames::samples as compressed_samples;
pub(crate) use self::{
    content::{ContentReader, io_error},
    frames::{Encoder, encode},
    long::{Applied, LongValues, Prepared},
    stored::{
        Coding, Stored, load, load_ref, put_inline, put_inline_coded, put_long, put_long_coded, put_lost,
    },
};

/// How often a record is read again because its bytes have moved.
pub(crate) const MOVED_RETRIES: usize = 16;

/// How often a conditional change is tried again because another writer was faster.
pub(crate) const CONFLICT_RETRIES: usize = 100;
