//! The operations of librados, put together from lists of steps.
//!
//! librados copies what a write is given. What a read answers lies in places that live as long as the
//! operation.

use std::{
    ffi::{CString, c_char, c_int, c_uchar},
    ptr,
};

use crate::{
    errno::Errno,
    ffi::{IterPtr, Library, ReadOpPtr, WriteOpPtr},
};

/// The comparison for equality of librados.
const EQUAL: u8 = 1;

/// A key and a value of an omap.
pub(crate) type Entry = (Vec<u8>, Vec<u8>);

/// A step of a write.
#[derive(Clone, Debug)]
pub(crate) enum Change<'a> {
    /// Creates the object; it must not be there.
    CreateNew,
    /// Creates the object if need be.
    Create,
    /// The object must be there.
    AssertExists,
    /// The value of the omap key must be this one; an absent key equals the empty value.
    Compare { key: &'a [u8], value: &'a [u8] },
    /// Sets omap entries.
    Set(&'a [Entry]),
    /// Removes omap entries.
    RemoveKeys(&'a [Vec<u8>]),
    /// Removes every omap entry.
    ClearOmap,
    /// Replaces the object's data.
    Replace(&'a [u8]),
    /// Removes the object.
    Remove,
}

/// A step of a read of omap entries.
#[derive(Clone, Debug)]
pub(crate) enum Query {
    /// The entries of these keys, those that there are.
    Keys(Vec<Vec<u8>>),
    /// Up to `max` entries whose keys begin with `prefix` and come after `after`, in order.
    List { prefix: Vec<u8>, after: Vec<u8>, max: u64 },
}

/// What a [`Query`] found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) entries: Vec<Entry>,
    /// Whether a listing goes on behind the last entry.
    pub(crate) more: bool,
}

/// A write in the form of librados, which copies what it is given.
pub(crate) struct WriteOp {
    library: &'static Library,
    pub(crate) ptr: WriteOpPtr,
}

// SAFETY: librados ties an operation to no thread.
unsafe impl Send for WriteOp {}

impl WriteOp {
    pub(crate) fn new(library: &'static Library, changes: &[Change<'_>]) -> Self {
        // SAFETY: no condition.
        let op = Self { library, ptr: unsafe { (library.create_write_op)() } };
        changes.iter().for_each(|change| op.add(change));
        op
    }

    fn add(&self, change: &Change<'_>) {
        let (library, op) = (self.library, self.ptr);
        // SAFETY: every pointer is to as many bytes as are told with it, and librados copies them
        // before it returns; null stands for no category and for no answer of a step's own.
        unsafe {
            match *change {
                Change::CreateNew => (library.write_op_create)(op, 1, ptr::null()),
                Change::Create => (library.write_op_create)(op, 0, ptr::null()),
                Change::AssertExists => (library.write_op_assert_exists)(op),
                Change::Compare { key, value } => (library.write_op_omap_cmp2)(
                    op,
                    key.as_ptr().cast(),
                    EQUAL,
                    value.as_ptr().cast(),
                    key.len(),
                    value.len(),
                    ptr::null_mut(),
                ),
                Change::Set(entries) => {
                    let keys: Vec<*const c_char> =
                        entries.iter().map(|(key, _)| key.as_ptr().cast()).collect();
                    let values: Vec<*const c_char> =
                        entries.iter().map(|(_, value)| value.as_ptr().cast()).collect();
                    let key_lens: Vec<usize> = entries.iter().map(|(key, _)| key.len()).collect();
                    let value_lens: Vec<usize> = entries.iter().map(|(_, value)| value.len()).collect();
                    (library.write_op_omap_set2)(
                        op,
                        keys.as_ptr(),
                        values.as_ptr(),
                        key_lens.as_ptr(),
                        value_lens.as_ptr(),
                        entries.len(),
                    );
                }
                Change::RemoveKeys(keys) => {
                    let pointers: Vec<*const c_char> = keys.iter().map(|key| key.as_ptr().cast()).collect();
                    let lens: Vec<usize> = keys.iter().map(Vec::len).collect();
                    (library.write_op_omap_rm_keys2)(op, pointers.as_ptr(), lens.as_ptr(), keys.len());
                }
                Change::ClearOmap => (library.write_op_omap_clear)(op),
                Change::Replace(bytes) => {
                    (library.write_op_write_full)(op, bytes.as_ptr().cast(), bytes.len());
                }
                Change::Remove => (library.write_op_remove)(op),
            }
        }
    }
}

impl Drop for WriteOp {
    fn drop(&mut self) {
        // SAFETY: it was made by `create_write_op`, and is released once.
        unsafe { (self.library.release_write_op)(self.ptr) };
    }
}

/// What one query will find, in places that don't move.
struct Pending {
    iter: IterPtr,
    more: c_uchar,
    answer: c_int,
}

/// A read in the form of librados.
pub(crate) struct ReadOp {
    library: &'static Library,
    pub(crate) ptr: ReadOpPtr,
    pending: Box<[Pending]>,
}

impl ReadOp {
    pub(crate) fn new(library: &'static Library, queries: &[Query]) -> Self {
        let pending = queries.iter().map(|_| Pending { iter: ptr::null_mut(), more: 0, answer: 0 }).collect();
        // SAFETY: no condition.
        let mut op = Self { library, ptr: unsafe { (library.create_read_op)() }, pending };
        for (query, pending) in queries.iter().zip(&mut op.pending) {
            match query {
                Query::Keys(keys) => {
                    let pointers: Vec<*const c_char> = keys.iter().map(|key| key.as_ptr().cast()).collect();
                    let lens: Vec<usize> = keys.iter().map(Vec::len).collect();
                    // SAFETY: librados copies the keys; the places of the answer are in a box that
                    // lives as long as the operation.
                    unsafe {
                        (library.read_op_omap_get_vals_by_keys2)(
                            op.ptr,
                            pointers.as_ptr(),
                            keys.len(),
                            lens.as_ptr(),
                            &mut pending.iter,
                            &mut pending.answer,
                        );
                    }
                }
                Query::List { prefix, after, max } => {
                    // Our keys have no NUL, so that these are what is meant.
                    let prefix = CString::new(prefix.as_slice()).unwrap_or_default();
                    let after = CString::new(after.as_slice()).unwrap_or_default();
                    // SAFETY: as above.
                    unsafe {
                        (library.read_op_omap_get_vals2)(
                            op.ptr,
                            after.as_ptr(),
                            prefix.as_ptr(),
                            *max,
                            &mut pending.iter,
                            &mut pending.more,
                            &mut pending.answer,
                        );
                    }
                }
            }
        }
        op
    }

    /// What the queries found, after the operation.
    pub(crate) fn take(&mut self) -> Result<Vec<Found>, Errno> {
        self.pending
            .iter()
            .map(|pending| {
                Errno::check(pending.answer)?;
                Ok(Found { entries: entries(self.library, pending.iter), more: pending.more != 0 })
            })
            .collect()
    }
}

impl Drop for ReadOp {
    fn drop(&mut self) {
        for pending in &self.pending {
            if !pending.iter.is_null() {
                // SAFETY: librados made it, and it is freed once.
                unsafe { (self.library.omap_get_end)(pending.iter) };
            }
        }
        // SAFETY: it was made by `create_read_op`, and is released once.
        unsafe { (self.library.release_read_op)(self.ptr) };
    }
}

/// The entries that an iterator of librados goes over.
fn entries(library: &Library, iter: IterPtr) -> Vec<Entry> {
    let mut entries = Vec::new();
    loop {
        let (mut key, mut value) = (ptr::null_mut(), ptr::null_mut());
        let (mut key_len, mut value_len) = (0, 0);
        // SAFETY: the iterator was filled by an operation that succeeded; the places are valid.
        let answer =
            unsafe { (library.omap_get_next2)(iter, &mut key, &mut value, &mut key_len, &mut value_len) };
        if answer != 0 || key.is_null() {
            return entries;
        }
        let of = |start: *mut c_char, length: usize| match length {
            0 => Vec::new(),
            // SAFETY: librados answers the lengths of what it points to, valid until the iterator goes.
            _ => unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) }.to_vec(),
        };
        entries.push((of(key, key_len), of(value, value_len)));
    }
}
