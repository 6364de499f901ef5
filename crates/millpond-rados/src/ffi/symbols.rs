//! The functions of librados, with the signatures of its header of version 16.2. Later ones keep
//! them; functions that came later are not used.

use std::{
    ffi::{CStr, c_char, c_int, c_uchar, c_void},
    mem,
};

use libc::{size_t, time_t};

/// A connection to a cluster.
pub(crate) type RadosPtr = *mut c_void;
/// A pool and a namespace of a cluster.
pub(crate) type IoCtxPtr = *mut c_void;
/// A write that is being put together.
pub(crate) type WriteOpPtr = *mut c_void;
/// A read that is being put together.
pub(crate) type ReadOpPtr = *mut c_void;
/// The omap entries that a read answered.
pub(crate) type IterPtr = *mut c_void;
/// The state of an operation in the background.
pub(crate) type CompletionPtr = *mut c_void;
/// The state of a listing of objects.
pub(crate) type ListPtr = *mut c_void;

/// Called with (arg, notify id, cookie, notifier's id, data, length).
type WatchCallback = unsafe extern "C" fn(*mut c_void, u64, u64, u64, *mut c_void, size_t);
/// Called with (arg, cookie, error).
type WatchErrorCallback = unsafe extern "C" fn(*mut c_void, u64, c_int);
/// Called with (completion, arg).
type CompleteCallback = unsafe extern "C" fn(CompletionPtr, *mut c_void);

/// A watcher that answered a notify.
#[repr(C)]
pub(crate) struct NotifyAck {
    pub(crate) notifier_id: u64,
    pub(crate) cookie: u64,
    pub(crate) payload: *mut c_char,
    pub(crate) payload_len: u64,
}

/// A watcher that didn't.
#[repr(C)]
pub(crate) struct NotifyTimeout {
    pub(crate) notifier_id: u64,
    pub(crate) cookie: u64,
}

macro_rules! library {
    ($($name:ident: fn($($argument:ty),* $(,)?) $(-> $answer:ty)?;)*) => {
        /// The functions, by the names that they have behind `rados_`.
        pub(crate) struct Library {
            $(pub(crate) $name: unsafe extern "C" fn($($argument),*) $(-> $answer)?,)*
        }

        impl Library {
            /// Finds every function through `find`, which answers null for one that isn't there.
            ///
            /// # Safety
            /// What `find` answers must be the function of librados of that name, and stay loaded.
            pub(super) unsafe fn resolve(
                find: impl Fn(&CStr) -> *mut c_void,
            ) -> Result<Self, &'static str> {
                $(
                    let name = concat!("rados_", stringify!($name), "\0");
                    let found = find(CStr::from_bytes_with_nul(name.as_bytes()).unwrap_or_default());
                    if found.is_null() {
                        return Err(concat!("rados_", stringify!($name)));
                    }
                    // SAFETY: the caller vouches that this is the function of that name, whose
                    // signature in librados's header is the one above.
                    let $name = unsafe {
                        mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) $(-> $answer)?>(found)
                    };
                )*
                Ok(Self { $($name,)* })
            }
        }
    };
}

library! {
    create: fn(*mut RadosPtr, *const c_char) -> c_int;
    conf_read_file: fn(RadosPtr, *const c_char) -> c_int;
    conf_parse_env: fn(RadosPtr, *const c_char) -> c_int;
    conf_set: fn(RadosPtr, *const c_char, *const c_char) -> c_int;
    connect: fn(RadosPtr) -> c_int;
    shutdown: fn(RadosPtr);
    get_instance_id: fn(RadosPtr) -> u64;

    ioctx_create: fn(RadosPtr, *const c_char, *mut IoCtxPtr) -> c_int;
    ioctx_destroy: fn(IoCtxPtr);
    ioctx_set_namespace: fn(IoCtxPtr, *const c_char);

    create_write_op: fn() -> WriteOpPtr;
    release_write_op: fn(WriteOpPtr);
    write_op_create: fn(WriteOpPtr, c_int, *const c_char);
    write_op_assert_exists: fn(WriteOpPtr);
    write_op_omap_cmp2: fn(WriteOpPtr, *const c_char, u8, *const c_char, size_t, size_t, *mut c_int);
    write_op_omap_set2: fn(
        WriteOpPtr, *const *const c_char, *const *const c_char, *const size_t, *const size_t, size_t,
    );
    write_op_omap_rm_keys2: fn(WriteOpPtr, *const *const c_char, *const size_t, size_t);
    write_op_omap_clear: fn(WriteOpPtr);
    write_op_write_full: fn(WriteOpPtr, *const c_char, size_t);
    write_op_remove: fn(WriteOpPtr);
    write_op_operate: fn(WriteOpPtr, IoCtxPtr, *const c_char, *mut time_t, c_int) -> c_int;

    create_read_op: fn() -> ReadOpPtr;
    release_read_op: fn(ReadOpPtr);
    read_op_read: fn(ReadOpPtr, u64, size_t, *mut c_char, *mut size_t, *mut c_int);
    read_op_stat: fn(ReadOpPtr, *mut u64, *mut time_t, *mut c_int);
    read_op_omap_get_vals2: fn(
        ReadOpPtr, *const c_char, *const c_char, u64, *mut IterPtr, *mut c_uchar, *mut c_int,
    );
    read_op_omap_get_vals_by_keys2: fn(
        ReadOpPtr, *const *const c_char, size_t, *const size_t, *mut IterPtr, *mut c_int,
    );
    read_op_operate: fn(ReadOpPtr, IoCtxPtr, *const c_char, c_int) -> c_int;
    omap_get_next2: fn(IterPtr, *mut *mut c_char, *mut *mut c_char, *mut size_t, *mut size_t) -> c_int;
    omap_get_end: fn(IterPtr);

    aio_create_completion2: fn(*mut c_void, Option<CompleteCallback>, *mut CompletionPtr) -> c_int;
    aio_wait_for_complete: fn(CompletionPtr) -> c_int;
    aio_get_return_value: fn(CompletionPtr) -> c_int;
    aio_release: fn(CompletionPtr);
    aio_write_op_operate: fn(WriteOpPtr, IoCtxPtr, CompletionPtr, *const c_char, *mut time_t, c_int) -> c_int;
    aio_read: fn(IoCtxPtr, *const c_char, CompletionPtr, *mut c_char, size_t, u64) -> c_int;

    nobjects_list_open: fn(IoCtxPtr, *mut ListPtr) -> c_int;
    nobjects_list_next2: fn(
        ListPtr, *mut *const c_char, *mut *const c_char, *mut *const c_char, *mut size_t, *mut size_t,
        *mut size_t,
    ) -> c_int;
    nobjects_list_close: fn(ListPtr);

    watch3: fn(
        IoCtxPtr, *const c_char, *mut u64, WatchCallback, Option<WatchErrorCallback>, u32, *mut c_void,
    ) -> c_int;
    unwatch2: fn(IoCtxPtr, u64) -> c_int;
    watch_flush: fn(RadosPtr) -> c_int;
    notify2: fn(
        IoCtxPtr, *const c_char, *const c_char, c_int, u64, *mut *mut c_char, *mut size_t,
    ) -> c_int;
    notify_ack: fn(IoCtxPtr, *const c_char, u64, u64, *const c_char, c_int) -> c_int;
    decode_notify_response: fn(
        *mut c_char, size_t, *mut *mut NotifyAck, *mut size_t, *mut *mut NotifyTimeout, *mut size_t,
    ) -> c_int;
    free_notify_response: fn(*mut NotifyAck, size_t, *mut NotifyTimeout);
    buffer_free: fn(*mut c_char);
}
