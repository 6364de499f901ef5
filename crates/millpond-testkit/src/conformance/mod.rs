//! The conformance suite: every clause of the contracts in `millpond-core`, as a named test that
//! runs on any backend.
//!
//! A test knows nothing but the contract. Where the contract leaves a backend free (a view may
//! answer `EpochGone`, a range precondition may be coarser), the test accepts whatever it allows,
//! and never a wrong answer.

mod changes;
mod commits;
mod counts;
mod cursors;
mod fixture;
mod keys;
mod large;
mod lifetime;
pub mod pools;
mod preconditions;
mod random_ops;
mod retention;
mod segments;
mod steps;
mod tallies;
mod threads;
mod views;
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use fixture::Fixture;
pub use random_ops::random_ops;

/// A test of the suite.
pub type Test = fn(&mut Fixture);

/// A module's tests, by name.
type Tests = &'static [(&'static str, Test)];

const MODULES: &[(&str, Tests)] = &[
    ("changes", changes::TESTS),
    ("commits", commits::TESTS),
    ("counts", counts::TESTS),
    ("cursors", cursors::TESTS),
    ("keys", keys::TESTS),
    ("large", large::TESTS),
    ("lifetime", lifetime::TESTS),
    ("preconditions", preconditions::TESTS),
    ("random_ops", random_ops::TESTS),
    ("retention", retention::TESTS),
    ("segments", segments::TESTS),
    ("tallies", tallies::TESTS),
    ("threads", threads::TESTS),
    ("views", views::TESTS),
    ("watch", watch::TESTS),
];

/// The names of all tests, as `module::test`.
pub fn names() -> Vec<String> {
    let of = |(module, tests): &(&str, Tests)| {
        tests.iter().map(|(name, _)| format!("{module}::{name}")).collect::<Vec<_>>()
    };
    MODULES.iter().flat_map(of).collect()
}

/// Runs every test, each on a fixture of its own; panics at the end with the names of those that
/// failed.
pub fn run(make: impl Fn() -> Fixture) {
    run_except(&[], make);
}

/// Runs the one test of this name, `module::test`, on a fixture; panics if it fails, or if there is
/// no such test.
pub fn run_one(name: &str, mut fixture: Fixture) {
    let test = MODULES.iter().find_map(|(module, tests)| {
        tests.iter().find(|(test, _)| name == format!("{module}::{test}")).map(|(_, test)| test)
    });
    test.unwrap_or_else(|| panic!("there is no test {name:?}"))(&mut fixture);
}

/// Runs every test but those whose names (`module::test`, or a module's name for all of it) are in
/// `skipped`; these are printed, and a name that isn't a test's is an error.
pub fn run_except(skipped: &[&str], make: impl Fn() -> Fixture) {
    let all = names();
    for name in skipped {
        let known = all.iter().any(|test| test == name) || MODULES.iter().any(|(module, _)| module == name);
        assert!(known, "there is no test {name:?} to skip");
    }
    let mut failed = Vec::new();
    for (module, tests) in MODULES {
        for (name, test) in *tests {
            let full = format!("{module}::{name}");
            if skipped.iter().any(|skip| *skip == full || skip == module) {
                println!("conformance {full} ... skipped");
                continue;
            }
            let started = std::time::Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let mut fixture = make();
                test(&mut fixture);
            }));
            let took = started.elapsed().as_millis();
            println!("conformance {full} ... {} ({took} ms)", if outcome.is_ok() { "ok" } else { "FAILED" });
            if outcome.is_err() {
                failed.push(full);
            }
        }
    }
    assert!(failed.is_empty(), "{} conformance tests failed: {}", failed.len(), failed.join(", "));
}
