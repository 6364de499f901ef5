//! `millpond container backup` and `restore`, which are `millpond blob backup` and `restore` too.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use millpond::{Error, ErrorKind, format_size};
use serde_json::json;

use crate::{
    failure::{Failure, Outcome},
    names::{self, ContainerName},
    output::{Bar, Output, Page, plural},
};

pub(crate) const BACKUP_EXAMPLES: &str = "\
Examples:
  millpond container backup lab/results /backup/results
  millpond blob backup lab/files /backup/files --keep 7

Others may read and write meanwhile. Files that didn't change since the newest backup in DIR are shared with it (hard links), so that each backup is whole, and takes the space of what is new.";

pub(crate) const RESTORE_EXAMPLES: &str = "\
Examples:
  millpond container restore /backup/results lab/results
  millpond blob restore /backup/files/backup_20260131174500_09af lab/files-of-january

The container keeps its UUID, to which its files are bound: a pool that still has it can't have it twice.";

#[derive(Args)]
pub(crate) struct BackupCommand {
    #[command(flatten)]
    container: ContainerName,
    /// The directory of the container's backups, which is made if it is missing.
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// Keep so many of the newest backups in DIR, and remove the others; all by default.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    keep: Option<u64>,
}

#[derive(Args)]
pub(crate) struct RestoreCommand {
    /// A backup, or a directory of backups, of which the newest one is restored.
    #[arg(value_name = "BACKUP")]
    from: PathBuf,
    /// The pool to restore to, and the label that the container is to have there.
    #[command(flatten)]
    container: ContainerName,
}

/// `millpond backup`.
#[derive(Subcommand)]
pub(crate) enum BackupsCommand {
    /// Compare every file of a backup with what was written; nothing is restored.
    ///
    /// Names each damaged file. Exits with 7 if there is one.
    #[command(after_help = "\
Examples:
  millpond backup verify /backup/results
  millpond backup verify /backup/files/backup_20260131174500_09af --json

A container that was damaged when it was backed up is intact as a backup: scrub it now and then.")]
    Verify {
        /// A backup, or a directory of backups, of which the newest one is verified.
        #[arg(value_name = "BACKUP")]
        from: PathBuf,
    },
}

impl BackupsCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let Self::Verify { from } = self;
        let verified = {
            let bar = output.progress("verifying", Some(0));
            millpond::verify_backup(&from, &mut Bar::new(&bar))?
        };
        let path = verified.backup.path.display().to_string();
        let bytes = format_size(verified.backup.bytes);
        let show = |page: &mut Page<'_>| {
            if verified.damages.is_empty() {
                return page.line(&format!("{path} is intact: {bytes} read"));
            }
            verified
                .damages
                .iter()
                .try_for_each(|damage| page.line(&format!("{}: {}", damage.file, damage.what)))
        };
        if verified.damages.is_empty() {
            return output.respond(&verified, show);
        }
        let files = plural(verified.damages.len() as u64, "damaged file");
        let message = format!("{path} has {files}: use another backup, and make a new one");
        output.respond_failed(&verified, &Error::new(ErrorKind::Corrupt, message), show)
    }
}

impl BackupCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let container = self.container.read()?;
        let backup = {
            let bar = output.progress("backing up", Some(0));
            container.backup(&self.to, self.keep, &mut Bar::new(&bar))?
        };
        output.respond(&backup, |page| {
            let new = backup.bytes.saturating_sub(backup.bytes_linked);
            page.line(&format!("backed up {} to {}", self.container.shown(), backup.path.display()))?;
            page.line(&format!("{}, {} of them new", format_size(backup.bytes), format_size(new)))
        })
    }
}

impl RestoreCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let shown = self.container.shown();
        let Some((pool, label)) = self.container.parts() else {
            return Err(Failure::usage(format!(
                "{shown:?} doesn't say which container in which pool: give POOL/CONTAINER"
            )));
        };
        let pool = names::open_pool(pool)?;
        let container = {
            let bar = output.progress("restoring", Some(0));
            pool.restore(&self.from, Some(label), &mut Bar::new(&bar))?
        };
        let response = json!({ "restored": shown, "uuid": container.uuid(), "url": container.url() });
        container.close()?;
        output.respond(&response, |page| page.line(&format!("restored {shown} from {}", self.from.display())))
    }
}
