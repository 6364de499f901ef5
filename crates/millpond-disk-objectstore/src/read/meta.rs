//! What is known of an object without reading it.

use crate::place::Place;

/// What is known of an object without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectMeta {
    /// It has a file of its own, of so many bytes.
    Loose {
        /// Bytes of the object.
        size: u64,
    },
    /// It is in a pack.
    Packed(Place),
    /// There is no such object.
    Missing,
}

impl ObjectMeta {
    /// Bytes of the object, if there is one.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Loose { size } => Some(*size),
            Self::Packed(place) => Some(place.size),
            Self::Missing => None,
        }
    }

    /// Whether there is no such object.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}
