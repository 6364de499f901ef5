//! A value that every process makes for itself: a forked child doesn't use its parent's.

use std::{
    fmt, ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

use crate::fork;

/// A value, with the generation of forks that it belongs to. The parent's is never freed in a
/// child, where nobody knows what its other threads were doing with it.
pub(super) struct PerProcess<T>(AtomicPtr<(u64, T)>);

impl<T> PerProcess<T> {
    pub(super) fn new(value: T) -> Self {
        Self(AtomicPtr::new(Box::into_raw(Box::new((fork::generation(), value)))))
    }

    /// This process's value, made by `make` if it is the parent's.
    pub(super) fn get_or_make<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        let generation = fork::generation();
        let known = self.0.load(Ordering::Acquire);
        // SAFETY: `Box::into_raw` made it, and only `drop` frees it.
        let (of, value) = unsafe { &*known };
        if *of == generation {
            return Ok(value);
        }
        let fresh = Box::into_raw(Box::new((generation, make()?)));
        let current = match self.0.compare_exchange(known, fresh, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => fresh,
            Err(current) => {
                // Another thread of this process was faster.
                // SAFETY: nobody else has seen `fresh`.
                drop(unsafe { Box::from_raw(fresh) });
                current
            }
        };
        // SAFETY: as above.
        Ok(unsafe { &(*current).1 })
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let value = ptr::from_mut(self.0.get_mut());
        // SAFETY: the pointer was just made of a reference; `Box::into_raw` made what it points to.
        let value = unsafe { *value };
        // SAFETY: as above, and nobody has `self` any more.
        if unsafe { (*value).0 } == fork::generation() {
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(value) });
        }
    }
}

// SAFETY: it owns a `T`, and gives out only shared references to it.
unsafe impl<T: Send> Send for PerProcess<T> {}
// SAFETY: as above; any thread may be the one that makes or drops the `T`.
unsafe impl<T: Send + Sync> Sync for PerProcess<T> {}

impl<T> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerProcess").finish_non_exhaustive()
    }
}
