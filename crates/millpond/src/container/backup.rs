//! Backups of a container.

use std::path::Path;

use millpond_core::{Backup, BackupOptions, Progress, Result, VerifiedBackup};

use super::Container;
use crate::backend;

/// Compares each file of the backup at `from`, or of the newest one in the directory `from`, with what was
/// written, without a pool and without a copy. All damage is told, not the first alone. A container that was
/// damaged when it was backed up is intact as a backup: scrub it now and then.
///
/// # Errors
/// `NotFound` when there is no backup; `Corrupt` and `Incompatible` when its description can't be trusted.
pub fn verify_backup(from: &Path, progress: &mut dyn Progress) -> Result<VerifiedBackup> {
    let verified = backend::verify_backup(from, progress);
    verified.map_err(|error| error.context(format_args!("can't verify the backup {}", from.display())))
}

impl Container {
    /// Writes a backup of the container to a new directory in the directory `to`, which is made if it is
    /// missing: all that was committed when it began, at one epoch. Others may read and write meanwhile.
    /// Files that didn't change are shared with the newest backup in `to`, and not written again. With
    /// `keep`, only so many of the newest backups stay there. [`Pool::restore`](crate::Pool::restore) makes
    /// a container of one.
    ///
    /// ```
    /// # use millpond::{ContainerOptions, Pool, PoolOptions, Silent};
    /// # fn main() -> millpond::Result<()> {
    /// # let home = std::env::temp_dir().join(format!("millpond-doc-backup-{}", std::process::id()));
    /// # let place = |name: &str| format!("file://{}", home.join(name).display());
    /// # let pool = Pool::create(&place("pool"), PoolOptions::default())?;
    /// # let other = Pool::create(&place("other"), PoolOptions::default())?;
    /// let container = pool.create_container(Some("results"), ContainerOptions::default())?;
    /// container.create_dict("answers")?.put(b"life", b"42")?;
    /// let backup = container.backup(&home.join("backups"), Some(7), &mut Silent)?;
    /// let restored = other.restore(&backup.path, None, &mut Silent)?;
    /// assert_eq!(restored.dict("answers")?.get(b"life")?.as_deref(), Some(&b"42"[..]));
    /// # drop((container, restored));
    /// # drop((pool, other));
    /// # std::fs::remove_dir_all(&home).expect("it is there");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `NotSupported` where the pool isn't in a directory; `Busy` while another backup is made into `to`;
    /// `InvalidArgument` when `to` has backups of another container; `NoSpace`. A backup that failed isn't
    /// there.
    pub fn backup(&self, to: &Path, keep: Option<u64>, progress: &mut dyn Progress) -> Result<Backup> {
        self.check_unscoped("back up")?;
        self.check_open()?;
        let options = BackupOptions { entry: self.entry()?, keep, progress };
        let backup = self.inner.store.backup(to, options);
        backup.map_err(|error| error.context(format_args!("can't back up {self}")))
    }
}
