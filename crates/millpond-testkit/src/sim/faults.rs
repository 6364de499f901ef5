//! The faults that a process is to meet, and their verdict on each of its calls.

use std::{error, fmt, io};

use super::operation::OperationKind;
use crate::random::Random;

/// The error that every call of a killed process gets.
#[derive(Clone, Copy, Debug)]
pub struct Killed;

impl fmt::Display for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this simulated process was killed")
    }
}

impl error::Error for Killed {}

/// What a planned panic unwinds with; see [`SimMedia::panic_at`](super::SimMedia::panic_at).
#[derive(Clone, Copy, Debug)]
pub struct PlannedPanic;

/// Whether an error says that the simulated process was killed.
pub fn is_killed(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Killed>())
}

/// Ends the thread's work as a death of the process would: no error path runs, and what is dropped
/// on the way finds [`Media::killed`](millpond_local::media::Media::killed) true.
pub(super) fn die(unwinds: bool) -> io::Error {
    if unwinds && !std::thread::panicking() {
        std::panic::resume_unwind(Box::new(Killed));
    }
    io::Error::other(Killed)
}

/// What becomes of a call.
#[derive(Debug)]
pub(super) enum Verdict {
    Go,
    /// A read or write of at most this many bytes.
    Short(usize),
    Fail(io::Error),
    /// The process dies within a write of which this many bytes are written.
    DieAfter(usize),
    Dead,
    /// The process dies in a sync that failed: nobody hears of the failure.
    DieInFailedSync,
    /// The thread panics within a write of which this many bytes are written, or instead of
    /// another call.
    PanicAfter(usize),
}

/// The faults set up for a process. Countdowns are in calls from when they were set; 1 is the next.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) killed: bool,
    pub(super) calls: u64,
    pub(super) kill: Option<Kill>,
    /// Whether a killed process's calls unwind, instead of answering an error.
    pub(super) unwinds: bool,
    pub(super) panic: Option<Kill>,
    /// Countdown, in syncs, to one that fails and that the process dies in.
    pub(super) fatal_sync: Option<u64>,
    pub(super) fail_any: Vec<Planned>,
    pub(super) fail_sync: Vec<Planned>,
    pub(super) fail_write: Vec<Planned>,
    pub(super) short: Option<Random>,
    pub(super) interposed: Option<Interposed>,
}

/// Work that is to be done between two calls.
pub(super) struct Interposed {
    countdown: u64,
    work: Box<dyn FnOnce() + Send>,
}

impl Interposed {
    pub(super) fn new(n: u64, work: Box<dyn FnOnce() + Send>) -> Self {
        Self { countdown: n.max(1), work }
    }
}

impl fmt::Debug for Interposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interposed").field("countdown", &self.countdown).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct Kill {
    pub(super) countdown: u64,
    /// Decides how much of a write is written; nothing where it is absent.
    pub(super) tear: Option<Random>,
}

#[derive(Debug)]
pub(super) struct Planned {
    pub(super) countdown: u64,
    /// How many calls in a row fail.
    pub(super) times: u64,
    pub(super) errno: i32,
}

impl Faults {
    /// What is to be done before the call that comes now.
    pub(super) fn due_work(&mut self) -> Option<Box<dyn FnOnce() + Send>> {
        let interposed = self.interposed.as_mut()?;
        interposed.countdown -= 1;
        if interposed.countdown > 0 {
            return None;
        }
        self.interposed.take().map(|interposed| interposed.work)
    }

    /// Decides on a call that reads or writes `length` bytes.
    pub(super) fn judge(&mut self, kind: OperationKind, length: u64) -> Verdict {
        if self.killed {
            return Verdict::Dead;
        }
        self.calls += 1;
        if let Some(kill) = &mut self.kill {
            kill.countdown = kill.countdown.saturating_sub(1);
            if kill.countdown == 0 {
                self.killed = true;
                let tear = kill.tear.as_mut().filter(|_| kind.tears());
                return match tear {
                    Some(random) => Verdict::DieAfter(random.below(length + 1) as usize),
                    None => Verdict::Dead,
                };
            }
        }
        if let Some(panic) = &mut self.panic {
            panic.countdown = panic.countdown.saturating_sub(1);
            if panic.countdown == 0 && !std::thread::panicking() {
                let tear = self.panic.take().and_then(|panic| panic.tear);
                let written = tear.map_or(0, |mut random| random.below(length + 1) as usize);
                return Verdict::PanicAfter(written);
            }
        }
        if kind.is_sync()
            && let Some(countdown) = &mut self.fatal_sync
        {
            *countdown -= 1;
            if *countdown == 0 {
                self.killed = true;
                return Verdict::DieInFailedSync;
            }
        }
        let mut errno = due(&mut self.fail_any);
        if kind.is_sync() {
            errno = errno.or(due(&mut self.fail_sync));
        }
        if kind.writes() {
            errno = errno.or(due(&mut self.fail_write));
        }
        if let Some(errno) = errno {
            return Verdict::Fail(io::Error::from_raw_os_error(errno));
        }
        match (&mut self.short, kind) {
            (Some(random), OperationKind::Read | OperationKind::Write) => match random.below(4) {
                0 => Verdict::Fail(io::ErrorKind::Interrupted.into()),
                1 if length > 1 => Verdict::Short(1 + random.below(length - 1) as usize),
                _ => Verdict::Go,
            },
            _ => Verdict::Go,
        }
    }
}

fn due(planned: &mut Vec<Planned>) -> Option<i32> {
    let mut errno = None;
    for plan in planned.iter_mut() {
        plan.countdown = plan.countdown.saturating_sub(1);
        if plan.countdown == 0 {
            errno = errno.or(Some(plan.errno));
            plan.times -= 1;
            plan.countdown = 1;
        }
    }
    planned.retain(|plan| plan.times > 0);
    errno
}
