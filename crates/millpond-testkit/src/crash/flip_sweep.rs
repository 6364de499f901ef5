//! Turns over a bit of one file after another: the store says so, or it didn't matter.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use millpond_core::ErrorKind;

use super::{Demand, Driver, End, Ledger, Subject, Sweep, Violation, Workload, check, run_process};
use crate::{random::Random, sim::SimMachine};

/// Runs `workload`, closes the store, and turns over a bit, each time in a copy of the machine. The
/// store must then answer `Corrupt` or `Incompatible` for what it can't tell any more, and the
/// truth otherwise; what a read finds damaged, `verify` finds too. Files whose names `spared` picks
/// are left alone. Answers how many flips were noticed, of `sweep.points_max`.
///
/// # Errors
/// The first violation.
pub fn flip_sweep(
    subject: &Subject,
    workload: Workload<'_>,
    spared: impl Fn(&Path) -> bool,
    sweep: Sweep,
) -> Result<u64, Violation> {
    let machine = SimMachine::new(sweep.seed);
    machine.record(false);
    (subject.create)(machine.process()).map_err(|error| Violation::of_error("creating", &error))?;
    let ledger = Arc::new(Mutex::new(Ledger::new(sweep.seed)));
    let open = subject.open;
    let process = machine.process();
    let ended = run_process(|| {
        let mut driver = Driver::new(move || open(process.clone()), ledger.clone(), sweep.seed)
            .map_err(|error| Violation::of_error("opening", &error))?;
        workload(&mut driver);
        driver.store().close().map_err(|error| Violation::of_error("closing", &error))?;
        driver.violation.take().map_or(Ok(()), Err)
    })?;
    if let End::Done(result) = ended {
        result?;
    }
    let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let machine = machine.power_cut_none();
    let files = machine.files(Path::new("/")).map_err(|error| Violation::new(error.to_string()))?;
    let files: Vec<_> = files
        .into_iter()
        .filter(|path| !spared(path))
        .filter_map(|path| Some((machine.content(&path).ok()?.len() as u64, path)))
        .filter(|(length, _)| *length > 0)
        .collect();
    let mut random = Random::new(sweep.seed ^ 0x464C_4950);
    let mut noticed = 0;
    for point in 0..sweep.points_max {
        let (length, path) = &files[point % files.len()];
        let byte = random.below(*length);
        let mask = 1 << random.below(8);
        let copy = machine.power_cut_none();
        copy.flip(path, byte, mask).map_err(|error| Violation::new(error.to_string()))?;
        let seen = run_process(|| look(subject, &copy, &ledger));
        let seen = match seen {
            Ok(End::Done(seen)) => seen,
            Ok(End::Killed) => Ok(false),
            Err(violation) => Err(violation),
        };
        noticed += u64::from(seen.map_err(|violation| {
            violation.context(format!(
                "seed {}, bit {mask:#x} of byte {byte} of {} flipped",
                sweep.seed,
                path.display()
            ))
        })?);
    }
    Ok(noticed)
}

/// Whether the store notices the damage.
fn look(subject: &Subject, machine: &SimMachine, ledger: &Ledger) -> Result<bool, Violation> {
    let honest = |kind: ErrorKind| matches!(kind, ErrorKind::Corrupt | ErrorKind::Incompatible);
    let process = machine.process();
    let store = match (subject.open)(process.clone()) {
        Ok(store) => store,
        Err(error) if honest(error.kind()) => return Ok(true),
        Err(error) => return Err(Violation::of_error("opening", &error)),
    };
    let seen = match check(&*store, ledger, Demand::Acknowledged) {
        Ok(_) => Ok(false),
        Err(violation) if violation.kind.is_some_and(honest) => {
            let mut damages = Vec::new();
            match store.verify(&mut |damage| damages.push(damage)) {
                Ok(_) if damages.is_empty() => Err(violation.context("verify finds nothing")),
                Ok(_) => Ok(true),
                Err(error) if honest(error.kind()) => Ok(true),
                Err(error) => Err(Violation::of_error("verifying", &error)),
            }
        }
        // Only what nothing but `verify` reads is damaged.
        Err(violation) if violation.is_damage => Ok(true),
        Err(violation) => Err(violation),
    };
    process.kill();
    seen
}
