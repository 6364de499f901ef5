//! Why a command ended early.

use std::io;

use millpond::{Error, ErrorKind};

/// What a command answers.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something failed that the user is told about.
    Failed(Error),
    /// Standard output takes no more: with a broken pipe, its reader has seen enough.
    Output(io::Error),
    /// The whole answer, error included, has been printed: what is left is the exit code.
    Told(u8),
}

impl Failure {
    /// Arguments that are well-formed one by one, and yet can't be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Failed(Error::new(ErrorKind::InvalidArgument, message))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
