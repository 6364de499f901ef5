//! Processes that write to an engine are killed: what they said that they had done is there, and nothing is half
//! done.
//!
//! A process makes steps that are numbered. An odd one puts a record and the step's number, at once; an even one
//! removes a record, and then swaps the number for its own. So the number says which records there are, but for
//! the removal of a step that wasn't completed.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, time::Duration};

use millpond_pmemkv::{Config, Engine, Range};
use millpond_testkit::{
    process::{Part, Played, role, tell},
    random::{Random, test_scale, test_seed},
};

use crate::support::{collect, eight, engines};

/// Keys in use. An odd number, so that each of them is put by some steps and removed by others.
const SLOTS: u64 = 21;
/// The odd and the even step in whose place a planted bug is.
const PLANTED_STEPS: [u64; 2] = [41, 42];

/// The record that has the number.
pub(crate) fn number() -> [u8; 8] {
    eight(u64::MAX)
}

fn slot(step: u64) -> [u8; 8] {
    eight(step * 8 % SLOTS)
}

/// What is planted to see that the harness notices it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Planted {
    Nothing,
    /// A step is told before it is done.
    ToldEarly,
    /// The two puts of a step aren't one.
    Torn,
    /// A removal is none.
    NotRemoved,
}

const PLANTED: [Planted; 4] = [Planted::Nothing, Planted::ToldEarly, Planted::Torn, Planted::NotRemoved];

/// Makes a step.
pub(crate) fn make(engine: &Engine, step: u64) {
    let (key, this, before) = (slot(step), eight(step), eight(step - 1));
    if step % 2 == 1 {
        engine.put_many(&[(&key, &this), (&number(), &this)]).expect("put");
    } else {
        engine.remove(&key).expect("removed");
        assert!(engine.compare_and_swap(&number(), Some(&before), Some(&this)).expect("swapped"));
    }
}

/// What an engine with a bug would leave of a step, when it is killed then.
fn make_wrong(engine: &Engine, step: u64, planted: Planted) -> ! {
    let this = eight(step);
    match planted {
        Planted::Nothing => unreachable!("nothing is planted"),
        Planted::ToldEarly => tell(step),
        Planted::Torn => engine.put(&slot(step), &this).expect("put"),
        Planted::NotRemoved => {
            assert!(engine.exists(&slot(step)).expect("asked"), "there is something to remove");
            engine.put(&number(), &this).expect("put");
        }
    }
    tell("planted");
    loop {
        std::thread::park();
    }
}

/// The records after a step, without the number.
fn records_after(step: u64) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut records = BTreeMap::new();
    for step in 1..=step {
        if step % 2 == 1 {
            records.insert(slot(step).to_vec(), eight(step).to_vec());
        } else {
            records.remove(&slot(step)[..]);
        }
    }
    records
}

fn open(name: &str, path: &str) -> Engine {
    let config = Config::default().with("path", path).expect("an item");
    Engine::open(name, &config).expect("opened")
}

fn step_of(engine: &Engine) -> u64 {
    let value = engine.get(&number()).expect("read").expect("there");
    u64::from_be_bytes((*value).try_into().expect("8 bytes"))
}

/// Plays the part of a process that is killed.
fn play(role: &str) -> ! {
    let [name, path, planted] = role.split('|').collect::<Vec<_>>()[..] else { panic!("no part: {role}") };
    let planted = PLANTED.into_iter().find(|bug| format!("{bug:?}") == planted).expect("a bug");
    let engine = open(name, path);
    tell("ready");
    for step in step_of(&engine) + 1.. {
        match planted {
            Planted::ToldEarly | Planted::Torn if step == PLANTED_STEPS[0] => {
                make_wrong(&engine, step, planted)
            }
            Planted::NotRemoved if step == PLANTED_STEPS[1] => make_wrong(&engine, step, planted),
            _ => make(&engine, step),
        }
        tell(step);
    }
    unreachable!("steps don't end")
}

/// What a process has told of its steps.
fn told(process: &mut Played) -> u64 {
    process.told_already().filter_map(|told| told.parse().ok()).max().unwrap_or(0)
}

/// Checks what is there after a death.
pub(crate) fn check(engine: &Engine, told: u64) {
    let (name, step) = (engine.name(), step_of(engine));
    assert!(step >= told, "{name}: step {told} was told, and {step} is there");
    let mut found: BTreeMap<_, _> = collect(engine, Range::All).into_iter().collect();
    assert_eq!(engine.count(Range::All).expect("counted"), found.len() as u64, "{name}");
    found.remove(&number()[..]).expect("the number");
    let mut expected = records_after(step);
    if step % 2 == 1 && found != expected {
        // The next step removes a record before it swaps the number.
        expected.remove(&slot(step + 1)[..]);
    }
    assert_eq!(found, expected, "{name} after step {step}");
}

fn attack(test: &str, name: &str, rounds: u64, planted: Planted, random: &mut Random) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pool");
    let path = path.to_str().expect("a path");
    let mut config = Config::default().with("path", path).expect("an item");
    config.put("size", 1u64 << 28).expect("an item");
    config.put("create_or_error_if_exists", true).expect("an item");
    let engine = Engine::open(name, &config).expect("created");
    engine.put(&number(), &eight(0)).expect("put");
    engine.close().expect("closed");
    for _ in 0..rounds {
        let mut process = Part::new(test, format!("{name}|{path}|{planted:?}")).start();
        assert_eq!(process.told().as_deref(), Some("ready"));
        let mut last = 0;
        if planted == Planted::Nothing {
            std::thread::sleep(Duration::from_micros(random.below(60_000)));
        } else {
            while let Some(told) = process.told().filter(|told| told != "planted") {
                last = told.parse().expect("a step");
            }
        }
        process.kill();
        last = last.max(told(&mut process));
        let engine = open(name, path);
        check(&engine, last);
        engine.close().expect("closed");
    }
}

#[test]
fn what_a_killed_process_has_done_is_there() {
    if let Some(role) = role() {
        play(&role);
    }
    let mut random = Random::new(test_seed(66));
    for name in engines(|engine| engine.persistent) {
        let test = "deaths::what_a_killed_process_has_done_is_there";
        attack(test, name, 4 * test_scale(), Planted::Nothing, &mut random);
    }
}

/// The test of the test.
#[test]
fn planted_bugs_are_noticed() {
    if let Some(role) = role() {
        play(&role);
    }
    let test = "deaths::planted_bugs_are_noticed";
    for planted in [Planted::ToldEarly, Planted::Torn, Planted::NotRemoved] {
        let attacked = std::panic::catch_unwind(AssertUnwindSafe(|| {
            attack(test, "stree", 1, planted, &mut Random::new(1));
        }));
        assert!(attacked.is_err(), "{planted:?} wasn't noticed");
    }
}
