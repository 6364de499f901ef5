//! The reserve: space set aside, so that a full disk still lets deletes and compaction through.
//!
//! A file of zeros beside the log. When the disk is full, a commit that only deletes, a checkpoint
//! or a merge removes it and tries once more; what adds to the store is refused instead. It comes
//! back as soon as there is space again (rule 22).

use std::path::PathBuf;

use millpond_core::{ErrorKind, Result};

use super::Engine;
use crate::media::{FileExt, OpenMode};

/// The reserve, in first log files: room for the next log file, and for a run of the last one.
const LOG_FILES: u64 = 2;

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

impl Engine {
    fn reserve_path(&self) -> PathBuf {
        self.dir.join("reserve")
    }

    /// Sets the reserve aside, if it isn't. A disk too full for it is no error yet.
    pub(super) fn make_reserve(&self) {
        let path = self.reserve_path();
        let Ok(file) = self.media.open(&path, OpenMode::Create) else { return };
        let length = LOG_FILES * self.options.log_bytes;
        let filled = (0..length).step_by(ZEROS.len()).try_for_each(|offset| {
            let count = ZEROS.len().min((length - offset) as usize);
            file.write_all_at(&ZEROS[..count], offset)
        });
        if filled.is_err() {
            let _ = self.media.remove(&path);
        }
    }

    /// Does what may take the reserve to get done.
    pub(super) fn with_reserve<T>(&self, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
        match attempt() {
            Err(error)
                if error.kind() == ErrorKind::NoSpace && self.media.remove(&self.reserve_path()).is_ok() =>
            {
                attempt()
            }
            other => other,
        }
    }
}
