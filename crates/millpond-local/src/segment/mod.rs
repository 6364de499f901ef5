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
mod mapped;
mod reader;
mod rewrite;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use millpond_core::SegmentId;

pub(crate) use reader::SegmentReader;
pub(crate) use rewrite::write_again;
pub(crate) use writer::SegmentFile;

use crate::identity::FileKind;

static KIND: FileKind = FileKind { magic: *b"MPSEG\r\n\x1A", version: 2, oldest: 1, name: "segment" };

/// The name of a segment's file.
pub(crate) fn file_name(id: SegmentId) -> String {
    format!("{:016x}.seg", id.0)
}

/// The decoder of a frame, for fuzzers: of the bytes as they are, and with a right checksum.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let identity =
        crate::identity::Identity::new(&KIND, std::path::Path::new("a segment"), uuid::Uuid::from_u128(1), 1);
    let sealed = [&identity.checksum(48, bytes).to_le_bytes()[..], bytes].concat();
    for format in [&frame::LONG_FRAMES, &frame::CURRENT] {
        let _ = format.payload(bytes, &identity, 48);
        if let Ok(payload) = format.payload(&sealed, &identity, 48) {
            let mut again = Vec::new();
            format.begin(&mut again);
            again.extend_from_slice(payload);
            format.end(&mut again, &identity, 48);
            assert_eq!(format.payload(&again, &identity, 48).ok(), Some(payload));
        }
    }
}

/// Valid inputs of [`fuzz`].
#[cfg(test)]
pub(crate) fn samples() -> Vec<Vec<u8>> {
    let identity =
        crate::identity::Identity::new(&KIND, std::path::Path::new("a segment"), uuid::Uuid::from_u128(1), 1);
    let mut frame = Vec::new();
    frame::LONG_FRAMES.begin(&mut frame);
    frame.extend_from_slice(b"the bytes of a value");
    frame::LONG_FRAMES.end(&mut frame, &identity, 48);
    // With its checksum, and without: the latter is a payload of the current format, too.
    vec![frame.clone(), frame.split_off(8)]
}
