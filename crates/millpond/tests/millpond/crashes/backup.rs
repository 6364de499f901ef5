//! Backups and restores, cut off at each of their steps, and on a disk that is full.
//!
//! What can break: a directory is there under a backup's name and is none; a backup shares a file whose
//! name isn't durable; a container is there that isn't whole, or is in nobody's way but can't be restored;
//! the container that is backed up suffers.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use millpond::{Backup, Container, Durability, ErrorKind, Label, Pool, Result, Silent};
use millpond_core::PoolDocument;
use millpond_local::LocalPool;
use millpond_testkit::{
    random::{Random, test_seed},
    sim::{SimMachine, SimMedia},
};
use uuid::Uuid;

use super::{case, steps};
use crate::{
    attacks::small_log,
    scratch::noise,
    simulated::{self, open, until_killed},
};

/// Where backups go.
const TO: &str = "/mnt/backups";
/// Where the pool is that they are restored to.
const OTHER: &str = "/srv/other";

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

fn contents(container: &Container) -> Contents {
    let dict = container.dict("d").expect("opened");
    let entries = dict.iter().expect("begun").map(|entry| entry.expect("read"));
    entries.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

fn put(container: &Container, from: u64, to: u64) {
    let entries = (from..to).map(|key| {
        let length = if key % 4 == 0 { 9000 } else { 200 };
        (key.to_be_bytes(), noise(key, length))
    });
    container.open_or_create_dict("d").expect("a dict").put_many(entries).expect("put");
}

/// A machine with a container, of which there is an older backup, and an empty pool to restore to.
fn machine() -> SimMachine {
    let machine = SimMachine::new(9);
    machine.record(false);
    let container = simulated::create(&machine, small_log(Durability::Sync));
    put(&container, 0, 40);
    container.close().expect("closed");
    drop(container);
    let process = machine.process();
    let container = open(&process);
    back_up(&container).expect("backed up");
    put(&container, 40, 60);
    container.close().expect("closed");
    drop(container);
    let document = PoolDocument {
        uuid: Uuid::from_u128(8),
        label: Label::new("other").expect("a label"),
        created: 1,
        size: None,
        properties: BTreeMap::new(),
        attributes: BTreeMap::new(),
        containers: BTreeMap::new(),
    };
    LocalPool::create_on(machine.process(), Path::new(OTHER), &document).expect("created");
    machine.power_cut_none()
}

fn other(process: &Arc<SimMedia>) -> Pool {
    let store = LocalPool::open_on(process.clone(), Path::new(OTHER)).expect("a pool").without_background();
    Pool::over(Arc::new(store)).expect("a pool")
}

fn back_up(container: &Container) -> Result<Backup> {
    container.backup(Path::new(TO), Some(2), &mut Silent)
}

fn restore(pool: &Pool, from: &Path) -> Result<Container> {
    pool.restore(from, None, &mut Silent)
}

/// The backups that there are, and what else.
fn backups(machine: &SimMachine) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let mut tops: Vec<PathBuf> = Vec::new();
    for file in machine.files(Path::new(TO)).unwrap_or_default() {
        let name = file.strip_prefix(TO).expect("below").components().next().expect("a name");
        tops.push(Path::new(TO).join(name));
    }
    tops.sort();
    tops.dedup();
    tops.into_iter().partition(|path| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"backup_"))
    })
}

/// Whatever happened: every backup that is there can be restored and is one of the two states, and there
/// is one; the container is as it was; another backup leaves no rest. Answers how many there were.
fn check_backups(machine: &SimMachine, all: &Contents) -> usize {
    let (found, _) = backups(machine);
    assert!(!found.is_empty(), "the older one stays");
    for backup in &found {
        let machine = machine.fork();
        let process = machine.process();
        let restored = restore(&other(&process), backup).expect("restored");
        let seen = contents(&restored);
        assert!(seen.len() == 40 || seen == *all, "{} entries", seen.len());
        assert!(seen.iter().all(|(key, value)| all.get(key) == Some(value)));
        process.kill();
    }
    let process = machine.process();
    let container = open(&process);
    assert!(contents(&container) == *all);
    let backup = back_up(&container).expect("another one");
    let (now, rest) = backups(machine);
    assert!(now.contains(&backup.path) && now.len() <= 2, "{now:?}");
    let rest: Vec<_> = rest.iter().map(|path| path.file_name().expect("a name")).collect();
    assert_eq!(rest, ["last-backup", "lock"]);
    let report = container.check(false).expect("checked");
    assert!(report.is_clean(), "{report:?}");
    process.kill();
    drop(container);
    // It is durable.
    let cut = machine.power_cut_worst();
    let process = cut.process();
    let restored = restore(&other(&process), &backup.path).expect("restored");
    assert!(contents(&restored) == *all);
    assert!(restored.check(false).expect("checked").is_clean());
    process.kill();
    found.len()
}

/// Whatever happened: there is no container, or a whole one, and else it can be restored.
fn check_restored(machine: &SimMachine, all: &Contents, must_be: bool) -> bool {
    let process = machine.process();
    let pool = other(&process);
    let is_there = !pool.containers().expect("listed").is_empty();
    assert!(is_there || !must_be, "it was restored");
    let restored = if is_there { pool.container("kv") } else { restore(&pool, Path::new(TO)) };
    let restored = restored.expect("it is whole");
    assert!(contents(&restored) == *all);
    let report = restored.check(false).expect("checked");
    assert!(report.is_clean(), "{report:?}");
    process.kill();
    drop(restored);
    let left = machine.files(Path::new(OTHER)).expect("listed");
    let left: Vec<_> = left.iter().filter(|path| path.to_string_lossy().contains("/.")).collect();
    assert!(left.is_empty(), "{left:?}");
    is_there
}

/// An operation of a process, with what is done before and isn't cut off.
struct Attacked<'a, T> {
    machine: &'a SimMachine,
    begin: &'a dyn Fn(&Arc<SimMedia>) -> T,
    act: &'a dyn Fn(&T),
    /// Is told whether the operation had ended.
    check: &'a dyn Fn(&SimMachine, bool),
}

fn sweep<T>(attacked: &Attacked<'_, T>, seed: u64) {
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let calls = {
        let machine = attacked.machine.power_cut_none();
        let process = machine.process();
        let begun = (attacked.begin)(&process);
        let before = process.count();
        (attacked.act)(&begun);
        let calls = process.count() - before;
        process.kill();
        drop(begun);
        (attacked.check)(&machine.power_cut_worst(), true);
        calls
    };
    for step in steps(calls, &mut random) {
        case(
            || format!("killed at call {step} of {calls}"),
            || {
                let machine = attacked.machine.power_cut_none();
                machine.record(false);
                let victim = machine.process();
                victim.unwind_when_killed();
                let done = until_killed(|| {
                    let begun = (attacked.begin)(&victim);
                    victim.kill_at_torn(step + 1, random.number());
                    (attacked.act)(&begun);
                });
                assert!(done.is_none(), "it ended by itself");
                victim.kill();
                (attacked.check)(&machine.power_cut(random.number()), false);
                (attacked.check)(&machine, false);
            },
        );
    }
    let (changes, _) = moments(attacked, &[]);
    let (_, moments) = moments(attacked, &steps(changes, &mut random));
    for (what, moment) in moments {
        for cut in [moment.power_cut_worst(), moment.power_cut(random.number())] {
            case(|| format!("loss of power before {what}"), || (attacked.check)(&cut, false));
        }
    }
}

/// The machine before each of these changes of the disk; and how many there are.
fn moments<T>(attacked: &Attacked<'_, T>, steps: &[u64]) -> (u64, Vec<(String, SimMachine)>) {
    let machine = attacked.machine.power_cut_none();
    machine.record(false);
    let process = machine.process();
    let begun = (attacked.begin)(&process);
    let seen = Arc::new(Mutex::new((0, Vec::new())));
    let (noted, steps) = (seen.clone(), steps.to_vec());
    machine.observe(Some(Box::new(move |moment| {
        let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.binary_search(&noted.0).is_ok() {
            let what = format!("{:?} of {}", moment.operation.kind, moment.operation.path.display());
            let change = noted.0;
            noted.1.push((format!("change {change}, {what}"), moment.fork()));
        }
        noted.0 += 1;
    })));
    (attacked.act)(&begun);
    machine.observe(None);
    process.kill();
    drop(begun);
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *seen)
}

fn all_of(machine: &SimMachine) -> Contents {
    let machine = machine.fork();
    let process = machine.process();
    let all = contents(&open(&process));
    process.kill();
    all
}

fn attack_backup(seed: u64) {
    let machine = machine();
    let all = all_of(&machine);
    assert_eq!(all.len(), 60);
    sweep(
        &Attacked {
            machine: &machine,
            begin: &|process| open(process),
            act: &|container| drop(back_up(container).expect("backed up")),
            check: &|machine, ended| {
                let found = check_backups(machine, &all);
                assert!(!ended || found == 2, "{found} of two");
            },
        },
        seed,
    );
}

fn attack_restore(seed: u64) {
    let machine = machine();
    let all = all_of(&machine);
    let process = machine.process();
    back_up(&open(&process)).expect("backed up");
    process.kill();
    sweep(
        &Attacked {
            machine: &machine,
            begin: &other,
            act: &|pool| {
                restore(pool, Path::new(TO)).expect("restored").close().expect("closed");
            },
            check: &|machine, ended| {
                check_restored(machine, &all, ended);
            },
        },
        seed,
    );
}

#[test]
fn a_backup_that_is_cut_off_is_none() {
    attack_backup(test_seed(21));
}

#[test]
fn a_restore_that_is_cut_off_is_done_again() {
    attack_restore(test_seed(22));
}

#[cfg(feature = "planted-bugs")]
#[test]
fn a_backup_whose_entries_are_not_durable_is_noticed() {
    super::assert_noticed("BackupWithoutDirectorySync", |seed| {
        let _planted = millpond_local::bugs::plant(millpond_local::bugs::Bug::BackupWithoutDirectorySync);
        attack_backup(seed);
    });
}

#[test]
fn a_full_disk_leaves_no_part_of_a_backup() {
    let machine = machine();
    let all = all_of(&machine);
    let needed = {
        let machine = machine.fork();
        let process = machine.process();
        let before = machine.bytes_allocated();
        back_up(&open(&process)).expect("backed up");
        process.kill();
        machine.bytes_allocated() - before
    };
    let mut refused = 0;
    for part in 0..12 {
        let machine = machine.fork();
        let process = machine.process();
        let container = open(&process);
        machine.full_disk(Some(machine.bytes_allocated() + needed * part / 12));
        match back_up(&container) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
                assert_eq!(backups(&machine).0.len(), 1);
                refused += 1;
            }
            Ok(backup) => assert!(backup.bytes > 0),
        }
        let rest = machine.files(Path::new(TO)).expect("listed");
        assert!(!rest.iter().any(|path| path.to_string_lossy().contains("/.new")), "{rest:?}");
        machine.full_disk(None);
        process.kill();
        drop(container);
        check_backups(&machine, &all);
    }
    assert!(refused >= 3, "{refused}");
}

#[test]
fn a_full_disk_leaves_no_part_of_a_container() {
    let machine = machine();
    let all = all_of(&machine);
    let process = machine.process();
    back_up(&open(&process)).expect("backed up");
    process.kill();
    let machine = machine.power_cut_none();
    let mut refused = 0;
    for part in 0..10 {
        let machine = machine.fork();
        let process = machine.process();
        let pool = other(&process);
        machine.full_disk(Some(machine.bytes_allocated() + 60_000 * part));
        if let Err(error) = restore(&pool, Path::new(TO)) {
            assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
            refused += 1;
        }
        machine.full_disk(None);
        process.kill();
        drop(pool);
        check_restored(&machine, &all, false);
    }
    assert!(refused >= 3, "{refused}");
}
