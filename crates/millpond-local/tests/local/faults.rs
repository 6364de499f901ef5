//! Calls fail, the disk is full, reads and writes are short.
//!
//! What can break: a sync that failed is retried and believed; a failed write leaves half a record
//! that a later one chains on to; an error path forgets what was committed.

use millpond_testkit::{
    crash::{Fault, Sweep, fault_sweep, mixed_workload},
    random::test_seed,
};

use crate::subject::SUBJECT;

fn sweep(fault: Fault, points_max: usize) {
    let seed = test_seed(1);
    for round in 0..3 {
        let sweep =
            Sweep { seed: seed + round, points_max, two_processes: round % 2 == 1, ..Sweep::default() };
        fault_sweep(&SUBJECT, &mixed_workload(30), fault, sweep)
            .unwrap_or_else(|violation| panic!("{violation}"));
    }
}

#[test]
fn a_failed_call_loses_nothing() {
    sweep(Fault::Call(libc::EIO), 100);
}

#[test]
fn a_call_that_finds_the_disk_full_loses_nothing() {
    sweep(Fault::Call(libc::ENOSPC), 300);
}

#[test]
fn a_failed_sync_is_never_believed() {
    sweep(Fault::Sync(libc::EIO), 60);
}

#[test]
fn a_full_disk_loses_nothing() {
    sweep(Fault::Write(libc::ENOSPC), 60);
}

#[test]
fn a_dead_device_loses_nothing() {
    sweep(Fault::Device(libc::EIO), 60);
}

#[test]
fn short_reads_and_writes_are_not_noticed() {
    sweep(Fault::ShortIo, 10);
}

#[test]
fn a_panic_under_a_lock_is_cleaned_up_behind() {
    sweep(Fault::Panic, 100);
}
