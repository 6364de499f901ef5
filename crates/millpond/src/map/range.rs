//! Ranges of a map's keys.

use std::ops::Bound;

use millpond_core::Result;

use crate::{dict::SortBounds, layout, named::Named};

/// A range of a map's keys, in the map's order. Where its start comes behind its end, it is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRange {
    /// Keys from here on.
    pub start: Bound<Vec<u8>>,
    /// Keys up to here.
    pub end: Bound<Vec<u8>>,
    /// From the last key to the first.
    pub reverse: bool,
}

impl Default for MapRange {
    fn default() -> Self {
        Self { start: Bound::Unbounded, end: Bound::Unbounded, reverse: false }
    }
}

impl MapRange {
    /// Every key.
    pub fn all() -> Self {
        Self::default()
    }

    /// The keys behind `key`.
    pub fn above(key: impl Into<Vec<u8>>) -> Self {
        Self { start: Bound::Excluded(key.into()), ..Self::default() }
    }

    /// `key`, and those behind it.
    pub fn equal_above(key: impl Into<Vec<u8>>) -> Self {
        Self { start: Bound::Included(key.into()), ..Self::default() }
    }

    /// The keys before `key`.
    pub fn below(key: impl Into<Vec<u8>>) -> Self {
        Self { end: Bound::Excluded(key.into()), ..Self::default() }
    }

    /// `key`, and those before it.
    pub fn equal_below(key: impl Into<Vec<u8>>) -> Self {
        Self { end: Bound::Included(key.into()), ..Self::default() }
    }

    /// The keys behind `start` and before `end`, neither of them among them.
    pub fn between(start: impl Into<Vec<u8>>, end: impl Into<Vec<u8>>) -> Self {
        Self { start: Bound::Excluded(start.into()), end: Bound::Excluded(end.into()), reverse: false }
    }

    /// The same keys, the other way round.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { reverse: !self.reverse, ..self }
    }

    /// Whether it holds every key there may be.
    pub(super) fn is_all(&self) -> bool {
        self.start == Bound::Unbounded && self.end == Bound::Unbounded
    }

    /// The sort keys of the entries, ascending, or nothing where there can't be any.
    pub(super) fn bounds(&self, named: &Named) -> Result<Option<SortBounds>> {
        let (low, high) =
            if named.order.is_reversed() { (&self.end, &self.start) } else { (&self.start, &self.end) };
        let sort = |bound: &Bound<Vec<u8>>, open| {
            Ok(match bound {
                Bound::Included(key) => Bound::Included(named.bound_key(key)?),
                Bound::Excluded(key) => Bound::Excluded(named.bound_key(key)?),
                Bound::Unbounded => open,
            })
        };
        let bounds = (sort(low, layout::entries_start())?, sort(high, layout::entries_end())?);
        Ok(crate::dict::not_empty(bounds))
    }
}
