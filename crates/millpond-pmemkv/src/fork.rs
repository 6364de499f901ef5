//! Whether this process was forked since something was made.
//!
//! A child of a fork has a copy of a volatile engine, in which another thread of the parent may hold a lock for
//! ever. It is refused there.

use std::sync::{
    Once,
    atomic::{AtomicU64, Ordering},
};

use crate::error::{Error, Result};
use crate::status::Status;

static FORKS: AtomicU64 = AtomicU64::new(0);

extern "C" fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// The process that something was made in.
#[derive(Clone, Copy, Debug)]
pub struct Maker(u64);

impl Maker {
    pub fn here() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: the handler does nothing but count, which any process may do at any time.
            let refused = unsafe { libc::pthread_atfork(None, None, Some(forked)) };
            // Only where there is no memory for the handler; then forks go unnoticed, as without it.
            debug_assert_eq!(refused, 0, "no handler of forks");
        });
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// # Errors
    /// `UNKNOWN_ERROR` in a child of the process.
    pub fn check(self, engine: &str) -> Result<()> {
        if self.0 == FORKS.load(Ordering::Relaxed) {
            return Ok(());
        }
        let message =
            format!("the engine {engine} is in the memory of a parent process: open one in the child");
        Err(Error::new(Status::UnknownError, message))
    }
}
