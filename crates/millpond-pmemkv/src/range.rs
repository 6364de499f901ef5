//! Which records a count or a scan is about.

use std::ops::Bound;

/// Records by where their keys lie in the engine's order.
///
/// `Above`, `Below` and `Between` are without the keys that they name, `EqualAbove` and `EqualBelow` are with
/// them. All of them are in ascending order. A `Between` whose first key isn't below its second is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range<'a> {
    /// Every record.
    All,
    /// Greater keys.
    Above(&'a [u8]),
    /// The key and greater ones.
    EqualAbove(&'a [u8]),
    /// Smaller keys.
    Below(&'a [u8]),
    /// The key and smaller ones.
    EqualBelow(&'a [u8]),
    /// Keys between two.
    Between(&'a [u8], &'a [u8]),
}

impl<'a> Range<'a> {
    /// The bounds of the keys.
    pub fn bounds(self) -> (Bound<&'a [u8]>, Bound<&'a [u8]>) {
        match self {
            Self::All => (Bound::Unbounded, Bound::Unbounded),
            Self::Above(key) => (Bound::Excluded(key), Bound::Unbounded),
            Self::EqualAbove(key) => (Bound::Included(key), Bound::Unbounded),
            Self::Below(key) => (Bound::Unbounded, Bound::Excluded(key)),
            Self::EqualBelow(key) => (Bound::Unbounded, Bound::Included(key)),
            Self::Between(first, second) => (Bound::Excluded(first), Bound::Excluded(second)),
        }
    }
}
