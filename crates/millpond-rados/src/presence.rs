//! Who has a container open: each handle watches its index object, and whoever wants to know sends
//! a notify, to which every watcher's client answers by itself.
//!
//! A client that died is counted until its watch runs out, after half a minute: what is asked here
//! is whether a container may be destroyed, and how long superseded versions are kept, so that is
//! the safe side. Nothing else relies on it.

use std::{
    collections::BTreeSet,
    ffi::{CStr, c_int, c_void},
    ptr, slice,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use millpond_core::Result;

use crate::{context::Context, errno::Errno};

/// How long the watchers have to answer.
const NOTIFY_MS: u64 = 3000;

/// A watch on an object, for as long as it lives.
pub(crate) struct Watch {
    cookie: u64,
    /// Made by `Box::into_raw`; librados's threads use it until the watch has ended.
    state: *mut State,
}

// SAFETY: the state is only read, but for an atomic.
unsafe impl Send for Watch {}
// SAFETY: as above.
unsafe impl Sync for Watch {}

struct State {
    context: Arc<Context>,
    object: &'static CStr,
    broken: AtomicBool,
}

/// Answers a notify.
///
/// # Safety
/// `arg` is the [`State`] of a watch that hasn't ended.
unsafe extern "C" fn answer(
    arg: *mut c_void,
    notify: u64,
    cookie: u64,
    _from: u64,
    _data: *mut c_void,
    _length: usize,
) {
    // SAFETY: see above.
    let state = unsafe { &*arg.cast::<State>() };
    // SAFETY: the context is alive, the name a C string; the answer has no content. Should it be
    // lost, the watcher counts as one that didn't answer, and as present all the same.
    unsafe {
        (state.context.library().notify_ack)(
            state.context.io(),
            state.object.as_ptr(),
            notify,
            cookie,
            ptr::null(),
            0,
        );
    }
}

/// Notes that the cluster has lost the watch.
///
/// # Safety
/// `arg` is the [`State`] of a watch that hasn't ended.
unsafe extern "C" fn lost(arg: *mut c_void, _cookie: u64, _error: c_int) {
    // SAFETY: see above.
    unsafe { &*arg.cast::<State>() }.broken.store(true, Ordering::Release);
}

impl Watch {
    /// Begins to watch an object.
    pub(crate) fn begin(context: &Arc<Context>, object: &'static CStr) -> Result<Result<Self, Errno>> {
        context.cluster().check_fork()?;
        let state = State { context: Arc::clone(context), object, broken: AtomicBool::new(false) };
        let state = Box::into_raw(Box::new(state));
        let mut cookie = 0;
        // SAFETY: the context is alive; the state stays alive until the watch has ended.
        let watched = unsafe {
            (context.library().watch3)(
                context.io(),
                object.as_ptr(),
                &mut cookie,
                answer,
                Some(lost),
                0,
                state.cast(),
            )
        };
        if let Err(errno) = Errno::check(watched) {
            // SAFETY: there is no watch, so nobody else knows of the state.
            drop(unsafe { Box::from_raw(state) });
            return Ok(Err(errno));
        }
        Ok(Ok(Self { cookie, state }))
    }

    /// Whether the cluster has lost it, so that it has to be begun again.
    pub(crate) fn is_broken(&self) -> bool {
        self.state().broken.load(Ordering::Acquire)
    }

    fn state(&self) -> &State {
        // SAFETY: it is freed only by `drop`.
        unsafe { &*self.state }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let context = Arc::clone(&self.state().context);
        if context.cluster().is_forked() {
            return;
        }
        let library = context.library();
        // SAFETY: the context and the connection are alive. The second call returns when no
        // callback runs or will run, so that nobody uses the state any more. That the watch can't be
        // taken back is no matter: it runs out.
        unsafe {
            (library.unwatch2)(context.io(), self.cookie);
            (library.watch_flush)(context.cluster().rados());
            drop(Box::from_raw(self.state));
        }
    }
}

/// Who watches an object.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    /// Watches: one for each handle.
    pub(crate) handles: u64,
    /// Connections: one for each process.
    pub(crate) clients: BTreeSet<u64>,
}

/// Asks who watches an object.
pub(crate) fn watchers(context: &Context, object: &CStr) -> Result<Result<Watchers, Errno>> {
    context.cluster().check_fork()?;
    let library = context.library();
    let (mut reply, mut length) = (ptr::null_mut(), 0);
    // SAFETY: the context is alive, the name a C string, no payload, and the places valid.
    let answer = unsafe {
        (library.notify2)(context.io(), object.as_ptr(), ptr::null(), 0, NOTIFY_MS, &mut reply, &mut length)
    };
    let mut found = Watchers::default();
    if !reply.is_null() {
        let (mut acks, mut timeouts) = (ptr::null_mut(), ptr::null_mut());
        let (mut ack_count, mut timeout_count) = (0, 0);
        // SAFETY: librados made the reply, and the places are valid.
        let decoded = unsafe {
            (library.decode_notify_response)(
                reply,
                length,
                &mut acks,
                &mut ack_count,
                &mut timeouts,
                &mut timeout_count,
            )
        };
        if decoded == 0 {
            // SAFETY: the arrays are that long, and null only where they are empty.
            unsafe {
                if !acks.is_null() {
                    found
                        .clients
                        .extend(slice::from_raw_parts(acks, ack_count).iter().map(|ack| ack.notifier_id));
                }
                if !timeouts.is_null() {
                    let missed = slice::from_raw_parts(timeouts, timeout_count);
                    found.clients.extend(missed.iter().map(|missed| missed.notifier_id));
                }
                (library.free_notify_response)(acks, ack_count, timeouts);
            }
            found.handles = (ack_count + timeout_count) as u64;
        }
        // SAFETY: librados made it, and it is freed once.
        unsafe { (library.buffer_free)(reply) };
    }
    match Errno::check(answer) {
        // Some didn't answer: they are in the reply.
        Ok(()) | Err(Errno::TIMEOUT) => Ok(Ok(found)),
        Err(errno) => Ok(Err(errno)),
    }
}
