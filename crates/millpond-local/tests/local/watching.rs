//! Watches on a machine that loses power, and beside a process that lets go of the log.
//!
//! What can break: a commit is told as durable and a loss of power takes it; a cursor comes back whose log
//! is gone; a watch begins just when somebody has found that nobody needs the log.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use millpond_core::{
    At, Commit, Durability, Epoch, Error, ErrorKind, Key, Op, Outcome, Store, Watch, WatchOptions, Write,
    watch::CURSORS,
};
use millpond_testkit::{
    random::{Random, test_scale, test_seed},
    sim::SimMachine,
};

use crate::subject::SUBJECT;

const P: &[u8] = b"p";
/// Keys of a commit that is a run of its own.
const PARTS_MANY: u64 = 300;

type Outcomes<T = ()> = Result<T, String>;

fn text(error: Error) -> String {
    format!("{error} ({:?})", error.kind())
}

fn machine(seed: u64) -> Outcomes<SimMachine> {
    let machine = SimMachine::new(seed);
    machine.record(false);
    (SUBJECT.create)(machine.process()).map_err(text)?;
    Ok(machine)
}

fn parts(number: u64) -> u64 {
    if number % 10 == 6 { PARTS_MANY } else { 2 }
}

fn key_of(number: u64, part: u64) -> Vec<u8> {
    // Few keys, so that compaction has something to drop.
    [(number % 4).to_be_bytes(), part.to_be_bytes()].concat()
}

fn value_of(number: u64, part: u64) -> Vec<u8> {
    let filler = if parts(number) == PARTS_MANY { 3900 } else { 3000 };
    [&number.to_be_bytes()[..], &Random::new(number << 20 | part).bytes(filler)].concat()
}

/// Makes the commit of a number.
fn commit(store: &dyn Store, number: u64, durability: Durability) -> Outcomes<Epoch> {
    let records: Vec<_> =
        (0..parts(number)).map(|part| (key_of(number, part), value_of(number, part))).collect();
    let write =
        |(key, value)| Write { key: Key::new(P, key), op: Op::Put { value, extents: &[] }, tally: None };
    let writes = records.iter().map(|(key, value)| write((key, value))).collect();
    match store.index().commit(&Commit { writes, durability, ..Commit::default() }).map_err(text)? {
        Outcome::Committed { epoch, .. } => Ok(epoch),
        Outcome::Conflict { .. } => Err("a conflict without a precondition".into()),
    }
}

/// The number of the next commit that is there, all of which is read.
fn next(watch: &mut dyn Watch) -> Outcomes<Option<(Epoch, u64)>> {
    let Some(epoch) = watch.next(Duration::ZERO).map_err(text)? else { return Ok(None) };
    let (mut number, mut told) = (None, 0);
    while let Some(change) = watch.change().map_err(text)? {
        let millpond_core::ChangeKind::Put { value, .. } = &change.kind else {
            return Err(format!("{change:?} was never done"));
        };
        let bytes = value.first_chunk().ok_or("a foreign value")?;
        let of = *number.get_or_insert(u64::from_be_bytes(*bytes));
        let part = change.key.last_chunk().map(|part| u64::from_be_bytes(*part)).ok_or("a foreign key")?;
        if *value != value_of(of, part) {
            return Err(format!("commit {of} is told with a wrong value"));
        }
        told += 1;
    }
    let number = number.ok_or("a commit without a change")?;
    if told != parts(number) {
        return Err(format!("commit {number} is told in part: {told} of {}", parts(number)));
    }
    Ok(Some((epoch, number)))
}

fn cursor() -> WatchOptions<'static> {
    WatchOptions { cursor: Some("c"), ..WatchOptions::default() }
}

/// What is known at a moment.
#[derive(Clone, Default)]
struct Known {
    /// Numbers of commits, by epoch.
    made: BTreeMap<Epoch, u64>,
    delivered: Epoch,
    registered: bool,
}

/// Watches while a writer works, loses power at any moment, and goes on.
pub fn power_cuts(seed: u64) -> Outcomes<u64> {
    const MOMENTS_MAX: usize = 60;
    let mut random = Random::new(seed);
    let machine = machine(seed)?;
    let known = Arc::new(Mutex::new(Known::default()));
    let moments = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let (known, moments) = (known.clone(), moments.clone());
        let mut random = Random::new(seed ^ 7);
        move |moment: &millpond_testkit::sim::Moment<'_>| {
            let mut moments = moments.lock().unwrap_or_else(PoisonError::into_inner);
            if moments.len() < MOMENTS_MAX && random.chance(25) {
                let known: Known = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
                moments.push((moment.fork(), known));
            }
        }
    };
    let writer = (SUBJECT.open)(machine.process()).map_err(text)?;
    let reader = (SUBJECT.open)(machine.process()).map_err(text)?;
    let mut watch = reader.index().watch(&cursor()).map_err(text)?;
    known.lock().unwrap_or_else(PoisonError::into_inner).registered = true;
    machine.observe(Some(Box::new(observer)));
    for number in 0..70 {
        let durability = if random.chance(300) { Durability::Sync } else { Durability::Async };
        let epoch = commit(&*writer, number, durability)?;
        known.lock().unwrap_or_else(PoisonError::into_inner).made.insert(epoch, number);
        while random.chance(550) {
            let Some((epoch, told)) = next(&mut *watch)? else { break };
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.delivered = epoch;
            match known.made.get(&epoch) {
                Some(made) if *made == told => {}
                made => return Err(format!("epoch {epoch} is told as commit {told}, it was {made:?}")),
            }
            drop(known);
            if random.chance(600) {
                watch.acknowledge(epoch).map_err(text)?;
            }
        }
        if random.chance(60) {
            writer.compact().map_err(text)?;
        }
    }
    machine.observe(None);
    drop(watch);
    let moments = std::mem::take(&mut *moments.lock().unwrap_or_else(PoisonError::into_inner));
    let count = moments.len() as u64;
    for (place, (machine, known)) in moments.into_iter().enumerate() {
        for cut in 0..3 {
            let salt = random.number();
            let machine = match cut {
                0 => machine.power_cut_worst(),
                1 => machine.power_cut_none(),
                _ => machine.power_cut(salt),
            };
            after_cut(&machine, &known).map_err(|why| {
                format!("seed {seed}, moment {place}, loss of power {cut} (salt {salt}): {why}")
            })?;
        }
    }
    Ok(count)
}

fn after_cut(machine: &SimMachine, known: &Known) -> Outcomes {
    let store = (SUBJECT.open)(machine.process()).map_err(text)?;
    let newest = store.index().view(At::Latest).map_err(text)?.epoch();
    if known.delivered > newest {
        return Err(format!("epoch {} was told as durable, and {newest} is the last", known.delivered));
    }
    if !known.registered {
        return Ok(());
    }
    let mut watch = store.index().watch(&cursor()).map_err(|error| format!("the cursor: {}", text(error)))?;
    let begun = watch.epoch();
    let new = commit(&*store, 1_000_001, Durability::Sync)?;
    let mut told = BTreeMap::new();
    while let Some((epoch, number)) = next(&mut *watch)? {
        told.insert(epoch, number);
    }
    if told.remove(&new) != Some(1_000_001) {
        return Err("what is committed after it isn't told".into());
    }
    // One that was not acknowledged may be there as well.
    let survivors = known.made.range(..=newest).filter(|(epoch, _)| **epoch > begun);
    match survivors.into_iter().find(|(epoch, number)| told.get(epoch) != Some(number)) {
        Some((epoch, number)) => Err(format!("commit {number} (epoch {epoch}), after {begun}, isn't told")),
        None => Ok(()),
    }
}

/// Has another process acknowledge each commit, until the log is let go of because of that, and loses power
/// at each moment: the cursor comes back, wherever it is then.
pub fn acknowledging() -> Outcomes<u64> {
    let machine = machine(1)?;
    let moments = Arc::new(Mutex::new(Vec::new()));
    let store = (SUBJECT.open)(machine.process()).map_err(text)?;
    let watch = store.index().watch(&cursor()).map_err(text)?;
    drop(watch);
    let observer = {
        let moments = moments.clone();
        move |moment: &millpond_testkit::sim::Moment<'_>| {
            moments.lock().unwrap_or_else(PoisonError::into_inner).push(moment.fork());
        }
    };
    machine.observe(Some(Box::new(observer)));
    let other = (SUBJECT.open)(machine.process()).map_err(text)?;
    for number in 0..120u64 {
        // None of those that are a run of their own: the log is to be filled.
        let epoch = commit(&*store, number * 10, Durability::Async)?;
        // Without a look at what the first one did: else it would let go of the log before.
        let record = [&epoch.0.to_le_bytes()[..], b"c"].concat();
        let op = Op::Put { value: &record, extents: &[] };
        let writes = vec![Write { key: Key::new(CURSORS, &[0]), op, tally: None }];
        let acknowledged = Commit { writes, durability: Durability::Async, ..Commit::default() };
        other.index().commit(&acknowledged).map_err(text)?;
    }
    machine.observe(None);
    let moments = std::mem::take(&mut *moments.lock().unwrap_or_else(PoisonError::into_inner));
    let count = moments.len();
    for (place, machine) in moments.into_iter().enumerate().step_by(count.div_ceil(200)) {
        let machine = machine.power_cut_worst();
        let store = (SUBJECT.open)(machine.process()).map_err(text)?;
        let watch = store.index().watch(&cursor());
        watch.map_err(|error| format!("before change {place}: {}", text(error)))?;
    }
    Ok(count as u64)
}

/// A watch begins before each call that another process makes while it lets go of the log.
pub fn beginning_beside_a_compaction() -> Outcomes<u64> {
    let mut points = 0;
    for point in 1.. {
        match begin_at(point)? {
            true => points += 1,
            false => break,
        }
    }
    if points > 20 { Ok(points) } else { Err(format!("only {points} points: the harness shows little")) }
}

/// Whether the compaction had so many calls.
fn begin_at(point: u64) -> Outcomes<bool> {
    let machine = machine(1)?;
    let process = machine.process();
    let writer = (SUBJECT.open)(process.clone()).map_err(text)?;
    let reader = (SUBJECT.open)(machine.process()).map_err(text)?;
    let first = commit(&*writer, 0, Durability::Async)?;
    let mut made = Vec::new();
    for number in 4..8 {
        made.push((commit(&*writer, number, Durability::Async)?, number));
    }
    type Begun = Option<Result<Box<dyn Watch>, Error>>;
    let begun: Arc<Mutex<Begun>> = Arc::default();
    let begin = {
        let (begun, reader) = (begun.clone(), reader.clone());
        move || {
            let options = WatchOptions { after: Some(first), ..WatchOptions::default() };
            *begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader.index().watch(&options));
        }
    };
    process.interpose(point, begin);
    // It adopts what there is now, so that nothing is kept for its state.
    let adopt = || reader.index().epoch().map_err(text);
    writer.compact().map_err(text)?;
    adopt()?;
    let begun = begun.lock().unwrap_or_else(PoisonError::into_inner).take();
    for number in 8..12 {
        made.push((commit(&*writer, number, Durability::Async)?, number));
    }
    for _ in 0..2 {
        writer.compact().map_err(text)?;
        adopt()?;
        writer.compact().map_err(text)?;
    }
    let mut watch = match begun {
        None => return Ok(false),
        Some(Ok(watch)) => watch,
        // It came too late, and was told so.
        Some(Err(error)) if error.kind() == ErrorKind::Lagged => return Ok(true),
        Some(Err(error)) => return Err(format!("before call {point}: {}", text(error))),
    };
    let mut told = Vec::new();
    loop {
        match next(&mut *watch) {
            Ok(Some(commit)) => told.push(commit),
            Ok(None) => break,
            Err(why) => return Err(format!("begun before call {point}: {why}")),
        }
    }
    if told == made { Ok(true) } else { Err(format!("begun before call {point}: {told:?} is told")) }
}

/// Two processes that died left their cursors: nothing goes that these need, whoever merges.
pub fn a_cursor_outlives_its_process() -> Outcomes {
    let machine = machine(1)?;
    let process = machine.process();
    let consumer = (SUBJECT.open)(process.clone()).map_err(text)?;
    let watch = consumer.index().watch(&cursor()).map_err(text)?;
    // It is dead: nothing of it runs, or says goodbye.
    process.kill();
    let writer = (SUBJECT.open)(machine.process()).map_err(text)?;
    let mut made = Vec::new();
    for number in 0..40 {
        made.push((commit(&*writer, number, Durability::Async)?, number));
        if number % 9 == 0 {
            writer.compact().map_err(text)?;
        }
    }
    writer.close().map_err(text)?;
    drop((watch, consumer, writer));
    let again = (SUBJECT.open)(machine.process()).map_err(text)?;
    again.compact().map_err(text)?;
    let mut watch = again.index().watch(&cursor()).map_err(text)?;
    for expected in made {
        match next(&mut *watch)? {
            Some(told) if told == expected => {}
            told => return Err(format!("{expected:?} should be told, not {told:?}")),
        }
    }
    Ok(())
}

#[test]
fn what_is_told_as_durable_survives_and_cursors_come_back() {
    let seed = test_seed(1);
    let tried = AtomicU64::new(0);
    for seed in seed..seed + 3 * test_scale() {
        let cuts = power_cuts(seed).unwrap_or_else(|why| panic!("{why}"));
        tried.fetch_add(cuts, Ordering::Relaxed);
    }
    assert!(tried.into_inner() > 30);
}

#[test]
fn a_cursor_that_moved_on_comes_back() {
    assert!(acknowledging().unwrap_or_else(|why| panic!("{why}")) > 100);
}

#[test]
fn a_watch_may_begin_while_the_log_is_let_go_of() {
    beginning_beside_a_compaction().unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn what_a_cursor_needs_outlives_its_process() {
    a_cursor_outlives_its_process().unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn an_epoch_of_a_lost_tail_is_told_to_be_lost() {
    let machine = machine(1).expect("made");
    let store = (SUBJECT.open)(machine.process()).expect("opened");
    let synced = commit(&*store, 1, Durability::Sync).expect("committed");
    let mut watch =
        store.index().watch(&WatchOptions { durable: false, ..WatchOptions::default() }).expect("a watch");
    let lost = commit(&*store, 2, Durability::Async).expect("committed");
    assert_eq!(next(&mut *watch), Ok(Some((lost, 2))));
    let after = machine.power_cut_worst();
    let store = (SUBJECT.open)(after.process()).expect("opened");
    let options = WatchOptions { after: Some(lost), ..WatchOptions::default() };
    for _ in 0..2 {
        let error = store.index().watch(&options).err().expect("it is lost");
        assert_eq!((error.kind(), error.restart_epoch()), (ErrorKind::Lagged, Some(synced)), "{error}");
        assert!(error.to_string().contains("loss of power"), "{error}");
        // The same once there are commits of a later incarnation.
        commit(&*store, 3, Durability::Sync).expect("committed");
    }
    let options = WatchOptions { after: Some(synced), ..WatchOptions::default() };
    let mut watch = store.index().watch(&options).expect("a watch");
    assert_eq!(next(&mut *watch).expect("told").expect("a commit").1, 3);
}
