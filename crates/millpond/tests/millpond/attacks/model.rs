//! A dictionary beside a map in memory, on a machine that dies between any two calls.
//!
//! What can break: an operation that was done is gone after a death, or after a loss of power when
//! it was promised to be durable; one that was interrupted is there in part; a batch, a stream or a
//! clearing is half done; the count is wrong after a recovery.
//!
//! Each operation is one commit, so that what is there after a crash has to be what the map was
//! after some operation: the last one or the one that was interrupted when the process died, and
//! after a loss of power any since the last that was durable.

use std::{
    collections::BTreeMap,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    sync::Arc,
};

use millpond::{Container, Dict, Durability, Pool, Result, Uuid};
use millpond_core::{Label, PoolDocument};
use millpond_local::LocalPool;
use millpond_testkit::{
    random::{Random, test_scale, test_seed},
    sim::{Killed, SimMachine, SimMedia},
};

use super::small_log;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

const DIR: &str = "/home/pool";

/// What happens between two openings: operations, and the end of it.
struct Life<'a> {
    random: &'a mut Random,
    durability: Durability,
    /// What the dictionary has been, since the last state that is durable for certain.
    states: Vec<Map>,
}

impl Life<'_> {
    fn last(&self) -> &Map {
        self.states.last().expect("there is always one")
    }

    fn key(&mut self) -> Vec<u8> {
        match self.random.below(20) {
            0 => Vec::new(),
            1 => vec![0xFF; 1024],
            _ => format!("key-{}", self.random.below(40)).into_bytes(),
        }
    }

    fn value(&mut self) -> Vec<u8> {
        let length = match self.random.below(20) {
            0 => 3000 + self.random.index(30_000),
            1 => 0,
            _ => self.random.index(900),
        };
        self.random.bytes(length)
    }

    /// Begins an operation that makes `next` of the map, should it take effect.
    fn expect(&mut self, next: Map) {
        self.states.push(next);
    }

    /// What was done so far is durable.
    fn durable(&mut self) {
        self.states.drain(..self.states.len() - 1);
    }

    fn step(&mut self, container: &Container, dict: &Dict) -> Result<()> {
        let mut next = self.last().clone();
        let (key, value) = (self.key(), self.value());
        match self.random.below(100) {
            0..40 => {
                let before = next.insert(key.clone(), value.clone());
                self.expect(next);
                assert_eq!(dict.put(&key, &value)?, before.is_some());
            }
            40..55 => {
                let before = next.remove(&key);
                self.expect(next);
                assert_eq!(dict.delete(&key)?, before.is_some());
            }
            55..65 => {
                let mut batch = dict.batch();
                for _ in 0..self.random.below(30) {
                    let (key, value) = (self.key(), self.value());
                    if self.random.chance(300) {
                        next.remove(&key);
                        batch.delete(&key)?;
                    } else {
                        batch.put(&key, &value)?;
                        next.insert(key, value);
                    }
                }
                self.expect(next);
                batch.commit()?;
            }
            65..72 => {
                let existing = next.get(&key).cloned();
                next.entry(key.clone()).or_insert_with(|| value.clone());
                self.expect(next);
                assert_eq!(dict.insert_if_absent(&key, &value)?.map(Vec::from), existing);
            }
            72..80 => {
                let taken = next.remove(&key);
                self.expect(next);
                assert_eq!(dict.take(&key)?.map(Vec::from), taken);
            }
            80..83 => {
                let taken = next.pop_last();
                self.expect(next);
                let found = dict.take_last()?;
                assert_eq!(found.map(|(key, value)| (Vec::from(key), Vec::from(value))), taken);
            }
            83..88 => {
                let mut writer = dict.writer(&key)?;
                for part in value.chunks(1000) {
                    // Its errors are the store's, told again when it is committed.
                    let _ = writer.write_all(part);
                }
                next.insert(key, value);
                self.expect(next);
                writer.commit()?;
            }
            88..90 => {
                self.expect(Map::new());
                dict.clear()?;
            }
            90..93 => container.compact()?,
            93..96 => {
                container.flush()?;
                self.durable();
            }
            _ => self.read(dict)?,
        }
        if self.durability == Durability::Sync {
            self.durable();
        }
        Ok(())
    }

    fn read(&mut self, dict: &Dict) -> Result<()> {
        let key = self.key();
        assert_eq!(dict.get(&key)?.as_deref(), self.last().get(&key).map(Vec::as_slice));
        assert_eq!(dict.len()?, self.last().len() as u64);
        Ok(())
    }
}

/// All that a dictionary holds, by every way that leads to it.
fn content(dict: &Dict) -> Map {
    let entries: Map = dict
        .iter()
        .expect("begun")
        .map(|entry| entry.expect("read"))
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect();
    assert_eq!(dict.len().expect("counted"), entries.len() as u64);
    let keys: Vec<_> = entries.keys().collect();
    let values = dict.get_many(&keys).expect("read");
    assert!(values.iter().map(Option::as_deref).eq(entries.values().map(|value| Some(&value[..]))));
    entries
}

fn open(process: &Arc<SimMedia>) -> Container {
    let store = LocalPool::open_on(process.clone(), Path::new(DIR)).expect("a pool").without_background();
    Pool::over(Arc::new(store)).expect("a pool").container("kv").expect("a container")
}

fn create(machine: &SimMachine, durability: Durability) {
    let document = PoolDocument {
        uuid: Uuid::from_u128(7),
        label: Label::new("pool").expect("a label"),
        created: 1,
        size: None,
        properties: BTreeMap::new(),
        attributes: BTreeMap::new(),
        containers: BTreeMap::new(),
    };
    let store = LocalPool::create_on(machine.process(), Path::new(DIR), &document).expect("created");
    let pool = Pool::over(Arc::new(store.without_background())).expect("a pool");
    let container = pool.create_container(Some("kv"), small_log(durability)).expect("created");
    container.create_dict("d").expect("created");
    container.close().expect("closed");
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    Closed,
    Killed,
    PowerCut,
}

/// One run: several lives of one dictionary. Answers how many operations there were.
fn run(seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let durability = if random.chance(500) { Durability::Sync } else { Durability::Async };
    let mut machine = SimMachine::new(seed);
    machine.record(false);
    create(&machine, durability);
    let mut operations = 0;
    let mut states = vec![Map::new()];
    for _ in 0..12 {
        let process = machine.process();
        process.unwind_when_killed();
        let death = match random.below(10) {
            0..2 => Death::Closed,
            2..6 => Death::Killed,
            _ => Death::PowerCut,
        };
        let mut life = Life { random: &mut random, durability, states };
        // It may die while it recovers, too.
        if death != Death::Closed && life.random.chance(700) {
            process.kill_at_torn(1 + life.random.below(400), life.random.number());
        }
        let lived = catch_unwind(AssertUnwindSafe(|| {
            let container = open(&process);
            let dict = container.dict("d").expect("a dictionary");
            let found = content(&dict);
            assert_eq!(found, *life.last(), "it is what it was when it was looked at last");
            for _ in 0..life.random.below(60) {
                operations += 1;
                life.step(&container, &dict).expect("the machine is sound");
            }
            if death == Death::Closed {
                assert!(container.check(false).expect("checked").is_clean());
                container.close().expect("closed");
                life.durable();
            }
            process.kill();
        }));
        if let Err(payload) = lived
            && !payload.is::<Killed>()
        {
            resume_unwind(payload);
        }
        states = life.states;
        machine = match death {
            Death::PowerCut => machine.power_cut(random.number()),
            _ => machine,
        };
        // What is left is looked at by a process that does nothing else.
        let process = machine.process();
        let found = content(&open(&process).dict("d").expect("a dictionary"));
        process.kill();
        // The last operation may have been interrupted; a loss of power may take more.
        let allowed = if death == Death::PowerCut { states.len() } else { 2.min(states.len()) };
        let place = states.iter().rev().take(allowed).position(|state| *state == found);
        let place = place.unwrap_or_else(|| {
            let last = states.last().map_or(0, Map::len);
            panic!("after {death:?} ({durability:?}): {} entries that never were, {last} last", found.len())
        });
        states.truncate(states.len() - place);
        if death != Death::PowerCut {
            // It lives in the page cache, and may yet be lost.
            continue;
        }
        states = vec![found];
    }
    operations
}

#[test]
fn a_dict_survives_deaths_as_a_map_would() {
    let seed = test_seed(1);
    let mut operations = 0;
    for round in 0..60 * test_scale() {
        let ran = catch_unwind(|| run(seed + round));
        operations +=
            ran.unwrap_or_else(|_| panic!("replay with MILLPOND_TEST_SEED={} and one round", seed + round));
    }
    println!("{operations} operations");
    assert!(operations > 1000, "only {operations} operations: the test shows little");
}

/// The tests of the test.
#[cfg(feature = "planted-bugs")]
mod planted {
    use millpond_local::bugs::{Bug, plant};

    use super::*;

    #[track_caller]
    fn assert_noticed(bug: Bug) {
        let _planted = plant(bug);
        let noticed = (1..40).find(|seed| catch_unwind(|| run(*seed)).is_err());
        println!("{bug:?} is noticed with seed {}", noticed.expect("a bug that is noticed"));
    }

    #[test]
    fn syncs_that_are_left_out() {
        assert_noticed(Bug::AcknowledgeBeforeLogSync);
        assert_noticed(Bug::SkipSegmentSync);
    }

    #[test]
    fn records_that_are_not_checked() {
        assert_noticed(Bug::AcceptRecordsWithoutChecksum);
    }
}
