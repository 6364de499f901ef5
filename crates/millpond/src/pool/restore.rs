//! Containers, restored from backups.

use std::path::Path;

use millpond_core::{Backup, ContainerEntry, Error, ErrorKind, Label, Progress, Result};

use super::{Pool, containers::check_label};
use crate::container::{Container, OpenOptions};

impl Pool {
    /// Makes a container of the backup at `from`, or of the newest one in the directory `from`, and opens
    /// it: with the UUID, the type, the properties and the attributes that it had, and with its label
    /// unless `label` is another one. Every byte is compared with its checksum on the way. The backup stays
    /// as it is.
    ///
    /// # Errors
    /// `AlreadyExists` when the pool has the container still, or another one of that label; `Corrupt`,
    /// naming the file, when the backup is damaged; `NoSpace`; `NotSupported` where the pool isn't in a
    /// directory. Nothing is restored then.
    pub fn restore(
        &self,
        from: &Path,
        label: Option<&str>,
        progress: &mut dyn Progress,
    ) -> Result<Container> {
        let restored = self.restore_as(from, label, progress);
        restored.map_err(|error| error.context(format_args!("can't restore {} to {self}", from.display())))
    }

    fn restore_as(&self, from: &Path, label: Option<&str>, progress: &mut dyn Progress) -> Result<Container> {
        let backup = self.store().describe_backup(from)?;
        let label = label.map(Label::new).transpose()?.or_else(|| backup.entry.label.clone());
        let document = self.document()?;
        if document.containers.contains_key(&backup.container) {
            let message = format!(
                "the pool has container {} still, and its files are bound to that UUID: restore to another pool, or destroy the container first",
                backup.container
            );
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        check_label(&document, label.as_ref(), backup.container)?;
        let backup = self.restore_storage(&backup, progress)?;
        let uuid = backup.container;
        // Where the container was known by a path, another one may be by now.
        let entry = ContainerEntry { label, path: None, last_scrub: None, ..backup.entry };
        let named = self.store().update(&mut |document| {
            check_label(document, entry.label.as_ref(), uuid)?;
            document.containers.insert(uuid, entry.clone());
            Ok(())
        });
        if let Err(error) = named {
            // Nothing names it, so nobody misses it; should this fail too, the first error says more.
            let _ = self.store().destroy(uuid, true);
            return Err(error);
        }
        Container::open_in(self, uuid, &entry, OpenOptions::default())
    }

    fn restore_storage(&self, backup: &Backup, progress: &mut dyn Progress) -> Result<Backup> {
        match self.store().restore(&backup.path, progress) {
            // A crash left storage that was never named.
            Err(error)
                if error.kind() == ErrorKind::AlreadyExists
                    && !self.document()?.containers.contains_key(&backup.container) =>
            {
                self.store().destroy(backup.container, false)?;
                self.store().restore(&backup.path, progress)
            }
            other => other,
        }
    }
}
