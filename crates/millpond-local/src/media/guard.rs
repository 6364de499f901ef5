//! Which memory is a mapped file of ours, for the handler of SIGBUS.
//!
//! Invariants:
//! - The handler takes no lock and no memory: it reads atomics, and calls `mmap`. What it reads
//!   survives a fork.
//! - It acts only on an address of a mapping that is guarded, whose thread is at this moment using
//!   it. A guard that is being changed belongs to nobody who could fault in it.
//! - A guard is marked before its page becomes readable again.

use std::{
    mem, ptr,
    sync::{
        Once, OnceLock,
        atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering, fence},
    },
};

/// How many mappings a process may have. Files beyond are read and written without one.
const GUARDS: usize = 4096;

/// A mapping that is guarded, or the place for one.
#[derive(Debug)]
pub(super) struct Guard {
    /// Odd while the others change; even and grown afterwards.
    version: AtomicU64,
    taken: AtomicBool,
    start: AtomicUsize,
    end: AtomicUsize,
    protection: AtomicI32,
    marked: AtomicBool,
}

impl Guard {
    const fn new() -> Self {
        Self {
            version: AtomicU64::new(0),
            taken: AtomicBool::new(false),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            protection: AtomicI32::new(0),
            marked: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(super) fn is_marked(&self) -> bool {
        self.marked.load(Ordering::Relaxed)
    }

    /// Ends the guard, before its mapping goes.
    pub(super) fn release(&self) {
        self.set(0, 0, 0);
        self.taken.store(false, Ordering::Release);
    }

    /// By whoever has taken it.
    fn set(&self, start: usize, end: usize, protection: i32) {
        self.version.fetch_add(1, Ordering::AcqRel);
        fence(Ordering::Release);
        self.start.store(start, Ordering::Relaxed);
        self.end.store(end, Ordering::Relaxed);
        self.protection.store(protection, Ordering::Relaxed);
        self.marked.store(false, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Whether it guards `address`, and how its mapping may be accessed.
    fn protection_of(&self, address: usize) -> Option<i32> {
        let version = self.version.load(Ordering::Acquire);
        let start = self.start.load(Ordering::Relaxed);
        let end = self.end.load(Ordering::Relaxed);
        let protection = self.protection.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let settled = version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version;
        (settled && (start..end).contains(&address)).then_some(protection)
    }
}

static ALL: [Guard; GUARDS] = [const { Guard::new() }; GUARDS];

/// The places in use lie before this one.
static USED: AtomicUsize = AtomicUsize::new(0);

/// The page size, asked for when the handler is installed.
static PAGE_BYTES: AtomicUsize = AtomicUsize::new(4096);

/// Who had the signal before.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Guards a mapping; none where there are too many.
pub(super) fn guard(start: usize, length: usize, protection: i32) -> Option<&'static Guard> {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(install);
    BEFORE.get()?;
    let free =
        |guard: &Guard| !guard.taken.load(Ordering::Relaxed) && !guard.taken.swap(true, Ordering::Acquire);
    let place = ALL.iter().position(free)?;
    USED.fetch_max(place + 1, Ordering::AcqRel);
    ALL[place].set(start, start + length, protection);
    Some(&ALL[place])
}

fn install() {
    // SAFETY: asks for a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    PAGE_BYTES.store(usize::try_from(page).unwrap_or(4096), Ordering::Relaxed);
    // SAFETY: `sigaction` is plain old data, for which zeros are valid.
    let (mut ours, mut before): (libc::sigaction, libc::sigaction) = unsafe { mem::zeroed() };
    // SAFETY: `before` is a valid place to write to. It is known before the handler may need it.
    if unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), &mut before) } != 0 {
        return;
    }
    ours.sa_sigaction = handle as *const () as usize;
    // On the other stack if there is one, as whoever had the signal before may expect.
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | (before.sa_flags & libc::SA_RESTART);
    ours.sa_mask = before.sa_mask;
    if BEFORE.set(before).is_ok() {
        // SAFETY: both are valid, and `handle` does only what a handler may. It can't fail, since
        // asking didn't.
        unsafe { libc::sigaction(libc::SIGBUS, &ours, ptr::null_mut()) };
    }
}

extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel hands a handler with SA_SIGINFO a valid structure, and the thread's own
    // errno is there.
    let (code, errno) = unsafe { ((*info).si_code, *libc::__errno_location()) };
    if is_fault(code) {
        // SAFETY: a fault has an address.
        let address = unsafe { (*info).si_addr() } as usize;
        let used = USED.load(Ordering::Acquire);
        for guard in &ALL[..used] {
            if let Some(protection) = guard.protection_of(address)
                && replace_page(guard, address, protection)
            {
                // SAFETY: as above.
                unsafe { *libc::__errno_location() = errno };
                return;
            }
        }
    }
    pass_on(signal, info, context);
}

/// Whether the signal comes from the thread's own access to memory, and not from `kill`.
fn is_fault(code: libc::c_int) -> bool {
    code == libc::BUS_ADRALN
        || code == libc::BUS_ADRERR
        || code == libc::BUS_OBJERR
        || code == libc::BUS_MCEERR_AR
}

fn replace_page(guard: &Guard, address: usize, protection: i32) -> bool {
    guard.marked.store(true, Ordering::SeqCst);
    let page_bytes = PAGE_BYTES.load(Ordering::Relaxed);
    let page = address & !(page_bytes - 1);
    // SAFETY: the page is part of a mapping of ours, of which nobody holds a reference.
    let mapped = unsafe {
        libc::mmap(
            page as *mut libc::c_void,
            page_bytes,
            protection,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
            -1,
            0,
        )
    };
    mapped != libc::MAP_FAILED
}

/// Leaves the signal to whoever had it before.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(before) = BEFORE.get() else { return };
    match before.sa_sigaction {
        libc::SIG_IGN => {
            // SAFETY: as in `handle`.
            if is_fault(unsafe { (*info).si_code }) {
                die(signal);
            }
        }
        libc::SIG_DFL => die(signal),
        other if before.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: with this flag it is a handler of three arguments.
            let other: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                unsafe { mem::transmute(other) };
            other(signal, info, context);
        }
        other => {
            // SAFETY: without the flag it is a handler of one argument.
            let other: extern "C" fn(libc::c_int) = unsafe { mem::transmute(other) };
            other(signal);
        }
    }
}

/// What happens where nobody handles the signal.
fn die(signal: libc::c_int) {
    // SAFETY: plain old data, for which zeros are valid; both calls are allowed in a handler. The
    // signal is blocked until the handler returns, and then ends the process.
    unsafe {
        let mut default: libc::sigaction = mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        libc::sigaction(signal, &default, ptr::null_mut());
        libc::raise(signal);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs, io,
        os::{fd::AsRawFd, unix::process::ExitStatusExt},
        process::{Command, ExitStatus},
    };

    use super::*;
    use crate::media::{File, FileExt, Media, OpenMode, SystemMedia};

    const ROLE: &str = "MILLPOND_TEST_SIGBUS_ROLE";

    extern "C" fn handler_of_others(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(42) }
    }

    /// What a process had before ours: a handler, or none.
    fn install(handler: Option<usize>) {
        // SAFETY: plain old data; the handler does only what a handler may.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = handler.unwrap_or(libc::SIG_DFL);
            action.sa_flags = if handler.is_some() { libc::SA_SIGINFO } else { 0 };
            assert_eq!(libc::sigaction(libc::SIGBUS, &action, ptr::null_mut()), 0);
        }
    }

    fn touch_a_lost_page_of_others(file: &fs::File) {
        // SAFETY: a mapping of our own, in which only a handler or a death is expected.
        unsafe {
            let memory =
                libc::mmap(ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0);
            assert_ne!(memory, libc::MAP_FAILED);
            file.set_len(0).expect("cut");
            memory.cast::<u8>().read_volatile();
        }
    }

    /// A file of one page that is mapped as ours, so that our handler is there.
    fn open(path: &std::path::Path) -> std::sync::Arc<dyn File> {
        let file = SystemMedia.open(path, OpenMode::Write).expect("a file");
        file.write_all_at(&[7; 4096], 0).expect("written");
        file
    }

    /// What a process of its own does; it ends by itself only where that is right.
    fn play(role: &str) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        fs::write(&path, [7; 4096]).expect("a file");
        // The runtime of tests has one too, which lets the first signal that somebody sends pass.
        let others = handler_of_others as *const () as usize;
        install(role.starts_with("others").then_some(others));
        let file = open(&path);
        let mapping = file.map(4096).expect("mapped").expect("the machine maps files");
        let raw = fs::OpenOptions::new().read(true).write(true).open(&path).expect("the file");
        match role {
            "ours" | "others-ours" => {
                file.set_length(0).expect("cut");
                let mut bytes = [1; 8];
                assert!(mapping.read(8, &mut bytes) && mapping.failed());
                assert_eq!(bytes, [0; 8]);
            }
            "forked" => {
                // SAFETY: the child touches memory and ends, without waiting for anyone.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    let cut = file.set_length(0).is_ok();
                    let met = mapping.read(8, &mut [1; 8]) && mapping.failed();
                    // SAFETY: ends the child at once.
                    unsafe { libc::_exit(i32::from(!(cut && met))) }
                }
                let mut status = -1;
                // SAFETY: `status` is a valid place to write to, `child` is ours.
                unsafe { libc::waitpid(child, &mut status, 0) };
                assert_eq!(status, 0, "the child met the lost page and lived");
                assert!(!mapping.failed(), "its mark is its own");
                assert!(mapping.read(8, &mut [1; 8]) && mapping.failed());
            }
            "others-fault" | "fault" => touch_a_lost_page_of_others(&raw),
            // SAFETY: sends a signal to this process.
            "others-kill" | "kill" => assert_eq!(unsafe { libc::raise(libc::SIGBUS) }, 0),
            _ => panic!("there is no role {role}"),
        }
    }

    fn run(role: &str) -> io::Result<ExitStatus> {
        let test = "media::guard::tests::a_signal_that_is_not_ours_goes_to_whom_it_belongs";
        let mut command = Command::new(std::env::current_exe()?);
        Ok(command.args(["--exact", test]).env(ROLE, role).output()?.status)
    }

    #[test]
    fn a_signal_that_is_not_ours_goes_to_whom_it_belongs() {
        if let Ok(role) = std::env::var(ROLE) {
            return play(&role);
        }
        for role in ["ours", "others-ours", "forked"] {
            assert!(run(role).expect("a process").success(), "{role}");
        }
        for role in ["others-fault", "others-kill"] {
            assert_eq!(run(role).expect("a process").code(), Some(42), "{role}");
        }
        for role in ["fault", "kill"] {
            assert_eq!(run(role).expect("a process").signal(), Some(libc::SIGBUS), "{role}");
        }
    }

    #[test]
    fn a_lost_page_fails_its_mapping_only() {
        let directory = tempfile::tempdir().expect("a directory");
        let [first, second] = ["first", "second"].map(|name| {
            let path = directory.path().join(name);
            fs::write(&path, [7; 4096]).expect("a file");
            open(&path)
        });
        let mappings = [&first, &second].map(|file| file.map(4096).expect("mapped").expect("it maps files"));
        first.set_length(100).expect("cut to a part of the page");
        let mut bytes = [1; 200];
        assert!(mappings[0].read(0, &mut bytes) && !mappings[0].failed(), "the page is still there");
        assert_eq!(bytes[100..], [0; 100]);
        first.set_length(0).expect("cut");
        assert!(mappings[0].read(0, &mut bytes) && mappings[0].failed());
        assert!(mappings[1].read(0, &mut bytes) && !mappings[1].failed());
        assert_eq!(bytes, [7; 200]);
        assert!(!mappings[1].read(4000, &mut bytes), "it ends before");
        assert!(!mappings[1].read(usize::MAX, &mut bytes));
        let longer = second.map(4097).expect_err("the file is shorter");
        assert_eq!(longer.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_store_is_read_at_once_and_one_that_fails_is_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        fs::write(&path, [0; 8192]).expect("a file");
        let file = SystemMedia.open(&path, OpenMode::Write).expect("opened");
        file.store(b"stored", 4090).expect("stored");
        let mut bytes = [0; 6];
        file.read_exact_at(&mut bytes, 4090).expect("read");
        assert_eq!(&bytes, b"stored");
        file.set_length(4096).expect("cut");
        file.store(b"written", 5000).expect("the page is gone, and is written anew");
        let mut bytes = [0; 7];
        file.read_exact_at(&mut bytes, 5000).expect("read");
        assert_eq!(&bytes, b"written");
        file.store(b"behind the end", 9000).expect("written");
        assert_eq!(file.length().expect("a length"), 9014);
    }
}
