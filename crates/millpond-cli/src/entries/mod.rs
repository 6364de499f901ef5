//! What dictionaries and ordered maps have in common: entries, and the commands that read and write
//! them one by one or as JSON Lines.
//!
//! Such a command is generic over a [`Target`]: the words that name a dictionary or a map, and the options
//! that only the one or the other has.

pub(crate) mod bytes;
mod count;
mod delete;
mod dump;
mod get;
mod key;
pub(crate) mod lines;
mod load;
mod put;
pub(crate) mod sink;
mod write;

use std::vec::Drain;

use clap::Args;
use millpond::{
    Container, Dict, DictBatch, DictIter, Error, ErrorKind, OrderedMap, Result, ValueReader, ValueWriter,
};

pub(crate) use self::{
    count::CountCommand,
    delete::DeleteCommand,
    dump::DumpCommand,
    get::GetCommand,
    key::KeyForm,
    load::LoadCommand,
    put::PutCommand,
    write::{DurabilityOption, WriteOptions},
};
use crate::{
    failure::Outcome,
    names::{AtOption, ContainerName},
};

/// The words that name something with entries.
pub(crate) trait Target: Args {
    /// What they name.
    type Entries: Entries;
    /// Whether it is made where there is none, and how.
    type Creation: Args;
    /// Between which of its keys.
    type Bounds: EntriesBounds<Self::Entries>;
    /// Which of its entries, and in which order.
    type Range: EntriesRange<Self::Entries>;

    /// The container that holds it.
    fn container(&self) -> &ContainerName;

    /// The one of this name.
    fn find(&self, container: &Container) -> Outcome<Self::Entries>;

    /// What the keys are of the one of this name, or of the one that will be made.
    fn key_form(&self, container: &Container, creation: &Self::Creation) -> Outcome<KeyForm>;

    /// The one of this name, to be written to.
    fn find_or_create(&self, container: &Container, creation: &Self::Creation) -> Outcome<Self::Entries>;

    /// As people write it.
    fn shown(&self) -> String;

    /// Opens it to look at it.
    fn read(&self, at: &AtOption) -> Outcome<Self::Entries> {
        self.find(&at.of(self.container().read()?)?)
    }

    /// There is no such key.
    fn no_key(&self, form: KeyForm, key: &[u8]) -> Error {
        Error::new(ErrorKind::NotFound, format!("there is no key {} in {}", form.quoted(key), self.shown()))
    }
}

/// Options that say between which keys. With `hex`, these are in hexadecimal digits.
pub(crate) trait EntriesBounds<E>: Args {
    /// How many entries of `entries` are between them.
    fn count(self, entries: &E, hex: bool) -> Outcome<u64>;
}

/// Options that say which entries, and in which order.
pub(crate) trait EntriesRange<E>: Args {
    /// Whether they ask for every one.
    fn is_everything(&self) -> bool;

    /// These entries of `entries`, and how many of them at most. With `hex`, keys are in hexadecimal digits.
    fn of(self, entries: &E, hex: bool) -> Outcome<(DictIter, u64)>;
}

/// A dictionary or an ordered map.
pub(crate) trait Entries {
    fn key_form(&self) -> KeyForm;
    fn len(&self) -> Result<u64>;
    fn contains(&self, key: &[u8]) -> Result<bool>;
    fn put(&self, key: &[u8], value: &[u8]) -> Result<bool>;
    fn put_many(&self, entries: Drain<'_, (Vec<u8>, Vec<u8>)>) -> Result<()>;
    fn batch(&self) -> DictBatch;
    fn reader(&self, key: &[u8]) -> Result<Option<ValueReader>>;
    fn writer(&self, key: &[u8]) -> Result<ValueWriter>;
}

/// Two types whose methods are the same.
macro_rules! entries {
    ($type:ty, $self:ident => $key_form:expr) => {
        impl Entries for $type {
            fn key_form(&$self) -> KeyForm {
                $key_form
            }

            fn len(&self) -> Result<u64> {
                self.len()
            }

            fn contains(&self, key: &[u8]) -> Result<bool> {
                self.contains(key)
            }

            fn put(&self, key: &[u8], value: &[u8]) -> Result<bool> {
                self.put(key, value)
            }

            fn put_many(&self, entries: Drain<'_, (Vec<u8>, Vec<u8>)>) -> Result<()> {
                self.put_many(entries)
            }

            fn batch(&self) -> DictBatch {
                self.batch()
            }

            fn reader(&self, key: &[u8]) -> Result<Option<ValueReader>> {
                self.reader(key)
            }

            fn writer(&self, key: &[u8]) -> Result<ValueWriter> {
                self.writer(key)
            }
        }
    };
}

entries!(Dict, self => KeyForm::Bytes);
entries!(OrderedMap, self => KeyForm::of(self.comparator()));
