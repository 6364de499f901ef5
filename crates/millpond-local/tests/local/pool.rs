//! Pools, against their contract, and killed or cut from power at every call that they make.
//!
//! What can break: a pool or a container is acknowledged before its directory, its files or their
//! entries are on the disk; a description is replaced by half of one; what is half created or half
//! destroyed is taken for whole, or stands in the way of a new one.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use millpond_core::{ContainerSpec, ErrorKind, Label, PoolDocument, PoolStore, Result, StoreOptions};
use millpond_local::LocalPool;
use millpond_testkit::{
    conformance::pools,
    random::test_seed,
    sim::{SimMachine, SimMedia},
};
use uuid::Uuid;

const DIR: &str = "/home/pool";
const FIRST: Uuid = Uuid::from_u128(1);
const SECOND: Uuid = Uuid::from_u128(2);

fn document() -> PoolDocument {
    PoolDocument {
        uuid: Uuid::from_u128(7),
        label: Label::new("pool").expect("a label"),
        created: 1,
        size: None,
        properties: BTreeMap::new(),
        attributes: BTreeMap::new(),
        containers: BTreeMap::new(),
    }
}

#[test]
fn the_contract_holds_on_a_simulated_machine() {
    pools::run(|| {
        let process = SimMachine::new(1).process();
        process.machine().record(false);
        Arc::new(LocalPool::create_on(process, Path::new(DIR), &document()).expect("a pool"))
    });
}

#[test]
fn the_contract_holds_on_the_machine_s_own_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let count = std::cell::Cell::new(0);
    pools::run(|| {
        count.set(count.get() + 1);
        let dir = dir.path().join(count.get().to_string());
        Arc::new(LocalPool::create(&dir, &document()).expect("a pool"))
    });
}

/// What the pool holds: the note in its description, and its containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Holds {
    note: Option<String>,
    containers: Vec<Uuid>,
}

/// The states that [`drive`] goes through, from an empty disk; None is no pool.
fn states() -> Vec<Option<Holds>> {
    let state = |note: Option<&str>, containers: &[Uuid]| {
        Some(Holds { note: note.map(str::to_owned), containers: containers.to_vec() })
    };
    vec![
        None,
        state(None, &[]),
        state(Some("one"), &[]),
        state(Some("one"), &[FIRST]),
        state(Some("one"), &[FIRST, SECOND]),
        state(Some("two"), &[FIRST, SECOND]),
        state(Some("two"), &[SECOND]),
        None,
    ]
}

/// Does one thing after the other, and counts those that are done.
fn drive(media: Arc<SimMedia>, done: &mut usize) -> Result<()> {
    let pool = LocalPool::create_on(media, Path::new(DIR), &document())?;
    *done += 1;
    let note = |text: &str| {
        pool.update(&mut |document| {
            document.attributes.insert("note".into(), text.into());
            Ok(())
        })
    };
    let spec = ContainerSpec { log_bytes: 64 << 10 };
    note("one")?;
    *done += 1;
    pool.create(FIRST, &spec)?;
    *done += 1;
    pool.create(SECOND, &spec)?;
    *done += 1;
    note("two")?;
    *done += 1;
    pool.destroy(FIRST, false)?;
    *done += 1;
    pool.destroy_pool(false)?;
    *done += 1;
    Ok(())
}

/// Opens what is on the disk, checks that it is whole, and answers what it is.
fn holds(media: Arc<SimMedia>) -> Option<Holds> {
    let pool = match LocalPool::open_on(media.clone(), Path::new(DIR)) {
        Ok(pool) => pool,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            let pool =
                LocalPool::create_on(media, Path::new(DIR), &document()).expect("there is room for one");
            pool.create(FIRST, &ContainerSpec::default()).expect("there is room for a container");
            return None;
        }
    };
    let note = pool.document().expect("a description").attributes.get("note").cloned();
    let mut containers = Vec::new();
    for container in [FIRST, SECOND] {
        match pool.open(container, &StoreOptions::default()) {
            Ok(store) => {
                store.index().epoch().expect("its epoch");
                containers.push(container);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                pool.create(container, &ContainerSpec::default()).expect("there is room for it");
                pool.destroy(container, false).expect("destroyed");
            }
        }
    }
    Some(Holds { note, containers })
}

#[test]
fn each_step_is_done_or_not_done_whatever_happens() {
    let seed = test_seed(1);
    let states = states();
    let (mut call, mut finished) = (0, false);
    while !finished {
        call += 1;
        let machine = SimMachine::new(seed);
        machine.record(false);
        let process = machine.process();
        process.unwind_when_killed();
        process.kill_at_torn(call, seed + call);
        let mut done = 0;
        let outcome = catch_unwind(AssertUnwindSafe(|| drive(process, &mut done)));
        if let Ok(outcome) = outcome {
            outcome.expect("nothing but death stops it");
            finished = true;
        }
        let allowed = &states[done..states.len().min(done + 2)];
        let worlds = [
            ("a death", machine.fork()),
            ("a loss of power that took all", machine.power_cut_worst()),
            ("a loss of power that took nothing", machine.power_cut_none()),
            ("a loss of power", machine.power_cut(seed + call)),
            ("another loss of power", machine.power_cut(seed + 1000 * call)),
        ];
        for (what, world) in worlds {
            world.record(false);
            let found = holds(world.process());
            assert!(
                allowed.contains(&found),
                "{what} at call {call}, seed {seed}: after {done} steps there is {found:?}, not {allowed:?}"
            );
        }
    }
    assert!(call > 50, "only {call} calls");
}
