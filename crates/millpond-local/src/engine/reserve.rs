//! The reserve: space set aside, so that a full disk still lets deletes and compaction through.
//!
//! A file beside the log. Before the log goes on in a new file for a commit that adds to
//! the store, the reserve has room for a run of all that the log then holds, and for one more log
//! file; else the commit is refused. So on a full disk deletes still get a log file, and after it
//! a checkpoint still gets its run, which gives back the log that it replaces; what is left of the
//! reserve meanwhile is kept from everybody else (rule 22).

use std::{io, path::PathBuf};

use millpond_core::{Error, ErrorKind, Result};

use super::{Engine, apply::Applier};
use crate::media::OpenMode;

/// What a run takes beyond its records, and a manifest.
const OVERHEAD_BYTES: u64 = 16 << 10;

impl Engine {
    fn reserve_path(&self) -> PathBuf {
        self.dir.join("reserve")
    }

    /// Bytes that the reserve should have when the log grows by `more` bytes.
    fn reserve_bytes(&self, applier: &Applier, more: u64) -> u64 {
        let first = self.state().manifest.log_file;
        let begin = self.log_header(first).map_or(applier.file.header.base, |header| header.base);
        let log = applier.file.end().saturating_sub(begin) + more;
        log + log / 8 + self.options.log_bytes + OVERHEAD_BYTES
    }

    /// Sets the reserve aside, as much of it as there is space for, when the log is to grow by
    /// `more` bytes.
    ///
    /// # Errors
    /// `NoSpace` when there isn't enough. What else goes wrong with the reserve is no error yet.
    pub(super) fn make_reserve(&self, applier: &Applier, more: u64) -> Result<()> {
        let path = self.reserve_path();
        let wanted = self.reserve_bytes(applier, more);
        let made = (|| {
            let file = match self.media.open(&path, OpenMode::Write) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.media.open(&path, OpenMode::Create)?
                }
                other => other?,
            };
            let length = file.length()?;
            if length > 2 * wanted {
                file.set_length(wanted)?;
            }
            file.allocate(length, wanted)
        })();
        let made =
            made.map_err(|error| Error::io(format!("setting space aside in {}", path.display()), error));
        match made {
            Err(error) if error.kind() == ErrorKind::NoSpace => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives the reserve to what has to be done now; answers whether there was one.
    pub(super) fn take_reserve(&self) -> bool {
        self.remove_log_ahead();
        self.media.remove(&self.reserve_path()).is_ok()
    }

    /// Does what may take the reserve to get done.
    pub(super) fn with_reserve<T>(&self, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        let result = match attempt() {
            Err(error) if error.kind() == ErrorKind::NoSpace && self.take_reserve() => attempt(),
            other => return other,
        };
        // As much of it as there is again; the next one who needs it sees whether that is enough.
        let _ = self.make_reserve(&super::lock(&self.applier), 0);
        result
    }
}
