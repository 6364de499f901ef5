//! What a key of the index is to a user: whose it is, and which.
//!
//! Every data model's keys are told apart here. What a model keeps beside its users' keys (counters,
//! records of the catalogue) is its own business, and no difference.

use std::borrow::Cow;

use bytes::Bytes;
use millpond_core::{Epoch, Key, View};

use crate::{
    layout::{self, CATALOGUE, HEADER, Listing, ObjectId, Partition},
    object::{self, RecordKey},
};

/// The first byte of the partitions that are the container's own: which epochs are kept, where
/// watchers stand. A difference doesn't show them, and a rollback doesn't change them.
const OWN: u8 = 0xFF;

/// Whether a rollback leaves a key as it is.
pub(super) fn outlives_rollback(key: &[u8]) -> bool {
    key.first() == Some(&OWN)
}

/// The partition of a key, of which all have one length.
pub(crate) fn partition_of(key: &[u8]) -> Option<(&Partition, &[u8])> {
    key.split_first_chunk()
}

/// A key that a user knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum UserKey<'a> {
    /// The object itself: there while it lives.
    Object,
    /// An entry of a dictionary, or a blob.
    Entry(Cow<'a, [u8]>),
    /// A record of an object of dkeys and akeys.
    Record(RecordKey),
}

/// Whose a key is and which, if it is a user's.
pub(crate) fn decode(key: &[u8]) -> Option<(ObjectId, UserKey<'_>)> {
    let (partition, sort) = partition_of(key).filter(|_| !outlives_rollback(key))?;
    if partition == CATALOGUE {
        return None;
    }
    let id = ObjectId::of_partition(partition);
    if sort == HEADER {
        return Some((id, UserKey::Object));
    }
    match id.named_kind() {
        Some(_) => layout::is_entry(sort).then(|| (id, UserKey::Entry(id.user_key(sort).into_cow()))),
        None => object::key_of_record(id, sort).map(|record| (id, UserKey::Record(record))),
    }
}

/// What a record of the past is to be written as, to be the same again.
pub(super) fn restored(key: &[u8], version: Epoch, value: &Bytes) -> Bytes {
    match partition_of(key) {
        Some((partition, sort)) => object::restored_value(partition, sort, version, value),
        None => value.clone(),
    }
}

/// The name of an object in a view, if it has one there.
pub(crate) fn name_of(view: &dyn View, id: ObjectId) -> millpond_core::Result<Option<String>> {
    let sort = Listing::Objects.object_key(id);
    let Some(record) = view.get(Key::new(CATALOGUE, &sort))? else { return Ok(None) };
    Ok(layout::parse_header_record(&record.value).ok())
}
