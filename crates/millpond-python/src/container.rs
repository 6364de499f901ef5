//! The class `Container`.

use std::{collections::BTreeMap, path::PathBuf};

use millpond::{ArrayOptions, BlobSettings, Epoch, ObjectOptions, OpenOptions, WatchOptions};
use pyo3::{prelude::*, types::PyTuple};
use uuid::Uuid;

use crate::{
    arguments::{DurabilityName, Key, Place, durability_name},
    array::Array,
    blobs::Blobs,
    dict::Dict,
    errors::Result,
    handle::Handle,
    map::OrderedMap,
    object::Object,
    object_lists::ObjectIds,
    package,
    pool::Pool,
    records::{Id, Kind, class_of},
    scrub::scrub,
    snapshot::{DiffIterator, MomentArgument},
    told::Told,
    transaction::Transaction,
    watch::NativeWatch,
};

/// A store of its own in a pool: what it holds is committed together.
#[pyclass(frozen, module = "millpond")]
pub struct Container {
    pub inner: Handle<millpond::Container>,
}

impl Container {
    pub fn new(inner: millpond::Container) -> Self {
        Self { inner: Handle::new(inner) }
    }

    /// What people call it: `pool/container`.
    pub fn place(container: &millpond::Container) -> String {
        let pool = container.pool();
        match container.label() {
            Some(label) => format!("{}/{label}", pool.label()),
            None => format!("{}/{}", pool.label(), container.uuid()),
        }
    }
}

#[pymethods]
impl Container {
    /// Opens a container by name.
    #[staticmethod]
    #[pyo3(signature = (name, *, read_only=false, durability=None, metrics=false))]
    fn open(
        py: Python<'_>,
        name: Place,
        read_only: bool,
        durability: Option<DurabilityName>,
        metrics: bool,
    ) -> Result<Self> {
        let options =
            OpenOptions { read_only, durability: durability.map(|durability| durability.0), metrics };
        let container = py.detach(|| match name {
            Place::Name(name) => millpond::Container::open_with(&name, options),
            Place::Path(path) => millpond::Container::open_path(&path, options),
        })?;
        Ok(Self::new(container))
    }

    /// Opens the container that a directory of the file system stands for.
    #[staticmethod]
    #[pyo3(signature = (path, *, read_only=false, durability=None, metrics=false))]
    fn open_path(
        py: Python<'_>,
        path: PathBuf,
        read_only: bool,
        durability: Option<DurabilityName>,
        metrics: bool,
    ) -> Result<Self> {
        Self::open(py, Place::Path(path), read_only, durability, metrics)
    }

    /// The name that people gave it, if any.
    #[getter]
    fn label(&self) -> Option<&str> {
        self.inner.label()
    }

    /// What identifies it for ever.
    #[getter]
    fn uuid(&self) -> Uuid {
        self.inner.uuid()
    }

    /// The pool that it is in.
    #[getter]
    fn pool(&self) -> Pool {
        Pool::new(self.inner.pool().clone())
    }

    /// Where it is, in full.
    #[getter]
    fn url(&self) -> String {
        self.inner.url()
    }

    /// What it is for, in upper case.
    #[getter]
    fn r#type(&self) -> String {
        self.inner.container_type().to_string()
    }

    /// Whether this handle refuses every change.
    #[getter]
    fn read_only(&self) -> bool {
        self.inner.is_read_only()
    }

    /// When a change through this handle counts as done.
    #[getter]
    fn durability(&self) -> &'static str {
        durability_name(self.inner.durability())
    }

    /// The dictionary of that name.
    fn dict(&self, py: Python<'_>, name: &str) -> Result<Dict> {
        Ok(Dict::new(py.detach(|| self.inner.dict(name))?))
    }

    /// Creates a dictionary.
    fn create_dict(&self, py: Python<'_>, name: &str) -> Result<Dict> {
        Ok(Dict::new(py.detach(|| self.inner.create_dict(name))?))
    }

    /// The dictionary of that name, created if there is none.
    fn open_or_create_dict(&self, py: Python<'_>, name: &str) -> Result<Dict> {
        Ok(Dict::new(py.detach(|| self.inner.open_or_create_dict(name))?))
    }

    /// Destroys a dictionary, with all that it holds.
    fn destroy_dict(&self, py: Python<'_>, name: &str) -> Result<()> {
        Ok(py.detach(|| self.inner.destroy_dict(name))?)
    }

    /// An ordered map of the container.
    #[pyo3(signature = (name, comparator=None))]
    fn map(&self, py: Python<'_>, name: &str, comparator: Option<&str>) -> Result<OrderedMap> {
        let map = match comparator {
            Some(comparator) => {
                let comparator = comparator.parse()?;
                py.detach(|| self.inner.map_under(name, &comparator))?
            }
            None => py.detach(|| self.inner.map(name))?,
        };
        Ok(OrderedMap::new(map))
    }

    /// Creates an ordered map.
    #[pyo3(signature = (name, comparator="bytes"))]
    fn create_map(&self, py: Python<'_>, name: &str, comparator: &str) -> Result<OrderedMap> {
        let comparator = comparator.parse()?;
        Ok(OrderedMap::new(py.detach(|| self.inner.create_map(name, &comparator))?))
    }

    /// The ordered map of that name, created if there is none.
    #[pyo3(signature = (name, comparator="bytes"))]
    fn open_or_create_map(&self, py: Python<'_>, name: &str, comparator: &str) -> Result<OrderedMap> {
        let comparator = comparator.parse()?;
        Ok(OrderedMap::new(py.detach(|| self.inner.open_or_create_map(name, &comparator))?))
    }

    /// Destroys an ordered map, with all that it holds.
    fn destroy_map(&self, py: Python<'_>, name: &str) -> Result<()> {
        Ok(py.detach(|| self.inner.destroy_map(name))?)
    }

    /// The container's ordered maps, as a mapping of names.
    #[getter]
    fn maps<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        package::views(slf.py())?.getattr("Maps")?.call1((slf,))
    }

    fn _map_names(&self, py: Python<'_>) -> Result<Vec<String>> {
        Ok(py.detach(|| self.inner.maps())?)
    }

    /// A store of blobs of the container.
    #[pyo3(signature = (name="blobs"))]
    fn blobs(&self, py: Python<'_>, name: &str) -> Result<Blobs> {
        Ok(Blobs::new(py.detach(|| self.inner.blobs(name))?))
    }

    /// Creates a store of blobs.
    #[pyo3(signature = (name="blobs", *, hash_type="sha256", compression="zstd"))]
    fn create_blobs(&self, py: Python<'_>, name: &str, hash_type: &str, compression: &str) -> Result<Blobs> {
        let settings = BlobSettings { hash: hash_type.parse()?, compression: compression.parse()? };
        Ok(Blobs::new(py.detach(|| self.inner.create_blobs(name, settings))?))
    }

    /// Opens a store of blobs, as it was made, or creates it where there is none.
    #[pyo3(signature = (name="blobs", *, hash_type="sha256", compression="zstd"))]
    fn open_or_create_blobs(
        &self,
        py: Python<'_>,
        name: &str,
        hash_type: &str,
        compression: &str,
    ) -> Result<Blobs> {
        let settings = BlobSettings { hash: hash_type.parse()?, compression: compression.parse()? };
        Ok(Blobs::new(py.detach(|| self.inner.open_or_create_blobs(name, settings))?))
    }

    /// The names of the container's stores of blobs, sorted.
    fn blob_stores(&self, py: Python<'_>) -> Result<Vec<String>> {
        Ok(py.detach(|| self.inner.blob_stores())?)
    }

    /// Destroys a store of blobs, with all that it holds.
    fn destroy_blobs(&self, py: Python<'_>, name: &str) -> Result<()> {
        Ok(py.detach(|| self.inner.destroy_blobs(name))?)
    }

    /// An object of a new id, to which nothing was written yet.
    #[pyo3(signature = (*, dkeys=Kind::HASHED, akeys=Kind::HASHED, object_class=None, low=None),
           text_signature = "($self, *, dkeys=\"hashed\", akeys=\"hashed\", object_class=None, low=None)")]
    fn create_object(
        &self,
        py: Python<'_>,
        dkeys: Kind,
        akeys: Kind,
        object_class: Option<&str>,
        low: Option<u128>,
    ) -> Result<Object> {
        let class = class_of(object_class)?;
        let options = ObjectOptions { dkeys: dkeys.0, akeys: akeys.0, class, low };
        Ok(Object::new(py.detach(|| self.inner.create_object(options))?))
    }

    /// The object of an id, whether or not anything was written to it.
    #[pyo3(signature = (id, /))]
    fn object(&self, py: Python<'_>, id: Id) -> Result<Object> {
        Object::open(py, &self.inner, &id)
    }

    /// Iterates over the ids of the container's objects, dictionaries left out.
    fn objects(&self, py: Python<'_>) -> Result<ObjectIds> {
        Ok(ObjectIds::new(py.detach(|| self.inner.objects())?))
    }

    /// Makes a 1-D array.
    #[pyo3(signature = (*, cell_size=1, chunk_cells=1 << 20, object_class=None, low=None),
           text_signature = "($self, *, cell_size=1, chunk_cells=1048576, object_class=None, low=None)")]
    fn create_array(
        &self,
        py: Python<'_>,
        cell_size: u64,
        chunk_cells: u64,
        object_class: Option<&str>,
        low: Option<u128>,
    ) -> Result<Array> {
        let options =
            ArrayOptions { cell_bytes: cell_size, chunk_cells, class: class_of(object_class)?, low };
        Ok(Array::new(py.detach(|| self.inner.create_array(options))?))
    }

    /// Opens a 1-D array.
    #[pyo3(signature = (id, /))]
    fn array(&self, py: Python<'_>, id: Id) -> Result<Array> {
        Array::open(py, &self.inner, &id)
    }

    /// Follows the container's commits, by whatever thread or process: whole, in order and once.
    #[expect(clippy::too_many_arguments, reason = "they are the keywords of a Python method")]
    #[pyo3(signature = (*, after=None, dict=None, object=None, prefix=None, cursor=None, durable=true))]
    fn watch<'py>(
        &self,
        py: Python<'py>,
        after: Option<u64>,
        dict: Option<String>,
        object: Option<Id>,
        prefix: Option<Key<'_>>,
        cursor: Option<String>,
        durable: bool,
    ) -> Result<Bound<'py, PyAny>> {
        let prefix = prefix.map_or_else(Vec::new, Key::into_vec);
        let object = object.map(|id| id.0);
        let options = WatchOptions { after: after.map(Epoch), cursor, durable, dict, object, prefix };
        let watch = py.detach(|| self.inner.watch(options))?;
        Ok(package::watch(py)?.getattr("Watch")?.call1((NativeWatch::new(watch),))?)
    }

    /// The registered cursors, each with the epoch that it acknowledged.
    fn watch_cursors(&self, py: Python<'_>) -> Result<BTreeMap<String, u64>> {
        let cursors = py.detach(|| self.inner.watch_cursors())?;
        Ok(cursors.into_iter().map(|cursor| (cursor.name, cursor.epoch.0)).collect())
    }

    /// Removes a cursor: nothing is kept for it any more.
    #[pyo3(signature = (name, /))]
    fn remove_watch_cursor(&self, py: Python<'_>, name: &str) -> Result<()> {
        Ok(py.detach(|| self.inner.remove_watch_cursor(name))?)
    }

    /// Begins a transaction; see :class:`Transaction`.
    #[pyo3(signature = (*, read_only=false, at=None, durability=None))]
    fn transaction(
        &self,
        py: Python<'_>,
        read_only: bool,
        at: Option<u64>,
        durability: Option<DurabilityName>,
    ) -> Result<Transaction> {
        Transaction::begin(py, &self.inner, read_only, at, durability)
    }

    /// Calls a function with a transaction and commits it, again where it met another one.
    #[pyo3(signature = (function, /, *, retries=100, durability=None))]
    fn transact<'py>(
        slf: &Bound<'py, Self>,
        function: &Bound<'py, PyAny>,
        retries: u32,
        durability: Option<&str>,
    ) -> PyResult<Bound<'py, PyAny>> {
        package::transactions(slf.py())?.getattr("run")?.call1((slf, function, retries, durability))
    }

    /// Keeps the state just after this call readable, until the snapshot is destroyed.
    #[pyo3(signature = (name=None))]
    fn snapshot<'py>(&self, py: Python<'py>, name: Option<&str>) -> Result<Bound<'py, PyAny>> {
        let snapshot = py.detach(|| match name {
            Some(name) => self.inner.snapshot(name),
            None => self.inner.snapshot_by_rule(),
        })?;
        package::answer(py, "snapshot", &snapshot)
    }

    /// The container's snapshots, as a mapping of names, the oldest first.
    #[getter]
    fn snapshots<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        package::views(slf.py())?.getattr("Snapshots")?.call1((slf,))
    }

    fn _snapshots<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let snapshots = py.detach(|| self.inner.snapshots())?;
        package::answer(py, "snapshots", &snapshots)
    }

    /// The bytes that snapshots alone need, and those that they share with the newest state.
    fn snapshot_space<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let space = py.detach(|| self.inner.snapshot_space())?;
        package::answer(py, "snapshot_space", &space)
    }

    fn _snapshot_sizes<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let sizes = py.detach(|| self.inner.snapshot_sizes())?;
        package::answer(py, "snapshot_sizes", &sizes)
    }

    /// Lets go of a snapshot.
    fn destroy_snapshot(&self, py: Python<'_>, name: &str) -> Result<()> {
        Ok(py.detach(|| self.inner.destroy_snapshot(name))?)
    }

    /// The container as it was, for reading only.
    #[pyo3(signature = (moment, /))]
    fn at(&self, py: Python<'_>, moment: MomentArgument) -> Result<Self> {
        Ok(Self::new(py.detach(|| self.inner.at(moment.moment()))?))
    }

    /// What was added, changed and removed from one state to another, or to now.
    #[pyo3(signature = (since, until=None, /))]
    fn diff(
        &self,
        py: Python<'_>,
        since: MomentArgument,
        until: Option<MomentArgument>,
    ) -> Result<DiffIterator> {
        let until = until.as_ref().map_or(millpond::Moment::Now, MomentArgument::moment);
        Ok(DiffIterator::new(py.detach(|| self.inner.diff(since.moment(), until))?))
    }

    /// Gives every object and key what it had at a snapshot, all at once.
    fn rollback(&self, py: Python<'_>, name: &str) -> Result<u64> {
        Ok(py.detach(|| self.inner.rollback(name))?.epoch.0)
    }

    /// The container's dictionaries, as a mapping of names.
    #[getter]
    fn dicts<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        package::views(slf.py())?.getattr("Dicts")?.call1((slf,))
    }

    fn _dict_names(&self, py: Python<'_>) -> Result<Vec<String>> {
        Ok(py.detach(|| self.inner.dicts())?)
    }

    /// What the container is and holds, without scanning it.
    fn query<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let query = py.detach(|| self.inner.query())?;
        package::answer(py, "container_info", &query)
    }

    /// What the container holds, and what was done through this handle.
    fn metrics<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let metrics = py.detach(|| self.inner.metrics())?;
        package::answer(py, "metrics", &(&metrics, metrics.to_prometheus()))
    }

    /// Makes everything that was put so far survive a loss of power.
    fn flush(&self, py: Python<'_>) -> Result<()> {
        py.detach(|| self.inner.flush())?;
        Ok(())
    }

    /// Merges what is worth merging and gives back the space of what was deleted.
    fn compact<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let compacted = py.detach(|| self.inner.compact_and_report())?;
        package::answer(py, "damages", &compacted.left)
    }

    /// Reads every stored byte and compares it with its checksum.
    #[pyo3(signature = (*, repair=false))]
    fn check<'py>(&self, py: Python<'py>, repair: bool) -> Result<Bound<'py, PyAny>> {
        let report = py.detach(|| self.inner.check(repair))?;
        package::answer(py, "check_report", &report)
    }

    /// Deletes the markers of what was lost: keys are absent then, and records of arrays holes.
    fn forget(&self, py: Python<'_>) -> Result<u64> {
        Ok(py.detach(|| self.inner.forget())?)
    }

    /// Compares every stored byte with its checksum, and names what is damaged.
    #[pyo3(signature = (*, rate=None, progress=None))]
    fn scrub<'py>(
        &self,
        py: Python<'py>,
        rate: Option<u64>,
        progress: Option<Py<PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let report = scrub(py, rate, progress, |options| self.inner.scrub(options))?;
        package::answer(py, "scrub_report", &report)
    }

    /// Writes a backup to a new directory in ``to``, while others read and write.
    #[pyo3(signature = (to, *, keep=None, progress=None))]
    fn backup<'py>(
        &self,
        py: Python<'py>,
        to: PathBuf,
        keep: Option<u64>,
        progress: Option<Py<PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let mut told = Told::new(progress);
        let backup = py.detach(|| self.inner.backup(&to, keep, &mut told));
        package::answer(py, "backup", &told.settle(backup)?)
    }

    /// Makes everything durable and lets go of the container.
    fn close(&self, py: Python<'_>) -> Result<()> {
        Ok(py.detach(|| self.inner.close())?)
    }

    /// The settings that the product knows, as a mapping.
    #[getter]
    fn properties<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        package::views(slf.py())?.getattr("Properties")?.call1((slf,))
    }

    /// What users note on the container, as a mutable mapping of texts.
    #[getter]
    fn attributes<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        package::views(slf.py())?.getattr("Attributes")?.call1((slf,))
    }

    fn _properties(&self, py: Python<'_>) -> Result<BTreeMap<String, String>> {
        Ok(py.detach(|| self.inner.properties())?)
    }

    fn _set_property(&self, py: Python<'_>, name: &str, value: &str) -> Result<()> {
        Ok(py.detach(|| self.inner.set_property(name, value))?)
    }

    fn _attributes(&self, py: Python<'_>) -> Result<BTreeMap<String, String>> {
        Ok(py.detach(|| self.inner.attributes())?)
    }

    fn _set_attribute(&self, py: Python<'_>, name: &str, value: &str) -> Result<()> {
        Ok(py.detach(|| self.inner.set_attribute(name, value))?)
    }

    fn _delete_attribute(&self, py: Python<'_>, name: &str) -> Result<()> {
        Ok(py.detach(|| self.inner.delete_attribute(name))?)
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> Result<()> {
        self.close(py)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyTuple>> {
        package::outside_of_transactions(&self.inner)?;
        let url = package::portable(self.inner.url())?;
        Ok((package::pickle(py)?.getattr("open_container")?, (url, self.read_only(), self.durability()))
            .into_pyobject(py)?)
    }

    fn __repr__(&self) -> String {
        let read_only = if self.read_only() { ", read-only" } else { "" };
        format!(
            "<millpond.Container {}, {}, {}{read_only}>",
            Self::place(&self.inner),
            self.r#type(),
            self.durability()
        )
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        package::display(slf.py())?.getattr("container_html")?.call1((slf,))
    }
}
