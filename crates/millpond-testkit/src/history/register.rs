//! Whether the calls of one key can be put in an order that a single register would have answered.
//!
//! The search of Wing and Gong, with Lowe's memory of what was tried: of the calls that had begun
//! before the first one ended that isn't in the order yet, one is tried after the other; a set of
//! ordered calls with the value that they leave is never tried twice.

use std::collections::HashSet;

use super::{Action, Answer, Call};

/// States that are looked at, at most: more than that is a fault of the history's design.
const STATES_MAX: usize = 4_000_000;

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order.
    Linearizable,
    /// There is none; with the calls at which the search got stuck.
    Impossible(String),
    /// It would take too long to say.
    TooHard,
}

/// What a call makes of the register's value, if it can have answered as it did.
fn step(value: Option<u64>, call: &Call) -> Option<Option<u64>> {
    let answer = call.end.map(|end| end.answer);
    match (call.action, answer) {
        (Action::Put(new), Some(Answer::Existed(existed))) => {
            (existed == value.is_some()).then_some(Some(new))
        }
        (Action::Put(new), None) => Some(Some(new)),
        (Action::Delete, Some(Answer::Existed(existed))) => (existed == value.is_some()).then_some(None),
        (Action::Delete, None) => Some(None),
        (Action::Get, Some(Answer::Value(seen))) => (seen == value).then_some(value),
        (Action::Replace { expected, new }, Some(Answer::Existed(existed))) => {
            (expected == value && existed == value.is_some()).then_some(new)
        }
        (Action::Replace { expected, .. }, Some(Answer::Conflict)) => (expected != value).then_some(value),
        (Action::Replace { expected, new }, None) => Some(if expected == value { new } else { value }),
        (_, None) => Some(value),
        (_, Some(_)) => None,
    }
}

/// The begin or the end of a call, in a list in the order of time.
struct Event {
    call: usize,
    is_end: bool,
    before: usize,
    after: usize,
}

/// The list's ends: no event.
const NOTHING: usize = usize::MAX;

struct List {
    events: Vec<Event>,
    first: usize,
    /// For each call, where its end is, if it has one.
    ends: Vec<usize>,
}

impl List {
    fn new(calls: &[Call]) -> Self {
        // Of a begin and an end at the same time, the begin comes first: they overlap.
        let mut times: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * calls.len());
        for (place, call) in calls.iter().enumerate() {
            times.push((call.began, false, place));
            times.extend(call.end.map(|end| (end.at, true, place)));
        }
        times.sort_unstable();
        let mut ends = vec![NOTHING; calls.len()];
        let count = times.len();
        let events = times.into_iter().enumerate().map(|(place, (_, is_end, call))| {
            if is_end {
                ends[call] = place;
            }
            let after = if place + 1 < count { place + 1 } else { NOTHING };
            Event { call, is_end, before: place.wrapping_sub(1), after }
        });
        let events = events.collect();
        Self { events, first: if count == 0 { NOTHING } else { 0 }, ends }
    }

    fn remove(&mut self, at: usize) {
        let (before, after) = (self.events[at].before, self.events[at].after);
        match before {
            NOTHING => self.first = after,
            before => self.events[before].after = after,
        }
        if after != NOTHING {
            self.events[after].before = before;
        }
    }

    /// Undoes the last removal that isn't undone yet.
    fn restore(&mut self, at: usize) {
        let (before, after) = (self.events[at].before, self.events[at].after);
        match before {
            NOTHING => self.first = at,
            before => self.events[before].after = at,
        }
        if after != NOTHING {
            self.events[after].before = at;
        }
    }
}

/// Looks for an order of the calls of one key, which was absent at first.
pub fn check_register(calls: &[Call]) -> Verdict {
    let mut list = List::new(calls);
    let mut missing = calls.iter().filter(|call| call.end.is_some()).count();
    let mut ordered = vec![0u64; calls.len().div_ceil(64)];
    let mut seen: HashSet<(Vec<u64>, Option<u64>)> = HashSet::new();
    let mut trail: Vec<(usize, Option<u64>)> = Vec::new();
    let mut value = None;
    let mut furthest = (usize::MAX, String::new());
    let mut at = list.first;
    while missing > 0 {
        if at != NOTHING && !list.events[at].is_end {
            let call = list.events[at].call;
            if let Some(next) = step(value, &calls[call]) {
                ordered[call / 64] |= 1 << (call % 64);
                if seen.insert((ordered.clone(), next)) {
                    if seen.len() > STATES_MAX {
                        return Verdict::TooHard;
                    }
                    trail.push((at, value));
                    value = next;
                    list.remove(at);
                    if list.ends[call] != NOTHING {
                        list.remove(list.ends[call]);
                        missing -= 1;
                    }
                    at = list.first;
                    continue;
                }
                ordered[call / 64] &= !(1 << (call % 64));
            }
            at = list.events[at].after;
            continue;
        }
        // A call has ended, or no other one began, and nothing fits: the last choice was wrong.
        if missing < furthest.0 {
            furthest = (missing, stuck(calls, &list, value));
        }
        let Some((last, before)) = trail.pop() else {
            return Verdict::Impossible(furthest.1);
        };
        let call = list.events[last].call;
        if list.ends[call] != NOTHING {
            list.restore(list.ends[call]);
            missing += 1;
        }
        list.restore(last);
        ordered[call / 64] &= !(1 << (call % 64));
        value = before;
        at = list.events[last].after;
    }
    Verdict::Linearizable
}

/// The calls that a search couldn't get past.
fn stuck(calls: &[Call], list: &List, value: Option<u64>) -> String {
    let mut text = format!("the value is {value:?}, and none of these calls fits next:");
    let mut at = list.first;
    while at != NOTHING && !list.events[at].is_end {
        text += &format!("\n  {}", calls[list.events[at].call]);
        at = list.events[at].after;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{super::End, *};
    use crate::random::Random;

    fn call(client: u32, began: u64, ended: u64, action: Action, answer: Answer) -> Call {
        Call { client, key: 0, began, action, end: Some(End { at: ended, answer, epoch: None }) }
    }

    fn cut(client: u32, began: u64, action: Action) -> Call {
        Call { client, key: 0, began, action, end: None }
    }

    fn is_impossible(calls: &[Call]) -> bool {
        matches!(check_register(calls), Verdict::Impossible(_))
    }

    #[test]
    fn overlapping_calls_may_be_in_any_order() {
        let put = call(1, 0, 10, Action::Put(1), Answer::Existed(false));
        for seen in [None, Some(1)] {
            let get = call(2, 5, 6, Action::Get, Answer::Value(seen));
            assert_eq!(check_register(&[put, get]), Verdict::Linearizable);
        }
        let get = call(2, 5, 6, Action::Get, Answer::Value(Some(2)));
        assert!(is_impossible(&[put, get]));
    }

    #[test]
    fn a_stale_read_is_noticed() {
        let calls = [
            call(1, 0, 1, Action::Put(1), Answer::Existed(false)),
            call(1, 2, 3, Action::Put(2), Answer::Existed(true)),
            call(2, 4, 5, Action::Get, Answer::Value(Some(1))),
        ];
        assert!(is_impossible(&calls));
        // Two readers that see two writes in different orders.
        let calls = [
            call(1, 0, 100, Action::Put(1), Answer::Existed(false)),
            call(2, 0, 100, Action::Put(2), Answer::Existed(true)),
            call(3, 10, 11, Action::Get, Answer::Value(Some(2))),
            call(3, 12, 13, Action::Get, Answer::Value(Some(1))),
        ];
        assert!(is_impossible(&calls));
    }

    #[test]
    fn a_lost_update_is_noticed() {
        let replace = |expected, new| Action::Replace { expected: Some(expected), new: Some(new) };
        let first = call(1, 0, 1, Action::Put(1), Answer::Existed(false));
        let both = [
            first,
            call(1, 2, 9, replace(1, 2), Answer::Existed(true)),
            call(2, 3, 8, replace(1, 3), Answer::Existed(true)),
        ];
        assert!(is_impossible(&both));
        let one = [both[0], both[1], call(2, 3, 8, replace(1, 3), Answer::Conflict)];
        assert_eq!(check_register(&one), Verdict::Linearizable);
        let none = [first, call(2, 3, 8, replace(1, 3), Answer::Conflict)];
        assert!(is_impossible(&none));
    }

    #[test]
    fn a_call_that_never_ended_took_effect_at_any_time_or_never() {
        let cut = cut(1, 0, Action::Put(1));
        for seen in [[None, None], [None, Some(1)], [Some(1), Some(1)]] {
            let calls = [
                cut,
                call(2, 5, 6, Action::Get, Answer::Value(seen[0])),
                call(2, 7, 8, Action::Get, Answer::Value(seen[1])),
            ];
            assert_eq!(check_register(&calls), Verdict::Linearizable, "{seen:?}");
        }
        let calls = [
            cut,
            call(2, 5, 6, Action::Get, Answer::Value(Some(1))),
            call(2, 7, 8, Action::Get, Answer::Value(None)),
        ];
        assert!(is_impossible(&calls));
    }

    /// Histories of a real register that many clients use at once pass; with one answer changed,
    /// the values being unique, they don't.
    #[test]
    fn histories_of_a_register_pass_and_changed_ones_do_not() {
        for seed in 0..40 {
            let mut random = Random::new(seed);
            let mut value = None;
            let mut calls = Vec::new();
            for instant in 0..300u64 {
                let action = match random.below(4) {
                    0 => Action::Put(instant),
                    1 => Action::Delete,
                    2 => Action::Get,
                    _ => Action::Replace { expected: value, new: Some(instant) },
                };
                let existed = Answer::Existed(value.is_some());
                let (answer, next) = match action {
                    Action::Put(new) => (existed, Some(new)),
                    Action::Delete => (existed, None),
                    Action::Replace { new, .. } => (existed, new),
                    Action::Get | Action::Count => (Answer::Value(value), value),
                };
                value = next;
                let at = instant * 100;
                calls.push(call(
                    0,
                    at - random.below(at.min(400) + 1),
                    at + random.below(400),
                    action,
                    answer,
                ));
            }
            assert_eq!(check_register(&calls), Verdict::Linearizable, "seed {seed}");
            let reads = |call: &&mut Call| call.action == Action::Get;
            let changed = calls.iter_mut().filter(reads).nth(20).and_then(|call| call.end.as_mut());
            changed.expect("an end").answer = Answer::Value(Some(u64::MAX));
            assert!(is_impossible(&calls), "seed {seed}");
        }
    }
}
