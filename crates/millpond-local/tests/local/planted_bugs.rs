//! The tests of the tests: each rule of the engine is left out, and its harness must notice.

use std::panic::{AssertUnwindSafe, catch_unwind};

use millpond_core::Durability;
use millpond_local::bugs::{Bug, plant};
use millpond_testkit::{
    conformance,
    crash::{
        Driver, Fault, Sweep, Violation, fatal_sync_sweep, fault_sweep, flip_sweep, kill_sweep,
        mixed_workload, power_cut_sweep,
    },
};

use crate::{
    conformance::simulated, flips::spared, forks, log_space, retention, salvage, sharing, streams,
    subject::SUBJECT, watching,
};

/// Runs `harness` with one seed after the other until it notices the bug.
#[track_caller]
fn assert_noticed<E: std::fmt::Display>(bug: Bug, harness: impl Fn(u64) -> Result<u64, E>) {
    for seed in 1..=12 {
        let planted = plant(bug);
        let outcome = catch_unwind(AssertUnwindSafe(|| harness(seed)));
        drop(planted);
        match outcome {
            Ok(Ok(_)) => {}
            Ok(Err(violation)) => return println!("{bug:?}: {violation}"),
            Err(_) => return println!("{bug:?}: a test of the suite failed"),
        }
    }
    panic!("{bug:?} was not noticed");
}

fn power_cuts(seed: u64) -> Result<u64, Violation> {
    let sweep = Sweep { seed, points_max: 60, cuts: 4, two_processes: seed % 2 == 1 };
    power_cut_sweep(&SUBJECT, &mixed_workload(40), sweep)
}

fn kills(seed: u64) -> Result<u64, Violation> {
    let sweep = Sweep { seed, points_max: 400, two_processes: seed % 2 == 1, ..Sweep::default() };
    kill_sweep(&SUBJECT, &mixed_workload(30), sweep)
}

fn failed_syncs(seed: u64) -> Result<u64, Violation> {
    let sweep = Sweep { seed, points_max: 60, two_processes: false, ..Sweep::default() };
    fault_sweep(&SUBJECT, &mixed_workload(30), Fault::Sync(libc::EIO), sweep)
}

fn fatal_syncs(seed: u64) -> Result<u64, Violation> {
    let sweep = Sweep { seed, points_max: 60, two_processes: true, ..Sweep::default() };
    fatal_sync_sweep(&SUBJECT, &mixed_workload(40), sweep)
}

fn dead_devices(seed: u64) -> Result<u64, Violation> {
    let sweep = Sweep { seed, points_max: 120, two_processes: true, ..Sweep::default() };
    fault_sweep(&SUBJECT, &mixed_workload(30), Fault::Device(libc::EIO), sweep)
}

fn panics(seed: u64) -> Result<u64, Violation> {
    let sweep = Sweep { seed, points_max: 100, two_processes: seed % 2 == 1, ..Sweep::default() };
    fault_sweep(&SUBJECT, &mixed_workload(30), Fault::Panic, sweep)
}

fn flips(seed: u64) -> Result<u64, Violation> {
    flip_sweep(&SUBJECT, &mixed_workload(40), spared, Sweep { seed, points_max: 300, ..Sweep::default() })
}

fn suite(_: u64) -> Result<u64, Violation> {
    conformance::run(simulated);
    Ok(0)
}

#[test]
fn rule_1_sync_covers_everything_before_it() {
    assert_noticed(Bug::AcknowledgeBeforeLogSync, power_cuts);
    assert_noticed(Bug::SkipSegmentSync, power_cuts);
    assert_noticed(Bug::SkipLogDirectorySync, power_cuts);
    assert_noticed(Bug::RollWithoutSync, power_cuts);
}

#[test]
fn rule_2_corruption_is_not_a_torn_tail() {
    assert_noticed(Bug::CutCorruptionOff, flips);
    assert_noticed(Bug::TrustWhatLossesLeave, |seed| {
        salvage::changed_bytes(seed);
        Ok::<_, Violation>(0)
    });
    assert_noticed(Bug::AcceptRecordsWithoutChecksum, power_cuts);
}

#[test]
fn rule_3_what_a_dead_holder_left_is_cleared() {
    assert_noticed(Bug::TakeOverWithoutZeroing, kills);
}

#[test]
fn rule_3_what_is_published_is_written() {
    assert_noticed(Bug::PublishBeforeRecord, kills);
}

#[test]
fn rule_4_epochs_are_never_reused() {
    assert_noticed(Bug::ReuseIncarnation, power_cuts);
}

#[test]
fn rule_5_a_failed_sync_is_never_believed() {
    assert_noticed(Bug::AcknowledgeAfterFailedSync, failed_syncs);
    assert_noticed(Bug::KeepRecordsInOldFile, |_| {
        sharing::records_written_again_are_in_one_place().map(|()| 0)
    });
    assert_noticed(Bug::ForgetAbandonedSync, fatal_syncs);
    // Each sync commit's bulk bytes lie behind those of commits that aren't durable yet.
    let bulk = |driver: &mut Driver| {
        for _ in 0..12 {
            driver.commit(Durability::Async);
            driver.commit(Durability::Async);
            driver.commit(Durability::Sync);
        }
    };
    assert_noticed(Bug::TellOfFailedSegmentsLate, |seed| {
        let sweep = Sweep { seed, points_max: 200, two_processes: false, ..Sweep::default() };
        fatal_sync_sweep(&SUBJECT, &bulk, sweep)
    });
    assert_noticed(Bug::ForgetFailedSegments, |seed| dead_devices(59_999 + seed));
}

#[test]
fn rule_6_closing_syncs_and_so_does_time() {
    let closes = |driver: &mut Driver| {
        for _ in 0..8 {
            driver.commit(Durability::Async);
            driver.reopen();
        }
    };
    assert_noticed(Bug::CloseWithoutSync, |seed| {
        let sweep = Sweep { seed, two_processes: seed % 2 == 1, ..Sweep::default() };
        power_cut_sweep(&SUBJECT, &closes, sweep)
    });
    assert_noticed(Bug::NoPeriodicSync, |_| log_space::what_is_unsynced_is_synced_soon().map(|()| 0));
}

#[test]
fn rule_7_a_large_commit_s_run_is_synced_before_it_is_named() {
    assert_noticed(Bug::BulkRunWithoutSync, power_cuts);
    assert_noticed(Bug::BulkRunWithoutSync, |seed| streams::power_cuts(seed, 60));
}

#[test]
fn rule_7_a_streamed_commit_is_one_commit() {
    assert_noticed(Bug::CountStreamsApart, |seed| Ok::<_, Violation>(streams::one_stream(seed)));
}

#[test]
fn rule_14_what_nobody_names_is_given_back() {
    assert_noticed(Bug::LeaveGarbage, |seed| Ok::<_, Violation>(streams::one_stream(seed)));
}

#[test]
fn rule_8_log_space_is_zeroed_ahead() {
    assert_noticed(Bug::LogSpaceNotZeroedAhead, |_| log_space::commits_only_overwrite().map(|()| 0));
}

#[test]
fn rule_9_old_control_memory_is_not_trusted() {
    assert_noticed(Bug::TrustOldControl, power_cuts);
}

#[test]
fn rule_10_a_panic_under_the_lock_is_a_death() {
    assert_noticed(Bug::PanicLeavesLockClean, panics);
}

#[test]
fn rule_11_a_process_appends_behind_what_is_published() {
    assert_noticed(Bug::AppendWithoutCatchingUp, |_| sharing::a_commit_in_between().map(|()| 0));
}

#[test]
fn rule_12_a_forked_child_opens_anew() {
    assert_noticed(Bug::ForkedChildKeepsHandle, |_| forks::a_child_works_on_its_own().map(|()| 0));
}

#[test]
fn rule_13_a_manifest_names_what_is_there() {
    assert_noticed(Bug::ManifestBeforeRun, power_cuts);
    assert_noticed(Bug::SkipManifestDirectorySync, power_cuts);
}

#[test]
fn rule_14_what_others_use_is_not_unlinked() {
    assert_noticed(Bug::UnlinkWhileInUse, |_| sharing::a_view_keeps_what_it_needs().map(|()| 0));
}

#[test]
fn a_count_takes_off_what_newer_records_replaced() {
    assert_noticed(Bug::CountReplaced, suite);
}

#[test]
fn rule_15_merges_keep_what_is_needed() {
    assert_noticed(Bug::DropNeededVersions, suite);
    assert_noticed(Bug::DropTombstonesEarly, suite);
}

#[test]
fn rule_15_what_records_keep_is_kept() {
    assert_noticed(Bug::ForgetRetained, power_cuts);
    assert_noticed(Bug::ForgetRetained, kills);
    assert_noticed(Bug::ForgetBeforeSync, |_| retention::what_is_let_go_unsynced_is_whole().map(|()| 0));
}

#[test]
fn rule_16_bytes_that_are_owned_again_stay() {
    assert_noticed(Bug::DropSharedSegments, |_| {
        sharing::bytes_are_moved_between_a_read_and_the_commit_that_owns_them_again().map(|()| 0)
    });
}

#[test]
fn rule_16_segment_bytes_move_with_their_pointers() {
    assert_noticed(Bug::MoveSegmentsWithoutPointers, suite);
}

#[test]
fn rule_19_commits_are_validated() {
    assert_noticed(Bug::SkipValidation, |_| sharing::a_commit_in_between().map(|()| 0));
}

#[test]
fn rule_21_what_those_who_watch_need_stays() {
    assert_noticed(Bug::RetireWithoutAskingCursors, |_| {
        watching::a_cursor_outlives_its_process().map(|()| 0)
    });
    assert_noticed(Bug::MergeAwayWatchedRuns, |_| watching::a_cursor_outlives_its_process().map(|()| 0));
    assert_noticed(Bug::RetireWithoutLookingAgain, |_| watching::beginning_beside_a_compaction());
}

#[test]
fn rule_21_what_is_told_is_durable() {
    assert_noticed(Bug::DeliverUnsynced, watching::power_cuts);
}
