//! Containers: opened by name or path, described, and the dictionaries in them.
//!
//! Invariant: every change goes through [`Container::commit`], which knows whether the handle may
//! change anything and how durable its commits are to be.

mod backup;
mod check;
mod damage;
mod loss;
mod options;
mod properties;
mod scope;
mod scrub;

use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use millpond_core::{
    Commit, ContainerEntry, Durability, Epoch, Error, ErrorKind, Index, Label, Outcome, Precondition, Result,
    Segments, Store, StoreOptions, Write, WriteStream,
};
use uuid::Uuid;

use self::properties::{durability_of, inline_bytes_of, mapped_of, watch_retention_of};
pub(crate) use self::scope::Scope;
pub use self::{
    backup::verify_backup,
    damage::{Compacted, Damage},
    options::{ContainerOptions, OpenOptions},
    scrub::{ScrubOptions, ScrubProgress, ScrubReport},
};
use crate::{
    catalog,
    container_type::ContainerType,
    dict::Dict,
    layout::{NamedKind, Settings},
    location,
    metrics::{Metered, Metrics, Operations},
    namespace, object,
    pool::Pool,
    query::{CheckReport, ContainerQuery},
    transaction::{self, Transaction, TransactionOptions},
};

/// Records of destroyed dictionaries that opening a container clears at most: the rest waits for
/// the next one, or for a compaction.
const REAPED_AT_OPEN_MAX: usize = 10_000;

/// An open container. Clones are cheap and share one handle; the last one lets go of the storage.
#[derive(Clone)]
pub struct Container {
    inner: Arc<Inner>,
    /// What it reads and writes instead of the newest state.
    scope: Option<Arc<dyn Scope>>,
}

struct Inner {
    pool: Pool,
    uuid: Uuid,
    label: Option<Label>,
    container_type: ContainerType,
    read_only: bool,
    durability: Durability,
    /// The greatest length of a value that stays in its record.
    inline_bytes: usize,
    store: Arc<dyn Store>,
    /// What the handle is counted by, if it is.
    metered: Option<Metered>,
    closed: AtomicBool,
}

impl Container {
    /// Opens a container by name: `POOL/CONTAINER`, a URL (`file:///…/CONTAINER`,
    /// `mem:POOL/CONTAINER`), or the path of a directory that stands for one.
    ///
    /// # Errors
    /// `NotFound`, naming the place that was looked at.
    pub fn open(name: &str) -> Result<Self> {
        Self::open_with(name, OpenOptions::default())
    }

    /// Opens a container by name, with options. See [`Container::open`].
    pub fn open_with(name: &str, options: OpenOptions) -> Result<Self> {
        if !location::is_url(name) {
            let path = Path::new(name);
            if path.is_dir()
                && let Some(mark) = namespace::read(path)?
            {
                return Self::open_marked(path, &mark, options);
            }
            if name.starts_with(['.', '/']) {
                return Err(no_mark(path));
            }
        }
        let (pool, container) = location::split(name)?;
        Pool::open(pool)?.open_container(container, options)
    }

    /// Opens the container that a directory of the unified namespace stands for.
    ///
    /// # Errors
    /// `NotFound` when the directory isn't marked, or when what it stands for is gone.
    pub fn open_path(path: &Path, options: OpenOptions) -> Result<Self> {
        match namespace::read(path)? {
            Some(mark) => Self::open_marked(path, &mark, options),
            None => Err(no_mark(path)),
        }
    }

    fn open_marked(path: &Path, mark: &namespace::Mark, options: OpenOptions) -> Result<Self> {
        Pool::open(&mark.pool)
            .and_then(|pool| pool.open_container(&mark.container.to_string(), options))
            .map_err(|error| {
                error.context(format_args!(
                    "{} stands for the container {} of pool {}",
                    path.display(),
                    mark.container,
                    mark.pool
                ))
            })
    }

    pub(crate) fn open_in(
        pool: &Pool,
        uuid: Uuid,
        entry: &ContainerEntry,
        options: OpenOptions,
    ) -> Result<Self> {
        let durability = match options.durability {
            Some(durability) => durability,
            None => durability_of(entry)?,
        };
        let mapped = mapped_of(entry)?;
        let watch_retention = watch_retention_of(entry)?;
        let store_options =
            StoreOptions { read_only: options.read_only, durability, mapped, watch_retention };
        let name = entry.label.as_ref().map_or_else(|| uuid.to_string(), Label::to_string);
        let store = pool
            .store()
            .open(uuid, &store_options)
            .map_err(|error| error.context(format_args!("can't open the container {pool}/{name}")))?;
        let container = Self {
            inner: Arc::new(Inner {
                pool: pool.clone(),
                uuid,
                label: entry.label.clone(),
                container_type: ContainerType::recorded(&entry.container_type),
                read_only: options.read_only,
                durability,
                inline_bytes: inline_bytes_of(entry)?,
                metered: options.metrics.then(|| Metered::new(Arc::clone(&store))),
                store,
                closed: AtomicBool::new(false),
            }),
            scope: None,
        };
        if !options.read_only {
            // What a crash left of a destroyed dictionary only takes space. That it can't be cleared
            // now must not keep anyone from opening the container; check() says why.
            let _ = catalog::reap_all(&container, REAPED_AT_OPEN_MAX);
        }
        Ok(container)
    }

    /// Its label when it was opened, if it had one.
    pub fn label(&self) -> Option<&str> {
        self.inner.label.as_ref().map(Label::as_str)
    }

    /// Its UUID.
    pub fn uuid(&self) -> Uuid {
        self.inner.uuid
    }

    /// Its pool.
    pub fn pool(&self) -> &Pool {
        &self.inner.pool
    }

    /// Its canonical URL: the pool's, a slash, and the label or the UUID.
    pub fn url(&self) -> String {
        match &self.inner.label {
            Some(label) => format!("{}/{label}", self.inner.pool),
            None => format!("{}/{}", self.inner.pool, self.inner.uuid),
        }
    }

    /// What it is for.
    pub fn container_type(&self) -> ContainerType {
        self.inner.container_type
    }

    /// Whether this handle refuses every change.
    pub fn is_read_only(&self) -> bool {
        self.inner.read_only || self.scope.as_ref().is_some_and(|scope| scope.is_read_only())
    }

    /// When a commit of this handle counts as done.
    pub fn durability(&self) -> Durability {
        self.inner.durability
    }

    /// All about the container, without reading its data.
    pub fn query(&self) -> Result<ContainerQuery> {
        let dicts = catalog::count(self, NamedKind::Dict)?;
        let objects = object::count(self)?;
        let blob_stores = catalog::count(self, NamedKind::Blobs)?;
        let maps = catalog::count(self, NamedKind::Map)?;
        let entry = self.entry()?;
        Ok(ContainerQuery {
            label: entry.label.as_ref().map(Label::to_string),
            uuid: self.uuid(),
            pool: self.pool().label().to_owned(),
            url: self.url(),
            container_type: self.container_type(),
            created: entry.created,
            durability: durability_of(&entry)?,
            path: entry.path.clone(),
            dicts,
            objects,
            blob_stores,
            maps,
            last_scrub: entry.last_scrub,
            statistics: self.inner.store.statistics()?,
            properties: self.properties_of(&entry)?,
            attributes: entry.attributes,
        })
    }

    /// What the container holds, and what was done through this handle and its clones if it was opened
    /// with [`OpenOptions::metrics`].
    pub fn metrics(&self) -> Result<Metrics> {
        self.check_open()?;
        let space = self.pool().store().space()?;
        let container = self.label().map_or_else(|| self.uuid().to_string(), str::to_owned);
        Ok(Metrics {
            pool: self.pool().label().to_owned(),
            container,
            statistics: self.inner.store.statistics()?,
            pool_used: space.used,
            pool_size: space.size,
            operations: self.inner.metered.as_ref().map(|metered| Operations::of(&metered.meter)),
        })
    }

    /// Opens a dictionary.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name.
    pub fn dict(&self, name: &str) -> Result<Dict> {
        catalog::open(self, NamedKind::Dict, name)?
            .map(|(named, _)| Dict::new(named))
            .ok_or_else(|| catalog::missing(self, NamedKind::Dict, name))
    }

    /// Creates a dictionary, of a name of 1 to 512 bytes.
    ///
    /// # Errors
    /// `AlreadyExists` when there is one of that name.
    pub fn create_dict(&self, name: &str) -> Result<Dict> {
        catalog::create(self, &Settings::Dict, name).map(Dict::new)
    }

    /// Opens a dictionary, or creates it where there is none.
    pub fn open_or_create_dict(&self, name: &str) -> Result<Dict> {
        loop {
            if let Some((named, _)) = catalog::open(self, NamedKind::Dict, name)? {
                return Ok(Dict::new(named));
            }
            match self.create_dict(name) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                other => return other,
            }
        }
    }

    /// The names of the dictionaries, sorted.
    pub fn dicts(&self) -> Result<Vec<String>> {
        catalog::names(self, NamedKind::Dict)
    }

    /// Destroys a dictionary. Its name is gone at once, atomically, and every handle to it answers
    /// `NotFound`; its records go in batches before this returns. Where a crash interrupts that,
    /// the next opening, compaction or check goes on with it.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name.
    pub fn destroy_dict(&self, name: &str) -> Result<()> {
        catalog::destroy(self, NamedKind::Dict, name)
    }

    /// Runs `body` in a transaction and commits it. Where that met another one, it is run again, up to
    /// 100 times with growing pauses: it must not do anything that can't be done twice. What it answers
    /// is answered once the commit has taken effect; an error of `body` aborts the transaction.
    ///
    /// ```
    /// # use millpond::{ContainerOptions, Pool, PoolOptions};
    /// # fn main() -> millpond::Result<()> {
    /// # let pool = Pool::create("mem:transactions", PoolOptions::default())?;
    /// # let container = pool.create_container(Some("bank"), ContainerOptions::default())?;
    /// let accounts = container.create_dict("accounts")?;
    /// accounts.put_many([("ann", "3"), ("bob", "1")])?;
    /// container.transaction(|tx| {
    ///     let accounts = accounts.within(tx)?;
    ///     if accounts.get(b"ann")?.as_deref() == Some(b"3") {
    ///         accounts.put(b"ann", b"2")?;
    ///         accounts.put(b"bob", b"2")?;
    ///     }
    ///     Ok(())
    /// })?;
    /// assert_eq!(accounts.get(b"bob")?.as_deref(), Some(&b"2"[..]));
    /// # Pool::destroy("mem:transactions", true)
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Conflict` when others were faster each time; otherwise those of `body` and of a commit.
    pub fn transaction<T>(&self, body: impl FnMut(&Transaction) -> Result<T>) -> Result<T> {
        self.transaction_with(TransactionOptions::default(), body)
    }

    /// As [`Container::transaction`], with options.
    pub fn transaction_with<T>(
        &self,
        options: TransactionOptions,
        body: impl FnMut(&Transaction) -> Result<T>,
    ) -> Result<T> {
        transaction::run(self, &options, body)
    }

    /// Begins a transaction that the caller commits, and runs again where it meets another one.
    pub fn begin(&self, options: TransactionOptions) -> Result<Transaction> {
        Transaction::begin(self, &options)
    }

    /// Makes every commit so far survive a loss of power; answers the epoch up to which that holds.
    pub fn flush(&self) -> Result<Epoch> {
        self.check_unscoped("flush")?;
        self.index()?.flush()
    }

    /// Merges what is worth merging and gives back what is dead, now; automatic snapshots that the
    /// container's rule no longer keeps are destroyed first. Merging also happens by itself. Arrays of
    /// which something is damaged stay as they are: [`Container::compact_and_report`] tells of them.
    ///
    /// # Errors
    /// `Corrupt` where damage keeps the records themselves from being merged: a check names all of it.
    pub fn compact(&self) -> Result<()> {
        self.compact_and_report().map(drop)
    }

    /// As [`Container::compact`]; answers what damage kept from being merged.
    pub fn compact_and_report(&self) -> Result<Compacted> {
        self.check_unscoped("compact")?;
        self.check_writable()?;
        catalog::reap_all(self, usize::MAX)?;
        self.expire_snapshots()?;
        let mut compacted = Compacted::default();
        object::merge_all(self, &mut |id, error| compacted.left.push(damage::left(id, &error)))?;
        self.inner.store.compact()?;
        Ok(compacted)
    }

    /// Verifies every stored byte, and that names, dictionaries and their counts agree. With
    /// `repair`, it also finishes the destruction of dictionaries, corrects counts, and gives
    /// dictionaries that no name leads to a name of the form `lost+found-<id>`; and it accepts the loss of
    /// damaged records of the log, which keep the container from being changed, and most of it from being
    /// read: the report says where. In the place of a value of a dictionary or of an akey whose bytes are
    /// damaged, if it is a long one or was damaged in the log, it puts a marker, and so in the place of the records of an array whose bytes are: reading
    /// them answers `DataLoss` until they are written again, deleted, or forgotten ([`Container::forget`]).
    pub fn check(&self, repair: bool) -> Result<CheckReport> {
        self.check_unscoped("check")?;
        if repair {
            self.check_writable()?;
        }
        check::check(self, repair)
    }

    /// Deletes the markers that a repair put in the place of values that were lost, so that their keys are
    /// simply absent, and records of arrays holes. Answers how many there were.
    pub fn forget(&self) -> Result<u64> {
        self.check_unscoped("forget what is lost")?;
        self.check_writable()?;
        loss::forget(self)
    }

    /// Makes everything durable and lets go of the storage, for all clones of this handle. Later
    /// calls answer `Closed`; closing again does nothing. Of a handle at a snapshot or in a
    /// transaction, it does nothing: what that was made from stays open.
    pub fn close(&self) -> Result<()> {
        if self.scope.is_some() {
            return Ok(());
        }
        if self.inner.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.inner.store.close()
    }

    /// The storage, for tests that reach below the front door.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// The same container, in `scope`.
    pub(crate) fn scoped(&self, scope: Arc<dyn Scope>) -> Self {
        Self { inner: Arc::clone(&self.inner), scope: Some(scope) }
    }

    /// Whether the handle shows anything but the newest state.
    pub(crate) fn is_scoped(&self) -> bool {
        self.scope.is_some()
    }

    /// Whether the handle shows the newest state, and not that of a snapshot or a transaction.
    pub fn is_current(&self) -> bool {
        !self.is_scoped()
    }

    /// Whether the handle belongs to a transaction.
    pub fn is_in_transaction(&self) -> bool {
        self.scope.as_ref().is_some_and(|scope| scope.is_transaction())
    }

    /// The index, for reading.
    pub(crate) fn index(&self) -> Result<&dyn Index> {
        self.check_open()?;
        Ok(match (&self.scope, &self.inner.metered) {
            (Some(scope), _) => scope.index(),
            (None, Some(metered)) => metered,
            (None, None) => self.inner.store.index(),
        })
    }

    /// The bulk bytes.
    pub(crate) fn segments(&self) -> Result<&dyn Segments> {
        self.check_open()?;
        Ok(match (&self.scope, &self.inner.metered) {
            (Some(scope), _) => scope.segments(),
            (None, Some(metered)) => metered,
            (None, None) => self.inner.store.segments(),
        })
    }

    /// The storage, for reading.
    pub(crate) fn open_store(&self) -> Result<&dyn Store> {
        self.check_open()?;
        Ok(&*self.inner.store)
    }

    pub(crate) fn commit(
        &self,
        preconditions: Vec<Precondition<'_>>,
        writes: Vec<Write<'_>>,
    ) -> Result<Outcome> {
        self.commit_as(self.inner.durability, preconditions, writes)
    }

    pub(crate) fn commit_as(
        &self,
        durability: Durability,
        preconditions: Vec<Precondition<'_>>,
        writes: Vec<Write<'_>>,
    ) -> Result<Outcome> {
        self.commit_whole(&Commit { preconditions, writes, durability, ..Commit::default() })
    }

    pub(crate) fn commit_whole(&self, commit: &Commit<'_>) -> Result<Outcome> {
        self.check_writable()?;
        let committed = self.index()?.commit(commit);
        committed.map_err(|error| error.context(format_args!("can't write to {self}")))
    }

    pub(crate) fn commit_stream(&self, commit: &Commit<'_>, writes: &mut dyn WriteStream) -> Result<Outcome> {
        self.check_writable()?;
        let committed = self.index()?.commit_stream(commit, writes);
        committed.map_err(|error| error.context(format_args!("can't write to {self}")))
    }

    /// Whether a value of `length` bytes stays in its record.
    pub(crate) fn fits_inline(&self, length: usize) -> bool {
        length <= self.inner.inline_bytes
    }

    /// Whether nobody asked for a limit of its own.
    pub(crate) fn has_default_inline_size(&self) -> bool {
        self.inner.inline_bytes == self.container_type().inline_bytes()
    }

    pub(crate) fn check_writable(&self) -> Result<()> {
        self.check_open()?;
        if let Some(scope) = &self.scope {
            scope.check_writable(self)?;
        }
        if self.inner.read_only {
            let message = format!("{self} was opened for reading only: open it for writing");
            return Err(Error::new(ErrorKind::ReadOnly, message));
        }
        Ok(())
    }

    /// # Errors
    /// `InvalidArgument` for what concerns the whole container, and not the state that a handle shows.
    pub(crate) fn check_unscoped(&self, doing: &str) -> Result<()> {
        if self.is_scoped() {
            let message = format!("{self} can't {doing}: use the container's own handle");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        Ok(())
    }

    fn check_open(&self) -> Result<()> {
        if self.inner.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, format!("{self} was closed: open it again")));
        }
        Ok(())
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Container({self})")
    }
}

/// Its URL, and what it shows if that isn't the newest state.
impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url())?;
        self.scope.as_ref().map_or(Ok(()), |scope| scope.describe(f))
    }
}

/// Whether a commit that failed so may have taken effect all the same.
pub(crate) fn may_have_taken_effect(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Timeout | ErrorKind::Poisoned | ErrorKind::Closed)
}

fn no_mark(path: &Path) -> Error {
    let message = format!(
        "{} is no directory that stands for a container: name the container as POOL/CONTAINER, or create \
         one with a path",
        path.display()
    );
    Error::new(ErrorKind::NotFound, message)
}
