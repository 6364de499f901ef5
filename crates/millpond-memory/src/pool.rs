//! A pool in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, atomic::Ordering},
};

use millpond_core::{
    ContainerSpec, Error, ErrorKind, Label, PoolDocument, PoolSpace, PoolStore, Result, Store, StoreOptions,
};
use uuid::Uuid;

use crate::{
    account::Quota,
    handle::{Handle, Shared},
    registry,
    store::MemoryStore,
    sync::lock,
};

/// A pool in memory. Clones are the same pool.
#[derive(Clone, Debug)]
pub struct MemoryPool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The label under which the process finds the pool, if it is to be found at all.
    registered: Option<Label>,
    quota: Arc<Quota>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    document: PoolDocument,
    containers: BTreeMap<Uuid, Arc<Shared>>,
    destroyed: bool,
}

impl MemoryPool {
    /// A pool that only this handle and its clones reach.
    pub fn new(document: PoolDocument) -> Self {
        Self::build(document, None)
    }

    /// Creates a pool that the whole process finds under `label`.
    ///
    /// # Errors
    /// `AlreadyExists` when there is one of that label.
    pub fn create(label: &Label, document: &PoolDocument) -> Result<Self> {
        let pool = Self::build(document.clone(), Some(label.clone()));
        registry::add(label, &pool)?;
        Ok(pool)
    }

    /// The pool that was created under `label` in this process, if any.
    pub fn find(label: &Label) -> Option<Self> {
        registry::find(label)
    }

    /// The pools that the process finds, by label.
    pub fn list() -> Vec<(Label, Self)> {
        registry::list()
    }

    fn build(document: PoolDocument, registered: Option<Label>) -> Self {
        let quota = Quota::new(document.size);
        let state = Mutex::new(State { document, containers: BTreeMap::new(), destroyed: false });
        Self { inner: Arc::new(Inner { registered, quota, state }) }
    }

    fn state(&self) -> Result<MutexGuard<'_, State>> {
        let state = lock(&self.inner.state);
        if state.destroyed {
            let message = format!("pool {} was destroyed", state.document.label);
            return Err(Error::new(ErrorKind::Closed, message));
        }
        Ok(state)
    }
}

impl State {
    fn container(&self, container: Uuid) -> Result<&Arc<Shared>> {
        self.containers.get(&container).ok_or_else(|| {
            let message = format!("pool {} has no storage of a container {container}", self.document.label);
            Error::new(ErrorKind::NotFound, message)
        })
    }
}

/// Refuses to destroy what is open, and marks the rest as destroyed.
fn retire<'c>(containers: impl Iterator<Item = &'c Arc<Shared>> + Clone, force: bool) -> Result<()> {
    let open = containers.clone().find(|shared| shared.handles.load(Ordering::Acquire) > 0);
    if let Some(shared) = open.filter(|_| !force) {
        return Err(Error::new(
            ErrorKind::Busy,
            format!("container {} is open: close it, or destroy it by force", shared.uuid),
        ));
    }
    containers.for_each(|shared| shared.destroyed.store(true, Ordering::Release));
    Ok(())
}

impl PoolStore for MemoryPool {
    fn document(&self) -> Result<PoolDocument> {
        Ok(self.state()?.document.clone())
    }

    fn update(&self, change: &mut dyn FnMut(&mut PoolDocument) -> Result<()>) -> Result<()> {
        let mut state = self.state()?;
        let mut document = state.document.clone();
        change(&mut document)?;
        self.inner.quota.resize(document.size);
        state.document = document;
        Ok(())
    }

    fn create(&self, container: Uuid, spec: &ContainerSpec) -> Result<()> {
        let mut state = self.state()?;
        if state.containers.contains_key(&container) {
            let message = format!("pool {} has a container {container} already", state.document.label);
            return Err(Error::new(ErrorKind::AlreadyExists, message));
        }
        state.containers.insert(container, Shared::new(container, spec.clone(), &self.inner.quota));
        Ok(())
    }

    fn spec(&self, container: Uuid) -> Result<ContainerSpec> {
        Ok(self.state()?.container(container)?.spec.clone())
    }

    fn open(&self, container: Uuid, options: &StoreOptions) -> Result<Arc<dyn Store>> {
        let state = self.state()?;
        let shared = Arc::clone(state.container(container)?);
        shared.feed.keep(options.watch_retention);
        Ok(Arc::new(MemoryStore::new(Handle::new(shared, options.read_only))))
    }

    fn destroy(&self, container: Uuid, force: bool) -> Result<()> {
        let mut state = self.state()?;
        let shared = state.container(container)?;
        retire(std::iter::once(shared), force)?;
        state.containers.remove(&container);
        Ok(())
    }

    fn space(&self) -> Result<PoolSpace> {
        let _open = self.state()?;
        Ok(self.inner.quota.space())
    }

    fn destroy_pool(&self, force: bool) -> Result<()> {
        let mut state = self.state()?;
        retire(state.containers.values(), force)?;
        state.containers.clear();
        state.destroyed = true;
        if let Some(label) = &self.inner.registered {
            registry::remove(label);
        }
        Ok(())
    }
}
