//! Histories of transactions, and whether they are strictly serializable.
//!
//! What is promised: there is one order of all transactions that committed, in which each could have
//! run alone and found what it found, and in which one that ended before another began comes first.
//! A transaction that was aborted has changed nothing, but what it read was a state of that order, too.
//!
//! How it is checked, after Elle (Kingsbury and Alvaro, 2020): keys hold lists, to which transactions
//! append numbers that nobody else appends. So a list says in which order its writers came, and whoever
//! found it came after the last of them ([`observe`], [`versions`]), and before the next. These
//! dependencies and the order in time are the edges of a graph ([`edges`]); a cycle in it ([`graph`]) is
//! a proof that no such order exists, and the sorts of its edges say which anomaly it is ([`cycles`],
//! [`anomaly`]). The time is about linear in the size of the history.
//!
//! A key is removed at most once, and nothing is appended to it any more: otherwise nobody could say of
//! which time it is that a key isn't there. Scans find the keys of a range, and so also which of them
//! aren't there.

mod anomaly;
mod cycles;
mod edges;
mod graph;
mod observe;
mod recorder;
#[cfg(test)]
mod tests;
mod versions;

use std::{fmt, ops::RangeInclusive, str::FromStr};

pub use anomaly::{Anomaly, Phenomenon};
pub use recorder::{TransactionRecorder, load_transactions};

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was told that it committed.
    Committed,
    /// It was told that nothing of it happened.
    Aborted,
    /// Nobody knows: it was killed, or the answer was an error that may mean both.
    Unknown,
}

/// What a transaction did, and what it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It asked for a key and found this list; an empty one stands for a key that isn't there.
    Read {
        /// The key.
        key: u64,
        /// What it held.
        found: Vec<u64>,
    },
    /// It appended to the list of a key, or made the key.
    Append {
        /// The key.
        key: u64,
        /// What nobody else appends.
        element: u64,
    },
    /// It removed a key that was there.
    Remove {
        /// The key.
        key: u64,
    },
    /// It walked over a range of keys.
    Scan {
        /// The keys that it would have seen.
        range: RangeInclusive<u64>,
        /// Those that were there, and what they held.
        found: Vec<(u64, Vec<u64>)>,
    },
}

/// A transaction by one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Who ran it.
    pub client: u32,
    /// When it began, in nanoseconds on the machine's clock.
    pub began: u64,
    /// When it was answered, if it was.
    pub ended: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
    /// What it did, in order. Of one whose outcome is unknown, writes may be all that is known.
    pub steps: Vec<Step>,
}

/// Everything that can't be in a history of one container.
pub fn check_transactions(history: &[Transaction]) -> Vec<Anomaly> {
    let (seen, mut anomalies) = observe::observe(history);
    let versions = versions::order(history, &seen, &mut anomalies);
    let graph = edges::graph(history, &seen, &versions);
    cycles::find(history, &graph, &mut anomalies);
    anomalies
}

impl fmt::Display for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Committed => "committed",
            Outcome::Aborted => "aborted",
            Outcome::Unknown => "unknown outcome",
        };
        write!(f, "client {} [{} ns", self.client, self.began)?;
        match self.ended {
            Some(ended) => write!(f, " to {ended} ns], {outcome}:")?,
            None => write!(f, " and never answered], {outcome}:")?,
        }
        self.steps.iter().try_for_each(|step| write!(f, " {step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { key, found } => write!(f, "read:{key}:{}", List(found)),
            Self::Append { key, element } => write!(f, "append:{key}:{element}"),
            Self::Remove { key } => write!(f, "remove:{key}"),
            Self::Scan { range, found } => {
                write!(f, "scan:{}:{}", range.start(), range.end())?;
                found.iter().try_for_each(|(key, list)| write!(f, ":{key}:{}", List(list)))
            }
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("{text:?} is no step");
        let mut words = text.split(':');
        let mut next = || words.next();
        let number = |word: Option<&str>| word.and_then(|word| word.parse().ok()).ok_or_else(malformed);
        Ok(match next() {
            Some("read") => Self::Read { key: number(next())?, found: list(next()).ok_or_else(malformed)? },
            Some("append") => Self::Append { key: number(next())?, element: number(next())? },
            Some("remove") => Self::Remove { key: number(next())? },
            Some("scan") => {
                let range = number(next())?..=number(next())?;
                let mut found = Vec::new();
                while let Some(key) = next() {
                    found.push((number(Some(key))?, list(next()).ok_or_else(malformed)?));
                }
                Self::Scan { range, found }
            }
            _ => return Err(malformed()),
        })
    }
}

/// A list as a word.
struct List<'a>(&'a [u64]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (place, element) in self.0.iter().enumerate() {
            write!(f, "{}{element}", if place == 0 { "" } else { "," })?;
        }
        f.write_str("]")
    }
}

fn list(word: Option<&str>) -> Option<Vec<u64>> {
    let inner = word?.strip_prefix('[')?.strip_suffix(']')?;
    if inner.is_empty() {
        return Some(Vec::new());
    }
    inner.split(',').map(|element| element.parse().ok()).collect()
}
