//! Which entries of a dictionary to walk over, and in which order.

use std::ops::Bound;

use millpond_core::KeyRange;

use crate::layout;

/// Entries of a dictionary. All conditions apply together; by default there is none, and the order
/// is ascending.
///
/// To go on where an iteration stopped, give the last key that it saw as `start: Excluded(key)`
/// (or, in reverse, as `end`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DictRange {
    /// Keys that begin with this.
    pub prefix: Option<Vec<u8>>,
    /// Keys from here on.
    pub start: Bound<Vec<u8>>,
    /// Keys up to here.
    pub end: Bound<Vec<u8>>,
    /// From great keys to small ones.
    pub reverse: bool,
}

/// Bounds of sort keys: the start, and the end.
pub(crate) type SortBounds = (Bound<Vec<u8>>, Bound<Vec<u8>>);

impl Default for DictRange {
    fn default() -> Self {
        Self { prefix: None, start: Bound::Unbounded, end: Bound::Unbounded, reverse: false }
    }
}

impl DictRange {
    /// The keys that begin with `prefix`.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        Self { prefix: Some(prefix.into()), ..Self::default() }
    }

    /// The keys that come after `key`.
    pub fn after(key: impl Into<Vec<u8>>) -> Self {
        Self { start: Bound::Excluded(key.into()), ..Self::default() }
    }

    /// Whether it holds every key there may be.
    pub(crate) fn is_all(&self) -> bool {
        self.prefix.as_ref().is_none_or(Vec::is_empty)
            && self.start == Bound::Unbounded
            && self.end == Bound::Unbounded
    }

    /// The sort keys of the entries, or nothing where there can't be any.
    pub(crate) fn bounds(&self) -> Option<SortBounds> {
        let mut start = layout::entry_bound(borrowed(&self.start), layout::entries_start());
        let mut end = layout::entry_bound(borrowed(&self.end), layout::entries_end());
        if let Some(prefix) = &self.prefix {
            let first = layout::entry_bound(Bound::Included(prefix), layout::entries_start());
            if let (Bound::Included(first), Bound::Included(key) | Bound::Excluded(key)) = (&first, &start)
                && first > key
            {
                start = Bound::Included(first.clone());
            }
            // The first byte of a sort key isn't 0xFF, so that there is always a string past them.
            let behind = match &first {
                Bound::Included(first) => KeyRange::prefix_end(first),
                _ => None,
            };
            if let Some(behind) = behind
                && let Bound::Included(key) | Bound::Excluded(key) = &end
                && *key >= behind
            {
                end = Bound::Excluded(behind);
            }
        }
        not_empty((start, end))
    }
}

/// The bounds, if anything is between them.
pub(crate) fn not_empty((start, end): SortBounds) -> Option<SortBounds> {
    let empty = match (&start, &end) {
        (Bound::Included(start), Bound::Included(end)) => start > end,
        (Bound::Included(start) | Bound::Excluded(start), Bound::Included(end) | Bound::Excluded(end)) => {
            start >= end
        }
        _ => false,
    };
    (!empty).then_some((start, end))
}

fn borrowed(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(key: &[u8]) -> Vec<u8> {
        [&[2], key].concat()
    }

    #[test]
    fn all_conditions_apply_together() {
        let all = DictRange::default();
        assert!(all.is_all());
        assert_eq!(all.bounds(), Some((Bound::Included(vec![2]), Bound::Excluded(vec![3]))));

        let range = DictRange { start: Bound::Excluded(b"b".to_vec()), ..DictRange::prefix(b"a".to_vec()) };
        assert_eq!(range.bounds(), None);
        let range = DictRange { start: Bound::Excluded(b"ab".to_vec()), ..DictRange::prefix(b"a".to_vec()) };
        assert_eq!(range.bounds(), Some((Bound::Excluded(sort(b"ab")), Bound::Excluded(sort(b"b")))));
        let range = DictRange { end: Bound::Included(b"b".to_vec()), ..DictRange::prefix(b"a".to_vec()) };
        assert_eq!(range.bounds(), Some((Bound::Included(sort(b"a")), Bound::Excluded(sort(b"b")))));
        let range = DictRange { end: Bound::Included(b"a".to_vec()), ..DictRange::prefix(b"a".to_vec()) };
        assert_eq!(range.bounds(), Some((Bound::Included(sort(b"a")), Bound::Included(sort(b"a")))));
    }

    #[test]
    fn prefixes_of_the_greatest_byte_end_where_the_entries_do() {
        let range = DictRange::prefix(vec![0xFF, 0xFF]);
        assert_eq!(range.bounds(), Some((Bound::Included(sort(&[0xFF, 0xFF])), Bound::Excluded(vec![3]))));
    }

    #[test]
    fn inverted_ranges_are_empty() {
        let range = |start, end| DictRange { start, end, ..DictRange::default() }.bounds();
        let (a, b) = (|| b"a".to_vec(), || b"b".to_vec());
        assert_eq!(range(Bound::Included(b()), Bound::Included(a())), None);
        assert_eq!(range(Bound::Excluded(a()), Bound::Included(a())), None);
        assert!(range(Bound::Included(a()), Bound::Included(a())).is_some());
    }
}
