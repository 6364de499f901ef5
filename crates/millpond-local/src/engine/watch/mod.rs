//! Watching: the log is read behind those who append to it.
//!
//! A watch has a place in the log and reads on from there as far as is durable, or visible. It asks the
//! engine for a sync where something is visible that isn't durable, so that nobody waits for the engine's
//! thread; all who ask share one. It sleeps on the bell of the control memory, see `bell.rs`, and not while
//! it holds the engine, so that a container closes while somebody watches.
//!
//! What it will still read it needs until it has moved on: [`pins`]. Where it begins: [`start`].

mod commit;
mod pins;
mod start;

use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::{Duration, Instant},
};

use millpond_core::{
    Change, Epoch, Error, ErrorKind, Result, Watch, WatchOptions,
    watch::{Cursors, lagged},
};
use uuid::Uuid;

pub(super) use self::pins::Pins;
use self::{commit::Current, pins::Pin};
use super::Engine;
use crate::{
    bugs::{Bug, planted},
    control::Control,
    log::{LogFile, LogReader, LogRecord},
    manifest::Manifest,
};

/// See the module.
pub(crate) struct LocalWatch {
    engine: Weak<Engine>,
    control: Control,
    container: Uuid,
    pin: Pin,
    reader: LogReader,
    durable: bool,
    cursor: Option<String>,
    /// The epoch of the commit that it is at.
    epoch: Epoch,
    current: Option<Current>,
}

impl LocalWatch {
    /// Begins to watch.
    pub(crate) fn new(engine: &Arc<Engine>, options: &WatchOptions<'_>) -> Result<Self> {
        engine.check()?;
        let get = |key: millpond_core::Key<'_>| engine.get_newest(key);
        let commit = |commit: &millpond_core::Commit<'_>| engine.commit_now(commit);
        let cursors = Cursors { get: &get, commit: &commit };
        let mut after = options.after;
        if let (None, Some(name)) = (after, options.cursor) {
            after = cursors.find(name)?;
        }
        let (pin, reader) = engine.begin_watch(after)?;
        let epoch = reader.epoch();
        if let Some(name) = options.cursor {
            // While the pin holds what it is to keep.
            cursors.register(name, epoch)?;
        }
        Ok(Self {
            engine: Arc::downgrade(engine),
            control: engine.control.clone(),
            container: engine.container,
            pin,
            reader,
            durable: options.durable,
            cursor: options.cursor.map(str::to_owned),
            epoch,
            current: None,
        })
    }

    fn engine(&self) -> Result<Arc<Engine>> {
        let engine = self.engine.upgrade().ok_or_else(|| {
            Error::new(
                ErrorKind::Closed,
                format!("container {} is closed, and so is the watch", self.container),
            )
        })?;
        engine.check()?;
        Ok(engine)
    }

    /// The next commit that is there, if it is one that is delivered.
    fn step(&mut self, engine: &Engine) -> Result<Option<Current>> {
        loop {
            let words = engine.control.words();
            // In this order: what is durable or published reaches at least to where the newest file
            // begins.
            let newest = words.log_file.load(Ordering::Acquire);
            let is_durable = self.durable && !planted(Bug::DeliverUnsynced);
            let limit = if is_durable { &words.synced } else { &words.published };
            let limit = limit.load(Ordering::Acquire);
            let open = |number| engine.open_watched_log(number);
            let read = self.reader.next(engine.container, newest, limit, &open);
            let record = read.map_err(|error| engine.why_gone(self.epoch, error))?;
            self.pin.move_to(engine, self.reader.file());
            let Some(record) = record else { return Ok(None) };
            let LogRecord { header, payload, place } = record;
            let current = Current::new(engine, header.epoch, &payload, place)
                .map_err(|error| engine.why_gone(self.epoch, error))?;
            if current.is_delivered() {
                return Ok(Some(current));
            }
        }
    }
}

impl Watch for LocalWatch {
    fn next(&mut self, timeout: Duration) -> Result<Option<Epoch>> {
        let deadline = Instant::now().checked_add(timeout);
        self.current = None;
        loop {
            let engine = self.engine()?;
            let words = engine.control.words();
            let published = words.published.load(Ordering::SeqCst);
            if let Some(current) = self.step(&engine)? {
                self.epoch = current.epoch();
                self.current = Some(current);
                return Ok(Some(self.epoch));
            }
            if self.durable && words.synced.load(Ordering::Acquire) < published {
                engine.sync_to(published)?;
                continue;
            }
            // Whoever closes the container need not wait for those who sleep.
            drop(engine);
            let now = Instant::now();
            let deadline = deadline.unwrap_or(now + Duration::from_secs(1));
            if now >= deadline {
                return Ok(None);
            }
            let words = self.control.words();
            self.control.sleep(deadline, || words.published.load(Ordering::SeqCst) != published);
        }
    }

    fn change(&mut self) -> Result<Option<Change>> {
        match &mut self.current {
            Some(current) => current.change(),
            None => Ok(None),
        }
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn acknowledge(&mut self, epoch: Epoch) -> Result<()> {
        let Some(name) = &self.cursor else {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "the watch has no cursor that could acknowledge anything; name one when it begins",
            ));
        };
        let engine = self.engine()?;
        let get = |key: millpond_core::Key<'_>| engine.get_newest(key);
        Cursors { get: &get, commit: &|commit| engine.commit_now(commit) }.acknowledge(name, epoch)
    }
}

impl Engine {
    fn open_watched_log(&self, number: u64) -> Result<LogFile> {
        LogFile::open(&self.media, &self.log_dir(), self.container, number)
    }

    /// The error of a watch that is at epoch `at`: where what it was to read was let go of, it lags.
    fn why_gone(&self, at: Epoch, error: Error) -> Error {
        if error.kind() != ErrorKind::NotFound {
            return error;
        }
        match self.oldest_watchable() {
            Ok(restart) if restart > at => lagged(at, restart),
            Ok(_) => error.with_kind(ErrorKind::Corrupt),
            Err(other) => other,
        }
    }

    /// The epoch after which every commit can still be watched.
    fn oldest_watchable(&self) -> Result<Epoch> {
        let manifest = Manifest::load(&self.media, &self.dir, self.container)?;
        match manifest.retired.first() {
            Some(log) => Ok(log.before),
            None => Ok(self.open_watched_log(manifest.log_file)?.header.epoch),
        }
    }
}
