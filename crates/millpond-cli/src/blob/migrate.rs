//! `millpond blob migrate`.

use std::path::PathBuf;

use clap::Args;
use millpond::{Compression, Error, ErrorKind, format_size};
use millpond_disk_objectstore::{Folder, MigrateOptions};
use serde_json::json;

use super::{StoreName, compression};
use crate::{
    failure::Outcome,
    output::{Bar, Output, Table, plural},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  millpond blob migrate ./repository/container lab/files --dry-run
  millpond blob migrate ./repository/container lab/files

Make the store with `blob init` first, with the folder's hash. Nothing in the folder changes. Every object is compared with its id; one that is damaged is named and left out. What was interrupted goes on where it was when it is done again.";

#[derive(Args)]
pub(crate) struct MigrateCommand {
    /// The folder of disk-objectstore.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    #[command(flatten)]
    store: StoreName,
    /// Only count what would be migrated.
    #[arg(long)]
    dry_run: bool,
    /// How objects are stored that look worth compressing; the store's setting decides otherwise.
    #[arg(long, value_name = "CODEC", value_parser = compression)]
    compression: Option<Compression>,
}

impl MigrateCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let folder = Folder::open(&self.folder)?;
        let blobs = if self.dry_run { self.store.read()? } else { self.store.write()? };
        let options = MigrateOptions { compression: self.compression, dry_run: self.dry_run };
        let migrated = {
            let bar = output.progress("migrating", Some(0));
            folder.migrate(&blobs, &options, &mut Bar::new(&bar))?
        };
        blobs.container().close()?;
        let damaged: Vec<_> =
            migrated.damaged.iter().map(|(id, why)| json!({ "id": id, "reason": why })).collect();
        let response = json!({
            "dry_run": self.dry_run,
            "count": migrated.count,
            "bytes": migrated.bytes,
            "present": migrated.present,
            "damaged": damaged,
        });
        let show = |page: &mut crate::output::Page<'_>| {
            let verb = if self.dry_run { "would migrate" } else { "migrated" };
            let (count, bytes) = (plural(migrated.count, "blob"), format_size(migrated.bytes));
            page.line(&format!("{verb} {count}, {bytes}; {} there already", migrated.present))?;
            let mut table = Table::new(["DAMAGED", "WHY"]);
            for (id, why) in &migrated.damaged {
                table.row([&id.to_string(), why]);
            }
            if migrated.damaged.is_empty() { Ok(()) } else { page.table(&table) }
        };
        if migrated.damaged.is_empty() {
            return output.respond(&response, show);
        }
        let message = format!(
            "{} of {} could not be migrated: restore from a copy what is damaged, and migrate again",
            plural(migrated.damaged.len() as u64, "object"),
            self.folder.display()
        );
        output.respond_failed(&response, &Error::new(ErrorKind::Corrupt, message), show)
    }
}
