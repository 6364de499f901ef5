//! Sleeping on a word of shared memory until someone wakes those who do.
//!
//! The kernel finds sleepers by the memory behind the word, so that this works between processes that
//! map the same file, at whatever address.

use std::{ptr, sync::atomic::AtomicU32, time::Duration};

/// Sleeps while `word` is `expected`, until it is woken or `timeout` has passed; it may also wake up
/// for no reason.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Duration) {
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos() as libc::c_long,
    };
    // SAFETY: the word and the time are valid for as long as the call lasts. Whatever it answers (woken,
    // changed, interrupted, too late), the caller looks again.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            ptr::from_ref(word),
            libc::FUTEX_WAIT,
            expected,
            ptr::from_ref(&timeout),
        );
    }
}

/// Wakes all who sleep on `word`.
pub fn wake_all(word: &AtomicU32) {
    // SAFETY: the word is valid for as long as the call lasts.
    unsafe { libc::syscall(libc::SYS_futex, ptr::from_ref(word), libc::FUTEX_WAKE, libc::c_int::MAX) };
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_sleeper_is_woken_and_one_that_comes_late_does_not_sleep() {
        let word = AtomicU32::new(0);
        let asleep = Instant::now();
        wait(&word, 0, Duration::from_millis(20));
        assert!(asleep.elapsed() >= Duration::from_millis(15), "nobody woke it");
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                let asleep = Instant::now();
                while word.load(Ordering::SeqCst) == 0 {
                    wait(&word, 0, Duration::from_secs(60));
                }
                asleep.elapsed()
            });
            std::thread::sleep(Duration::from_millis(10));
            word.store(1, Ordering::SeqCst);
            wake_all(&word);
            assert!(sleeper.join().expect("no panic") < Duration::from_secs(30));
        });
        let late = Instant::now();
        wait(&word, 0, Duration::from_secs(60));
        assert!(late.elapsed() < Duration::from_secs(30), "the word had changed before");
    }
}
