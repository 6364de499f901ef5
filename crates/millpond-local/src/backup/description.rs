//! What a backup says of itself.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use millpond_core::{Backup, ContainerEntry, Epoch, Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::copy::Digest;
use crate::{
    media::Media,
    pool::document::{self, CONTAINER_FILE},
};

/// The file in a backup.
pub(super) const DESCRIPTION_FILE: &str = "backup.json";

/// The directories of a container.
const PARTS: [&str; 3] = ["log", "runs", "segments"];

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Description {
    pub(crate) container: Uuid,
    pub(super) entry: ContainerEntry,
    pub(super) epoch: Epoch,
    /// Seconds since 1970 when it was begun.
    pub(super) created: u64,
    /// Its files, by their path in it.
    pub(super) files: BTreeMap<String, BackedUpFile>,
    /// Bytes of files that it had in common with the backup before.
    pub(super) bytes_linked: u64,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BackedUpFile {
    #[serde(flatten)]
    pub(super) digest: Digest,
    /// Whether the container never wrote to it again.
    pub(super) is_sealed: bool,
}

impl Description {
    /// The description of the backup in `dir`; none where there is no backup.
    ///
    /// # Errors
    /// `Corrupt` and `Incompatible` when it can't be trusted.
    pub(super) fn load(media: &Arc<dyn Media>, dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(DESCRIPTION_FILE);
        let Some(description) = document::load::<Self>(media, &path, "backup")? else { return Ok(None) };
        match description.files.keys().find(|name| !is_in_container(name)) {
            None => Ok(Some(description)),
            Some(name) => Err(Error::new(
                ErrorKind::Corrupt,
                format!("{}: {name:?} is no file of a container; use another backup", path.display()),
            )),
        }
    }

    pub(super) fn store(&self, media: &Arc<dyn Media>, dir: &Path) -> Result<()> {
        document::store(media, &dir.join(DESCRIPTION_FILE), self)
    }

    /// Bytes of all its files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.digest.bytes).sum()
    }

    /// What to tell of it, which is at `path`.
    pub(crate) fn backup(&self, path: &Path) -> Backup {
        Backup {
            path: path.to_owned(),
            container: self.container,
            entry: self.entry.clone(),
            epoch: self.epoch,
            created: self.created,
            files: self.files.len() as u64,
            bytes: self.bytes(),
            bytes_linked: self.bytes_linked,
        }
    }
}

/// Whether a name is that of a file of a container, and leads nowhere else.
fn is_in_container(name: &str) -> bool {
    let is_plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
    };
    match name.split_once('/') {
        Some((part, name)) => PARTS.contains(&part) && is_plain(name),
        None => [CONTAINER_FILE, "manifest"].contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::is_in_container;

    #[test]
    fn only_files_of_a_container_are_restored() {
        for good in ["manifest", "container.json", "log/0000000000000001.log", "runs/00ab.run"] {
            assert!(is_in_container(good), "{good}");
        }
        for bad in [
            "",
            "lock",
            "/etc/passwd",
            "..",
            "runs",
            "runs/",
            "runs/..",
            "runs/../../x",
            "runs/a/b",
            "other/x",
            "runs/.x",
            "runs//x",
            "runs/a\0b",
            "log/\\x",
        ] {
            assert!(!is_in_container(bad), "{bad:?}");
        }
    }
}
