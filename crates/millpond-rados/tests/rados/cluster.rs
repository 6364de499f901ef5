//! The cluster that the tests run on, and pools in it.

use std::{
    collections::BTreeMap,
    env,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use millpond_core::{ContainerSpec, Label, PoolDocument, PoolStore, Store, StoreOptions};
use millpond_rados::{ClusterOptions, RadosPool};
use uuid::Uuid;

/// The Ceph pool that the tests may use as they like.
pub(crate) const CEPH_POOL: &str = "millpond-test";

/// The right to use the cluster alone.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The configuration of the cluster.
pub(crate) fn conf() -> PathBuf {
    env::var_os("MILLPOND_TEST_CEPH_CONF")
        .expect("these tests need a cluster: `make test-rados` starts one; or set MILLPOND_TEST_CEPH_CONF")
        .into()
}

pub(crate) fn options() -> ClusterOptions {
    ClusterOptions { conf: Some(conf()), user: None }
}

pub(crate) fn document() -> PoolDocument {
    PoolDocument {
        uuid: Uuid::from_u128(1),
        label: Label::new("scratch").expect("a label"),
        created: 0,
        size: None,
        properties: BTreeMap::new(),
        attributes: BTreeMap::new(),
        containers: BTreeMap::new(),
    }
}

/// A new pool, in the place of the one before.
pub(crate) fn new_pool() -> Arc<RadosPool> {
    let before = RadosPool::open(CEPH_POOL, &options()).expect("the cluster answers");
    if let Some(before) = before {
        before.destroy_pool(true).expect("destroyed");
    }
    Arc::new(RadosPool::create(CEPH_POOL, &options(), &document()).expect("created"))
}

/// The pool that is there.
pub(crate) fn same_pool() -> Arc<RadosPool> {
    Arc::new(RadosPool::open(CEPH_POOL, &options()).expect("the cluster answers").expect("there is a pool"))
}

/// A new container in a pool.
pub(crate) fn new_container(pool: &RadosPool) -> Uuid {
    let container = Uuid::new_v4();
    pool.create(container, &ContainerSpec::default()).expect("created");
    container
}

pub(crate) fn open(pool: &RadosPool, container: Uuid) -> Arc<dyn Store> {
    pool.open(container, &StoreOptions::default()).expect("opened")
}
