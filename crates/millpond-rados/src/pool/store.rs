//! A pool, as the contract has it.

use std::{fmt, sync::Arc};

use millpond_core::{
    ContainerSpec, Error, ErrorKind, PoolDocument, PoolSpace, PoolStore, Result, Store, StoreOptions,
};
use uuid::Uuid;

use super::{containers, document};
use crate::{
    cluster::{Cluster, ClusterOptions},
    container::Container,
    context::Context,
    errno::Errno,
    layout::{POOL, POOL_NAMESPACE, namespace},
    operation::Change,
    quota::Quota,
    store::RadosStore,
};

/// A pool in a Ceph pool.
pub struct RadosPool {
    context: Arc<Context>,
    quota: Arc<Quota>,
}

impl RadosPool {
    /// Creates a pool in the Ceph pool `ceph_pool`, which has to be there and replicated.
    ///
    /// # Errors
    /// `NotSupported` without librados, `NotFound` without the Ceph pool, `AlreadyExists` when it
    /// holds a pool already; and what [`ClusterOptions`] may lead to.
    pub fn create(ceph_pool: &str, options: &ClusterOptions, document: &PoolDocument) -> Result<Self> {
        let context = connect(ceph_pool, options)?.ok_or_else(|| no_ceph_pool(ceph_pool))?;
        document::create(&context, document)?;
        Ok(Self::build(context))
    }

    /// Opens the pool in the Ceph pool `ceph_pool`; `None` where there is none, or no such Ceph pool.
    pub fn open(ceph_pool: &str, options: &ClusterOptions) -> Result<Option<Self>> {
        let Some(context) = connect(ceph_pool, options)? else { return Ok(None) };
        Ok(document::read(&context)?.map(|_| Self::build(context)))
    }

    fn build(context: Context) -> Self {
        let context = Arc::new(context);
        let seen = Arc::clone(&context);
        Self { quota: Quota::new(move || quota_of(&seen)), context }
    }
}

/// What a quota looks at; without a size, nothing has to be counted.
fn quota_of(context: &Context) -> Result<PoolSpace> {
    let current = document::read(context)?.ok_or_else(|| document::destroyed(context))?;
    match current.document.size {
        Some(_) => containers::space(context),
        None => Ok(PoolSpace::default()),
    }
}

fn connect(ceph_pool: &str, options: &ClusterOptions) -> Result<Option<Context>> {
    let cluster = Cluster::connect(options)?;
    Context::open(&cluster, ceph_pool, POOL_NAMESPACE)
}

fn no_ceph_pool(name: &str) -> Error {
    let message = format!(
        "the cluster has no Ceph pool {name}: `ceph osd pool create {name}` makes one, and `ceph osd pool application \
         enable {name} millpond` says what it is for"
    );
    Error::new(ErrorKind::NotFound, message)
}

impl PoolStore for RadosPool {
    fn document(&self) -> Result<PoolDocument> {
        let current = document::read(&self.context)?.ok_or_else(|| document::destroyed(&self.context))?;
        Ok(current.document)
    }

    fn update(&self, change: &mut dyn FnMut(&mut PoolDocument) -> Result<()>) -> Result<()> {
        document::update(&self.context, change)
    }

    fn create(&self, container: Uuid, spec: &ContainerSpec) -> Result<()> {
        containers::create(&self.context, container, spec)
    }

    fn spec(&self, container: Uuid) -> Result<ContainerSpec> {
        containers::spec(&self.context, container)
    }

    fn open(&self, container: Uuid, options: &StoreOptions) -> Result<Arc<dyn Store>> {
        let context = self.context.sibling(&namespace(container))?;
        let container = Container::open(context, container, options.read_only, Arc::clone(&self.quota))?;
        Ok(Arc::new(RadosStore::new(container)))
    }

    fn destroy(&self, container: Uuid, force: bool) -> Result<()> {
        containers::destroy(&self.context, container, force)
    }

    fn space(&self) -> Result<PoolSpace> {
        containers::space(&self.context)
    }

    fn destroy_pool(&self, force: bool) -> Result<()> {
        let containers = containers::list(&self.context)?;
        if !force {
            for container in &containers {
                let context = self.context.sibling(&namespace(*container))?;
                containers::check_unused(&context, *container)?;
            }
        }
        for container in containers {
            match containers::destroy(&self.context, container, force) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                other => other?,
            }
        }
        match self.context.write_again(POOL, &[Change::Remove])? {
            Ok(()) | Err(Errno::ABSENT) => Ok(()),
            Err(errno) => Err(errno.into_error(format_args!("can't delete {}", self.context.place(POOL)))),
        }
    }
}

impl fmt::Debug for RadosPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RadosPool").field("context", &self.context).finish_non_exhaustive()
    }
}
