//! Locks that go on after a panic.
//!
//! Every critical section of this crate leaves its data whole at each step, so the poison mark of
//! the standard locks says nothing of use here.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
