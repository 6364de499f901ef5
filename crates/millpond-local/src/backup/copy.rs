//! Files, copied with their checksums.

use std::{path::Path, sync::Arc};

use millpond_core::{Progress, Result};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::{
    media::{File, FileExt, Media, OpenMode},
    pool::failed,
};

/// Bytes that are copied at a time.
const PART_BYTES: usize = 1 << 20;

/// What a file holds, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest {
    /// Its length.
    pub(super) bytes: u64,
    /// The XXH3-128 of its content, in hexadecimal digits.
    pub(super) checksum: String,
}

/// Copies as much of a file as there is now, and syncs the copy, but not its directory entry.
pub(super) fn copy(
    media: &Arc<dyn Media>,
    from: &Path,
    to: &Path,
    progress: &mut dyn Progress,
) -> Result<Digest> {
    let file = media.open(to, OpenMode::Create).map_err(|error| failed("create", to, error))?;
    let digest = each_part(media, from, progress, &mut |at, part| {
        file.write_all_at(part, at).map_err(|error| failed("write", to, error))
    })?;
    file.sync().map_err(|error| failed("sync", to, error))?;
    Ok(digest)
}

/// Reads as much of a file as there is now.
pub(super) fn digest(media: &Arc<dyn Media>, path: &Path, progress: &mut dyn Progress) -> Result<Digest> {
    each_part(media, path, progress, &mut |_, _| Ok(()))
}

/// How long a file is now.
pub(super) fn length(media: &Arc<dyn Media>, path: &Path) -> Result<u64> {
    let file = media.open(path, OpenMode::Read).map_err(|error| failed("open", path, error))?;
    file.length().map_err(|error| failed("look at", path, error))
}

fn each_part(
    media: &Arc<dyn Media>,
    path: &Path,
    progress: &mut dyn Progress,
    work: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
) -> Result<Digest> {
    let reading = |error| failed("read", path, error);
    let file: Arc<dyn File> =
        media.open(path, OpenMode::Read).map_err(|error| failed("open", path, error))?;
    let bytes = file.length().map_err(reading)?;
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; PART_BYTES.min(usize::try_from(bytes).unwrap_or(PART_BYTES))];
    let mut at = 0;
    while at < bytes {
        let count = (buffer.len() as u64).min(bytes - at);
        let part = &mut buffer[..count as usize];
        file.read_exact_at(part, at).map_err(reading)?;
        hasher.update(part);
        work(at, part)?;
        progress.advance(count)?;
        at += count;
    }
    Ok(Digest { bytes, checksum: format!("{:032x}", hasher.digest128()) })
}
