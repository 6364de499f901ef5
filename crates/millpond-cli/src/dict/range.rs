//! Which keys: the options that `keys` and `dump` share.

use std::{ffi::OsString, ops::Bound};

use clap::Args;
use millpond::DictRange;

use super::bytes::decode;
use crate::failure::Outcome;

/// Which keys, in which order.
#[derive(Args)]
pub(super) struct RangeOptions {
    /// Only keys that begin with PREFIX.
    #[arg(long, value_name = "PREFIX", allow_hyphen_values = true)]
    prefix: Option<OsString>,
    /// Only keys from KEY on, itself included.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    start: Option<OsString>,
    /// Only keys before KEY, itself not included.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    end: Option<OsString>,
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

impl RangeOptions {
    /// The range, and how many keys of it at most.
    pub(super) fn decode(self, hex: bool) -> Outcome<(DictRange, u64)> {
        let decode = |word: Option<OsString>| word.map(|word| decode(word, hex)).transpose();
        let after = decode(self.after)?;
        let mut start = decode(self.start)?.map_or(Bound::Unbounded, Bound::Included);
        let mut end = decode(self.end)?.map_or(Bound::Unbounded, Bound::Excluded);
        if let Some(after) = after {
            // Of two bounds on the same side, the one that leaves fewer keys counts.
            let bound = if self.reverse { &mut end } else { &mut start };
            let replace = match bound {
                Bound::Included(key) | Bound::Excluded(key) if self.reverse => after < *key,
                Bound::Included(key) | Bound::Excluded(key) => after >= *key,
                Bound::Unbounded => true,
            };
            if replace {
                *bound = Bound::Excluded(after);
            }
        }
        let range = DictRange { prefix: decode(self.prefix)?, start, end, reverse: self.reverse };
        Ok((range, self.limit.unwrap_or(u64::MAX)))
    }

    /// Whether these options ask for every key.
    pub(super) fn is_everything(&self) -> bool {
        self.prefix.is_none()
            && self.start.is_none()
            && self.end.is_none()
            && self.after.is_none()
            && self.limit.is_none()
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
            prefix: None,
            start: start.map(word),
            end: end.map(word),
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
