//! A backup is made.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use millpond_core::{Backup, BackupOptions, Error, ErrorKind, Progress, Result};
use uuid::Uuid;

use super::{
    copy::{copy, digest, length},
    description::{BackedUpFile, Description},
    directory::{Directory, name},
};
use crate::{
    bugs::{Bug, planted},
    engine::{Engine, Frozen, FrozenFile},
    media::Media,
    pool::{document::CONTAINER_FILE, failed},
};

/// See [`millpond_core::Store::backup`].
pub(crate) fn write(
    media: &Arc<dyn Media>,
    engine: &Engine,
    container: Uuid,
    to: &Path,
    options: BackupOptions<'_>,
) -> Result<Backup> {
    let to = &std::path::absolute(to).map_err(|error| failed("find", to, error))?;
    if to.starts_with(engine.dir()) {
        let text = format!("{} is in the container itself; back it up elsewhere", to.display());
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    if options.keep == Some(0) {
        return Err(Error::new(ErrorKind::InvalidArgument, "a backup can't be made and not be kept: keep 1"));
    }
    let directory = Directory::hold(media, to)?;
    let mut earlier = directory.backups(container)?;
    let created = media.now().as_secs();
    let frozen = engine.freeze()?;
    let name = name(created, media.random());
    let (new, place) = directory.places(&name);
    let writer = Writer {
        media,
        frozen: &frozen,
        from: engine.dir(),
        new: &new,
        before: earlier.last(),
        files: BTreeMap::new(),
        bytes_linked: 0,
    };
    let made = writer
        .write(options.progress)
        .and_then(|(files, bytes_linked)| {
            let description = Description {
                container,
                entry: options.entry,
                epoch: frozen.epoch(),
                created,
                files,
                bytes_linked,
            };
            description.store(media, &new)?;
            Ok(description)
        })
        .and_then(|description| {
            directory.complete(&new, &place)?;
            Ok(description)
        });
    let description = match made {
        Ok(description) => description,
        Err(error) => {
            if !media.killed() {
                // What can't be removed now is removed by the next backup.
                let _ = media.remove_dir(&new);
            }
            return Err(error);
        }
    };
    drop(frozen);
    directory.point_to(&name)?;
    if let Some(keep) = options.keep {
        // The new one is one of them.
        let surplus = (earlier.len() as u64 + 1).saturating_sub(keep).min(earlier.len() as u64);
        for (path, _) in earlier.drain(..surplus as usize) {
            directory.drop_backup(&path)?;
        }
    }
    Ok(description.backup(&place))
}

struct Writer<'a> {
    media: &'a Arc<dyn Media>,
    frozen: &'a Frozen<'a>,
    /// The container's directory.
    from: &'a Path,
    /// The backup's.
    new: &'a Path,
    before: Option<&'a (PathBuf, Description)>,
    files: BTreeMap<String, BackedUpFile>,
    bytes_linked: u64,
}

impl Writer<'_> {
    /// Makes all files, durably but for the entry of the directory itself.
    fn write(mut self, progress: &mut dyn Progress) -> Result<(BTreeMap<String, BackedUpFile>, u64)> {
        let parts = Frozen::parts(self.new);
        for part in &parts {
            self.media.create_dir(part).map_err(|error| failed("create", part, error))?;
        }
        let files = self.frozen.files()?;
        let mut total = 0;
        for file in &files {
            total += length(self.media, &self.from.join(&file.name))?;
        }
        progress.begin(total, "backing up")?;
        for file in files {
            self.add(file, progress)?;
        }
        progress.end()?;
        self.copy(FrozenFile { name: CONTAINER_FILE.into(), is_sealed: false }, &mut millpond_core::Silent)?;
        for name in self.frozen.write_books(self.new)? {
            let digest = digest(self.media, &self.new.join(&name), &mut millpond_core::Silent)?;
            self.files.insert(name, BackedUpFile { digest, is_sealed: false });
        }
        let dirs = parts.iter().map(PathBuf::as_path).chain([self.new]);
        for dir in dirs {
            if !planted(Bug::BackupWithoutDirectorySync) {
                self.media.sync_dir(dir).map_err(|error| failed("sync", dir, error))?;
            }
        }
        Ok((self.files, self.bytes_linked))
    }

    /// Adds a file, from the backup before if that has the same.
    fn add(&mut self, file: FrozenFile, progress: &mut dyn Progress) -> Result<()> {
        let Some((dir, known)) =
            self.before.and_then(|(dir, before)| Some((dir, before.files.get(&file.name)?)))
        else {
            return self.copy(file, progress);
        };
        let path = dir.join(&file.name);
        let is_intact = length(self.media, &path).is_ok_and(|bytes| bytes == known.digest.bytes);
        let from = self.from.join(&file.name);
        // One that was written to may have become longer, or have become so while it was copied.
        let is_same = is_intact
            && length(self.media, &from)? == known.digest.bytes
            && (known.is_sealed || digest(self.media, &from, &mut millpond_core::Silent)? == known.digest);
        // A file has so many names at most, and some file systems give it one only.
        if is_same && self.media.link(&path, &self.new.join(&file.name)).is_ok() {
            self.bytes_linked += known.digest.bytes;
            progress.advance(known.digest.bytes)?;
            let known = BackedUpFile { is_sealed: file.is_sealed, ..known.clone() };
            self.files.insert(file.name, known);
            return Ok(());
        }
        self.copy(file, progress)
    }

    fn copy(&mut self, file: FrozenFile, progress: &mut dyn Progress) -> Result<()> {
        let (from, to) = (self.from.join(&file.name), self.new.join(&file.name));
        let digest = copy(self.media, &from, &to, progress)?;
        self.files.insert(file.name, BackedUpFile { digest, is_sealed: file.is_sealed });
        Ok(())
    }
}
