//! The memory that the processes of one container share.
//!
//! ```text
//! words   what is published and synced, which log file and manifest are current, the locks' state
//! locks   three robust mutexes: commit, sync, maintenance
//! slots   one for each process: the oldest manifest and epoch that it uses, and the oldest log file
//! ```
//!
//! Invariants:
//! - Nothing here is ever read that was left by a last holder: whoever is alone rebuilds it (rule 9).
//! - `published` only grows, and only under the commit lock; a record is complete before it moves.
//! - Every log file before `log_file` is synced.
//! - `synced` never passes what is durable.

use std::{
    ptr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use millpond_core::{Error, ErrorKind, Result};

use crate::{
    bugs::{Bug, planted},
    media::{Media, Shared},
    sync::{SharedU64, pause},
};

/// Bytes of the control file.
pub(crate) const CONTROL_BYTES: usize = 16 * 1024;

/// Processes that can have one container open.
pub(crate) const SLOTS: usize = 256;

const MAGIC: u64 = u64::from_le_bytes(*b"mpctrl\x00\x02");

/// No failed sync is waiting for repair.
pub(crate) const NOT_POISONED: u64 = u64::MAX;

#[repr(C)]
pub(crate) struct Words {
    magic: SharedU64,
    /// What kind of process can share the mutexes: C library, architecture, their size.
    kind: SharedU64,
    pid_namespace: SharedU64,
    /// High bits of every epoch of this incarnation (rule 4).
    pub(crate) incarnation: SharedU64,
    /// Whether the incarnation is durable, so that commits may use it: 0 or 1.
    pub(crate) writable: SharedU64,
    /// Counts holders of the commit lock that died (rule 3).
    pub(crate) term: SharedU64,
    /// Log offset up to which records are committed.
    pub(crate) published: SharedU64,
    /// Log offset up to which records are durable.
    pub(crate) synced: SharedU64,
    /// Log offset from which on a failed sync left nothing to rely on, or [`NOT_POISONED`].
    pub(crate) poisoned_from: SharedU64,
    /// Number of the log file that is appended to.
    pub(crate) log_file: SharedU64,
    /// Generation of the current manifest.
    pub(crate) generation: SharedU64,
    /// Next serial number of a process.
    pub(crate) next_serial: SharedU64,
    /// Least epoch of the next commit.
    pub(crate) epoch_floor: SharedU64,
    /// Counts what holders of the maintenance lock get done, so that one who is stopped is known.
    pub(crate) progress: SharedU64,
    /// Counts how often the sync lock was given back, for those who wait until a sync has ended.
    pub(crate) sync_ended: SharedU64,
    /// How many wait for that; a process that dies meanwhile stays counted.
    pub(crate) sync_waiters: SharedU64,
    /// Not 0 once the container is destroyed.
    pub(crate) destroyed: SharedU64,
    /// Not 0 as long as durable records of the log are lost, and no repair has accepted it: whoever
    /// follows the log leaves them out, and nobody writes.
    pub(crate) lossy: SharedU64,
    /// Whether somebody may be asleep until the next commit: 0 or 1. See `bell.rs`.
    pub(crate) sleepers: SharedU64,
    /// How often sleepers were woken.
    pub(crate) rings: SharedU64,
    locks: [LockWords; 3],
}

/// A robust mutex and what its holders say of themselves.
#[repr(C)]
struct LockWords {
    /// 1 while a holder is at work; still 1 for the next one if it died.
    busy: SharedU64,
    holder: SharedU64,
    mutex: [SharedU64; 8],
}

/// What a process uses, for those who would delete it.
#[repr(C)]
pub(crate) struct Slot {
    /// Serial number of the process, 0 if the slot is free.
    pub(crate) serial: SharedU64,
    pub(crate) pid: SharedU64,
    pub(crate) generation: SharedU64,
    pub(crate) epoch: SharedU64,
    /// Number of the oldest log file that a watch of the process still needs, or [`NOT_WATCHING`].
    pub(crate) watching: SharedU64,
}

/// No watch of a process needs any log file.
pub(crate) const NOT_WATCHING: u64 = u64::MAX;

const SLOTS_OFFSET: usize = 2048;
const _: () = assert!(size_of::<Words>() <= SLOTS_OFFSET);
const _: () = assert!(SLOTS_OFFSET + SLOTS * size_of::<Slot>() <= CONTROL_BYTES);
const _: () = assert!(size_of::<libc::pthread_mutex_t>() <= 64);

/// Which of the three locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockName {
    /// Held to append to the log.
    Commit = 0,
    /// Held to sync the log. Taken after `Commit` where both are held.
    Sync = 1,
    /// Held to replace the manifest. Taken before `Commit` where both are held.
    Maintenance = 2,
}

/// The control memory of one container.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    memory: Arc<dyn Shared>,
    media: Arc<dyn Media>,
    /// Of this process: a forked child has a control of its own.
    pid: u64,
}

impl Control {
    /// Initialises fresh memory. The caller is alone.
    pub(crate) fn create(media: Arc<dyn Media>, memory: Arc<dyn Shared>) -> Result<Self> {
        let control = Self::over(media, memory)?;
        let words = control.words();
        words.kind.store(process_kind(), Ordering::Relaxed);
        words.pid_namespace.store(pid_namespace(), Ordering::Relaxed);
        words.poisoned_from.store(NOT_POISONED, Ordering::Relaxed);
        words.next_serial.store(1, Ordering::Relaxed);
        for lock in &words.locks {
            init_mutex(lock.mutex())?;
        }
        words.magic.store(MAGIC, Ordering::Release);
        Ok(control)
    }

    /// Joins memory that a living process keeps.
    pub(crate) fn join(media: Arc<dyn Media>, memory: Arc<dyn Shared>) -> Result<Self> {
        let control = Self::over(media, memory)?;
        let words = control.words();
        let incompatible = |what: &str| {
            Err(Error::new(
                ErrorKind::Incompatible,
                format!("another process has this container open, and {what}; close it there first"),
            ))
        };
        if words.magic.load(Ordering::Acquire) != MAGIC {
            return incompatible("it is of another version of Millpond");
        }
        if words.kind.load(Ordering::Relaxed) != process_kind() {
            return incompatible(
                "it uses another C library or architecture, whose locks this one can't share",
            );
        }
        if words.pid_namespace.load(Ordering::Relaxed) != pid_namespace() {
            return incompatible(
                "it runs in another PID namespace (a container?), from where a death can't be seen",
            );
        }
        Ok(control)
    }

    fn over(media: Arc<dyn Media>, memory: Arc<dyn Shared>) -> Result<Self> {
        if memory.length() < CONTROL_BYTES || !memory.as_ptr().addr().is_multiple_of(64) {
            return Err(Error::new(
                ErrorKind::Incompatible,
                "the control memory is too short; close every process that has the container open",
            ));
        }
        Ok(Self { memory, media, pid: std::process::id().into() })
    }

    pub(crate) fn memory(&self) -> &dyn Shared {
        &*self.memory
    }

    pub(crate) fn words(&self) -> &Words {
        // SAFETY: the memory is at least CONTROL_BYTES long, aligned, lives as long as `self`, and
        // `Words` is made of atomics alone, for which any bytes are valid.
        unsafe { &*self.memory.as_ptr().cast::<Words>() }
    }

    pub(crate) fn slots(&self) -> &[Slot; SLOTS] {
        // SAFETY: as above; the offset and size are within CONTROL_BYTES, as asserted.
        unsafe { &*self.memory.as_ptr().add(SLOTS_OFFSET).cast::<[Slot; SLOTS]>() }
    }

    /// Waits for a lock, no longer than `patience`.
    ///
    /// # Errors
    /// `Timeout`, naming the process that holds it.
    pub(crate) fn lock(&self, name: LockName, patience: Duration) -> Result<LockGuard<'_>> {
        let code = acquire(self.words().locks[name as usize].mutex(), patience);
        self.locked(name, code)?.ok_or_else(|| self.held(name, patience))
    }

    /// Takes a lock, unless somebody holds it.
    pub(crate) fn try_lock(&self, name: LockName) -> Result<Option<LockGuard<'_>>> {
        // SAFETY: the mutex was initialised, by `create`, in memory that lives as long as `self`.
        let code = unsafe { libc::pthread_mutex_trylock(self.words().locks[name as usize].mutex()) };
        self.locked(name, code)
    }

    /// What a try to take a lock led to; none if others hold it.
    fn locked(&self, name: LockName, code: libc::c_int) -> Result<Option<LockGuard<'_>>> {
        let words = &self.words().locks[name as usize];
        match code {
            0 => {}
            libc::EOWNERDEAD => {
                // SAFETY: this thread holds the mutex, whose owner died.
                unsafe { libc::pthread_mutex_consistent(words.mutex()) };
            }
            libc::ETIMEDOUT | libc::EBUSY => return Ok(None),
            code => {
                return Err(Error::io(
                    format!("locking the container ({name:?})"),
                    std::io::Error::from_raw_os_error(code),
                ));
            }
        }
        let abandoned = words.busy.swap(1, Ordering::Acquire) != 0;
        if !planted(Bug::HolderNotNamed) {
            words.holder.store(self.pid, Ordering::Relaxed);
        }
        Ok(Some(LockGuard { words, media: &*self.media, abandoned, keep_busy: false }))
    }
}

impl Control {
    /// What one answers who has waited for a lock for `patience`.
    pub(crate) fn held(&self, name: LockName, patience: Duration) -> Error {
        let pid = self.words().locks[name as usize].holder.load(Ordering::Relaxed);
        Error::new(
            ErrorKind::Timeout,
            format!(
                "process {pid} has held the container's {name:?} lock for over {patience:?}; if it is stopped, continue or kill it"
            ),
        )
    }
}

impl LockWords {
    fn mutex(&self) -> *mut libc::pthread_mutex_t {
        ptr::from_ref(&self.mutex).cast_mut().cast()
    }
}

/// A held lock.
pub(crate) struct LockGuard<'a> {
    words: &'a LockWords,
    media: &'a dyn Media,
    /// The last holder died, or failed, before it was done.
    pub(crate) abandoned: bool,
    keep_busy: bool,
}

impl LockGuard<'_> {
    /// Leaves the lock as a dying holder would: the next one has to clean up.
    pub(crate) fn abandon(mut self) {
        self.keep_busy = true;
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        let panicked = std::thread::panicking() && !planted(Bug::PanicLeavesLockClean);
        if !(self.keep_busy || panicked || self.media.killed()) {
            self.words.busy.store(0, Ordering::Release);
        }
        // SAFETY: this thread holds the mutex, since guards are not Send.
        unsafe { libc::pthread_mutex_unlock(self.words.mutex()) };
    }
}

fn acquire(mutex: *mut libc::pthread_mutex_t, patience: Duration) -> libc::c_int {
    loop {
        // SAFETY: the mutex was initialised, by `create`, in memory that outlives the call.
        let code = unsafe { libc::pthread_mutex_trylock(mutex) };
        if code != libc::EBUSY {
            return code;
        }
        if !pause() {
            break;
        }
    }
    let mut deadline = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `deadline` is a valid place to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut deadline) };
    deadline.tv_sec += patience.as_secs() as libc::time_t;
    deadline.tv_nsec += libc::c_long::from(patience.subsec_nanos());
    if deadline.tv_nsec >= 1_000_000_000 {
        deadline.tv_sec += 1;
        deadline.tv_nsec -= 1_000_000_000;
    }
    // SAFETY: as above, and `deadline` is a valid time.
    unsafe { libc::pthread_mutex_timedlock(mutex, &deadline) }
}

/// Waits until `word` is no longer `seen`, no longer than `patience`; it may return before.
pub(crate) fn wait_for_change(word: &SharedU64, seen: u64, patience: Duration) {
    if pause() {
        return;
    }
    let timeout = libc::timespec {
        tv_sec: patience.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(patience.subsec_nanos()),
    };
    // SAFETY: the kernel compares four bytes of the word with those that were seen, and sleeps; the
    // timeout is valid. Whatever it answers, the caller looks again.
    unsafe { libc::syscall(libc::SYS_futex, low_half(word), libc::FUTEX_WAIT, seen as u32, &timeout) };
}

/// Wakes everyone who waits for `word` to change, in any process.
pub(crate) fn wake_all(word: &SharedU64) {
    // SAFETY: the kernel looks the address up among those that are waited for.
    unsafe { libc::syscall(libc::SYS_futex, low_half(word), libc::FUTEX_WAKE, libc::c_int::MAX) };
}

fn low_half(word: &SharedU64) -> *const u32 {
    let half = usize::from(cfg!(target_endian = "big"));
    ptr::from_ref(word).cast::<u32>().wrapping_add(half)
}

fn init_mutex(mutex: *mut libc::pthread_mutex_t) -> Result<()> {
    // SAFETY: zeros are a valid attribute object to initialise.
    let mut attributes: libc::pthread_mutexattr_t = unsafe { std::mem::zeroed() };
    // SAFETY: the attributes are initialised before they are set and used; the mutex lies in
    // memory that nobody else uses yet.
    let code = unsafe {
        libc::pthread_mutexattr_init(&mut attributes);
        libc::pthread_mutexattr_setpshared(&mut attributes, libc::PTHREAD_PROCESS_SHARED);
        libc::pthread_mutexattr_setrobust(&mut attributes, libc::PTHREAD_MUTEX_ROBUST);
        let code = libc::pthread_mutex_init(mutex, &attributes);
        libc::pthread_mutexattr_destroy(&mut attributes);
        code
    };
    match code {
        0 => Ok(()),
        code => Err(Error::io("making a lock in shared memory", std::io::Error::from_raw_os_error(code))),
    }
}

/// Tells apart processes whose mutexes differ.
fn process_kind() -> u64 {
    let libc = if cfg!(target_env = "musl") { 2 } else { 1 };
    let pointer = size_of::<usize>() as u64;
    let mutex = size_of::<libc::pthread_mutex_t>() as u64;
    libc << 32 | pointer << 16 | mutex
}

fn pid_namespace() -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self/ns/pid").map_or(0, |metadata| metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::SystemMedia;

    fn control() -> (Control, std::path::PathBuf) {
        let media: Arc<dyn Media> = Arc::new(SystemMedia);
        let dir = std::env::temp_dir().join(format!("millpond-control-{:x}", media.random()));
        media.create_dir(&dir).expect("a directory");
        let memory = media.share(&dir.join("control"), CONTROL_BYTES, true).expect("memory");
        (Control::create(media, memory).expect("control"), dir)
    }

    #[test]
    fn a_holder_that_is_not_done_in_time_is_named() {
        let (control, dir) = control();
        let guard = control.lock(LockName::Commit, Duration::from_secs(1)).expect("free");
        let other = control.clone();
        let error = std::thread::spawn(move || other.lock(LockName::Commit, Duration::from_millis(20)).err())
            .join()
            .expect("no panic")
            .expect("held");
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().contains(&std::process::id().to_string()));
        drop(guard);
        std::fs::remove_dir_all(dir).expect("cleaned up");
    }

    #[test]
    fn a_panic_and_a_death_under_the_lock_are_known_to_the_next_holder() {
        let (control, dir) = control();
        let other = control.clone();
        let panicked = std::thread::spawn(move || {
            let _guard = other.lock(LockName::Sync, Duration::from_secs(1)).expect("free");
            std::panic::resume_unwind(Box::new("a panic under the lock"));
        });
        assert!(panicked.join().is_err());
        let guard = control.lock(LockName::Sync, Duration::from_secs(1)).expect("free again");
        assert!(guard.abandoned);
        drop(guard);

        let other = control.clone();
        std::thread::spawn(move || {
            // A thread that ends while it holds a robust mutex dies as a process would.
            std::mem::forget(other.lock(LockName::Sync, Duration::from_secs(1)).expect("free"));
        })
        .join()
        .expect("no panic");
        let guard = control.lock(LockName::Sync, Duration::from_secs(1)).expect("inherited");
        assert!(guard.abandoned);
        drop(guard);
        let guard = control.lock(LockName::Sync, Duration::from_secs(1)).expect("free");
        assert!(!guard.abandoned);
        drop(guard);
        std::fs::remove_dir_all(dir).expect("cleaned up");
    }
}
