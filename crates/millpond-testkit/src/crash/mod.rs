//! Crash harnesses: a store is driven on a simulated machine, something goes wrong at every point
//! in turn, and what is left is compared with what was promised.
//!
//! What is promised, and checked after every crash by [`check`]:
//! - Every commit that was acknowledged and had to survive is there: after a loss of power those
//!   that were synced (their own durability, a later sync commit, a flush, a close), after the
//!   death of a process all.
//! - What survived is a prefix of the order of commits, but for commits that failed: no holes.
//! - No commit is there in part: every key, value, version, counter and bulk byte is what the
//!   surviving commits, applied in the order of their epochs, make of an empty container.
//! - Every state that a record keeps is whole, and what is told of changes since then is right: some
//!   commits keep an epoch, let go of one, or go back to one and own its bulk bytes again.
//! - No epoch is given out twice, also not that of a commit that was lost.
//! - Opening again, and again after more commits and another loss of power, shows the same.
//!
//! Each harness answers the first [`Violation`], with the seed and the point to replay it.

mod check;
mod driver;
mod fault_sweep;
mod flip_sweep;
mod kill_sweep;
mod ledger;
mod plan;
mod power_cut_sweep;

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex},
};

use millpond_core::{Error, ErrorKind, Result, Store};

use crate::sim::{Killed, PlannedPanic, SimMachine, SimMedia};
pub use check::{Demand, check};
pub use driver::{Driver, mixed_workload};
pub use fault_sweep::{Fault, fault_sweep};
pub use flip_sweep::flip_sweep;
pub use kill_sweep::{fatal_sync_sweep, kill_sweep};
pub use ledger::Ledger;
pub use power_cut_sweep::power_cut_sweep;

/// A store under test, on any machine.
pub struct Subject {
    /// Creates the container, durably.
    pub create: fn(Arc<SimMedia>) -> Result<()>,
    /// Opens it.
    pub open: fn(Arc<SimMedia>) -> Result<Arc<dyn Store>>,
}

/// How a sweep goes through its points.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Decides everything.
    pub seed: u64,
    /// How many points to try at most; all of them if there are fewer.
    pub points_max: usize,
    /// How many losses of power to try at each point.
    pub cuts: u64,
    /// Whether two processes work on the store, or one.
    pub two_processes: bool,
}

impl Default for Sweep {
    fn default() -> Self {
        Self { seed: 1, points_max: 100, cuts: 4, two_processes: true }
    }
}

/// What a workload is: it drives a store until it is done or its process is dead.
pub type Workload<'a> = &'a dyn Fn(&mut Driver);

/// A broken promise, with what it takes to replay it.
#[derive(Clone, Debug)]
pub struct Violation {
    what: String,
    /// The error that the store answered, if that is what is wrong.
    pub(crate) kind: Option<ErrorKind>,
    /// All that is wrong is that `verify` reports damage.
    pub(crate) is_damage: bool,
}

impl Violation {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), kind: None, is_damage: false }
    }

    pub(crate) fn of_error(doing: impl fmt::Display, error: &Error) -> Self {
        let what = format!("{doing}: {error} ({:?})", error.kind());
        Self { what, kind: Some(error.kind()), is_damage: false }
    }

    /// Prints what the machine was asked for, if that is wanted; see [`is_traced`].
    pub(crate) fn traced(self, machine: &SimMachine) -> Self {
        if is_traced() {
            eprintln!("--- {self}");
            machine.operations().iter().for_each(|operation| eprintln!("{operation}"));
        }
        self
    }

    pub(crate) fn context(self, context: impl fmt::Display) -> Self {
        Self { what: format!("{context}: {}", self.what), ..self }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Violation {}

/// Whether `MILLPOND_TEST_TRACE` is set: then a violation comes with the operations before it.
pub(crate) fn is_traced() -> bool {
    std::env::var_os("MILLPOND_TEST_TRACE").is_some()
}

/// How a simulated process ended.
pub(crate) enum End<T> {
    Done(T),
    Killed,
}

/// A driver of another process of `machine`.
pub(crate) fn peer(
    subject: &Subject,
    machine: &SimMachine,
    ledger: &Arc<Mutex<Ledger>>,
    seed: u64,
) -> std::result::Result<(Arc<SimMedia>, Arc<Mutex<Driver>>), Violation> {
    let process = machine.process();
    let (open, opening) = (subject.open, process.clone());
    let driver = Driver::new(move || open(opening.clone()), ledger.clone(), seed ^ 0x5045_4552)
        .map_err(|error| Violation::of_error("opening on a sound machine", &error))?;
    Ok((process, Arc::new(Mutex::new(driver))))
}

/// Runs a simulated process: it may be killed; a panic is a violation.
pub(crate) fn run_process<T>(body: impl FnOnce() -> T) -> std::result::Result<End<T>, Violation> {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(done) => Ok(End::Done(done)),
        Err(payload) if payload.is::<Killed>() => Ok(End::Killed),
        Err(payload) => Err(Violation::new(format!("a panic: {}", panic_text(&*payload)))),
    }
}

/// Has a planned panic count as an error of which nothing is known.
pub(crate) fn attempt<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result,
        Err(payload) if payload.is::<PlannedPanic>() => {
            Err(Error::new(ErrorKind::Io, "a panic that the harness planned"))
        }
        Err(payload) => resume_unwind(payload),
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("without a text")
}

/// Up to `points_max` of `total` points, spread at random, in order; `wanted` ones in any case.
pub(crate) fn sample(
    random: &mut crate::random::Random,
    total: u64,
    wanted: &[u64],
    points_max: usize,
) -> Vec<u64> {
    if total as usize <= points_max {
        return (0..total).collect();
    }
    let mut points: std::collections::BTreeSet<u64> = std::collections::BTreeSet::new();
    let mut wanted = wanted.to_vec();
    while points.len() < points_max / 2 && !wanted.is_empty() {
        points.insert(wanted.swap_remove(random.index(wanted.len())));
    }
    while points.len() < points_max {
        points.insert(random.below(total));
    }
    points.into_iter().collect()
}
