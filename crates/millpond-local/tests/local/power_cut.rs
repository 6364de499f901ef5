//! Power is lost before each operation that changes the disk.
//!
//! What can break: a record is acknowledged before it, its log file's entry or the segment that it
//! names is on the disk; a log that was torn is taken for whole, or one that is damaged for torn;
//! a manifest names what isn't there; recovery itself is interrupted.

use millpond_testkit::{
    crash::{Sweep, mixed_workload, power_cut_sweep},
    random::test_seed,
};

use crate::subject::SUBJECT;

#[test]
fn what_was_promised_survives_and_nothing_is_there_in_part() {
    let seed = test_seed(1);
    let mut cuts = 0;
    for round in 0..4 {
        let sweep =
            Sweep { seed: seed + round, points_max: 60, two_processes: round % 2 == 1, ..Sweep::default() };
        cuts += power_cut_sweep(&SUBJECT, &mixed_workload(60), sweep)
            .unwrap_or_else(|violation| panic!("{violation}"));
    }
    println!("{cuts} losses of power");
}
