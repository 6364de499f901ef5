//! Real processes on the machine's own files, killed with SIGKILL at any instant.
//!
//! What can break, and a simulated machine can't show: the robust mutex and the locks of the kernel
//! behave otherwise than we think; a death between two stores to shared memory leaves it in a state
//! that nobody can use.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use millpond_core::{At, Commit, Direction, Durability, ErrorKind, Key, KeyRange, Op, Store, Write};
use millpond_local::{
    EngineOptions, LocalStore,
    media::{Media, SystemMedia},
};
use millpond_testkit::random::{Random, test_seed};

use crate::subject::{CONTAINER, LOG_BYTES, create};

const CHILD: &str = "MILLPOND_TEST_CHILD";

/// What the children count.
const TALLY: Key<'static> = Key { partition: b"tally", sort: b"" };

const RECORDS: &[u8] = b"records";

fn open(dir: &Path) -> LocalStore {
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    let options = EngineOptions { log_bytes: LOG_BYTES, ..EngineOptions::default() };
    LocalStore::open(media, dir, CONTAINER, options, false).expect("the container opens")
}

/// What a child does until it is killed: it commits, and says so. Not a test by itself.
#[test]
fn a_child() {
    let Ok(text) = std::env::var(CHILD) else { return };
    let (number, dir) = text.split_once(':').expect("a number and a directory");
    let number: u32 = number.parse().expect("a number");
    let store = open(Path::new(dir));
    let mut random = Random::new(number.into());
    let began = Instant::now();
    for record in 0u32.. {
        let sort = [number.to_be_bytes(), record.to_be_bytes()].concat();
        let value = random.bytes(1 + record as usize % 300);
        let write = Write {
            key: Key::new(RECORDS, &sort),
            op: Op::Put { value: &value, extents: &[] },
            tally: Some(TALLY),
        };
        let durability = if record % 50 == 7 { Durability::Sync } else { Durability::Async };
        let commit = Commit { writes: vec![write], durability, ..Commit::default() };
        store.index().commit(&commit).expect("committed");
        println!("\nacknowledged {record}");
        // Its parent kills it long before, unless that one died itself.
        assert!(began.elapsed() < Duration::from_secs(60), "nobody killed this child");
    }
}

struct Victim {
    number: u32,
    process: Child,
    /// How many records it said were committed.
    acknowledged: Arc<AtomicU64>,
    listener: std::thread::JoinHandle<()>,
}

impl Victim {
    fn start(number: u32, dir: &Path) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("a test binary"))
            .args(["--exact", "processes::a_child", "--nocapture", "--test-threads=1"])
            .env(CHILD, format!("{number}:{}", dir.display()))
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let acknowledged = Arc::new(AtomicU64::new(0));
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let count = acknowledged.clone();
        let listener = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(record) = line.strip_prefix("acknowledged ") {
                    count.store(record.parse::<u64>().expect("a number") + 1, Ordering::Release);
                }
            }
        });
        Self { number, process, acknowledged, listener }
    }

    /// Kills it; answers how many records it had said were committed.
    fn kill(mut self) -> (u32, u64) {
        self.process.kill().expect("killed");
        let status = self.process.wait().expect("waited for");
        assert!(status.code().is_none(), "it ended by itself: {status}");
        self.listener.join().expect("no panic");
        (self.number, self.acknowledged.load(Ordering::Acquire))
    }
}

/// The records of each child; checks that they have no holes and that the tally is right.
fn records(store: &dyn Store) -> BTreeMap<u32, u64> {
    let view = store.index().view(At::Latest).expect("a view");
    let mut cursor = view.scan(KeyRange::all(RECORDS), Direction::Forward).expect("a cursor");
    let mut counts = BTreeMap::new();
    let mut all = 0;
    loop {
        match cursor.advance() {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) if error.kind() == ErrorKind::EpochGone => return counts,
            Err(error) => panic!("{error}"),
        }
        let (number, record) = cursor.key().split_at(4);
        let number = u32::from_be_bytes(number.try_into().expect("four bytes"));
        let record = u32::from_be_bytes(record.try_into().expect("four bytes"));
        let count = counts.entry(number).or_insert(0u64);
        assert_eq!(*count, u64::from(record), "child {number} committed one after the other");
        *count += 1;
        all += 1;
    }
    assert_eq!(view.counter(TALLY).expect("read"), all, "the tally is that of the view");
    counts
}

#[test]
fn killed_processes_lose_nothing_and_stop_nobody() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir: PathBuf = dir.path().join("container");
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    create(&media, &dir).expect("created");
    let mut random = Random::new(test_seed(1));
    let mut expected: BTreeMap<u32, u64> = BTreeMap::new();
    let mut number = 0;
    for round in 0..4 {
        // In every other round somebody has the container open all the time.
        let witness = (round % 2 == 0).then(|| open(&dir));
        let mut victims: Vec<Victim> = (0..3)
            .map(|_| {
                number += 1;
                Victim::start(number, &dir)
            })
            .collect();
        let deadline = Instant::now() + Duration::from_secs(20);
        while victims.iter().any(|victim| victim.acknowledged.load(Ordering::Acquire) < 20) {
            assert!(Instant::now() < deadline, "a child makes no progress");
            std::thread::sleep(Duration::from_millis(5));
        }
        while !victims.is_empty() {
            std::thread::sleep(Duration::from_millis(10 + random.below(150)));
            let victim = victims.swap_remove(random.index(victims.len()));
            let before: Vec<_> =
                victims.iter().map(|victim| victim.acknowledged.load(Ordering::Acquire)).collect();
            let (number, acknowledged) = victim.kill();
            expected.insert(number, acknowledged);
            // Whoever is left goes on, whatever the dead one held.
            let deadline = Instant::now() + Duration::from_secs(20);
            for (victim, before) in victims.iter().zip(before) {
                while victim.acknowledged.load(Ordering::Acquire) <= before {
                    assert!(Instant::now() < deadline, "a death stops another process");
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            if let Some(witness) = &witness {
                let seen = records(witness);
                for (number, acknowledged) in &expected {
                    assert!(seen.get(number).copied().unwrap_or(0) >= *acknowledged, "child {number}");
                }
            }
        }
        drop(witness);
        let store = open(&dir);
        let left = records(&store);
        for (number, acknowledged) in &expected {
            let left = left.get(number).copied().unwrap_or(0);
            assert!(left >= *acknowledged, "child {number}: {left} of {acknowledged} are left");
            assert!(left <= *acknowledged + 1, "child {number} was working on one commit only");
        }
        let mut damages = Vec::new();
        store.verify(&mut |damage| damages.push(damage)).expect("verified");
        assert_eq!(damages, []);
        assert_eq!(store.statistics().expect("statistics").processes, 1);
        store.close().expect("closed");
    }
}
