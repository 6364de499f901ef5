//! The conformance suite on the cluster: every test but those of watching, which isn't supported.

use millpond_core::{ErrorKind, PoolStore, StoreOptions, WatchOptions};
use millpond_testkit::conformance::{self, Fixture};

use crate::cluster::{alone, new_container, new_pool};

#[test]
fn a_container_keeps_the_contracts() {
    let _alone = alone();
    let pool = new_pool();
    conformance::run_except(&["watch"], || {
        let (pool, container) = (pool.clone(), new_container(&pool));
        Fixture::new(move || pool.open(container, &StoreOptions::default()))
    });
}

#[test]
fn a_watch_is_refused_with_the_reason() {
    let _alone = alone();
    let pool = new_pool();
    let store = pool.open(new_container(&pool), &StoreOptions::default()).expect("opened");
    let error = store.index().watch(&WatchOptions::default()).err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    assert!(error.to_string().contains("compare states"), "{error}");
}

#[test]
fn a_pool_keeps_the_contracts() {
    let _alone = alone();
    conformance::pools::run(|| new_pool());
}
