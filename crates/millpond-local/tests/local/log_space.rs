//! The space of the log is there before it is needed, and what waits to be synced doesn't wait long.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use millpond_core::{At, Commit, Durability, Key, Op, Store, Write};
use millpond_local::{EngineOptions, LocalStore};
use millpond_testkit::sim::{Operation, OperationKind, SimMachine};

use crate::subject::{CONTAINER, DIR, LOG_BYTES, SUBJECT, options};

fn put(store: &dyn Store, sort: &[u8], durability: Durability) -> millpond_core::Result<()> {
    let write = Write {
        key: Key::new(b"p", sort),
        op: Op::Put { value: b"a value", extents: &[] },
        tally: Some(Key::new(b"t", b"#")),
    };
    store.index().commit(&Commit { writes: vec![write], durability, ..Commit::default() }).map(drop)
}

/// What rule 8 asks for.
pub fn commits_only_overwrite() -> Result<(), String> {
    let machine = SimMachine::new(1);
    (SUBJECT.create)(machine.process()).map_err(|error| error.to_string())?;
    let store = (SUBJECT.open)(machine.process()).map_err(|error| error.to_string())?;
    put(&*store, b"first", Durability::Sync).map_err(|error| error.to_string())?;
    if machine.bytes_allocated() > 1 << 20 {
        return Err(format!("a new container takes {} bytes", machine.bytes_allocated()));
    }
    let mut rolled = 0;
    for number in 0..3 * LOG_BYTES / 100 {
        machine.forget_operations();
        let allocated = machine.bytes_allocated();
        put(&*store, &number.to_be_bytes(), Durability::Sync).map_err(|error| format!("a put: {error}"))?;
        let asked = machine.operations();
        let is_new =
            |operation: &Operation| matches!(operation.kind, OperationKind::Create | OperationKind::Rename);
        if asked.iter().any(is_new) {
            // The next file of the log is made, or begun, which is not what every put does.
            rolled += 1;
            continue;
        }
        if machine.bytes_allocated() != allocated {
            return Err(format!("a put needs {} bytes more", machine.bytes_allocated() - allocated));
        }
        let other = asked.into_iter().find(|operation| {
            let kind = operation.kind;
            kind.changes_disk() && !matches!(kind, OperationKind::Write | OperationKind::Sync)
        });
        if let Some(operation) = other {
            return Err(format!("a put asks for more than a write and a sync: {operation}"));
        }
    }
    if rolled == 0 {
        return Err("the log never went on in a new file".into());
    }
    Ok(())
}

/// What rule 6 asks for of the engine's thread.
pub fn what_is_unsynced_is_synced_soon() -> Result<(), String> {
    let machine = SimMachine::new(1);
    (SUBJECT.create)(machine.process()).map_err(|error| error.to_string())?;
    let open = |machine: &SimMachine, background| {
        let options = EngineOptions { background, ..options() };
        LocalStore::open(machine.process(), Path::new(DIR), CONTAINER, options, false).map(Arc::new)
    };
    let store = open(&machine, true).map_err(|error| error.to_string())?;
    put(&*store, b"first", Durability::Sync).map_err(|error| error.to_string())?;
    put(&*store, b"second", Durability::Async).map_err(|error| error.to_string())?;
    let deadline = Instant::now() + Duration::from_millis(1500);
    loop {
        let after = machine.power_cut_worst();
        let left = open(&after, false).map_err(|error| error.to_string())?;
        let view = left.index().view(At::Latest).map_err(|error| error.to_string())?;
        if view.get(Key::new(b"p", b"second")).is_ok_and(|found| found.is_some()) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err("an async commit isn't durable after 1.5 seconds".into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_commit_needs_no_new_space() {
    commits_only_overwrite().expect("rule 8");
}

#[test]
fn async_commits_are_synced_within_a_second() {
    what_is_unsynced_is_synced_soon().expect("rule 6");
}
