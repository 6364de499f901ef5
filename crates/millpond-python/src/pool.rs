//! The class `Pool`.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{PoisonError, RwLock},
};

use millpond::{ContainerOptions, Error, ErrorKind, OpenOptions, PoolOptions};
use pyo3::{prelude::*, types::PyTuple};
use uuid::Uuid;

use crate::{
    arguments::{DurabilityName, Place, Size},
    container::Container,
    errors::Result,
    handle::Handle,
    package,
    scrub::scrub,
    told::Told,
};

/// A quota of space, and the containers that share it.
#[pyclass(frozen, module = "millpond")]
pub struct Pool {
    /// None once it is closed: an open one can't be destroyed.
    inner: RwLock<Option<Handle<millpond::Pool>>>,
    url: String,
}

impl Pool {
    pub fn new(inner: millpond::Pool) -> Self {
        let url = inner.url();
        Self { inner: RwLock::new(Some(Handle::new(inner))), url }
    }

    fn open_handle(&self) -> millpond::Result<millpond::Pool> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let closed = || Error::new(ErrorKind::Closed, format!("pool {} was closed: open it again", self.url));
        inner.as_ref().map(|pool| millpond::Pool::clone(pool)).ok_or_else(closed)
    }
}

#[pymethods]
impl Pool {
    /// Creates a pool.
    #[staticmethod]
    #[pyo3(signature = (location, *, size=None, properties=None))]
    fn create(
        py: Python<'_>,
        location: Place,
        size: Option<Size>,
        properties: Option<BTreeMap<String, String>>,
    ) -> Result<Self> {
        let location = location.into_location()?;
        let options =
            PoolOptions { size: size.map(|size| size.0), properties: properties.unwrap_or_default() };
        Ok(Self::new(py.detach(|| millpond::Pool::create(&location, options))?))
    }

    /// Opens a pool by its label, UUID, URL or path.
    #[staticmethod]
    fn open(py: Python<'_>, location: Place) -> Result<Self> {
        let location = location.into_location()?;
        Ok(Self::new(py.detach(|| millpond::Pool::open(&location))?))
    }

    /// The pools under :func:`millpond.home`, by label.
    #[staticmethod]
    fn list(py: Python<'_>) -> Result<Bound<'_, PyAny>> {
        let pools = py.detach(millpond::Pool::list)?;
        package::answer(py, "pool_summaries", &pools)
    }

    /// Destroys a pool.
    #[staticmethod]
    #[pyo3(signature = (location, *, force=false))]
    fn destroy(py: Python<'_>, location: Place, force: bool) -> Result<()> {
        let location = location.into_location()?;
        Ok(py.detach(|| millpond::Pool::destroy(&location, force))?)
    }

    /// The name that people gave it.
    #[getter]
    fn label(&self) -> Result<String> {
        Ok(self.open_handle()?.label().to_owned())
    }

    /// What identifies it for ever.
    #[getter]
    fn uuid(&self) -> Result<Uuid> {
        Ok(self.open_handle()?.uuid())
    }

    /// Where it is, in full.
    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    /// What the pool is and holds.
    fn query<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let query = py.detach(|| self.open_handle()?.query())?;
        package::answer(py, "pool_info", &query)
    }

    /// Creates a container, and opens it.
    #[pyo3(signature = (label=None, *, r#type="PYTHON", durability=None, path=None, log_size=None, properties=None))]
    #[expect(clippy::too_many_arguments, reason = "they are the keywords of a Python method")]
    fn create_container(
        &self,
        py: Python<'_>,
        label: Option<&str>,
        r#type: &str,
        durability: Option<DurabilityName>,
        path: Option<PathBuf>,
        log_size: Option<Size>,
        properties: Option<BTreeMap<String, String>>,
    ) -> Result<Container> {
        let options = ContainerOptions {
            container_type: r#type.parse()?,
            durability: durability.map(|durability| durability.0),
            log_bytes: log_size.map(|size| size.0),
            path,
            properties: properties.unwrap_or_default(),
        };
        Ok(Container::new(py.detach(|| self.open_handle()?.create_container(label, options))?))
    }

    /// Opens a container by its label or UUID.
    #[pyo3(signature = (name, *, read_only=false, durability=None, metrics=false))]
    fn container(
        &self,
        py: Python<'_>,
        name: &str,
        read_only: bool,
        durability: Option<DurabilityName>,
        metrics: bool,
    ) -> Result<Container> {
        let options =
            OpenOptions { read_only, durability: durability.map(|durability| durability.0), metrics };
        Ok(Container::new(py.detach(|| self.open_handle()?.open_container(name, options))?))
    }

    /// The pool's containers, by label.
    fn containers<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let containers = py.detach(|| self.open_handle()?.containers())?;
        package::answer(py, "container_summaries", &containers)
    }

    /// Destroys a container, with all that it holds.
    #[pyo3(signature = (name, *, force=false))]
    fn destroy_container(&self, py: Python<'_>, name: &str, force: bool) -> Result<()> {
        Ok(py.detach(|| self.open_handle()?.destroy_container(name, force))?)
    }

    /// Makes a container of a backup, every byte of which is verified, and opens it.
    #[pyo3(signature = (path, *, label=None, progress=None))]
    fn restore(
        &self,
        py: Python<'_>,
        path: PathBuf,
        label: Option<&str>,
        progress: Option<Py<PyAny>>,
    ) -> Result<Container> {
        let mut told = Told::new(progress);
        let restored = py.detach(|| self.open_handle()?.restore(&path, label, &mut told));
        Ok(Container::new(told.settle(restored)?))
    }

    /// Scrubs the containers, one after another. See :meth:`Container.scrub`.
    #[pyo3(signature = (*, rate=None, progress=None))]
    fn scrub<'py>(
        &self,
        py: Python<'py>,
        rate: Option<u64>,
        progress: Option<Py<PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let pool = py.detach(|| self.open_handle())?;
        let reports = scrub(py, rate, progress, |options| pool.scrub(options))?;
        package::answer(py, "scrub_reports", &reports)
    }

    /// The settings that the product knows, as a mapping; ``properties["size"] = "2GiB"`` changes one.
    #[getter]
    fn properties<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        package::views(slf.py())?.getattr("Properties")?.call1((slf,))
    }

    /// What users note on the pool, as a mutable mapping of texts.
    #[getter]
    fn attributes<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        package::views(slf.py())?.getattr("Attributes")?.call1((slf,))
    }

    fn _properties(&self, py: Python<'_>) -> Result<BTreeMap<String, String>> {
        Ok(py.detach(|| self.open_handle()?.properties())?)
    }

    fn _set_property(&self, py: Python<'_>, name: &str, value: &str) -> Result<()> {
        Ok(py.detach(|| self.open_handle()?.set_property(name, value))?)
    }

    fn _attributes(&self, py: Python<'_>) -> Result<BTreeMap<String, String>> {
        Ok(py.detach(|| self.open_handle()?.attributes())?)
    }

    fn _set_attribute(&self, py: Python<'_>, name: &str, value: &str) -> Result<()> {
        Ok(py.detach(|| self.open_handle()?.set_attribute(name, value))?)
    }

    fn _delete_attribute(&self, py: Python<'_>, name: &str) -> Result<()> {
        Ok(py.detach(|| self.open_handle()?.delete_attribute(name))?)
    }

    /// Lets go of the pool, which can't be destroyed while it is open but by force.
    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.inner.write().unwrap_or_else(PoisonError::into_inner).take()));
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) {
        self.close(py);
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyTuple>> {
        let url = package::portable(self.url.clone())?;
        Ok((package::pickle(py)?.getattr("open_pool")?, (url,)).into_pyobject(py)?)
    }

    fn __repr__(&self) -> String {
        match self.open_handle() {
            Ok(pool) => format!("<millpond.Pool {} at {}>", pool.label(), self.url),
            Err(_) => format!("<millpond.Pool at {}, closed>", self.url),
        }
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        package::display(slf.py())?.getattr("pool_html")?.call1((slf,))
    }
}
