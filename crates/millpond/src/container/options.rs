//! How containers are created and opened.

use std::{collections::BTreeMap, path::PathBuf};

use millpond_core::{ContainerEntry, ContainerSpec, Durability, Error, ErrorKind, Label, Result};

use crate::{container_type::ContainerType, properties, size::parse_size};

/// The smallest log, in bytes.
const LOG_BYTES_MIN: u64 = 64 << 10;

/// The greatest log, in bytes.
const LOG_BYTES_MAX: u64 = 1 << 30;

/// How to create a container.
#[derive(Clone, Debug, Default)]
pub struct ContainerOptions {
    /// What it is for; `UNKNOWN` by default.
    pub container_type: ContainerType,
    /// When a commit counts as done; `Sync` by default.
    pub durability: Option<Durability>,
    /// Bytes in a file of its log, a power of two from 64 KiB to 1 GiB; 1 MiB by default.
    pub log_bytes: Option<u64>,
    /// A directory that is to stand for it: a new one, or an empty one.
    pub path: Option<PathBuf>,
    /// Properties by name: `durability`, `inline-size`, `label`, `log-size`, `mapped`, `type`,
    /// `watch-retention`. Where a property is also given by a field, or by an argument, the two have to agree. The type says
    /// what `inline-size` is by default.
    pub properties: BTreeMap<String, String>,
}

/// How to open a container.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Refuse every change.
    pub read_only: bool,
    /// When a commit of this handle counts as done; as the container's property says by default.
    pub durability: Option<Durability>,
    /// Count what is done through this handle, and how long it takes; see
    /// [`Container::metrics`](crate::Container::metrics). It costs a clock's time at each call.
    pub metrics: bool,
}

impl ContainerOptions {
    /// What the pool's document and the storage are to know.
    pub(crate) fn describe(
        &self,
        label: Option<&str>,
        created: u64,
    ) -> Result<(ContainerEntry, ContainerSpec)> {
        let given = &self.properties;
        properties::check_known(given, "container", properties::CONTAINER)?;
        let property = |name: &str| given.get(name).map(String::as_str);

        let label = agree("label", label.map(str::to_owned), property("label").map(str::to_owned))?;
        let named = (self.container_type != ContainerType::UNKNOWN).then_some(self.container_type);
        let container_type = agree("type", named, property("type").map(str::parse).transpose()?)?;
        let durability = property("durability").map(properties::parse_durability).transpose()?;
        let durability = agree("durability", self.durability, durability)?;
        let log_bytes = agree("log-size", self.log_bytes, property("log-size").map(parse_size).transpose()?)?;

        let spec = log_bytes.map_or_else(ContainerSpec::default, |log_bytes| ContainerSpec { log_bytes });
        if !spec.log_bytes.is_power_of_two() || !(LOG_BYTES_MIN..=LOG_BYTES_MAX).contains(&spec.log_bytes) {
            let message = format!(
                "a log of {} bytes isn't possible: write a power of two from 64KiB to 1GiB",
                spec.log_bytes
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let container_type = container_type.unwrap_or_default();
        let inline_bytes = match property("inline-size") {
            Some(text) => properties::parse_inline_size(text)?,
            None => container_type.inline_bytes(),
        };
        // Written down, so that a container stays as it is when a later version has other defaults.
        let mut recorded = BTreeMap::from([("inline-size".to_owned(), inline_bytes.to_string())]);
        if let Some(class) = durability {
            recorded.insert("durability".to_owned(), properties::durability_text(class).to_owned());
        }
        if let Some(text) = property("mapped") {
            recorded.insert("mapped".to_owned(), properties::parse_mapped(text)?.to_string());
        }
        if let Some(text) = property("snapshot-keep") {
            recorded.insert("snapshot-keep".to_owned(), properties::parse_snapshot_keep(text)?);
        }
        if let Some(text) = property("watch-retention") {
            let retention = properties::parse_watch_retention(text)?;
            recorded.insert("watch-retention".to_owned(), properties::watch_retention_text(retention));
        }
        let entry = ContainerEntry {
            label: label.as_deref().map(Label::new).transpose()?,
            container_type: container_type.to_string(),
            created,
            properties: recorded,
            attributes: BTreeMap::new(),
            path: None,
            last_scrub: None,
        };
        Ok((entry, spec))
    }
}

/// The value that was given as a field or as a property.
fn agree<T: PartialEq>(name: &str, field: Option<T>, property: Option<T>) -> Result<Option<T>> {
    match (field, property) {
        (Some(field), Some(property)) if field != property => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("the {name} is given twice, and differs: leave out the property or the option"),
        )),
        (Some(value), _) | (None, Some(value)) => Ok(Some(value)),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> ContainerOptions {
        ContainerOptions {
            properties: [(name.to_owned(), value.to_owned())].into(),
            ..ContainerOptions::default()
        }
    }

    #[test]
    fn properties_say_what_fields_say() {
        let (entry, spec) = with("log-size", "64KiB").describe(Some("a"), 7).expect("options");
        assert_eq!((spec.log_bytes, entry.created), (64 << 10, 7));
        assert_eq!(entry.container_type, "UNKNOWN");
        let (entry, _) = with("type", "hdf5").describe(None, 7).expect("options");
        assert_eq!((entry.container_type.as_str(), entry.label), ("HDF5", None));
        let (entry, _) = with("durability", "async").describe(None, 7).expect("options");
        assert_eq!(entry.properties["durability"], "async");
        let (entry, _) = with("inline-size", "1KiB").describe(None, 7).expect("options");
        assert_eq!(entry.properties["inline-size"], "1024");
        let (entry, _) = with("mapped", "False").describe(None, 7).expect("options");
        assert_eq!(entry.properties["mapped"], "false");
        let (entry, _) = with("snapshot-keep", "daily:7,last:2").describe(None, 7).expect("options");
        assert_eq!(entry.properties["snapshot-keep"], "last:2,daily:7");
        let (entry, _) = with("watch-retention", "2GiB, 1h").describe(None, 7).expect("options");
        assert_eq!(entry.properties["watch-retention"], "2GiB,1h");
        let (entry, _) = with("label", "b").describe(None, 7).expect("options");
        assert_eq!(entry.label.expect("a label").as_str(), "b");
    }

    #[test]
    fn the_type_says_what_stays_inline() {
        for (name, bytes) in [("PYTHON", "2048"), ("KV", "2048"), ("BLOB", "512"), ("POSIX", "512")] {
            let (entry, _) = with("type", name).describe(None, 7).expect("options");
            assert_eq!(entry.properties["inline-size"], bytes, "{name}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for options in [
            "log-size=100KiB",
            "log-size=2GiB",
            "inline-size=2049",
            "inline-size=x",
            "mapped=1",
            "snapshot-keep=daily",
            "watch-retention=1MiB",
            "watch-retention=1MiB,1",
            "watch-retention=1MiB,1 fortnight",
            "type=x",
            "colour=red",
        ]
        .map(|given| given.split_once('=').expect("a property"))
        .map(|(name, value)| with(name, value))
        {
            let error = options.describe(None, 0).expect_err("malformed");
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        }
        assert!(with("label", "b").describe(Some("a"), 0).is_err());
        let error = with("colour", "red").describe(None, 0).expect_err("unknown");
        assert!(
            error.to_string().contains(
                "durability, inline-size, label, log-size, mapped, snapshot-keep, type, watch-retention"
            ),
            "{error}"
        );
    }
}
