//! Pools: found, created, described, destroyed; and the containers in them.
//!
//! Invariant: the pool's document names a container only while its storage exists. Creating one
//! makes the storage first, destroying one names it last; a crash in between leaves storage that
//! nothing names, or a name that the next `destroy_container` clears.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use millpond_core::{
    ContainerEntry, ContainerSpec, Error, ErrorKind, Label, PoolDocument, PoolStore, Result,
};
use uuid::Uuid;

use crate::{
    backend,
    container::{Container, ContainerOptions, OpenOptions},
    container_type::ContainerType,
    environment,
    home::home,
    location::{Location, Place},
    namespace::{self, Mark},
    properties,
    query::{ContainerSummary, PoolQuery, PoolSummary},
    size::parse_size,
};

/// Labels that an error about a missing container lists at most.
const LABELS_LISTED_MAX: usize = 8;

/// How to create a pool.
#[derive(Clone, Debug, Default)]
pub struct PoolOptions {
    /// The quota on allocated bytes; none by default.
    pub size: Option<u64>,
    /// Properties: `label` (of a `file:` pool whose directory has another name) and `size`.
    pub properties: BTreeMap<String, String>,
}

/// A pool: containers with a common quota. Clones are cheap and the same pool.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn PoolStore>,
    place: Place,
    label: Label,
    uuid: Uuid,
}

impl Pool {
    /// Creates a pool and opens it. `location` is a label, or a URL: `file:///dir`, `mem:label`.
    ///
    /// # Errors
    /// `AlreadyExists` when there is a pool in that place; `InvalidArgument` when the location or a
    /// property is malformed.
    pub fn create(location: &str, options: PoolOptions) -> Result<Self> {
        properties::check_known(&options.properties, "pool", properties::POOL)?;
        let size = match (options.size, options.properties.get("size")) {
            (Some(size), _) => Some(size),
            (None, Some(text)) => parse_quota(text)?,
            (None, None) => None,
        };
        let (place, named) = match Location::parse(location)? {
            Location::Label(label) => (Place::Directory(home()?.join(label.as_str())), Some(label)),
            Location::Memory(label) => (Place::Memory(label.clone()), Some(label)),
            Location::Directory(path) => (Place::Directory(path), None),
            Location::Uuid(uuid) => {
                let message = format!("a pool is created under a label or a URL; {uuid} is a UUID");
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
        };
        let label = label_of(&place, named, options.properties.get("label"))?;
        let document = PoolDocument {
            uuid: environment::unique(),
            label,
            created: environment::seconds(),
            size,
            properties: BTreeMap::new(),
            attributes: BTreeMap::new(),
            containers: BTreeMap::new(),
        };
        let store = backend::create(&place, &document)?;
        Self::build(place, store)
    }

    /// Opens a pool by label or UUID under [`home`](crate::home()), or by URL.
    ///
    /// # Errors
    /// `NotFound`, naming the place that was looked at.
    pub fn open(location: &str) -> Result<Self> {
        let place = match Location::parse(location)? {
            Location::Label(label) => Place::Directory(home()?.join(label.as_str())),
            Location::Uuid(uuid) => Place::Directory(find(uuid)?),
            Location::Directory(path) => Place::Directory(path),
            Location::Memory(label) => Place::Memory(label),
        };
        match backend::open(&place)? {
            Some(store) => Self::build(place, store),
            None => Err(missing(location, &place)),
        }
    }

    /// The pools under [`home`](crate::home()), by label. One that can't be opened is listed with
    /// its problem.
    pub fn list() -> Result<Vec<PoolSummary>> {
        let mut pools = Vec::new();
        for (label, path) in candidates()? {
            let place = Place::Directory(path);
            let opened = match backend::open(&place) {
                Ok(None) => continue,
                Ok(Some(store)) => Self::build(place.clone(), store).and_then(|pool| pool.summary()),
                Err(error) => Err(error),
            };
            pools.push(opened.unwrap_or_else(|error| PoolSummary {
                label: label.to_string(),
                uuid: Uuid::nil(),
                url: place.to_string(),
                size: None,
                used: 0,
                containers: 0,
                problem: Some(error.to_string()),
            }));
        }
        Ok(pools)
    }

    /// Destroys a pool with all that it holds.
    ///
    /// # Errors
    /// `Busy` while a container of it is open, or while it has containers at all, unless `force`:
    /// then their handles answer `Closed`.
    pub fn destroy(location: &str, force: bool) -> Result<()> {
        let pool = Self::open(location)?;
        let document = pool.document()?;
        if !force && !document.containers.is_empty() {
            let message = format!(
                "pool {} holds {} containers: destroy them first, or the pool by force",
                pool.label(),
                document.containers.len()
            );
            return Err(Error::new(ErrorKind::Busy, message));
        }
        pool.inner.store.destroy_pool(force)?;
        for (uuid, entry) in &document.containers {
            if let Some(path) = &entry.path {
                namespace::remove(Path::new(path), *uuid)?;
            }
        }
        Ok(())
    }

    fn build(place: Place, store: Arc<dyn PoolStore>) -> Result<Self> {
        let document = store.document()?;
        // A directory may be reached over a symlink or a relative home: handles are passed on to
        // processes that stand elsewhere, by URL.
        let place = match place {
            Place::Directory(path) => Place::Directory(fs::canonicalize(&path).map_err(|error| {
                Error::io(format_args!("can't resolve the path {}", path.display()), error)
            })?),
            memory => memory,
        };
        // Under the home, a pool is found by the name of its directory, so that is its label.
        let label = match &place {
            Place::Directory(path) if is_under_home(path) => label_of_directory(path),
            _ => None,
        };
        let label = label.unwrap_or(document.label);
        Ok(Self { inner: Arc::new(Inner { store, place, label, uuid: document.uuid }) })
    }

    /// Its label.
    pub fn label(&self) -> &str {
        self.inner.label.as_str()
    }

    /// Its UUID.
    pub fn uuid(&self) -> Uuid {
        self.inner.uuid
    }

    /// Its canonical URL: `file:///dir` or `mem:label`.
    pub fn url(&self) -> String {
        self.inner.place.to_string()
    }

    /// All about the pool.
    pub fn query(&self) -> Result<PoolQuery> {
        let document = self.document()?;
        let space = self.inner.store.space()?;
        Ok(PoolQuery {
            label: self.label().to_owned(),
            uuid: self.uuid(),
            url: self.url(),
            created: document.created,
            size: space.size,
            used: space.used,
            containers: summaries(&document),
            properties: self.properties_of(&document),
            attributes: document.attributes,
        })
    }

    fn summary(&self) -> Result<PoolSummary> {
        let document = self.document()?;
        let space = self.inner.store.space()?;
        Ok(PoolSummary {
            label: self.label().to_owned(),
            uuid: self.uuid(),
            url: self.url(),
            size: space.size,
            used: space.used,
            containers: document.containers.len() as u64,
            problem: None,
        })
    }

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

    /// Its properties: `label`, and `size` where it has a quota.
    pub fn properties(&self) -> Result<BTreeMap<String, String>> {
        Ok(self.properties_of(&self.document()?))
    }

    fn properties_of(&self, document: &PoolDocument) -> BTreeMap<String, String> {
        let mut properties = document.properties.clone();
        properties.insert("label".into(), self.label().to_owned());
        let size = document.size.map_or_else(|| "unlimited".to_owned(), |size| size.to_string());
        properties.insert("size".into(), size);
        properties
    }

    /// Sets a property. `size` is the quota (`1GiB`, or `unlimited`); it may be below what is used
    /// already: then nothing can be added until enough is deleted.
    ///
    /// # Errors
    /// `InvalidArgument` for an unknown property, listing those that there are, and for `label`,
    /// which is fixed when a pool is created.
    pub fn set_property(&self, name: &str, value: &str) -> Result<()> {
        match name {
            "size" => {
                let size = parse_quota(value)?;
                self.inner.store.update(&mut |document| {
                    document.size = size;
                    Ok(())
                })
            }
            "label" => Err(properties::fixed(name, "pool")),
            _ => Err(properties::unknown(name, "pool", properties::POOL)),
        }
    }

    /// What users noted about the pool.
    pub fn attributes(&self) -> Result<BTreeMap<String, String>> {
        Ok(self.document()?.attributes)
    }

    /// One attribute.
    ///
    /// # Errors
    /// `NotFound` when it isn't set.
    pub fn attribute(&self, name: &str) -> Result<String> {
        properties::attribute(&self.document()?.attributes, name, &self.to_string())
    }

    /// Sets an attribute.
    ///
    /// # Errors
    /// `InvalidArgument` or `ValueTooLong` when the name or the value is longer than allowed.
    pub fn set_attribute(&self, name: &str, value: &str) -> Result<()> {
        self.inner
            .store
            .update(&mut |document| properties::set_attribute(&mut document.attributes, name, value))
    }

    /// Removes an attribute.
    ///
    /// # Errors
    /// `NotFound` when it isn't set.
    pub fn delete_attribute(&self, name: &str) -> Result<()> {
        self.inner.store.update(&mut |document| {
            properties::delete_attribute(&mut document.attributes, name, &self.to_string())
        })
    }

    pub(crate) fn document(&self) -> Result<PoolDocument> {
        self.inner.store.document()
    }

    pub(crate) fn store(&self) -> &dyn PoolStore {
        &*self.inner.store
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

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({self})")
    }
}

/// Its URL.
impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.place.fmt(f)
    }
}

fn summaries(document: &PoolDocument) -> Vec<ContainerSummary> {
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
fn check_label(document: &PoolDocument, label: Option<&Label>, uuid: Uuid) -> Result<()> {
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

/// Reads the property `size`.
fn parse_quota(text: &str) -> Result<Option<u64>> {
    if text.trim().eq_ignore_ascii_case("unlimited") {
        return Ok(None);
    }
    match parse_size(text)? {
        0 => Err(Error::new(
            ErrorKind::InvalidArgument,
            "a pool of 0 bytes can't hold anything: write a size such as 1GiB, or unlimited",
        )),
        size => Ok(Some(size)),
    }
}

/// The label of a pool that is being created.
fn label_of(place: &Place, named: Option<Label>, property: Option<&String>) -> Result<Label> {
    let property = property.map(|text| Label::new(text)).transpose()?;
    match (named, property) {
        (Some(named), Some(property)) if named != property => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("the pool can't be {named} and have the label {property}: give one of them"),
        )),
        (Some(label), _) | (None, Some(label)) => Ok(label),
        (None, None) => {
            let Place::Directory(path) = place else {
                return Err(Error::new(ErrorKind::InvalidArgument, "a pool needs a label"));
            };
            label_of_directory(path).ok_or_else(|| {
                let message = format!(
                    "{} has no name that can be a pool's label: give one as the property label",
                    path.display()
                );
                Error::new(ErrorKind::InvalidArgument, message)
            })
        }
    }
}

fn label_of_directory(path: &Path) -> Option<Label> {
    path.file_name().and_then(|name| name.to_str()).and_then(|name| Label::new(name).ok())
}

fn is_under_home(path: &Path) -> bool {
    let home = home().ok().and_then(|home| fs::canonicalize(home).ok());
    home.is_some() && path.parent() == home.as_deref()
}

/// The directories under the home that may be pools, by label.
fn candidates() -> Result<Vec<(Label, PathBuf)>> {
    let home = home()?;
    let entries = match fs::read_dir(&home) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
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
fn find(uuid: Uuid) -> Result<PathBuf> {
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

fn missing(location: &str, place: &Place) -> Error {
    let message = match place {
        Place::Memory(label) => format!(
            "this process has no pool mem:{label}: a pool in memory is created by the process that uses it"
        ),
        Place::Directory(path) => format!(
            "there is no pool {location}: nothing of one is in {}; `millpond pool create {location}` would \
             create it, `millpond pool list` shows those under the home",
            path.display()
        ),
    };
    Error::new(ErrorKind::NotFound, message)
}
