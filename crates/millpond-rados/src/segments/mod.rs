//! Bulk bytes: each value is a segment of its own, of objects of 64 frames.
//!
//! A segment's number is drawn at random. Its objects are written whole, under names that say their
//! place, so that a write that is sent twice changes nothing; nothing is ever appended blindly. Each
//! frame of 64 KiB is sealed for its object and its place in it, so that a part of a value is read,
//! and verified, by itself.
//!
//! A segment's bytes are the payloads of its frames, one after the other; an extent's offset counts
//! those.

mod frame;
mod reader;
mod sweep;
mod verify;
mod writer;

pub(crate) use reader::read;
pub(crate) use sweep::sweep;
pub(crate) use verify::verify;
pub(crate) use writer::Writer;
