//! A backup becomes the storage of a container.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use millpond_core::{DamagedFile, Error, ErrorKind, Progress, Result, VerifiedBackup};

use super::{
    copy::{Digest, copy, digest},
    description::Description,
    directory::list,
};
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
            ErrorKind::NotFound => damaged(&path, MISSING),
            _ => error,
        })?;
        if let Some(why) = difference(&copied, &file.digest)
            && !planted(Bug::RestoreWithoutChecking)
        {
            return Err(damaged(&path, &why));
        }
    }
    progress.end()?;
    for dir in parts.iter().map(PathBuf::as_path).chain([to]) {
        media.sync_dir(dir).map_err(|error| failed("sync", dir, error))?;
    }
    Ok(())
}

/// Compares each file of the backup at `from`, or of the newest one in the directory `from`, with what was
/// written. What is damaged is told, and the others are compared all the same.
///
/// # Errors
/// Those of [`find`], and what `progress` answers.
pub(crate) fn verify(
    media: &Arc<dyn Media>,
    from: &Path,
    progress: &mut dyn Progress,
) -> Result<VerifiedBackup> {
    let (from, description) = find(media, from)?;
    let mut damages = Vec::new();
    let mut told = Watched { progress, ended: false };
    told.begin(description.bytes(), "verifying")?;
    for (name, file) in &description.files {
        let what = match digest(media, &from.join(name), &mut told) {
            Ok(found) => difference(&found, &file.digest),
            Err(error) if told.ended => return Err(error),
            Err(error) if error.kind() == ErrorKind::NotFound => Some(MISSING.to_owned()),
            Err(error) => Some(error.to_string()),
        };
        damages.extend(what.map(|what| DamagedFile { file: name.clone(), what }));
    }
    told.end()?;
    Ok(VerifiedBackup { backup: description.backup(&from), damages })
}

/// Tells errors of whoever is told from those of files.
struct Watched<'a> {
    progress: &'a mut dyn Progress,
    ended: bool,
}

impl Watched<'_> {
    fn note(&mut self, told: Result<()>) -> Result<()> {
        self.ended |= told.is_err();
        told
    }
}

impl Progress for Watched<'_> {
    fn begin(&mut self, total: u64, what: &str) -> Result<()> {
        let told = self.progress.begin(total, what);
        self.note(told)
    }

    fn advance(&mut self, count: u64) -> Result<()> {
        let told = self.progress.advance(count);
        self.note(told)
    }

    fn end(&mut self) -> Result<()> {
        let told = self.progress.end();
        self.note(told)
    }
}

const MISSING: &str = "it is missing";

/// What is wrong with a file, if it isn't what was written.
fn difference(found: &Digest, written: &Digest) -> Option<String> {
    if found == written {
        None
    } else if found.bytes == written.bytes {
        Some("it isn't what was written: its checksum fails".to_owned())
    } else {
        Some(format!("it has {} bytes instead of {}", found.bytes, written.bytes))
    }
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("{}: {why}; nothing was restored, use another backup", path.display()),
    )
}
