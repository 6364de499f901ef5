//! An open container: what its handles share, and what each of them may do.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use millpond_core::{ContainerSpec, Epoch, Error, ErrorKind, Result};
use uuid::Uuid;

use crate::{
    account::{Account, Quota},
    feed::Feed,
    segments::Directory,
    sync::lock,
    table::Table,
};

/// The content of a container.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) uuid: Uuid,
    pub(crate) spec: ContainerSpec,
    pub(crate) account: Arc<Account>,
    pub(crate) segments: Arc<Directory>,
    pub(crate) table: RwLock<Table>,
    /// The epochs of the open views, with their number. Locked after `table`, where both are.
    pub(crate) views: Mutex<BTreeMap<Epoch, u64>>,
    pub(crate) feed: Feed,
    /// Handles that are neither closed nor dropped.
    pub(crate) handles: AtomicU64,
    pub(crate) destroyed: AtomicBool,
}

impl Shared {
    pub(crate) fn new(uuid: Uuid, spec: ContainerSpec, quota: &Arc<Quota>) -> Arc<Self> {
        Arc::new(Self {
            uuid,
            spec,
            account: Account::new(Arc::clone(quota)),
            segments: Arc::default(),
            table: RwLock::default(),
            views: Mutex::default(),
            feed: Feed::default(),
            handles: AtomicU64::new(0),
            destroyed: AtomicBool::new(false),
        })
    }

    /// The past epochs that someone may still read: those of open views, and the retained ones.
    pub(crate) fn needed(&self, table: &Table) -> BTreeSet<Epoch> {
        lock(&self.views).keys().chain(&table.retained).copied().collect()
    }
}

/// The right to use a container, until it is closed or the container destroyed.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
    read_only: bool,
    closed: AtomicBool,
}

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>, read_only: bool) -> Arc<Self> {
        shared.handles.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { shared, read_only, closed: AtomicBool::new(false) })
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if self.shared.destroyed.load(Ordering::Acquire) {
            return Err(self.refusal(ErrorKind::Closed, "was destroyed"));
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(self.refusal(ErrorKind::Closed, "was closed: open it again"));
        }
        Ok(())
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        self.check_open()?;
        if self.read_only {
            return Err(self.refusal(ErrorKind::ReadOnly, "was opened for reading only"));
        }
        Ok(())
    }

    pub(crate) fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.shared.handles.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn refusal(&self, kind: ErrorKind, why: &str) -> Error {
        Error::new(kind, format!("container {} {why}", self.shared.uuid))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}
