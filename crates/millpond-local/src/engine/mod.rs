//! The engine: one container's storage, as one process has it open.
//!
//! The parts, in the order of a commit's way:
//! - [`prepare`]: preconditions are checked and existence resolved outside the lock. [`commit`]: they
//!   are checked again within, the record is appended and published. [`ready`]: what has to be so
//!   before anything is appended. [`bulk`]: commits that are a run of their own, [`stream`]: those
//!   that memory doesn't hold.
//! - [`sync`]: one sync serves every commit before it; a failed one is repaired or remembered.
//!   [`sync_queue`]: who of those who wait for one does it.
//!   [`segment_sync`]: so are those of bulk bytes.
//! - [`apply`]: what any process published becomes part of this one's [`State`].
//! - [`checkpoint`]: finished log files become a run. [`compaction`]: runs become fewer.
//!   [`maintenance`]: whose turn it is for either.
//! - [`watch`]: what any process commits, told in order. [`retired`]: what is kept for that.
//! - [`garbage`]: what nobody needs is unlinked. [`reserve`]: a full disk lets deletes through.
//!   [`log_ahead`]: the next log file is there before it is needed.
//! - [`backup`]: a state whose files stay while they are copied.
//! - [`open`], [`close`]: recovery, attaching, leaving. [`verify`]: all damage is found. [`repair`]: what
//!   is lost is given up.
//!
//! Locks, in the order in which they are taken where several are: the turn for maintenance, the
//! maintenance lock, the turn for commits, the commit lock, the applier, the turn for syncs, the
//! sync lock, the state.

mod apply;
mod background;
mod backup;
mod bulk;
mod checkpoint;
mod close;
mod commit;
mod compaction;
mod garbage;
mod log_ahead;
mod maintenance;
mod open;
mod prepare;
mod ready;
mod repair;
mod reserve;
mod retention;
mod retired;
mod segment_sync;
mod store;
mod stream;
mod sync;
mod sync_queue;
mod verify;
mod watch;

use std::{
    collections::HashSet,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use millpond_core::{Epoch, Error, ErrorKind, Extent, Result, WatchRetention};
use uuid::Uuid;

use crate::{
    bugs::{Bug, planted},
    cache::BlockCache,
    control::{Control, Slot},
    fork,
    media::Media,
    presence::Presence,
    read::State,
    segments::SegmentPool,
    space::{Space, Unlimited},
    sync::{
        Mutex, MutexGuard, RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};
use apply::Applier;
use background::Background;
pub(crate) use backup::{Frozen, FrozenFile};
use commit::Queue;
use segment_sync::SegmentWork;
use sync::SyncTurn;
use sync_queue::SyncQueue;
pub(crate) use watch::LocalWatch;
use watch::Pins;

/// Bits of an epoch that count commits; those above are the incarnation.
const EPOCH_COMMIT_BITS: u32 = 40;

/// Epochs left out after a holder of the commit lock died, so that none is given out twice.
const EPOCHS_SKIPPED: u64 = 1 << 16;

/// How an engine works.
#[derive(Clone)]
pub struct EngineOptions {
    /// Bytes in the first log file; later ones are up to eight times as long.
    pub log_bytes: u64,
    /// Bytes of finished log files that are worth a checkpoint. Fewer wait, since a short run would soon be
    /// merged; three times as many make writers wait for one.
    pub checkpoint_bytes: u64,
    /// Bytes of blocks to keep in memory, of runs that aren't mapped.
    pub cache_bytes: usize,
    /// Whether runs and the log are mapped, where that is possible; else they are read and written.
    pub mapped: bool,
    /// Whether a thread of the engine syncs, checkpoints and compacts. Without one, `flush` and
    /// `compact` are the caller's to call, and commits checkpoint when the backlog is full.
    pub background: bool,
    /// How long who asks for a compaction waits for another process that does maintenance, and doesn't
    /// get on.
    pub stalled_max: Duration,
    /// How much of the log is kept for those who watch.
    pub watch_retention: WatchRetention,
    /// The pool's quota.
    pub space: Arc<dyn Space>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            log_bytes: 1 << 20,
            checkpoint_bytes: 4 << 20,
            cache_bytes: 64 << 20,
            mapped: true,
            background: true,
            stalled_max: Duration::from_secs(30),
            watch_retention: WatchRetention::default(),
            space: Arc::new(Unlimited),
        }
    }
}

impl fmt::Debug for EngineOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineOptions")
            .field("log_bytes", &self.log_bytes)
            .field("checkpoint_bytes", &self.checkpoint_bytes)
            .field("cache_bytes", &self.cache_bytes)
            .field("mapped", &self.mapped)
            .field("background", &self.background)
            .field("stalled_max", &self.stalled_max)
            .finish_non_exhaustive()
    }
}

/// See the module.
pub struct Engine {
    media: Arc<dyn Media>,
    dir: PathBuf,
    container: Uuid,
    options: EngineOptions,
    /// The generation of forks that the engine belongs to.
    fork: u64,
    presence: Presence,
    control: Control,
    slot: usize,
    serial: u64,
    next_file: AtomicU64,
    cache: Arc<BlockCache>,
    state: RwLock<Arc<State>>,
    /// The generation of the manifest of `state`.
    generation: AtomicU64,
    /// States that may still be in use, to know what others must keep for them.
    states: Mutex<Vec<Weak<State>>>,
    applier: Mutex<Applier>,
    /// Log offset up to which `state` holds the log.
    applied: AtomicU64,
    queue: Queue,
    sync_queue: SyncQueue,
    sync_turn: Mutex<SyncTurn>,
    maintenance_turn: Mutex<()>,
    /// The progress that a holder of the maintenance lock had made when a writer gave it up.
    stalled_at: AtomicU64,
    segments: Arc<SegmentPool>,
    /// Bulk bytes that records name and that weren't synced before, with the log offset behind the
    /// record.
    unsynced_extents: Mutex<Vec<(u64, Extent)>>,
    segment_work: SegmentWork,
    /// Files to unlink, with the generation of the first manifest without them and their bytes.
    obsolete: Mutex<Vec<(u64, PathBuf, u64)>>,
    /// Runs that could not be read through, which no merge takes any more.
    unmergeable: Mutex<HashSet<u64>>,
    superseded: Superseded,
    /// Dead bytes in segments that the last merge of everything had to leave.
    dead_after_merge: AtomicU64,
    /// What the watches of this process need.
    pins: Pins,
    background: Background,
    /// Bytes of the next log file, once its time has come to be made; else 0.
    log_bytes_wanted: AtomicU64,
    /// How many handles of this process have the engine: the last one to close waits for its thread.
    handles: AtomicUsize,
    closed: AtomicBool,
}

/// What commits of this process superseded, and no checkpoint has told the manifest of yet.
#[derive(Debug, Default)]
struct Superseded {
    records: AtomicU64,
    /// Bytes of segments.
    bytes: AtomicU64,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("dir", &self.dir)
            .field("container", &self.container)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// The directory of log files.
    fn log_dir(&self) -> PathBuf {
        self.dir.join("log")
    }

    fn runs_dir(&self) -> PathBuf {
        runs_dir(&self.dir)
    }

    /// Whether the engine can be used at all.
    fn check(&self) -> Result<()> {
        if self.fork != fork::generation() {
            return Err(Error::new(
                ErrorKind::Forked,
                format!("container {} was opened before a fork; open it again in the child", self.container),
            ));
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, format!("container {} is closed", self.container)));
        }
        if self.control.words().destroyed.load(Ordering::Relaxed) != 0 {
            return Err(Error::new(ErrorKind::Closed, format!("container {} was destroyed", self.container)));
        }
        Ok(())
    }

    /// The current state with all that is published, and the epoch of a view of it.
    fn current(&self) -> Result<(Arc<State>, Epoch)> {
        self.check()?;
        if planted(Bug::ReadWithoutCatchingUp) {
            let state = self.state();
            let epoch = state.epoch();
            return Ok((state, epoch));
        }
        let words = self.control.words();
        let published = words.published.load(Ordering::Acquire);
        if published != self.applied.load(Ordering::Acquire)
            || words.generation.load(Ordering::Acquire) > self.generation.load(Ordering::Acquire)
        {
            self.catch_up()?;
        }
        let state = self.state();
        let epoch = state.epoch();
        Ok((state, epoch))
    }

    fn state(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes `state` the current one.
    fn set_state(&self, state: State) -> Arc<State> {
        let state = Arc::new(state);
        lock(&self.states).push(Arc::downgrade(&state));
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state.clone();
        self.generation.store(state.manifest.generation, Ordering::Release);
        self.update_slot();
        state
    }

    fn own_slot(&self) -> &Slot {
        &self.control.slots()[self.slot]
    }

    /// Tells others what this process still uses.
    fn update_slot(&self) {
        let mut states = lock(&self.states);
        let mut generation = u64::MAX;
        let mut epoch = u64::MAX;
        if planted(Bug::SlotForgetsViews) {
            let newest = states.pop();
            states.clear();
            states.extend(newest);
        }
        states.retain(|state| match state.upgrade() {
            Some(state) => {
                generation = generation.min(state.manifest.generation);
                epoch = epoch.min(state.first_epoch.0);
                true
            }
            None => false,
        });
        if generation != u64::MAX {
            let slot = self.own_slot();
            slot.epoch.store(epoch, Ordering::SeqCst);
            slot.generation.store(generation, Ordering::SeqCst);
        }
    }

    /// A number for a new run or segment, unlike that of any other ever made in this container.
    /// The incarnation is durable.
    fn new_file_id(&self) -> Result<u64> {
        let counter = self.next_file.fetch_add(1, Ordering::Relaxed);
        if counter >= 1 << 20 || self.serial >= 1 << 20 {
            return Err(Error::new(
                ErrorKind::NotSupported,
                format!(
                    "container {} has numbered too many files since it was opened; close and reopen it",
                    self.container
                ),
            ));
        }
        let incarnation = self.control.words().incarnation.load(Ordering::Acquire);
        Ok(incarnation << 40 | self.serial << 20 | counter)
    }

    /// The serial number of the process that made a file of this number, if it is of the current
    /// incarnation.
    fn creator(&self, file: u64) -> Option<u64> {
        let incarnation = self.control.words().incarnation.load(Ordering::Acquire);
        (file >> 40 == incarnation).then_some(file >> 20 & 0xF_FFFF)
    }
}

/// The directory of runs of the container in `dir`.
fn runs_dir(dir: &Path) -> PathBuf {
    dir.join("runs")
}

/// The directory of segments of the container in `dir`.
fn segments_dir(dir: &Path) -> PathBuf {
    dir.join("segments")
}

/// A mutex whose data stays sound if its holder panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
