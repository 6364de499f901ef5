//! What the watches of this process still need of the log, as its slot tells the others.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak, atomic::Ordering},
};

use crate::{
    control::NOT_WATCHING,
    engine::{Engine, lock},
    fork,
    sync::Mutex,
};

/// The oldest log file that each watch needs, by the number of the watch.
#[derive(Debug, Default)]
pub(in crate::engine) struct Pins(Mutex<Files>);

#[derive(Debug, Default)]
struct Files {
    made: u64,
    files: BTreeMap<u64, u64>,
}

/// What one watch needs, until it is dropped.
#[derive(Debug)]
pub(super) struct Pin {
    engine: Weak<Engine>,
    fork: u64,
    number: u64,
    file: u64,
}

impl Pin {
    pub(super) fn new(engine: &Arc<Engine>, file: u64) -> Self {
        let number = engine.change_pins(|pins| {
            pins.made += 1;
            pins.files.insert(pins.made, file);
            pins.made
        });
        Self { engine: Arc::downgrade(engine), fork: fork::generation(), number, file }
    }

    /// Needs log files from `file` on.
    pub(super) fn move_to(&mut self, engine: &Engine, file: u64) {
        if file != self.file {
            self.file = file;
            engine.change_pins(|pins| pins.files.insert(self.number, file));
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // In a forked child, the slot is the parent's.
        if self.fork == fork::generation()
            && let Some(engine) = self.engine.upgrade()
        {
            engine.change_pins(|pins| pins.files.remove(&self.number));
        }
    }
}

impl Engine {
    fn change_pins<T>(&self, change: impl FnOnce(&mut Files) -> T) -> T {
        let mut pins = lock(&self.pins.0);
        let done = change(&mut pins);
        let oldest = pins.files.values().min().copied().unwrap_or(NOT_WATCHING);
        self.own_slot().watching.store(oldest, Ordering::SeqCst);
        done
    }
}
