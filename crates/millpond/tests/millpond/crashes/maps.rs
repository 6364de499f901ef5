//! Changes of an ordered map, cut off: a change in place is there whole or not at all, a swap is done once, and
//! what is taken is taken in order.

use millpond::{Comparator, Container, Durability};
use millpond_testkit::{random::test_seed, sim::SimMachine};

use super::{Attacked, sweep};
use crate::{attacks::small_log, simulated};

/// How often the pair is changed, and how often the number is swapped.
const CHANGES: u64 = 5;

/// Entries that are taken.
const QUEUED: i64 = 5;

/// Long enough for a segment.
const HALF: usize = 3000;

fn pair(number: u64) -> Vec<u8> {
    vec![number as u8; 2 * HALF]
}

/// What one does before the other: the pair, the number, the queue.
fn act(container: &Container) {
    let pairs = container.map("pairs").expect("opened");
    for number in look_at_pair(container)..CHANGES {
        let changed = pairs.update_in_place(b"pair", 0, &pair(number + 1)).expect("changed");
        assert!(changed, "there is a pair");
    }
    for number in look_at_number(container)..CHANGES {
        let (old, new) = ([number as u8], [number as u8 + 1]);
        assert!(pairs.compare_and_swap(b"number", Some(&old), Some(&new)).expect("swapped"));
    }
    let queue = container.map("queue").expect("opened");
    while queue.take_first().expect("taken").is_some() {}
}

fn look_at_pair(container: &Container) -> u64 {
    let value = container.map("pairs").expect("opened").get(b"pair").expect("read").expect("a pair");
    assert_eq!(value, pair(value[0].into()), "a half of a change");
    value[0].into()
}

fn look_at_number(container: &Container) -> u64 {
    let value = container.map("pairs").expect("opened").get(b"number").expect("read").expect("a number");
    value[0].into()
}

/// How many of all changes were made.
fn look(container: &Container) -> u64 {
    let (pair, number) = (look_at_pair(container), look_at_number(container));
    let queue = container.map("queue").expect("opened");
    let left: Vec<i64> = queue
        .iter()
        .expect("begun")
        .map(|entry| i64::from_le_bytes(entry.expect("read").0[..].try_into().expect("8 bytes")))
        .collect();
    assert_eq!(queue.len().expect("counted"), left.len() as u64);
    assert_eq!(left, (QUEUED - left.len() as i64..QUEUED).collect::<Vec<_>>(), "the first ones went first");
    let taken = (QUEUED as usize - left.len()) as u64;
    assert!(number == 0 || pair == CHANGES, "the number came before the pair");
    assert!(taken == 0 || number == CHANGES, "the queue came before the number");
    pair + number + taken
}

fn attack(seed: u64) -> u64 {
    let machine = SimMachine::new(7);
    machine.record(false);
    let container = simulated::create(&machine, small_log(Durability::Sync));
    let pairs = container.create_map("pairs", &Comparator::Reverse).expect("created");
    pairs.put_many([(&b"pair"[..], pair(0)), (b"number", vec![0])]).expect("put");
    let queue = container.create_map("queue", &Comparator::Integer).expect("created");
    queue.put_many((0..QUEUED).map(|number| (number.to_le_bytes(), b"job"))).expect("put");
    container.close().expect("closed");
    drop((pairs, queue, container));
    let machine = machine.power_cut_none();
    let end = 2 * CHANGES + QUEUED as u64;
    sweep(&Attacked { machine: &machine, act: &act, look: &look, end }, seed)
}

#[test]
fn changes_are_whole_and_in_order() {
    let cuts = attack(test_seed(1));
    assert!(cuts > 50, "only {cuts}");
}

/// The test of the test.
#[cfg(feature = "planted-bugs")]
#[test]
fn changes_in_two_commits_are_noticed() {
    super::assert_noticed("a change in place that is made in two commits", |seed| {
        let _planted = millpond::bugs::plant(millpond::bugs::Bug::ChangeInTwoCommits);
        attack(seed);
    });
}
