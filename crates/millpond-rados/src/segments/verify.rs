//! Verifying the bytes that a record owns.

use std::ops::Range;

use millpond_core::{Damage, ErrorKind, Extent, Result};

use super::{
    frame::{FRAME_BYTES, FRAMES, PART_BYTES, STRIDE},
    read,
};
use crate::{container::Container, layout::segment_object};

/// Verifies the frames of an extent, object by object; answers how many bytes of it could be read.
/// What is missing is no damage if the record that owned it has gone meanwhile.
pub(crate) fn verify(
    container: &Container,
    extent: &Extent,
    is_still_owned: &dyn Fn() -> Result<bool>,
    report: &mut dyn FnMut(Range<u64>, Damage),
) -> Result<u64> {
    let mut whole = 0;
    let mut buffer = Vec::new();
    let mut at = 0;
    while at < extent.length {
        let length = (extent.length - at).min(PART_BYTES - (extent.offset + at) % PART_BYTES);
        buffer.resize(length as usize, 0);
        match read(container, extent, at, &mut buffer) {
            Ok(()) => whole += length,
            Err(error) if error.kind() == ErrorKind::EpochGone => {
                if !is_still_owned()? {
                    return Ok(whole);
                }
                report(at..at + length, damage(extent, at, "the object is missing"));
            }
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                whole += frames(container, extent, at, length, report)?;
            }
            Err(error) => return Err(error),
        }
        at += length;
    }
    Ok(whole)
}

/// Verifies a damaged object frame by frame.
fn frames(
    container: &Container,
    extent: &Extent,
    start: u64,
    length: u64,
    report: &mut dyn FnMut(Range<u64>, Damage),
) -> Result<u64> {
    let mut whole = 0;
    let mut buffer = Vec::new();
    let mut at = start;
    while at < start + length {
        let count = (start + length - at).min(FRAME_BYTES - (extent.offset + at) % FRAME_BYTES);
        buffer.resize(count as usize, 0);
        match read(container, extent, at, &mut buffer) {
            Ok(()) => whole += count,
            Err(error) => report(at..at + count, damage(extent, at, &error.to_string())),
        }
        at += count;
    }
    Ok(whole)
}

fn damage(extent: &Extent, at: u64, what: &str) -> Damage {
    let place = extent.offset + at;
    let object = segment_object(extent.segment, place / PART_BYTES);
    Damage::new(object.to_string_lossy(), place / FRAME_BYTES % FRAMES * STRIDE, what)
}
