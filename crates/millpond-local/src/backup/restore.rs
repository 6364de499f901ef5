//! A backup becomes the storage of a container.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use millpond_core::{Error, ErrorKind, Progress, Result};

use super::{copy::copy, description::Description, directory::list};
use crate::{
    bugs::{Bug, planted},
    engine::Frozen,
    media::Media,
    pool::failed,
};

/// The backup at `from`, or the newest one in the directory `from`.
///
/// # Errors
/// `NotFound`; `Corrupt` and `Incompatible` when its description can't be trusted.
pub(crate) fn find(media: &Arc<dyn Media>, from: &Path) -> Result<(PathBuf, Description)> {
    if let Some(description) = Description::load(media, from)? {
        return Ok((from.to_owned(), description));
    }
    list(media, from)?.pop().ok_or_else(|| {
        let text = format!("there is no backup in {}; give the directory of one", from.display());
        Error::new(ErrorKind::NotFound, text)
    })
}

/// Copies a backup into a new directory, durably but for the entry of that.
///
/// # Errors
/// `Corrupt`, naming the file, when the backup isn't what it was.
pub(crate) fn restore(
    media: &Arc<dyn Media>,
    (from, description): &(PathBuf, Description),
    to: &Path,
    progress: &mut dyn Progress,
) -> Result<()> {
    let parts = Frozen::parts(to);
    for part in &parts {
        media.create_dir(part).map_err(|error| failed("create", part, error))?;
    }
    progress.begin(description.bytes(), "restoring")?;
    for (name, file) in &description.files {
        let path = from.join(name);
        let copied = copy(media, &path, &to.join(name), progress).map_err(|error| match error.kind() {
            ErrorKind::NotFound => damaged(&path, "it is missing"),
            _ => error,
        })?;
        if copied != file.digest && !planted(Bug::RestoreWithoutChecking) {
            let why = if copied.bytes == file.digest.bytes {
                "it isn't what was written: its checksum fails".to_owned()
            } else {
                format!("it has {} bytes instead of {}", copied.bytes, file.digest.bytes)
            };
            return Err(damaged(&path, &why));
        }
    }
    progress.end()?;
    for dir in parts.iter().map(PathBuf::as_path).chain([to]) {
        media.sync_dir(dir).map_err(|error| failed("sync", dir, error))?;
    }
    Ok(())
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("{}: {why}; nothing was restored, use another backup", path.display()),
    )
}
