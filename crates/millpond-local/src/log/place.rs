//! Where in the log a value was found damaged.
//!
//! The value is lost, its key is not: a read of the key names the place, and a write of it mends it.
//! The place is kept with the key for as long as that version lives, also in runs, when the log
//! file itself is long gone.

use millpond_core::{Error, ErrorKind};

use super::file_name;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogPlace {
    /// Number of the log file.
    pub(crate) file: u64,
    /// Where in the file the value's record began.
    pub(crate) offset: u64,
}

impl LogPlace {
    /// The place, relative to the container's directory.
    pub(crate) fn path(self) -> String {
        format!("log/{}", file_name(self.file))
    }

    /// What a read answers that would need the value.
    pub(crate) fn error(self) -> Error {
        Error::new(
            ErrorKind::Corrupt,
            format!(
                "{}, offset {}: {}; write the key again or delete it, or restore the container from a copy",
                self.path(),
                self.offset,
                Self::WHAT
            ),
        )
    }

    /// What is wrong there.
    pub(crate) const WHAT: &'static str = "the value of a key was damaged in the log and is lost";
}
