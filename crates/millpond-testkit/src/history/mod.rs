//! Histories of what many processes did to one container at once, and whether they can be right.
//!
//! What is promised: each call takes effect at one instant between its begin and its end, in one
//! order for everyone. So for each key there must be an order of its calls that respects real time
//! and in which each answer is what a single register would have answered ([`register`]); the
//! count of keys must lie within what the calls around it allow ([`count`]); and epochs must grow
//! in real time ([`epochs`]). A call that never ended, since its process was killed or it failed,
//! may have taken effect at any time after it began, or never.
//!
//! [`transactions`] checks calls that take several keys at once.

mod count;
mod epochs;
mod recorder;
mod register;
pub mod transactions;

use std::{fmt, str::FromStr};

pub use count::check_counts;
pub use epochs::check_epochs;
pub use recorder::{Recorder, load};
pub use register::{Verdict, check_register};

/// What was asked. A value is a number of which each is written once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sets the key.
    Put(u64),
    /// Removes the key.
    Delete,
    /// Asks for the key.
    Get,
    /// Sets or removes the key if it has this value, or none.
    Replace {
        /// What it must have.
        expected: Option<u64>,
        /// What it then gets.
        new: Option<u64>,
    },
    /// Asks how many keys there are; of no key.
    Count,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done, and the key existed before or not.
    Existed(bool),
    /// The value of the key.
    Value(Option<u64>),
    /// It wasn't done, since the key had another value.
    Conflict,
    /// The number of keys.
    Count(i64),
}

/// The end of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Nanoseconds on the machine's clock.
    pub at: u64,
    /// The answer.
    pub answer: Answer,
    /// The epoch of the commit, or of the view that was read, where it is known.
    pub epoch: Option<u64>,
}

/// A call by one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who called.
    pub client: u32,
    /// The key, by its number.
    pub key: u32,
    /// Nanoseconds on the machine's clock.
    pub began: u64,
    /// What was asked.
    pub action: Action,
    /// The end, if there was one.
    pub end: Option<End>,
}

/// Checks a whole history: every key, the counts and the epochs. Answers how many calls ended.
///
/// # Errors
/// What can't be.
pub fn check(calls: &[Call]) -> Result<usize, String> {
    let mut keys: Vec<u32> =
        calls.iter().filter(|call| call.action != Action::Count).map(|call| call.key).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let of_key: Vec<Call> =
            calls.iter().filter(|call| call.key == key && call.action != Action::Count).copied().collect();
        match check_register(&of_key) {
            Verdict::Linearizable => {}
            Verdict::Impossible(why) => return Err(format!("key {key}: {why}")),
            Verdict::TooHard => {
                return Err(format!("key {key}: {} calls were too many to order", of_key.len()));
            }
        }
    }
    check_counts(calls)?;
    check_epochs(calls)?;
    Ok(calls.iter().filter(|call| call.end.is_some()).count())
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} ns", self.began)?;
        match &self.end {
            Some(end) => write!(f, " to {} ns] client {} ", end.at, self.client)?,
            None => write!(f, " and never ended] client {} ", self.client)?,
        }
        write!(f, "{} of key {}", self.action, self.key)?;
        match &self.end {
            Some(end) => write!(f, " answered {}", end.answer),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(value) => write!(f, "put:{value}"),
            Self::Delete => write!(f, "delete"),
            Self::Get => write!(f, "get"),
            Self::Replace { expected, new } => write!(f, "replace:{}:{}", Maybe(*expected), Maybe(*new)),
            Self::Count => write!(f, "count"),
        }
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("{text:?} is no action");
        let mut parts = text.split(':');
        let mut next = || parts.next().ok_or_else(malformed);
        Ok(match next()? {
            "put" => Self::Put(next()?.parse().map_err(|_| malformed())?),
            "delete" => Self::Delete,
            "get" => Self::Get,
            "replace" => {
                Self::Replace { expected: next()?.parse::<Maybe>()?.0, new: next()?.parse::<Maybe>()?.0 }
            }
            "count" => Self::Count,
            _ => return Err(malformed()),
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Existed(existed) => write!(f, "existed:{existed}"),
            Self::Value(value) => write!(f, "value:{}", Maybe(*value)),
            Self::Conflict => write!(f, "conflict"),
            Self::Count(count) => write!(f, "count:{count}"),
        }
    }
}

impl FromStr for Answer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("{text:?} is no answer");
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        Ok(match name {
            "existed" => Self::Existed(rest.parse().map_err(|_| malformed())?),
            "value" => Self::Value(rest.parse::<Maybe>()?.0),
            "conflict" => Self::Conflict,
            "count" => Self::Count(rest.parse().map_err(|_| malformed())?),
            _ => return Err(malformed()),
        })
    }
}

/// A value, or none, as a word.
struct Maybe(Option<u64>);

impl fmt::Display for Maybe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(value) => write!(f, "{value}"),
            None => f.write_str("none"),
        }
    }
}

impl FromStr for Maybe {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            _ => text.parse().map(|value| Self(Some(value))).map_err(|_| format!("{text:?} is no value")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_and_answers_survive_being_written_down() {
        let replace = |expected, new| Action::Replace { expected, new };
        for action in [
            Action::Put(7),
            Action::Delete,
            Action::Get,
            replace(None, Some(3)),
            replace(Some(3), None),
            Action::Count,
        ] {
            assert_eq!(action.to_string().parse::<Action>(), Ok(action));
        }
        for answer in [
            Answer::Existed(true),
            Answer::Value(None),
            Answer::Value(Some(9)),
            Answer::Conflict,
            Answer::Count(-1),
        ] {
            assert_eq!(answer.to_string().parse::<Answer>(), Ok(answer));
        }
        assert!("put".parse::<Action>().is_err() && "value:x".parse::<Answer>().is_err());
    }
}
