//! A namespace of a Ceph pool, and the operations on its objects.
//!
//! An operation is a list of steps on one object, which the cluster applies all or none; a read
//! answers them as of one moment. Reads are tried again when the cluster doesn't answer in time.
//! Writes are not: whoever writes knows whether it may be done twice.

use std::{
    ffi::{CStr, CString, c_int},
    fmt, ptr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use millpond_core::{Error, ErrorKind, Result};

use crate::{
    cluster::{Cluster, PATIENCE, text},
    errno::Errno,
    ffi::{IoCtxPtr, Library},
    operation::{Change, Found, Query, ReadOp, WriteOp},
};

/// Lets a full cluster refuse at once what adds to it, where it would otherwise keep the caller
/// waiting; deletes pass.
pub(crate) const FULL_TRY: c_int = 64;
/// Between two tries of what the cluster didn't answer.
const PAUSE: Duration = Duration::from_millis(200);

/// An object's data, and an entry of its omap.
pub(crate) struct Whole {
    pub(crate) data: Vec<u8>,
    /// Bytes that the object has.
    size: u64,
    pub(crate) entry: Option<Vec<u8>>,
}

/// See the module.
pub(crate) struct Context {
    cluster: Arc<Cluster>,
    io: IoCtxPtr,
    pool: String,
    namespace: String,
}

// SAFETY: librados allows operations on an io context from any thread; only its state (namespace,
// locator, snapshot) must not change meanwhile, and ours never changes after `open`.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    /// Opens a namespace of a Ceph pool; `None` where there is no such pool.
    pub(crate) fn open(cluster: &Arc<Cluster>, pool: &str, namespace: &str) -> Result<Option<Self>> {
        cluster.check_fork()?;
        let (name, space) = (text(pool)?, text(namespace)?);
        let mut io = ptr::null_mut();
        // SAFETY: the connection is open, the name a C string and `io` a valid place.
        let created = unsafe { (cluster.library().ioctx_create)(cluster.rados(), name.as_ptr(), &mut io) };
        match Errno::check(created) {
            Err(Errno::ABSENT) => return Ok(None),
            other => {
                other.map_err(|errno| errno.into_error(format_args!("can't open the Ceph pool {pool}")))?
            }
        }
        // SAFETY: the context was just made, the namespace is a C string.
        unsafe { (cluster.library().ioctx_set_namespace)(io, space.as_ptr()) };
        Ok(Some(Self { cluster: Arc::clone(cluster), io, pool: pool.into(), namespace: namespace.into() }))
    }

    /// Another namespace of the same Ceph pool.
    ///
    /// # Errors
    /// As for any access; when the Ceph pool was deleted meanwhile, `Closed`.
    pub(crate) fn sibling(&self, namespace: &str) -> Result<Self> {
        Self::open(&self.cluster, &self.pool, namespace)?.ok_or_else(|| {
            let message = format!("the Ceph pool {} was deleted", self.pool);
            Error::new(ErrorKind::Closed, message)
        })
    }

    pub(crate) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// The name of the Ceph pool.
    pub(crate) fn pool(&self) -> &str {
        &self.pool
    }

    pub(crate) fn io(&self) -> IoCtxPtr {
        self.io
    }

    pub(crate) fn library(&self) -> &'static Library {
        self.cluster.library()
    }

    /// Where an object is, for messages.
    pub(crate) fn place(&self, object: &CStr) -> String {
        let name = object.to_string_lossy();
        format!("the object {name} in namespace {} of Ceph pool {}", self.namespace, self.pool)
    }

    /// Applies a write once. After [`Errno::TIMEOUT`] it may or may not have been applied, and may
    /// even be applied later.
    pub(crate) fn write(&self, object: &CStr, changes: &[Change<'_>]) -> Result<Result<(), Errno>> {
        self.cluster.check_fork()?;
        let op = WriteOp::new(self.library(), changes);
        // SAFETY: the operation and the context are alive, the name is a C string; null stands for
        // the time of now.
        let answer = unsafe {
            (self.library().write_op_operate)(op.ptr, self.io, object.as_ptr(), ptr::null_mut(), FULL_TRY)
        };
        Ok(Errno::check(answer))
    }

    /// Applies a write that may be done twice, until the cluster says how it went.
    pub(crate) fn write_again(&self, object: &CStr, changes: &[Change<'_>]) -> Result<Result<(), Errno>> {
        patiently(|| self.write(object, changes))
    }

    /// Reads omap entries, all as of one moment.
    pub(crate) fn read(&self, object: &CStr, queries: &[Query]) -> Result<Result<Vec<Found>, Errno>> {
        patiently(|| {
            self.cluster.check_fork()?;
            let mut op = ReadOp::new(self.library(), queries);
            // SAFETY: the operation and the context are alive, the name is a C string.
            let answer = unsafe { (self.library().read_op_operate)(op.ptr, self.io, object.as_ptr(), 0) };
            Ok(Errno::check(answer).and_then(|()| op.take()))
        })
    }

    /// Reads an object's data whole, and an entry of its omap, as of one moment.
    pub(crate) fn read_whole(&self, object: &CStr, key: &[u8]) -> Result<Result<Whole, Errno>> {
        let mut room = 64 << 10;
        loop {
            match patiently(|| self.read_some(object, key, room))? {
                Ok(whole) if whole.size > whole.data.len() as u64 => {
                    room = usize::try_from(whole.size).unwrap_or(usize::MAX);
                }
                done => return Ok(done),
            }
        }
    }

    fn read_some(&self, object: &CStr, key: &[u8], room: usize) -> Result<Result<Whole, Errno>> {
        self.cluster.check_fork()?;
        let library = self.library();
        let mut data = vec![0u8; room];
        let (mut size, mut count, mut stat_answer, mut read_answer) = (0u64, 0usize, 0, 0);
        let mut op = ReadOp::new(library, &[Query::Keys(vec![key.to_vec()])]);
        // SAFETY: every place outlives the operation, which ends before `operate` returns.
        unsafe {
            (library.read_op_stat)(op.ptr, &mut size, ptr::null_mut(), &mut stat_answer);
            (library.read_op_read)(op.ptr, 0, room, data.as_mut_ptr().cast(), &mut count, &mut read_answer);
        }
        // SAFETY: as in `read`.
        let answer = unsafe { (library.read_op_operate)(op.ptr, self.io, object.as_ptr(), 0) };
        let found = Errno::check(answer)
            .and_then(|()| Errno::check(stat_answer))
            .and_then(|()| Errno::check(read_answer))
            .and_then(|()| op.take());
        Ok(found.map(|mut found| {
            data.truncate(count);
            let entry = found.pop().and_then(|mut found| found.entries.pop());
            Whole { data, size, entry: entry.map(|(_, value)| value) }
        }))
    }

    /// When an object was written last, in seconds since 1970; `None` where there is none.
    pub(crate) fn written_at(&self, object: &CStr) -> Result<Option<u64>> {
        let read = patiently(|| {
            self.cluster.check_fork()?;
            let (mut size, mut time, mut answer) = (0u64, 0, 0);
            let op = ReadOp::new(self.library(), &[]);
            // SAFETY: every place outlives the operation, which ends before `operate` returns.
            let operated = unsafe {
                (self.library().read_op_stat)(op.ptr, &mut size, &mut time, &mut answer);
                (self.library().read_op_operate)(op.ptr, self.io, object.as_ptr(), 0)
            };
            Ok(Errno::check(operated).and_then(|()| Errno::check(answer)).map(|()| time))
        })?;
        match read {
            Ok(time) => Ok(Some(u64::try_from(time).unwrap_or(0))),
            Err(Errno::ABSENT) => Ok(None),
            Err(errno) => Err(errno.into_error(format_args!("can't look at {}", self.place(object)))),
        }
    }

    /// The names of the namespace's objects, to `each`.
    pub(crate) fn list(&self, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.cluster.check_fork()?;
        let failed = |errno: Errno| {
            errno.into_error(format_args!(
                "can't list the namespace {} of Ceph pool {}",
                self.namespace, self.pool
            ))
        };
        let library = self.library();
        let mut list = ptr::null_mut();
        // SAFETY: the context is alive, and `list` a valid place.
        Errno::check(unsafe { (library.nobjects_list_open)(self.io, &mut list) }).map_err(failed)?;
        let listed = loop {
            let (mut name, mut locator, mut space) = (ptr::null(), ptr::null(), ptr::null());
            let (mut name_len, mut locator_len, mut space_len) = (0, 0, 0);
            // SAFETY: the listing is open, and every place valid.
            let answer = unsafe {
                (library.nobjects_list_next2)(
                    list,
                    &mut name,
                    &mut locator,
                    &mut space,
                    &mut name_len,
                    &mut locator_len,
                    &mut space_len,
                )
            };
            match Errno::check(answer) {
                Err(Errno::ABSENT) => break Ok(()),
                Err(errno) => break Err(failed(errno)),
                Ok(()) => {}
            }
            // SAFETY: the name is that long, and valid until the next call.
            let name = unsafe { std::slice::from_raw_parts(name.cast::<u8>(), name_len) };
            if let Err(error) = each(name) {
                break Err(error);
            }
        };
        // SAFETY: the listing is open, and nobody uses it any more.
        unsafe { (library.nobjects_list_close)(list) };
        listed
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if !self.cluster.is_forked() {
            // SAFETY: nobody uses the context any more; operations in the background keep it alive.
            unsafe { (self.library().ioctx_destroy)(self.io) };
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({}/{})", self.pool, self.namespace)
    }
}

/// Tries again what the cluster didn't answer, for as long as patience lasts.
pub(crate) fn patiently<T>(mut act: impl FnMut() -> Result<Result<T, Errno>>) -> Result<Result<T, Errno>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match act()? {
            Err(errno) if errno.is_transient() && Instant::now() < deadline => thread::sleep(PAUSE),
            done => return Ok(done),
        }
    }
}

/// The name of an object.
pub(crate) fn object_name(name: String) -> CString {
    // Our names are letters, digits and dots.
    CString::new(name).unwrap_or_default()
}
