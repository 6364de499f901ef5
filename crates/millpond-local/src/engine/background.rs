//! The engine's thread: syncs what is unsynced, checkpoints, compacts, follows other processes.

use std::{
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use super::{Engine, checkpoint::BULK_RUNS, maintenance::Patience};
use crate::{
    bugs::{self, Bug, planted},
    sync::{Condvar, Mutex},
};

/// How long what is unsynced may wait (rule 6 says half a second).
const INTERVAL: Duration = Duration::from_millis(400);

/// Wakes and stops the thread.
#[derive(Debug, Default)]
pub(super) struct Background {
    signal: Arc<Signal>,
}

#[derive(Debug, Default)]
struct Signal {
    state: Mutex<Wanted>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Wanted {
    work: bool,
    stop: bool,
    /// The thread is at work, and has the engine.
    busy: bool,
    /// So many want it not to begin.
    held: u32,
}

/// Keeps the thread from its work, until it is dropped.
#[derive(Debug)]
pub(crate) struct Hold(Arc<Signal>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.tell(|wanted| wanted.held -= 1);
    }
}

/// How long to wait for the end of what the thread is at.
const PATIENCE: Duration = Duration::from_secs(10);

impl Background {
    /// Begins the thread. It holds the engine only while it works.
    pub(super) fn start(engine: &Arc<Engine>) {
        let signal = engine.background.signal.clone();
        let engine = Arc::downgrade(engine);
        let thread = std::thread::Builder::new().name("millpond".into());
        // Without the thread, commits do its work when the backlog is full, and closing syncs.
        let inherit = bugs::inherit();
        let _ = thread.spawn(move || {
            inherit();
            work(&signal, &engine);
        });
    }

    /// There is something to do.
    pub(super) fn wake(&self) {
        self.signal.tell(|wanted| wanted.work = true);
    }

    /// Waits until the thread is done with what it is at, though not for ever, and keeps it from
    /// beginning again.
    pub(super) fn hold(&self) -> Hold {
        let mut state = self.signal.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.held += 1;
        if planted(Bug::CloseBesideThread) {
            return Hold(self.signal.clone());
        }
        drop(self.signal.changed.wait_timeout_while(state, PATIENCE, |wanted| wanted.busy));
        Hold(self.signal.clone())
    }

    pub(super) fn stop(&self) {
        self.signal.tell(|wanted| wanted.stop = true);
    }
}

impl Signal {
    fn tell(&self, what: impl FnOnce(&mut Wanted)) {
        what(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits for work or for the interval to end; false if there is to be no more.
    fn wait(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, INTERVAL, |wanted| !wanted.work && !wanted.stop)
            .unwrap_or_else(PoisonError::into_inner);
        while state.held > 0 && !state.stop {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.work = false;
        state.busy = !state.stop;
        !state.stop
    }
}

fn work(signal: &Signal, engine: &Weak<Engine>) {
    /// Says so when the work has ended, however it did.
    struct Busy<'a>(&'a Signal);
    impl Drop for Busy<'_> {
        fn drop(&mut self) {
            self.0.tell(|wanted| wanted.busy = false);
        }
    }
    while signal.wait() {
        // Dropped last: the engine goes before.
        let _busy = Busy(signal);
        let Some(engine) = engine.upgrade() else { return };
        if engine.check().is_err() {
            return;
        }
        // What fails here fails again, with its error, for the next caller who needs it.
        let _ = engine.tend();
    }
}

impl Engine {
    /// What has to be done now and then.
    pub(super) fn tend(&self) -> millpond_core::Result<()> {
        self.catch_up()?;
        if !planted(Bug::NoPeriodicSync) {
            self.sync_to(self.applied.load(std::sync::atomic::Ordering::Acquire))?;
        }
        if self.is_lossy() {
            return Ok(());
        }
        self.make_wanted_log();
        let (is_due, has_bulk) = {
            let state = self.state();
            (self.is_checkpoint_due(&state), state.bulk_count() >= BULK_RUNS)
        };
        if is_due || has_bulk {
            self.checkpoint(has_bulk, Patience::Background)?;
        }
        self.tend_retired()?;
        self.reclaim_segments(Patience::Background)?;
        while self.compact_step(Patience::Background)? {
            self.sync_to(self.applied.load(std::sync::atomic::Ordering::Acquire))?;
        }
        if self.control.words().writable.load(std::sync::atomic::Ordering::Acquire) != 0 {
            // A disk too full for it is no error yet.
            let _ = self.make_reserve(&super::lock(&self.applier), 0);
        }
        self.collect_garbage()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use millpond_core::Store;
    use uuid::Uuid;

    use super::*;
    use crate::{
        EngineOptions, LocalStore,
        media::{Media, SystemMedia},
    };

    /// How long the thread is at work in the test.
    const BUSY: Duration = Duration::from_millis(300);

    /// Closes two handles of a container while its thread is at work; answers how long each took.
    fn close_beside_work() -> (Duration, Duration) {
        let dir = tempfile::tempdir().expect("a directory");
        let (media, container): (Arc<dyn Media>, _) = (Arc::new(SystemMedia), Uuid::from_u128(1));
        Engine::create(&media, dir.path(), container, 1 << 16).expect("created");
        let options = EngineOptions { background: false, ..EngineOptions::default() };
        let open = || {
            LocalStore::open(media.clone(), dir.path(), container, options.clone(), false).expect("opened")
        };
        let (first, last) = (open(), open());
        let signal = first.engine().expect("open").background.signal.clone();
        signal.tell(|wanted| wanted.busy = true);
        let began = Instant::now();
        first.close().expect("closed");
        let took_first = began.elapsed();
        let work = std::thread::spawn(move || {
            std::thread::sleep(BUSY);
            signal.tell(|wanted| wanted.busy = false);
        });
        let began = Instant::now();
        last.close().expect("closed");
        let took_last = began.elapsed();
        work.join().expect("no panic");
        (took_first, took_last)
    }

    #[test]
    fn the_last_handle_alone_waits_for_the_thread() {
        let (first, last) = close_beside_work();
        assert!(first < PATIENCE / 2, "another handle is open, and closing took {first:?}");
        assert!(last >= BUSY / 2, "the thread was at work, and closing took {last:?}");
    }

    #[cfg(feature = "planted-bugs")]
    #[test]
    fn a_close_beside_the_thread_is_noticed() {
        let _planted = bugs::plant(Bug::CloseBesideThread);
        assert!(close_beside_work().1 < BUSY / 2);
    }
}
