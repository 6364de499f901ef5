//! Properties and attributes of a container, as its pool's document has them.

use std::collections::BTreeMap;

use millpond_core::{ContainerEntry, Durability, Error, ErrorKind, Label, Result, WatchRetention};

use super::Container;
use crate::{container_type::ContainerType, properties};

impl Container {
    /// Its properties: `durability`, `inline-size` in bytes, `label` if it has one, `log-size` in
    /// bytes, `mapped`, `snapshot-keep`, `type`, and `watch-retention`.
    pub fn properties(&self) -> Result<BTreeMap<String, String>> {
        self.check_open()?;
        self.properties_of(&self.entry()?)
    }

    pub(super) fn properties_of(&self, entry: &ContainerEntry) -> Result<BTreeMap<String, String>> {
        let mut properties = entry.properties.clone();
        let durability = properties::durability_text(durability_of(entry)?);
        properties.insert("durability".into(), durability.into());
        properties.insert("inline-size".into(), inline_bytes_of(entry)?.to_string());
        properties.insert("mapped".into(), mapped_of(entry)?.to_string());
        properties.entry("snapshot-keep".into()).or_insert_with(|| "none".into());
        properties.insert("type".into(), entry.container_type.clone());
        let retention = properties::watch_retention_text(watch_retention_of(entry)?);
        properties.insert("watch-retention".into(), retention);
        let spec = self.pool().container_spec(self.uuid())?;
        properties.insert("log-size".into(), spec.log_bytes.to_string());
        if let Some(label) = &entry.label {
            properties.insert("label".into(), label.to_string());
        }
        Ok(properties)
    }

    /// What the property `snapshot-keep` says, if it was ever set.
    pub(crate) fn snapshot_keep(&self) -> Result<Option<String>> {
        Ok(self.entry()?.properties.remove("snapshot-keep"))
    }

    /// Sets a property: `label`; `snapshot-keep`, the rule for automatic snapshots; or `durability`,
    /// `inline-size`, `mapped` or `watch-retention`, which handles that are opened later go by.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown property, listing those that there are, and for `type` and
    /// `log-size`, which are fixed when a container is created; `AlreadyExists` for a label that
    /// another container of the pool has.
    pub fn set_property(&self, name: &str, value: &str) -> Result<()> {
        self.check_writable()?;
        match name {
            "label" => {
                let label = Label::new(value)?;
                self.update(&mut |entry| {
                    entry.label = Some(label.clone());
                    Ok(())
                })
            }
            "durability" => {
                let durability = properties::durability_text(properties::parse_durability(value)?);
                self.update(&mut |entry| {
                    entry.properties.insert(name.to_owned(), durability.to_owned());
                    Ok(())
                })
            }
            "inline-size" => {
                let bytes = properties::parse_inline_size(value)?.to_string();
                self.update(&mut |entry| {
                    entry.properties.insert(name.to_owned(), bytes.clone());
                    Ok(())
                })
            }
            "mapped" => {
                let mapped = properties::parse_mapped(value)?.to_string();
                self.update(&mut |entry| {
                    entry.properties.insert(name.to_owned(), mapped.clone());
                    Ok(())
                })
            }
            "snapshot-keep" => {
                let rule = properties::parse_snapshot_keep(value)?;
                self.update(&mut |entry| {
                    entry.properties.insert(name.to_owned(), rule.clone());
                    Ok(())
                })
            }
            "watch-retention" => {
                let retention = properties::watch_retention_text(properties::parse_watch_retention(value)?);
                self.update(&mut |entry| {
                    entry.properties.insert(name.to_owned(), retention.clone());
                    Ok(())
                })
            }
            "type" | "log-size" => Err(properties::fixed(name, "container")),
            _ => Err(properties::unknown(name, "container", properties::CONTAINER)),
        }
    }

    /// What users noted about the container.
    pub fn attributes(&self) -> Result<BTreeMap<String, String>> {
        self.check_open()?;
        Ok(self.entry()?.attributes)
    }

    /// One attribute.
    ///
    /// # Errors
    /// `NotFound` when it isn't set.
    pub fn attribute(&self, name: &str) -> Result<String> {
        properties::attribute(&self.attributes()?, name, &self.to_string())
    }

    /// Sets an attribute.
    ///
    /// # Errors
    /// `InvalidArgument` or `ValueTooLong` when the name or the value is longer than allowed.
    pub fn set_attribute(&self, name: &str, value: &str) -> Result<()> {
        self.check_writable()?;
        self.update(&mut |entry| properties::set_attribute(&mut entry.attributes, name, value))
    }

    /// Removes an attribute.
    ///
    /// # Errors
    /// `NotFound` when it isn't set.
    pub fn delete_attribute(&self, name: &str) -> Result<()> {
        self.check_writable()?;
        self.update(&mut |entry| properties::delete_attribute(&mut entry.attributes, name, &self.to_string()))
    }

    /// What the pool's document says of it.
    pub(super) fn entry(&self) -> Result<ContainerEntry> {
        self.pool()
            .document()?
            .containers
            .remove(&self.uuid())
            .ok_or_else(|| Error::new(ErrorKind::Closed, format!("the container {self} was destroyed")))
    }

    fn update(&self, change: &mut dyn FnMut(&mut ContainerEntry) -> Result<()>) -> Result<()> {
        self.pool().update_container(self.uuid(), change)
    }
}

/// When a commit counts as done, by a container's properties.
pub(super) fn durability_of(entry: &ContainerEntry) -> Result<Durability> {
    entry
        .properties
        .get("durability")
        .map_or(Ok(Durability::default()), |text| properties::parse_durability(text))
}

/// The greatest length of a value that stays in its record, by a container's properties.
pub(super) fn inline_bytes_of(entry: &ContainerEntry) -> Result<usize> {
    match entry.properties.get("inline-size") {
        Some(text) => properties::parse_inline_size(text),
        None => Ok(ContainerType::recorded(&entry.container_type).inline_bytes()),
    }
}

/// Whether the local backend maps files into memory, by a container's properties.
pub(super) fn mapped_of(entry: &ContainerEntry) -> Result<bool> {
    entry.properties.get("mapped").map_or(Ok(true), |text| properties::parse_mapped(text))
}

/// How much is kept for those who watch, by a container's properties.
pub(super) fn watch_retention_of(entry: &ContainerEntry) -> Result<WatchRetention> {
    entry
        .properties
        .get("watch-retention")
        .map_or(Ok(WatchRetention::default()), |text| properties::parse_watch_retention(text))
}
