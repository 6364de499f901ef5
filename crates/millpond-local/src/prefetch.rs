//! Has the processor fetch memory that is needed soon, while it does something else.

/// Fetches the cache line of an address; what is there, and whether anything is, doesn't matter.
#[inline]
pub(crate) fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which reads nothing and never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Fetches all of a short slice.
#[inline]
pub(crate) fn prefetch_all<T>(slice: &[T]) {
    const LINE_BYTES: usize = 64;
    let mut at = 0;
    while at < size_of_val(slice) {
        prefetch(slice.as_ptr().cast::<u8>().wrapping_add(at));
        at += LINE_BYTES;
    }
}
