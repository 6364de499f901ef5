//! Failures of engines: a status of pmemkv's, and a message for people.

use std::{error::Error as StdError, fmt};

use millpond::ErrorKind;

use crate::status::Status;

/// The result of anything that may fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A call that failed.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: Status,
    message: String,
    source: Option<millpond::Error>,
}

impl Error {
    /// A failure with a message that names the thing and the remedy.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { status, message: message.into(), source: None }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Status::InvalidArgument, message)
    }

    /// What an engine answers that doesn't do something.
    pub(crate) fn not_supported(engine: &str, what: &str) -> Self {
        Self::new(Status::NotSupported, format!("the engine {engine} has no {what}"))
    }

    /// The status that a program acts on.
    pub fn status(&self) -> Status {
        self.0.status
    }

    /// The store's own error, where it was the store that failed.
    pub fn store_error(&self) -> Option<&millpond::Error> {
        self.0.source.as_ref()
    }
}

impl From<millpond::Error> for Error {
    fn from(error: millpond::Error) -> Self {
        let status = match error.kind() {
            ErrorKind::InvalidArgument | ErrorKind::KeyTooLong | ErrorKind::ValueTooLong => {
                Status::InvalidArgument
            }
            ErrorKind::NoSpace => Status::OutOfMemory,
            ErrorKind::NotSupported => Status::NotSupported,
            ErrorKind::ComparatorMismatch => Status::ComparatorMismatch,
            _ => Status::UnknownError,
        };
        Self(Box::new(Inner { status, message: error.to_string(), source: Some(error) }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}
