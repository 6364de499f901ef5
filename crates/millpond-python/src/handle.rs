//! Values of the front door that must not be dropped while the interpreter is held.
//!
//! Dropping the last handle of a container syncs and closes it, which may take as long as a disk
//! takes. Python drops objects wherever their last reference goes, always with the interpreter
//! held, so [`Handle`] lets go of it for the drop.
//!
//! A forked child has copies of the parent's objects. Pools, containers and dictionaries go on there;
//! what is under way, an iteration or a stream, is the parent's alone: the files that it writes and
//! the versions that it keeps readable are. [`Owned`] refuses it to the child, and never drops it there.

use std::{
    mem,
    ops::Deref,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
};

use millpond::{Error, ErrorKind};
use pyo3::Python;

/// Owns a `T`, and drops it with the interpreter released.
pub struct Handle<T: Send>(Option<T>);

impl<T: Send> Handle<T> {
    pub fn new(inner: T) -> Self {
        Self(Some(inner))
    }
}

impl<T: Send> Deref for Handle<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(inner) => inner,
            None => unreachable!("a handle is only emptied when it is dropped"),
        }
    }
}

impl<T: Send> Drop for Handle<T> {
    fn drop(&mut self) {
        let inner = self.0.take();
        // Without an interpreter (it is shutting down), there is none to release.
        let mut inner = Some(inner);
        Python::try_attach(|py| {
            let inner = inner.take();
            py.detach(|| drop(inner));
        });
    }
}

/// A process that made something, and what that was.
#[derive(Clone, Copy)]
pub struct Maker {
    process: u32,
    what: &'static str,
}

impl Maker {
    pub fn of(what: &'static str) -> Self {
        Self { process: std::process::id(), what }
    }

    fn is_here(self) -> bool {
        self.process == std::process::id()
    }

    /// # Errors
    /// `Forked` in a child of the process.
    pub fn check(self) -> millpond::Result<()> {
        if self.is_here() {
            return Ok(());
        }
        let message = format!("{} was carried across a fork; begin a new one in the child", self.what);
        Err(Error::new(ErrorKind::Forked, message))
    }
}

/// Owns a `T` for the process that made it, used by one thread at a time.
pub struct Owned<T: Send> {
    /// Emptied when it is dropped, and not before.
    inner: Option<Handle<Mutex<T>>>,
    maker: Maker,
}

impl<T: Send> Owned<T> {
    /// `what` it is, for the error in a forked child.
    pub fn new(what: &'static str, inner: T) -> Self {
        Self { inner: Some(Handle::new(Mutex::new(inner))), maker: Maker::of(what) }
    }

    /// The `T`, to be called with the interpreter released, since another thread may have it for long.
    ///
    /// # Errors
    /// `Forked` in a child of the process that made it.
    pub fn lock(&self) -> millpond::Result<MutexGuard<'_, T>> {
        self.maker.check()?;
        match &self.inner {
            Some(inner) => Ok(inner.lock().unwrap_or_else(PoisonError::into_inner)),
            None => unreachable!("what is owned is only emptied when it is dropped"),
        }
    }

    /// The `T`, unless another thread has it: to be called with the interpreter held.
    ///
    /// # Errors
    /// `Forked` in a child of the process that made it.
    pub fn try_lock(&self) -> millpond::Result<Option<MutexGuard<'_, T>>> {
        self.maker.check()?;
        Ok(self.inner.as_ref().and_then(|inner| match inner.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }))
    }
}

impl<T: Send> Drop for Owned<T> {
    fn drop(&mut self) {
        if !self.maker.is_here() {
            mem::forget(self.inner.take());
        }
    }
}
