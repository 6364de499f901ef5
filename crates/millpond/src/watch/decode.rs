//! What a change of the index means.
//!
//! Each kind of object has a place in [`Decoder::decode`]: it says which records of it are changes to tell
//! of. What isn't known here (records that keep the books, objects of kinds to come) is none.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use millpond_core::{Change as IndexChange, ChangeKind as IndexKind, Epoch, Key, Result};

use super::{Change, ChangeKind, WatchOptions, change::record};
use crate::{
    container::Container,
    layout::{self, CATALOGUE, Listing, ObjectId},
    map::UserKey,
    object,
};

/// Turns changes of the index into those of objects, for one watch.
pub(super) struct Decoder {
    container: Container,
    options: WatchOptions,
    names: HashMap<ObjectId, Name>,
    /// The name that the commit took away from an object.
    unlinked: Option<Arc<str>>,
}

/// What is known of the name of an object.
#[derive(Clone)]
enum Name {
    Known(Arc<str>),
    /// It has none any more.
    Unknown,
    /// The watch has told that it was destroyed: that its records go now is no news.
    Destroyed,
}

/// Names that are remembered; more are looked up again.
const NAMES_MAX: usize = 10_000;

impl Decoder {
    pub(super) fn new(container: Container, options: WatchOptions) -> Self {
        Self { container, options, names: HashMap::new(), unlinked: None }
    }

    /// The changes that come next are those of another commit.
    pub(super) fn begin_commit(&mut self) {
        self.unlinked = None;
        if self.names.len() > NAMES_MAX {
            self.names.clear();
        }
    }

    /// What the watch is to tell of a change of the index, if anything.
    pub(super) fn decode(&mut self, epoch: Epoch, change: IndexChange) -> Result<Option<Change>> {
        let Some((object, sort)) = layout::split(&change.key) else { return Ok(None) };
        let change = if object.is_catalogue() {
            self.of_catalogue(&sort, &change.kind)?
        } else if object.named_kind().is_some() {
            self.of_named(epoch, object, sort, change.kind)?
        } else {
            self.of_object(epoch, object, sort, change.kind)?
        };
        Ok(change.filter(|change| self.is_wanted(change)))
    }

    fn is_wanted(&self, change: &Change) -> bool {
        let options = &self.options;
        let dict = options.dict.as_deref().is_none_or(|dict| change.dict() == Some(dict));
        let object = options.object.is_none_or(|object| change.object_id() == object);
        let begins = match (change.key(), change.dkey()) {
            (Some(key), _) => key.starts_with(&options.prefix),
            (None, Some(dkey)) => {
                dkey.bytes().map_or(options.prefix.is_empty(), |dkey| dkey.starts_with(&options.prefix))
            }
            (None, None) => options.prefix.is_empty(),
        };
        dict && object && begins
    }

    /// Dictionaries and objects that are created or destroyed.
    fn of_catalogue(&mut self, sort: &[u8], kind: &IndexKind) -> Result<Option<Change>> {
        match (layout::listing_of(sort), kind) {
            (Some(Listing::Names), IndexKind::Delete) => {
                self.unlinked = Some(layout::name_of(sort)?.into());
                Ok(None)
            }
            (Some(Listing::Objects), IndexKind::Put { value, .. }) => {
                let object = layout::object_of(sort)?;
                if object.named_kind().is_none() {
                    return Ok(Some(self.whole(object, None, ChangeKind::Create)));
                }
                let name: Arc<str> = layout::parse_header_record(value)?.into();
                self.names.insert(object, Name::Known(name.clone()));
                Ok(Some(self.whole(object, Some(name), ChangeKind::Create)))
            }
            (Some(Listing::Objects), IndexKind::Delete) => {
                let object = layout::object_of(sort)?;
                if object.named_kind().is_none() {
                    return Ok(Some(self.whole(object, None, ChangeKind::Destroy)));
                }
                let name = match self.names.insert(object, Name::Destroyed) {
                    Some(Name::Known(name)) => Some(name),
                    _ => self.unlinked.take(),
                };
                Ok(Some(self.whole(object, name, ChangeKind::Destroy)))
            }
            _ => Ok(None),
        }
    }

    fn whole(&self, object: ObjectId, name: Option<Arc<str>>, kind: ChangeKind) -> Change {
        Change {
            container: self.container.clone(),
            object,
            name,
            kind,
            sort: Bytes::new(),
            key: Bytes::new(),
            akey: None,
            record: None,
        }
    }

    /// What was put under an akey, and akeys that were punched. Merges of extents change nothing that a
    /// reader sees, and are none; nor are the records that go with a punched array, which is told of once.
    fn of_object(
        &mut self,
        epoch: Epoch,
        object: ObjectId,
        sort: Bytes,
        kind: IndexKind,
    ) -> Result<Option<Change>> {
        let Some(akey) = object::key_of_record(object, &sort) else { return Ok(None) };
        let (kind, record) = match kind {
            IndexKind::Put { .. } if akey.is_header => return Ok(None),
            IndexKind::Put { value, .. } if akey.records.is_some() && object::is_told_again(&value) => {
                return Ok(None);
            }
            IndexKind::Put { value, extents } => (ChangeKind::Put, Some(record(epoch, value, extents)?)),
            IndexKind::Delete if akey.records.is_some() => return Ok(None),
            IndexKind::Delete => (ChangeKind::Delete, None),
            IndexKind::Adjust(_) => return Ok(None),
        };
        let container = self.container.clone();
        Ok(Some(Change {
            container,
            object,
            name: None,
            kind,
            sort,
            key: Bytes::new(),
            akey: Some(akey),
            record,
        }))
    }

    fn of_named(
        &mut self,
        epoch: Epoch,
        object: ObjectId,
        sort: Bytes,
        kind: IndexKind,
    ) -> Result<Option<Change>> {
        if !layout::is_entry(&sort) {
            return Ok(None);
        }
        let name = match self.name(object)? {
            Name::Known(name) => Some(name),
            Name::Unknown => None,
            Name::Destroyed => return Ok(None),
        };
        let (kind, record) = match kind {
            IndexKind::Put { value, extents } => (ChangeKind::Put, Some(record(epoch, value, extents)?)),
            IndexKind::Delete => (ChangeKind::Delete, None),
            IndexKind::Adjust(_) => return Ok(None),
        };
        let key = match object.user_key(&sort) {
            UserKey::Bytes(key) => sort.slice_ref(key),
            UserKey::Number(key) => Bytes::copy_from_slice(&key),
        };
        let container = self.container.clone();
        Ok(Some(Change { container, object, name, kind, sort, key, akey: None, record }))
    }

    /// The name of an object: the one it had when the watch met it.
    fn name(&mut self, object: ObjectId) -> Result<Name> {
        if let Some(name) = self.names.get(&object) {
            return Ok(name.clone());
        }
        let key = Listing::Objects.object_key(object);
        let record = self.container.index()?.get(Key::new(CATALOGUE, &key))?;
        let name = match record {
            Some(record) => Name::Known(layout::parse_header_record(&record.value)?.into()),
            None => Name::Unknown,
        };
        self.names.insert(object, name.clone());
        Ok(name)
    }
}
