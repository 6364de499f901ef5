//! Where the engine is that is measured, and what becomes of that place.
//!
//! A benchmark writes into a pool that it, or an earlier run of it, has made, and into nothing else; a pool's
//! attribute says so. It removes what it made.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use millpond::{Error, ErrorKind, Pool};
use millpond_pmemkv::{Config, Engine, Status, Traits};

use super::Settings;
use crate::failure::Outcome;

/// The attribute of a pool that was made here.
const MADE_BY: (&str, &str) = ("made-by", "millpond map bench");

/// Bytes of an entry beside its key and value, at most, and how many of its versions may be there at once, where
/// nobody says how large the engine may become.
const ENTRY_BYTES: u64 = 128;
const VERSIONS: u64 = 16;

/// The size at least, where nobody says it.
const SIZE_MIN: u64 = 1 << 30;

/// An open engine in its place.
pub(super) struct Place {
    pub(super) engine: Engine,
    /// The pool to remove.
    made: Option<Made>,
}

/// A pool that was made here.
struct Made {
    url: String,
    keep: bool,
    /// Held, so that another run isn't robbed of its pool.
    _lock: File,
}

/// How to open it.
pub(super) struct Wanted<'a> {
    pub(super) engine: &'a Traits,
    /// The pool's directory; one that exists, or whose parent does, for engines in memory.
    pub(super) path: &'a str,
    /// Bytes that the engine may have; 0 is enough for the settings.
    pub(super) size: u64,
    pub(super) durability: Option<&'static str>,
    pub(super) keep: bool,
}

impl Place {
    pub(super) fn open(wanted: &Wanted<'_>, settings: &Settings) -> Outcome<Self> {
        let size = if wanted.size == 0 { enough(settings) } else { wanted.size };
        let mut config = Config::default();
        config.put("size", size).map_err(engine_error)?;
        if let Some(durability) = wanted.durability {
            config.put("durability", durability).map_err(engine_error)?;
        }
        if !wanted.engine.persistent {
            config.put("path", directory(wanted.path)).map_err(engine_error)?;
            let engine = Engine::open(wanted.engine.name, &config).map_err(engine_error)?;
            return Ok(Self { engine, made: None });
        }
        config.put("path", wanted.path).map_err(engine_error)?;
        let url = url(wanted.path)?;
        let is_new = fs::symlink_metadata(wanted.path).is_err();
        if is_new {
            config.put("create_or_error_if_exists", true).map_err(engine_error)?;
        } else {
            expect_ours(wanted.path, &url)?;
        }
        let lock = (!is_new).then(|| lock(wanted.path)).transpose()?;
        let engine = Engine::open(wanted.engine.name, &config).map_err(engine_error)?;
        let lock = lock.map_or_else(|| lock_new(wanted.path, &url), Ok)?;
        Ok(Self { engine, made: Some(Made { url, keep: wanted.keep, _lock: lock }) })
    }

    /// Closes the engine, and removes what it made.
    pub(super) fn close(mut self) -> Outcome {
        self.engine.close().map_err(engine_error)?;
        match self.made.take() {
            Some(Made { url, keep: false, .. }) => Ok(Pool::destroy(&url, true)?),
            _ => Ok(()),
        }
    }
}

/// After a failure, too, nothing stays.
impl Drop for Place {
    fn drop(&mut self) {
        if let Some(Made { url, keep: false, .. }) = self.made.take() {
            // The error to tell is the one before.
            let _closed = self.engine.close();
            let _removed = Pool::destroy(&url, true);
        }
    }
}

/// The store's error that says what an engine's does.
pub(super) fn engine_error(error: millpond_pmemkv::Error) -> Error {
    let kind = match (error.store_error(), error.status()) {
        (Some(store), _) => store.kind(),
        (None, Status::NotSupported) => ErrorKind::NotSupported,
        (None, Status::OutOfMemory) => ErrorKind::NoSpace,
        (None, Status::ComparatorMismatch) => ErrorKind::ComparatorMismatch,
        (None, _) => ErrorKind::InvalidArgument,
    };
    Error::new(kind, error.to_string())
}

/// Bytes that are enough for all workloads.
fn enough(settings: &Settings) -> u64 {
    let entry = (settings.key_size + settings.value_size) as u64 + ENTRY_BYTES;
    SIZE_MIN.saturating_add(settings.num.saturating_mul(entry).saturating_mul(VERSIONS)).min(i64::MAX as u64)
}

/// A directory for an engine that writes nothing there: the path, or what it would be in.
fn directory(path: &str) -> &str {
    match Path::new(path).parent().and_then(Path::to_str) {
        _ if Path::new(path).is_dir() => path,
        Some("") => ".",
        Some(parent) => parent,
        None => path,
    }
}

/// Refuses what is there already, unless a benchmark made it.
fn expect_ours(path: &str, url: &str) -> Outcome {
    let (name, value) = MADE_BY;
    let is_ours = Pool::open(url).and_then(|pool| pool.attribute(name)).is_ok_and(|made_by| made_by == value);
    if is_ours {
        return Ok(());
    }
    let message = format!(
        "{path} is there already, and no benchmark made it: give --db a path where nothing is, or one that --keep has kept"
    );
    Err(Error::new(ErrorKind::AlreadyExists, message).into())
}

/// Says of a pool that it was made here, and locks it.
fn lock_new(path: &str, url: &str) -> Outcome<File> {
    let (name, value) = MADE_BY;
    let marked = Pool::open(url).and_then(|pool| pool.set_attribute(name, value)).map_err(Into::into);
    marked.and_then(|()| lock(path)).inspect_err(|_| {
        // Nothing was there before this run.
        let _removed = Pool::destroy(url, true);
    })
}

fn lock(path: &str) -> Outcome<File> {
    let failed = |error| Error::io(format!("locking {path}"), error);
    let directory = File::open(path).map_err(failed)?;
    match directory.try_lock() {
        Ok(()) => Ok(directory),
        Err(TryLockError::WouldBlock) => {
            let message =
                format!("another benchmark is at work in {path}: wait for it, or give another --db");
            Err(Error::new(ErrorKind::Busy, message).into())
        }
        Err(TryLockError::Error(error)) => Err(failed(error).into()),
    }
}

/// The URL of the pool in a directory.
fn url(path: &str) -> Outcome<String> {
    let absolute: PathBuf =
        std::path::absolute(path).map_err(|error| Error::io(format!("looking for {path:?}"), error))?;
    let mut url = "file://".to_owned();
    for byte in absolute.to_string_lossy().bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' => url.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_has_a_url() {
        assert_eq!(url("/dev/shm/a b%").expect("a URL"), "file:///dev/shm/a%20b%25");
    }

    #[test]
    fn engines_in_memory_have_a_directory_that_is_there() {
        assert_eq!(directory("/dev/no-such-thing"), "/dev");
        assert_eq!(directory("/dev"), "/dev");
        assert_eq!(directory("no-such-thing"), ".");
    }
}
