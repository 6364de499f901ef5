//! The unified namespace: directories that stand for containers.
//!
//! Such a directory carries a mark, `MILLPOND.<TYPE>://<pool>/<container UUID>`, in the extended
//! attribute `user.millpond`, or, where the file system has none, in a file `.millpond` in it. The
//! pool is its URL; of a `file:` URL the path alone.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use millpond_core::{Error, ErrorKind, Result};
use uuid::Uuid;

use crate::{container_type::ContainerType, location};

const ATTRIBUTE: &str = "user.millpond";
const FILE: &str = ".millpond";
const PREFIX: &str = "MILLPOND.";

/// A mark can't be longer; a longer file of that name isn't ours.
const MARK_BYTES_MAX: u64 = 16 << 10;

/// What a marked directory stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The URL of the pool.
    pub(crate) pool: String,
    pub(crate) container: Uuid,
    pub(crate) container_type: ContainerType,
}

impl Mark {
    fn to_text(&self) -> String {
        let pool = self.pool.strip_prefix("file://").unwrap_or(&self.pool);
        format!("{PREFIX}{}://{pool}/{}", self.container_type, self.container)
    }

    fn from_text(text: &str) -> Option<Self> {
        let (container_type, rest) = text.trim_end().strip_prefix(PREFIX)?.split_once("://")?;
        let (pool, container) = location::split(rest).ok()?;
        let pool = if pool.starts_with('/') { format!("file://{pool}") } else { pool.to_owned() };
        Some(Self {
            pool,
            container: Uuid::try_parse(container).ok()?,
            container_type: ContainerType::recorded(container_type),
        })
    }
}

/// Creates the directory, readable by its owner alone, or takes an empty one, and marks it. Answers
/// its absolute path.
///
/// # Errors
/// `AlreadyExists` when the directory holds something or is marked already.
pub(crate) fn create(path: &Path, mark: &Mark) -> Result<PathBuf> {
    let path = std::path::absolute(path)
        .map_err(|error| Error::io(format_args!("can't make {} absolute", path.display()), error))?;
    let made = match DirBuilder::new().mode(0o700).create(&path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => {
            return Err(Error::io(format_args!("can't create the directory {}", path.display()), error));
        }
    };
    let marked = if made { Ok(()) } else { check_free(&path) }.and_then(|()| write(&path, mark));
    if let Err(error) = marked {
        if made {
            // The directory is ours and empty. If it stays, the error at hand says more.
            let _ = fs::remove_dir(&path);
        }
        return Err(error);
    }
    Ok(path)
}

fn check_free(path: &Path) -> Result<()> {
    let taken = |why: &str| {
        let message = format!("{} {why}: a container needs a new or an empty directory", path.display());
        Err(Error::new(ErrorKind::AlreadyExists, message))
    };
    if !path.is_dir() {
        return taken("is no directory");
    }
    if read(path)?.is_some() {
        return taken("stands for a container already");
    }
    let mut entries = fs::read_dir(path)
        .map_err(|error| Error::io(format_args!("can't list {}", path.display()), error))?;
    if entries.next().is_some() { taken("is not empty") } else { Ok(()) }
}

fn write(path: &Path, mark: &Mark) -> Result<()> {
    let text = mark.to_text();
    if xattr::set(path, ATTRIBUTE, text.as_bytes()).is_ok() {
        return Ok(());
    }
    let file = path.join(FILE);
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .map_err(|error| Error::io(format_args!("can't write the mark {}", file.display()), error))
}

/// What the directory stands for, if it is marked.
///
/// # Errors
/// `Incompatible` when it carries a mark that can't be read.
pub(crate) fn read(path: &Path) -> Result<Option<Mark>> {
    // A file system without attributes, or a directory that isn't ours to ask: then the file tells.
    let attribute = xattr::get(path, ATTRIBUTE).ok().flatten();
    let bytes = match attribute {
        Some(bytes) => bytes,
        None => {
            let file = path.join(FILE);
            let mut bytes = Vec::new();
            match fs::File::open(&file).and_then(|file| file.take(MARK_BYTES_MAX).read_to_end(&mut bytes)) {
                Ok(_) => bytes,
                Err(error) if is_absent(&error) => return Ok(None),
                Err(error) => {
                    return Err(Error::io(format_args!("can't read the mark {}", file.display()), error));
                }
            }
        }
    };
    match std::str::from_utf8(&bytes).ok().and_then(Mark::from_text) {
        Some(mark) => Ok(Some(mark)),
        None => Err(Error::new(
            ErrorKind::Incompatible,
            format!(
                "{} carries a mark that this version can't read: {:?}",
                path.display(),
                String::from_utf8_lossy(&bytes)
            ),
        )),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Takes the mark of `container` off the directory, and removes the directory if it is empty then.
/// One that is gone, or stands for another container by now, is left alone.
pub(crate) fn remove(path: &Path, container: Uuid) -> Result<()> {
    if !matches!(read(path), Ok(Some(mark)) if mark.container == container) {
        return Ok(());
    }
    let failed = |error| Error::io(format_args!("can't take the mark off {}", path.display()), error);
    if matches!(xattr::get(path, ATTRIBUTE), Ok(Some(_))) {
        xattr::remove(path, ATTRIBUTE).map_err(failed)?;
    }
    match fs::remove_file(path.join(FILE)) {
        Err(error) if !is_absent(&error) => return Err(failed(error)),
        _ => {}
    }
    match fs::remove_dir(path) {
        Err(error) if !is_absent(&error) && error.kind() != io::ErrorKind::DirectoryNotEmpty => {
            Err(Error::io(format_args!("can't remove the directory {}", path.display()), error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back() {
        for (pool, text) in [
            (
                "file:///data/my%20pool",
                "MILLPOND.PYTHON:///data/my%20pool/00000000-0000-0000-0000-000000000007",
            ),
            ("mem:scratch", "MILLPOND.PYTHON://mem:scratch/00000000-0000-0000-0000-000000000007"),
        ] {
            let mark = Mark {
                pool: pool.into(),
                container: Uuid::from_u128(7),
                container_type: ContainerType::PYTHON,
            };
            assert_eq!(mark.to_text(), text);
            assert_eq!(Mark::from_text(text), Some(mark));
        }
        for bad in ["", "MILLPOND.KV", "MILLPOND.KV://pool", "MILLPOND.KV:///a/b", "DAOS.KV:///a/b"] {
            assert_eq!(Mark::from_text(bad), None, "{bad}");
        }
    }
}
