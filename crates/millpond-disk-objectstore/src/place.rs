//! Where a packed object lies: a row of the index.

use millpond::{BlobId, Error, ErrorKind, Result};

use crate::layout::PackId;

/// The most that zlib makes of a byte, and what its header and trailer may add to that.
const INFLATION_MAX: u64 = 1032;

/// Where a packed object lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The pack.
    pub pack: PackId,
    /// Where it begins there, in bytes.
    pub offset: u64,
    /// How many bytes it has there.
    pub length: u64,
    /// Bytes of the object itself.
    pub size: u64,
    /// Whether it is compressed there.
    pub is_compressed: bool,
}

/// What a row of the index says, before anything of it is believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawPlace {
    pub pack_id: i64,
    pub offset: i64,
    pub length: i64,
    pub size: i64,
    pub compressed: i64,
}

impl RawPlace {
    /// The place, if there can be such a one.
    pub fn check(self, id: &dyn std::fmt::Display) -> Result<Place> {
        let place = (|| {
            let place = Place {
                pack: PackId::new(self.pack_id)?,
                offset: self.offset.try_into().ok()?,
                length: self.length.try_into().ok()?,
                size: self.size.try_into().ok()?,
                is_compressed: self.compressed != 0,
            };
            i64::try_from(place.end()).ok()?;
            let is_likely = if place.is_compressed {
                place.size / INFLATION_MAX <= place.length
            } else {
                place.size == place.length
            };
            is_likely.then_some(place)
        })();
        place.ok_or_else(|| {
            let message = format!("the index has an impossible row for object {id}: {self:?}");
            Error::new(ErrorKind::Corrupt, message)
        })
    }
}

impl Place {
    /// Where it ends in its pack.
    pub(crate) fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// An object's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub id: BlobId,
    pub place: Place,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_possible_rows_are_believed() {
        let plain = RawPlace { pack_id: 0, offset: 10, length: 5, size: 5, compressed: 0 };
        assert!(plain.check(&"x").is_ok());
        assert!(RawPlace { pack_id: -1, ..plain }.check(&"x").is_ok());
        assert!(RawPlace { size: 5 * 1032, compressed: 1, ..plain }.check(&"x").is_ok());
        for raw in [
            RawPlace { pack_id: -2, ..plain },
            RawPlace { offset: -1, ..plain },
            RawPlace { offset: i64::MAX, ..plain },
            RawPlace { length: 6, ..plain },
            RawPlace { length: -5, size: -5, ..plain },
            RawPlace { size: 1 << 40, compressed: 1, ..plain },
        ] {
            assert_eq!(raw.check(&"x").expect_err("refused").kind(), ErrorKind::Corrupt, "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn a_place_that_is_believed_fits_into_a_file(
            pack_id: i64, offset: i64, length: i64, size: i64, compressed: i64,
        ) {
            if let Ok(place) = (RawPlace { pack_id, offset, length, size, compressed }).check(&"x") {
                prop_assert!(place.end() <= i64::MAX as u64);
                prop_assert!(place.is_compressed || place.size == place.length);
            }
        }
    }
}
