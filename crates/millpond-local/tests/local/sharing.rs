//! Two processes on one container: what one still uses, the other leaves alone.
//!
//! What can break: a process appends where another one has appended already; it validates against
//! an old state; it unlinks a run or a segment that another one's view still reads.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use millpond_core::{
    At, Commit, Direction, Durability, Epoch, ErrorKind, Key, KeyRange, Op, Outcome, Precondition, Store,
    View, Write,
};
use millpond_testkit::{
    random::Random,
    sim::{Operation, OperationKind, SimMachine},
};

use crate::subject::SUBJECT;

const P: &[u8] = b"p";

fn machine() -> Result<SimMachine, String> {
    let machine = SimMachine::new(1);
    (SUBJECT.create)(machine.process()).map_err(|error| error.to_string())?;
    Ok(machine)
}

fn two() -> Result<[Arc<dyn Store>; 2], String> {
    let machine = machine()?;
    let open = || (SUBJECT.open)(machine.process()).map_err(|error| error.to_string());
    Ok([open()?, open()?])
}

fn bulk_of(salt: u64) -> Vec<u8> {
    Random::new(salt).bytes(5000)
}

/// Puts a record with bulk bytes that follow from `salt`.
fn put(store: &dyn Store, sort: &[u8], salt: u64) -> Result<(), String> {
    let text = |error: millpond_core::Error| error.to_string();
    let mut writer = store.segments().writer().map_err(text)?;
    writer.append(&bulk_of(salt)).map_err(text)?;
    let extents = writer.finish().map_err(text)?;
    let write = Write {
        key: Key::new(P, sort),
        op: Op::Put { value: &salt.to_be_bytes(), extents: &extents },
        tally: None,
    };
    let commit = Commit { writes: vec![write], durability: Durability::Async, ..Commit::default() };
    store.index().commit(&commit).map_err(text).map(drop)
}

/// Reads all of a view, bulk bytes too.
fn read(store: &dyn Store, view: &dyn View) -> Result<BTreeMap<Vec<u8>, u64>, String> {
    let text = |error: millpond_core::Error| error.to_string();
    let mut all = BTreeMap::new();
    let mut cursor = view.scan(KeyRange::all(P), Direction::Forward).map_err(text)?;
    while cursor.advance().map_err(text)? {
        let salt = u64::from_be_bytes(cursor.record().value.try_into().map_err(|_| "a foreign value")?);
        let mut bytes = Vec::new();
        for extent in cursor.record().extents {
            let mut part = vec![0; extent.length as usize];
            store.segments().read(extent, 0, &mut part).map_err(text)?;
            bytes.append(&mut part);
        }
        if bytes != bulk_of(salt) {
            return Err(format!("{:?} has other bytes than were put", cursor.key()));
        }
        all.insert(cursor.key().to_vec(), salt);
    }
    Ok(all)
}

/// A view that one process holds stays whole while the other one rewrites everything.
pub fn a_view_keeps_what_it_needs() -> Result<(), String> {
    let text = |error: millpond_core::Error| error.to_string();
    let machine = machine()?;
    let writer = (SUBJECT.open)(machine.process()).map_err(text)?;
    // Most of a segment is dead when the reader comes, so that the rest of it is worth moving.
    let salts = (0..20u64).chain(100..118);
    let mut expected = BTreeMap::new();
    for salt in salts {
        if salt == 100 {
            writer.compact().map_err(text)?;
        }
        put(&*writer, &[(salt % 100) as u8], salt)?;
        expected.insert(vec![(salt % 100) as u8], salt);
    }
    let reader = (SUBJECT.open)(machine.process()).map_err(text)?;
    let view = reader.index().view(At::Latest).map_err(text)?;
    // Before the reader has opened a segment, which would keep it readable when it is unlinked.
    writer.compact().map_err(text)?;
    writer.compact().map_err(text)?;
    check_view(&*reader, &*view, &expected)?;
    for round in 2..5u64 {
        for salt in 0..20u64 {
            put(&*writer, &[salt as u8], round * 100 + salt)?;
        }
        writer.compact().map_err(text)?;
        writer.compact().map_err(text)?;
        check_view(&*reader, &*view, &expected)?;
    }
    drop(view);
    let view = reader.index().view(At::Latest).map_err(text)?;
    let expected = (0..20u64).map(|salt| (vec![salt as u8], 400 + salt)).collect();
    check_view(&*reader, &*view, &expected)
}

/// One process reads what a record owns, to have another record own it too; before it commits, the
/// other process moves these bytes and drops their segment. The commit is refused, or right.
pub fn bytes_are_moved_between_a_read_and_the_commit_that_owns_them_again() -> Result<(), String> {
    let text = |error: millpond_core::Error| error.to_string();
    let [writer, other] = two()?;
    for salt in 0..20u64 {
        put(&*writer, &[salt as u8], salt)?;
    }
    writer.compact().map_err(text)?;
    let record = || other.index().get(Key::new(P, &[7])).map_err(text)?.ok_or("a key is missing".to_owned());
    let read_before = record()?;
    for salt in (0..20u64).filter(|salt| *salt != 7) {
        put(&*writer, &[salt as u8], 100 + salt)?;
    }
    // The other one's too, so that it isn't known to use the file any more, and that goes.
    for store in [&writer, &writer, &other, &writer] {
        store.compact().map_err(text)?;
    }
    if record()?.extents == read_before.extents {
        return Err("nothing was moved: the test tests nothing".into());
    }
    let op = Op::Put { value: &read_before.value, extents: &read_before.extents };
    let writes = vec![Write { key: Key::new(P, &[50]), op, tally: None }];
    let commit = Commit { writes, durability: Durability::Async, ..Commit::default() };
    match other.index().commit(&commit) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::EpochGone => {}
        Err(error) => return Err(text(error)),
    }
    for store in [&writer, &other] {
        store.compact().map_err(text)?;
        let view = store.index().view(At::Latest).map_err(text)?;
        read(&**store, &*view)?;
    }
    // What is there now can be owned.
    let now = record()?;
    let op = Op::Put { value: &now.value, extents: &now.extents };
    let writes = vec![Write { key: Key::new(P, &[51]), op, tally: None }];
    other.index().commit(&Commit { writes, ..Commit::default() }).map_err(text)?;
    put(&*writer, &[7], 200)?;
    for store in [&writer, &other, &writer] {
        store.compact().map_err(text)?;
        let view = store.index().view(At::Latest).map_err(text)?;
        if read(&**store, &*view)?.get(&[51][..]) != Some(&7) {
            return Err("what a second record owned is lost".into());
        }
    }
    Ok(())
}

/// After a failed sync one process writes records again, in a new log file, that both have applied.
/// Whichever of them checkpoints then, and however far the other one is, nothing is lost or counted
/// twice.
pub fn records_written_again_are_in_one_place() -> Result<(), String> {
    const SUM: Key<'static> = Key { partition: b"sum", sort: b"" };
    let text = |error: millpond_core::Error| error.to_string();
    for round in 0..8 {
        let machine = machine()?;
        let process = machine.process();
        let stores = [
            (SUBJECT.open)(process.clone()).map_err(text)?,
            (SUBJECT.open)(machine.process()).map_err(text)?,
        ];
        let (checkpoints, reads_first, moves_on) = (round % 2, round & 2 != 0, round & 4 != 0);
        let add = |store: usize, count: u64, durability| {
            for number in 0..count {
                let sort = (number % 12).to_be_bytes();
                let put = Op::Put { value: &[7; 4000], extents: &[] };
                let adjust = Write { key: SUM, op: Op::Adjust(1), tally: None };
                let writes = vec![Write { key: Key::new(P, &sort), op: put, tally: None }, adjust];
                let commit = Commit { writes, durability, ..Commit::default() };
                stores[store].index().commit(&commit).map_err(text)?;
            }
            Ok::<(), String>(())
        };
        let check = |store: &dyn Store, sum: i64| {
            let view = store.index().view(At::Latest).map_err(text)?;
            let mut cursor = view.scan(KeyRange::all(P), Direction::Forward).map_err(text)?;
            let mut keys = 0;
            while cursor.advance().map_err(text)? {
                keys += 1;
            }
            let found = (keys, view.counter(SUM).map_err(text)?);
            if found == (12, sum) { Ok(()) } else { Err(format!("round {round}: {found:?}, not {sum}")) }
        };
        // Into the second file of the log: one that is finished is checkpointed only with another.
        add(0, 18, Durability::Sync)?;
        add(0, 4, Durability::Async)?;
        check(&*stores[1], 22)?;
        process.fail_sync_at(1, libc::EIO);
        stores[0].index().flush().map_err(text)?;
        if moves_on {
            add(0, 5, Durability::Async)?;
        }
        let sum = if moves_on { 27 } else { 22 };
        if reads_first {
            check(&*stores[1], sum)?;
        }
        add(checkpoints, 3, Durability::Sync)?;
        stores.iter().try_for_each(|store| check(&**store, sum + 3))?;
        stores[1 - checkpoints].compact().map_err(text)?;
        stores.iter().try_for_each(|store| check(&**store, sum + 3))?;
        check(&*(SUBJECT.open)(machine.process()).map_err(text)?, sum + 3)?;
    }
    Ok(())
}

fn check_view(store: &dyn Store, view: &dyn View, expected: &BTreeMap<Vec<u8>, u64>) -> Result<(), String> {
    let found = read(store, view)?;
    if found == *expected { Ok(()) } else { Err(format!("the view is not what it was: {found:?}")) }
}

/// While one process has prepared a large commit and not committed it, the other one creates a key
/// of it. Only one may find that key absent, and none of the two commits may get lost.
pub fn a_commit_in_between() -> Result<(), String> {
    for guarded in [false, true] {
        // A rehearsal tells which of its calls are those of the preparation.
        let rehearsed = commit_large(guarded, None)?;
        let syncs_runs = |operation: &Operation| {
            operation.kind == OperationKind::SyncDir && operation.path.ends_with("runs")
        };
        let last = rehearsed.operations.iter().rposition(syncs_runs).ok_or("no run is written")?;
        let met = commit_large(guarded, Some(last as u64 + 1))?;
        let conflict = Outcome::Conflict { precondition: 0 };
        if guarded != (met.outcome == conflict) {
            return Err(format!("what the other process created is taken for absent: {:?}", met.outcome));
        }
        check_records(&*met.first)?;
        check_records(&*met.second)?;
    }
    Ok(())
}

fn check_records(store: &dyn Store) -> Result<(), String> {
    let text = |error: millpond_core::Error| error.to_string();
    let view = store.index().view(At::Latest).map_err(text)?;
    let mut cursor = view.scan(KeyRange::all(P), Direction::Forward).map_err(text)?;
    let mut records = 0;
    while cursor.advance().map_err(text)? {
        records += 1;
    }
    match view.counter(Key::new(b"tally", b"")).map_err(text)? {
        count if count == records => {}
        count => return Err(format!("{count} records are counted, there are {records}")),
    }
    match view.get(Key::new(P, b"other")).map_err(text)? {
        Some(_) => Ok(()),
        None => Err("what the other process committed is lost".into()),
    }
}

fn tallied<'a>(sort: &'a [u8], value: &'a [u8]) -> Write<'a> {
    let tally = Some(Key::new(b"tally", b""));
    Write { key: Key::new(P, sort), op: Op::Put { value, extents: &[] }, tally }
}

struct Met {
    first: Arc<dyn Store>,
    second: Arc<dyn Store>,
    outcome: Outcome,
    /// The calls of the first process during its commit.
    operations: Vec<Operation>,
}

/// Makes a large commit, `guarded` by a precondition or not, and has the other process commit
/// before call `point` of it.
fn commit_large(guarded: bool, point: Option<u64>) -> Result<Met, String> {
    let text = |error: millpond_core::Error| error.to_string();
    let machine = machine()?;
    let process = machine.process();
    let first = (SUBJECT.open)(process.clone()).map_err(text)?;
    let second = (SUBJECT.open)(machine.process()).map_err(text)?;
    for store in [&first, &second] {
        let commit = Commit { writes: vec![tallied(b"warm", b"up")], ..Commit::default() };
        store.index().commit(&commit).map_err(text)?;
    }
    machine.forget_operations();
    if let Some(point) = point {
        let second = second.clone();
        process.interpose(point, move || {
            let writes = [&b"contested"[..], b"other"].map(|sort| tallied(sort, b"other"));
            let commit = Commit { writes: writes.to_vec(), ..Commit::default() };
            second.index().commit(&commit).expect("committed");
        });
    }
    let sorts: Vec<[u8; 2]> = (0..200u16).map(u16::to_be_bytes).collect();
    let mut writes: Vec<_> = sorts.iter().map(|sort| tallied(sort, &[1; 400])).collect();
    writes.push(tallied(b"contested", b"first"));
    let key = Key::new(P, b"contested");
    let precondition = Precondition::Unchanged { key, version: Epoch::ZERO };
    let preconditions = if guarded { vec![precondition] } else { vec![] };
    let commit = Commit { preconditions, writes, durability: Durability::Async, ..Commit::default() };
    let outcome = first.index().commit(&commit).map_err(text)?;
    Ok(Met { outcome, operations: machine.operations(), first, second })
}

/// Raises a number by one if nobody else does meanwhile; answers what it was, or nothing if it was
/// raised by someone else.
fn raise(store: &dyn Store) -> Result<Option<i64>, String> {
    let text = |error: millpond_core::Error| error.to_string();
    let key = Key::new(P, b"n");
    let found = store.index().get(key).map_err(text)?;
    let version = found.as_ref().map_or(Epoch::ZERO, |record| record.version);
    let count = found.map_or(0, |record| record.counter());
    // Whatever else a transaction does between its reads and its commit.
    std::thread::yield_now();
    let value = (count + 1).to_le_bytes();
    let commit = Commit {
        preconditions: vec![Precondition::Unchanged { key, version }],
        writes: vec![Write { key, op: Op::Put { value: &value, extents: &[] }, tally: None }],
        durability: Durability::Async,
        ..Commit::default()
    };
    match store.index().commit(&commit).map_err(text)? {
        Outcome::Committed { .. } => Ok(Some(count)),
        Outcome::Conflict { .. } => Ok(None),
    }
}

/// Each process raises a number that the other one has just raised.
fn commits_follow_each_other() -> Result<(), String> {
    let [first, second] = two()?;
    for round in 0..200i64 {
        let store = if round % 2 == 0 { &first } else { &second };
        match raise(&**store)? {
            Some(count) if count == round => {}
            other => return Err(format!("a process meets {other:?} after {round} commits")),
        }
    }
    Ok(())
}

/// Two threads of two processes raise one number, each by what it has read; no raise is lost.
fn no_raise_is_lost() -> Result<(), String> {
    let [first, second] = two()?;
    std::thread::scope(|scope| {
        let threads = [&first, &second].map(|store| {
            scope.spawn(move || -> Result<(), String> {
                for _ in 0..300 {
                    while raise(&**store)?.is_none() {}
                }
                Ok(())
            })
        });
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a panic".to_owned())?)
    })?;
    match raise(&*first)? {
        Some(600) => Ok(()),
        other => Err(format!("{other:?} of 600 raises are left")),
    }
}

/// One process is stopped in the middle of a compaction for as long as the other one writes. Answers
/// how many calls lie before the run is made, and how long the writes took.
fn write_beside_a_stopped_compaction(point: Option<u64>) -> Result<(u64, Duration), String> {
    let text = |error: millpond_core::Error| error.to_string();
    let machine = machine()?;
    let process = machine.process();
    let stopped = (SUBJECT.open)(process.clone()).map_err(text)?;
    let writer = (SUBJECT.open)(machine.process()).map_err(text)?;
    put(&*stopped, b"first", 1)?;
    machine.forget_operations();
    let took = Arc::new(Mutex::new(Duration::ZERO));
    if let Some(point) = point {
        let (writer, took) = (writer.clone(), took.clone());
        process.interpose(point, move || {
            let begun = Instant::now();
            // Many times as much as the log may hold before a writer has to checkpoint it.
            for number in 0..120u64 {
                let value = vec![number as u8; 4000];
                let op = Op::Put { value: &value, extents: &[] };
                let key = number.to_be_bytes();
                let writes = vec![Write { key: Key::new(b"beside", &key), op, tally: None }];
                let commit = Commit { writes, durability: Durability::Async, ..Commit::default() };
                writer.index().commit(&commit).expect("a writer goes on");
            }
            *took.lock().expect("no panic") = begun.elapsed();
        });
    }
    stopped.compact().map_err(text)?;
    let operations = machine.operations();
    let makes_run = |operation: &Operation| {
        operation.kind == OperationKind::Create && operation.path.extension().is_some_and(|end| end == "run")
    };
    let place = operations.iter().position(makes_run).ok_or("no run was made")?;
    let view = writer.index().view(At::Latest).map_err(text)?;
    let mut cursor = view.scan(KeyRange::all(b"beside"), Direction::Forward).map_err(text)?;
    let mut count = 0;
    while cursor.advance().map_err(text)? {
        count += 1;
    }
    let expected = if point.is_some() { 120 } else { 0 };
    let took = *took.lock().map_err(|_| "a panic")?;
    if count == expected { Ok((place as u64, took)) } else { Err(format!("{count} of {expected} are there")) }
}

#[test]
fn bytes_that_are_moved_are_not_owned_again() {
    bytes_are_moved_between_a_read_and_the_commit_that_owns_them_again().expect("no violation");
}

#[test]
fn a_writer_waits_once_for_a_compaction_that_is_stopped() {
    let run = |point| write_beside_a_stopped_compaction(point).unwrap_or_else(|what| panic!("{what}"));
    let (place, _) = run(None);
    let (_, took) = run(Some(place + 1));
    assert!((3..15).contains(&took.as_secs()), "it took {took:?}");
}

#[test]
fn what_is_written_again_after_a_failed_sync_is_in_one_place() {
    records_written_again_are_in_one_place().unwrap_or_else(|what| panic!("{what}"));
}

#[test]
fn a_view_survives_another_process_s_compaction() {
    a_view_keeps_what_it_needs().expect("rule 14");
}

#[test]
fn each_process_appends_behind_the_other() {
    commits_follow_each_other().expect("rule 11");
}

#[test]
fn a_commit_meets_what_came_in_between() {
    a_commit_in_between().expect("rules 11, 19 and 20");
}

#[test]
fn no_update_is_lost_between_processes() {
    no_raise_is_lost().expect("rule 19");
}
