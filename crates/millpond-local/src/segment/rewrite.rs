//! Writing a value again, in its place, from what can still be read.
//!
//! After a failed sync, and when nobody is left who knows of one, the page cache may show bytes as
//! clean that the disk never got: syncing them once more would write nothing. Written again, they
//! are dirty again, and the next sync means what it says.

use std::{path::Path, sync::Arc};

use millpond_core::{Error, ErrorKind, Extent, Result, SegmentId};
use uuid::Uuid;

use super::SegmentReader;
use crate::{
    identity::HEADER_BYTES,
    media::{FileExt, Media, OpenMode},
};

/// Bytes to copy at a time.
const PART_BYTES: u64 = 1 << 20;

/// Verifies extents of a segment, writes them again where they are, and syncs the segment.
///
/// # Errors
/// `Corrupt` when one of them is damaged: then it is lost, and nothing is written.
pub(crate) fn write_again(
    media: &Arc<dyn Media>,
    path: &Path,
    id: SegmentId,
    container: Uuid,
    extents: &[Extent],
) -> Result<()> {
    let reader = SegmentReader::open(media, path, id, container)?;
    let mut damage = None;
    reader.verify(extents, &mut |found| damage = Some(found));
    if let Some(damage) = damage {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("segment {}, offset {}: {}", path.display(), damage.offset, damage.what),
        ));
    }
    let parts = extents.iter().map(|extent| (extent.offset, reader.stored_bytes(extent.length)));
    let rewrite = || {
        let file = media.open(path, OpenMode::Write)?;
        for (mut offset, length) in std::iter::once((0, HEADER_BYTES as u64)).chain(parts) {
            let end = offset + length;
            while offset < end {
                let mut part = vec![0; PART_BYTES.min(end - offset) as usize];
                file.read_exact_at(&mut part, offset)?;
                file.write_all_at(&part, offset)?;
                offset += part.len() as u64;
            }
        }
        file.sync()
    };
    rewrite().map_err(|error| Error::io(format!("writing segment {} again", path.display()), error))
}
