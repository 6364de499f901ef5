//! Properties, which the product knows, and attributes, which are the users' own.
//!
//! Both live in the pool's document, where an update replaces the whole atomically.

use std::{collections::BTreeMap, time::Duration};

use millpond_core::{
    Durability, Error, ErrorKind, Result, WatchRetention,
    limits::{ATTRIBUTE_BYTES_MAX, NAME_BYTES_MAX, VALUE_INLINE_BYTES_MAX},
};
use serde::Serializer;

use crate::{size::parse_size, snapshot::SnapshotRule};

/// Properties of a pool.
pub(crate) const POOL: &[&str] = &["label", "size"];

/// Properties of a container.
pub(crate) const CONTAINER: &[&str] =
    &["durability", "inline-size", "label", "log-size", "mapped", "snapshot-keep", "type", "watch-retention"];

/// The error about a property that isn't among `known`.
pub(crate) fn unknown(name: &str, of: &str, known: &[&str]) -> Error {
    let message = format!("{name:?} is no property of a {of}; the properties are {}", known.join(", "));
    Error::new(ErrorKind::InvalidArgument, message)
}

/// The error about a property that can't be set.
pub(crate) fn fixed(name: &str, of: &str) -> Error {
    let message = format!("the property {name} is fixed when a {of} is created");
    Error::new(ErrorKind::InvalidArgument, message)
}

/// Refuses properties that aren't among `known`.
pub(crate) fn check_known(given: &BTreeMap<String, String>, of: &str, known: &[&str]) -> Result<()> {
    match given.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(unknown(name, of, known)),
        None => Ok(()),
    }
}

/// Reads a durability class.
pub(crate) fn parse_durability(text: &str) -> Result<Durability> {
    match text.to_ascii_lowercase().as_str() {
        "sync" => Ok(Durability::Sync),
        "async" => Ok(Durability::Async),
        _ => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "{text:?} is no durability; it is sync (survives a loss of power) or async (flush() does)"
            ),
        )),
    }
}

/// A durability class as a property's value.
pub(crate) fn durability_text(durability: Durability) -> &'static str {
    match durability {
        Durability::Sync => "sync",
        Durability::Async => "async",
    }
}

/// Reads the greatest length of a value that is kept in its record.
pub(crate) fn parse_inline_size(text: &str) -> Result<usize> {
    let bytes = parse_size(text)?;
    usize::try_from(bytes).ok().filter(|bytes| *bytes <= VALUE_INLINE_BYTES_MAX).ok_or_else(|| {
        let message = format!(
            "an inline-size of {bytes} bytes isn't possible: values of up to {VALUE_INLINE_BYTES_MAX} bytes \
             can be kept in their records, longer ones are in segments"
        );
        Error::new(ErrorKind::InvalidArgument, message)
    })
}

/// Reads whether files may be mapped into memory.
pub(crate) fn parse_mapped(text: &str) -> Result<bool> {
    text.to_ascii_lowercase().parse().map_err(|_| {
        let message = format!(
            "{text:?} is no value of mapped; it is true (files are mapped into memory) or false (they are read)"
        );
        Error::new(ErrorKind::InvalidArgument, message)
    })
}

/// Reads the rule for automatic snapshots, and writes it as it is recorded.
pub(crate) fn parse_snapshot_keep(text: &str) -> Result<String> {
    Ok(SnapshotRule::parse(text)?.map_or_else(|| "none".to_owned(), |rule| rule.to_string()))
}

pub(crate) fn serialize_durability<S: Serializer>(
    durability: &Durability,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(durability_text(*durability))
}

/// Seconds in the units of an age.
const AGES: &[(&str, u64)] =
    &[("day", 24 * 60 * 60), ("d", 24 * 60 * 60), ("h", 60 * 60), ("min", 60), ("s", 1)];

/// Reads how much is kept for those who watch: a size and an age.
pub(crate) fn parse_watch_retention(text: &str) -> Result<WatchRetention> {
    let malformed = || {
        let message = format!(
            "{text:?} is no watch-retention; it is how many bytes of commits are kept for those who watch, and \
             how long, such as 256MiB,1day (also 12h, 30min, 90s)"
        );
        Error::new(ErrorKind::InvalidArgument, message)
    };
    let (size, age) = text.split_once(',').ok_or_else(malformed)?;
    let age = age.trim();
    let digits = age.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(malformed)?;
    let unit = age[digits..].trim().trim_end_matches("s");
    let unit = if unit.is_empty() { "s" } else { unit };
    let seconds = AGES.iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?.1;
    let count: u64 = age[..digits].parse().map_err(|_| malformed())?;
    let age = Duration::from_secs(count.checked_mul(seconds).ok_or_else(malformed)?);
    Ok(WatchRetention { bytes: parse_size(size.trim())?, age })
}

/// A retention as a property's value.
pub(crate) fn watch_retention_text(retention: WatchRetention) -> String {
    let seconds = retention.age.as_secs();
    let (unit, of) = AGES
        .iter()
        .filter(|(name, of)| *name != "d" && seconds.is_multiple_of(*of))
        .max_by_key(|(_, of)| *of)
        .copied()
        .unwrap_or(("s", 1));
    let sizes = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let is_whole = |(_, of): &(&str, u64)| retention.bytes > 0 && retention.bytes.is_multiple_of(*of);
    let (scale, bytes) = sizes.into_iter().find(is_whole).unwrap_or(("", 1));
    format!("{}{scale},{}{unit}", retention.bytes / bytes, seconds / of)
}

/// An attribute's value.
pub(crate) fn attribute(attributes: &BTreeMap<String, String>, name: &str, of: &str) -> Result<String> {
    attributes.get(name).cloned().ok_or_else(|| no_attribute(name, of))
}

/// Sets an attribute, within the limits.
pub(crate) fn set_attribute(
    attributes: &mut BTreeMap<String, String>,
    name: &str,
    value: &str,
) -> Result<()> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        let message = format!("the name of an attribute has 1 to {NAME_BYTES_MAX} bytes, not {}", name.len());
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    if value.len() > ATTRIBUTE_BYTES_MAX {
        let message = format!(
            "the attribute {name:?} can't have {} bytes: {ATTRIBUTE_BYTES_MAX} are allowed; keep more in a dict",
            value.len()
        );
        return Err(Error::new(ErrorKind::ValueTooLong, message));
    }
    attributes.insert(name.to_owned(), value.to_owned());
    Ok(())
}

/// Removes an attribute.
pub(crate) fn delete_attribute(
    attributes: &mut BTreeMap<String, String>,
    name: &str,
    of: &str,
) -> Result<()> {
    attributes.remove(name).map(drop).ok_or_else(|| no_attribute(name, of))
}

fn no_attribute(name: &str, of: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("{of} has no attribute {name:?}"))
}
