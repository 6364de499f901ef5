//! Eight processes of several threads each work on the same few keys, some of them are killed, and
//! what all of them were answered has to fit together.
//!
//! What can break: a process reads what another one has replaced already; two believe that they
//! have replaced the same value; the count of keys drifts; a view shows a count and keys that
//! never were together; a commit of a killed process comes and goes.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use millpond_core::{
    At, Commit, Direction, Durability, Epoch, Index, Key, KeyRange, Op, Outcome, Precondition, Record,
    Result, Segments, Store, Write,
};
use millpond_local::{
    EngineOptions, LocalStore,
    media::{Media, SystemMedia},
};
use millpond_testkit::{
    history::{self, Action, Answer, Recorder},
    process::{Part, Played, role},
    random::{Random, test_scale, test_seed},
};

use crate::{planting, subject};

const PROCESSES: usize = 8;
const THREADS: u32 = 2;
const KEYS: u32 = 6;
const CALLS: u64 = 250;
const P: &[u8] = b"registers";
const COUNT: Key<'static> = Key { partition: b"count", sort: b"" };
/// Between the beginnings of two processes, in the numbers of their clients.
const CLIENTS: u32 = 10;
/// A process that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

fn open(dir: &Path) -> Result<LocalStore> {
    let options = EngineOptions { background: true, ..subject::options() };
    LocalStore::open(Arc::new(SystemMedia), dir, subject::CONTAINER, options, false)
}

/// One thread of a process.
struct Client<'a> {
    store: &'a LocalStore,
    recorder: Recorder,
    random: Random,
    /// The next value to write, of which there is no other.
    value: u64,
}

impl Client<'_> {
    fn step(&mut self) -> Result<()> {
        let key = self.random.below(KEYS.into()) as u32;
        self.value += 1;
        let new = self.value;
        match self.random.below(100) {
            0..25 => self.change(key, Action::Put(new)),
            25..35 => self.change(key, Action::Delete),
            35..60 => self.get(key).map(drop),
            60..90 => {
                let (expected, version) = self.get(key)?;
                let new = self.random.chance(800).then_some(new);
                self.replace(key, expected, version, new)
            }
            _ => self.count(),
        }
    }

    fn begin(&mut self, key: u32, action: Action) -> u64 {
        self.recorder.begin(key, action).expect("recorded")
    }

    fn end(&mut self, number: u64, answer: Answer, epoch: Option<Epoch>) {
        self.recorder.end(number, answer, epoch.map(|epoch| epoch.0)).expect("recorded");
    }

    fn get(&mut self, key: u32) -> Result<(Option<u64>, Epoch)> {
        let number = self.begin(key, Action::Get);
        let sort = key.to_be_bytes();
        let (record, epoch) = if self.random.chance(500) {
            (self.store.get(Key::new(P, &sort))?, None)
        } else {
            let view = self.store.view(At::Latest)?;
            let record = view.get(Key::new(P, &sort))?;
            // While the view keeps them.
            record.iter().try_for_each(|record| check_bulk(self.store, record))?;
            (record, Some(view.epoch()))
        };
        let version = record.as_ref().map_or(Epoch::ZERO, |record| record.version);
        let value = record.map(|record| value_of(&record));
        self.end(number, Answer::Value(value), epoch);
        Ok((value, version))
    }

    fn change(&mut self, key: u32, action: Action) -> Result<()> {
        let number = self.begin(key, action);
        let new = if let Action::Put(value) = action { Some(value) } else { None };
        match self.commit(key, new, Vec::new())? {
            Outcome::Committed { epoch, existed } => {
                self.end(number, Answer::Existed(existed[0]), Some(epoch));
            }
            Outcome::Conflict { .. } => panic!("a conflict without a precondition"),
        }
        Ok(())
    }

    fn replace(&mut self, key: u32, expected: Option<u64>, version: Epoch, new: Option<u64>) -> Result<()> {
        let number = self.begin(key, Action::Replace { expected, new });
        let sort = key.to_be_bytes();
        let precondition = Precondition::Unchanged { key: Key::new(P, &sort), version };
        match self.commit(key, new, vec![precondition])? {
            Outcome::Committed { epoch, existed } => {
                self.end(number, Answer::Existed(existed[0]), Some(epoch));
            }
            Outcome::Conflict { .. } => self.end(number, Answer::Conflict, None),
        }
        Ok(())
    }

    fn commit(
        &mut self,
        key: u32,
        new: Option<u64>,
        preconditions: Vec<Precondition<'_>>,
    ) -> Result<Outcome> {
        let sort = key.to_be_bytes();
        let mut extents = Vec::new();
        if let (Some(value), true) = (new, self.random.chance(50)) {
            let mut writer = self.store.writer()?;
            writer.append(&Random::new(value).bytes(5000))?;
            extents = writer.finish()?;
        }
        let value = new.map(|value| {
            let padding = self.random.index(400);
            [&value.to_be_bytes()[..], &Random::new(value).bytes(padding)].concat()
        });
        let op = value.as_ref().map_or(Op::Delete, |value| Op::Put { value, extents: &extents });
        let writes = vec![Write { key: Key::new(P, &sort), op, tally: Some(COUNT) }];
        let durability = if self.random.chance(150) { Durability::Sync } else { Durability::Async };
        self.store.commit(&Commit { preconditions, writes, durability, ..Commit::default() })
    }

    /// Asks for the count, and whether the view that it is of holds as many keys.
    fn count(&mut self) -> Result<()> {
        let number = self.begin(0, Action::Count);
        let view = self.store.view(At::Latest)?;
        let count = view.counter(COUNT)?;
        self.end(number, Answer::Count(count), Some(view.epoch()));
        let mut keys = 0;
        let mut cursor = view.scan(KeyRange::all(P), Direction::Forward)?;
        while cursor.advance()? {
            keys += 1;
        }
        assert_eq!(keys, count, "a view has another number of keys than it counts");
        Ok(())
    }
}

/// The number that a record was made of; the rest of it has to follow from that.
fn value_of(record: &Record) -> u64 {
    let value = u64::from_be_bytes(record.value[..8].try_into().expect("eight bytes"));
    assert!(record.value[8..] == Random::new(value).bytes(record.value.len() - 8), "a foreign value");
    value
}

fn check_bulk(store: &LocalStore, record: &Record) -> Result<()> {
    for extent in &record.extents {
        let mut bytes = vec![0; extent.length as usize];
        store.read(extent, 0, &mut bytes)?;
        assert!(bytes == Random::new(value_of(record)).bytes(bytes.len()), "foreign bulk bytes");
    }
    Ok(())
}

/// What a process of the test does: `role` is the number of its first client, the seed, how many
/// calls each thread makes, and a bug to plant.
fn play(role: &str, dir: &Path) {
    let mut words = role.split(' ');
    let mut number = || words.next().expect("a word").parse::<u64>().expect("a number");
    let (first, seed, calls, bug) = (number() as u32, number(), number(), number() as u32);
    let _planted = planting::plant(bug);
    let store = open(&dir.join("container")).expect("opened");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                let _planted = planting::plant(bug);
                let client = first + thread;
                let mut client = Client {
                    store,
                    recorder: Recorder::new(dir, client).expect("a history"),
                    random: Random::new(seed + u64::from(client)),
                    value: u64::from(client) << 32,
                };
                for call in 0..calls {
                    client.step().unwrap_or_else(|error| panic!("call {call}: {error}"));
                }
            });
        }
    });
}

const DIR: &str = "MILLPOND_TEST_DIR";

struct Cast<'a> {
    test: &'a str,
    dir: &'a Path,
    seed: u64,
    calls: u64,
    bug: u32,
    started: u32,
}

impl Cast<'_> {
    fn start(&mut self) -> Played {
        let first = 1 + self.started * CLIENTS;
        self.started += 1;
        let role = format!("{first} {} {} {}", self.seed, self.calls, self.bug);
        Part::new(self.test, role).env(DIR, self.dir).start()
    }
}

/// Has processes make a history, of which `kills` are killed, and checks it.
fn make_history(
    test: &str,
    seed: u64,
    calls: u64,
    kills: u64,
    bug: u32,
) -> std::result::Result<usize, String> {
    let mut random = Random::new(seed);
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    subject::create(&media, &dir.join("container")).expect("created");
    let mut cast = Cast { test, dir, seed, calls, bug, started: 0 };
    let mut running: Vec<Played> = (0..PROCESSES).map(|_| cast.start()).collect();
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(30 + random.below(100)));
        let mut victim = running.swap_remove(random.index(running.len()));
        victim.kill();
        running.push(cast.start());
    }
    let deadline = Instant::now() + PATIENCE;
    for mut process in running {
        let left = deadline.saturating_duration_since(Instant::now());
        let status = process.end_within(left)?;
        if !status.success() {
            return Err(format!("a process failed: {status}"));
        }
    }
    // The end of the history: what is left.
    let store = open(&dir.join("container")).map_err(|error| error.to_string())?;
    let recorder = Recorder::new(dir, 0).expect("a history");
    let mut last = Client { store: &store, recorder, random, value: 0 };
    for key in 0..KEYS {
        last.get(key).map_err(|error| error.to_string())?;
    }
    last.count().map_err(|error| error.to_string())?;
    let mut damages = Vec::new();
    store.verify(&mut |damage| damages.push(damage)).map_err(|error| error.to_string())?;
    if !damages.is_empty() {
        return Err(format!("{damages:?}"));
    }
    history::check(&history::load(dir).map_err(|error| error.to_string())?)
}

#[test]
fn what_eight_processes_are_answered_fits_together() {
    if let Some(role) = role() {
        return play(&role, Path::new(&std::env::var(DIR).expect("a directory")));
    }
    let seed = test_seed(1);
    let test = "history::what_eight_processes_are_answered_fits_together";
    for round in 0..test_scale() {
        let ended = make_history(test, seed + round, CALLS, 6, 0);
        let ended = ended.unwrap_or_else(|why| panic!("seed {}: {why}", seed + round));
        println!("{ended} calls fit together");
        assert!(ended > 2000, "only {ended} calls: the test shows little");
    }
}

/// The test of the test: histories of an engine that reads or commits wrongly are found out.
#[cfg(feature = "planted-bugs")]
mod planted {
    use millpond_local::bugs::Bug;

    use super::*;

    fn assert_noticed(test: &str, bug: Bug) {
        if let Some(role) = role() {
            return play(&role, Path::new(&std::env::var(DIR).expect("a directory")));
        }
        for seed in 1..=5 {
            if let Err(why) = make_history(test, seed, CALLS, 0, bug as u32) {
                return println!("{bug:?}: {why}");
            }
        }
        panic!("{bug:?} was not noticed");
    }

    #[test]
    fn commits_that_are_not_validated() {
        assert_noticed("history::planted::commits_that_are_not_validated", Bug::SkipValidation);
    }

    #[test]
    fn reads_of_what_is_replaced_already() {
        assert_noticed("history::planted::reads_of_what_is_replaced_already", Bug::ReadWithoutCatchingUp);
    }
}
