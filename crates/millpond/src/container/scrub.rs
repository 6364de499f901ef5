//! Scrubbing: every stored byte is compared with its checksum, as fast as it may go, while others work.
//!
//! A check does more: it compares records with each other. A scrub is what is run again and again, to
//! find what a device has lost before the copy of it is gone too.

use std::{
    thread,
    time::{Duration, Instant},
};

use millpond_core::{At, Error, ErrorKind, LastScrub, Result, Verifier};
use serde::Serialize;

use super::{
    Container,
    damage::{Damage, Naming},
};
use crate::{environment, pool::Pool};

/// Between two calls of [`ScrubOptions::progress`].
const PROGRESS_INTERVAL: Duration = Duration::from_millis(50);

/// Follows a scrub: bytes that are read, and how many there are about.
pub type ScrubProgress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<()>;

/// How a container is scrubbed.
#[derive(Default)]
pub struct ScrubOptions<'a> {
    /// Bytes that are read in a second, at most; at least 1.
    pub bytes_per_second: Option<u64>,
    /// Is told of progress some times a second; an error that it answers ends the scrub.
    pub progress: Option<ScrubProgress<'a>>,
}

/// What a scrub found.
#[derive(Clone, Debug, Serialize)]
pub struct ScrubReport {
    /// The canonical URL of the container.
    pub container: String,
    /// How many bytes were read.
    pub bytes: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Every damaged place, with each key whose bytes are there.
    pub damages: Vec<Damage>,
}

impl Container {
    /// Verifies every stored byte, and names what is damaged: file and offset, object, key and bytes of the
    /// value. Never stops at the first damage. Others may read and write meanwhile. Unless the handle is
    /// read-only, [`Container::query`] tells of the last scrub that was finished.
    ///
    /// ```
    /// # use millpond::{ContainerOptions, Pool, PoolOptions, ScrubOptions};
    /// # fn main() -> millpond::Result<()> {
    /// # let pool = Pool::create("mem:scrubs", PoolOptions::default())?;
    /// # let container = pool.create_container(Some("kv"), ContainerOptions::default())?;
    /// let options = ScrubOptions { bytes_per_second: Some(100 << 20), ..ScrubOptions::default() };
    /// let report = container.scrub(options)?;
    /// assert!(report.damages.is_empty());
    /// assert_eq!(container.query()?.last_scrub.map(|last| last.damages), Some(0));
    /// # Pool::destroy("mem:scrubs", true)
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`ScrubOptions::progress`]; `InvalidArgument` for a rate of 0.
    pub fn scrub(&self, options: ScrubOptions<'_>) -> Result<ScrubReport> {
        self.check_unscoped("scrub")?;
        if options.bytes_per_second == Some(0) {
            let message = "a scrub at 0 bytes a second never ends: give a greater rate, or none";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let store = self.open_store()?;
        let statistics = store.statistics()?;
        let mut pace = Pace {
            options,
            begun: Instant::now(),
            told: None,
            bytes: 0,
            total: statistics.bytes_records + statistics.bytes_segments_live + statistics.bytes_log,
            found: Vec::new(),
        };
        pace.tell(true)?;
        let bytes = store.verify_with(&mut pace)?;
        pace.total = pace.bytes;
        pace.tell(true)?;
        let elapsed = pace.begun.elapsed();
        let view = self.index()?.view(At::Latest)?;
        let mut naming = Naming::new(&*view);
        let damages: Vec<_> = pace.found.into_iter().map(|damage| naming.name(damage)).collect();
        if !self.is_read_only() {
            let last = LastScrub {
                finished: environment::seconds(),
                milliseconds: elapsed.as_millis() as u64,
                bytes,
                damages: damages.len() as u64,
            };
            self.pool().update_container(self.uuid(), &mut |entry| {
                entry.last_scrub = Some(last);
                Ok(())
            })?;
        }
        Ok(ScrubReport { container: self.url(), bytes, seconds: elapsed.as_secs_f64(), damages })
    }
}

impl Pool {
    /// Scrubs the pool's containers, one after another. See [`Container::scrub`]; progress begins anew for
    /// each of them.
    pub fn scrub(&self, options: ScrubOptions<'_>) -> Result<Vec<ScrubReport>> {
        let ScrubOptions { bytes_per_second, mut progress } = options;
        let mut reports = Vec::new();
        for summary in self.containers()? {
            let container = match self.container(&summary.uuid.to_string()) {
                Ok(container) => container,
                // It was destroyed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let progress = progress.as_mut().map(|progress| &mut **progress as ScrubProgress<'_>);
            reports.push(container.scrub(ScrubOptions { bytes_per_second, progress })?);
        }
        Ok(reports)
    }
}

/// Slows a verification down to its rate, and tells of its progress.
struct Pace<'a> {
    options: ScrubOptions<'a>,
    begun: Instant,
    told: Option<Instant>,
    bytes: u64,
    total: u64,
    found: Vec<millpond_core::Damage>,
}

impl Pace<'_> {
    fn tell(&mut self, now: bool) -> Result<()> {
        let Some(progress) = &mut self.options.progress else { return Ok(()) };
        if now || self.told.is_none_or(|told| told.elapsed() >= PROGRESS_INTERVAL) {
            self.told = Some(Instant::now());
            progress(self.bytes, self.total.max(self.bytes))?;
        }
        Ok(())
    }
}

impl Verifier for Pace<'_> {
    fn damaged(&mut self, damage: millpond_core::Damage) {
        self.found.push(damage);
    }

    fn read(&mut self, bytes: u64) -> Result<()> {
        self.bytes += bytes;
        self.tell(false)?;
        let Some(rate) = self.options.bytes_per_second else { return Ok(()) };
        // Nothing waits longer than a duration can say.
        let due = Duration::try_from_secs_f64(self.bytes as f64 / rate as f64).unwrap_or(Duration::MAX);
        while let Some(ahead) = due.checked_sub(self.begun.elapsed()).filter(|ahead| !ahead.is_zero()) {
            thread::sleep(ahead.min(PROGRESS_INTERVAL));
            self.tell(false)?;
        }
        Ok(())
    }

    fn is_thorough(&self) -> bool {
        false
    }
}
