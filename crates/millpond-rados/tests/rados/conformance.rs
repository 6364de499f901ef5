//! The conformance suite on the cluster: every test, none skipped.

use millpond_core::{PoolStore, StoreOptions};
use millpond_testkit::conformance::{self, Fixture};

use crate::cluster::{alone, new_container, new_pool};

#[test]
fn a_container_keeps_the_contracts() {
    let _alone = alone();
    let pool = new_pool();
    conformance::run(|| {
        let (pool, container) = (pool.clone(), new_container(&pool));
        Fixture::new(move || pool.open(container, &StoreOptions::default()))
    });
}

#[test]
fn a_pool_keeps_the_contracts() {
    let _alone = alone();
    conformance::pools::run(|| new_pool());
}
