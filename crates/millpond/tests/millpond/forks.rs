//! What can't be carried across a fork says so in the child, and stays whole in the parent.

use std::io::Write as _;

use millpond::{Dict, Error, ErrorKind, TransactionOptions};

use crate::scratch::{Scratch, noise};

/// Runs `work` in a forked child; answers whether it ended with an error of kind `Forked`.
fn is_refused_in_child<T>(work: impl FnOnce() -> Result<T, Error>) -> bool {
    // SAFETY: the child runs `work` alone, which waits for no thread that it lacks, and ends by `_exit`.
    match unsafe { libc::fork() } {
        -1 => panic!("{}", std::io::Error::last_os_error()),
        0 => {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            let refused = matches!(outcome, Ok(Err(error)) if error.kind() == ErrorKind::Forked);
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(i32::from(!refused)) }
        }
        child => {
            let mut status = 0;
            // SAFETY: `status` is a valid place to write to, `child` is ours.
            unsafe { libc::waitpid(child, &mut status, 0) };
            status == 0
        }
    }
}

fn inner(error: std::io::Error) -> Error {
    let inner = error.into_inner().expect("an error of the store");
    *inner.downcast::<Error>().expect("an error of the store")
}

fn dict(scratch: &Scratch) -> Dict {
    scratch.container().create_dict("d").expect("created")
}

on_every_backend!(
    a_writer_stays_in_its_process,
    a_batch_stays_in_its_process,
    a_transaction_stays_in_its_process,
);

fn a_writer_stays_in_its_process(scratch: &Scratch) {
    let dict = dict(scratch);
    // All in memory so far, and with bytes in a segment.
    for length in [10, 3_000_000] {
        let value = noise(length as u64, length);
        let mut writer = dict.writer(b"key").expect("begun");
        writer.write_all(&value).expect("written");
        assert!(is_refused_in_child(|| writer.write_all(&value).map_err(inner)));
        let mut writer = Some(writer);
        assert!(is_refused_in_child(|| writer.take().expect("a writer").commit()));
        let mut writer = writer.take().expect("the child had a copy");
        writer.write_all(&value).expect("written");
        writer.commit().expect("committed");
        let found = dict.get(b"key").expect("read").expect("there");
        assert_eq!(found, [&value[..], &value[..]].concat());
    }
}

fn a_batch_stays_in_its_process(scratch: &Scratch) {
    let dict = dict(scratch);
    let value = noise(7, 3_000_000);
    let mut batch = Some(dict.batch());
    batch.as_mut().expect("a batch").put(b"long", &value).expect("put");
    batch.as_mut().expect("a batch").put(b"short", b"value").expect("put");
    assert!(is_refused_in_child(|| batch.as_mut().expect("a batch").put(b"more", b"v").map(drop)));
    assert!(is_refused_in_child(|| batch.as_mut().expect("a batch").delete(b"more").map(drop)));
    assert!(is_refused_in_child(|| batch.take().expect("a batch").commit()));
    batch.take().expect("the child had a copy").commit().expect("committed");
    assert_eq!(dict.get(b"long").expect("read").expect("there"), value);
    assert_eq!(dict.len().expect("counted"), 2);
}

fn a_transaction_stays_in_its_process(scratch: &Scratch) {
    let dict = dict(scratch);
    dict.put(b"old", b"value").expect("put");
    let long = noise(7, 3_000_000);
    let mut tx = Some(dict.container().begin(TransactionOptions::default()).expect("begun"));
    let within = dict.within(tx.as_ref().expect("a transaction")).expect("the same container");
    within.put(b"short", b"value").expect("put");
    within.put(b"long", &long).expect("put");
    let mut entries = within.iter().expect("begun");
    for key in ["old", "short", "long", "absent"] {
        assert!(is_refused_in_child(|| within.get(key.as_bytes())), "{key}");
        assert!(is_refused_in_child(|| within.get_many(&[key])), "{key}");
    }
    assert!(is_refused_in_child(|| within.len()));
    assert!(is_refused_in_child(|| within.iter().map(drop)));
    assert!(is_refused_in_child(|| entries.next().expect("an answer")));
    assert!(is_refused_in_child(|| within.put(b"more", b"value")));
    assert!(is_refused_in_child(|| tx.take().expect("a transaction").commit()));
    assert!(is_refused_in_child(|| {
        drop(tx.take());
        within.get(b"old")
    }));
    assert_eq!(entries.count(), 3);
    tx.take().expect("the child had a copy").commit().expect("committed");
    assert_eq!(dict.get(b"long").expect("read").expect("there"), long);
    assert_eq!(dict.len().expect("counted"), 3);
}
