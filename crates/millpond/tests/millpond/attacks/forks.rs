//! A process forks with everything open, and while its threads commit.
//!
//! What can break: the child waits for a lock that a thread held which it hasn't; it goes on with
//! the parent's view, stream or batch; what it drops is dropped for the parent too; a commit that
//! the parent was in the middle of is made twice.

use std::{
    io::{Read, Write},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use millpond::{Dict, Durability, ErrorKind};
use millpond_testkit::{
    process::{Part, role},
    random::{Random, test_scale, test_seed},
};

use super::container_in;
use crate::scratch::noise;

/// Seconds after which a child counts as hanging.
const PATIENCE_SECONDS: u32 = 30;

/// Runs `work` in a forked child, which ends without unwinding, or by SIGKILL.
fn in_child(killed: bool, work: impl FnOnce()) -> Result<(), String> {
    // SAFETY: the child runs `work` alone, is killed by an alarm if that hangs, and ends at once.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error().to_string()),
        0 => {
            // SAFETY: the default action of the alarm ends this process.
            unsafe { libc::alarm(PATIENCE_SECONDS) };
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            // SAFETY: ends the child at once.
            unsafe {
                if killed && done.is_ok() {
                    libc::kill(libc::getpid(), libc::SIGKILL);
                }
                libc::_exit(i32::from(done.is_err()));
            }
        }
        child => {
            let mut status = 0;
            // SAFETY: `status` is a valid place to write to, `child` is ours.
            unsafe { libc::waitpid(child, &mut status, 0) };
            let expected = if killed { libc::SIGKILL } else { 0 };
            match status {
                status if status == expected => Ok(()),
                status if libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGALRM => {
                    Err("the child hung".into())
                }
                status => Err(format!("the child ended with status {status:#x}")),
            }
        }
    }
}

/// Runs a test in a process of its own: what forks should have no other tests beside it.
fn alone(test: &str) -> bool {
    if role().is_some() {
        return true;
    }
    let mut process = Part::new(test, "alone").start();
    let ended = process.end_within(Duration::from_secs(300)).expect("it ends");
    assert!(ended.success(), "{test} failed in its process: {ended}");
    false
}

#[test]
fn what_is_open_stays_with_the_parent() {
    if alone("attacks::forks::what_is_open_stays_with_the_parent") {
        fork_with_all_open();
    }
}

/// The test of the test.
#[cfg(feature = "planted-bugs")]
#[test]
fn a_handle_that_a_child_keeps() {
    let bug = millpond_local::bugs::Bug::ForkedChildKeepsHandle;
    if role().is_some() {
        let _planted = millpond_local::bugs::plant(bug);
        return fork_with_all_open();
    }
    super::assert_noticed(bug, |_| {
        alone("attacks::forks::a_handle_that_a_child_keeps");
    });
}

fn fork_with_all_open() {
    let dir = tempfile::tempdir().expect("a directory");
    let container = container_in(&dir.path().join("pool"), Durability::Async);
    let dict = container.create_dict("d").expect("created");
    dict.put_many((0..2000u64).map(|number| (number.to_be_bytes(), noise(number, 100)))).expect("put");
    dict.put(b"long", &noise(1, 300_000)).expect("put");
    let mut iterator = dict.iter().expect("begun");
    let first = iterator.next().expect("an entry").expect("read");
    let mut reader = dict.reader(b"long").expect("opened").expect("a value");
    let mut start = vec![0; 100_000];
    reader.read_exact(&mut start).expect("read");
    let mut writer = dict.writer(b"streamed").expect("opened");
    writer.write_all(&noise(2, 150_000)).expect("written");
    let mut writer = Some(writer);
    let mut batch = dict.batch();
    batch.put(b"batched", b"short").expect("put");
    batch.put(b"batched long", &noise(3, 90_000)).expect("put");
    let mut batch = Some(batch);

    for killed in [false, true] {
        in_child(killed, || {
            // Of what was open, each goes on as its own, or says that it was carried across.
            let forked =
                |error: &dyn std::fmt::Display| assert!(error.to_string().contains("fork"), "{error}");
            match iterator.by_ref().try_fold(0, |count, entry| entry.map(|_| count + 1)) {
                Ok(count) => assert_eq!(count, 2000),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Forked, "{error}"),
            }
            let mut rest = Vec::new();
            match reader.read_to_end(&mut rest) {
                Ok(_) => assert!(rest == noise(1, 300_000)[100_000..]),
                Err(error) => forked(&error),
            }
            // What the child takes here, the parent still has.
            let mut writer = writer.take().expect("a writer");
            let written = writer.write_all(&noise(4, 150_000)).map_err(|error| error.to_string());
            match written.and_then(|()| writer.commit().map_err(|error| error.to_string())) {
                Ok(_) => panic!("half of the stream is the parent's"),
                Err(error) => forked(&error),
            }
            match batch.take().expect("a batch").commit() {
                Ok(_) => panic!("the long value of the batch is the parent's"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Forked, "{error}"),
            }
            // The handle itself works, as a new one would.
            assert!(
                !dict.contains(b"streamed").expect("asked") && !dict.contains(b"batched").expect("asked")
            );
            dict.put(if killed { b"killed" } else { b"child " }, &noise(5, 50_000)).expect("put");
            dict.delete(&7u64.to_be_bytes()).expect("deleted");
            container.compact().expect("compacted");
        })
        .expect("a child");
    }
    assert_eq!(first.1, noise(0, 100));
    assert_eq!(iterator.count(), 2000, "the parent's view is as it was");
    writer.take().expect("a writer").commit().expect("committed");
    batch.take().expect("a batch").commit().expect("committed");
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).expect("read");
    assert!(rest == noise(1, 300_000)[100_000..], "the parent's stream is as it was");
    for key in [&b"streamed"[..], b"batched", b"batched long", b"killed", b"child "] {
        assert!(dict.contains(key).expect("asked"), "{} is lost", key.escape_ascii());
    }
    assert_eq!(dict.len().expect("counted"), 2000 + 1 + 5 - 1);
    assert!(container.check(false).expect("checked").is_clean());
}

/// One thread of the parent: it commits and reads until it is told to end.
fn work(dict: &Dict, thread: u64, done: &AtomicU64, end: &AtomicBool) {
    for number in 0u64.. {
        if end.load(Ordering::Relaxed) {
            return;
        }
        let key = [thread.to_be_bytes(), number.to_be_bytes()].concat();
        let length = if number % 20 == 0 { 4000 } else { 200 };
        assert!(!dict.put(&key, &noise(number, length)).expect("put"), "a key is put twice");
        assert!(dict.get(&key).expect("read").is_some_and(|value| value == noise(number, length)));
        done.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_process_forks_while_its_threads_commit() {
    if !alone("attacks::forks::a_process_forks_while_its_threads_commit") {
        return;
    }
    let seed = test_seed(1);
    let mut random = Random::new(seed);
    let dir = tempfile::tempdir().expect("a directory");
    let container = container_in(&dir.path().join("pool"), Durability::Async);
    let dict = container.create_dict("d").expect("created");
    let (done, end) = (AtomicU64::new(0), AtomicBool::new(false));
    let children = 60 * test_scale();
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (dict, done, end) = (&dict, &done, &end);
            scope.spawn(move || work(dict, thread, done, end));
        }
        for child in 0..children {
            std::thread::sleep(Duration::from_micros(random.below(5000)));
            let before = dict.len().expect("counted");
            let forked = in_child(random.chance(500), || {
                // The handle is inherited, and opens the container anew.
                let key = [b"child".as_slice(), &child.to_be_bytes()].concat();
                assert!(!dict.put(&key, &noise(child, 3000)).expect("put"));
                assert!(dict.len().expect("counted") > before);
                dict.container().flush().expect("flushed");
            });
            forked.unwrap_or_else(|why| panic!("seed {seed}, child {child}: {why}"));
        }
        end.store(true, Ordering::Relaxed);
    });
    assert_eq!(dict.len().expect("counted"), done.load(Ordering::Relaxed) + children);
    let entries = dict.iter().expect("begun").collect::<Result<Vec<_>, _>>().expect("read");
    assert_eq!(entries.len() as u64, done.load(Ordering::Relaxed) + children);
    assert!(container.check(false).expect("checked").is_clean());
    container.close().expect("closed");
}
