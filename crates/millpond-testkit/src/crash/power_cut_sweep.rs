//! Loses power before each operation that changes the disk, in several ways.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use millpond_core::{Durability, Epoch};

use super::{
    Demand, Driver, End, Ledger, Subject, Sweep, Violation, Workload, check, is_traced, peer, run_process,
    sample,
};
use crate::{
    random::Random,
    sim::{OperationKind, SimMachine},
};

/// Runs `workload` and loses power at up to `sweep.points_max` moments of it, `sweep.cuts` times
/// each: with nothing unsynced left, with everything, and at random. Each time the store is opened
/// and checked, goes on, loses power again and is checked again. Answers how many losses it tried.
///
/// # Errors
/// The first violation.
pub fn power_cut_sweep(subject: &Subject, workload: Workload<'_>, sweep: Sweep) -> Result<u64, Violation> {
    let rehearsal = run(subject, workload, sweep, &[])?;
    let mut random = Random::new(sweep.seed ^ 0x5057_4355);
    let points = sample(&mut random, rehearsal.changes, &rehearsal.rare, sweep.points_max);
    let performance = run(subject, workload, sweep, &points)?;
    let mut cuts = 0;
    for moment in performance.moments {
        for cut in 0..sweep.cuts {
            let salt = random.number();
            let machine = match cut {
                0 => moment.machine.power_cut_worst(),
                1 => moment.machine.power_cut_none(),
                _ => moment.machine.power_cut(salt),
            };
            let mut ledger = moment.ledger.clone();
            after_cut(subject, &machine, &mut ledger, salt).map_err(|violation| {
                violation.context(format!(
                    "seed {}, before change {} ({}), loss of power {cut} (salt {salt})",
                    sweep.seed, moment.point, moment.operation
                ))
            })?;
            cuts += 1;
        }
    }
    Ok(cuts)
}

struct Moment {
    point: u64,
    operation: String,
    machine: SimMachine,
    ledger: Ledger,
}

struct Run {
    moments: Vec<Moment>,
    changes: u64,
    /// The points of operations that are few and matter: entries made, renamed, removed, synced.
    rare: Vec<u64>,
}

/// Runs the workload, and keeps the machine and the ledger as they are at `points`.
fn run(subject: &Subject, workload: Workload<'_>, sweep: Sweep, points: &[u64]) -> Result<Run, Violation> {
    let seed = sweep.seed;
    let machine = SimMachine::new(seed);
    machine.record(is_traced());
    let ledger = Arc::new(Mutex::new(Ledger::new(seed)));
    let run = Arc::new(Mutex::new(Run { moments: Vec::new(), changes: 0, rare: Vec::new() }));
    (subject.create)(machine.process())
        .map_err(|error| Violation::of_error("creating the container", &error))?;
    let observer = {
        let (ledger, run) = (ledger.clone(), run.clone());
        let points = points.to_vec();
        Box::new(move |moment: &crate::sim::Moment<'_>| {
            let mut run = run.lock().unwrap_or_else(PoisonError::into_inner);
            let point = run.changes;
            run.changes += 1;
            if !matches!(moment.operation.kind, OperationKind::Write | OperationKind::Sync) {
                run.rare.push(point);
            }
            if points.binary_search(&point).is_ok() {
                let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let operation = format!("{:?} of {}", moment.operation.kind, moment.operation.path.display());
                run.moments.push(Moment { point, operation, machine: moment.fork(), ledger });
            }
        })
    };
    machine.observe(Some(observer));
    let process = machine.process();
    let open = subject.open;
    let ended = run_process(|| {
        let mut driver = Driver::new(move || open(process.clone()), ledger.clone(), seed)
            .map_err(|error| Violation::of_error("opening the container", &error))?;
        if sweep.two_processes {
            driver.join(peer(subject, &machine, &ledger, seed)?.1);
        }
        workload(&mut driver);
        driver.verdict()
    })?;
    machine.observe(None);
    if let End::Done(Err(violation)) = ended {
        return Err(violation.context("on a sound machine"));
    }
    // The store is dropped by now, and with it the last clone of the observer.
    let mut run = run.lock().unwrap_or_else(PoisonError::into_inner);
    let moments = std::mem::take(&mut run.moments);
    let rare = std::mem::take(&mut run.rare);
    Ok(Run { moments, changes: run.changes, rare })
}

/// What must hold after a loss of power: now, after going on, and after another one.
pub(super) fn after_cut(
    subject: &Subject,
    machine: &SimMachine,
    ledger: &mut Ledger,
    salt: u64,
) -> Result<(), Violation> {
    let mut random = Random::new(salt);
    if random.chance(300) {
        interrupt_recovery(subject, machine, &mut random)
            .map_err(|violation| violation.context("recovering"))?;
    }
    let survivors = go_on(subject, machine, ledger, Demand::Durable, &mut random)
        .map_err(|violation| violation.traced(machine).context("after recovery"))?;
    let second = match random.chance(500) {
        true => machine.power_cut_worst(),
        false => machine.power_cut(random.number()),
    };
    let again = go_on(subject, &second, ledger, Demand::Durable, &mut random).map_err(|violation| {
        violation.traced(&second).traced(machine).context("after going on and losing power again")
    })?;
    match survivors.iter().find(|(epoch, number)| again.get(epoch) != Some(number)) {
        // What was shown once after a recovery, and was followed by a synced commit, stays.
        Some((epoch, number)) => {
            Err(Violation::new(format!("commit {number} (epoch {epoch}) had survived and is lost now")))
        }
        None => Ok(()),
    }
}

/// Opens the store in a process that dies in the middle of it.
fn interrupt_recovery(subject: &Subject, machine: &SimMachine, random: &mut Random) -> Result<(), Violation> {
    let process = machine.process();
    process.unwind_when_killed();
    process.kill_at_torn(1 + random.below(60), random.number());
    let _ = run_process(|| drop((subject.open)(process.clone())))?;
    process.kill();
    Ok(())
}

/// Opens, checks, commits a little, checks again; the last commit is synced. Answers all that is
/// there.
pub(super) fn go_on(
    subject: &Subject,
    machine: &SimMachine,
    ledger: &mut Ledger,
    demand: Demand,
    random: &mut Random,
) -> Result<BTreeMap<Epoch, u64>, Violation> {
    let process = machine.process();
    let open = subject.open;
    let shared = Arc::new(Mutex::new(ledger.clone()));
    let seed = random.number();
    let ended = run_process(|| {
        let mut driver = {
            let process = process.clone();
            Driver::new(move || open(process.clone()), shared.clone(), seed)
                .map_err(|error| Violation::of_error("opening", &error))?
        };
        let survivors = check(&**driver.store(), ledger, demand)?;
        ledger.settle(&survivors);
        *shared.lock().unwrap_or_else(PoisonError::into_inner) = ledger.clone();
        for _ in 0..random.below(4) {
            driver.commit(Durability::Async);
        }
        driver.commit(Durability::Sync);
        if random.chance(200) {
            driver.compact();
        }
        if random.chance(300) {
            driver.reopen();
        }
        driver.verdict()?;
        *ledger = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let survivors = check(&**driver.store(), ledger, Demand::Acknowledged)
            .map_err(|violation| violation.context("after going on"))?;
        // It ends as a process does that is killed.
        process.kill();
        Ok(survivors)
    })?;
    match ended {
        End::Done(result) => result,
        End::Killed => Err(Violation::new("the harness killed a process that it didn't mean to")),
    }
}
