//! Tests of the tests: with a bug planted, the suite fails; and with a fault of the cluster, it
//! doesn't.

use std::panic::{AssertUnwindSafe, catch_unwind};

use millpond_core::{PoolStore, StoreOptions};
use millpond_rados::bugs::{Bug, plant};
use millpond_testkit::conformance::{self, Fixture};

use crate::cluster::{alone, new_container, new_pool};

/// Runs a test of the suite on a new container; answers whether it passed.
fn passes(test: &str) -> bool {
    let pool = new_pool();
    let container = new_container(&pool);
    let fixture = Fixture::new(move || pool.open(container, &StoreOptions::default()));
    catch_unwind(AssertUnwindSafe(|| conformance::run_one(test, fixture))).is_ok()
}

#[test]
fn commits_without_a_guard_are_caught() {
    let _alone = alone();
    assert!(passes("threads::adjustments_commute"));
    let _bug = plant(Bug::CommitWithoutGuard);
    assert!(!passes("threads::adjustments_commute"), "two handles commit over each other");
}

/// Answers that are lost make no commit happen twice, nor fail.
#[test]
fn lost_answers_change_nothing() {
    let _alone = alone();
    let _fault = plant(Bug::LoseAnswers);
    for test in [
        "threads::adjustments_commute",
        "threads::tallies_are_exact",
        "commits::existed_tells_what_was_there",
    ] {
        assert!(passes(test), "{test}");
    }
}

#[test]
fn a_commit_that_is_retried_blindly_is_caught() {
    let _alone = alone();
    let _bug = plant(Bug::RetryWithoutLooking);
    assert!(!passes("commits::adjustments_add_up"), "it was applied twice");
}

#[test]
fn views_without_a_past_are_caught() {
    let _alone = alone();
    let _bug = plant(Bug::DropHistory);
    assert!(!passes("views::a_view_does_not_change"));
}
