//! The machine as its processes meet it. A harness that is wrong proves nothing.

use std::{io, path::Path, sync::Arc};

use millpond_local::media::{File, FileExt, Lock, Media, OpenMode};

use super::{OperationKind, SimMachine, SimMedia, is_killed};

const EIO: i32 = 5;

fn machine() -> (SimMachine, Arc<SimMedia>, Arc<dyn File>) {
    let machine = SimMachine::new(1);
    let process = machine.process();
    process.create_dir(Path::new("/d")).expect("created");
    process.sync_dir(Path::new("/")).expect("synced");
    let file = process.open(Path::new("/d/f"), OpenMode::Create).expect("created");
    process.sync_dir(Path::new("/d")).expect("synced");
    (machine, process, file)
}

fn content(machine: &SimMachine) -> Vec<u8> {
    machine.content(Path::new("/d/f")).expect("a file")
}

#[test]
fn processes_see_each_other_s_files_at_once() {
    let (machine, _, file) = machine();
    let other = machine.process();
    file.write_all_at(b"hello", 3).expect("written");
    let seen = other.open(Path::new("/d/f"), OpenMode::Read).expect("opened");
    let mut bytes = [0; 8];
    seen.read_exact_at(&mut bytes, 0).expect("read");
    assert_eq!(&bytes, b"\0\0\0hello");
    assert_eq!(seen.length().expect("a length"), 8);
    assert_eq!(seen.read_at(&mut bytes, 8).expect("the end"), 0);
    assert!(seen.write_at(b"x", 0).is_err(), "it was opened for reading");
    let again = other.open(Path::new("/d/f"), OpenMode::Create).expect_err("it exists");
    assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    let missing = other.open(Path::new("/d/g"), OpenMode::Write).expect_err("it doesn't");
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    assert_eq!(other.list(Path::new("/d")).expect("listed"), ["f"]);
}

#[test]
fn an_open_file_stays_when_its_name_goes() {
    let (_, process, file) = machine();
    file.write_all_at(b"still", 0).expect("written");
    process.remove(Path::new("/d/f")).expect("removed");
    let mut bytes = [0; 5];
    file.read_exact_at(&mut bytes, 0).expect("read");
    assert_eq!(&bytes, b"still");
}

#[test]
fn a_power_cut_is_the_same_each_time_and_leaves_the_machine_alone() {
    let (machine, _, file) = machine();
    file.write_all_at(&[1; 4096], 0).expect("written");
    file.sync().expect("synced");
    file.write_all_at(&[2; 4096], 0).expect("written");
    let outcomes: Vec<_> = (0..20).map(|seed| content(&machine.power_cut(seed))).collect();
    let again: Vec<_> = (0..20).map(|seed| content(&machine.power_cut(seed))).collect();
    assert_eq!(outcomes, again);
    assert!(outcomes.iter().any(|outcome| outcome.contains(&1) && outcome.contains(&2)), "one is torn");
    assert_eq!(content(&machine.power_cut_worst()), [1; 4096]);
    assert_eq!(content(&machine.power_cut_none()), [2; 4096]);
    assert_eq!(content(&machine), [2; 4096]);
}

#[test]
fn a_power_cut_takes_locks_and_spoils_shared_memory() {
    let (machine, process, _) = machine();
    let lock = process.lock_file(Path::new("/d/lock")).expect("a lock file");
    assert!(lock.try_lock(0, Lock::Exclusive).expect("locked"));
    let memory = process.share(Path::new("/d/control"), 64, true).expect("memory");
    // SAFETY: the memory has 64 bytes, and only this thread uses it.
    unsafe { memory.as_ptr().write_bytes(7, 64) };
    process.sync_dir(Path::new("/d")).expect("synced");
    let mut firsts = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let after = machine.power_cut(seed).process();
        let lock = after.lock_file(Path::new("/d/lock")).expect("a lock file");
        assert!(lock.try_lock(0, Lock::Exclusive).expect("locked"));
        let left = after.share(Path::new("/d/control"), 64, false).expect("its file is left");
        // SAFETY: as above.
        firsts.insert(unsafe { left.as_ptr().read() });
        // SAFETY: as above.
        unsafe { left.as_ptr().write(9) };
    }
    assert!(firsts.contains(&0) && firsts.contains(&7) && firsts.len() > 2, "{firsts:?}");
    // SAFETY: as above.
    assert_eq!(unsafe { memory.as_ptr().read() }, 7, "a machine after a cut has memory of its own");
}

#[test]
fn a_killed_process_does_nothing_more_and_loses_its_locks() {
    let (machine, process, file) = machine();
    let other = machine.process();
    let mine = process.lock_file(Path::new("/d/lock")).expect("a lock file");
    let theirs = other.lock_file(Path::new("/d/lock")).expect("a lock file");
    assert!(mine.try_lock(1, Lock::Exclusive).expect("locked"));
    assert!(!theirs.try_lock(1, Lock::Shared).expect("asked"));
    process.kill_at(2);
    file.write_all_at(b"a", 0).expect("the first call is carried out");
    assert!(!process.killed());
    assert!(is_killed(&file.write_all_at(b"b", 0).expect_err("the second isn't")));
    assert!(process.killed());
    assert!(is_killed(&process.list(Path::new("/d")).expect_err("nor any later one")));
    assert!(is_killed(&mine.try_lock(1, Lock::None).expect_err("nor any later one")));
    assert_eq!(content(&machine), b"a");
    assert!(theirs.try_lock(1, Lock::Exclusive).expect("free"));
    drop(mine);
    assert!(!process.lock_file(Path::new("/d/lock")).is_ok_and(|_| true));
    assert!(!other.killed());
}

#[test]
fn a_killed_process_may_unwind() {
    let (machine, process, file) = machine();
    process.unwind_when_killed();
    process.kill_at(1);
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = file.write_all_at(b"a", 0);
        unreachable!("nothing runs in a dead process");
    }));
    assert!(died.expect_err("it unwound").is::<super::Killed>());
    assert!(process.killed());
    assert_eq!(content(&machine), b"");
    let list = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| process.list(Path::new("/d"))));
    assert!(list.is_err(), "later calls too");
}

#[test]
fn another_process_may_come_in_between() {
    let (machine, process, file) = machine();
    let other = machine.process().open(Path::new("/d/f"), OpenMode::Write).expect("opened");
    process.interpose(2, move || other.write_all_at(b"other", 0).expect("written"));
    file.write_all_at(b"first", 0).expect("written");
    assert_eq!(content(&machine), b"first");
    assert_eq!(file.length().expect("a length"), 5);
    assert_eq!(content(&machine), b"other", "it came before the second call");
    file.write_all_at(b"third", 0).expect("written");
    assert_eq!(content(&machine), b"third", "and came once");
}

#[test]
fn a_planned_panic_comes_once() {
    let (machine, process, file) = machine();
    process.panic_at(2, 1);
    file.length().expect("the first call is carried out");
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| file.write_at(&[1; 100], 0)));
    assert!(panic.expect_err("it unwound").is::<super::PlannedPanic>());
    assert!(content(&machine).len() < 100);
    assert!(!process.killed());
    file.write_all_at(&[1; 100], 0).expect("once");
}

#[test]
fn a_kill_may_come_within_a_write() {
    let lengths: std::collections::BTreeSet<usize> = (0..40)
        .map(|seed| {
            let (machine, process, file) = machine();
            process.kill_at_torn(1, seed);
            assert!(is_killed(&file.write_all_at(&[1; 4], 0).expect_err("killed")));
            content(&machine).len()
        })
        .collect();
    assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_store_comes_in_pieces_that_a_kill_may_part_in_any_order() {
    let stored: std::collections::BTreeSet<Vec<u8>> = (0..300)
        .map(|seed| {
            let machine = SimMachine::new(seed);
            let process = machine.process();
            process.create_dir(Path::new("/d")).expect("created");
            let file = process.open(Path::new("/d/f"), OpenMode::Create).expect("created");
            file.write_all_at(&[0; 3], 0).expect("written");
            process.kill_at_torn(1 + seed % 4, seed);
            match file.store(&[1; 3], 0) {
                Ok(()) => assert_eq!(content(&machine), [1; 3]),
                Err(error) => assert!(is_killed(&error)),
            }
            content(&machine)
        })
        .collect();
    assert_eq!(stored.len(), 8, "each byte is there or not: {stored:?}");
    let (machine, process, file) = machine();
    file.write_all_at(&[0; 4], 0).expect("written");
    file.sync().expect("synced");
    file.store(&[1; 4], 0).expect("stored");
    assert_eq!(content(&machine), [1; 4]);
    assert_eq!(content(&machine.power_cut_worst()), [0; 4], "nothing of it is synced");
    machine.full_disk(Some(4096));
    let full = file.store(&[1; 4], 4096).expect_err("there is no room");
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    process.fail_write_at(1, EIO);
    assert_eq!(file.store(&[2; 1], 0).expect_err("it fails").raw_os_error(), Some(EIO));
}

#[test]
fn locks_belong_to_the_open_file() {
    let (machine, process, _) = machine();
    let path = Path::new("/d/lock");
    let first = process.lock_file(path).expect("a lock file");
    let second = process.lock_file(path).expect("a lock file");
    let third = machine.process().lock_file(path).expect("a lock file");
    assert!(first.try_lock(5, Lock::Shared).expect("shared"));
    assert!(second.try_lock(5, Lock::Shared).expect("shared"));
    assert!(!first.try_lock(5, Lock::Exclusive).expect("asked"), "the other one holds it too");
    assert!(third.is_locked(5).expect("asked"));
    assert!(third.try_lock(6, Lock::Exclusive).expect("another byte"));
    drop(second);
    assert!(!first.is_locked(5).expect("asked"), "one's own doesn't count");
    assert!(first.try_lock(5, Lock::Exclusive).expect("changed in place"));
    assert!(!third.try_lock(5, Lock::Shared).expect("asked"));
    assert!(first.try_lock(5, Lock::Shared).expect("changed back"));
    assert!(third.try_lock(5, Lock::Shared).expect("shared"));
    assert!(first.try_lock(5, Lock::None).expect("given back"));
    assert!(third.try_lock(5, Lock::Exclusive).expect("alone"));
}

#[test]
fn shared_memory_is_shared_until_it_is_made_afresh() {
    let (machine, process, _) = machine();
    let path = Path::new("/d/control");
    let missing = process.share(path, 4096, false).expect_err("not there yet");
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    let first = process.share(path, 4096, true).expect("fresh");
    let second = machine.process().share(path, 4096, false).expect("again");
    assert_eq!(first.as_ptr(), second.as_ptr());
    assert_eq!(first.as_ptr() as usize % 4096, 0);
    assert_eq!(first.length(), 4096);
    assert!(process.share(path, 8192, false).is_err(), "it isn't so long");
    let third = process.share(path, 4096, true).expect("afresh");
    assert_ne!(first.as_ptr(), third.as_ptr());
}

#[test]
fn a_failed_sync_loses_what_a_later_one_seems_to_save() {
    let (machine, process, file) = machine();
    file.write_all_at(&[1; 100], 0).expect("written");
    process.fail_sync_at(2, EIO);
    process.sync_dir(Path::new("/d")).expect("the first sync");
    assert_eq!(file.sync().expect_err("the second").raw_os_error(), Some(EIO));
    file.sync().expect("the third");
    let lost = content(&machine.power_cut_worst());
    assert!(lost.iter().all(|&byte| byte == 0));
    assert_eq!(content(&machine), [1; 100], "the cache still has it");
    let evicted = (0..20).any(|seed| {
        let copy = machine.fork();
        copy.evict(seed);
        content(&copy).iter().all(|&byte| byte == 0)
    });
    assert!(evicted, "until it is evicted");
}

#[test]
fn planned_failures_come_once_where_they_were_planned() {
    let (machine, process, file) = machine();
    process.fail_write_at(2, 28);
    file.write_all_at(b"a", 0).expect("the first");
    assert_eq!(file.write_all_at(b"b", 1).expect_err("the second").kind(), io::ErrorKind::StorageFull);
    file.write_all_at(b"c", 1).expect("the third");
    assert_eq!(content(&machine), b"ac");
    process.fail_at(1, EIO);
    assert_eq!(process.list(Path::new("/d")).expect_err("any call").raw_os_error(), Some(EIO));
    process.list(Path::new("/d")).expect("once");
    process.fail_from(1, EIO);
    assert!((0..3).all(|_| process.list(Path::new("/d")).is_err()));
    process.heal();
    process.list(Path::new("/d")).expect("healed");
}

#[test]
fn short_reads_and_writes_carry_on() {
    let (machine, process, file) = machine();
    process.short_io(Some(3));
    let bytes: Vec<u8> = (0..=255).collect();
    for _ in 0..20 {
        file.write_all_at(&bytes, 0).expect("written");
        let mut read = [0; 256];
        file.read_exact_at(&mut read, 0).expect("read");
        assert_eq!(read[..], bytes);
    }
    let short = (0..50).filter(|_| matches!(file.write_at(&bytes, 0), Ok(count) if count < 256)).count();
    let interrupted = (0..50).filter(|_| file.write_at(&bytes, 0).is_err()).count();
    assert!(short > 0 && interrupted > 0);
    assert_eq!(content(&machine), bytes);
}

#[test]
fn a_full_disk_refuses_new_pages_only() {
    let (machine, process, file) = machine();
    file.write_all_at(&[0; 8192], 0).expect("written");
    machine.full_disk(Some(8192));
    file.write_all_at(&[1; 8192], 0).expect("overwritten");
    let full = file.write_all_at(&[1; 1], 8192).expect_err("full");
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    assert_eq!(machine.bytes_allocated(), 8192);
    let other = process.open(Path::new("/d/g"), OpenMode::Create).expect("an entry fits");
    other.set_length(1 << 20).expect("a hole takes nothing");
    process.remove(Path::new("/d/f")).expect("removed");
    other.write_all_at(&[1; 8192], 0).expect("there is room again");
    machine.full_disk(None);
    other.write_all_at(&[1; 8192], 8192).expect("no limit");
}

#[test]
fn operations_are_recorded_counted_and_observed() {
    let (machine, process, file) = machine();
    let before = machine.count();
    machine.forget_operations();
    let (sender, receiver) = std::sync::mpsc::channel();
    machine.observe(Some(Box::new(move |moment| {
        sender.send((moment.operation.kind, moment.fork())).expect("received");
    })));
    file.write_all_at(&[1; 10], 5).expect("written");
    file.length().expect("a length");
    file.sync().expect("synced");
    machine.observe(None);
    let kinds: Vec<_> = machine.operations().iter().map(|operation| operation.kind).collect();
    assert_eq!(kinds, [OperationKind::Write, OperationKind::Length, OperationKind::Sync]);
    let write = &machine.operations()[0];
    assert_eq!((write.number, write.offset, write.length, write.process), (before, 5, 10, 0));
    assert_eq!(machine.count(), before + 3);
    assert!(process.count() >= 3);
    let observed: Vec<_> = receiver.iter().collect();
    assert_eq!(observed.len(), 2, "the calls that may change the disk");
    assert_eq!(observed[0].0, OperationKind::Write);
    assert_eq!(content(&observed[0].1), b"", "before it was written");
    assert_eq!(content(&observed[1].1).len(), 15, "before it was synced");
    assert_eq!(content(&observed[1].1.power_cut_worst()), b"");
}

#[test]
fn flips_and_time() {
    let (machine, process, file) = machine();
    file.write_all_at(&[0; 4], 0).expect("written");
    machine.flip(Path::new("/d/f"), 3, 1).expect("flipped");
    assert_eq!(content(&machine), [0, 0, 0, 1]);
    assert!(machine.flip(Path::new("/d/f"), 4, 1).is_err());
    let then = process.now();
    machine.advance(std::time::Duration::from_secs(5));
    assert!(process.now() >= then + std::time::Duration::from_secs(5));
    assert_ne!(process.random(), process.random());
    assert_eq!(SimMachine::new(4).process().random(), SimMachine::new(4).process().random());
    assert_eq!(machine.files(Path::new("/")).expect("files"), [Path::new("/d/f")]);
}
