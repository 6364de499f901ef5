//! The containers of a pool: created, found, listed, destroyed.
//!
//! Invariant: the pool's document names a container only while its storage exists. Creating one
//! makes the storage first, destroying one names it last; a crash in between leaves storage that
//! nothing names, or a name that the next `destroy_container` clears.

use std::path::{Path, PathBuf};

use millpond_core::{ContainerEntry, ContainerSpec, Error, ErrorKind, Label, PoolDocument, Result};
use uuid::Uuid;

use super::Pool;
use crate::{
    container::{Container, ContainerOptions, OpenOptions},
    container_type::ContainerType,
    environment,
    namespace::{self, Mark},
    query::ContainerSummary,
};

/// Labels that an error about a missing container lists at most.
const LABELS_LISTED_MAX: usize = 8;

impl Pool {
    /// Creates a container and opens it.
    ///
    /// # Errors
    /// `AlreadyExists` when the pool has a container of that label, or when the directory that is
    /// to stand for it isn't free; `InvalidArgument` when the label or a property is malformed.
    pub fn create_container(&self, label: Option<&str>, options: ContainerOptions) -> Result<Container> {
        let uuid = environment::unique();
        let (mut entry, spec) = options.describe(label, environment::seconds())?;
        check_label(&self.document()?, entry.label.as_ref(), uuid)?;
        self.inner.store.create(uuid, &spec)?;
        let named = self.name_container(uuid, &mut entry, options.path.as_deref());
        if let Err(error) = named {
            // Nothing names it, so nobody misses it; should this fail too, the first error says more.
            let _ = self.inner.store.destroy(uuid, true);
            if let Some(path) = &entry.path {
                let _ = namespace::remove(Path::new(path), uuid);
            }
            return Err(error);
        }
        Container::open_in(self, uuid, &entry, OpenOptions::default())
    }

    fn name_container(&self, uuid: Uuid, entry: &mut ContainerEntry, path: Option<&Path>) -> Result<()> {
        if let Some(path) = path {
            let container_type = ContainerType::recorded(&entry.container_type);
            let absolute =
                namespace::create(path, &Mark { pool: self.url(), container: uuid, container_type })?;
            match absolute.into_os_string().into_string() {
                Ok(text) => entry.path = Some(text),
                Err(path) => {
                    let path = PathBuf::from(path);
                    namespace::remove(&path, uuid)?;
                    let message = format!("{} is not UTF-8: a container's path has to be", path.display());
                    return Err(Error::new(ErrorKind::InvalidArgument, message));
                }
            }
        }
        self.inner.store.update(&mut |document| {
            check_label(document, entry.label.as_ref(), uuid)?;
            document.containers.insert(uuid, entry.clone());
            Ok(())
        })
    }

    /// Opens a container by label or UUID.
    ///
    /// # Errors
    /// `NotFound`, naming the containers that there are.
    pub fn container(&self, name: &str) -> Result<Container> {
        self.open_container(name, OpenOptions::default())
    }

    /// Opens a container by label or UUID, with options.
    ///
    /// # Errors
    /// `NotFound`, naming the containers that there are.
    pub fn open_container(&self, name: &str, options: OpenOptions) -> Result<Container> {
        let document = self.document()?;
        let (uuid, entry) = self.find_container(&document, name)?;
        Container::open_in(self, uuid, entry, options)
    }

    /// The pool's containers: those with a label by label, then the others by UUID.
    pub fn containers(&self) -> Result<Vec<ContainerSummary>> {
        Ok(summaries(&self.document()?))
    }

    /// Destroys a container with all that it holds, and the directory that stands for it, if that
    /// is empty.
    ///
    /// # Errors
    /// `Busy` while it is open anywhere, unless `force`: then its handles answer `Closed`.
    pub fn destroy_container(&self, name: &str, force: bool) -> Result<()> {
        let document = self.document()?;
        let (uuid, entry) = self.find_container(&document, name)?;
        match self.inner.store.destroy(uuid, force) {
            // A crash, or another process, was faster; the name is still to be cleared.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other?,
        }
        self.inner.store.update(&mut |document| {
            document.containers.remove(&uuid);
            Ok(())
        })?;
        match &entry.path {
            Some(path) => namespace::remove(Path::new(path), uuid),
            None => Ok(()),
        }
    }

    fn find_container<'d>(
        &self,
        document: &'d PoolDocument,
        name: &str,
    ) -> Result<(Uuid, &'d ContainerEntry)> {
        let found = match Uuid::try_parse(name) {
            Ok(uuid) => document.containers.get_key_value(&uuid),
            Err(_) => {
                let label = Label::new(name)?;
                document.containers.iter().find(|(_, entry)| entry.label.as_ref() == Some(&label))
            }
        };
        found.map(|(uuid, entry)| (*uuid, entry)).ok_or_else(|| {
            let mut labels: Vec<_> =
                document.containers.values().filter_map(|entry| entry.label.as_ref()).collect();
            labels.sort();
            let listed = match labels.len() {
                0 => "no labelled containers".to_owned(),
                count => {
                    let more = if count > LABELS_LISTED_MAX { ", …" } else { "" };
                    let shown: Vec<_> =
                        labels.iter().take(LABELS_LISTED_MAX).map(|label| label.as_str()).collect();
                    format!("{}{more}", shown.join(", "))
                }
            };
            let message = format!(
                "pool {} has no container {name}; it has {listed}; `millpond container create {0}/{name}` \
                 would create it",
                self.label()
            );
            Error::new(ErrorKind::NotFound, message)
        })
    }

    /// Changes the entry of a container.
    pub(crate) fn update_container(
        &self,
        container: Uuid,
        change: &mut dyn FnMut(&mut ContainerEntry) -> Result<()>,
    ) -> Result<()> {
        self.inner.store.update(&mut |document| {
            let Some(entry) = document.containers.get_mut(&container) else {
                let message = format!("container {container} of pool {} was destroyed", self.label());
                return Err(Error::new(ErrorKind::Closed, message));
            };
            change(entry)?;
            let label = entry.label.clone();
            check_label(document, label.as_ref(), container)
        })
    }

    pub(crate) fn container_spec(&self, container: Uuid) -> Result<ContainerSpec> {
        self.inner.store.spec(container)
    }
}

/// A document's containers: those with a label by label, then the others by UUID.
pub(super) fn summaries(document: &PoolDocument) -> Vec<ContainerSummary> {
    let mut containers: Vec<_> = document
        .containers
        .iter()
        .map(|(uuid, entry)| ContainerSummary {
            label: entry.label.as_ref().map(Label::to_string),
            uuid: *uuid,
            container_type: ContainerType::recorded(&entry.container_type),
            created: entry.created,
            path: entry.path.clone(),
        })
        .collect();
    containers
        .sort_by(|a, b| (a.label.is_none(), &a.label, a.uuid).cmp(&(b.label.is_none(), &b.label, b.uuid)));
    containers
}

/// Refuses a label that another container of the pool has.
pub(super) fn check_label(document: &PoolDocument, label: Option<&Label>, uuid: Uuid) -> Result<()> {
    let Some(label) = label else { return Ok(()) };
    match document
        .containers
        .iter()
        .find(|(other, entry)| **other != uuid && entry.label.as_ref() == Some(label))
    {
        None => Ok(()),
        Some((other, _)) => Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("pool {} has a container {label} already ({other})", document.label),
        )),
    }
}
