//! Pools for tests: one of each backend, gone with the test.

use std::sync::atomic::{AtomicU64, Ordering};

use millpond::{Container, ContainerOptions, ErrorKind, Pool, PoolOptions, Result};
use tempfile::TempDir;

/// The name of a place where a test may create a pool.
pub struct Scratch {
    /// The URL of the place.
    pub url: String,
    /// A directory that is gone with the test.
    pub dir: TempDir,
}

impl Scratch {
    pub fn memory() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let url = format!("mem:scratch-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Self { url, dir: directory() }
    }

    pub fn file() -> Self {
        let dir = directory();
        Self { url: format!("file://{}/pool", dir.path().display()), dir }
    }

    /// A new pool.
    pub fn pool(&self) -> Pool {
        self.pool_of(None)
    }

    /// A new pool with a quota.
    pub fn pool_of(&self, size: Option<u64>) -> Pool {
        Pool::create(&self.url, PoolOptions { size, ..PoolOptions::default() }).expect("a pool")
    }

    /// A container in a new pool.
    pub fn container(&self) -> Container {
        self.pool().create_container(Some("kv"), ContainerOptions::default()).expect("a container")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A pool in memory would stay as long as the process; many tests destroy theirs themselves.
        let _ = Pool::destroy(&self.url, true);
    }
}

fn directory() -> TempDir {
    tempfile::Builder::new().prefix("millpond-").tempdir().expect("a directory")
}

/// Makes a test of each function for each backend.
macro_rules! on_every_backend {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $name() { super::$name(&crate::scratch::Scratch::memory()); })*
        }
        mod file {
            $(#[test] fn $name() { super::$name(&crate::scratch::Scratch::file()); })*
        }
    };
}

/// Asserts the kind of an error, and that its message says something.
#[track_caller]
pub fn refused<T>(result: Result<T>, kind: ErrorKind, says: &str) {
    match result {
        Ok(_) => panic!("it should have been refused as {kind:?}"),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(says), "{error:?} should say {says:?}");
        }
    }
}

/// Bytes that no compressor and no wrong offset gets right.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
