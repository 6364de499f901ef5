//! A process of the simulated machine: the [`Media`] that a store runs on.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, MutexGuard},
    time::Duration,
};

use millpond_local::media::{File, Lock, LockFile, Media, OpenMode, Shared};

use super::{
    directory::NodeId,
    disk::Node,
    faults::{Interposed, Kill, Planned, PlannedPanic, Verdict},
    file::FileState,
    locks::Owner,
    machine::{Call, SimMachine, State},
    memory::Memory,
    operation::OperationKind,
};
use crate::random::Random;

/// One process of a [`SimMachine`]. Faults count calls from when they are set up: 1 is the next.
#[derive(Clone, Debug)]
pub struct SimMedia {
    machine: SimMachine,
    process: u64,
}

impl SimMedia {
    pub(super) fn new(machine: SimMachine, process: u64) -> Self {
        Self { machine, process }
    }

    /// The machine that it runs on.
    pub fn machine(&self) -> &SimMachine {
        &self.machine
    }

    /// Its number, as operations are recorded under.
    pub fn number(&self) -> u64 {
        self.process
    }

    /// How many calls it has made.
    pub fn count(&self) -> u64 {
        self.machine.state().processes[self.process as usize].calls
    }

    /// Kills the process at its `n`-th call, which isn't carried out.
    pub fn kill_at(&self, n: u64) {
        self.plan_kill(n, None);
    }

    /// Kills the process at its `n`-th call, of which, if it is a write, a part is carried out.
    pub fn kill_at_torn(&self, n: u64, seed: u64) {
        self.plan_kill(n, Some(Random::new(seed)));
    }

    fn plan_kill(&self, n: u64, tear: Option<Random>) {
        let mut state = self.machine.state();
        state.processes[self.process as usize].kill = Some(Kill { countdown: n.max(1), tear });
    }

    /// Has the calls of the process, once it is killed, unwind their threads with [`Killed`]
    /// instead of answering an error: no error path runs in a process that is dead. Whoever drives
    /// the process catches it.
    ///
    /// [`Killed`]: super::Killed
    pub fn unwind_when_killed(&self) {
        self.machine.state().processes[self.process as usize].unwinds = true;
    }

    /// Kills the process now.
    pub fn kill(&self) {
        let mut state = self.machine.state();
        state.processes[self.process as usize].killed = true;
        state.locks.release_where(|owner| owner.process == self.process);
    }

    /// Panics at its `n`-th call, which isn't carried out or, if it is a write, in part only; once.
    /// The process lives on.
    pub fn panic_at(&self, n: u64, seed: u64) {
        let plan = Kill { countdown: n.max(1), tear: Some(Random::new(seed)) };
        self.machine.state().processes[self.process as usize].panic = Some(plan);
    }

    /// Fails its `n`-th call, whatever it is.
    pub fn fail_at(&self, n: u64, errno: i32) {
        let mut state = self.machine.state();
        state.processes[self.process as usize].fail_any.push(Planned::once(n, errno));
    }

    /// Fails every call from its `n`-th on.
    pub fn fail_from(&self, n: u64, errno: i32) {
        let mut state = self.machine.state();
        let planned = Planned { times: u64::MAX, ..Planned::once(n, errno) };
        state.processes[self.process as usize].fail_any.push(planned);
    }

    /// Fails its `n`-th sync of a file or directory. What wasn't synced then never is, unless it
    /// is written again.
    pub fn fail_sync_at(&self, n: u64, errno: i32) {
        let mut state = self.machine.state();
        state.processes[self.process as usize].fail_sync.push(Planned::once(n, errno));
    }

    /// Kills the process in its `n`-th sync, which fails: nobody hears of it.
    pub fn die_in_failed_sync_at(&self, n: u64) {
        self.machine.state().processes[self.process as usize].fatal_sync = Some(n.max(1));
    }

    /// Fails its `n`-th write or change of a length.
    pub fn fail_write_at(&self, n: u64, errno: i32) {
        let mut state = self.machine.state();
        state.processes[self.process as usize].fail_write.push(Planned::once(n, errno));
    }

    /// Makes half of the reads and writes short or interrupted, or none any more.
    pub fn short_io(&self, seed: Option<u64>) {
        self.machine.state().processes[self.process as usize].short = seed.map(Random::new);
    }

    /// Takes back all faults that were set up and haven't come; a killed process stays dead.
    pub fn heal(&self) {
        let mut state = self.machine.state();
        let faults = &mut state.processes[self.process as usize];
        faults.kill = None;
        faults.panic = None;
        faults.fatal_sync = None;
        faults.fail_any.clear();
        faults.fail_sync.clear();
        faults.fail_write.clear();
        faults.short = None;
    }

    /// Has `work` done just before its `n`-th call, as something that another process does in
    /// between.
    pub fn interpose(&self, n: u64, work: impl FnOnce() + Send + 'static) {
        let interposed = Interposed::new(n, Box::new(work));
        self.machine.state().processes[self.process as usize].interposed = Some(interposed);
    }

    /// The machine, for a call of this process.
    fn enter(&self) -> MutexGuard<'_, State> {
        let mut state = self.machine.state();
        if let Some(work) = state.processes[self.process as usize].due_work() {
            drop(state);
            work();
            state = self.machine.state();
        }
        state
    }

    fn call<T>(
        &self,
        kind: OperationKind,
        path: &Path,
        body: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.enter();
        match state.admit(self.process, kind, Call { path, offset: 0, length: 0 }) {
            Verdict::Go | Verdict::Short(_) => body(&mut state),
            Verdict::Fail(error) => Err(error),
            Verdict::Dead | Verdict::DieAfter(_) | Verdict::DieInFailedSync => Err(state.dead(self.process)),
            Verdict::PanicAfter(_) => panic_now(state),
        }
    }
}

fn panic_now<T>(state: MutexGuard<'_, State>) -> io::Result<T> {
    drop(state);
    std::panic::resume_unwind(Box::new(PlannedPanic))
}

impl Planned {
    fn once(n: u64, errno: i32) -> Self {
        Self { countdown: n.max(1), times: 1, errno }
    }
}

impl Media for SimMedia {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let kind = if mode == OpenMode::Create { OperationKind::Create } else { OperationKind::Open };
        self.call(kind, path, |state| {
            let found = state.disk.find(path);
            let node = match mode {
                OpenMode::Read | OpenMode::Write => found?,
                OpenMode::Create => match found {
                    Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
                    Err(_) => state.disk.create(path, Node::File(FileState::default()))?,
                },
            };
            state.disk.file(node)?;
            let writable = mode != OpenMode::Read;
            Ok(Arc::new(SimFile { media: self.clone(), node, path: path.into(), writable }) as Arc<dyn File>)
        })
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.call(OperationKind::CreateDir, path, |state| state.disk.create_dir(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(OperationKind::Rename, to, |state| state.disk.rename(from, to))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(OperationKind::Link, to, |state| state.disk.link(from, to))
    }

    fn symlink(&self, target: &str, at: &Path) -> io::Result<()> {
        self.call(OperationKind::Link, at, |state| {
            if state.disk.find(at).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            // A file of that content stands for it: nobody follows links here.
            let node = state.disk.create(at, Node::File(FileState::default()))?;
            state.disk.file_mut(node)?.write(target.as_bytes(), 0);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(OperationKind::Remove, path, |state| state.disk.remove(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.call(OperationKind::RemoveDir, path, |state| state.disk.remove_dir(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.call(OperationKind::List, path, |state| {
            let node = state.disk.find(path)?;
            let mut names: Vec<String> = state.disk.entries(node)?.keys().cloned().collect();
            // In no order: whoever relies on one finds out.
            for at in (1..names.len()).rev() {
                let other = state.random.index(at + 1);
                names.swap(at, other);
            }
            Ok(names)
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.enter();
        match state.admit(self.process, OperationKind::SyncDir, Call { path, offset: 0, length: 0 }) {
            Verdict::Go | Verdict::Short(_) => state.disk.sync_dir(path),
            Verdict::Fail(error) => {
                state.disk.fail_sync_dir(path)?;
                Err(error)
            }
            Verdict::DieInFailedSync => {
                state.disk.fail_sync_dir(path)?;
                Err(state.dead(self.process))
            }
            Verdict::Dead | Verdict::DieAfter(_) => Err(state.dead(self.process)),
            Verdict::PanicAfter(_) => panic_now(state),
        }
    }

    fn lock_file(&self, path: &Path) -> io::Result<Arc<dyn LockFile>> {
        self.call(OperationKind::LockFile, path, |state| {
            let node = match state.disk.find(path) {
                Ok(node) => node,
                Err(_) => state.disk.create(path, Node::File(FileState::default()))?,
            };
            state.disk.file(node)?;
            state.open_files += 1;
            let owner = Owner { process: self.process, open_file: state.open_files };
            Ok(Arc::new(SimLockFile { media: self.clone(), node, path: path.into(), owner })
                as Arc<dyn LockFile>)
        })
    }

    fn share(&self, path: &Path, length: usize, fresh: bool) -> io::Result<Arc<dyn Shared>> {
        self.call(OperationKind::Share, path, |state| {
            if fresh {
                let memory = Arc::new(Memory::new(length));
                state.disk.create(path, Node::Memory(memory.clone()))?;
                return Ok(memory as Arc<dyn Shared>);
            }
            let node = state.disk.find(path)?;
            let memory = state.disk.memory(node)?;
            if memory.length() < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(memory as Arc<dyn Shared>)
        })
    }

    fn now(&self) -> Duration {
        self.machine.state().now()
    }

    fn random(&self) -> u64 {
        self.machine.state().random.number()
    }

    fn check_dir(&self, path: &Path) -> io::Result<()> {
        self.call(OperationKind::CheckDir, path, |state| state.disk.directory(path).map(|_| ()))
    }

    fn killed(&self) -> bool {
        self.machine.state().processes[self.process as usize].killed
    }
}

#[derive(Debug)]
struct SimFile {
    media: SimMedia,
    node: NodeId,
    path: PathBuf,
    writable: bool,
}

impl SimFile {
    fn call<T>(
        &self,
        kind: OperationKind,
        offset: u64,
        length: u64,
        body: impl FnOnce(&mut State, usize) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.media.enter();
        match state.admit(self.media.process, kind, Call { path: &self.path, offset, length }) {
            Verdict::Go => body(&mut state, length as usize),
            Verdict::Short(length) => body(&mut state, length),
            Verdict::Fail(error) => {
                if kind == OperationKind::Sync {
                    state.disk.file_mut(self.node)?.fail_sync();
                }
                Err(error)
            }
            Verdict::DieAfter(length) => {
                body(&mut state, length)?;
                Err(state.dead(self.media.process))
            }
            Verdict::DieInFailedSync => {
                state.disk.file_mut(self.node)?.fail_sync();
                Err(state.dead(self.media.process))
            }
            Verdict::Dead => Err(state.dead(self.media.process)),
            Verdict::PanicAfter(length) => {
                if kind.tears() {
                    body(&mut state, length)?;
                }
                panic_now(state)
            }
        }
    }

    fn check_writable(&self) -> io::Result<()> {
        // What a descriptor opened for reading answers.
        if self.writable { Ok(()) } else { Err(io::Error::other("the file is open for reading only")) }
    }
}

impl File for SimFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.call(OperationKind::Read, offset, into.len() as u64, |state, length| {
            Ok(state.disk.file(self.node)?.read(&mut into[..length], offset))
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.check_writable()?;
        self.call(OperationKind::Write, offset, bytes.len() as u64, |state, length| {
            if length == 0 {
                return Ok(0);
            }
            let length = state.disk.room_for(self.node, offset, length as u64)? as usize;
            state.disk.file_mut(self.node)?.write(&bytes[..length], offset);
            Ok(length)
        })
    }

    fn store(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        // Memory is written in pieces, in any order: a process may be killed between two of them.
        let pieces = pieces(bytes.len(), &mut self.media.machine.state().random);
        for piece in pieces {
            let (bytes, offset) = (&bytes[piece.clone()], offset + piece.start as u64);
            self.call(OperationKind::Store, offset, bytes.len() as u64, |state, length| {
                if state.disk.room_for(self.node, offset, length as u64)? < length as u64 {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                state.disk.file_mut(self.node)?.write(&bytes[..length], offset);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.call(OperationKind::Sync, 0, 0, |state, _| {
            state.disk.file_mut(self.node)?.sync();
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.call(OperationKind::Length, 0, 0, |state, _| Ok(state.disk.file(self.node)?.length()))
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.check_writable()?;
        self.call(OperationKind::SetLength, length, 0, |state, _| {
            state.disk.file_mut(self.node)?.set_length(length);
            Ok(())
        })
    }
}

/// One to three parts of `length` bytes, in any order.
fn pieces(length: usize, random: &mut Random) -> Vec<Range<usize>> {
    let mut ends = vec![random.index(length + 1), random.index(length + 1), length];
    ends.sort_unstable();
    let mut start = 0;
    let mut pieces: Vec<_> = ends.into_iter().map(|end| std::mem::replace(&mut start, end)..end).collect();
    pieces.retain(|piece| !piece.is_empty());
    for at in (1..pieces.len()).rev() {
        let other = random.index(at + 1);
        pieces.swap(at, other);
    }
    pieces
}

#[derive(Debug)]
struct SimLockFile {
    media: SimMedia,
    node: NodeId,
    path: PathBuf,
    owner: Owner,
}

impl SimLockFile {
    fn call<T>(
        &self,
        kind: OperationKind,
        byte: u64,
        may_fail: bool,
        body: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.media.enter();
        match state.admit(self.media.process, kind, Call { path: &self.path, offset: byte, length: 1 }) {
            Verdict::Go | Verdict::Short(_) => body(&mut state),
            Verdict::Fail(error) if may_fail => Err(error),
            Verdict::Fail(_) => body(&mut state),
            Verdict::Dead | Verdict::DieAfter(_) | Verdict::DieInFailedSync => {
                Err(state.dead(self.media.process))
            }
            Verdict::PanicAfter(_) => panic_now(state),
        }
    }
}

impl LockFile for SimLockFile {
    fn try_lock(&self, byte: u64, lock: Lock) -> io::Result<bool> {
        // A kernel that can't give a lock back is not a fault that anybody plans for.
        self.call(OperationKind::TryLock, byte, lock != Lock::None, |state| {
            Ok(state.locks.try_lock(self.node, byte, self.owner, lock))
        })
    }

    fn is_locked(&self, byte: u64) -> io::Result<bool> {
        self.call(OperationKind::IsLocked, byte, true, |state| {
            Ok(state.locks.is_locked(self.node, byte, self.owner))
        })
    }
}

impl Drop for SimLockFile {
    fn drop(&mut self) {
        self.media.machine.state().locks.release_where(|owner| *owner == self.owner);
    }
}
