//! A process is stopped while it holds a lock.
//!
//! What can break: everyone else waits for ever, or is told nothing of whom; or takes the lock of a
//! holder that goes on later, and both write.

use std::time::{Duration, Instant};

use millpond::{Container, Durability, ErrorKind};
use millpond_testkit::{
    process::{Part, role, tell},
    random::{Random, test_seed},
};

use super::{container_in, plant};
use crate::scratch::noise;

const TEST: &str = "attacks::stopped::a_stopped_holder_of_a_lock_is_named_and_may_go_on";
/// Stops that are tried until one is under the lock.
const STOPS: usize = 500;

fn signal(pid: u32, signal: libc::c_int) {
    // SAFETY: sends a signal to a process that this one began and hasn't waited for.
    assert_eq!(unsafe { libc::kill(pid as libc::pid_t, signal) }, 0);
}

#[test]
fn a_stopped_holder_of_a_lock_is_named_and_may_go_on() {
    stop_a_holder(TEST, 0);
}

/// The test of the test.
#[cfg(feature = "planted-bugs")]
#[test]
fn a_holder_that_does_not_say_who_it_is() {
    const TEST: &str = "attacks::stopped::a_holder_that_does_not_say_who_it_is";
    match role() {
        Some(_) => stop_a_holder(TEST, 0),
        None => {
            super::assert_noticed(millpond_local::bugs::Bug::HolderNotNamed, |bug| stop_a_holder(TEST, bug))
        }
    }
}

/// Stops another process, with a planted bug, until that is under the lock.
fn stop_a_holder(test: &str, bug: u32) {
    if let Some(role) = role() {
        let (bug, url) = role.split_once(' ').expect("a bug and a container");
        let _planted = plant(bug.parse().expect("a number"));
        let dict = Container::open(url).expect("opened").dict("d").expect("opened");
        for number in 0u64.. {
            // So large that most of the time the lock is held, and small enough for the log.
            let entries =
                (0..8u8).map(|part| ([&number.to_be_bytes()[..], &[part]].concat(), noise(number, 1900)));
            dict.put_many(entries).expect("put");
            tell(number);
        }
    }
    let mut random = Random::new(test_seed(1));
    let dir = tempfile::tempdir().expect("a directory");
    let container = container_in(&dir.path().join("pool"), Durability::Async);
    let dict = container.create_dict("d").expect("created");
    let mut writer = Part::new(test, format!("{bug} {}", container.url())).start();
    writer.told().expect("it writes");
    let (mut puts, mut named) = (0, false);
    for _ in 0..STOPS {
        std::thread::sleep(Duration::from_micros(random.below(3000)));
        signal(writer.pid(), libc::SIGSTOP);
        let began = Instant::now();
        match dict.put(b"mine", b"v") {
            Ok(_) => puts += 1,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
                assert!(error.to_string().contains(&writer.pid().to_string()), "it isn't named: {error}");
                assert!(began.elapsed() < Duration::from_secs(60), "it took {:?}", began.elapsed());
                named = true;
            }
        }
        // What needs no lock goes on.
        if named {
            assert!(dict.len().expect("counted") > 0);
        }
        signal(writer.pid(), libc::SIGCONT);
        if named {
            break;
        }
    }
    assert!(named, "{puts} times the process was stopped without the lock");
    dict.put(b"after", b"v").expect("the lock is free again");
    let before = writer.told_already().last();
    let after = (0..20).filter_map(|_| writer.told_within(Duration::from_secs(20)).ok()).last();
    assert!(after.is_some() && after != before, "the process doesn't go on");
    writer.kill();
    let entries =
        dict.iter().expect("begun").filter(|entry| entry.as_ref().expect("read").0.len() == 9).count();
    assert!(entries % 8 == 0, "a commit is there in part");
    assert_eq!(dict.len().expect("counted"), entries as u64 + 1 + u64::from(puts > 0));
    assert!(container.check(false).expect("checked").is_clean());
}
