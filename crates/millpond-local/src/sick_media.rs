//! The real machine with an illness that a test can switch on.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::media::{File, LockFile, Media, OpenMode, Shared, SystemMedia};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SickMedia {
    /// Nothing can be written.
    pub(crate) full: Arc<AtomicBool>,
    /// Every directory is one of a network file system.
    pub(crate) network: AtomicBool,
}

#[derive(Debug)]
struct SickFile {
    file: Arc<dyn File>,
    full: Arc<AtomicBool>,
}

impl File for SickFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(into, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if self.full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_length(length)
    }
}

impl Media for SickMedia {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(SickFile { file: SystemMedia.open(path, mode)?, full: self.full.clone() }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        SystemMedia.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemMedia.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemMedia.remove(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        SystemMedia.remove_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        SystemMedia.list(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        SystemMedia.sync_dir(path)
    }

    fn lock_file(&self, path: &Path) -> io::Result<Arc<dyn LockFile>> {
        SystemMedia.lock_file(path)
    }

    fn share(&self, path: &Path, length: usize, fresh: bool) -> io::Result<Arc<dyn Shared>> {
        SystemMedia.share(path, length, fresh)
    }

    fn now(&self) -> Duration {
        SystemMedia.now()
    }

    fn random(&self) -> u64 {
        SystemMedia.random()
    }

    fn check_dir(&self, path: &Path) -> io::Result<()> {
        if self.network.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "this is a network file system (NFS)"));
        }
        SystemMedia.check_dir(path)
    }
}
