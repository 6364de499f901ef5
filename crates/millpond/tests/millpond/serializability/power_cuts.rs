//! The bank on a simulated machine, whose processes die at any call and whose power fails: a transfer
//! that was told to be durable is there, those that are there are the first ones in the order in which
//! they were committed, and none is there in half.

use std::{
    panic::{catch_unwind, resume_unwind},
    sync::Arc,
};

use millpond::{Container, Durability, ErrorKind, Transaction, TransactionOptions};
use millpond_testkit::{
    random::{Random, test_scale, test_seed},
    sim::{SimMachine, SimMedia},
};

use super::bank::{Name, audit, found_bank, transfer};
use crate::{
    attacks::small_log,
    simulated::{self, open, until_killed},
};

const LIVES: u64 = 8;

fn create(machine: &SimMachine) {
    let container = simulated::create(machine, small_log(Durability::Sync));
    found_bank(&container).expect("founded");
    container.close().expect("closed");
}

/// The transfers in the order in which they are committed.
#[derive(Default)]
struct Ledger {
    tried: Vec<Name>,
    /// How many of them were told to be committed.
    committed: usize,
    /// How many of them are durable.
    durable: usize,
    next: u32,
}

impl Ledger {
    fn begin(&mut self, container: &Container, random: &mut Random) -> (Transaction, Name, Durability) {
        let durability = if random.chance(400) { Durability::Sync } else { Durability::Async };
        let options = TransactionOptions {
            durability: Some(durability),
            memory: random.chance(200).then_some(100),
            ..TransactionOptions::default()
        };
        self.next += 1;
        let name = (0, self.next);
        let tx = container.begin(options).expect("begun");
        transfer(&tx, random, name).expect("written");
        (tx, name, durability)
    }

    fn commit(&mut self, (tx, name, durability): (Transaction, Name, Durability)) {
        self.tried.push(name);
        match tx.commit() {
            Ok(_) => {
                self.committed = self.tried.len();
                if durability == Durability::Sync {
                    self.durable = self.committed;
                }
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "the machine is sound: {error}");
                self.tried.pop();
            }
        }
    }

    /// Looks at what is left, of which at least so many have to be there.
    fn settle(&mut self, container: &Container, least: usize) {
        let mut found: Vec<Name> = audit(container).into_keys().collect();
        let order = |name: &Name| self.tried.iter().position(|tried| tried == name);
        found.sort_by_key(order);
        assert!(self.tried.starts_with(&found), "{found:?} aren't the first ones of {:?}", self.tried);
        assert!(found.len() >= least, "{} of {least} transfers are left", found.len());
        self.committed = found.len();
        self.tried = found;
        self.durable = self.durable.min(self.committed);
    }
}

/// Two processes transfer until the first one dies, or is done.
fn live(machine: &SimMachine, process: &Arc<SimMedia>, random: &mut Random, ledger: &mut Ledger) {
    let container = open(process);
    let neighbour_process = machine.process();
    let neighbour = random.chance(500).then(|| open(&neighbour_process));
    for _ in 0..random.below(40) {
        match (&neighbour, random.below(10)) {
            (Some(neighbour), 0..3) => {
                // Another one comes in between.
                let mine = ledger.begin(&container, random);
                let theirs = ledger.begin(neighbour, random);
                ledger.commit(theirs);
                ledger.commit(mine);
            }
            (Some(neighbour), 3..5) => {
                let theirs = ledger.begin(neighbour, random);
                ledger.commit(theirs);
            }
            (_, 9) if random.chance(300) => container.compact().expect("compacted"),
            _ => {
                let mine = ledger.begin(&container, random);
                ledger.commit(mine);
            }
        }
    }
    neighbour_process.kill();
    process.kill();
}

/// One run: several lives of the bank. Answers how many transfers are there in the end.
pub fn run(seed: u64) -> usize {
    let mut random = Random::new(seed);
    let mut machine = SimMachine::new(seed);
    machine.record(false);
    create(&machine);
    let mut ledger = Ledger::default();
    for _ in 0..LIVES {
        let process = machine.process();
        process.unwind_when_killed();
        if random.chance(700) {
            process.kill_at_torn(1 + random.below(500), random.number());
        }
        let _ = until_killed(|| live(&machine, &process, &mut random, &mut ledger));
        process.kill();
        let is_cut = random.chance(600);
        if is_cut {
            machine = match random.below(4) {
                0 => machine.power_cut_worst(),
                _ => machine.power_cut(random.number()),
            };
        }
        let process = machine.process();
        let least = if is_cut { ledger.durable } else { ledger.committed };
        ledger.settle(&open(&process), least);
        process.kill();
    }
    ledger.tried.len()
}

#[test]
fn the_money_stays_together_when_the_power_fails() {
    let seed = test_seed(1);
    let mut transfers = 0;
    for round in 0..12 * test_scale() {
        transfers += catch_unwind(|| run(seed + round)).unwrap_or_else(|payload| {
            eprintln!("seed {}", seed + round);
            resume_unwind(payload)
        });
    }
    assert!(transfers as u64 > 200 * test_scale(), "only {transfers}: the test shows little");
}
