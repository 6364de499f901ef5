//! Watching a container: each commit, whole and in order, as what it did to dictionaries.
//!
//! What a commit did to the index comes from the backend; [`decode`] says what that means for an object.
//! Records that only keep the books (counters, headers, names) are no changes of their own.

mod change;
mod decode;
mod options;
mod set;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use millpond_core::{Commit, Epoch, Error, ErrorKind, Key, Result, watch::Cursors};

use self::decode::Decoder;
pub use self::{
    change::{Change, ChangeKind},
    options::WatchOptions,
    set::ChangeSet,
};
use crate::container::Container;

/// How long to wait at a time where nobody said for how long.
const FOREVER: Duration = Duration::from_secs(60 * 60);

/// How often a cursor is moved past commits that the watch has no interest in.
const CURSOR_INTERVAL: Duration = Duration::from_secs(1);

/// A registered cursor: what was committed after its epoch is kept for it.
pub type WatchCursor = millpond_core::watch::Cursor;

/// Follows the commits of a container. See [`Container::watch`].
///
/// As an iterator it waits for the next commit for as long as it takes, and ends only by an error, which
/// it repeats. [`Watch::next_within`] waits for so long and no longer.
pub struct Watch {
    container: Container,
    source: Arc<Mutex<Source>>,
    cursor: Option<Idle>,
}

/// A cursor that may be moved on although nothing is delivered.
struct Idle {
    /// Something was delivered that is not acknowledged yet.
    owes: bool,
    moved: Instant,
    epoch: Epoch,
}

/// The backend's watch, and how it is read.
struct Source {
    watch: Box<dyn millpond_core::Watch>,
    decoder: Decoder,
    /// Counts the commits that it went to.
    turn: u64,
}

impl Source {
    /// The next change of the commit that is one for the watch.
    fn change(&mut self) -> Result<Option<Change>> {
        let epoch = self.watch.epoch();
        while let Some(change) = self.watch.change()? {
            if let Some(change) = self.decoder.decode(epoch, change)? {
                return Ok(Some(change));
            }
        }
        Ok(None)
    }
}

fn lock(source: &Mutex<Source>) -> MutexGuard<'_, Source> {
    source.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    pub(crate) fn new(container: &Container, options: WatchOptions) -> Result<Self> {
        let watch = container.open_store()?.index().watch(&millpond_core::WatchOptions {
            after: options.after,
            cursor: options.cursor.as_deref(),
            durable: options.durable,
        });
        let watch = watch.map_err(|error| error.context(format_args!("can't watch {container}")))?;
        let epoch = watch.epoch();
        let cursor = options.cursor.is_some().then(|| Idle { owes: false, moved: Instant::now(), epoch });
        let decoder = Decoder::new(container.clone(), options);
        let source = Arc::new(Mutex::new(Source { watch, decoder, turn: 0 }));
        Ok(Self { container: container.clone(), source, cursor })
    }

    /// The next commit with a change that the watch is to tell of, for which it waits up to `timeout`;
    /// nothing where none came.
    ///
    /// # Errors
    /// `Lagged` when what comes next is no longer kept: [`Error::restart_epoch`] says after which epoch a
    /// new watch can begin. `Closed` once the container is closed.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Option<ChangeSet>> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let left =
                deadline.map_or(FOREVER, |deadline| deadline.saturating_duration_since(Instant::now()));
            let mut source = lock(&self.source);
            source.turn += 1;
            let next = source.watch.next(left);
            let next = next.map_err(|error| error.context(format_args!("watching {}", self.container)))?;
            let Some(epoch) = next else {
                drop(source);
                self.move_idle_cursor();
                return Ok(None);
            };
            source.decoder.begin_commit();
            let set = ChangeSet::read(&mut source, epoch, &self.source);
            drop(source);
            match set {
                Some(set) => {
                    if let Some(idle) = &mut self.cursor {
                        idle.owes = true;
                    }
                    return Ok(Some(set));
                }
                None => self.move_idle_cursor(),
            }
        }
    }

    /// The epoch up to which everything was delivered, or passed over as nothing to tell of: what a
    /// consumer stores to go on from there.
    pub fn epoch(&self) -> Epoch {
        lock(&self.source).watch.epoch()
    }

    /// Has the cursor know that all is done with up to `epoch`, so that it need not be kept any more.
    ///
    /// # Errors
    /// `InvalidArgument` for a watch without a cursor; `NotFound` when the cursor was removed.
    pub fn acknowledge(&mut self, epoch: Epoch) -> Result<()> {
        let mut source = lock(&self.source);
        source.watch.acknowledge(epoch)?;
        if let Some(idle) = &mut self.cursor {
            idle.owes = epoch < source.watch.epoch();
            (idle.moved, idle.epoch) = (Instant::now(), epoch);
        }
        Ok(())
    }

    /// Nobody acknowledges what isn't delivered: a cursor whose watch has no interest in what is committed
    /// would fall behind.
    fn move_idle_cursor(&mut self) {
        let Some(idle) = &mut self.cursor else { return };
        if idle.owes || idle.moved.elapsed() < CURSOR_INTERVAL {
            return;
        }
        let mut source = lock(&self.source);
        let epoch = source.watch.epoch();
        idle.moved = Instant::now();
        if epoch > idle.epoch && source.watch.acknowledge(epoch).is_ok() {
            // Where it fails, the next time may do.
            idle.epoch = epoch;
        }
    }
}

impl Iterator for Watch {
    type Item = Result<ChangeSet>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_within(FOREVER) {
                Ok(None) => {}
                Ok(Some(set)) => return Some(Ok(set)),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch(of {}, at epoch {})", self.container, self.epoch())
    }
}

impl Container {
    /// Follows the container's commits, by whatever thread or process: each is delivered whole, in order
    /// and once, from a moment on, after an epoch, or where a cursor stands.
    ///
    /// # Errors
    /// `Lagged` when what follows on that epoch is no longer kept; `NotSupported` for a container on a
    /// Ceph cluster.
    pub fn watch(&self, options: WatchOptions) -> Result<Watch> {
        self.check_unscoped("watch")?;
        if options.cursor.is_some() {
            self.check_writable()?;
        }
        Watch::new(self, options)
    }

    /// The cursors that are registered, by name.
    pub fn watch_cursors(&self) -> Result<Vec<WatchCursor>> {
        let mut cursors = self.with_cursors(|cursors| cursors.list())?;
        cursors.sort_by(|one, two| one.name.cmp(&two.name));
        Ok(cursors)
    }

    /// Removes a cursor: nothing is kept for it any more.
    ///
    /// # Errors
    /// `NotFound` where there is none of that name.
    pub fn remove_watch_cursor(&self, name: &str) -> Result<()> {
        self.check_unscoped("remove a cursor")?;
        self.check_writable()?;
        self.with_cursors(|cursors| cursors.remove(name))
    }

    fn with_cursors<T>(&self, work: impl FnOnce(Cursors<'_>) -> Result<T>) -> Result<T> {
        let index = self.open_store()?.index();
        let get = |key: Key<'_>| index.get(key);
        work(Cursors { get: &get, commit: &|commit: &Commit<'_>| index.commit(commit) })
    }
}

/// What a change set answers whose watch has gone on.
fn gone_on(epoch: Epoch) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!(
            "the watch has gone on, and not all changes of commit {epoch} were taken; take them before the next one"
        ),
    )
}
