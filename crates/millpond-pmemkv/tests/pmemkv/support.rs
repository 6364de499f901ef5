//! What the tests have in common: an engine with a place of its own.

use std::ops::ControlFlow;

use millpond_pmemkv::{Config, Engine, Range, Result, Status, Traits};
use tempfile::TempDir;

/// Bytes in an engine that isn't about its size.
const SIZE: u64 = 1 << 30;

/// An open engine, in a directory that goes with it.
pub struct Opened {
    pub engine: Engine,
    name: String,
    config: Config,
    _directory: TempDir,
}

impl Opened {
    pub fn new(name: &str) -> Self {
        Self::with(name, SIZE, &[])
    }

    pub fn sized(name: &str, size: u64) -> Self {
        Self::with(name, size, &[])
    }

    /// An engine of a size, with items of text.
    pub fn with(name: &str, size: u64, items: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = match traits(name).persistent {
            true => directory.path().join("pool"),
            false => directory.path().to_owned(),
        };
        let mut config = Config::default();
        config.put("path", path.to_str().expect("a path")).expect("an item");
        config.put("size", size).expect("an item");
        config.put("create_if_missing", true).expect("an item");
        for (name, text) in items {
            config.put(name, *text).expect("an item");
        }
        let engine = Engine::open(name, &config).expect("opened");
        Self { engine, name: name.to_owned(), config, _directory: directory }
    }

    /// The configuration that it was opened with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Closes and opens it.
    pub fn reopen(&mut self) {
        self.engine.close().expect("closed");
        self.engine = Engine::open(&self.name, &self.config).expect("opened again");
    }
}

pub fn traits(name: &str) -> &'static Traits {
    Traits::of(name).expect("an engine")
}

/// The names of the engines of which something holds, in order.
pub fn engines(which: impl Fn(&Traits) -> bool) -> Vec<&'static str> {
    Traits::all().iter().filter(|engine| which(engine)).map(|engine| engine.name).collect()
}

/// The status of what must fail.
#[track_caller]
pub fn status<T: std::fmt::Debug>(answer: Result<T>) -> Status {
    answer.expect_err("refused").status()
}

/// The records of a range, as the callback gets them.
pub fn collect(engine: &Engine, range: Range<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut records = Vec::new();
    let collected = engine.each(range, |key, value| {
        records.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    });
    collected.expect("collected");
    records
}

/// A key or a value of 8 bytes, which every engine takes.
pub fn eight(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}
