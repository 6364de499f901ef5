//! The one error type of Millpond's public interfaces.

use std::{error::Error as StdError, fmt, io};

use crate::Epoch;

/// The result of anything that may fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong: a kind that a program can act on, and a message for people that names the
/// thing and the remedy.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    restart: Option<Epoch>,
}

/// Kinds of errors: two errors differ in kind where a caller would act differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is malformed: a label, a URL, a size, a mode.
    InvalidArgument,
    /// An ordered map has its keys in another order than the one it was to be opened with.
    ComparatorMismatch,
    /// A key is longer than the store takes.
    KeyTooLong,
    /// A value or a record is longer than the store takes.
    ValueTooLong,
    /// A pool, a container, a dictionary, an attribute or a property doesn't exist.
    NotFound,
    /// A thing of that name exists already.
    AlreadyExists,
    /// Others have it open, so it can't be destroyed.
    Busy,
    /// A transaction met another one, too often to go on by itself.
    Conflict,
    /// The pool's quota or the disk is full.
    NoSpace,
    /// Stored bytes fail their checksum, or are missing.
    Corrupt,
    /// What was stored there is lost, and a repair has noted that: a put or a delete replaces the note.
    DataLoss,
    /// A file of a newer or unknown format, a foreign file, or control memory of another kind of
    /// process.
    Incompatible,
    /// The operating system denies access.
    PermissionDenied,
    /// The handle was opened for reading only.
    ReadOnly,
    /// The handle was closed, or its container destroyed.
    Closed,
    /// A handle, a transaction or an iterator was carried across a fork.
    Forked,
    /// Another process held a lock, or a cluster didn't answer, for too long.
    Timeout,
    /// The state at that epoch is no longer kept.
    EpochGone,
    /// A watch has fallen behind what is kept for it: [`Error::restart_epoch`] says where it can go on.
    Lagged,
    /// This backend can't do that.
    NotSupported,
    /// A sync failed earlier: what wasn't durable then can't be trusted to this file system.
    Poisoned,
    /// The operating system failed to read or write.
    Io,
}

impl Error {
    /// An error of `kind`, with a message that names the thing and the remedy.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: None, restart: None }))
    }

    /// What a watch answers that has fallen behind; see [`Error::restart_epoch`].
    pub fn lagged(restart: Epoch, message: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorKind::Lagged, message);
        error.0.restart = Some(restart);
        error
    }

    /// An error of the operating system; `doing` says what was tried, on which path.
    pub fn io(doing: impl fmt::Display, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                ErrorKind::PermissionDenied
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                ErrorKind::NoSpace
            }
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
            io::ErrorKind::Unsupported => ErrorKind::NotSupported,
            _ => ErrorKind::Io,
        };
        Self(Box::new(Inner {
            kind,
            message: format!("{doing}: {source}"),
            source: Some(Box::new(source)),
            restart: None,
        }))
    }

    /// Another error of this kind, with the same message after `context`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// The same error under another kind, for one who knows better what it means here.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What a program can act on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Of [`ErrorKind::Lagged`], the epoch after which a watch can go on. What was committed before it
    /// has to be found in another way: by comparing states.
    pub fn restart_epoch(&self) -> Option<Epoch> {
        self.0.restart
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_have_the_kind_that_a_program_acts_on() {
        for (system, kind) in [
            (io::ErrorKind::PermissionDenied, ErrorKind::PermissionDenied),
            (io::ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied),
            (io::ErrorKind::StorageFull, ErrorKind::NoSpace),
            (io::ErrorKind::QuotaExceeded, ErrorKind::NoSpace),
            (io::ErrorKind::NotFound, ErrorKind::NotFound),
            (io::ErrorKind::AlreadyExists, ErrorKind::AlreadyExists),
            (io::ErrorKind::Unsupported, ErrorKind::NotSupported),
            (io::ErrorKind::UnexpectedEof, ErrorKind::Io),
        ] {
            let error = Error::io("reading /here", system.into());
            assert_eq!(error.kind(), kind, "{system:?}");
            assert!(error.to_string().starts_with("reading /here: "), "{error}");
        }
        // Of a failing device nobody may believe that the file system is the wrong one.
        assert_eq!(Error::io("reading", io::Error::from_raw_os_error(5)).kind(), ErrorKind::Io);
    }
}
