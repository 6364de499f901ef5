//! [`LocalPool`]: the contract of a pool, on a directory.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use millpond_core::{
    Backup, ContainerSpec, Error, ErrorKind, PoolDocument, PoolSpace, PoolStore, Progress, Result, Store,
    StoreOptions, VerifiedBackup,
};
use uuid::Uuid;

use super::{
    NEW, container_dir, containers_dir,
    document::{self, CONTAINER_FILE, ContainerDocument, POOL_FILE},
    failed,
    lock::{Byte, PoolLock},
    no_pool,
    quota::Quota,
    removal::{self, Seized},
};
use crate::{
    backup,
    engine::{Engine, EngineOptions},
    local_store::LocalStore,
    media::{Media, SystemMedia},
};

/// A pool in a directory that many processes share.
#[derive(Debug)]
pub struct LocalPool {
    media: Arc<dyn Media>,
    dir: PathBuf,
    quota: Arc<Quota>,
    background: bool,
}

impl LocalPool {
    /// Compares each file of the backup at `from`, or of the newest one in the directory `from`, with what was
    /// written. No pool is needed for it.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` when its description is damaged; what `progress` answers.
    pub fn verify_backup(from: &Path, progress: &mut dyn Progress) -> Result<VerifiedBackup> {
        let media: Arc<dyn Media> = Arc::new(SystemMedia);
        backup::verify(&media, &absolute(from)?, progress)
    }

    /// Creates a pool in `dir`, durably, and opens it. The directory is made if it is missing, and
    /// else has to be empty.
    ///
    /// # Errors
    /// `AlreadyExists` when there is a pool, or something else; `NotSupported` on a network file
    /// system; `PermissionDenied`.
    pub fn create(dir: &Path, document: &PoolDocument) -> Result<Self> {
        Self::create_on(Arc::new(SystemMedia), dir, document)
    }

    /// [`LocalPool::create`] on another medium.
    pub fn create_on(media: Arc<dyn Media>, dir: &Path, document: &PoolDocument) -> Result<Self> {
        let dir = &absolute(dir)?;
        let existing = deepest_existing(&media, dir);
        check_dir(&media, existing)?;
        media.create_dir(dir).map_err(|error| failed("create the directory", dir, error))?;
        let names = media.list(dir).map_err(|error| failed("list", dir, error))?;
        if let Some(foreign) = names.iter().find(|name| !removal::is_ours(name)) {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!(
                    "{} holds {foreign:?}, which is not a pool's; a pool needs a directory of its own",
                    dir.display()
                ),
            ));
        }
        let lock = PoolLock::open(&media, dir)?;
        let change = lock.hold(Byte::Change)?;
        if let Some(existing) = document::load_pool(&media, dir)? {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!(
                    "pool {} is already in {}; open it, or destroy it first",
                    existing.label,
                    dir.display()
                ),
            ));
        }
        start_afresh(&media, dir)?;
        let containers = containers_dir(dir);
        media.create_dir(&containers).map_err(|error| failed("create", &containers, error))?;
        for above in dir.ancestors().skip(1).take_while(|above| above.starts_with(existing)) {
            media.sync_dir(above).map_err(|error| failed("sync", above, error))?;
        }
        document::store(&media, &dir.join(POOL_FILE), document)?;
        drop(change);
        Self::open_on(media, dir)
    }

    /// Opens the pool in `dir`.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` and `Incompatible` when its description can't be trusted;
    /// `NotSupported` on a network file system; `PermissionDenied`.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_on(Arc::new(SystemMedia), dir)
    }

    /// [`LocalPool::open`] on another medium.
    pub fn open_on(media: Arc<dyn Media>, dir: &Path) -> Result<Self> {
        let dir = absolute(dir)?;
        if Self::peek_on(media.clone(), &dir)?.is_none() {
            return Err(no_pool(&dir));
        }
        check_dir(&media, &dir)?;
        let quota = Arc::new(Quota::new(media.clone(), &dir)?);
        Ok(Self { media, dir, quota, background: true })
    }

    /// The description of the pool in `dir`, without opening it; None where there is none.
    ///
    /// # Errors
    /// As [`LocalPool::open`].
    pub fn peek(dir: &Path) -> Result<Option<PoolDocument>> {
        Self::peek_on(Arc::new(SystemMedia), dir)
    }

    /// [`LocalPool::peek`] on another medium.
    pub fn peek_on(media: Arc<dyn Media>, dir: &Path) -> Result<Option<PoolDocument>> {
        document::load_pool(&media, dir)
    }

    /// The same pool, whose containers do nothing by themselves, so that a test can replay what it
    /// does.
    #[must_use]
    pub fn without_background(self) -> Self {
        Self { background: false, ..self }
    }

    /// Where the pool is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Counts the bytes of all files again, where deaths of processes may have left the count of
    /// the quota too great.
    pub fn recount(&self) -> Result<()> {
        self.quota.recount()
    }

    fn container_document(&self, container: Uuid) -> Result<ContainerDocument> {
        let dir = container_dir(&self.dir, container);
        let Some(document) = document::load_container(&self.media, &dir)? else {
            let exists = self.media.list(&dir).is_ok();
            let (kind, what) = if exists {
                (ErrorKind::Corrupt, format!("its {CONTAINER_FILE} is missing; restore it from a copy"))
            } else {
                (ErrorKind::NotFound, "it doesn't exist, or was destroyed".into())
            };
            return Err(Error::new(kind, format!("container {container} ({}): {what}", dir.display())));
        };
        if document.uuid != container {
            return Err(Error::new(
                ErrorKind::Incompatible,
                format!(
                    "{} belongs to container {}; put the directories back as they were",
                    dir.join(CONTAINER_FILE).display(),
                    document.uuid
                ),
            ));
        }
        Ok(document)
    }

    fn containers(&self) -> Result<Vec<Uuid>> {
        let dir = containers_dir(&self.dir);
        match self.media.list(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(failed("list", &dir, error)),
            Ok(names) => Ok(names.iter().filter_map(|name| Uuid::try_parse(name).ok()).collect()),
        }
    }
}

impl PoolStore for LocalPool {
    fn document(&self) -> Result<PoolDocument> {
        document::load_pool(&self.media, &self.dir)?.ok_or_else(|| no_pool(&self.dir))
    }

    fn update(&self, change: &mut dyn FnMut(&mut PoolDocument) -> Result<()>) -> Result<()> {
        let attachment = self.quota.attachment()?;
        // Opened for this call, so that threads of one process rule each other out, too.
        let lock = PoolLock::open(&self.media, &self.dir)?;
        let _change = lock.hold(Byte::Change)?;
        let old = self.document()?;
        let mut new = old.clone();
        change(&mut new)?;
        if new != old {
            document::store(&self.media, &self.dir.join(POOL_FILE), &new)?;
            attachment.set_limit(new.size);
        }
        Ok(())
    }

    fn create(&self, container: Uuid, spec: &ContainerSpec) -> Result<()> {
        self.quota.attachment()?;
        let dir = container_dir(&self.dir, container);
        let containers = containers_dir(&self.dir);
        if self.media.list(&dir).is_ok() {
            return Err(exists(container, &dir));
        }
        let new = containers.join(format!("{NEW}{container}"));
        let made = (|| {
            self.media.create_dir(&new).map_err(|error| failed("create", &new, error))?;
            Engine::create(&self.media, &new, container, spec.log_bytes)?;
            let document = ContainerDocument { uuid: container, spec: spec.clone() };
            document::store(&self.media, &new.join(CONTAINER_FILE), &document)?;
            self.media.rename(&new, &dir).map_err(|error| failed("create", &dir, error))?;
            self.media.sync_dir(&containers).map_err(|error| failed("sync", &containers, error))
        })();
        if made.is_err() && !self.media.killed() {
            // What can't be removed now is removed by the next to clean up.
            let _ = self.media.remove_dir(&new);
        }
        made
    }

    fn spec(&self, container: Uuid) -> Result<ContainerSpec> {
        Ok(self.container_document(container)?.spec)
    }

    fn open(&self, container: Uuid, options: &StoreOptions) -> Result<Arc<dyn Store>> {
        self.quota.attachment()?;
        let spec = self.container_document(container)?.spec;
        let engine = EngineOptions {
            log_bytes: spec.log_bytes,
            checkpoint_bytes: 4 * spec.log_bytes,
            mapped: options.mapped,
            watch_retention: options.watch_retention,
            space: self.quota.clone(),
            background: self.background,
            ..EngineOptions::default()
        };
        let dir = container_dir(&self.dir, container);
        let store = LocalStore::open(self.media.clone(), &dir, container, engine, options.read_only)?;
        Ok(Arc::new(store))
    }

    fn destroy(&self, container: Uuid, force: bool) -> Result<()> {
        self.quota.attachment()?;
        Seized::new(&self.media, &self.dir, container, force)?.destroy(&self.media)?;
        // The container is gone; a count that is too great is put right later.
        let _ = self.quota.recount();
        Ok(())
    }

    fn describe_backup(&self, from: &Path) -> Result<Backup> {
        let (path, description) = backup::find(&self.media, &absolute(from)?)?;
        Ok(description.backup(&path))
    }

    fn restore(&self, from: &Path, progress: &mut dyn Progress) -> Result<Backup> {
        self.quota.attachment()?;
        let found = backup::find(&self.media, &absolute(from)?)?;
        let (path, description) = &found;
        let container = description.container;
        let (dir, containers) = (container_dir(&self.dir, container), containers_dir(&self.dir));
        if self.media.list(&dir).is_ok() {
            return Err(exists(container, &dir));
        }
        self.quota.charge(description.bytes())?;
        // Another process may restore the same one.
        let new = containers.join(format!("{NEW}{container}-{:016x}", self.media.random()));
        let made = backup::restore(&self.media, &found, &new, progress).and_then(|()| {
            self.media.rename(&new, &dir).map_err(|error| match error.kind() {
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => exists(container, &dir),
                _ => failed("create", &dir, error),
            })?;
            self.media.sync_dir(&containers).map_err(|error| failed("sync", &containers, error))
        });
        if made.is_err() && !self.media.killed() {
            // What can't be removed now is removed by the next to clean up.
            let _ = self.media.remove_dir(&new);
        }
        // What is charged may be more than what a file takes; a count puts that right.
        let _ = self.quota.recount();
        made.map(|()| description.backup(path))
    }

    fn space(&self) -> Result<PoolSpace> {
        Ok(PoolSpace { size: self.document()?.size, used: self.quota.used()? })
    }

    fn destroy_pool(&self, force: bool) -> Result<()> {
        let attachment = self.quota.attachment()?;
        let busy = |error: Error| error.context(format_args!("pool {}", self.dir.display()));
        let seize = |container| Seized::new(&self.media, &self.dir, container, force).map_err(busy);
        let lock = PoolLock::open(&self.media, &self.dir)?;
        let _change = lock.hold(Byte::Change)?;
        let seized = self.containers()?.into_iter().map(seize).collect::<Result<Vec<_>>>()?;
        if !attachment.be_alone()? && !force {
            return Err(Error::new(
                ErrorKind::Busy,
                format!(
                    "pool {} is open, here or in another process (`lsof {}/lock` shows them); close it, or force its destruction",
                    self.dir.display(),
                    self.dir.display()
                ),
            ));
        }
        let destroyed = removal::take_away(&self.media, &self.dir).and_then(|()| {
            seized.into_iter().try_for_each(|container| container.destroy(&self.media))?;
            removal::remove_rest(&self.media, &self.dir)?;
            removal::remove_empty(&self.media, &self.dir)
        });
        destroyed.or_else(|error| {
            attachment.be_present()?;
            Err(error)
        })
    }
}

fn exists(container: Uuid, dir: &Path) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("container {container} exists already ({})", dir.display()))
}

/// The path, whatever directory the process goes to later.
fn absolute(dir: &Path) -> Result<PathBuf> {
    std::path::absolute(dir).map_err(|error| failed("find", dir, error).with_kind(ErrorKind::InvalidArgument))
}

/// Makes room for a new pool where there is none: finishes the destruction of an old one.
fn start_afresh(media: &Arc<dyn Media>, dir: &Path) -> Result<()> {
    let names = media.list(dir).map_err(|error| failed("list", dir, error))?;
    let containers = containers_dir(dir);
    if names.iter().any(|name| name == removal::DESTROYED_FILE) {
        // The lock file stays: this process holds it.
        let removed = media.remove_dir(&containers);
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(failed("remove", &containers, error));
        }
        return removal::remove_mark(media, dir);
    }
    if media.list(&containers).is_ok_and(|names| !names.is_empty()) {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "{} holds the containers of a pool, but its {POOL_FILE} is missing; restore that file from a copy, or use another directory",
                dir.display()
            ),
        ));
    }
    Ok(())
}

/// The directory itself, or the nearest one above that exists.
fn deepest_existing<'a>(media: &Arc<dyn Media>, dir: &'a Path) -> &'a Path {
    for above in dir.ancestors() {
        match media.list(above) {
            Ok(_) => return above,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // It is there; what is wrong with it shows when it is used.
            Err(_) => return above,
        }
    }
    dir
}

fn check_dir(media: &Arc<dyn Media>, dir: &Path) -> Result<()> {
    media.check_dir(dir).map_err(|error| match error.kind() {
        io::ErrorKind::Unsupported => {
            Error::new(ErrorKind::NotSupported, format!("{} can't hold a pool: {error}", dir.display()))
        }
        _ => failed("use", dir, error),
    })
}
