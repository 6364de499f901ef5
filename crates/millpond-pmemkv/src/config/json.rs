//! Configurations in JSON, with the types that pmemkv takes of it.
//!
//! Items are read as they stand, in place of a map that would keep the last of two of one name.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use super::{Config, Item};
use crate::{
    error::{Error, Result},
    status::Status,
};

pub fn parse(text: &str) -> Result<Config> {
    let parsed: Result<Config, serde_json::Error> = serde_json::from_str(text);
    parsed.map_err(|error| {
        let message = format!("the configuration can't be read: {error}");
        Error::new(Status::ConfigParsingError, message)
    })
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Items)
    }
}

struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = Config;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object of items, such as {\"path\": \"/dev/shm\"}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Config, A::Error> {
        let mut config = Config::default();
        while let Some((name, item)) = map.next_entry::<String, Item>()? {
            config.put(&name, item).map_err(A::Error::custom)?;
        }
        Ok(config)
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(One)
    }
}

struct One;

impl<'de> Visitor<'de> for One {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of 64 bits, a text, true, false or an object")
    }

    fn visit_bool<E>(self, so: bool) -> Result<Item, E> {
        Ok(so.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Item, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Item, E> {
        Ok(i64::try_from(number).map_or(Item::UInt64(number), Item::Int64))
    }

    fn visit_str<E>(self, text: &str) -> Result<Item, E> {
        Ok(text.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Item, A::Error> {
        Items.visit_map(map).map(Item::Config)
    }
}
