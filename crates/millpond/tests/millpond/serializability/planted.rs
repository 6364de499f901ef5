//! The tests of the tests: a rule of transactions is left out, and what clients are answered has to show
//! it, under the right name.

use std::panic::{AssertUnwindSafe, catch_unwind};

use millpond::bugs::{Bug, plant};
use millpond_local::bugs as engine;
use millpond_testkit::history::transactions::Phenomenon;

use super::{capacity::most_seen, client::Mix, power_cuts, threads};
use crate::scratch::Scratch;

/// Histories that are made until it is found: with some bugs, most clients notice by themselves, and end.
const TRIES: u64 = 200;

#[track_caller]
fn assert_found(bug: Bug, phenomena: &[Phenomenon], scratch: impl Fn() -> Scratch) {
    assert_found_in(Mix::Entries, bug, phenomena, scratch);
}

#[track_caller]
fn assert_found_in(mix: Mix, bug: Bug, phenomena: &[Phenomenon], scratch: impl Fn() -> Scratch) {
    let mut others = Vec::new();
    for seed in 1..=TRIES {
        let scratch = scratch();
        let made = catch_unwind(AssertUnwindSafe(|| threads(&scratch, seed, 60, mix, || plant(bug))));
        // A client itself may notice, that doesn't get a count and a scan that agree.
        let Ok((anomalies, _)) = made else { continue };
        if let Some(found) = anomalies.iter().find(|anomaly| phenomena.contains(&anomaly.phenomenon)) {
            return println!("{bug:?}: {found}");
        }
        others.extend(anomalies.into_iter().map(|anomaly| anomaly.phenomenon));
    }
    panic!("{bug:?} was not found as {phenomena:?}, only as {others:?}");
}

#[test]
fn updates_that_are_lost() {
    assert_found(Bug::LoseUpdates, &[Phenomenon::LostUpdate], Scratch::memory);
    assert_found(Bug::LoseUpdates, &[Phenomenon::LostUpdate], Scratch::file);
}

/// Nobody touches an entry of a dictionary that stays: what is found is in akeys, in arrays, and in
/// lists of objects and dictionaries.
#[test]
fn anomalies_of_objects() {
    for (bug, phenomenon) in [
        (Bug::LoseUpdates, Phenomenon::LostUpdate),
        (Bug::SkewWrites, Phenomenon::WriteSkew),
        (Bug::MissPhantoms, Phenomenon::Phantom),
    ] {
        assert_found_in(Mix::Objects, bug, &[phenomenon], Scratch::memory);
    }
}

#[test]
fn writes_that_are_skewed() {
    assert_found(Bug::SkewWrites, &[Phenomenon::WriteSkew], Scratch::memory);
}

#[test]
fn phantoms() {
    assert_found(Bug::MissPhantoms, &[Phenomenon::Phantom], Scratch::memory);
}

#[test]
fn reads_of_what_is_never_committed() {
    assert_found(Bug::WriteThrough, &[Phenomenon::AbortedRead], Scratch::memory);
}

#[test]
fn reads_of_several_states() {
    assert_found(Bug::ReadLatest, &[Phenomenon::ReadSkew], Scratch::memory);
}

#[test]
fn commits_that_are_torn() {
    assert_found(Bug::TearCommits, &[Phenomenon::ReadSkew], Scratch::memory);
}

#[test]
fn reads_of_the_past() {
    assert_found(Bug::BeginInThePast, &[Phenomenon::RealTime], Scratch::file);
}

#[test]
fn commits_that_never_were() {
    let phenomena = [Phenomenon::LostElement, Phenomenon::LostUpdate];
    assert_found(Bug::AcknowledgeConflicts, &phenomena, Scratch::memory);
}

#[test]
fn counts_that_are_not_asked_for_again() {
    let found =
        (1..=TRIES).any(|seed| most_seen(&Scratch::memory(), seed, 30, || plant(Bug::LoseUpdates)) > 5);
    assert!(found, "there was always room");
}

/// Whether the bank finds that something is wrong, on some seed.
fn bank_finds(plants: impl Fn() -> Box<dyn std::any::Any>) -> bool {
    (1..=40).any(|seed| {
        let _planted = plants();
        catch_unwind(|| power_cuts::run(seed)).is_err()
    })
}

#[test]
fn transfers_that_are_half_there_after_a_death() {
    assert!(bank_finds(|| Box::new(plant(Bug::TearCommits))), "each was there whole");
}

#[test]
fn transfers_that_are_lost_with_the_power() {
    let unsynced = || Box::new(engine::plant(engine::Bug::AcknowledgeBeforeLogSync)) as _;
    assert!(bank_finds(unsynced), "none was lost");
}
