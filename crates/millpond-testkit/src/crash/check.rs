//! Compares what is left of a store with what was promised: its newest state, every epoch that a
//! record keeps, and what was changed since.

use std::collections::BTreeMap;

use millpond_core::{At, Direction, Epoch, Error, Key, KeyRange, RETAINED, Store, View};

use super::{
    Ledger, Violation,
    plan::{PARTITIONS, Plan, SEQUENCE, SUM_COUNT, SUMS, TALLIES},
};
use crate::model::{Model, ModelRecord};

/// What must have survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// What was promised to survive a loss of power.
    Durable,
    /// Every commit that was acknowledged.
    Acknowledged,
}

/// Checks that `store` holds what `ledger` promises, and answers the commits that it holds, by
/// epoch.
///
/// # Errors
/// What is not as it should be.
pub fn check(store: &dyn Store, ledger: &Ledger, demand: Demand) -> Result<BTreeMap<Epoch, u64>, Violation> {
    let failed = |what: &'static str| move |error: Error| Violation::of_error(what, &error);
    let view = store.index().view(At::Latest).map_err(failed("opening a view"))?;
    let survivors = survivors(&*view).map_err(|violation| violation.context("looking for survivors"))?;
    compare_with_promises(&survivors, ledger, demand)?;
    let mut model = Model::default();
    for (&epoch, &number) in &survivors {
        Plan::of(ledger.seed, number).apply(&mut model, epoch);
    }
    compare_with_model(store, &*view, &model)?;
    compare_kept_epochs(store, &*view, &model)?;
    let mut damages = Vec::new();
    store.verify(&mut |damage| damages.push(damage)).map_err(failed("verifying"))?;
    if !damages.is_empty() {
        let violation = Violation::new(format!("verify finds damages: {damages:?}"));
        return Err(Violation { is_damage: true, ..violation });
    }
    Ok(survivors)
}

fn survivors(view: &dyn View) -> Result<BTreeMap<Epoch, u64>, Violation> {
    let failed = |error: Error| Violation::of_error("reading", &error);
    let mut survivors = BTreeMap::new();
    let mut cursor = view.scan(KeyRange::all(SEQUENCE), Direction::Forward).map_err(failed)?;
    while cursor.advance().map_err(failed)? {
        let number = <[u8; 8]>::try_from(cursor.key()).map(u64::from_be_bytes);
        let number = number.map_err(|_| Violation::new(format!("a foreign key {:?}", cursor.key())))?;
        if let Some(other) = survivors.insert(cursor.record().version, number) {
            return Err(Violation::new(format!(
                "commits {other} and {number} have the same epoch {}",
                cursor.record().version
            )));
        }
    }
    Ok(survivors)
}

fn compare_with_promises(
    survivors: &BTreeMap<Epoch, u64>,
    ledger: &Ledger,
    demand: Demand,
) -> Result<(), Violation> {
    let last = survivors.last_key_value().map_or(Epoch::ZERO, |(epoch, _)| *epoch);
    for (epoch, number) in &ledger.acknowledged {
        let required = match demand {
            Demand::Durable => *epoch <= ledger.durable,
            Demand::Acknowledged => true,
        };
        match survivors.get(epoch) {
            Some(survivor) if survivor == number => {}
            Some(other) => {
                return Err(Violation::new(format!(
                    "epoch {epoch} is commit {other}, it was commit {number}"
                )));
            }
            None if required => {
                return Err(Violation::new(format!("acknowledged commit {number} (epoch {epoch}) is lost")));
            }
            None if *epoch < last => {
                return Err(Violation::new(format!(
                    "a hole: commit {number} (epoch {epoch}) is lost, a later one (epoch {last}) is there"
                )));
            }
            None => {}
        }
    }
    for (epoch, number) in survivors {
        let known = ledger.acknowledged.get(epoch) == Some(number);
        let acknowledged_elsewhere = ledger.acknowledged.values().any(|other| other == number);
        if !known && (acknowledged_elsewhere || !ledger.begun.contains(number)) {
            return Err(Violation::new(format!("commit {number} (epoch {epoch}) is there and never was")));
        }
    }
    Ok(())
}

/// Compares the states that records keep, and what is told of changes since each of them.
fn compare_kept_epochs(store: &dyn Store, newest: &dyn View, model: &Model) -> Result<(), Violation> {
    for (sort, record) in model.scan(KeyRange::all(RETAINED), model.epoch()) {
        let epoch = record.version;
        let context =
            |violation: Violation| violation.context(format!("as of epoch {epoch}, which {sort:?} keeps"));
        let failed = |error: Error| context(Violation::of_error("opening a view", &error));
        let view = store.index().view(At::Epoch(epoch)).map_err(failed)?;
        compare_with_model(store, &*view, model).map_err(context)?;
        compare_changes(newest, model, epoch).map_err(context)?;
    }
    Ok(())
}

fn compare_changes(newest: &dyn View, model: &Model, since: Epoch) -> Result<(), Violation> {
    let failed = |error: Error| Violation::of_error("asking what was changed", &error);
    let mut told = BTreeMap::new();
    let mut changes = newest.changes(since, b"").map_err(failed)?;
    while changes.advance().map_err(failed)? {
        let record = changes.record().map(|record| (record.version, record.value.to_vec()));
        told.insert(changes.key().to_vec(), record);
    }
    for (key, then, now) in model.between(since, model.epoch()) {
        let of = |record: Option<&ModelRecord>| record.map(|record| (record.version, record.value.clone()));
        let (then, now) = (of(then), of(now));
        let told = told.remove(&key);
        // What passed between the two may be told of as gone.
        let is_right = match &told {
            Some(told) => *told == now && (then != now || now.is_none()),
            None => then == now,
        };
        if !is_right {
            let key = key.escape_ascii();
            return Err(Violation::new(format!("of the change of {key} another thing is told: {told:?}")));
        }
    }
    match told.first_key_value() {
        Some((key, _)) => Err(Violation::new(format!("{} never was and is told of", key.escape_ascii()))),
        None => Ok(()),
    }
}

/// Compares a view with the model as of its epoch.
fn compare_with_model(store: &dyn Store, view: &dyn View, model: &Model) -> Result<(), Violation> {
    let failed = |error: Error| Violation::of_error("reading", &error);
    let epoch = view.epoch();
    for partition in PARTITIONS.into_iter().chain([&RETAINED[..]]) {
        let name = String::from_utf8_lossy(partition);
        let mut expected = model.scan(KeyRange::all(partition), epoch);
        for direction in [Direction::Forward, Direction::Backward] {
            let mut cursor = view.scan(KeyRange::all(partition), direction).map_err(failed)?;
            for (sort, record) in &expected {
                if !cursor.advance().map_err(failed)? {
                    return Err(Violation::new(format!(
                        "{name}: {sort:?} is missing in a scan {direction:?}"
                    )));
                }
                let found = cursor.record();
                if cursor.key() != *sort || found.value != record.value || found.version != record.version {
                    return Err(Violation::new(format!(
                        "{name}: a scan {direction:?} has {:?} of epoch {} where {sort:?} of epoch {} should be, the value is {}",
                        cursor.key(),
                        found.version,
                        record.version,
                        if found.value == record.value { "the same" } else { "another" },
                    )));
                }
            }
            if cursor.advance().map_err(failed)? {
                return Err(Violation::new(format!("{name}: {:?} should not be there", cursor.key())));
            }
            expected.reverse();
        }
        for (sort, record) in &expected {
            let key = Key::new(partition, sort);
            let found = view.get(key).map_err(failed)?;
            let found = found.ok_or_else(|| Violation::new(format!("{name}: get misses {sort:?}")))?;
            if found.value != record.value || found.version != record.version {
                return Err(Violation::new(format!(
                    "{name}: get of {sort:?} has another record than a scan"
                )));
            }
            let mut bulk = Vec::new();
            for extent in &found.extents {
                let mut part = vec![0; extent.length as usize];
                store.segments().read(extent, 0, &mut part).map_err(failed)?;
                bulk.append(&mut part);
            }
            if bulk != record.bulk {
                return Err(Violation::new(format!(
                    "{name}: {sort:?} has {} bulk bytes, they are not the {} that were written",
                    bulk.len(),
                    record.bulk.len()
                )));
            }
        }
        compare_counter(view, model, Key::new(TALLIES, partition))?;
        let tally = model.counter(Key::new(TALLIES, partition), epoch);
        if tally != expected.len() as i64 && partition != RETAINED {
            return Err(Violation::new(format!("{name}: the harness counts {tally} of {}", expected.len())));
        }
    }
    for sum in 0..SUM_COUNT {
        compare_counter(view, model, Key::new(SUMS, &sum.to_be_bytes()))?;
    }
    Ok(())
}

fn compare_counter(view: &dyn View, model: &Model, key: Key<'_>) -> Result<(), Violation> {
    let found = view.counter(key).map_err(|error| Violation::of_error("reading a counter", &error))?;
    let expected = model.counter(key, view.epoch());
    if found == expected {
        return Ok(());
    }
    let name = String::from_utf8_lossy(key.partition);
    Err(Violation::new(format!("{name}: counter {:?} is {found}, it should be {expected}", key.sort)))
}
