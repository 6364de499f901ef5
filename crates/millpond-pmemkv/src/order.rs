//! The order of a volatile engine's keys.

use millpond::{Comparator, KeyOrder};

use crate::error::{Error, Result};

/// What places keys.
#[derive(Clone, Debug)]
pub struct Order {
    /// `None` where keys are sorted by their bytes.
    order: Option<KeyOrder>,
    is_reversed: bool,
}

impl Order {
    /// The order that a comparator stands for.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` where nothing is registered under its name.
    pub fn of(comparator: &Comparator) -> Result<Self> {
        let order = match comparator {
            Comparator::Bytes | Comparator::Reverse => None,
            other => Some(other.order().map_err(|error| Error::invalid(error.to_string()))?),
        };
        Ok(Self { order, is_reversed: *comparator == Comparator::Reverse })
    }

    /// Whether the bytes are in the opposite of the order.
    pub fn is_reversed(&self) -> bool {
        self.is_reversed
    }

    /// What stands before a key where keys are sorted by their bytes. What places one key never begins with
    /// what places another one, unless they are the same.
    pub fn place(&self, key: &[u8]) -> Result<Vec<u8>> {
        // An empty one takes no memory.
        let mut place = Vec::new();
        if let Some(order) = &self.order {
            order.encode(key, &mut place)?;
        }
        Ok(place)
    }
}
