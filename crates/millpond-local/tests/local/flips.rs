//! A bit of a file turns over while nobody looks.
//!
//! What can break: wrong data is returned as right; a damaged record of the log is taken for the
//! torn end of it, and what follows is cut off; a damaged manifest or run is read as something else.

use std::path::Path;

use millpond_testkit::{
    crash::{Sweep, flip_sweep, mixed_workload},
    random::test_seed,
};

use crate::subject::SUBJECT;

/// The lock file is never read.
pub fn spared(path: &Path) -> bool {
    path.ends_with("lock")
}

#[test]
fn a_flipped_bit_is_noticed_or_does_not_matter() {
    let seed = test_seed(1);
    let mut noticed = 0;
    for round in 0..4 {
        let sweep =
            Sweep { seed: seed + round, points_max: 250, two_processes: round % 2 == 1, ..Sweep::default() };
        noticed += flip_sweep(&SUBJECT, &mixed_workload(60), spared, sweep)
            .unwrap_or_else(|violation| panic!("{violation}"));
    }
    println!("{noticed} flips were noticed");
    assert!(noticed > 100, "most of what is flipped matters");
}
