//! Whether the counts that were answered can be right.
//!
//! A write answers whether its key existed, and so by how much it changed the count. A count that
//! was asked for includes every write that had ended before it was asked, none that began after
//! it was answered, and any of the others.

use super::{Action, Answer, Call};

/// By how much a call changed the number of keys: the least and the most that it can be.
fn change(call: &Call) -> (i64, i64) {
    let adds = match call.action {
        Action::Put(_) => true,
        Action::Delete => false,
        Action::Replace { new, .. } => new.is_some(),
        Action::Get | Action::Count => return (0, 0),
    };
    match call.end.map(|end| end.answer) {
        Some(Answer::Existed(existed)) => {
            let by = i64::from(adds) - i64::from(existed);
            (by, by)
        }
        Some(_) => (0, 0),
        None if adds => (0, 1),
        None => (-1, 0),
    }
}

/// Checks every count of a history that began with no key.
///
/// # Errors
/// The count that can't be, with its bounds.
pub fn check_counts(calls: &[Call]) -> Result<(), String> {
    for asked in calls {
        let Some(end) = asked.end else { continue };
        let Answer::Count(count) = end.answer else { continue };
        let (mut least, mut most) = (0, 0);
        for call in calls.iter().filter(|call| call.began <= end.at) {
            let (low, high) = change(call);
            let is_over = call.end.is_some_and(|end| end.at < asked.began);
            least += if is_over { low } else { low.min(0) };
            most += if is_over { high } else { high.max(0) };
        }
        if !(least..=most).contains(&count) {
            return Err(format!("{asked}: it lies between {least} and {most}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::End, *};

    fn call(began: u64, ended: u64, action: Action, answer: Answer) -> Call {
        Call { client: 0, key: 0, began, action, end: Some(End { at: ended, answer, epoch: None }) }
    }

    #[test]
    fn a_count_lies_within_what_the_calls_around_it_allow() {
        let history = |count| {
            [
                call(0, 1, Action::Put(1), Answer::Existed(false)),
                call(2, 9, Action::Put(2), Answer::Existed(false)),
                Call { end: None, ..call(2, 9, Action::Delete, Answer::Conflict) },
                call(4, 5, Action::Count, Answer::Count(count)),
            ]
        };
        for count in 0..=2 {
            assert_eq!(check_counts(&history(count)), Ok(()));
        }
        assert!(check_counts(&history(-1)).is_err() && check_counts(&history(3)).is_err());
    }
}
