//! Mutexes and atomics, through one door: so that a model checker of interleavings can stand behind
//! it, which runs the engine's threads and processes one step at a time, in an order of its own.
//!
//! Without the feature `interleave` these are the standard library's, and nothing is paid for it.

#[cfg(not(feature = "interleave"))]
mod real {
    pub(crate) use std::sync::{
        Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic,
    };

    /// An atomic in memory that processes share.
    pub(crate) use std::sync::atomic::AtomicU64 as SharedU64;

    /// Whether to try a lock of shared memory again, rather than to wait for it.
    pub(crate) const fn pause() -> bool {
        false
    }
}

#[cfg(feature = "interleave")]
mod checked {
    use std::sync::atomic::{AtomicU64, Ordering};

    pub(crate) use shuttle::sync::{
        Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic,
    };

    /// Lets another thread or process have its turn, as it may at any access to shared memory.
    fn step() {
        atomic::AtomicBool::new(false).load(Ordering::SeqCst);
    }

    /// An atomic in memory that processes share: the same bytes as the standard library's, with a
    /// step of the checker before each access.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub(crate) struct SharedU64(AtomicU64);

    /// Lets the others go on: nothing but their steps frees a lock of shared memory.
    pub(crate) fn pause() -> bool {
        shuttle::thread::yield_now();
        true
    }

    macro_rules! stepping {
        ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
            impl SharedU64 {
                $(pub(crate) fn $name(&self, $($argument: $type),*) -> $answer {
                    step();
                    self.0.$name($($argument),*)
                })*
            }
        };
    }

    impl SharedU64 {
        pub(crate) fn compare_exchange(
            &self,
            current: u64,
            new: u64,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u64, u64> {
            step();
            self.0.compare_exchange(current, new, success, failure)
        }
    }

    stepping! {
        load(order: Ordering) -> u64;
        store(value: u64, order: Ordering) -> ();
        swap(value: u64, order: Ordering) -> u64;
        fetch_add(value: u64, order: Ordering) -> u64;
        fetch_sub(value: u64, order: Ordering) -> u64;
        fetch_max(value: u64, order: Ordering) -> u64;
        fetch_min(value: u64, order: Ordering) -> u64;
    }
}

#[cfg(feature = "interleave")]
pub(crate) use checked::*;
#[cfg(not(feature = "interleave"))]
pub(crate) use real::*;
