//! Pools: created, opened, described, destroyed.

mod containers;
mod find;
mod restore;

use std::{collections::BTreeMap, fmt, fs, path::Path, sync::Arc};

use millpond_core::{Error, ErrorKind, Label, PoolDocument, PoolStore, Result};
use uuid::Uuid;

use self::{
    containers::summaries,
    find::{candidates, find, is_under_home, label_of, label_of_directory, missing},
};
use crate::{
    backend, environment,
    home::home,
    location::{Location, Place},
    namespace, properties,
    query::{PoolQuery, PoolSummary},
    size::parse_size,
};

/// How to create a pool.
#[derive(Clone, Debug, Default)]
pub struct PoolOptions {
    /// The quota on allocated bytes; none by default.
    pub size: Option<u64>,
    /// Properties: `label` (of a pool in a directory or a Ceph pool of another name) and `size`.
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
    /// Creates a pool and opens it. `location` is a label, or a URL: `file:///dir`, `mem:label`, or
    /// `rados://cephpool` for a Ceph pool that is there.
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
            Location::Rados(pool) => (Place::Rados(pool), None),
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
            Location::Rados(pool) => Place::Rados(pool),
        };
        match backend::open(&place)? {
            Some(store) => Self::build(place, store),
            None => Err(missing(location, &place)),
        }
    }

    /// A pool over a store that no location leads to, for tests that put a machine of their own below
    /// the front door. Its URL opens nothing.
    #[doc(hidden)]
    pub fn over(store: Arc<dyn PoolStore>) -> Result<Self> {
        let label = store.document()?.label;
        Self::build(Place::Memory(label), store)
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
            other => other,
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

    /// Its canonical URL: `file:///dir`, `rados://cephpool` or `mem:label`.
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
