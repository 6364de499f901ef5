//! Commits that come as a stream, cut off by deaths and losses of power.
//!
//! What can break: writes of a stream are there without the others, or without what they count; bulk
//! bytes that they own aren't durable when the record is; a run that was begun, and that no record names,
//! takes space for ever.

use std::{
    any::Any,
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use millpond_core::{
    At, Commit, Damage, Durability, Epoch, Extent, Index, Key, KeyRange, Op, Outcome, Precondition, Result,
    Segments, Statistics, Store, Verifier, View, Watch, WatchOptions, Write, WriteStream,
};
use millpond_testkit::{
    crash::{Subject, Sweep, Violation, kill_sweep, mixed_workload, power_cut_sweep},
    random::{Random, test_scale, test_seed},
    sim::{Killed, SimMachine, SimMedia},
};

use crate::subject::{DIR, SUBJECT};

/// The engine, each of whose commits comes as a stream.
const STREAMED: Subject = Subject { create: SUBJECT.create, open: open_streamed };

fn open_streamed(media: Arc<SimMedia>) -> Result<Arc<dyn Store>> {
    Ok(Arc::new(Streamed((SUBJECT.open)(media)?)))
}

/// Writes, in the order of their keys.
struct Ordered<'a>(std::vec::IntoIter<Write<'a>>);

impl<'a> Ordered<'a> {
    fn new(mut writes: Vec<Write<'a>>) -> Self {
        writes.sort_by_key(|write| write.key.concat());
        Self(writes.into_iter())
    }
}

impl WriteStream for Ordered<'_> {
    fn records_max(&self) -> u64 {
        self.0.len() as u64
    }

    fn next(&mut self) -> Result<Option<Write<'_>>> {
        Ok(self.0.next())
    }
}

/// A store whose commits are made as streams.
struct Streamed(Arc<dyn Store>);

impl Index for Streamed {
    fn commit(&self, commit: &Commit<'_>) -> Result<Outcome> {
        let own = commit.preconditions.len();
        loop {
            let since = self.0.index().epoch()?;
            let partitions: BTreeSet<_> = commit.writes.iter().map(|write| write.key.partition).collect();
            let mut covered = Commit { writes: Vec::new(), ..commit.clone() };
            covered.preconditions.extend(
                partitions
                    .into_iter()
                    .map(|partition| Precondition::RangeUnchanged { range: KeyRange::all(partition), since }),
            );
            let mut writes = Ordered::new(commit.writes.clone());
            match self.0.index().commit_stream(&covered, &mut writes)? {
                Outcome::Conflict { precondition } if precondition >= own => {}
                outcome => return Ok(outcome),
            }
        }
    }

    fn view(&self, at: At) -> Result<Box<dyn View>> {
        self.0.index().view(at)
    }

    fn epoch(&self) -> Result<Epoch> {
        self.0.index().epoch()
    }

    fn flush(&self) -> Result<Epoch> {
        self.0.index().flush()
    }

    fn watch(&self, options: &WatchOptions<'_>) -> Result<Box<dyn Watch>> {
        self.0.index().watch(options)
    }
}

impl Store for Streamed {
    fn index(&self) -> &dyn Index {
        self
    }

    fn segments(&self) -> &dyn Segments {
        self.0.segments()
    }

    fn statistics(&self) -> Result<Statistics> {
        self.0.statistics()
    }

    fn compact(&self) -> Result<()> {
        self.0.compact()
    }

    fn verify_with(&self, verifier: &mut dyn Verifier) -> Result<u64> {
        self.0.verify_with(verifier)
    }

    fn repair(&self, report: &mut dyn FnMut(Damage)) -> Result<u64> {
        self.0.repair(report)
    }

    fn close(&self) -> Result<()> {
        self.0.close()
    }

    fn as_any(&self) -> &dyn Any {
        self.0.as_any()
    }
}

/// Loses power at so many moments of a workload, all of whose commits are streams.
pub fn power_cuts(seed: u64, points_max: usize) -> Result<u64, Violation> {
    let sweep = Sweep { seed, points_max, two_processes: seed.is_multiple_of(2), ..Sweep::default() };
    power_cut_sweep(&STREAMED, &mixed_workload(40), sweep)
}

#[test]
fn streams_survive_losses_of_power_as_commits_do() {
    let seed = test_seed(1);
    for round in 0..2 * test_scale() {
        let cuts = power_cuts(seed + round, 60).unwrap_or_else(|violation| panic!("{violation}"));
        assert!(cuts >= 200, "only {cuts}");
    }
}

#[test]
fn streams_survive_deaths_as_commits_do() {
    let seed = test_seed(1);
    for round in 0..2 * test_scale() {
        let two_processes = round % 2 == 1;
        let sweep = Sweep { seed: seed + round, points_max: 100, two_processes, ..Sweep::default() };
        let kills = kill_sweep(&STREAMED, &mixed_workload(30), sweep);
        assert_eq!(kills.unwrap_or_else(|violation| panic!("{violation}")), 100);
    }
}

const P: &[u8] = b"p";
const TALLY: &[u8] = b"tally";
/// Keys that are there, of which the stream deletes and replaces some.
const KEYS: u32 = 200;
/// Keys behind those, of which the stream adds some.
const ADDED: u32 = 130;

/// What stands under a key before the stream and after it, if anything.
fn value(number: u32, after: bool) -> Option<Vec<u8>> {
    let is_there = if after { !number.is_multiple_of(3) } else { number < KEYS };
    is_there.then(|| Random::new(u64::from(number) << 1 | u64::from(after)).bytes(100))
}

/// The writes of one side, of which some own bulk bytes: those of their value.
fn commit(store: &dyn Store, after: bool) -> Result<Outcome> {
    let mut writer = store.segments().writer()?;
    let mut owned = Vec::new();
    for number in 0..KEYS + ADDED * u32::from(after) {
        let value = value(number, after);
        let extents = match &value {
            Some(value) if number.is_multiple_of(5) => {
                writer.append(value)?;
                writer.finish()?
            }
            _ => Vec::<Extent>::new(),
        };
        owned.push((number.to_be_bytes(), value, extents));
    }
    let writes = owned.iter().map(|(key, value, extents)| Write {
        key: Key::new(P, key),
        op: value.as_ref().map_or(Op::Delete, |value| Op::Put { value, extents }),
        tally: Some(Key::new(TALLY, b"")),
    });
    let commit = Commit { durability: Durability::Sync, ..Commit::default() };
    let range = KeyRange::all(P);
    let since = store.index().epoch()?;
    let preconditions = vec![Precondition::RangeUnchanged { range, since }];
    store.index().commit_stream(&Commit { preconditions, ..commit }, &mut Ordered::new(writes.collect()))
}

/// Whether the stream has taken effect; all of it or nothing.
fn has_taken_effect(store: &dyn Store) -> bool {
    let view = store.index().view(At::Latest).expect("a view");
    let after = view.get(Key::new(P, &0u32.to_be_bytes())).expect("read").is_none();
    let mut count = 0;
    for number in 0..KEYS + ADDED {
        let found = view.get(Key::new(P, &number.to_be_bytes())).expect("read");
        let right = value(number, after);
        assert!(found.as_ref().map(|record| record.value.to_vec()) == right, "key {number}, {after}");
        let Some(record) = found else { continue };
        count += 1;
        assert_eq!(record.extents.is_empty(), !number.is_multiple_of(5));
        let mut bytes = Vec::new();
        for extent in &record.extents {
            let mut part = vec![0; extent.length as usize];
            store.segments().read(extent, 0, &mut part).expect("read");
            bytes.extend(part);
        }
        assert!(bytes.is_empty() || Some(bytes) == right, "the bulk bytes of key {number}, {after}");
    }
    let counted = view.counter(Key::new(TALLY, b"")).expect("read");
    assert_eq!(counted, count, "the counter goes with the rest, {after}");
    after
}

/// Files that hold records and bulk bytes.
fn files(machine: &SimMachine) -> Vec<PathBuf> {
    let holds_data =
        |path: &PathBuf| !path.ends_with("reserve") && path.extension().is_some_and(|kind| kind != "log");
    machine.files(Path::new(DIR)).expect("listed").into_iter().filter(holds_data).collect()
}

/// Opens the container alone: it is whole, and has no file without a use. Answers whether the stream
/// has taken effect.
fn look(machine: &SimMachine, before: &[PathBuf]) -> bool {
    let process = machine.process();
    let store = (SUBJECT.open)(process.clone()).expect("opened");
    let after = has_taken_effect(&*store);
    let files = files(machine);
    let new = files.iter().filter(|file| !before.contains(file)).count();
    // A run, and the segment that it points to.
    assert_eq!(new, if after { 2 } else { 0 }, "{files:?}, before {before:?}");
    process.kill();
    after
}

/// Cuts one stream off at each call, and before each change of the disk; answers how often.
pub fn one_stream(seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let machine = SimMachine::new(seed);
    machine.record(false);
    (SUBJECT.create)(machine.process()).expect("created");
    let store = (SUBJECT.open)(machine.process()).expect("opened");
    commit(&*store, false).expect("committed");
    store.compact().expect("compacted");
    store.close().expect("closed");
    let machine = machine.power_cut_none();
    assert!(!look(&machine, &files(&machine)));
    let before = files(&machine);

    let mut cuts = 0;
    for call in 1.. {
        let machine = machine.power_cut_none();
        machine.record(false);
        let process = machine.process();
        process.unwind_when_killed();
        let store = (SUBJECT.open)(process.clone()).expect("opened");
        process.kill_at_torn(call, random.number());
        let is_done =
            catch_unwind(AssertUnwindSafe(|| commit(&*store, true).is_ok())).unwrap_or_else(|payload| {
                assert!(payload.is::<Killed>(), "call {call}: a panic");
                false
            });
        process.kill();
        drop(store);
        let after = look(&machine, &before);
        assert!(after || !is_done, "what was acknowledged is gone");
        assert!(look(&machine.power_cut_worst(), &before) || !is_done, "and it was durable");
        look(&machine.power_cut(random.number()), &before);
        cuts += 3;
        if is_done {
            break;
        }
    }
    for moment in moments(&machine) {
        for machine in [moment.power_cut_worst(), moment.power_cut_none(), moment.power_cut(random.number())]
        {
            look(&machine, &before);
            cuts += 1;
        }
    }
    cuts
}

/// The machine before each change of the disk that the stream makes.
fn moments(machine: &SimMachine) -> Vec<SimMachine> {
    let machine = machine.power_cut_none();
    let process = machine.process();
    let store = (SUBJECT.open)(process.clone()).expect("opened");
    let moments = Arc::new(Mutex::new(Vec::new()));
    let seen = moments.clone();
    machine.observe(Some(Box::new(move |moment| {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(moment.fork());
    })));
    commit(&*store, true).expect("committed");
    machine.observe(None);
    process.kill();
    std::mem::take(&mut *moments.lock().unwrap_or_else(PoisonError::into_inner))
}

#[test]
fn a_stream_is_there_whole_or_not_at_all_and_leaves_nothing() {
    let seed = test_seed(1);
    println!("seed {seed}");
    let cuts = one_stream(seed);
    assert!(cuts > 100, "only {cuts}");
}
