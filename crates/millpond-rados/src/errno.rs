//! What librados answers when something fails: a negative error number of the operating system.

use std::{ffi::c_int, fmt, io};

use millpond_core::{Error, ErrorKind};

/// An error number, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) c_int);

impl Errno {
    /// The object isn't there.
    pub(crate) const ABSENT: Self = Self(libc::ENOENT);
    /// The object is there, and should not be.
    pub(crate) const PRESENT: Self = Self(libc::EEXIST);
    /// A comparison of the operation doesn't hold.
    pub(crate) const GUARD: Self = Self(libc::ECANCELED);
    /// Nothing was answered in time: of a write, nobody knows whether it was done.
    pub(crate) const TIMEOUT: Self = Self(libc::ETIMEDOUT);

    /// What librados answered, as a result.
    pub(crate) fn check(answer: c_int) -> Result<(), Self> {
        if answer < 0 { Err(Self(-answer)) } else { Ok(()) }
    }

    /// Whether the same operation may go through if it is tried again.
    pub(crate) fn is_transient(self) -> bool {
        matches!(self.0, libc::ETIMEDOUT | libc::EAGAIN | libc::EINTR | libc::ENOTCONN | libc::ESHUTDOWN)
    }

    /// The error for the user; `doing` says what was tried, on which object.
    pub(crate) fn into_error(self, doing: impl fmt::Display) -> Error {
        let kind = match self.0 {
            libc::ENOSPC | libc::EDQUOT => ErrorKind::NoSpace,
            libc::EACCES | libc::EPERM => ErrorKind::PermissionDenied,
            libc::EOPNOTSUPP => ErrorKind::NotSupported,
            libc::ETIMEDOUT => ErrorKind::Timeout,
            _ => ErrorKind::Io,
        };
        let remedy = match kind {
            ErrorKind::NoSpace => ": the Ceph pool or the cluster is full, see `ceph df`",
            ErrorKind::PermissionDenied => ": see the user's capabilities with `ceph auth get`",
            ErrorKind::Timeout => ": the cluster doesn't answer, see `ceph status`",
            _ => "",
        };
        let system = io::Error::from_raw_os_error(self.0);
        Error::new(kind, format!("{doing}: {system}{remedy}"))
    }
}
