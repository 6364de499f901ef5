//! A process forks while it has a container open.
//!
//! What can break: the child writes in the parent's name, under its locks and its slot; it keeps
//! the parent's locks alive after the parent's death; closing in the child closes for the parent.

use std::{path::Path, sync::Arc};

use millpond_core::{Commit, Durability, Key, Op, Store, Write};
use millpond_local::{
    EngineOptions, LocalStore,
    media::{Media, SystemMedia},
};

use crate::subject::{CONTAINER, create};

fn open(dir: &Path) -> Result<LocalStore, String> {
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    let options = EngineOptions { background: false, ..EngineOptions::default() };
    LocalStore::open(media, dir, CONTAINER, options, false).map_err(|error| error.to_string())
}

fn put(store: &LocalStore, sort: &[u8]) -> Result<(), String> {
    let write = Write { key: Key::new(b"p", sort), op: Op::Put { value: b"v", extents: &[] }, tally: None };
    let commit = Commit { writes: vec![write], durability: Durability::Async, ..Commit::default() };
    store.index().commit(&commit).map(drop).map_err(|error| error.to_string())
}

fn has(store: &LocalStore, sort: &[u8]) -> Result<bool, String> {
    let found = store.index().get(Key::new(b"p", sort)).map_err(|error| error.to_string())?;
    Ok(found.is_some())
}

/// Runs `work` in a forked child, which ends without unwinding or running what is registered for
/// the end of a process; answers whether it succeeded.
fn in_child(work: impl FnOnce() -> Result<bool, String>) -> Result<(), String> {
    // SAFETY: the child runs `work` alone, in which nothing waits for threads that it lacks, and
    // ends by `_exit`.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error().to_string()),
        0 => {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            let code = i32::from(!matches!(outcome, Ok(Ok(true))));
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(code) }
        }
        child => {
            let mut status = 0;
            // SAFETY: `status` is a valid place to write to, `child` is ours.
            unsafe { libc::waitpid(child, &mut status, 0) };
            if status == 0 { Ok(()) } else { Err(format!("the child ended with status {status:#x}")) }
        }
    }
}

/// A child uses the parent's handle as its own, and leaves the parent's alone.
pub fn a_child_works_on_its_own() -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let dir = dir.path().join("container");
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    create(&media, &dir).map_err(|error| error.to_string())?;
    let store = open(&dir)?;
    put(&store, b"before")?;
    in_child(|| {
        put(&store, b"child")?;
        let seen = has(&store, b"before")? && has(&store, b"child")?;
        store.close().map_err(|error| error.to_string())?;
        Ok(seen)
    })?;
    if !has(&store, b"child")? {
        return Err("the parent doesn't see what the child committed".into());
    }
    put(&store, b"after")?;
    // A child that dies while it has the handle leaves nothing behind either.
    in_child(|| put(&store, b"second child").map(|()| true))?;
    if !has(&store, b"second child")? {
        return Err("the parent doesn't see what the second child committed".into());
    }
    store.close().map_err(|error| error.to_string())?;
    let store = open(&dir)?;
    for sort in [&b"before"[..], b"child", b"after", b"second child"] {
        if !has(&store, sort)? {
            return Err(format!("{sort:?} is lost"));
        }
    }
    Ok(())
}

#[test]
fn a_forked_child_works_on_its_own() {
    a_child_works_on_its_own().expect("rule 12");
}

/// The parent dies while its child lives on: the child must not keep the parent's locks.
#[test]
fn a_child_does_not_keep_its_parent_s_locks() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().join("container");
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    create(&media, &dir).expect("created");
    let outcome = in_child(|| {
        // This one is the parent that dies; its child only sleeps.
        let store = open(&dir)?;
        put(&store, b"a")?;
        // SAFETY: the grandchild sleeps and ends, nothing else.
        if unsafe { libc::fork() } == 0 {
            // SAFETY: as above.
            unsafe {
                libc::usleep(3_000_000);
                libc::_exit(0);
            }
        }
        Ok(true)
    });
    outcome.expect("the parent ended");
    let store = open(&dir).expect("opened");
    assert!(has(&store, b"a").expect("read"));
    let statistics = store.statistics().expect("statistics");
    assert_eq!(statistics.processes, 1, "the dead one doesn't count, though its child lives");
    put(&store, b"b").expect("nobody holds the commit lock");
}
