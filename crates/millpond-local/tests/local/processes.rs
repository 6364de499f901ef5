//! Real processes on real files, killed with SIGKILL at any instant.
//!
//! What can break: a killed process leaves a lock, half a record, a record that is not published,
//! a run or segment that nobody names. What must hold, for a process that was attached all along
//! and for one that opens the container afterwards: every commit that a process was told of is
//! there, each commit is there whole or not at all, and the counter equals the number of keys.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use millpond_core::{At, Commit, Direction, Durability, Index, Key, KeyRange, Op, Outcome, Store, Write};
use millpond_local::{
    LocalStore,
    media::{Media, SystemMedia},
};
use millpond_testkit::random::{Random, test_seed};

use super::subject;

const DIR: &str = "MILLPOND_TEST_CHILD_DIR";
const NAME: &str = "MILLPOND_TEST_CHILD_NAME";
const KEYS: &[u8] = b"keys";
const COUNT: Key<'static> = Key { partition: b"count", sort: b"" };
const CHILDREN: usize = 4;

fn open(dir: &std::path::Path) -> LocalStore {
    let options = millpond_local::EngineOptions { background: true, ..subject::options() };
    LocalStore::open(Arc::new(SystemMedia), dir, subject::CONTAINER, options, false).expect("opened")
}

/// One commit: two keys, of which one has a long value in a segment now and then.
fn commit(store: &LocalStore, name: &str, number: u64) {
    let keys = [format!("{name}/{number:08}/a"), format!("{name}/{number:08}/b")];
    let value = vec![number as u8; 50 + (number % 1000) as usize];
    let mut extents = Vec::new();
    if number.is_multiple_of(16) {
        let mut writer = millpond_core::Segments::writer(store).expect("a writer");
        writer.append(&vec![number as u8; 20_000]).expect("appended");
        extents = writer.finish().expect("finished");
    }
    let write = |at: usize, extents| Write {
        key: Key::new(KEYS, keys[at].as_bytes()),
        op: Op::Put { value: &value, extents },
        tally: Some(COUNT),
    };
    let commit = Commit {
        preconditions: Vec::new(),
        writes: vec![write(0, &extents[..]), write(1, &[])],
        durability: if number.is_multiple_of(8) { Durability::Sync } else { Durability::Async },
    };
    let outcome = store.commit(&commit).expect("committed");
    assert!(matches!(outcome, Outcome::Committed { .. }));
}

/// What a child does: commits, and says so, until it is killed.
#[test]
#[ignore = "the child of the test below"]
fn child() {
    let (Ok(dir), Ok(name)) = (std::env::var(DIR), std::env::var(NAME)) else { return };
    let store = open(&PathBuf::from(dir));
    let mut out = std::io::stdout();
    for number in 0.. {
        commit(&store, &name, number);
        if writeln!(out, "done {number}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

fn start(dir: &std::path::Path, name: String, acknowledged: &mpsc::Sender<String>) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["processes::child", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(NAME, &name)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let out = child.stdout.take().expect("its output");
    let (acknowledged, prefix) = (acknowledged.clone(), name);
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("done ").and_then(|number| number.parse::<u64>().ok()) {
                let _ = acknowledged.send(format!("{prefix}/{number:08}"));
            }
        }
    });
    child
}

fn check(store: &LocalStore, acknowledged: &BTreeSet<String>, when: &str) {
    let view = store.view(At::Latest).expect("a view");
    let mut cursor = view.scan(KeyRange::all(KEYS), Direction::Forward).expect("a scan");
    let mut keys = BTreeSet::new();
    while cursor.advance().expect("readable") {
        for extent in cursor.record().extents {
            let mut bytes = vec![0; extent.length as usize];
            millpond_core::Segments::read(store, extent, 0, &mut bytes).expect("bulk bytes");
            assert!(bytes.iter().all(|byte| *byte == cursor.record().value[0]), "{when}: wrong bulk bytes");
        }
        keys.insert(String::from_utf8(cursor.key().to_vec()).expect("ours"));
    }
    assert_eq!(view.counter(COUNT).expect("a counter"), keys.len() as i64, "{when}: the counter is wrong");
    for key in &keys {
        let other = if key.ends_with("/a") { key.replace("/a", "/b") } else { key.replace("/b", "/a") };
        assert!(keys.contains(&other), "{when}: half a commit, {key} without {other}");
    }
    for commit in acknowledged {
        assert!(keys.contains(&format!("{commit}/a")), "{when}: acknowledged commit {commit} is lost");
    }
}

#[test]
fn processes_killed_at_any_instant_lose_nothing_that_was_acknowledged() {
    let mut random = Random::new(test_seed(1));
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    let dir = std::env::temp_dir().join(format!("millpond-processes-{:x}", media.random()));
    subject::create(&media, &dir).expect("created");
    let witness = open(&dir);
    let (sender, receiver) = mpsc::channel();
    let mut started = 0;
    let mut next = {
        let (dir, sender) = (dir.clone(), sender.clone());
        move || {
            started += 1;
            start(&dir, format!("child-{started}"), &sender)
        }
    };
    let mut running: Vec<Child> = (0..CHILDREN).map(|_| next()).collect();
    let mut acknowledged = BTreeSet::new();
    let deadline = Instant::now() + Duration::from_secs(6);
    while Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20 + random.below(150)));
        let victim = random.index(running.len());
        let mut victim = running.swap_remove(victim);
        victim.kill().expect("killed");
        victim.wait().expect("gone");
        running.push(next());
        acknowledged.extend(receiver.try_iter());
        check(&witness, &acknowledged, "seen by a process that stayed");
    }
    let kill_all = |running: &mut Vec<Child>| {
        for mut last in running.drain(..) {
            last.kill().expect("killed");
            last.wait().expect("gone");
        }
    };
    kill_all(&mut running);
    drop(witness);
    // Now nobody stays: the first of the next ones recovers what the last ones left.
    for _ in 0..3 {
        running.extend((0..CHILDREN).map(|_| next()));
        std::thread::sleep(Duration::from_millis(300 + random.below(200)));
        kill_all(&mut running);
        acknowledged.extend(receiver.try_iter());
        check(&open(&dir), &acknowledged, "opened after everyone died");
    }
    drop((sender, next));
    acknowledged.extend(receiver.iter());
    assert!(acknowledged.len() > 100, "only {} commits: the test shows little", acknowledged.len());
    let last = open(&dir);
    check(&last, &acknowledged, "after the last death");
    last.compact().expect("compacted");
    check(&last, &acknowledged, "after compaction");
    drop(last);
    let again = open(&dir);
    check(&again, &acknowledged, "opened again");
    let mut damages = Vec::new();
    again.verify(&mut |damage| damages.push(damage)).expect("verified");
    assert!(damages.is_empty(), "{damages:?}");
    drop(again);
    media.remove_dir(&dir).expect("cleaned up");
}
