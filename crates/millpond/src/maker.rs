//! Which process began something that can't be carried across a fork: a value that is half written,
//! or changes that name one. A child has a copy of it, whose bytes are in the parent's segments.

use millpond_core::{Error, ErrorKind, Result, fork};

/// The process that made something, by the forks that led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Maker(u64);

impl Default for Maker {
    fn default() -> Self {
        Self(fork::generation())
    }
}

impl Maker {
    /// Whether this is the process.
    pub(crate) fn is_here(self) -> bool {
        self == Self::default()
    }

    /// # Errors
    /// `Forked` in a child of the process; `what` was made.
    pub(crate) fn check(self, what: &str) -> Result<()> {
        if self.is_here() {
            return Ok(());
        }
        let message = format!("{what} was carried across a fork; begin a new one in the child");
        Err(Error::new(ErrorKind::Forked, message))
    }
}
