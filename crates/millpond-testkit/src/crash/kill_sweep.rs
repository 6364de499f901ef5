//! Kills a process at each of its calls, or in a sync that fails, beside one that was attached all
//! along.

use std::sync::{Arc, Mutex, PoisonError};

use millpond_core::Durability;
use millpond_local::media::Media;

use super::{
    Demand, Driver, End, Ledger, Subject, Sweep, Violation, Workload, check, is_traced, peer,
    power_cut_sweep::{after_cut, go_on},
    run_process, sample,
};
use crate::{random::Random, sim::SimMachine};

/// Runs `workload` in a process that is killed at up to `sweep.points_max` of its calls. Each time
/// a process that had the store open all along checks that every acknowledged commit is there,
/// goes on and dies too; then one that opens the store alone does the same, and at last the
/// machine loses power. Answers how many kills it tried.
///
/// # Errors
/// The first violation.
pub fn kill_sweep(subject: &Subject, workload: Workload<'_>, sweep: Sweep) -> Result<u64, Violation> {
    sweep_deaths(subject, workload, sweep, Death::AtCall)
}

/// As [`kill_sweep`], but the process dies in one of its syncs, which fails: what it was to make
/// durable may be lost, and whoever syncs it once more is told that all is well.
///
/// # Errors
/// The first violation.
pub fn fatal_sync_sweep(subject: &Subject, workload: Workload<'_>, sweep: Sweep) -> Result<u64, Violation> {
    sweep_deaths(subject, workload, sweep, Death::InFailedSync)
}

/// How the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    AtCall,
    InFailedSync,
}

fn sweep_deaths(
    subject: &Subject,
    workload: Workload<'_>,
    sweep: Sweep,
    death: Death,
) -> Result<u64, Violation> {
    let calls = match one_kill(subject, workload, sweep, death, None)? {
        Some(calls) => calls,
        None => return Err(Violation::new("the workload ended by itself in a death")),
    };
    let mut random = Random::new(sweep.seed ^ 0x4B49_4C4C);
    let points = sample(&mut random, calls, &[], sweep.points_max);
    let mut kills = 0;
    for point in points {
        let salt = random.number();
        one_kill(subject, workload, sweep, death, Some((point + 1, salt))).map_err(|violation| {
            violation.context(format!("seed {}, {death:?} {} (salt {salt})", sweep.seed, point + 1))
        })?;
        kills += 1;
    }
    Ok(kills)
}

/// Runs the workload, to its end or to a kill, and everything after it. Answers how many calls (or
/// syncs) the process made, if it wasn't killed.
fn one_kill(
    subject: &Subject,
    workload: Workload<'_>,
    sweep: Sweep,
    death: Death,
    kill: Option<(u64, u64)>,
) -> Result<Option<u64>, Violation> {
    let seed = sweep.seed;
    let machine = SimMachine::new(seed);
    machine.record(is_traced() || (death == Death::InFailedSync && kill.is_none()));
    let opening = |error| Violation::of_error("opening on a sound machine", &error);
    (subject.create)(machine.process()).map_err(opening)?;
    let ledger = Arc::new(Mutex::new(Ledger::new(seed)));
    let (witness_process, witness_driver) = peer(subject, &machine, &ledger, seed)?;

    let victim = machine.process();
    victim.unwind_when_killed();
    if let Some((point, salt)) = kill {
        match death {
            Death::AtCall => victim.kill_at_torn(point, salt),
            Death::InFailedSync => victim.die_in_failed_sync_at(point),
        }
    }
    let open = subject.open;
    let ended = run_process(|| {
        let victim = victim.clone();
        let mut driver = Driver::new(move || open(victim.clone()), ledger.clone(), seed).map_err(opening)?;
        if sweep.two_processes {
            driver.join(witness_driver.clone());
        }
        workload(&mut driver);
        driver.verdict()
    })?;
    let calls = match death {
        Death::AtCall => victim.count(),
        Death::InFailedSync => {
            let operations = machine.operations();
            operations
                .iter()
                .filter(|operation| operation.process == victim.number() && operation.kind.is_sync())
                .count() as u64
        }
    };
    match ended {
        End::Done(result) => result?,
        End::Killed => {}
    }
    let was_killed = victim.killed();
    victim.kill();
    let mut random = Random::new(kill.map_or(0, |(_, salt)| salt));
    let shared = ledger;
    let mut ledger = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();

    // The witness sees all that was acknowledged, then goes on in the dead one's place.
    let witnessed = run_process(|| {
        let mut driver = witness_driver.lock().unwrap_or_else(PoisonError::into_inner);
        driver.verdict()?;
        let survivors = check(&**driver.store(), &ledger, Demand::Acknowledged)?;
        ledger.settle(&survivors);
        *shared.lock().unwrap_or_else(PoisonError::into_inner) = ledger.clone();
        for _ in 0..random.below(3) {
            driver.commit(Durability::Async);
        }
        if random.chance(500) {
            driver.commit(Durability::Sync);
        }
        if random.chance(200) {
            driver.compact();
        }
        driver.verdict()?;
        ledger = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        check(&**driver.store(), &ledger, Demand::Acknowledged).map(|_| ())
    })?;
    if let End::Done(result) = witnessed {
        result.map_err(|violation| violation.traced(&machine).context("seen by a process that lives on"))?;
    }
    if random.chance(500) {
        witness_process.kill();
    } else {
        let closed = witness_driver.lock().unwrap_or_else(PoisonError::into_inner).store().close();
        closed.map_err(|error| Violation::of_error("closing", &error))?;
    }
    drop(witness_driver);

    if random.chance(300) {
        // Both at once: what was not synced is at stake now.
        let cut = machine.power_cut(random.number());
        after_cut(subject, &cut, &mut ledger, random.number())
            .map_err(|violation| violation.traced(&machine).context("after a loss of power"))?;
    } else {
        go_on(subject, &machine, &mut ledger, Demand::Acknowledged, &mut random)
            .map_err(|violation| violation.traced(&machine).context("opened alone"))?;
        let cut = machine.power_cut(random.number());
        after_cut(subject, &cut, &mut ledger, random.number()).map_err(|violation| {
            violation.traced(&machine).context("opened alone, and after a loss of power")
        })?;
    }
    Ok((!was_killed).then_some(calls))
}
