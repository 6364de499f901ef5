//! Knows whether this process is a forked child of the one that opened a handle.
//!
//! A child inherits memory but not the locks and threads behind it, so nothing that the parent
//! opened may be used there: the threads of librados, which would do the work, are gone.

use std::{
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

pub(crate) use millpond_core::fork::generation;

/// A value that every process makes for itself. What belongs to a parent is left alone in its child:
/// nobody knows what the parent's other threads were doing with it.
pub(crate) struct PerProcess<T>(AtomicPtr<(u64, T)>);

impl<T: Default> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// This process's value.
    pub(crate) fn get(&'static self) -> &'static T {
        let generation = generation();
        loop {
            let known = self.0.load(Ordering::Acquire);
            // SAFETY: null, or made below and never freed.
            if let Some((of, value)) = unsafe { known.as_ref() }
                && *of == generation
            {
                return value;
            }
            let fresh = Box::into_raw(Box::new((generation, T::default())));
            if self.0.compare_exchange(known, fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
                // Another thread was faster.
                // SAFETY: nobody else has seen `fresh`.
                drop(unsafe { Box::from_raw(fresh) });
            }
        }
    }
}
