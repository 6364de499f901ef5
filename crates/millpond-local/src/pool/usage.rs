//! How many bytes the files of a pool take up, counted anew.
//!
//! What counts is what the engines charge to the quota: runs, segments, and the records in the log,
//! but not the space that is zeroed ahead for it.

use std::{io, path::Path, sync::Arc};

use millpond_core::Result;
use uuid::Uuid;

use super::{NEW, TRASH, containers_dir, failed};
use crate::{
    log,
    manifest::Manifest,
    media::{File, FileExt, Media, OpenMode},
};

const CHUNK_BYTES: usize = 256 << 10;

/// Counts the bytes of all containers of the pool in `dir`. Files may come and go meanwhile.
pub(super) fn count(media: &Arc<dyn Media>, dir: &Path) -> Result<u64> {
    let containers = containers_dir(dir);
    let mut bytes = 0;
    for name in list(media, &containers)? {
        if name.starts_with(NEW) || name.starts_with(TRASH) {
            continue;
        }
        for part in ["runs", "segments"] {
            bytes += sum(media, &containers.join(&name).join(part), &|_| true, &|file| file.length())?;
        }
        let Ok(container) = Uuid::try_parse(&name) else { continue };
        bytes += log_bytes(media, &containers.join(name), container)?;
    }
    Ok(bytes)
}

/// Bytes of the records in the log that no run holds yet, or that are kept for those who watch.
fn log_bytes(media: &Arc<dyn Media>, dir: &Path, container: Uuid) -> Result<u64> {
    // With a damaged manifest, all of the log may count.
    let first = Manifest::load(media, dir, container).map_or(0, |manifest| manifest.first_log());
    let is_needed = |name: &str| log::file_number(name).is_some_and(|number| number >= first);
    sum(media, &dir.join("log"), &is_needed, &bytes_before_zeros)
}

fn sum(
    media: &Arc<dyn Media>,
    dir: &Path,
    counts: &dyn Fn(&str) -> bool,
    size: &dyn Fn(&dyn File) -> io::Result<u64>,
) -> Result<u64> {
    let mut bytes = 0;
    for name in list(media, dir)? {
        if !counts(&name) {
            continue;
        }
        let path = dir.join(name);
        match media.open(&path, OpenMode::Read).and_then(|file| size(&*file)) {
            Ok(size) => bytes += size,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("ask the size of", &path, error)),
        }
    }
    Ok(bytes)
}

fn list(media: &Arc<dyn Media>, dir: &Path) -> Result<Vec<String>> {
    match media.list(dir) {
        // A container that was destroyed meanwhile, or a file that is none of ours.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        listed => listed.map_err(|error| failed("list", dir, error)),
    }
}

/// Bytes of a log file up to the last one that is not zero, without the header.
fn bytes_before_zeros(file: &dyn File) -> io::Result<u64> {
    let mut end = file.length()?;
    let mut chunk = vec![0; CHUNK_BYTES];
    while end > 0 {
        let length = end.min(CHUNK_BYTES as u64);
        let bytes = &mut chunk[..length as usize];
        file.read_exact_at(bytes, end - length)?;
        let is_zero = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all | byte) == 0;
        // By pieces first, which is fast, then by bytes within the one that isn't zero.
        if let Some(pieces) = bytes.rchunks(64).position(|piece| !is_zero(piece)) {
            let kept = &bytes[..bytes.len() - 64 * pieces];
            let last = kept.iter().rposition(|&byte| byte != 0).unwrap_or_default();
            return Ok((end - length + last as u64 + 1).saturating_sub(log::HEADER_BYTES));
        }
        end -= length;
    }
    Ok(0)
}
