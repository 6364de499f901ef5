//! The threads of a workload: what each has for itself, and what they share.

use std::{
    ops::Range,
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread as threads,
};

use millpond_pmemkv::{Engine, Error};

use super::{Settings, random::Random, stats::Stats, workload::Workload};
use crate::{output::Progress, signals::Signals};

/// Operations between two looks at whether to go on.
const CHECK_OPERATIONS: u64 = 1024;

/// What a thread's random numbers begin with, but for its own number.
const SEED: u64 = 1000;

/// Where values that look random are cut from, beside their own length.
const VALUES_BYTES: u64 = 64 * 1024;

/// Why a workload ended early.
pub(super) enum Stop {
    /// The user interrupted it, or another thread failed.
    Interrupted,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What the threads of a workload share.
pub(super) struct Run<'a> {
    pub(super) engine: &'a Engine,
    pub(super) settings: &'a Settings,
    pub(super) values: &'a Values,
    /// Threads that are counted and not done: who writes while others read does so as long as there are any.
    counted: AtomicU64,
    progress: &'a Progress,
    signals: &'a Signals,
    is_stopped: AtomicBool,
}

/// Bytes that look random.
pub(super) struct Values(Vec<u8>);

/// One thread of a workload.
pub(super) struct Thread<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) random: Random,
    pub(super) stats: Stats,
    /// The key of the operation.
    pub(super) key: Vec<u8>,
    /// What was read last.
    pub(super) value: Vec<u8>,
    /// Its number among those that do the same; the one that writes while others read has none.
    number: Option<u64>,
}

impl Values {
    pub(super) fn new(value_size: usize) -> Self {
        let mut random = Random::new(301);
        let length = value_size + VALUES_BYTES as usize;
        // Bits above the lowest ones look more random.
        Self((0..length).map(|_| (random.next() >> 8) as u8).collect())
    }

    /// `length` of them, others for most `number`s.
    pub(super) fn part(&self, number: u64, length: usize) -> &[u8] {
        let start = (number % VALUES_BYTES) as usize;
        &self.0[start..start + length]
    }
}

impl<'a> Run<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        settings: &'a Settings,
        values: &'a Values,
        progress: &'a Progress,
        signals: &'a Signals,
    ) -> Self {
        let (counted, is_stopped) = (AtomicU64::new(settings.threads), AtomicBool::new(false));
        Self { engine, settings, values, counted, progress, signals, is_stopped }
    }

    /// Does a workload in all its threads, which begin together.
    pub(super) fn all(&'a self, workload: Workload) -> Result<Stats, Stop> {
        let writers = u64::from(workload == Workload::ReadWhileWriting);
        let start = &Barrier::new((self.settings.threads + writers) as usize);
        let results = threads::scope(|scope| {
            let numbers = (0..writers).map(|_| None).chain((0..self.settings.threads).map(Some));
            let handles: Vec<_> = numbers
                .zip(SEED..)
                .map(|(number, seed)| scope.spawn(move || self.one(workload, number, seed, start)))
                .collect();
            let join = |handle: threads::ScopedJoinHandle<'_, _>| {
                handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            handles.into_iter().map(join).collect::<Vec<_>>()
        });
        let mut merged: Option<Stats> = None;
        let mut interrupted = false;
        for result in results {
            match result {
                Err(Stop::Failed(error)) => return Err(Stop::Failed(error)),
                Err(Stop::Interrupted) => interrupted = true,
                Ok(None) => {}
                Ok(Some(stats)) => {
                    merged = Some(match merged.take() {
                        Some(others) => others.merge(stats),
                        None => stats,
                    });
                }
            }
        }
        merged.filter(|_| !interrupted).ok_or(Stop::Interrupted)
    }

    /// Whether some who are counted still read.
    pub(super) fn has_readers(&self) -> bool {
        self.counted.load(Ordering::Relaxed) > 0
    }

    /// Does a workload in one thread. Who writes while others read isn't counted.
    fn one(
        &'a self,
        workload: Workload,
        number: Option<u64>,
        seed: u64,
        start: &Barrier,
    ) -> Result<Option<Stats>, Stop> {
        let mut thread = Thread {
            run: self,
            random: Random::new(seed),
            stats: Stats::begin(false),
            key: vec![b'0'; self.settings.key_size],
            value: Vec::with_capacity(self.settings.value_size),
            number,
        };
        // However it ends, or nobody would tell the one that writes.
        let _counted = number.map(|_| Counted(&self.counted));
        start.wait();
        thread.stats = Stats::begin(self.settings.has_histogram());
        workload.run(&mut thread).inspect_err(|_| self.is_stopped.store(true, Ordering::Relaxed))?;
        thread.stats.end();
        Ok(number.map(|_| thread.stats))
    }
}

/// A thread that is counted, until it ends.
struct Counted<'a>(&'a AtomicU64);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Thread<'_> {
    /// Whether it writes while others read.
    pub(super) fn is_writer(&self) -> bool {
        self.number.is_none()
    }

    /// Which of so many keys or operations are its own: all, or with --disjoint a share of them.
    pub(super) fn share(&self, total: u64) -> Range<u64> {
        match self.number {
            Some(number) if self.run.settings.disjoint != 0 => {
                let at = |number| {
                    (u128::from(total) * u128::from(number) / u128::from(self.run.settings.threads)) as u64
                };
                at(number)..at(number + 1)
            }
            _ => 0..total,
        }
    }

    /// Makes the key of a number: the number's bytes, the least significant ones first, and then zeros in ASCII.
    pub(super) fn set_key(&mut self, number: u64, is_missing: bool) {
        let number = if is_missing { !number } else { number };
        let filled = self.key.len().min(8);
        self.key[..filled].copy_from_slice(&number.to_le_bytes()[..filled]);
    }

    /// Bytes of a key and its value.
    pub(super) fn record_bytes(&self) -> u64 {
        (self.key.len() + self.run.settings.value_size) as u64
    }

    /// One more operation is done. Looks now and then whether to go on.
    pub(super) fn operation(&mut self) -> Result<(), Stop> {
        self.stats.operation();
        if self.stats.done.is_multiple_of(CHECK_OPERATIONS) {
            self.run.progress.advance(CHECK_OPERATIONS);
            self.check()?;
        }
        Ok(())
    }

    /// Whether to go on.
    pub(super) fn check(&self) -> Result<(), Stop> {
        match self.run.signals.came() || self.run.is_stopped.load(Ordering::Relaxed) {
            true => Err(Stop::Interrupted),
            false => Ok(()),
        }
    }
}
