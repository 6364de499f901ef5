//! Where pools live that are found by label.

use std::path::PathBuf;

use millpond_core::{Error, ErrorKind, Result};

use crate::environment;

/// The directory that holds the pools found by label: `MILLPOND_HOME`, else
/// `$XDG_DATA_HOME/millpond`, else `~/.local/share/millpond`. It may not exist yet.
///
/// # Errors
/// `InvalidArgument` when none of the three can be told.
pub fn home() -> Result<PathBuf> {
    let home = environment::directory("MILLPOND_HOME")
        .or_else(|| environment::directory("XDG_DATA_HOME").map(|data| data.join("millpond")))
        .or_else(|| environment::user_home().map(|user| user.join(".local/share/millpond")))
        .ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidArgument,
                "there is no home directory to keep pools in: set MILLPOND_HOME to a directory",
            )
        })?;
    std::path::absolute(&home)
        .map_err(|error| Error::io(format_args!("can't make {} absolute", home.display()), error))
}
