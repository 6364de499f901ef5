//! Which keys of a dictionary: the options that `keys`, `dump` and `count` share.

use std::{ffi::OsString, ops::Bound};

use clap::Args;
use millpond::{Dict, DictIter, DictRange};

use crate::{
    entries::{EntriesBounds, EntriesRange, bytes::decode},
    failure::Outcome,
};

/// Between which keys.
#[derive(Args)]
pub(crate) struct Bounds {
    /// Only keys that begin with PREFIX.
    #[arg(long, value_name = "PREFIX", allow_hyphen_values = true)]
    prefix: Option<OsString>,
    /// Only keys from KEY on, itself included.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    start: Option<OsString>,
    /// Only keys before KEY, itself not included.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    end: Option<OsString>,
}

/// Which keys, in which order.
#[derive(Args)]
pub(crate) struct RangeOptions {
    #[command(flatten)]
    bounds: Bounds,
    /// Go on after KEY, the last one seen (with --reverse: go on below it).
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    after: Option<OsString>,
    /// From the last key to the first.
    #[arg(long, short)]
    reverse: bool,
    /// At most COUNT keys.
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<u64>,
}

impl Bounds {
    fn decode(self, hex: bool) -> Outcome<DictRange> {
        let decode = |word: Option<OsString>| word.map(|word| decode(word, hex)).transpose();
        Ok(DictRange {
            prefix: decode(self.prefix)?,
            start: decode(self.start)?.map_or(Bound::Unbounded, Bound::Included),
            end: decode(self.end)?.map_or(Bound::Unbounded, Bound::Excluded),
            reverse: false,
        })
    }

    fn is_everything(&self) -> bool {
        self.prefix.is_none() && self.start.is_none() && self.end.is_none()
    }
}

impl EntriesBounds<Dict> for Bounds {
    fn count(self, dict: &Dict, hex: bool) -> Outcome<u64> {
        Ok(dict.count(&self.decode(hex)?)?)
    }
}

impl RangeOptions {
    /// The range, and how many keys of it at most.
    fn decode(self, hex: bool) -> Outcome<(DictRange, u64)> {
        let mut range = DictRange { reverse: self.reverse, ..self.bounds.decode(hex)? };
        if let Some(after) = self.after {
            let after = decode(after, hex)?;
            // Of two bounds on the same side, the one that leaves fewer keys counts.
            let bound = if self.reverse { &mut range.end } else { &mut range.start };
            let replace = match bound {
                Bound::Included(key) | Bound::Excluded(key) if self.reverse => after < *key,
                Bound::Included(key) | Bound::Excluded(key) => after >= *key,
                Bound::Unbounded => true,
            };
            if replace {
                *bound = Bound::Excluded(after);
            }
        }
        Ok((range, self.limit.unwrap_or(u64::MAX)))
    }
}

impl EntriesRange<Dict> for RangeOptions {
    fn is_everything(&self) -> bool {
        self.bounds.is_everything() && self.after.is_none() && self.limit.is_none()
    }

    fn of(self, dict: &Dict, hex: bool) -> Outcome<(DictIter, u64)> {
        let (range, limit) = self.decode(hex)?;
        Ok((dict.range(range)?, limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(
        start: Option<&str>,
        end: Option<&str>,
        after: &str,
        reverse: bool,
    ) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
        let word = |text: &str| OsString::from(text);
        let options = RangeOptions {
            bounds: Bounds { prefix: None, start: start.map(word), end: end.map(word) },
            after: Some(word(after)),
            reverse,
            limit: None,
        };
        let (range, limit) = options.decode(false).expect("a range");
        assert_eq!(limit, u64::MAX);
        (range.start, range.end)
    }

    #[test]
    fn the_tighter_of_two_bounds_counts() {
        use Bound::{Excluded, Included, Unbounded};
        assert_eq!(bounds(None, None, "m", false), (Excluded(b"m".into()), Unbounded));
        assert_eq!(bounds(Some("m"), None, "m", false), (Excluded(b"m".into()), Unbounded));
        assert_eq!(bounds(Some("n"), None, "m", false), (Included(b"n".into()), Unbounded));
        assert_eq!(bounds(None, None, "m", true), (Unbounded, Excluded(b"m".into())));
        assert_eq!(bounds(None, Some("a"), "m", true), (Unbounded, Excluded(b"a".into())));
        assert_eq!(bounds(None, Some("z"), "m", true), (Unbounded, Excluded(b"m".into())));
    }
}
