//! The conformance suite on the memory backend.

use std::{collections::BTreeMap, sync::Arc};

use millpond_core::{ContainerSpec, Label, PoolDocument, PoolStore, StoreOptions};
use millpond_memory::MemoryPool;
use millpond_testkit::conformance::{self, Fixture};
use uuid::Uuid;

fn pool() -> MemoryPool {
    MemoryPool::new(PoolDocument {
        uuid: Uuid::from_u128(1),
        label: Label::new("scratch").expect("a label"),
        created: 0,
        size: None,
        properties: BTreeMap::new(),
        attributes: BTreeMap::new(),
        containers: BTreeMap::new(),
    })
}

#[test]
fn a_container_keeps_the_contracts() {
    conformance::run(|| {
        let (pool, container) = (pool(), Uuid::from_u128(2));
        pool.create(container, &ContainerSpec::default()).expect("created");
        Fixture::new(move || pool.open(container, &StoreOptions::default()))
    });
}

#[test]
fn a_pool_keeps_the_contracts() {
    conformance::pools::run(|| Arc::new(pool()));
}
