//! Files and directories, with errors that name them.

use std::{
    fs::{self, File},
    io::{self, ErrorKind as IoErrorKind},
    os::unix::fs::FileExt,
    path::Path,
};

use millpond::{Error, ErrorKind, Result};

/// Opens a file for reading, if it is there.
pub(crate) fn open(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == IoErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(format!("opening {}", path.display()), error)),
    }
}

/// Bytes of a file, if it is there.
pub(crate) fn size(path: &Path) -> Result<Option<u64>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == IoErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(format!("looking at {}", path.display()), error)),
    }
}

/// Removes a file. Answers whether it was there.
pub(crate) fn remove(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == IoErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io(format!("removing {}", path.display()), error)),
    }
}

/// Renames a file, in place of what may be there.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    let doing = || format!("renaming {} to {}", from.display(), to.display());
    fs::rename(from, to).map_err(|error| Error::io(doing(), error))
}

/// Makes durable what a file has.
pub(crate) fn sync(file: &File, path: &Path) -> Result<()> {
    file.sync_data().map_err(|error| Error::io(format!("syncing {}", path.display()), error))
}

/// Makes durable which files a directory has.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(|error| Error::io(format!("syncing directory {}", path.display()), error))
}

/// Reads at `offset` until `room` is full or the file ends. Answers how much.
pub(crate) fn read_at(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut length = 0;
    while length < room.len() {
        match file.read_at(&mut room[length..], offset + length as u64) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == IoErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// The names in a directory. Those that aren't text are no names of ours, and are passed over.
pub(crate) fn names(path: &Path) -> Result<Vec<String>> {
    let doing = |error| Error::io(format!("listing {}", path.display()), error);
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(doing)? {
        names.extend(entry.map_err(doing)?.file_name().into_string().ok());
    }
    Ok(names)
}

/// The names in a directory, none where there is none.
pub(crate) fn names_if_there(path: &Path) -> Result<Vec<String>> {
    match names(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        // A file among directories is none of ours.
        Err(_) if path.is_file() => Ok(Vec::new()),
        listed => listed,
    }
}
