//! How much is kept for those who watch.

use std::time::Duration;

use millpond::{Container, ContainerOptions, ErrorKind, Pool, WatchOptions};

use crate::scratch::{Scratch, noise, refused};

on_every_backend!(
    one_that_falls_behind_is_told_where_to_go_on,
    a_full_pool_lets_go_of_what_is_kept,
    what_nobody_needs_is_not_kept,
);

fn container(pool: &Pool, retention: &str) -> Container {
    let properties = [("watch-retention", retention), ("log-size", "64KiB")];
    let options = ContainerOptions {
        properties: properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..ContainerOptions::default()
    };
    pool.create_container(Some("kv"), options).expect("a container")
}

fn one_that_falls_behind_is_told_where_to_go_on(scratch: &Scratch) {
    let container = container(&scratch.pool(), "200KiB,1day");
    let dict = container.create_dict("d").expect("created");
    let options = || WatchOptions::default().cursor("slow");
    let mut slow = container.watch(options()).expect("a watch");
    for round in 0..600u64 {
        dict.put(&round.to_be_bytes(), &noise(round, 1500)).expect("put");
        if round % 50 == 49 {
            container.compact().expect("compacted");
        }
    }
    // What it has at hand may still be told, in order.
    let mut told = 0u64;
    let error = loop {
        match slow.next_within(Duration::ZERO) {
            Ok(Some(mut set)) => {
                let change = set.next().expect("a change").expect("read");
                assert_eq!(change.key(), Some(&told.to_be_bytes()[..]));
                told += 1;
            }
            Ok(None) => panic!("it was told everything, within 200 KiB"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Lagged, "{error}");
    assert!(error.to_string().contains("snapshot"), "{error}");
    let restart = error.restart_epoch().expect("where to go on");
    refused(container.watch(options()), ErrorKind::Lagged, "watch after epoch");
    let mut again = container.watch(options().after(restart)).expect("a watch");
    let mut rest = Vec::new();
    while let Some(mut set) = again.next_within(Duration::ZERO).expect("no error") {
        rest.push(set.next().expect("a change").expect("read").key().expect("a key").to_vec());
    }
    let first = 600 - rest.len() as u64;
    assert!(first > told && rest.len() > 20, "from {first} on, after {told}");
    assert!(rest.into_iter().eq((first..600).map(|key| key.to_be_bytes().to_vec())));
}

fn a_full_pool_lets_go_of_what_is_kept(scratch: &Scratch) {
    let pool = scratch.pool_of(Some(3 << 20));
    let container = container(&pool, "1GiB,1day");
    let dict = container.create_dict("d").expect("created");
    let mut slow = container.watch(WatchOptions::default().cursor("slow")).expect("a watch");
    // Far more than the pool holds, if all of it were kept.
    for round in 0..8000u64 {
        dict.put(&(round % 10).to_be_bytes(), &noise(round, 1500)).expect("nobody waits for those who watch");
    }
    let error = loop {
        match slow.next_within(Duration::ZERO) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("all of it was kept in a pool that is too small"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Lagged, "{error}");
    let used = pool.query().expect("asked").used;
    assert!(used <= 3 << 20, "{used}");
}

fn what_nobody_needs_is_not_kept(scratch: &Scratch) {
    let pool = scratch.pool();
    let container = container(&pool, "1GiB,1day");
    let dict = container.create_dict("d").expect("created");
    let used = || pool.query().expect("asked").used;
    let mut watch = container.watch(WatchOptions::default().cursor("done")).expect("a watch");
    let fill = || {
        for round in 0..800u64 {
            dict.put(&(round % 10).to_be_bytes(), &noise(round, 1500)).expect("put");
        }
        container.compact().expect("compacted");
    };
    fill();
    assert!(used() > 800 * 1500, "all of it is kept: {}", used());
    while let Some(set) = watch.next_within(Duration::ZERO).expect("no error") {
        let epoch = set.epoch();
        if epoch.0 % 100 == 0 {
            watch.acknowledge(epoch).expect("acknowledged");
        }
    }
    let epoch = watch.epoch();
    watch.acknowledge(epoch).expect("acknowledged");
    dict.put(b"last", b"").expect("put");
    container.compact().expect("compacted");
    container.compact().expect("compacted");
    assert!(used() < 400 * 1500, "nobody needs it any more: {}", used());
    // A cursor that is removed needs nothing, either.
    drop(watch);
    fill();
    assert!(used() > 800 * 1500, "the cursor keeps it: {}", used());
    container.remove_watch_cursor("done").expect("removed");
    container.compact().expect("compacted");
    container.compact().expect("compacted");
    assert!(used() < 400 * 1500, "nobody needs it any more: {}", used());
}
