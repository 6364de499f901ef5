//! Two processes on one container: what one still uses, the other leaves alone.
//!
//! What can break: a process appends where another one has appended already; it validates against
//! an old state; it unlinks a run or a segment that another one's view still reads.

use std::{collections::BTreeMap, sync::Arc};

use millpond_core::{
    At, Commit, Direction, Durability, Epoch, Key, KeyRange, Op, Outcome, Precondition, Store, View, Write,
};
use millpond_testkit::{random::Random, sim::SimMachine};

use crate::subject::SUBJECT;

const P: &[u8] = b"p";

fn two() -> Result<(Arc<dyn Store>, Arc<dyn Store>), String> {
    let machine = SimMachine::new(1);
    machine.record(false);
    let open = || (SUBJECT.open)(machine.process()).map_err(|error| error.to_string());
    (SUBJECT.create)(machine.process()).map_err(|error| error.to_string())?;
    Ok((open()?, open()?))
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
    let (reader, writer) = two()?;
    let mut expected = BTreeMap::new();
    for salt in 0..20u64 {
        put(&*writer, &[salt as u8], salt)?;
        expected.insert(vec![salt as u8], salt);
    }
    writer.compact().map_err(|error| error.to_string())?;
    let view = reader.index().view(At::Latest).map_err(|error| error.to_string())?;
    for round in 1..5u64 {
        for salt in 0..20u64 {
            put(&*writer, &[salt as u8], round * 100 + salt)?;
        }
        writer.compact().map_err(|error| error.to_string())?;
        writer.compact().map_err(|error| error.to_string())?;
    }
    match read(&*reader, &*view)? {
        found if found == expected => {}
        found => return Err(format!("the view changed: {found:?}")),
    }
    drop(view);
    let view = reader.index().view(At::Latest).map_err(|error| error.to_string())?;
    read(&*reader, &*view).map(|found| assert_eq!(found.len(), 20))
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
    };
    match store.index().commit(&commit).map_err(text)? {
        Outcome::Committed { .. } => Ok(Some(count)),
        Outcome::Conflict { .. } => Ok(None),
    }
}

/// Each process raises a number that the other one has just raised.
pub fn commits_follow_each_other() -> Result<(), String> {
    let (first, second) = two()?;
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
pub fn validation_sees_the_other_process(plant: fn()) -> Result<(), String> {
    let (first, second) = two()?;
    std::thread::scope(|scope| {
        let threads = [&first, &second].map(|store| {
            scope.spawn(move || -> Result<(), String> {
                plant();
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

#[test]
fn a_view_survives_another_process_s_compaction() {
    a_view_keeps_what_it_needs().expect("rule 14");
}

#[test]
fn each_process_appends_behind_the_other() {
    commits_follow_each_other().expect("rule 11");
}

#[test]
fn no_update_is_lost_between_processes() {
    validation_sees_the_other_process(|| {}).expect("rule 19");
}
