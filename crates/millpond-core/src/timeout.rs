//! How long to wait for somebody who doesn't get on: for one lock that another process holds, never for an
//! operation as a whole. There is one for the process, and a call may have its own.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Unless the process says otherwise.
const DEFAULT: Duration = Duration::from_secs(10);

/// No longer: deadlines are counted from now.
const LONGEST: Duration = Duration::from_secs(1 << 30);

/// That of the process, in microseconds.
static OF_PROCESS: AtomicU64 = AtomicU64::new(DEFAULT.as_micros() as u64);

thread_local! {
    /// That of the call which this thread makes, if it has one of its own.
    static OF_CALL: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// How long this thread waits now for one lock that another process holds, before it answers
/// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout): that of [`with_timeout`], else that of
/// [`set_timeout`], else 10 s.
pub fn timeout() -> Duration {
    OF_CALL.get().unwrap_or_else(|| Duration::from_micros(OF_PROCESS.load(Ordering::Relaxed)))
}

/// Has all threads of the process wait so long, but for calls that have a timeout of their own. Zero doesn't
/// wait at all.
pub fn set_timeout(timeout: Duration) {
    let micros = u64::try_from(timeout.min(LONGEST).as_micros()).unwrap_or(u64::MAX);
    OF_PROCESS.store(micros, Ordering::Relaxed);
}

/// Makes calls that wait so long, in this thread. What other threads do for them (a background merge, say)
/// waits as the process does.
pub fn with_timeout<T>(timeout: Duration, calls: impl FnOnce() -> T) -> T {
    struct Restore(Option<Duration>);
    impl Drop for Restore {
        fn drop(&mut self) {
            replace_own_timeout(self.0);
        }
    }
    let _restore = Restore(replace_own_timeout(Some(timeout)));
    calls()
}

/// Has calls of this thread wait so long from now on, or as the process does; answers what was said before. For
/// languages in which a block isn't a closure.
pub fn replace_own_timeout(timeout: Option<Duration>) -> Option<Duration> {
    OF_CALL.replace(timeout.map(|timeout| timeout.min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_its_own_and_gives_it_back() {
        let short = Duration::from_millis(3);
        assert_eq!(timeout(), DEFAULT);
        let panicked = std::panic::catch_unwind(|| {
            with_timeout(short, || {
                assert_eq!(timeout(), short);
                with_timeout(Duration::MAX, || assert_eq!(timeout(), LONGEST));
                assert_eq!(timeout(), short);
                let elsewhere = std::thread::spawn(timeout).join();
                assert_eq!(elsewhere.ok(), Some(DEFAULT), "another thread isn't concerned");
                panic!("on the way");
            })
        });
        assert!(panicked.is_err());
        assert_eq!(timeout(), DEFAULT);
    }
}
