//! The engine on a model checker: its threads and processes run one step at a time, and a scheduler
//! picks, from a seed, who makes the next one. A step ends at each mutex, each atomic, and each
//! access to the memory that processes share.
//!
//! What can break is what real threads hit once in a million runs: a commit that is seen before it
//! is whole; two that believe to be the first; a file that is unlinked between the look at the table
//! of readers and the entry in it; a view that changes in its owner's hands; a lost wake-up.
//!
//! Here are the tail, the queue of commits and their leader, the locks and words of the control
//! memory, the table of readers, and the life of a view, all as they are in the engine; the machine
//! below is the simulated one. Half of the runs are scheduled at random, half by priorities that
//! change a few times (PCT), which finds rare orders of few steps. The checker takes all accesses for
//! sequentially consistent: an ordering of memory that is too weak is not what it finds.

mod scenarios;

use shuttle::{
    Config, Runner,
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
};

/// Runs of each scenario and scheduler, in `make test`.
const RUNS: usize = 150;

fn run(scheduler: impl Scheduler + 'static, scenario: fn()) {
    let mut config = Config::new();
    // The engine's frames are larger than the checker expects of a test.
    config.stack_size = 1 << 20;
    config.max_steps = shuttle::MaxSteps::FailAfter(2_000_000);
    Runner::new(scheduler, config).run(scenario);
}

/// Runs a scenario in many orders, from a seed.
fn check(scenario: fn(), runs: usize) {
    let seed = millpond_testkit::random::test_seed(1);
    let runs = runs * millpond_testkit::random::test_scale() as usize;
    run(RandomScheduler::new_from_seed(seed, runs), scenario);
    run(PctScheduler::new_from_seed(seed, 3, runs), scenario);
}

#[test]
fn threads_of_one_process_commit_in_one_order() {
    check(scenarios::threads, RUNS);
}

#[test]
fn processes_commit_in_one_order() {
    check(scenarios::processes, RUNS);
}

#[test]
fn a_view_stays_while_another_process_rewrites_everything() {
    check(scenarios::views, RUNS);
}

#[test]
fn a_process_opens_while_another_one_rewrites_everything() {
    check(scenarios::opening, RUNS);
}

#[test]
fn a_watch_is_told_of_everything_and_woken() {
    check(scenarios::watching, RUNS);
}

/// The tests of the tests: orders are found in which a bug shows.
mod planted {
    use std::panic::catch_unwind;

    use millpond_local::bugs::{Bug, plant};

    use super::*;

    #[track_caller]
    fn assert_noticed(bug: Bug, scenario: fn()) {
        let found = catch_unwind(|| {
            let _planted = plant(bug);
            check(scenario, 5 * RUNS);
        });
        assert!(found.is_err(), "{bug:?} was not noticed");
    }

    #[test]
    fn a_wake_up_that_is_lost() {
        assert_noticed(Bug::WakeNobody, scenarios::watching);
    }

    #[test]
    fn a_commit_that_is_not_validated() {
        assert_noticed(Bug::SkipValidation, scenarios::threads);
        assert_noticed(Bug::SkipValidation, scenarios::processes);
    }

    #[test]
    fn a_record_that_is_published_before_it_is_written() {
        assert_noticed(Bug::PublishBeforeRecord, scenarios::processes);
    }

    #[test]
    fn a_process_that_appends_without_what_came_before() {
        assert_noticed(Bug::AppendWithoutCatchingUp, scenarios::processes);
    }

    #[test]
    fn a_slot_that_forgets_views() {
        assert_noticed(Bug::SlotForgetsViews, scenarios::views);
    }

    #[test]
    fn a_file_that_is_unlinked_whoever_uses_it() {
        assert_noticed(Bug::UnlinkWhileInUse, scenarios::views);
    }
}
