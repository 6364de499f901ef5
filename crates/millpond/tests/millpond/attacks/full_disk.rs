//! A real file system that is full: a small one in memory, of one size after the other.
//!
//! What can break: an error that isn't `NoSpace`; a pool, a container or a dictionary that is half
//! there; a change that was refused and is there, or was done and isn't; a full store that can't
//! be read or opened, or not be emptied though there is room again; space that doesn't come back; a mapping of a file that has no space,
//! which is a SIGBUS.

use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Duration};

use millpond::{Container, Dict, Durability, ErrorKind, Pool, PoolOptions};
use millpond_testkit::{
    process::{Part, can_run, role, skipped, tell},
    random::{Random, test_scale, test_seed},
};

use super::{plant, small_log, url_of};
use crate::scratch::noise;

const DIR: &str = "MILLPOND_TEST_DIR";
const TEST: &str = "attacks::full_disk::a_full_disk_of_any_size_loses_nothing";
const PATIENCE: Duration = Duration::from_secs(120);

/// What the dictionary should hold: keys, with the seeds and the lengths of their values.
type Model = BTreeMap<u64, (u64, usize)>;

/// A small file system.
struct Disk<'a> {
    dir: &'a Path,
    size_kib: u64,
    /// How many deletes didn't pass before it grew.
    stuck: u64,
}

impl<'a> Disk<'a> {
    fn mount(dir: &'a Path, size_kib: u64) -> Self {
        let disk = Self { dir, size_kib, stuck: 0 };
        disk.run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size_kib}k"), "none"]));
        disk
    }

    /// Makes room.
    fn grow(&mut self) {
        self.size_kib = 2 * self.size_kib + 1024;
        self.run(Command::new("mount").args(["-o", &format!("remount,size={}k", self.size_kib)]));
    }

    fn run(&self, command: &mut Command) {
        let done = command.arg(self.dir).output().expect("it runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // At once, though the container's thread may be about to end.
            self.run(Command::new("umount").arg("--lazy"));
        }
    }
}

impl std::fmt::Display for Disk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} KiB", self.size_kib)
    }
}

/// One life of a store on a disk; answers how many entries fitted.
fn live(disk: &mut Disk<'_>, random: &mut Random) -> usize {
    let durability = if random.chance(500) { Durability::Sync } else { Durability::Async };
    let size_kib = disk.size_kib;
    let full = |error: millpond::Error, doing: &str| {
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{size_kib} KiB, {doing}: {error}");
    };
    let url = url_of(&disk.dir.join("pool"));
    let made = Pool::create(&url, PoolOptions::default())
        .and_then(|pool| pool.create_container(Some("kv"), small_log(durability)))
        .and_then(|container| Ok((container.create_dict("d")?, container)));
    let (mut dict, mut container) = match made {
        Ok(made) => made,
        Err(error) => {
            full(error, "creating");
            return 0;
        }
    };
    let mut model = Model::new();
    let mut fitted = 0;
    for turn in 0..3 {
        fill(&dict, &mut model, random, &full);
        fitted = fitted.max(model.len());
        assert_same(&dict, &model, disk);
        if turn == 1 {
            // It closes and opens on a full disk, too.
            container.close().unwrap_or_else(|error| full(error, "closing"));
            drop(dict);
            container = match Container::open(&format!("{url}/kv")) {
                Ok(container) => container,
                Err(error) => {
                    full(error, "opening");
                    disk.grow();
                    Container::open(&format!("{url}/kv")).expect("there is room now")
                }
            };
            dict = container.dict("d").expect("opened");
            assert_same(&dict, &model, disk);
        }
        empty(&dict, &mut model, disk);
        if let Err(error) = container.compact() {
            full(error, "compacting");
            disk.grow();
            container.compact().unwrap_or_else(|error| panic!("{disk}: there is room now: {error}"));
        }
        assert_same(&dict, &model, disk);
        dict.put(b"room", &[7; 500]).unwrap_or_else(|error| panic!("{disk}: no room came back: {error}"));
        dict.delete(b"room").expect("deleted");
    }
    assert!(container.check(false).expect("checked").is_clean());
    container.close().unwrap_or_else(|error| full(error, "closing"));
    fitted
}

/// Puts until the disk is full, some times.
fn fill(dict: &Dict, model: &mut Model, random: &mut Random, full: &dyn Fn(millpond::Error, &str)) {
    let mut refusals = 0;
    while refusals < 3 {
        let key = random.below(100_000);
        let length = if random.chance(150) { 2000 + random.index(20_000) } else { random.index(900) };
        let seed = random.number();
        match dict.put(&key.to_be_bytes(), &noise(seed, length)) {
            Ok(existed) => assert_eq!(model.insert(key, (seed, length)).is_some(), existed),
            Err(error) => {
                full(error, "putting");
                refusals += 1;
            }
        }
    }
}

/// Deletes three quarters, each by itself. The reserve lets many of them pass; where what they
/// leave in the log and in runs has outgrown it, nothing may be lost, and they pass once there is
/// room.
fn empty(dict: &Dict, model: &mut Model, disk: &mut Disk<'_>) {
    let keys: Vec<u64> = model.keys().copied().collect();
    for key in &keys[..keys.len() * 3 / 4] {
        let mut deleted = dict.delete(&key.to_be_bytes());
        if let Err(error) = &deleted {
            assert_eq!(error.kind(), ErrorKind::NoSpace, "{disk}: {error}");
            assert_same(dict, model, disk);
            disk.grow();
            disk.stuck += 1;
            deleted = dict.delete(&key.to_be_bytes());
        }
        assert!(deleted.unwrap_or_else(|error| panic!("{disk}: a delete fails: {error}")));
        model.remove(key);
    }
}

fn assert_same(dict: &Dict, model: &Model, disk: &Disk<'_>) {
    assert_eq!(dict.len().expect("counted"), model.len() as u64, "{disk}");
    let mut left = model.iter();
    for entry in dict.iter().expect("begun") {
        let (key, value) = entry.unwrap_or_else(|error| panic!("{disk}: {error}"));
        let (number, (seed, length)) = left.next().expect("an entry too many");
        assert_eq!(key[..], number.to_be_bytes(), "{disk}");
        assert!(value == noise(*seed, *length), "{disk}: {number} has a wrong value");
    }
    assert!(left.next().is_none(), "{disk}: entries are missing");
}

fn play(role: &str) {
    let numbers: Vec<u64> = role.split(' ').map(|word| word.parse().expect("a number")).collect();
    let [seed, rounds, bug] = numbers[..] else { panic!("three numbers") };
    let _planted = plant(bug as u32);
    let dir = std::env::var(DIR).expect("a directory");
    let mut random = Random::new(seed);
    for round in 0..rounds {
        // From far too little for a pool to a few MiB, in pages.
        let size = if round % 2 == 0 { 16 + 4 * random.below(60) } else { 400 + 4 * random.below(1000) };
        tell(format!("size {size}"));
        let mut disk = Disk::mount(Path::new(&dir), size);
        let fitted = live(&mut disk, &mut random.fork());
        tell(format!("fitted {fitted} {}", disk.stuck));
    }
}

#[test]
fn a_full_disk_of_any_size_loses_nothing() {
    fill_disks(TEST, 30 * test_scale(), 0);
}

/// The test of the test: deletes find no space for their records.
#[cfg(feature = "planted-bugs")]
#[test]
fn log_space_that_is_not_zeroed_ahead() {
    const TEST: &str = "attacks::full_disk::log_space_that_is_not_zeroed_ahead";
    if role().is_some() || can_mount().is_err() {
        return fill_disks(TEST, 0, 0);
    }
    super::assert_noticed(millpond_local::bugs::Bug::LogSpaceNotZeroedAhead, |bug| fill_disks(TEST, 30, bug));
}

/// Whether this process may mount a file system, in a namespace of its own.
fn can_mount() -> Result<(), String> {
    can_run("unshare", &["-Urm", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt && umount /mnt"])
}

/// Another process, with a planted bug, fills so many disks.
fn fill_disks(test: &str, rounds: u64, bug: u32) {
    if let Some(role) = role() {
        return play(&role);
    }
    let seed = test_seed(1);
    if let Err(why) = can_mount() {
        return skipped(
            test,
            &format!("{why} (it mounts a file system in a namespace of its own, or needs root)"),
        );
    }
    let dir = tempfile::tempdir().expect("a directory");
    let mount = dir.path().join("disk");
    fs::create_dir(&mount).expect("created");
    let role = format!("{seed} {rounds} {bug}");
    let mut process = Part::new(test, role).under(["unshare", "-Urm"]).env(DIR, &mount).start();
    let (mut size, mut fitted, mut refused, mut stuck) = (String::new(), 0, 0, 0);
    loop {
        match process.told_within(PATIENCE) {
            Ok(told) => match told.split(' ').collect::<Vec<_>>()[..] {
                ["fitted", "0", _] => refused += 1,
                ["fitted", _, times] => {
                    fitted += 1;
                    stuck += times.parse::<u64>().expect("a number");
                }
                _ => size = told,
            },
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("seed {seed}: it hangs at {size} KiB"),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = process.end_within(PATIENCE).expect("it ends");
    assert!(status.success(), "seed {seed}: it failed at {size} KiB: {status}");
    println!(
        "{fitted} disks had room for something, {refused} were too small; {stuck} deletes had to wait for room"
    );
    assert!(fitted > 5 && refused > 0, "the sizes show little");
    // There are a few, where what deletes leave outgrows the reserve.
    assert!(
        stuck <= rounds * 2 / 3,
        "seed {seed}: {stuck} deletes had to wait for room, as if there were no reserve"
    );
}
