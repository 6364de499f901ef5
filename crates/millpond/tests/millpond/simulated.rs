//! A pool on the simulated machine, whose processes die at any call and whose power fails.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    sync::Arc,
};

use millpond::{Container, ContainerOptions, Label, Pool};
use millpond_core::PoolDocument;
use millpond_local::LocalPool;
use millpond_testkit::sim::{Killed, SimMachine, SimMedia};
use uuid::Uuid;

/// Where the pool is on the machine.
pub const DIR: &str = "/home/pool";

/// A new pool on the machine, with a container.
pub fn create(machine: &SimMachine, options: ContainerOptions) -> Container {
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
    pool.create_container(Some("kv"), options).expect("created")
}

/// The container, opened by a process of the machine.
pub fn open(process: &Arc<SimMedia>) -> Container {
    let store = LocalPool::open_on(process.clone(), Path::new(DIR)).expect("a pool").without_background();
    Pool::over(Arc::new(store)).expect("a pool").container("kv").expect("a container")
}

/// What a process does until it is done, or killed; then there is no answer.
pub fn until_killed<T>(life: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(life)) {
        Ok(done) => Some(done),
        Err(payload) if payload.is::<Killed>() => None,
        Err(payload) => resume_unwind(payload),
    }
}
