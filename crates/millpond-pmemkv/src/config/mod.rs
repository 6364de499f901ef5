//! How an engine is opened: items of a name, a type and a value.

mod json;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
};

use crate::{
    error::{Error, Result},
    status::Status,
};

/// The configuration of an engine.
///
/// What an engine doesn't know it ignores, as pmemkv does. What it knows has to be of the right type: whole
/// numbers stand for each other where they fit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    items: BTreeMap<String, Item>,
}

/// The value of a configuration item.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Item {
    /// A whole number.
    Int64(i64),
    /// A whole number, not negative.
    UInt64(u64),
    /// A text.
    Text(String),
    /// Bytes.
    Data(Vec<u8>),
    /// Items of its own.
    Config(Config),
}

impl Item {
    /// The name of its type in pmemkv's manual.
    fn type_name(&self) -> &'static str {
        match self {
            Self::Int64(_) => "int64",
            Self::UInt64(_) => "uint64",
            Self::Text(_) => "string",
            Self::Data(_) => "data",
            Self::Config(_) => "object",
        }
    }
}

macro_rules! item_from {
    ($($from:ty => $value:ident $item:expr;)*) => {
        $(impl From<$from> for Item {
            fn from($value: $from) -> Self {
                $item
            }
        })*
    };
}

item_from! {
    i64 => value Self::Int64(value);
    u64 => value Self::UInt64(value);
    bool => value Self::Int64(value.into());
    &str => value Self::Text(value.to_owned());
    String => value Self::Text(value);
    Vec<u8> => value Self::Data(value);
    Config => value Self::Config(value);
}

impl Config {
    /// The items that a text in JSON has. Whole numbers, texts, true, false and objects are what an item
    /// can be.
    ///
    /// # Errors
    /// `CONFIG_PARSING_ERROR` where it isn't JSON, isn't an object, or holds anything else.
    pub fn from_json(text: &str) -> Result<Self> {
        json::parse(text)
    }

    /// Adds an item.
    ///
    /// # Errors
    /// `UNKNOWN_ERROR` where there is one of that name: an item can't be changed.
    pub fn put(&mut self, name: &str, item: impl Into<Item>) -> Result<()> {
        match self.items.entry(name.to_owned()) {
            Entry::Vacant(place) => {
                place.insert(item.into());
                Ok(())
            }
            Entry::Occupied(_) => Err(Error::new(
                Status::UnknownError,
                format!("the configuration has an item {name} already: give each one once"),
            )),
        }
    }

    /// The same with one more item, for configurations that are written down.
    ///
    /// # Errors
    /// As of [`Config::put`].
    pub fn with(mut self, name: &str, item: impl Into<Item>) -> Result<Self> {
        self.put(name, item)?;
        Ok(self)
    }

    /// The item of a name.
    pub fn item(&self, name: &str) -> Option<&Item> {
        self.items.get(name)
    }

    /// Whether there is an item of that name.
    pub fn has(&self, name: &str) -> bool {
        self.items.contains_key(name)
    }

    /// A whole number that isn't negative.
    ///
    /// # Errors
    /// `CONFIG_TYPE_ERROR` where it is of another type, or negative.
    pub fn unsigned(&self, name: &str) -> Result<Option<u64>> {
        match self.items.get(name) {
            None => Ok(None),
            Some(Item::UInt64(number)) => Ok(Some(*number)),
            Some(Item::Int64(number)) => u64::try_from(*number).map(Some).map_err(|_| {
                type_error(format_args!("the item {name} is {number}, which is below 0: write a uint64"))
            }),
            Some(other) => Err(mismatch(name, other, "uint64")),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// `CONFIG_TYPE_ERROR` where it is of another type, or too great.
    pub fn signed(&self, name: &str) -> Result<Option<i64>> {
        match self.items.get(name) {
            None => Ok(None),
            Some(Item::Int64(number)) => Ok(Some(*number)),
            Some(Item::UInt64(number)) => i64::try_from(*number).map(Some).map_err(|_| {
                type_error(format_args!("the item {name} is {number}, which is too great for an int64"))
            }),
            Some(other) => Err(mismatch(name, other, "int64")),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// `CONFIG_TYPE_ERROR` where it is of another type.
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        match self.items.get(name) {
            None => Ok(None),
            Some(Item::Text(text)) => Ok(Some(text)),
            Some(other) => Err(mismatch(name, other, "string")),
        }
    }

    /// A number that says whether something is so: 0 is no, anything else yes.
    ///
    /// # Errors
    /// As of [`Config::unsigned`].
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>> {
        Ok(self.unsigned(name)?.map(|number| number != 0))
    }

    /// The item `path`.
    pub(crate) fn path(&self) -> Result<&str> {
        self.text("path")?.ok_or_else(|| missing("path", "where the data is"))
    }

    /// The item `size`, which is at least `minimum` bytes.
    pub(crate) fn size(&self, minimum: u64) -> Result<u64> {
        let size = self.unsigned("size")?.ok_or_else(|| missing("size", "how many bytes there may be"))?;
        if size < minimum || i64::try_from(size).is_err() {
            return Err(Error::invalid(format!(
                "a size of {size} bytes isn't possible: it is {minimum} or more, and below 2**63"
            )));
        }
        Ok(size)
    }
}

fn missing(name: &str, what: &str) -> Error {
    Error::invalid(format!("the configuration has no item {name:?}: add it; it says {what}"))
}

fn mismatch(name: &str, item: &Item, expected: &str) -> Error {
    type_error(format_args!("the item {name} is of the type {}: write a {expected}", item.type_name()))
}

fn type_error(message: fmt::Arguments<'_>) -> Error {
    Error::new(Status::ConfigTypeError, message.to_string())
}
