//! An operation of many steps is cut off at each of them: by the death of its process, and by a loss of
//! power before each change of the disk.
//!
//! What must hold afterwards, for another process that had the container open all along as for one that
//! opens it: what is seen is allowed, and says how far the operation got; it never falls back, but for
//! what power losses take of an operation that hadn't ended; and it can be done again, to its end.

mod backup;
mod blobs;
mod maps;
mod repair;
mod rollback;

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex, PoisonError},
};

use millpond::Container;
use millpond_testkit::{
    random::{Random, test_scale},
    sim::SimMachine,
};

use crate::simulated::{open, until_killed};

/// Steps that `make test` tries of each operation; all of them, if there are fewer.
const STEPS: u64 = 60;

/// An operation, with what may be seen of it.
struct Attacked<'a> {
    /// What finds the container: closed, and durable.
    machine: &'a SimMachine,
    /// The operation. When it ends, what it did is durable.
    act: &'a dyn Fn(&Container),
    /// Answers how far the operation got, by what is there; panics where that must not be.
    look: &'a dyn Fn(&Container) -> u64,
    /// What `look` answers when all is done.
    end: u64,
}

/// Cuts the operation off; answers how often.
fn sweep(attacked: &Attacked<'_>, seed: u64) -> u64 {
    println!("seed {seed}");
    kills(attacked, seed) + power_cuts(attacked, seed)
}

/// Up to [`STEPS`] of so many, spread over all.
fn steps(total: u64, random: &mut Random) -> Vec<u64> {
    let every = (total / (STEPS * test_scale())).max(1);
    (random.below(every)..total).step_by(every as usize).collect()
}

/// Says which one it was, if it fails.
fn case<T>(what: impl Fn() -> String, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|payload| {
        eprintln!("{}", what());
        resume_unwind(payload)
    })
}

fn kills(attacked: &Attacked<'_>, seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let calls = {
        let machine = attacked.machine.power_cut_none();
        let process = machine.process();
        let container = open(&process);
        assert_eq!((attacked.look)(&container), 0, "nothing is done yet");
        let before = process.count();
        (attacked.act)(&container);
        process.count() - before
    };
    let steps = steps(calls, &mut random);
    for step in &steps {
        case(|| format!("killed at call {step} of {calls}"), || one_kill(attacked, step + 1, &mut random));
    }
    steps.len() as u64
}

fn one_kill(attacked: &Attacked<'_>, call: u64, random: &mut Random) {
    let machine = attacked.machine.power_cut_none();
    machine.record(false);
    let neighbour = machine.process();
    let witness = random.chance(500).then(|| open(&neighbour));
    let victim = machine.process();
    victim.unwind_when_killed();
    let done = until_killed(|| {
        let container = open(&victim);
        victim.kill_at_torn(call, random.number());
        (attacked.act)(&container);
    });
    assert!(done.is_none(), "the operation ended by itself");
    victim.kill();
    let mut got = 0;
    if let Some(witness) = witness {
        got = (attacked.look)(&witness);
        if random.chance(500) {
            // It does what the dead one didn't.
            (attacked.act)(&witness);
            got = (attacked.look)(&witness);
            assert_eq!(got, attacked.end, "done by another one");
        }
        neighbour.kill();
    }
    got = look_alone(attacked, &machine, got, false);
    // What is in no file yet may be lost, unless all was done.
    let least = if got == attacked.end && random.chance(500) { flush(&machine, got) } else { 0 };
    look_alone(attacked, &machine.power_cut(random.number()), least, true);
}

/// Makes durable what is there.
fn flush(machine: &SimMachine, got: u64) -> u64 {
    let process = machine.process();
    open(&process).flush().expect("flushed");
    process.kill();
    got
}

/// Opens the container and looks, where at least so much has to be done; with `finish`, does all of it,
/// and looks once more after another loss of power. Answers how far it had got.
fn look_alone(attacked: &Attacked<'_>, machine: &SimMachine, least: u64, finish: bool) -> u64 {
    let process = machine.process();
    let container = open(&process);
    let got = (attacked.look)(&container);
    assert!(got >= least, "it had got to {least}, and is at {got} now");
    if finish {
        (attacked.act)(&container);
        assert_eq!((attacked.look)(&container), attacked.end, "done again");
        let report = container.check(false).expect("checked");
        assert!(report.is_clean(), "{report:?}");
        process.kill();
        drop(container);
        let cut = machine.power_cut_worst();
        let process = cut.process();
        assert_eq!((attacked.look)(&open(&process)), attacked.end, "what was done is durable");
        process.kill();
    }
    process.kill();
    got
}

fn power_cuts(attacked: &Attacked<'_>, seed: u64) -> u64 {
    let mut random = Random::new(seed ^ 0xC07);
    let changes = moments(attacked, &[]).0;
    let steps = steps(changes, &mut random);
    let (_, moments) = moments(attacked, &steps);
    let mut cuts = 0;
    for (step, what, moment) in moments {
        for cut in 0..3 {
            let machine = match cut {
                0 => moment.power_cut_worst(),
                1 => moment.power_cut_none(),
                _ => moment.power_cut(random.number()),
            };
            let describe = || format!("loss of power {cut} before change {step} of {changes}, {what}");
            case(describe, || look_alone(attacked, &machine, 0, true));
            cuts += 1;
        }
    }
    cuts
}

/// The machine before each of these changes of the disk, with what was about to be done; and how many
/// changes there are.
fn moments(attacked: &Attacked<'_>, steps: &[u64]) -> (u64, Vec<(u64, String, SimMachine)>) {
    let machine = attacked.machine.power_cut_none();
    machine.record(false);
    let process = machine.process();
    let container = open(&process);
    let seen = Arc::new(Mutex::new((0, Vec::new())));
    let (noted, steps) = (seen.clone(), steps.to_vec());
    machine.observe(Some(Box::new(move |moment| {
        let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.binary_search(&noted.0).is_ok() {
            let what = format!("{:?} of {}", moment.operation.kind, moment.operation.path.display());
            let step = noted.0;
            noted.1.push((step, what, moment.fork()));
        }
        noted.0 += 1;
    })));
    (attacked.act)(&container);
    machine.observe(None);
    process.kill();
    drop(container);
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *seen)
}

/// The test of a test: with this bug planted, it fails for one of a few seeds.
#[cfg(feature = "planted-bugs")]
#[track_caller]
fn assert_noticed(bug: &str, attack: impl Fn(u64)) {
    let noticed = (1..=6).any(|seed| catch_unwind(AssertUnwindSafe(|| attack(seed))).is_err());
    assert!(noticed, "{bug} was not noticed");
}
