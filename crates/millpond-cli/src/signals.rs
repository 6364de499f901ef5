//! Ctrl-C while a command waits that runs until it is interrupted.

use std::sync::atomic::{AtomicBool, Ordering};

/// Set by the handler.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The signals that end such a command.
const SIGNALS: [libc::c_int; 2] = [libc::SIGINT, libc::SIGTERM];

extern "C" fn note(_: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// While it lives, SIGINT and SIGTERM are noted instead of ending the process.
pub(crate) struct Signals([Option<libc::sigaction>; 2]);

impl Signals {
    /// Catches them, where the host of the command line allows it; else nothing is changed.
    pub(crate) fn catch(allowed: bool) -> Self {
        let catch = |signal| {
            // SAFETY: zeros are a valid action to fill in.
            let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
            action.sa_sigaction = note as extern "C" fn(libc::c_int) as libc::sighandler_t;
            // SAFETY: as above, for what stood there before.
            let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
            // SAFETY: both are valid; the handler only stores to an atomic. Without SA_RESTART, so that
            // calls that wait end early.
            let done = unsafe { libc::sigaction(signal, &action, &mut before) };
            (done == 0).then_some(before)
        };
        INTERRUPTED.store(false, Ordering::Relaxed);
        Self(SIGNALS.map(|signal| allowed.then(|| catch(signal)).flatten()))
    }

    /// Whether one has come.
    pub(crate) fn came(&self) -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (signal, before) in SIGNALS.into_iter().zip(&self.0) {
            if let Some(before) = before {
                // SAFETY: it stood there before.
                unsafe { libc::sigaction(signal, before, std::ptr::null_mut()) };
            }
        }
    }
}
