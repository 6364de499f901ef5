//! Segments: files of bulk bytes, to which one writer appends value after value.
//!
//! Invariants:
//! - Bytes that a record owns never change, and nothing but appending happens to the file.
//! - Every byte that a value has in the file is under a checksum that is bound to its place. What
//!   lies between values (of a value that was never finished) is nobody's, and is never read.
//!
//! | part   | bytes | content                                                       |
//! |--------|------:|---------------------------------------------------------------|
//! | header |    48 | see `identity`                                                |
//! | frames |   any | see `frame`; a value is full frames and, at its end, a rest   |

mod frame;
mod reader;
mod rewrite;
#[cfg(test)]
mod tests;
mod writer;

use millpond_core::SegmentId;

pub(crate) use reader::SegmentReader;
pub(crate) use rewrite::write_again;
pub(crate) use writer::SegmentFile;

use crate::identity::FileKind;

static KIND: FileKind = FileKind { magic: *b"MPSEG\r\n\x1A", version: 1, name: "segment" };

/// The name of a segment's file.
pub(crate) fn file_name(id: SegmentId) -> String {
    format!("{:016x}.seg", id.0)
}
