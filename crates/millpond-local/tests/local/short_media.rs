//! The real machine, of which every read and write may be short or interrupted.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use millpond_local::media::{File, LockFile, Media, OpenMode, Shared, SystemMedia};
use millpond_testkit::random::Random;

#[derive(Clone, Debug)]
pub struct ShortMedia(Arc<Mutex<Random>>);

impl ShortMedia {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Random::new(seed))))
    }
}

impl Media for ShortMedia {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(ShortFile { file: SystemMedia.open(path, mode)?, media: self.clone() }))
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
        SystemMedia.check_dir(path)
    }

    fn identity(&self, path: &Path) -> io::Result<Option<(u64, u64)>> {
        SystemMedia.identity(path)
    }
}

#[derive(Debug)]
struct ShortFile {
    file: Arc<dyn File>,
    media: ShortMedia,
}

impl ShortFile {
    /// How many of `length` bytes are read or written, of which there is at least one.
    fn cut(&self, length: usize) -> io::Result<usize> {
        let mut random = self.media.0.lock().unwrap_or_else(PoisonError::into_inner);
        match random.below(4) {
            0 => Err(io::ErrorKind::Interrupted.into()),
            1 => Ok(length),
            _ => Ok(1.max(random.index(length))),
        }
    }
}

impl File for ShortFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let length = self.cut(into.len())?;
        self.file.read_at(&mut into[..length], offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let length = self.cut(bytes.len())?;
        self.file.write_at(&bytes[..length], offset)
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
