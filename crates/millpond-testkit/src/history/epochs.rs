//! Whether epochs grow in real time: who begins after another one has ended sees at least as much,
//! and commits later.

use super::{Action, Call};

/// Checks the epochs of a history.
///
/// # Errors
/// The call that went back in time.
pub fn check_epochs(calls: &[Call]) -> Result<(), String> {
    let mut ended: Vec<(u64, u64, &Call)> =
        calls.iter().filter_map(|call| call.end.and_then(|end| Some((end.at, end.epoch?, call)))).collect();
    let mut began: Vec<(u64, u64, &Call)> =
        ended.iter().map(|(_, epoch, call)| (call.began, *epoch, *call)).collect();
    ended.sort_unstable_by_key(|(at, ..)| *at);
    began.sort_unstable_by_key(|(at, ..)| *at);
    let mut past = ended.into_iter().peekable();
    let mut newest: Option<(u64, &Call)> = None;
    for (at, epoch, call) in began {
        while let Some((_, before, earlier)) = past.next_if(|(end, ..)| *end < at) {
            if newest.is_none_or(|(epoch, _)| before > epoch) {
                newest = Some((before, earlier));
            }
        }
        let Some((least, earlier)) = newest else { continue };
        let is_read = matches!(call.action, Action::Get | Action::Count);
        if epoch < least || (epoch == least && !is_read) {
            return Err(format!("{call} at epoch {epoch}, after\n{earlier} at epoch {least}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Answer, End},
        *,
    };

    fn call(began: u64, ended: u64, action: Action, epoch: u64) -> Call {
        let end = End { at: ended, answer: Answer::Existed(false), epoch: Some(epoch) };
        Call { client: 0, key: 0, began, action, end: Some(end) }
    }

    #[test]
    fn time_does_not_go_back() {
        let first = call(0, 10, Action::Put(1), 5);
        assert_eq!(check_epochs(&[first, call(11, 12, Action::Get, 5)]), Ok(()));
        assert_eq!(check_epochs(&[first, call(9, 12, Action::Get, 4)]), Ok(()));
        assert!(check_epochs(&[first, call(11, 12, Action::Get, 4)]).is_err());
        assert!(check_epochs(&[first, call(11, 12, Action::Put(2), 5)]).is_err());
    }
}
