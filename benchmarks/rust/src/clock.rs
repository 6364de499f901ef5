//! Wall time, processor time, memory and bytes written, of this process.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{Result, job::Figure};

/// How often to look whether the store is still busy.
const LOOK: Duration = Duration::from_millis(100);

/// Looks without work after which a store counts as idle.
const IDLE_LOOKS: u32 = 2;

/// Looks after which no more work is waited for.
const LOOKS_MAX: u32 = 100;

/// Nanoseconds of a clock that all processes share.
pub fn now_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

/// Nanoseconds of processor time of all threads of this process.
pub fn cpu_ns() -> u64 {
    read(libc::CLOCK_PROCESS_CPUTIME_ID)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer, and both clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// When some work began.
#[derive(Clone, Copy)]
pub struct Start {
    wall_ns: u64,
    cpu_ns: u64,
}

impl Start {
    /// Now.
    pub fn now() -> Self {
        Self { wall_ns: now_ns(), cpu_ns: cpu_ns() }
    }

    /// The earlier one of two.
    pub fn min(self, other: Self) -> Self {
        if other.wall_ns < self.wall_ns { other } else { self }
    }

    /// What was done from then until `end_ns`. With `settle`, the processor time includes what the
    /// store still does afterwards in the background: it was caused by this work, and must not burden
    /// the next.
    pub fn figure(self, end_ns: u64, operations: u64, settle: bool) -> Figure {
        if settle {
            wait_until_idle();
        }
        Figure {
            operations,
            wall_s: (end_ns - self.wall_ns) as f64 / 1e9,
            cpu_s: (cpu_ns() - self.cpu_ns) as f64 / 1e9,
            start_s: self.wall_ns as f64 / 1e9,
        }
    }
}

/// Times some work of one thread. See [`Start::figure`].
pub fn timed(operations: u64, settle: bool, work: impl FnOnce() -> Result<()>) -> Result<Figure> {
    let start = Start::now();
    work()?;
    Ok(start.figure(now_ns(), operations, settle))
}

/// The median of some times in nanoseconds, in seconds.
pub fn median_s(mut times_ns: Vec<u64>) -> f64 {
    times_ns.sort_unstable();
    times_ns[times_ns.len() / 2] as f64 / 1e9
}

/// The median of some times in nanoseconds, as a figure of one operation on the clock.
pub fn median(times_ns: Vec<u64>) -> Figure {
    Figure { operations: 1, wall_s: median_s(times_ns), cpu_s: 0.0, start_s: 0.0 }
}

/// How many nanoseconds some work takes.
pub fn nanoseconds(work: impl FnOnce() -> Result<()>) -> Result<u64> {
    let begun = now_ns();
    work()?;
    Ok(now_ns() - begun)
}

/// Waits until the store does nothing in the background any more.
pub fn wait_until_idle() {
    let mut idle = 0;
    for _ in 0..LOOKS_MAX {
        let before = cpu_ns();
        thread::sleep(LOOK);
        let busy = Duration::from_nanos(cpu_ns() - before) > LOOK / 50;
        idle = if busy { 0 } else { idle + 1 };
        if idle == IDLE_LOOKS {
            return;
        }
    }
}

/// Bytes that this process has caused to be written to storage so far.
pub fn written_bytes() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.ok_or("/proc/self/io has no line of write_bytes")?.parse()?)
}

/// Watches how much memory of its own this process has: what is neither mapped from a file nor shared.
pub struct MemoryWatch {
    stop: Arc<AtomicBool>,
    greatest: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl MemoryWatch {
    /// Begins to watch.
    pub fn start() -> Self {
        let (stop, greatest) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = thread::spawn({
            let (stop, greatest) = (stop.clone(), greatest.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    greatest.fetch_max(anonymous_kib().unwrap_or(0), Ordering::Relaxed);
                    thread::sleep(Duration::from_millis(20));
                }
            }
        });
        Self { stop, greatest, thread }
    }

    /// Stops, and answers the greatest amount seen, in MiB.
    pub fn finish(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        // A panic of the watch would show as a figure of zero, which no reader believes.
        let _ = self.thread.join();
        self.greatest.load(Ordering::Relaxed) as f64 / 1024.0
    }
}

fn anonymous_kib() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    Ok(line.ok_or("no RssAnon")?.trim().trim_end_matches(" kB").parse()?)
}
