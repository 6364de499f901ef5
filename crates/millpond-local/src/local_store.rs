//! A handle to a container's storage: the engine behind it is shared by all handles of a process,
//! and opened anew in a forked child.

use std::{
    any::Any,
    collections::HashMap,
    path::{Path, PathBuf},
    ptr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicPtr, Ordering},
    },
};

use millpond_core::{
    At, Backup, BackupOptions, Commit, Damage, Epoch, Error, ErrorKind, Extent, Index, Key, Outcome, Record,
    Result, SegmentWriter, Segments, Statistics, Store, Verifier, View, Watch, WatchOptions, WriteStream,
};
use uuid::Uuid;

use crate::{
    backup,
    bugs::{Bug, planted},
    engine::{Engine, EngineOptions, LocalWatch},
    fork,
    media::Media,
};

/// See the module.
#[derive(Debug)]
pub struct LocalStore {
    media: Arc<dyn Media>,
    dir: PathBuf,
    container: Uuid,
    options: EngineOptions,
    read_only: bool,
    closed: AtomicBool,
    /// The engine, with the generation of forks that it belongs to. Replaced after a fork, and
    /// then never freed: what the parent's threads were doing with it can't be known.
    attached: AtomicPtr<Attached>,
}

#[derive(Debug)]
struct Attached {
    fork: u64,
    engine: Mutex<Option<Arc<Engine>>>,
}

impl Attached {
    fn new(engine: Arc<Engine>) -> Self {
        engine.begin_handle();
        Self { fork: fork::generation(), engine: Mutex::new(Some(engine)) }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.get_mut().unwrap_or_else(PoisonError::into_inner) {
            engine.end_handle();
        }
    }
}

impl LocalStore {
    /// Opens the storage of a container in `dir`; see [`Engine::open`].
    pub fn open(
        media: Arc<dyn Media>,
        dir: &Path,
        container: Uuid,
        options: EngineOptions,
        read_only: bool,
    ) -> Result<Self> {
        let attached = Box::new(Attached::new(open_shared(&media, dir, container, &options)?));
        Ok(Self {
            media,
            dir: dir.to_owned(),
            container,
            options,
            read_only,
            closed: AtomicBool::new(false),
            attached: AtomicPtr::new(Box::into_raw(attached)),
        })
    }

    /// The engine, opened anew if this process was forked since.
    pub fn engine(&self) -> Result<Arc<Engine>> {
        let closed = || Error::new(ErrorKind::Closed, format!("container {} is closed", self.container));
        if self.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        let attached = self.attached();
        if attached.fork != fork::generation() && !planted(Bug::ForkedChildKeepsHandle) {
            return self.open_again(attached);
        }
        attached.engine.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)
    }

    fn attached(&self) -> &Attached {
        // SAFETY: it was made by `Box::into_raw`, and is freed only by `drop`.
        unsafe { &*self.attached.load(Ordering::Acquire) }
    }

    fn open_again(&self, old: &Attached) -> Result<Arc<Engine>> {
        let engine = open_shared(&self.media, &self.dir, self.container, &self.options)?;
        let fresh = Box::into_raw(Box::new(Attached::new(engine.clone())));
        let old = ptr::from_ref(old).cast_mut();
        if self.attached.compare_exchange(old, fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // Another thread of the child was faster.
            // SAFETY: nobody else has seen `fresh`.
            drop(unsafe { Box::from_raw(fresh) });
            return self.engine();
        }
        Ok(engine)
    }

    fn writable(&self) -> Result<Arc<Engine>> {
        if self.read_only {
            return Err(Error::new(
                ErrorKind::ReadOnly,
                format!("container {} is open for reading only; open it for writing", self.container),
            ));
        }
        self.engine()
    }
}

impl Drop for LocalStore {
    fn drop(&mut self) {
        let attached = *self.attached.get_mut();
        // SAFETY: as in `attached`; nobody has `self` any more.
        if unsafe { (*attached).fork } == fork::generation() {
            // SAFETY: made by `Box::into_raw`, of this process, and used by nobody else.
            drop(unsafe { Box::from_raw(attached) });
        }
    }
}

impl Index for LocalStore {
    fn commit(&self, commit: &Commit<'_>) -> Result<Outcome> {
        let engine = self.writable()?;
        engine.explained(engine.commit_now(commit))
    }

    fn commit_stream(&self, commit: &Commit<'_>, writes: &mut dyn WriteStream) -> Result<Outcome> {
        let engine = self.writable()?;
        engine.explained(engine.commit_stream_now(commit, writes))
    }

    fn view(&self, at: At) -> Result<Box<dyn View>> {
        let engine = self.engine()?;
        engine.explained(engine.view_at(at))
    }

    fn get(&self, key: Key<'_>) -> Result<Option<Record>> {
        let engine = self.engine()?;
        engine.explained(engine.get_newest(key))
    }

    fn epoch(&self) -> Result<Epoch> {
        self.engine()?.newest_epoch()
    }

    fn flush(&self) -> Result<Epoch> {
        let engine = self.engine()?;
        engine.explained(engine.flush_now())
    }

    fn watch(&self, options: &WatchOptions<'_>) -> Result<Box<dyn Watch>> {
        // A cursor is a record.
        let engine = if options.cursor.is_some() { self.writable()? } else { self.engine()? };
        Ok(Box::new(LocalWatch::new(&engine, options)?))
    }
}

impl Segments for LocalStore {
    fn writer(&self) -> Result<Box<dyn SegmentWriter>> {
        let engine = self.writable()?;
        Ok(Box::new(engine.explained(engine.segment_writer())?))
    }

    fn read(&self, extent: &Extent, offset: u64, into: &mut [u8]) -> Result<()> {
        let engine = self.engine()?;
        engine.explained(engine.read_segment(extent, offset, into))
    }
}

impl Store for LocalStore {
    fn index(&self) -> &dyn Index {
        self
    }

    fn segments(&self) -> &dyn Segments {
        self
    }

    fn statistics(&self) -> Result<Statistics> {
        self.engine()?.statistics_now()
    }

    fn compact(&self) -> Result<()> {
        let engine = self.writable()?;
        engine.explained(engine.compact_now())
    }

    fn verify_with(&self, verifier: &mut dyn Verifier) -> Result<u64> {
        self.engine()?.verify_all(verifier)
    }

    fn repair(&self, report: &mut dyn FnMut(Damage)) -> Result<u64> {
        self.writable()?.repair_now(report)
    }

    fn backup(&self, to: &Path, options: BackupOptions<'_>) -> Result<Backup> {
        backup::write(&self.media, &*self.engine()?, self.container, to, options)
    }

    fn close(&self) -> Result<()> {
        let engine = self.engine()?;
        self.closed.store(true, Ordering::Release);
        let flushed = engine.flush_now();
        drop(engine);
        let Some(engine) = self.attached().engine.lock().unwrap_or_else(PoisonError::into_inner).take()
        else {
            return flushed.map(drop);
        };
        let is_last = engine.end_handle();
        flushed?;
        // Its thread has the engine too, while it works: the last handle waits until nobody has it.
        let _held = is_last.then(|| engine.hold_background());
        match Arc::into_inner(engine) {
            // Leave, and say what went wrong.
            Some(engine) => engine.shut_down(),
            None => Ok(()),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The engines that this process has open, by the identity of their directories.
struct Registry {
    fork: u64,
    engines: Mutex<HashMap<(u64, u64), Weak<Engine>>>,
}

/// Replaced, and not freed, in a forked child: the mutex may be held there for ever.
static REGISTRY: AtomicPtr<Registry> = AtomicPtr::new(ptr::null_mut());

fn registry() -> &'static Registry {
    let fork = fork::generation();
    loop {
        let known = REGISTRY.load(Ordering::Acquire);
        // SAFETY: null, or made below and never freed.
        if let Some(registry) = unsafe { known.as_ref() }
            && registry.fork == fork
        {
            return registry;
        }
        let fresh = Box::into_raw(Box::new(Registry { fork, engines: Mutex::default() }));
        if REGISTRY.compare_exchange(known, fresh, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // SAFETY: nobody else has seen `fresh`.
            drop(unsafe { Box::from_raw(fresh) });
        }
    }
}

fn open_shared(
    media: &Arc<dyn Media>,
    dir: &Path,
    container: Uuid,
    options: &EngineOptions,
) -> Result<Arc<Engine>> {
    let identity = media
        .identity(dir)
        .map_err(|error| Error::io(format!("opening container directory {}", dir.display()), error))?;
    let identity = if planted(Bug::EngineByUuid) { Some(container.as_u64_pair()) } else { identity };
    let Some(identity) = identity else {
        return Engine::open(media.clone(), dir, container, options.clone());
    };
    let mut engines = registry().engines.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(engine) = engines.get(&identity).and_then(Weak::upgrade)
        && engine.is_usable()
    {
        return Ok(engine);
    }
    let engine = Engine::open(media.clone(), dir, container, options.clone())?;
    engines.retain(|_, engine| engine.strong_count() > 0);
    engines.insert(identity, Arc::downgrade(&engine));
    Ok(engine)
}
