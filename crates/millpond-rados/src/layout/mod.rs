//! What lies where in RADOS. These bytes are the format: they never change their meaning.
//!
//! Of each Ceph pool, two kinds of namespaces are ours:
//!
//! | namespace         | object                    | data              | omap                          |
//! |-------------------|---------------------------|-------------------|-------------------------------|
//! | `millpond`        | `pool`                    | [`document`]      | [`document`]                  |
//! | `millpond.<uuid>` | `index`                   | none              | [`keys`]                      |
//! | `millpond.<uuid>` | `segment.<id>.<part>`     | frames of a value | none                          |
//!
//! [`document`]: crate::pool
//! [`keys`]: keys
//!
//! Every omap value and every frame begins with a checksum that is bound to its container's
//! incarnation and to its place, so that neither a flipped bit nor bytes of another place or of an
//! earlier container are taken for what was written.

pub(crate) mod head;
pub(crate) mod keys;
pub(crate) mod log;
pub(crate) mod record;
pub(crate) mod retention;
pub(crate) mod seal;
pub(crate) mod wire;

use std::ffi::{CStr, CString};

use millpond_core::SegmentId;
use uuid::Uuid;

use crate::context::object_name;

/// The namespace of a pool's own object.
pub(crate) const POOL_NAMESPACE: &str = "millpond";
/// The object of a pool.
pub(crate) const POOL: &CStr = c"pool";
/// The object of a container's index.
pub(crate) const INDEX: &CStr = c"index";

const SEGMENT: &str = "segment.";

/// The namespace of a container.
pub(crate) fn namespace(container: Uuid) -> String {
    format!("{POOL_NAMESPACE}.{container}")
}

/// An object of a segment.
pub(crate) fn segment_object(segment: SegmentId, part: u64) -> CString {
    object_name(format!("{SEGMENT}{:016x}.{part:08x}", segment.0))
}

/// The segment and the part in the name of an object, if it is a segment's.
pub(crate) fn parse_segment_object(name: &[u8]) -> Option<(SegmentId, u64)> {
    let name = std::str::from_utf8(name).ok()?;
    let (id, part) = name.strip_prefix(SEGMENT)?.split_once('.')?;
    Some((SegmentId(u64::from_str_radix(id, 16).ok()?), u64::from_str_radix(part, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_segments_come_back() {
        for (segment, part) in [(0, 0), (1, 255), (u64::MAX, 1 << 31)] {
            let name = segment_object(SegmentId(segment), part);
            assert_eq!(parse_segment_object(name.to_bytes()), Some((SegmentId(segment), part)));
        }
        assert_eq!(parse_segment_object(b"index"), None);
        assert_eq!(parse_segment_object(b"segment.x.y"), None);
    }
}
