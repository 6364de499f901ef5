//! Connecting: nothing waits for ever, and every refusal says what to do.

use std::{
    fs,
    time::{Duration, Instant},
};

use millpond_core::{ErrorKind, PoolStore};
use millpond_rados::{ClusterOptions, RadosPool};

use crate::{
    cluster::{CEPH_POOL, alone, conf, new_container, new_pool, open, options},
    steps::{commit, put, value},
};

fn refused(options: &ClusterOptions) -> millpond_core::Error {
    RadosPool::open(CEPH_POOL, options).expect_err("it can't be opened")
}

#[test]
fn a_missing_configuration_is_named() {
    let error = refused(&ClusterOptions { conf: Some("/no/such/ceph.conf".into()), user: None });
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("/no/such/ceph.conf"), "{error}");
}

#[test]
fn a_cluster_that_does_not_answer_is_given_up() {
    let _alone = alone();
    let directory = std::env::temp_dir().join(format!("millpond-{}", uuid::Uuid::new_v4()));
    fs::create_dir(&directory).expect("made");
    let text = fs::read_to_string(conf()).expect("the configuration");
    let dead = text.lines().map(|line| match line.starts_with("mon host") {
        // Nobody listens there.
        true => "mon host = [v2:127.0.0.1:1]\n".to_owned(),
        false => format!("{line}\n"),
    });
    let file = directory.join("ceph.conf");
    fs::write(&file, dead.collect::<String>()).expect("written");
    let begun = Instant::now();
    let error = refused(&ClusterOptions { conf: Some(file), user: None });
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    fs::remove_dir_all(directory).expect("removed");
}

#[test]
fn a_forked_child_is_told_to_open_again_and_can() {
    let _alone = alone();
    let pool = new_pool();
    let container = new_container(&pool);
    let store = open(&pool, container);
    commit(&*store, &[put(b"a", b"parent")]);
    // SAFETY: the child only calls what is under test, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no fork");
    if child == 0 {
        let code = match store.index().get(crate::steps::key(b"a")) {
            Err(error) if error.kind() == ErrorKind::Forked => in_child(container),
            _ => 1,
        };
        // SAFETY: no condition; nothing of the parent's is dropped.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: the child is ours, the place valid.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "the child failed: {status:#x}");
    assert_eq!(value(&*store, b"a"), Some(b"child".to_vec()));
}

/// Opens the container anew and commits; answers 0 if all went well.
fn in_child(container: uuid::Uuid) -> i32 {
    let Ok(Some(pool)) = RadosPool::open(CEPH_POOL, &options()) else { return 2 };
    let Ok(store) = pool.open(container, &millpond_core::StoreOptions::default()) else { return 3 };
    match crate::steps::try_commit(&*store, &[], &[put(b"a", b"child")]) {
        Ok(_) => 0,
        Err(_) => 4,
    }
}
