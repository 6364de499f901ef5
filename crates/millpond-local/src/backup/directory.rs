//! The directory that backups are made into.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use millpond_core::{Error, ErrorKind, Result};
use uuid::Uuid;

use super::description::Description;
use crate::{
    media::{Lock, LockFile, Media},
    pool::failed,
};

const PREFIX: &str = "backup_";
const NEW: &str = ".new-";
const OLD: &str = ".old-";
const LOCK_FILE: &str = "lock";
const LAST: &str = "last-backup";
const LAST_SCRATCH: &str = ".new-last-backup";

/// A directory of backups that nobody else makes one into until this is dropped.
pub(super) struct Directory<'a> {
    media: &'a Arc<dyn Media>,
    path: PathBuf,
    _lock: Arc<dyn LockFile>,
}

impl<'a> Directory<'a> {
    /// Takes hold of the directory, which is made if it is missing, and removes what crashes left there.
    ///
    /// # Errors
    /// `Busy` while another backup is made into it.
    pub(super) fn hold(media: &'a Arc<dyn Media>, path: &Path) -> Result<Self> {
        let missing: Vec<_> = path.ancestors().take_while(|above| media.list(above).is_err()).collect();
        media.create_dir(path).map_err(|error| failed("create", path, error))?;
        for above in missing.iter().filter_map(|made| made.parent()) {
            media.sync_dir(above).map_err(|error| failed("sync", above, error))?;
        }
        let lock_path = path.join(LOCK_FILE);
        let locking = |error| failed("lock", &lock_path, error);
        let lock = media.lock_file(&lock_path).map_err(locking)?;
        if !lock.try_lock(0, Lock::Exclusive).map_err(locking)? {
            return Err(Error::new(
                ErrorKind::Busy,
                format!("another backup is being made into {}; wait for its end", path.display()),
            ));
        }
        let directory = Self { media, path: path.to_owned(), _lock: lock };
        for name in directory.names()? {
            if name == LAST_SCRATCH {
                let scratch = path.join(&name);
                media.remove(&scratch).map_err(|error| failed("remove", &scratch, error))?;
            } else if name.starts_with(NEW) || name.starts_with(OLD) {
                directory.remove(&path.join(name))?;
            }
        }
        Ok(directory)
    }

    fn names(&self) -> Result<Vec<String>> {
        self.media.list(&self.path).map_err(|error| failed("list", &self.path, error))
    }

    fn remove(&self, path: &Path) -> Result<()> {
        self.media.remove_dir(path).map_err(|error| failed("remove", path, error))
    }

    fn sync(&self) -> Result<()> {
        self.media.sync_dir(&self.path).map_err(|error| failed("sync", &self.path, error))
    }

    /// The backups in it that can be read, oldest first.
    ///
    /// # Errors
    /// `InvalidArgument` when one is of another container than `container`.
    pub(super) fn backups(&self, container: Uuid) -> Result<Vec<(PathBuf, Description)>> {
        let backups = list(self.media, &self.path)?;
        match backups.iter().find(|(_, backup)| backup.container != container) {
            None => Ok(backups),
            Some((path, other)) => Err(Error::new(
                ErrorKind::InvalidArgument,
                format!(
                    "{} is a backup of container {}; give container {container} a directory of its own",
                    path.display(),
                    other.container
                ),
            )),
        }
    }

    /// Where a backup of that name is made, and where it is when it is done.
    pub(super) fn places(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.path.join(format!("{NEW}{name}")), self.path.join(name))
    }

    /// Makes what was made at `new`, and is synced, a backup.
    pub(super) fn complete(&self, new: &Path, place: &Path) -> Result<()> {
        self.media.rename(new, place).map_err(|error| failed("create", place, error))?;
        self.sync()
    }

    /// Has the link point to the backup of that name. File systems without links do without.
    pub(super) fn point_to(&self, name: &str) -> Result<()> {
        let (scratch, last) = (self.path.join(LAST_SCRATCH), self.path.join(LAST));
        let linking = |error| failed("link", &last, error);
        match self.media.symlink(name, &scratch) {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) =>
            {
                return Ok(());
            }
            made => made.map_err(linking)?,
        }
        self.media.rename(&scratch, &last).map_err(linking)?;
        self.sync()
    }

    /// Removes a backup.
    pub(super) fn drop_backup(&self, path: &Path) -> Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let old = self.path.join(format!("{OLD}{name}"));
        self.media.rename(path, &old).map_err(|error| failed("remove", path, error))?;
        self.sync()?;
        self.remove(&old)
    }
}

/// The backups in a directory that can be read, oldest first.
pub(super) fn list(media: &Arc<dyn Media>, dir: &Path) -> Result<Vec<(PathBuf, Description)>> {
    let names = media.list(dir).map_err(|error| failed("list", dir, error))?;
    let mut backups: Vec<_> = names
        .into_iter()
        .filter(|name| name.starts_with(PREFIX))
        .map(|name| dir.join(name))
        // A damaged one is nobody's base, and stays for whoever repairs it.
        .filter_map(|path| Some((Description::load(media, &path).ok()??, path)))
        .map(|(description, path)| (path, description))
        .collect();
    // Clocks are put back; epochs are not.
    backups.sort_by(|a, b| (a.1.epoch, &a.0).cmp(&(b.1.epoch, &b.0)));
    Ok(backups)
}

/// The name of a backup that was begun so many seconds after 1970.
pub(super) fn name(seconds: u64, random: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{PREFIX}{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}_{:04x}", random & 0xFFFF)
}

/// Year, month and day of the Gregorian calendar, so many days after 1970-01-01: counted in eras of 400
/// years that begin in March, so that the leap day comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + 400 * era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn names_have_the_date() {
        assert_eq!(name(0, 0xABCD_0009), "backup_19700101000000_0009");
        assert_eq!(name(951_782_400, 0), "backup_20000229000000_0000");
        assert_eq!(name(1_635_510_901, 0xFFFF), "backup_20211029123501_ffff");
        assert_eq!(name(4_107_542_399, 1), "backup_21000228235959_0001");
    }
}
