//! Fails each call of a process in turn: an error with its kind or success, never wrong data.

use std::sync::{Arc, Mutex, PoisonError};

use millpond_core::ErrorKind;

use super::{
    Demand, Driver, End, Ledger, Subject, Sweep, Violation, Workload, attempt, check, peer,
    power_cut_sweep::{after_cut, go_on},
    run_process, sample,
};
use crate::{
    random::Random,
    sim::{SimMachine, SimMedia},
};

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A call of any kind, once, with this error number.
    Call(i32),
    /// A sync, once.
    Sync(i32),
    /// A write, once.
    Write(i32),
    /// Every call from one on.
    Device(i32),
    /// The thread panics within a call, once.
    Panic,
    /// Reads and writes are short or interrupted all the time: nothing may be noticed.
    ShortIo,
}

/// Runs `workload` with a fault at up to `sweep.points_max` places. Errors are fine if their kind
/// fits; what was acknowledged must be there: for the process itself, for one that opens the store
/// after it, and after a loss of power what was promised to survive one. Answers how many faults
/// it tried.
///
/// # Errors
/// The first violation.
pub fn fault_sweep(
    subject: &Subject,
    workload: Workload<'_>,
    fault: Fault,
    sweep: Sweep,
) -> Result<u64, Violation> {
    let mut random = Random::new(sweep.seed ^ 0x4641_554C);
    let calls = one_fault(subject, workload, fault, sweep, None)?;
    let points = match fault {
        Fault::ShortIo => (0..sweep.points_max as u64).collect(),
        _ => sample(&mut random, calls, &[], sweep.points_max),
    };
    let mut faults = 0;
    for point in points {
        let salt = random.number();
        one_fault(subject, workload, fault, sweep, Some((point + 1, salt))).map_err(|violation| {
            violation.context(format!("seed {}, {fault:?} at {} (salt {salt})", sweep.seed, point + 1))
        })?;
        faults += 1;
    }
    Ok(faults)
}

fn plan(process: &SimMedia, fault: Fault, point: u64, salt: u64) {
    match fault {
        Fault::Call(errno) => process.fail_at(point, errno),
        Fault::Sync(errno) => process.fail_sync_at(point, errno),
        Fault::Write(errno) => process.fail_write_at(point, errno),
        Fault::Device(errno) => process.fail_from(point, errno),
        Fault::Panic => process.panic_at(point, salt),
        Fault::ShortIo => process.short_io(Some(salt)),
    }
}

/// Answers how many calls there are that the fault may hit.
fn one_fault(
    subject: &Subject,
    workload: Workload<'_>,
    fault: Fault,
    sweep: Sweep,
    at: Option<(u64, u64)>,
) -> Result<u64, Violation> {
    let seed = sweep.seed;
    let machine = SimMachine::new(seed);
    (subject.create)(machine.process())
        .map_err(|error| Violation::of_error("creating on a sound machine", &error))?;
    let ledger = Arc::new(Mutex::new(Ledger::new(seed)));
    let other = sweep.two_processes.then(|| peer(subject, &machine, &ledger, seed)).transpose()?;
    let process = machine.process();
    machine.forget_operations();
    if let Some((point, salt)) = at {
        plan(&process, fault, point, salt);
    }
    let open = subject.open;
    let sound = at.is_none() || fault == Fault::ShortIo;
    let mut errors = Vec::new();
    let ended = run_process(|| {
        let opened = attempt(|| {
            let process = process.clone();
            Driver::new(move || open(process.clone()), ledger.clone(), seed)
        });
        let mut driver = match opened {
            Ok(driver) => driver,
            Err(error) if sound => {
                return Err(Violation::of_error("opening on a sound machine", &error));
            }
            Err(error) => {
                errors.push(error);
                return Ok(());
            }
        };
        driver.errors_allowed = !sound;
        if let Some((_, other)) = &other {
            other.lock().unwrap_or_else(PoisonError::into_inner).errors_allowed = !sound;
            driver.join(other.clone());
        }
        workload(&mut driver);
        errors.append(&mut driver.errors);
        driver.verdict()?;
        process.heal();
        let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // The process itself may know that it can't go on, but must not tell lies.
        match driver.store().index().epoch() {
            Ok(_) => check(&**driver.store(), &ledger, Demand::Acknowledged)
                .map(|_| ())
                .map_err(|violation| violation.traced(&machine).context("seen by the process itself")),
            Err(error) => {
                errors.push(error);
                Ok(())
            }
        }
    })?;
    if let End::Done(result) = ended {
        result?;
    }
    let mut asked = machine.operations();
    asked.retain(|operation| operation.process == process.number());
    let hit = match fault {
        Fault::Sync(_) => asked.iter().filter(|operation| operation.kind.is_sync()).count(),
        Fault::Write(_) => asked.iter().filter(|operation| operation.kind.writes()).count(),
        _ => asked.len(),
    };

    let mut random = Random::new(at.map_or(0, |(_, salt)| salt));
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let cut = machine.power_cut(random.number());
    after_cut(subject, &cut, &mut ledger.clone(), random.number())
        .map_err(|violation| violation.traced(&machine).context("after a loss of power"))?;
    process.kill();
    if let Some((process, driver)) = other {
        // It may have met the consequences of the fault, but not the fault itself.
        let mut driver = driver.lock().unwrap_or_else(PoisonError::into_inner);
        errors.append(&mut driver.errors);
        process.kill();
    }
    if let Some(error) = errors.iter().find(|error| !fits(error.kind())) {
        return Err(Violation::new(format!("an error of the wrong kind, {:?}: {error}", error.kind())));
    }
    let mut demand = Demand::Acknowledged;
    if random.chance(300) {
        // The cache forgets what a failed sync left in it.
        machine.evict(random.number());
        demand = Demand::Durable;
    }
    go_on(subject, &machine, &mut ledger, demand, &mut random)
        .map_err(|violation| violation.traced(&machine).context("opened after it"))?;
    let cut = machine.power_cut(random.number());
    after_cut(subject, &cut, &mut ledger, random.number()).map_err(|violation| {
        violation.traced(&machine).context("opened after it, and after a loss of power")
    })?;
    Ok(hit as u64)
}

/// The kinds that a failing device or a full one may lead to.
fn fits(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Io | ErrorKind::NoSpace | ErrorKind::Poisoned | ErrorKind::Closed)
}
