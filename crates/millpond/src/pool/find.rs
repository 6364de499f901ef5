//! Finding pools: under the home by label or UUID, and what to say where there is none.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use millpond_core::{Error, ErrorKind, Label, Result};
use uuid::Uuid;

use crate::{backend, home::home, location::Place};

/// The label of a pool that is being created.
pub(super) fn label_of(place: &Place, named: Option<Label>, property: Option<&String>) -> Result<Label> {
    let property = property.map(|text| Label::new(text)).transpose()?;
    match (named, property) {
        (Some(named), Some(property)) if named != property => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("the pool can't be {named} and have the label {property}: give one of them"),
        )),
        (Some(label), _) | (None, Some(label)) => Ok(label),
        (None, None) => match place {
            Place::Directory(path) => label_of_directory(path).ok_or_else(|| {
                let message = format!(
                    "{} has no name that can be a pool's label: give one as the property label",
                    path.display()
                );
                Error::new(ErrorKind::InvalidArgument, message)
            }),
            Place::Memory(label) => Ok(label.clone()),
            Place::Rados(pool) => Ok(pool.name.clone()),
        },
    }
}

/// The label that the name of a directory is, if it is one.
pub(super) fn label_of_directory(path: &Path) -> Option<Label> {
    path.file_name().and_then(|name| name.to_str()).and_then(|name| Label::new(name).ok())
}

/// Whether a pool in this directory is found by label.
pub(super) fn is_under_home(path: &Path) -> bool {
    let home = home().ok().and_then(|home| fs::canonicalize(home).ok());
    home.is_some() && path.parent() == home.as_deref()
}

/// The directories under the home that may be pools, by label.
pub(super) fn candidates() -> Result<Vec<(Label, PathBuf)>> {
    let home = home()?;
    let entries = match fs::read_dir(&home) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(format_args!("can't list {}", home.display()), error)),
    };
    let mut pools = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io(format_args!("can't list {}", home.display()), error))?;
        let path = entry.path();
        if let Some(label) = label_of_directory(&path)
            && path.is_dir()
        {
            pools.push((label, path));
        }
    }
    pools.sort();
    Ok(pools)
}

/// The pool under the home that has this UUID.
pub(super) fn find(uuid: Uuid) -> Result<PathBuf> {
    let mut found = None;
    for (label, path) in candidates()? {
        // One that can't be read may be the one, but then it can't be opened either.
        if !matches!(backend::peek(&path), Ok(Some(document)) if document.uuid == uuid) {
            continue;
        }
        if let Some((other, _)) = found.replace((label.clone(), path)) {
            let message =
                format!("the pools {other} and {label} both have the UUID {uuid}: open one by label");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
    }
    found.map(|(_, path)| path).ok_or_else(|| {
        let home = home().unwrap_or_default();
        let message = format!(
            "no pool under {} has the UUID {uuid}: `millpond pool list` shows those that there are",
            home.display()
        );
        Error::new(ErrorKind::NotFound, message)
    })
}

/// The error about a pool that isn't there.
pub(super) fn missing(location: &str, place: &Place) -> Error {
    let message = match place {
        Place::Memory(label) => format!(
            "this process has no pool mem:{label}: a pool in memory is created by the process that uses it"
        ),
        Place::Directory(path) => format!(
            "there is no pool {location}: nothing of one is in {}; `millpond pool create {location}` would \
             create it, `millpond pool list` shows those under the home",
            path.display()
        ),
        Place::Rados(pool) => format!(
            "there is no pool {location}: the cluster has no Ceph pool {0}, or nothing of Millpond is in it; \
             `millpond pool create {location}` would create it, `ceph osd pool ls` shows the Ceph pools",
            pool.name
        ),
    };
    Error::new(ErrorKind::NotFound, message)
}
