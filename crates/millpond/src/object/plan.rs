//! A commit of an object on its way: what it depends on, and what it changes.
//!
//! Invariant: every commit asks for the object's header as it was seen, and the first one makes it
//! together with the object's record in the catalogue. So an object exists from its first update, is
//! listed, and nothing is ever left of one that was punched meanwhile. A commit may ask for the
//! header of an array that is there instead: that goes with the object.

use std::borrow::Cow;

use millpond_core::{Durability, Epoch, Extent, Key, KeyRange, Op, Outcome, Precondition, Result, Write};

use super::{Object, header};
use crate::{
    catalog,
    layout::{CATALOGUE, HEADER, Listing, OBJECT_COUNT, OBJECT_RECORD},
};

/// See the module.
#[derive(Default)]
pub(super) struct Plan<'a> {
    /// The version of the object's header, zero where there is no object yet; none where it needn't
    /// be asked for.
    pub(super) header: Option<Epoch>,
    /// What is to be written into the header where there is none.
    pub(super) shape: Option<header::Shape>,
    /// Records that must be of these versions.
    pub(super) unchanged: Vec<(Cow<'a, [u8]>, Epoch)>,
    /// Ranges in which nothing may have changed since.
    pub(super) untouched: Vec<Untouched>,
    pub(super) puts: Vec<Put<'a>>,
    pub(super) deletes: Vec<Vec<u8>>,
    /// Unless it is as the container's handle has it.
    pub(super) durability: Option<Durability>,
}

/// Sort keys from `start` on, to before `end`, and the epoch of the view that showed them.
pub(super) struct Untouched {
    pub(super) start: Vec<u8>,
    pub(super) end: Option<Vec<u8>>,
    pub(super) since: Epoch,
}

impl Untouched {
    /// All sort keys of a prefix.
    pub(super) fn prefix(prefix: &[u8], since: Epoch) -> Self {
        Self { start: prefix.to_vec(), end: KeyRange::prefix_end(prefix), since }
    }
}

/// A record to write.
pub(super) struct Put<'a> {
    pub(super) sort: Cow<'a, [u8]>,
    pub(super) value: Cow<'a, [u8]>,
    pub(super) extents: &'a [Extent],
}

impl Plan<'_> {
    /// Whether it changes nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.deletes.is_empty()
    }

    /// Tries it once.
    pub(super) fn commit(&self, object: &Object) -> Result<Outcome> {
        let partition = object.partition();
        let key = |sort| Key::new(partition, sort);
        let mut preconditions = Vec::with_capacity(1 + self.unchanged.len() + self.untouched.len());
        preconditions
            .extend(self.header.map(|version| Precondition::Unchanged { key: key(HEADER), version }));
        preconditions.extend(
            self.unchanged
                .iter()
                .map(|(sort, version)| Precondition::Unchanged { key: key(sort), version: *version }),
        );
        preconditions.extend(self.untouched.iter().map(|untouched| Precondition::RangeUnchanged {
            range: object.range(&untouched.start, untouched.end.as_deref()),
            since: untouched.since,
        }));

        let mut writes = Vec::with_capacity(2 + self.puts.len() + self.deletes.len());
        let made = (self.header == Some(Epoch::ZERO))
            .then(|| (header::encode(self.shape), Listing::Objects.object_key(object.id())));
        if let Some((header, object_key)) = &made {
            writes.push(catalog::put(key(HEADER), header));
            writes.push(Write {
                tally: Some(OBJECT_COUNT),
                ..catalog::put(Key::new(CATALOGUE, object_key), OBJECT_RECORD)
            });
        }
        writes.extend(self.puts.iter().map(|put| Write {
            key: key(&put.sort),
            op: Op::Put { value: &put.value, extents: put.extents },
            tally: None,
        }));
        writes.extend(self.deletes.iter().map(|sort| catalog::delete(key(sort))));
        let durability = self.durability.unwrap_or_else(|| object.container().durability());
        object.container().commit_as(durability, preconditions, writes)
    }
}
