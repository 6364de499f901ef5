//! The handle on a folder. Making one costs nothing: the configuration is read when it is first needed,
//! the index opened when an object isn't loose.

use std::{
    fs,
    path::{self, Path},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use millpond::{Error, ErrorKind, HashType, Result};

use crate::{
    config::Config,
    index::Index,
    layout::{DIRECTORIES, Layout},
};

/// How a folder is used.
#[derive(Clone, Copy, Debug)]
pub struct FolderOptions {
    /// How long to wait for a lock that another holds.
    pub timeout: Duration,
    /// Whether what is read in order is checked against its id.
    pub verify_reads: bool,
}

impl Default for FolderOptions {
    /// 10 seconds; checked.
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), verify_reads: true }
    }
}

/// A handle on a folder of disk-objectstore. Clones share what is open; threads share a handle.
#[derive(Clone, Debug)]
pub struct Folder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    layout: Layout,
    options: FolderOptions,
    config: OnceLock<Config>,
    index: Mutex<Option<Index>>,
    /// How often this handle has moved objects: other connections' commits show in the index.
    moves: AtomicU64,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(index) = self.index.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody is left to tell: what was committed is durable.
            let _ = index.close();
        }
    }
}

/// A state of the index, as far as places of objects go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    of_others: i64,
    own: u64,
}

impl Folder {
    /// A handle on the folder at `path`, which may not be there yet.
    pub fn at(path: impl AsRef<Path>) -> Self {
        Self::with_options(path, FolderOptions::default())
    }

    /// The same, used in another way.
    pub fn with_options(path: impl AsRef<Path>, options: FolderOptions) -> Self {
        Self(Arc::new(Shared {
            // It stays the same folder when the process goes to another directory.
            layout: Layout::new(&path::absolute(path.as_ref()).unwrap_or_else(|_| path.as_ref().to_owned())),
            options,
            config: OnceLock::new(),
            index: Mutex::new(None),
            moves: AtomicU64::new(0),
        }))
    }

    /// A handle on a folder that has to be there.
    ///
    /// # Errors
    /// Those of [`Folder::config`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let folder = Self::at(path);
        folder.config()?;
        Ok(folder)
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        self.0.layout.root()
    }

    /// What was fixed when it was made.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no folder, [`ErrorKind::Incompatible`] for another version
    /// of the format, [`ErrorKind::Corrupt`] where its configuration can't be read.
    pub fn config(&self) -> Result<&Config> {
        if let Some(config) = self.0.config.get() {
            return Ok(config);
        }
        let path = self.layout().config();
        let bytes = fs::read(&path).map_err(|error| {
            let error = Error::io(format!("reading {}", path.display()), error);
            if error.kind() == ErrorKind::NotFound { self.not_initialised() } else { error }
        })?;
        if !self.has_directories() {
            return Err(self.not_initialised());
        }
        let config =
            Config::decode(&bytes).map_err(|error| error.context(format!("reading {}", path.display())))?;
        Ok(self.0.config.get_or_init(|| config))
    }

    /// Whether there is a folder: its configuration can be read and its directories are there.
    pub fn is_initialised(&self) -> bool {
        let config = fs::read(self.layout().config());
        let is_json =
            config.is_ok_and(|bytes| serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok());
        is_json && self.has_directories()
    }

    /// Closes the index. The handle opens it again when it is used again; what wasn't committed is gone.
    ///
    /// # Errors
    /// Where the index can't be closed.
    pub fn close(&self) -> Result<()> {
        let index = self.lock_index().take();
        index.map_or(Ok(()), Index::close)
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.0.layout
    }

    pub(crate) fn options(&self) -> &FolderOptions {
        &self.0.options
    }

    /// What reads are checked with, if they are.
    pub(crate) fn check(&self) -> Result<Option<HashType>> {
        Ok(self.0.options.verify_reads.then_some(self.config()?.hash_type))
    }

    /// Whether the index is open, so that asking it costs little.
    pub(crate) fn has_index_open(&self) -> bool {
        self.lock_index().as_ref().is_some_and(Index::is_of_this_process)
    }

    /// Does something with the index.
    pub(crate) fn with_index<T>(&self, work: impl FnOnce(&Index) -> Result<T>) -> Result<T> {
        let mut slot = self.lock_index();
        if let Some(index) = slot.take_if(|index| !index.is_of_this_process()) {
            index.close()?;
        }
        let index = match &*slot {
            Some(index) => index,
            None => {
                self.config()?;
                slot.insert(Index::open(&self.layout().index(), self.options().timeout)?)
            }
        };
        work(index)
    }

    /// The state of the index. While it stays the same, every object lies where it was found.
    pub(crate) fn version(&self, index: &Index) -> Result<Version> {
        Ok(Version { of_others: index.version()?, own: self.0.moves.load(Ordering::Acquire) })
    }

    /// Notes that this handle has moved objects.
    pub(crate) fn has_moved(&self) {
        self.0.moves.fetch_add(1, Ordering::Release);
    }

    fn has_directories(&self) -> bool {
        DIRECTORIES.iter().all(|name| self.layout().directory(name).is_dir())
    }

    fn not_initialised(&self) -> Error {
        let message =
            format!("{} is no folder of disk-objectstore: initialise it first", self.path().display());
        Error::new(ErrorKind::NotFound, message)
    }

    fn lock_index(&self) -> MutexGuard<'_, Option<Index>> {
        self.0.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
