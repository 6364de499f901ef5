//! Loads librados, once a process.
//!
//! Through `dlopen` of the C library, which the workspace has a crate for already: three calls
//! don't earn another dependency.

use std::{
    ffi::{CStr, c_void},
    sync::OnceLock,
};

use millpond_core::{Error, ErrorKind, Result};

use super::symbols::Library;

/// The name of the library of every Ceph since 2010.
const NAME: &CStr = c"librados.so.2";

/// The functions of librados.
///
/// # Errors
/// `NotSupported` where it isn't installed, or too old, with the remedy.
pub(crate) fn library() -> Result<&'static Library> {
    static LOADED: OnceLock<Result<Library, String>> = OnceLock::new();
    LOADED.get_or_init(|| load(NAME)).as_ref().map_err(|why| Error::new(ErrorKind::NotSupported, why))
}

fn load(name: &CStr) -> Result<Library, String> {
    // SAFETY: the name is a C string. Loading runs the initialisers of Ceph's library, which are
    // made for being run in any process; it is never unloaded.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if handle.is_null() {
        return Err(format!(
            "rados:// pools need Ceph's client library {}, which can't be loaded ({}): install it, on Debian \
             and Ubuntu with `apt-get install librados2`",
            name.to_string_lossy(),
            last_error()
        ));
    }
    let find = |symbol: &CStr| -> *mut c_void {
        // SAFETY: the handle is a loaded library's, the symbol a C string.
        unsafe { libc::dlsym(handle, symbol.as_ptr()) }
    };
    // SAFETY: the library is librados by its name, and stays loaded for good.
    unsafe { Library::resolve(find) }.map_err(|missing| {
        format!(
            "the Ceph client library {} is too old, since it has no {missing}: install librados2 of Ceph 16.2 \
             or later",
            name.to_string_lossy()
        )
    })
}

fn last_error() -> String {
    // SAFETY: dlerror answers null or a C string that lives until this thread's next call.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "no reason is given".into();
    }
    // SAFETY: not null, see above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_and_its_remedy_are_named() {
        let why = load(c"libno-such-rados.so.2").err().expect("there is no such library");
        assert!(why.contains("libno-such-rados.so.2") && why.contains("apt-get install librados2"), "{why}");
    }

    #[test]
    fn a_library_without_our_functions_is_refused() {
        let why = load(c"libc.so.6").err().expect("that isn't librados");
        assert!(why.contains("rados_create") && why.contains("16.2"), "{why}");
    }
}
