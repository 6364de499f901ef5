//! The pool's `lock` file, which is never replaced.
//!
//! | byte | held      | by                                                        |
//! |-----:|-----------|-----------------------------------------------------------|
//! |    0 | shared    | everyone who has the pool open                            |
//! |    0 | exclusive | whoever opens or destroys it and is alone                 |
//! |    1 | exclusive | whoever is opening it, so that these follow each other    |
//! |    2 | exclusive | whoever creates it or changes its description             |

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use millpond_core::{Error, ErrorKind, Result, timeout};

use super::failed;
use crate::media::{Lock, LockFile, Media};

/// A byte of the lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Byte {
    Presence = 0,
    Door = 1,
    Change = 2,
}

/// The lock file, opened once; all its locks end with it.
#[derive(Debug)]
pub(super) struct PoolLock {
    file: Arc<dyn LockFile>,
    path: PathBuf,
}

/// A byte that is held exclusively until this is dropped.
#[derive(Debug)]
pub(super) struct Held<'a> {
    lock: &'a PoolLock,
    byte: Byte,
}

impl PoolLock {
    pub(super) fn open(media: &Arc<dyn Media>, pool: &Path) -> Result<Self> {
        let path = pool.join("lock");
        let file = media.lock_file(&path).map_err(|error| failed("open the lock file", &path, error))?;
        Ok(Self { file, path })
    }

    pub(super) fn try_lock(&self, byte: Byte, lock: Lock) -> Result<bool> {
        self.file.try_lock(byte as u64, lock).map_err(|error| failed("lock", &self.path, error))
    }

    /// Waits until the byte is free.
    ///
    /// # Errors
    /// `Timeout` after as long as [`timeout`] says.
    pub(super) fn hold(&self, byte: Byte) -> Result<Held<'_>> {
        self.hold_within(byte, timeout())
    }

    pub(super) fn hold_within(&self, byte: Byte, patience: Duration) -> Result<Held<'_>> {
        let deadline = Instant::now() + patience;
        let mut pause = Duration::from_micros(50);
        while !self.try_lock(byte, Lock::Exclusive)? {
            if Instant::now() > deadline {
                let doing = if byte == Byte::Door { "opening" } else { "changing" };
                return Err(Error::new(
                    ErrorKind::Timeout,
                    format!(
                        "another process has been {doing} this pool for over {patience:?} ({}); if it is stopped, continue or kill it (`lsof` on that file shows it)",
                        self.path.display()
                    ),
                ));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
        Ok(Held { lock: self, byte })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // If this fails, the lock ends with the file, at the latest.
        let _ = self.lock.try_lock(self.byte, Lock::None);
    }
}

#[cfg(test)]
mod tests {
    use millpond_core::with_timeout;

    use super::*;
    use crate::media::SystemMedia;

    #[test]
    fn a_call_waits_as_long_as_it_says() {
        let directory = tempfile::tempdir().expect("a directory");
        let media: Arc<dyn Media> = Arc::new(SystemMedia);
        let [one, other] = [(); 2].map(|()| PoolLock::open(&media, directory.path()).expect("a lock file"));
        let held = one.hold(Byte::Change).expect("nobody has it");
        for millis in [0, 40] {
            let (patience, began) = (Duration::from_millis(millis), Instant::now());
            let error = with_timeout(patience, || other.hold(Byte::Change).expect_err("it is held"));
            assert_eq!(error.kind(), ErrorKind::Timeout);
            assert!(error.to_string().contains(&format!("{patience:?}")), "{error}");
            assert!(began.elapsed() >= patience && began.elapsed() < Duration::from_secs(5));
        }
        drop(held);
        with_timeout(Duration::ZERO, || other.hold(Byte::Change).expect("it is free"));
    }
}
