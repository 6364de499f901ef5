//! The machine: what its processes have in common.

use std::{
    fmt, io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    choice::Choice,
    disk::Disk,
    faults::{Faults, Verdict, die},
    locks::Locks,
    operation::{Operation, OperationKind},
    process::SimMedia,
};
use crate::random::Random;

/// A simulated machine. A clone is the same machine.
#[derive(Clone, Debug)]
pub struct SimMachine(Arc<Mutex<State>>);

/// A machine just before an operation that may change its disk, as an observer sees it.
#[derive(Debug)]
pub struct Moment<'a> {
    /// What is about to be done.
    pub operation: &'a Operation,
    disk: &'a Disk,
    seed: u64,
}

/// What an observer of a machine is; see [`SimMachine::observe`].
pub type Observer = Box<dyn FnMut(&Moment<'_>) + Send>;

pub(super) struct State {
    pub(super) disk: Disk,
    pub(super) locks: Locks,
    pub(super) random: Random,
    pub(super) processes: Vec<Faults>,
    pub(super) open_files: u64,
    clock_us: u64,
    operations: Vec<Operation>,
    count: u64,
    recording: bool,
    observer: Option<Observer>,
    seed: u64,
}

impl SimMachine {
    /// A machine with an empty disk. `seed` decides what its processes draw as random numbers.
    pub fn new(seed: u64) -> Self {
        Self::with_disk(Disk::default(), seed, Duration::from_secs(1_750_000_000))
    }

    fn with_disk(disk: Disk, seed: u64, clock: Duration) -> Self {
        Self(Arc::new(Mutex::new(State {
            disk,
            locks: Locks::default(),
            random: Random::new(seed),
            processes: Vec::new(),
            open_files: 0,
            clock_us: clock.as_micros() as u64,
            operations: Vec::new(),
            count: 0,
            recording: true,
            observer: None,
            seed,
        })))
    }

    /// A new process, as its [`Media`](millpond_local::media::Media).
    pub fn process(&self) -> Arc<SimMedia> {
        let mut state = self.state();
        state.processes.push(Faults::default());
        Arc::new(SimMedia::new(self.clone(), state.processes.len() as u64 - 1))
    }

    /// A machine that holds one of the disks that a loss of power at this moment may leave.
    pub fn power_cut(&self, seed: u64) -> SimMachine {
        self.cut(&mut Choice::of_seed(seed), seed)
    }

    /// The machine after a loss of power that took everything unsynced.
    pub fn power_cut_worst(&self) -> SimMachine {
        self.cut(&mut Choice::KeepNothing, u64::MAX)
    }

    /// The machine after a loss of power that took nothing but the memory.
    pub fn power_cut_none(&self) -> SimMachine {
        self.cut(&mut Choice::KeepAll, u64::MAX - 1)
    }

    fn cut(&self, choice: &mut Choice, salt: u64) -> SimMachine {
        let state = self.state();
        let seed = state.seed.wrapping_mul(31).wrapping_add(salt).wrapping_add(1);
        let clock = Duration::from_micros(state.clock_us) + Duration::from_secs(60);
        Self::with_disk(state.disk.after_power_cut(choice), seed, clock)
    }

    /// A copy of the machine as it is, without its processes and their locks; its unsynced changes
    /// are unsynced in the copy.
    pub fn fork(&self) -> SimMachine {
        let state = self.state();
        let clock = Duration::from_micros(state.clock_us);
        Self::with_disk(state.disk.fork(), state.seed.wrapping_mul(31), clock)
    }

    /// Has `observer` called before each operation that may change the disk, or nobody.
    pub fn observe(&self, observer: Option<Observer>) {
        self.state().observer = observer;
    }

    /// Lets the disk hold no more than this many bytes, what it holds included.
    pub fn full_disk(&self, limit_bytes: Option<u64>) {
        self.state().disk.capacity_bytes = limit_bytes;
    }

    /// The bytes that all files take.
    pub fn bytes_allocated(&self) -> u64 {
        self.state().disk.bytes_allocated()
    }

    /// Drops the pages of the cache that the kernel takes for clean. After a failed sync, what was
    /// read until now may be gone.
    pub fn evict(&self, seed: u64) {
        self.state().disk.evict(&mut Choice::of_seed(seed));
    }

    /// Turns over the bits of `mask` in a byte of a file.
    ///
    /// # Errors
    /// Where there is no such file or byte.
    pub fn flip(&self, path: &Path, byte: u64, mask: u8) -> io::Result<()> {
        let mut state = self.state();
        let node = state.disk.find(path)?;
        let flipped = state.disk.file_mut(node)?.flip(byte, mask);
        if flipped { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// The content of a file.
    ///
    /// # Errors
    /// Where there is no such file.
    pub fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        let node = state.disk.find(path)?;
        Ok(state.disk.file(node)?.content().to_vec())
    }

    /// The paths of all files below `path`, in order.
    ///
    /// # Errors
    /// Where there is no such directory.
    pub fn files(&self, path: &Path) -> io::Result<Vec<std::path::PathBuf>> {
        let state = self.state();
        let mut files = Vec::new();
        let mut open = vec![path.to_path_buf()];
        while let Some(path) = open.pop() {
            let node = state.disk.find(&path)?;
            match state.disk.entries(node) {
                Ok(entries) => open.extend(entries.keys().map(|name| path.join(name))),
                Err(_) => files.push(path),
            }
        }
        files.sort();
        Ok(files)
    }

    /// How many calls processes have made.
    pub fn count(&self) -> u64 {
        self.state().count
    }

    /// The calls that processes have made, in order.
    pub fn operations(&self) -> Vec<Operation> {
        self.state().operations.clone()
    }

    /// Forgets the recorded operations; their numbers go on.
    pub fn forget_operations(&self) {
        self.state().operations.clear();
    }

    /// Whether to record operations; counted they are in any case.
    pub fn record(&self, recording: bool) {
        self.state().recording = recording;
    }

    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        self.state().clock_us += by.as_micros() as u64;
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Moment<'_> {
    /// A copy of the machine at this moment; see [`SimMachine::fork`].
    pub fn fork(&self) -> SimMachine {
        SimMachine::with_disk(
            self.disk.fork(),
            self.seed.wrapping_mul(31).wrapping_add(self.operation.number),
            Duration::from_secs(1_750_001_000),
        )
    }
}

impl State {
    /// Counts and records a call of a process, and decides what becomes of it.
    pub(super) fn admit(&mut self, process: u64, kind: OperationKind, call: Call<'_>) -> Verdict {
        let faults = &mut self.processes[process as usize];
        if faults.killed {
            return Verdict::Dead;
        }
        let operation = Operation {
            number: self.count,
            process,
            kind,
            path: call.path.to_path_buf(),
            offset: call.offset,
            length: call.length,
        };
        self.count += 1;
        self.clock_us += 1;
        if kind.changes_disk()
            && let Some(mut observer) = self.observer.take()
        {
            observer(&Moment { operation: &operation, disk: &self.disk, seed: self.seed });
            self.observer = Some(observer);
        }
        if self.recording {
            self.operations.push(operation);
        }
        let verdict = self.processes[process as usize].judge(kind, call.length);
        if self.processes[process as usize].killed {
            self.locks.release_where(|owner| owner.process == process);
        }
        verdict
    }

    /// The answer to a call of a process that is dead, if it is to have one.
    pub(super) fn dead(&self, process: u64) -> io::Error {
        die(self.processes[process as usize].unwinds)
    }

    pub(super) fn now(&mut self) -> Duration {
        self.clock_us += 1;
        Duration::from_micros(self.clock_us)
    }
}

/// What a call is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) path: &'a Path,
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("seed", &self.seed)
            .field("count", &self.count)
            .field("processes", &self.processes)
            .finish_non_exhaustive()
    }
}
