//! The real machine: Linux files, open-file-description locks and mapped memory.

use std::{
    fs, io,
    os::{
        fd::{AsRawFd, FromRawFd, RawFd},
        unix::fs::{DirBuilderExt, FileExt as _, MetadataExt, OpenOptionsExt},
    },
    path::Path,
    ptr,
    sync::{
        Arc, Once, OnceLock,
        atomic::{AtomicI32, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{File, FileExt as _, Lock, LockFile, Mapping, Media, OpenMode, Shared, zero};

/// The machine that the process runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemMedia;

impl Media for SystemMedia {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        match mode {
            OpenMode::Read => {}
            OpenMode::Write => {
                options.write(true);
            }
            OpenMode::Create => {
                options.write(true).create_new(true);
            }
        }
        Ok(Arc::new(SystemFile { file: options.open(path)?, stores: OnceLock::new() }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn symlink(&self, target: &str, at: &Path) -> io::Result<()> {
        std::os::unix::fs::symlink(target, at)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn lock_file(&self, path: &Path) -> io::Result<Arc<dyn LockFile>> {
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)?;
        Ok(Arc::new(SystemLockFile::new(file)?))
    }

    fn share(&self, path: &Path, length: usize, fresh: bool) -> io::Result<Arc<dyn Shared>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        if !fresh {
            return map(&options.open(path)?, length);
        }
        // A new inode: whoever still maps the old one (a forked child) must not see this one.
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{:016x}.tmp", self.random()));
        let scratch = path.with_file_name(name);
        let file = options.create_new(true).open(&scratch)?;
        let mapped = (|| {
            // Allocated now, since a store into a hole of a full disk would be a SIGBUS.
            allocate(&file, length)?;
            let mapped = map(&file, length)?;
            fs::rename(&scratch, path)?;
            Ok(mapped)
        })();
        if mapped.is_err() {
            let _ = fs::remove_file(&scratch);
        }
        mapped
    }

    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn random(&self) -> u64 {
        uuid::Uuid::new_v4().as_u64_pair().1
    }

    fn check_dir(&self, path: &Path) -> io::Result<()> {
        let file = fs::File::open(path)?;
        let network = match file_system(&file)? {
            0x6969 => "NFS",
            0xFF53_4D42 | 0xFE53_4D42 | 0x517B => "SMB",
            0x0102_1997 => "9p",
            0x00C3_6400 => "CephFS",
            0x0BD0_0BD0 => "Lustre",
            0x4750_4653 | 0x4750_4673 => "GPFS",
            0x7461_636F => "OCFS2",
            0x5346_414F | 0x6B41_4653 => "AFS",
            _ => return Ok(()),
        };
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!(
                "this is a network file system ({network}), where processes on two machines would not see each other's locks; use a local directory, or a cluster"
            ),
        ))
    }

    fn identity(&self, path: &Path) -> io::Result<Option<(u64, u64)>> {
        let metadata = fs::metadata(path)?;
        Ok(Some((metadata.dev(), metadata.ino())))
    }
}

#[derive(Debug)]
struct SystemFile {
    file: fs::File,
    /// The file as memory that is written to, once it was asked for; none where it can't be.
    stores: OnceLock<Option<Mapping>>,
}

impl SystemFile {
    /// The file as memory to write to, unless that can't be or has failed.
    fn stores(&self) -> Option<&Mapping> {
        let make = || {
            if !overwrites_in_place(&self.file).unwrap_or(false) {
                return None;
            }
            Mapping::new(&self.file, self.file.metadata().ok()?.len(), true).ok().flatten()
        };
        self.stores.get_or_init(make).as_ref().filter(|mapping| !mapping.failed())
    }
}

impl File for SystemFile {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(into, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn map(&self, length: u64) -> io::Result<Option<Mapping>> {
        Mapping::new(&self.file, length, false)
    }

    fn store(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Some(mapping) = self.stores()
            && usize::try_from(offset).is_ok_and(|at| mapping.write(at, bytes))
            && !mapping.failed()
        {
            return Ok(());
        }
        // Here the kernel says what is wrong, if anything is.
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn allocate(&self, from: u64, to: u64) -> io::Result<()> {
        let mut place = from;
        while place < to {
            let count = ALLOCATE_BYTES.min(to - place);
            let (at, length) = (place as libc::off_t, count as libc::off_t);
            // SAFETY: the descriptor is open.
            match check(unsafe { libc::fallocate(self.file.as_raw_fd(), 0, at, length) }) {
                Ok(_) => place += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => match error.raw_os_error() {
                    // Not every file system can; zeros take space there too.
                    Some(libc::EOPNOTSUPP | libc::ENOSYS) => return zero(self, place, to),
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }
}

/// Bytes to allocate at a time: a full disk then gives what it still has.
const ALLOCATE_BYTES: u64 = 1 << 20;

/// Whether the file system writes a page that has a place on the disk where it was: then a store
/// into it needs no space. Others may find the disk full only when it is written back.
fn overwrites_in_place(file: &fs::File) -> io::Result<bool> {
    const EXT: u32 = 0xEF53;
    const XFS: u32 = 0x5846_5342;
    const TMPFS: u32 = 0x0102_1994;
    Ok(matches!(file_system(file)?, EXT | XFS | TMPFS))
}

/// The magic number of the file system that a file is on.
fn file_system(file: &fs::File) -> io::Result<u32> {
    // SAFETY: `statfs` is plain old data, for which zeros are valid.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open and `stat` is a valid place to write to.
    check(unsafe { libc::fstatfs(file.as_raw_fd(), &mut stat) })?;
    Ok(stat.f_type as u32)
}

/// Descriptors of lock files, which a fork's child closes: an open-file-description lock would
/// otherwise outlive the parent in it. An array, since the child of a threaded process may neither
/// allocate nor wait for a lock.
static LOCK_DESCRIPTORS: [AtomicI32; 4096] = [const { AtomicI32::new(-1) }; 4096];

extern "C" fn close_locks_in_child() {
    for slot in &LOCK_DESCRIPTORS {
        let descriptor = slot.swap(-1, Ordering::Relaxed);
        if descriptor >= 0 {
            // SAFETY: the descriptor was registered by its owner, which in the child never uses it.
            unsafe { libc::close(descriptor) };
        }
    }
}

#[derive(Debug)]
struct SystemLockFile {
    descriptor: RawFd,
    slot: usize,
}

impl SystemLockFile {
    fn new(file: fs::File) -> io::Result<Self> {
        static REGISTER: Once = Once::new();
        REGISTER.call_once(|| {
            // SAFETY: the handler only swaps atomics and closes descriptors, both allowed in a
            // fork's child.
            unsafe { libc::pthread_atfork(None, None, Some(close_locks_in_child)) };
        });
        let descriptor = file.as_raw_fd();
        let slot = LOCK_DESCRIPTORS.iter().position(|slot| {
            slot.compare_exchange(-1, descriptor, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        });
        let slot =
            slot.ok_or_else(|| io::Error::other("too many pools and containers are open in one process"))?;
        std::mem::forget(file);
        Ok(Self { descriptor, slot })
    }
}

impl Drop for SystemLockFile {
    fn drop(&mut self) {
        // In a fork's child the slot no longer holds it, and the descriptor was closed.
        let registered = &LOCK_DESCRIPTORS[self.slot];
        if registered.compare_exchange(self.descriptor, -1, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            // SAFETY: the descriptor is ours and open, since the slot still held it.
            drop(unsafe { fs::File::from_raw_fd(self.descriptor) });
        }
    }
}

impl LockFile for SystemLockFile {
    fn try_lock(&self, byte: u64, lock: Lock) -> io::Result<bool> {
        let kind = match lock {
            Lock::None => libc::F_UNLCK,
            Lock::Shared => libc::F_RDLCK,
            Lock::Exclusive => libc::F_WRLCK,
        };
        let request = lock_of(byte, kind);
        loop {
            // SAFETY: `request` is a valid flock structure.
            match check(unsafe { libc::fcntl(self.descriptor, libc::F_OFD_SETLK, &request) }) {
                Ok(_) => return Ok(true),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN | libc::EACCES) => return Ok(false),
                    Some(libc::EINTR) => {}
                    _ => return Err(error),
                },
            }
        }
    }

    fn is_locked(&self, byte: u64) -> io::Result<bool> {
        let mut request = lock_of(byte, libc::F_WRLCK);
        // SAFETY: `request` is a valid flock structure.
        check(unsafe { libc::fcntl(self.descriptor, libc::F_OFD_GETLK, &mut request) })?;
        Ok(i32::from(request.l_type) != libc::F_UNLCK)
    }
}

fn lock_of(byte: u64, kind: libc::c_int) -> libc::flock {
    // SAFETY: `flock` is plain old data, for which zeros are valid.
    let mut request: libc::flock = unsafe { std::mem::zeroed() };
    request.l_type = kind as libc::c_short;
    request.l_whence = libc::SEEK_SET as libc::c_short;
    request.l_start = byte as libc::off_t;
    request.l_len = 1;
    request
}

#[derive(Debug)]
struct SharedMemory {
    address: *mut u8,
    length: usize,
}

// SAFETY: the mapping is plain memory; what is done with it is up to those who use the pointer.
unsafe impl Send for SharedMemory {}
// SAFETY: as above.
unsafe impl Sync for SharedMemory {}

impl Shared for SharedMemory {
    fn as_ptr(&self) -> *mut u8 {
        self.address
    }

    fn length(&self) -> usize {
        self.length
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: `map` made this mapping, and nobody uses it past `self`.
        unsafe { libc::munmap(self.address.cast(), self.length) };
    }
}

fn map(file: &fs::File, length: usize) -> io::Result<Arc<dyn Shared>> {
    if file.metadata()?.len() < length as u64 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than its contents"));
    }
    // SAFETY: a fresh mapping of an open file, of a length that the file has.
    let address = unsafe {
        libc::mmap(
            ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(Arc::new(SharedMemory { address: address.cast(), length }))
}

fn allocate(file: &fs::File, length: usize) -> io::Result<()> {
    // SAFETY: the descriptor is open.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length as libc::off_t) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

fn check(code: libc::c_int) -> io::Result<libc::c_int> {
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_byte_is_shared_or_exclusive_and_ends_with_its_holder() {
        let dir = std::env::temp_dir().join(format!("millpond-lock-{:x}", SystemMedia.random()));
        SystemMedia.create_dir(&dir).expect("a directory");
        let path = dir.join("lock");
        let first = SystemMedia.lock_file(&path).expect("a lock file");
        let second = SystemMedia.lock_file(&path).expect("the same again");
        assert!(first.try_lock(3, Lock::Shared).expect("lock"));
        assert!(second.try_lock(3, Lock::Shared).expect("lock"));
        assert!(!second.try_lock(3, Lock::Exclusive).expect("lock"));
        assert!(second.is_locked(3).expect("query"));
        drop(first);
        assert!(second.try_lock(3, Lock::Exclusive).expect("lock"));
        assert!(!second.is_locked(3).expect("query"), "one's own lock doesn't count");
        SystemMedia.remove_dir(&dir).expect("cleaned up");
    }

    #[test]
    fn shared_memory_is_shared_until_it_is_made_afresh() {
        let dir = std::env::temp_dir().join(format!("millpond-share-{:x}", SystemMedia.random()));
        SystemMedia.create_dir(&dir).expect("a directory");
        let path = dir.join("control");
        let first = SystemMedia.share(&path, 4096, true).expect("fresh");
        let second = SystemMedia.share(&path, 4096, false).expect("again");
        // SAFETY: both mappings hold 4096 bytes, and only this thread uses them.
        unsafe {
            first.as_ptr().add(7).write(42);
            assert_eq!(second.as_ptr().add(7).read(), 42);
        }
        let third = SystemMedia.share(&path, 4096, true).expect("afresh");
        // SAFETY: as above.
        assert_eq!(unsafe { third.as_ptr().add(7).read() }, 0);
        SystemMedia.remove_dir(&dir).expect("cleaned up");
    }
}
