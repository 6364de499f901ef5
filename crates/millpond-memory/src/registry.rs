//! The pools of the process, by label: what makes `mem:label` mean the same pool everywhere in it.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Mutex,
};

use millpond_core::{Error, ErrorKind, Label, Result};

use crate::{pool::MemoryPool, sync::lock};

static POOLS: Mutex<BTreeMap<Label, MemoryPool>> = Mutex::new(BTreeMap::new());

pub(crate) fn add(label: &Label, pool: &MemoryPool) -> Result<()> {
    match lock(&POOLS).entry(label.clone()) {
        Entry::Occupied(_) => Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("this process has a pool mem:{label} already: open it, or destroy it first"),
        )),
        Entry::Vacant(place) => {
            place.insert(pool.clone());
            Ok(())
        }
    }
}

pub(crate) fn find(label: &Label) -> Option<MemoryPool> {
    lock(&POOLS).get(label).cloned()
}

pub(crate) fn list() -> Vec<(Label, MemoryPool)> {
    lock(&POOLS).iter().map(|(label, pool)| (label.clone(), pool.clone())).collect()
}

pub(crate) fn remove(label: &Label) {
    lock(&POOLS).remove(label);
}
