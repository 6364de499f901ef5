//! Histories made by hand, each with one anomaly, which has to be found under its name; and histories
//! of a store that runs one transaction after the other, which have none.

use std::collections::BTreeMap;

use super::{Outcome, Phenomenon, Step, Transaction, check_transactions};
use crate::random::Random;

fn steps(text: &str) -> Vec<Step> {
    text.split(' ').map(|word| word.parse().expect("a step")).collect()
}

fn transaction(began: u64, ended: u64, text: &str) -> Transaction {
    Transaction { client: 0, began, ended: Some(ended), outcome: Outcome::Committed, steps: steps(text) }
}

/// Transactions that all overlap.
fn at_once(texts: &[&str]) -> Vec<Transaction> {
    texts.iter().map(|text| transaction(0, 100, text)).collect()
}

fn found(history: &[Transaction]) -> Vec<Phenomenon> {
    let anomalies = check_transactions(history);
    anomalies.iter().for_each(|anomaly| println!("{anomaly}"));
    let mut phenomena: Vec<_> = anomalies.into_iter().map(|anomaly| anomaly.phenomenon).collect();
    phenomena.sort();
    phenomena.dedup();
    phenomena
}

#[test]
fn a_dirty_write_is_found() {
    let history = at_once(&["append:1:1 append:2:2", "append:1:3 append:2:4", "read:1:[1,3] read:2:[4,2]"]);
    assert!(found(&history).contains(&Phenomenon::DirtyWrite));
}

#[test]
fn an_aborted_read_is_found() {
    let mut history = at_once(&["append:1:1", "read:1:[1]"]);
    assert_eq!(found(&history), []);
    history[0].outcome = Outcome::Aborted;
    assert_eq!(found(&history), [Phenomenon::AbortedRead]);
}

#[test]
fn an_intermediate_read_is_found() {
    let history = at_once(&["append:1:1 append:1:2", "read:1:[1]"]);
    assert!(found(&history).contains(&Phenomenon::IntermediateRead));
    let made_and_removed = at_once(&["append:1:1 remove:1", "read:1:[1]"]);
    assert!(found(&made_and_removed).contains(&Phenomenon::IntermediateRead));
    assert_eq!(found(&at_once(&["append:1:1 append:1:2", "read:1:[1,2]"])), []);
}

#[test]
fn information_in_a_circle_is_found() {
    let history = at_once(&["append:1:1 read:2:[2]", "append:2:2 read:1:[1]"]);
    assert_eq!(found(&history), [Phenomenon::CircularInformation]);
}

#[test]
fn a_read_skew_is_found() {
    let history = at_once(&["append:1:1 append:2:2", "read:1:[1] read:2:[]"]);
    assert_eq!(found(&history), [Phenomenon::ReadSkew]);
    // One that only reads, and is aborted in the end, has to read one state too.
    let mut aborted = history;
    aborted[1].outcome = Outcome::Aborted;
    assert_eq!(found(&aborted), [Phenomenon::ReadSkew]);
    let scanned = at_once(&["append:1:1 append:2:2", "scan:0:9:2:[2]"]);
    assert_eq!(found(&scanned), [Phenomenon::ReadSkew]);
}

#[test]
fn a_lost_update_is_found() {
    let history = at_once(&["read:1:[] append:1:1", "read:1:[] append:1:2"]);
    assert_eq!(found(&history), [Phenomenon::LostUpdate]);
    let seen = at_once(&["append:1:1", "read:1:[1] append:1:2", "read:1:[1] append:1:3", "read:1:[1,2,3]"]);
    assert_eq!(found(&seen), [Phenomenon::LostUpdate], "also where both are there in the end");
    let removed_twice = at_once(&["append:1:1", "read:1:[1] remove:1", "read:1:[1] remove:1"]);
    assert_eq!(found(&removed_twice), [Phenomenon::LostUpdate]);
    let one_failed = {
        let mut history = at_once(&["read:1:[] append:1:1", "read:1:[] append:1:2", "read:1:[1]"]);
        history[1].outcome = Outcome::Aborted;
        history
    };
    assert_eq!(found(&one_failed), []);
}

#[test]
fn a_write_skew_is_found() {
    let history = at_once(&["read:1:[] read:2:[] append:1:1", "read:1:[] read:2:[] append:2:2"]);
    assert_eq!(found(&history), [Phenomenon::WriteSkew]);
    let of_three = at_once(&["read:1:[] append:2:1", "read:2:[] append:3:2", "read:3:[] append:1:3"]);
    assert_eq!(found(&of_three), [Phenomenon::WriteSkew]);
}

#[test]
fn a_phantom_is_found() {
    let history = at_once(&["scan:0:9 append:1:1", "scan:0:9 append:2:2"]);
    assert_eq!(found(&history), [Phenomenon::Phantom]);
    let outside = at_once(&["scan:0:9 append:1:1", "scan:10:19 append:12:2"]);
    assert_eq!(found(&outside), []);
}

#[test]
fn incompatible_orders_are_found() {
    let history = at_once(&["append:1:1", "append:1:2", "read:1:[1,2]", "read:1:[2]"]);
    assert_eq!(found(&history), [Phenomenon::IncompatibleOrder]);
}

#[test]
fn a_lost_element_is_found() {
    let history =
        [transaction(0, 1, "append:1:1"), transaction(2, 3, "append:1:2"), transaction(4, 5, "read:1:[1]")];
    assert_eq!(found(&history), [Phenomenon::LostElement]);
    let mut unknown = history;
    unknown[1].outcome = Outcome::Unknown;
    unknown[1].ended = None;
    assert_eq!(found(&unknown), []);
}

#[test]
fn what_nobody_wrote_is_found() {
    assert_eq!(found(&at_once(&["append:1:1", "read:1:[1,7]"])), [Phenomenon::UnwrittenElement]);
    assert_eq!(found(&at_once(&["append:2:1", "read:1:[1]"])), [Phenomenon::UnwrittenElement]);
    assert!(found(&at_once(&["append:1:1", "read:1:[1,1]"])).contains(&Phenomenon::UnwrittenElement));
}

#[test]
fn one_that_disagrees_with_itself_is_found() {
    for own in [
        "read:1:[] append:1:2 read:1:[]",
        "read:1:[] read:1:[1]",
        "read:1:[1] remove:1 read:1:[1]",
        "read:1:[1] remove:1 scan:0:9:1:[1]",
        "read:1:[1] scan:0:9",
    ] {
        assert!(found(&at_once(&["append:1:1", own])).contains(&Phenomenon::Internal), "{own}");
    }
    assert_eq!(found(&at_once(&["append:1:1", "read:1:[1] append:1:2 scan:0:9:1:[1,2]"])), []);
}

#[test]
fn time_does_not_go_back() {
    let stale =
        [transaction(0, 1, "append:1:1"), transaction(2, 3, "read:1:[]"), transaction(4, 5, "read:1:[1]")];
    assert_eq!(found(&stale), [Phenomenon::RealTime]);
    let overlapping = [transaction(0, 2, "append:1:1"), transaction(2, 3, "read:1:[]")];
    assert_eq!(found(&overlapping), []);
    // By itself each is right; together they went back.
    let over_two = [
        transaction(0, 100, "append:1:1 append:2:2"),
        transaction(1, 2, "read:1:[1]"),
        transaction(3, 4, "read:2:[]"),
    ];
    assert_eq!(found(&over_two), [Phenomenon::RealTime]);
}

#[test]
fn a_removed_key_is_before_or_behind_its_life() {
    let history = [
        transaction(0, 1, "read:1:[]"),
        transaction(2, 3, "append:1:1"),
        transaction(4, 5, "read:1:[1] remove:1"),
        transaction(6, 7, "read:1:[]"),
    ];
    assert_eq!(found(&history), []);
    let undead = [&history[..], &[transaction(8, 9, "scan:0:9:1:[1]")]].concat();
    assert_eq!(found(&undead), [Phenomenon::RealTime]);
    // It removed one of two that another one found apart.
    let half = [
        transaction(0, 1, "append:1:1 append:2:2"),
        transaction(2, 9, "read:1:[1] read:2:[2] remove:1 remove:2"),
        transaction(3, 8, "scan:0:9:2:[2]"),
    ];
    assert_eq!(found(&half), [Phenomenon::ReadSkew]);
}

#[test]
fn one_of_unknown_outcome_took_effect_whole_or_not_at_all() {
    let unknown = Transaction {
        ended: None,
        outcome: Outcome::Unknown,
        ..transaction(0, 0, "read:1:[] append:1:1 read:2:[] append:2:2")
    };
    for (later, phenomena) in [
        ("read:1:[] read:2:[]", vec![]),
        ("read:1:[1] read:2:[2]", vec![]),
        ("read:1:[1] read:2:[]", vec![Phenomenon::ReadSkew]),
    ] {
        assert_eq!(found(&[unknown.clone(), transaction(5, 6, later)]), phenomena, "{later}");
    }
    let back = [unknown, transaction(5, 6, "read:1:[1]"), transaction(7, 8, "read:2:[]")];
    let phenomena = found(&back);
    assert!(phenomena.contains(&Phenomenon::RealTime) || phenomena.contains(&Phenomenon::LostElement));
}

#[test]
fn a_cycle_is_explained() {
    let history = at_once(&["read:1:[] append:2:2", "read:2:[] append:1:1"]);
    let anomalies = check_transactions(&history);
    let text = anomalies[0].to_string();
    for part in ["G2-item", "T1 before T2", "found key 1 as it was before the other one appended 1", "T2 is"]
    {
        assert!(text.contains(part), "{part:?} should be in {text}");
    }
}

/// A store that runs one transaction after the other, for clients whose calls overlap.
fn serial_history(seed: u64, count: u64) -> Vec<Transaction> {
    let mut random = Random::new(seed);
    let mut state: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let (mut next, mut element) = (1_000_000, 0);
    let mut history = Vec::new();
    for instant in 0..count {
        // Lists live for a while, and then others do.
        let lists = instant / 50 * 10..=instant / 50 * 10 + 7;
        state.retain(|key, _| key >= lists.start());
        let before = state.clone();
        let outcome = match random.below(10) {
            0 => Outcome::Aborted,
            1 => Outcome::Unknown,
            _ => Outcome::Committed,
        };
        let mut steps = Vec::new();
        let mut removed = Vec::new();
        for _ in 0..1 + random.below(4) {
            let key = lists.start() + random.below(8);
            match random.below(7) {
                0..2 => steps.push(Step::Read { key, found: state.get(&key).cloned().unwrap_or_default() }),
                2..4 => {
                    element += 1;
                    steps.push(Step::Read { key, found: state.get(&key).cloned().unwrap_or_default() });
                    steps.push(Step::Append { key, element });
                    state.entry(key).or_default().push(element);
                }
                4 => {
                    (next, element) = (next + 1, element + 1);
                    steps.push(Step::Append { key: next, element });
                    state.insert(next, vec![element]);
                }
                // Not many of the others live at a time.
                5 => {
                    let there: Vec<u64> = state.range(1_000_000..).map(|(key, _)| *key).collect();
                    let old = there.iter().find(|key| !removed.contains(*key) && before.contains_key(*key));
                    if let Some(&key) = old {
                        steps.push(Step::Read { key, found: state[&key].clone() });
                        steps.push(Step::Remove { key });
                        state.remove(&key);
                        removed.push(key);
                    }
                }
                _ => {
                    let range = if random.chance(500) { lists.clone() } else { 1_000_000..=9_999_999 };
                    let found = state.range(range.clone()).map(|(key, list)| (*key, list.clone())).collect();
                    steps.push(Step::Scan { range, found });
                }
            }
        }
        let takes_effect = match outcome {
            Outcome::Committed => true,
            Outcome::Aborted => false,
            Outcome::Unknown => random.chance(500),
        };
        if !takes_effect {
            state = before;
            // Keys are made and removed once.
            next += 1;
        }
        let at = instant * 100 + 1000;
        history.push(Transaction {
            client: 0,
            began: at - random.below(500),
            ended: (outcome != Outcome::Unknown).then(|| at + random.below(500)),
            outcome,
            steps,
        });
    }
    history
}

#[test]
fn serial_histories_have_no_anomaly() {
    for seed in 0..60 {
        let anomalies = check_transactions(&serial_history(seed, 300));
        assert!(anomalies.is_empty(), "seed {seed}: {}", anomalies[0]);
    }
}

/// One element taken out of a list that somebody found, or two reads exchanged: that is noticed.
#[test]
fn changed_histories_have_anomalies() {
    let mut noticed = 0;
    for seed in 0..60 {
        let mut history = serial_history(seed, 300);
        let mut random = Random::new(seed ^ 0xFFFF);
        // Long enough ago that whoever wrote it had ended.
        let long =
            history.iter_mut().flat_map(|transaction| &mut transaction.steps).filter_map(|step| match step {
                Step::Read { found, .. } if found.len() > 3 => Some(found),
                _ => None,
            });
        let mut long: Vec<_> = long.collect();
        let place = random.index(long.len());
        long[place].remove(0);
        noticed += u64::from(!check_transactions(&history).is_empty());
    }
    assert_eq!(noticed, 60);
}

#[test]
fn thousands_of_transactions_are_checked_at_once() {
    let history = serial_history(7, 10_000);
    assert!(check_transactions(&history).is_empty());
}
