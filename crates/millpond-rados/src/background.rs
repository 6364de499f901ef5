//! Operations in the background, several at once: what makes long values fast.
//!
//! Invariant: a buffer that librados reads into belongs to the operation, and is freed only after
//! the operation has ended, whether anybody still wants its answer or not.

use std::{ffi::CStr, ptr, sync::Arc};

use millpond_core::Result;

use crate::{
    context::{Context, FULL_TRY},
    errno::Errno,
    ffi::CompletionPtr,
    operation::{Change, WriteOp},
};

/// An operation that is under way.
struct Completion {
    context: Arc<Context>,
    ptr: CompletionPtr,
}

// SAFETY: librados allows a completion to be waited for from any thread.
unsafe impl Send for Completion {}

impl Completion {
    fn new(context: &Arc<Context>) -> Result<Self> {
        context.cluster().check_fork()?;
        let mut completion = ptr::null_mut();
        // SAFETY: no callback is wanted; the place is valid.
        let made =
            unsafe { (context.library().aio_create_completion2)(ptr::null_mut(), None, &mut completion) };
        Errno::check(made).map_err(|errno| errno.into_error("can't begin an operation in the background"))?;
        Ok(Self { context: Arc::clone(context), ptr: completion })
    }

    /// Waits for the end, and answers what the operation answered. Bounded, since every operation
    /// is.
    fn wait(&self) -> i32 {
        // SAFETY: the completion is alive, and its operation was begun.
        unsafe {
            (self.context.library().aio_wait_for_complete)(self.ptr);
            (self.context.library().aio_get_return_value)(self.ptr)
        }
    }

    /// Gives up a completion whose operation was never begun.
    fn release(&self) {
        // SAFETY: it was made by `aio_create_completion2`, and is released once.
        unsafe { (self.context.library().aio_release)(self.ptr) };
    }

    /// Ends: waits and releases. In a forked child nobody would answer.
    fn end(&self) {
        if !self.context.cluster().is_forked() {
            self.wait();
            self.release();
        }
    }
}

/// A write that is under way.
pub(crate) struct PendingWrite {
    completion: Completion,
    _op: WriteOp,
}

impl PendingWrite {
    pub(crate) fn begin(context: &Arc<Context>, object: &CStr, changes: &[Change<'_>]) -> Result<Self> {
        let completion = Completion::new(context)?;
        let op = WriteOp::new(context.library(), changes);
        // SAFETY: all of them are alive until the operation ends: `Drop` waits for that.
        let begun = unsafe {
            (context.library().aio_write_op_operate)(
                op.ptr,
                context.io(),
                completion.ptr,
                object.as_ptr(),
                ptr::null_mut(),
                FULL_TRY,
            )
        };
        if let Err(errno) = Errno::check(begun) {
            completion.release();
            return Err(errno.into_error(format_args!("can't write {}", context.place(object))));
        }
        Ok(Self { completion, _op: op })
    }

    /// Waits for the end.
    pub(crate) fn wait(self) -> Result<(), Errno> {
        Errno::check(self.completion.wait())
    }
}

impl Drop for PendingWrite {
    fn drop(&mut self) {
        self.completion.end();
    }
}

/// A read of data that is under way.
pub(crate) struct PendingRead {
    completion: Completion,
    buffer: Vec<u8>,
}

impl PendingRead {
    pub(crate) fn begin(context: &Arc<Context>, object: &CStr, offset: u64, length: usize) -> Result<Self> {
        let completion = Completion::new(context)?;
        let mut buffer = vec![0u8; length];
        // SAFETY: the buffer is that long, doesn't move with the vector, and is freed only after
        // `Drop` has waited for the end.
        let begun = unsafe {
            (context.library().aio_read)(
                context.io(),
                object.as_ptr(),
                completion.ptr,
                buffer.as_mut_ptr().cast(),
                length,
                offset,
            )
        };
        if let Err(errno) = Errno::check(begun) {
            completion.release();
            return Err(errno.into_error(format_args!("can't read {}", context.place(object))));
        }
        Ok(Self { completion, buffer })
    }

    /// Waits for the end; fewer bytes than asked for where the object ends before.
    pub(crate) fn wait(mut self) -> Result<Vec<u8>, Errno> {
        let answer = self.completion.wait();
        Errno::check(answer)?;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.truncate(usize::try_from(answer).unwrap_or(0));
        Ok(buffer)
    }
}

impl Drop for PendingRead {
    fn drop(&mut self) {
        if self.completion.context.cluster().is_forked() {
            // Nobody knows whether the parent's threads were writing to it; a child can spare it.
            std::mem::forget(std::mem::take(&mut self.buffer));
        }
        self.completion.end();
    }
}
