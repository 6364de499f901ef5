//! Deaths: of a client in the middle of its commits, and of an OSD under load. What was acknowledged
//! is there, whole; what wasn't is there whole or not at all.

use std::{
    env,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use millpond_core::{PoolStore, Store, StoreOptions};
use uuid::Uuid;

use crate::{
    cluster::{alone, conf, new_container, new_pool, open, same_pool},
    steps::{adjust, commit, counter, key, put, put_bulk, read_bulk, store_bulk, value},
};

/// Names the container to the child that commits to it until it is killed.
const CONTAINER: &str = "MILLPOND_TEST_RADOS_CONTAINER";
/// Bytes of the long value that every tenth commit owns.
const BULK_BYTES: usize = 300_000;

/// What commit number `number` of a writer writes: two records and two counters, so that a half of it
/// would show.
fn write(store: &dyn Store, writer: &str, number: u64) {
    let (one, two) = (format!("{writer}.{number}.one"), format!("{writer}.{number}.two"));
    let content = number.to_be_bytes();
    let extents = if number.is_multiple_of(10) { store_bulk(store, &bulk(number)) } else { Vec::new() };
    let own = format!("count.{writer}");
    commit(
        store,
        &[
            put(one.as_bytes(), &content),
            put_bulk(two.as_bytes(), &content, &extents),
            adjust(own.as_bytes(), 1),
            adjust(b"count", 1),
        ],
    );
}

fn bulk(number: u64) -> Vec<u8> {
    number.to_be_bytes().repeat(BULK_BYTES / 8)
}

/// Checks that a writer's commits up to `acknowledged` are there, whole, and at most one more.
fn check(store: &dyn Store, writer: &str, acknowledged: u64) -> u64 {
    let done = counter(store, format!("count.{writer}").as_bytes()).unsigned_abs();
    assert!(
        done == acknowledged || done == acknowledged + 1,
        "{writer}: {acknowledged} were acknowledged, {done} are there"
    );
    for number in 0..done {
        for part in ["one", "two"] {
            let sort = format!("{writer}.{number}.{part}");
            let record =
                store.index().get(key(sort.as_bytes())).expect("read").unwrap_or_else(|| panic!("{sort}"));
            assert_eq!(record.value[..], number.to_be_bytes(), "{sort}");
            if part == "two" && number.is_multiple_of(10) {
                assert!(read_bulk(store, &record.extents).expect("read") == bulk(number), "{sort}");
            }
        }
    }
    let next = format!("{writer}.{done}");
    for part in ["one", "two"] {
        assert_eq!(value(store, format!("{next}.{part}").as_bytes()), None, "half a commit");
    }
    done
}

/// Not a test by itself: the process that is killed. It says after each commit that it is done.
#[test]
fn a_child_that_commits() {
    let Ok(container) = env::var(CONTAINER) else { return };
    let store = open(&same_pool(), Uuid::try_parse(&container).expect("a UUID"));
    for number in 0.. {
        write(&*store, "child", number);
        println!("committed {number}");
    }
}

fn begin_child(container: Uuid) -> Child {
    Command::new(env::current_exe().expect("this test"))
        .args(["deaths::a_child_that_commits", "--exact", "--nocapture", "--test-threads=1"])
        .env(CONTAINER, container.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("begun")
}

#[test]
fn a_client_killed_in_the_middle_of_commits() {
    let _alone = alone();
    let pool = new_pool();
    for round in 0..3u64 {
        let container = new_container(&pool);
        let mut child = begin_child(container);
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        // The test harness may have begun the first of these lines.
        let mut acknowledged = 0;
        while acknowledged < 12 + 7 * round {
            let line = lines.next().expect("the child lives").expect("a line");
            if line.contains("committed ") {
                acknowledged += 1;
            }
        }
        thread::sleep(Duration::from_millis(3 * round));
        child.kill().expect("killed");
        child.wait().expect("waited for");
        acknowledged += lines.map_while(Result::ok).filter(|line| line.contains("committed ")).count() as u64;
        // The other client goes on at once: the dead one holds nothing.
        let begun = Instant::now();
        let store = open(&pool, container);
        let done = check(&*store, "child", acknowledged);
        assert_eq!(counter(&*store, b"count").unsigned_abs(), done);
        write(&*store, "survivor", 0);
        assert!(begun.elapsed() < Duration::from_secs(20), "nobody waits for the dead");
        let mut damages = Vec::new();
        store.verify(&mut |damage| damages.push(damage)).expect("verified");
        assert_eq!(damages, []);
        store.close().expect("closed");
        pool.destroy(container, true).expect("destroyed");
    }
}

fn script(arguments: &[&str]) {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/ceph-cluster");
    let directory = conf().parent().expect("the cluster's directory").to_owned();
    let done = Command::new(script).args(arguments).arg(directory).status().expect("it runs");
    assert!(done.success(), "ceph-cluster {arguments:?}");
}

#[test]
fn an_osd_killed_under_load() {
    let _alone = alone();
    let pool = new_pool();
    let container = new_container(&pool);
    let stop = AtomicBool::new(false);
    let acknowledged: [AtomicU64; 4] = Default::default();
    let longest_ms = AtomicU64::new(0);
    thread::scope(|scope| {
        for (writer, acknowledged) in acknowledged.iter().enumerate() {
            let (pool, stop, longest_ms) = (&pool, &stop, &longest_ms);
            scope.spawn(move || {
                let store = pool.open(container, &StoreOptions::default()).expect("opened");
                let name = writer.to_string();
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    write(&*store, &name, acknowledged.load(Ordering::Relaxed));
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                    longest_ms.fetch_max(begun.elapsed().as_millis() as u64, Ordering::Relaxed);
                }
            });
        }
        let total = || acknowledged.iter().map(|count| count.load(Ordering::Relaxed)).sum::<u64>();
        let wait_for = |count: u64| {
            let deadline = Instant::now() + Duration::from_secs(120);
            while total() < count {
                assert!(Instant::now() < deadline, "{} commits, then nothing", total());
                thread::sleep(Duration::from_millis(20));
            }
        };
        wait_for(40);
        script(&["kill-osd", "1"]);
        wait_for(total() + 60);
        script(&["start"]);
        wait_for(total() + 40);
        stop.store(true, Ordering::Relaxed);
    });
    let store = open(&pool, container);
    let mut sum = 0;
    for (writer, acknowledged) in acknowledged.iter().enumerate() {
        let acknowledged = acknowledged.load(Ordering::Relaxed);
        let done = check(&*store, &writer.to_string(), acknowledged);
        assert_eq!(done, acknowledged, "nobody died, so nothing is in doubt");
        sum += done;
    }
    assert_eq!(counter(&*store, b"count").unsigned_abs(), sum);
    println!("{sum} commits, the longest took {} ms", longest_ms.load(Ordering::Relaxed));
}
