//! A process is killed at each of its calls, beside one that lives on.
//!
//! What can break: the survivor waits for ever, or takes half a record for a whole one; a record
//! that was never published chains on later; an epoch is given out twice; what was acknowledged
//! async is lost although only a process died.

use millpond_testkit::{
    crash::{Sweep, fatal_sync_sweep, kill_sweep, mixed_workload},
    random::test_seed,
};

use crate::subject::SUBJECT;

#[test]
fn what_was_acknowledged_survives_a_death() {
    let seed = test_seed(1);
    let mut kills = 0;
    for round in 0..4 {
        let sweep =
            Sweep { seed: seed + round, points_max: 100, two_processes: round % 2 == 1, ..Sweep::default() };
        kills += kill_sweep(&SUBJECT, &mixed_workload(40), sweep)
            .unwrap_or_else(|violation| panic!("{violation}"));
    }
    println!("{kills} deaths");
}

#[test]
fn a_failed_sync_that_its_process_dies_in_is_never_believed() {
    let seed = test_seed(1);
    let mut deaths = 0;
    for round in 0..4 {
        let sweep =
            Sweep { seed: seed + round, points_max: 60, two_processes: round % 2 == 1, ..Sweep::default() };
        deaths += fatal_sync_sweep(&SUBJECT, &mixed_workload(40), sweep)
            .unwrap_or_else(|violation| panic!("{violation}"));
    }
    println!("{deaths} deaths");
}
