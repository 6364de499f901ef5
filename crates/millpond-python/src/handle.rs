//! Values of the front door that must not be dropped while the interpreter is held.
//!
//! Dropping the last handle of a container syncs and closes it, which may take as long as a disk
//! takes. Python drops objects wherever their last reference goes, always with the interpreter
//! held, so [`Handle`] lets go of it for the drop.

use std::ops::Deref;

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
