//! Space comes back: by itself when half of it is dead, and at once when the pool is full.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use millpond_core::{Commit, Error, ErrorKind, Extent, Index, Key, Op, Result, Segments, Store, Write};
use millpond_local::{
    EngineOptions, LocalStore, Space,
    media::{Media, SystemMedia},
};

use super::subject;

/// A quota of one process.
#[derive(Debug)]
struct Quota {
    used: AtomicU64,
    size: u64,
}

impl Space for Quota {
    fn charge(&self, bytes: u64) -> Result<()> {
        if self.used.load(Ordering::SeqCst) + bytes > self.size {
            return Err(Error::new(ErrorKind::NoSpace, "the test's quota is full"));
        }
        self.charge_anyway(bytes);
        Ok(())
    }

    fn charge_anyway(&self, bytes: u64) {
        self.used.fetch_add(bytes, Ordering::SeqCst);
    }

    fn release(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::SeqCst);
    }
}

fn with_store(options: EngineOptions, test: impl FnOnce(&LocalStore)) {
    let dir = tempfile::tempdir().expect("a directory");
    let media: Arc<dyn Media> = Arc::new(SystemMedia);
    subject::create(&media, dir.path()).expect("created");
    let open = |dir: &Path| LocalStore::open(media.clone(), dir, subject::CONTAINER, options, false);
    test(&open(dir.path()).expect("opened"));
}

fn value(store: &LocalStore, length: usize) -> Result<Vec<Extent>> {
    let mut writer = store.writer()?;
    writer.append(&vec![7; length])?;
    writer.finish()
}

fn commit(store: &LocalStore, key: u32, op: Op<'_>) -> Result<()> {
    let sort = key.to_be_bytes();
    let write = Write { key: Key::new(b"values", &sort), op, tally: None };
    store.commit(&Commit { writes: vec![write], ..Commit::default() }).map(drop)
}

fn put(store: &LocalStore, key: u32, length: usize) -> Result<()> {
    commit(store, key, Op::Put { value: b"long", extents: &value(store, length)? })
}

fn put_short(store: &LocalStore, key: u32) -> Result<()> {
    commit(store, key, Op::Put { value: &[7; 2000], extents: &[] })
}

fn fill(store: &LocalStore, mut put: impl FnMut(&LocalStore, u32) -> Result<()>) -> u32 {
    for key in 0.. {
        match put(store, key) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NoSpace => return key,
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("the quota is finite")
}

#[test]
fn a_full_pool_has_room_again_after_deletes() {
    for put in [put_short as fn(&LocalStore, u32) -> Result<()>, |store, key| put(store, key, 50_000)] {
        let quota = Arc::new(Quota { used: AtomicU64::new(0), size: 4 << 20 });
        let options = EngineOptions { space: quota.clone(), ..subject::options() };
        with_store(options, |store| {
            let count = fill(store, put);
            assert!(count > 50, "{count} values fit");
            for key in 0..count / 2 {
                commit(store, key, Op::Delete).expect("a delete gets through");
            }
            for key in 0..count / 3 {
                put(store, key).expect("there is room again");
            }
            for key in (0..count / 3).chain(count / 2..count) {
                let sort = key.to_be_bytes();
                let record = store.get(Key::new(b"values", &sort)).expect("read").expect("there");
                for extent in &record.extents {
                    let mut bytes = vec![0; extent.length as usize];
                    store.read(extent, 0, &mut bytes).expect("bulk bytes");
                    assert!(bytes.iter().all(|byte| *byte == 7));
                }
            }
            assert!(quota.used.load(Ordering::SeqCst) <= quota.size + (1 << 20), "{quota:?}");
        });
    }
}

#[test]
fn a_compaction_gives_a_full_pool_its_space_back() {
    for put in [put_short as fn(&LocalStore, u32) -> Result<()>, |store, key| put(store, key, 50_000)] {
        let quota = Arc::new(Quota { used: AtomicU64::new(0), size: 4 << 20 });
        let options = EngineOptions { space: quota.clone(), ..subject::options() };
        with_store(options, |store| {
            let count = fill(store, put);
            for key in (0..count).filter(|key| key % 4 != 0) {
                commit(store, key, Op::Delete).expect("a delete gets through");
            }
            store.compact().expect("compacted");
            let used = quota.used.load(Ordering::SeqCst);
            assert!(used < quota.size / 2, "{used} bytes are still used");
        });
    }
}

#[test]
fn space_comes_back_by_itself() {
    with_store(EngineOptions { background: true, ..subject::options() }, |store| {
        for key in 0..40 {
            put(store, key, 1 << 20).expect("put");
        }
        for round in 0..2 {
            for key in 0..30 {
                if round == 0 { put(store, key, 1 << 20) } else { commit(store, key, Op::Delete) }
                    .expect("done");
            }
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let bytes = store.statistics().expect("statistics").bytes_segments;
            if bytes < 24 << 20 {
                break;
            }
            assert!(Instant::now() < deadline, "{bytes} bytes are still allocated for 10 MiB");
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}
