//! The class `Transaction`.

use millpond::{Error, ErrorKind, TransactionOptions};
use pyo3::{prelude::*, types::PyTuple};

use crate::{
    arguments::DurabilityName,
    blobs::Blobs,
    container::Container,
    dict::Dict,
    errors::Result,
    handle::{Handle, Owned},
    map::OrderedMap,
};

/// Changes of a container that take effect together, and a state of it that doesn't change.
#[pyclass(frozen, module = "millpond")]
pub struct Transaction {
    /// None once it has ended.
    inner: Owned<Option<millpond::Transaction>>,
    container: Handle<millpond::Container>,
    epoch: u64,
}

impl Transaction {
    pub fn begin(
        py: Python<'_>,
        container: &millpond::Container,
        read_only: bool,
        at: Option<u64>,
        durability: Option<DurabilityName>,
    ) -> Result<Self> {
        let options = TransactionOptions {
            read_only,
            at: at.map(millpond::Epoch),
            durability: durability.map(|durability| durability.0),
            ..TransactionOptions::default()
        };
        let transaction = py.detach(|| container.begin(options))?;
        Ok(Self {
            container: Handle::new(transaction.container().clone()),
            epoch: transaction.epoch().0,
            inner: Owned::new("a transaction", Some(transaction)),
        })
    }

    fn take(&self) -> millpond::Result<millpond::Transaction> {
        self.inner.lock()?.take().ok_or_else(ended)
    }
}

/// A dictionary, or the name of one.
#[derive(FromPyObject)]
pub enum Named<'py> {
    Name(String),
    Dict(PyRef<'py, Dict>),
}

/// A store of blobs, or the name of one.
#[derive(FromPyObject)]
pub enum NamedBlobs<'py> {
    Name(String),
    Blobs(PyRef<'py, Blobs>),
}

impl Default for NamedBlobs<'_> {
    fn default() -> Self {
        Self::Name("blobs".to_owned())
    }
}

/// An ordered map, or the name of one.
#[derive(FromPyObject)]
pub enum NamedMap<'py> {
    Name(String),
    Map(PyRef<'py, OrderedMap>),
}

/// What a transaction is asked for in brackets; a name is a dictionary's.
#[derive(FromPyObject)]
pub enum Given<'py> {
    Name(String),
    Dict(PyRef<'py, Dict>),
    Blobs(PyRef<'py, Blobs>),
    Map(PyRef<'py, OrderedMap>),
}

fn ended() -> Error {
    Error::new(ErrorKind::Closed, "the transaction has ended: begin a new one")
}

#[pymethods]
impl Transaction {
    /// The epoch of the state that it reads.
    #[getter]
    fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The container as the transaction sees and changes it: dictionaries can be created there, too.
    #[getter]
    fn container(&self) -> Container {
        Container::new(self.container.clone())
    }

    /// A dictionary as the transaction sees and changes it.
    #[pyo3(signature = (dict, /))]
    fn dict(&self, py: Python<'_>, dict: Named<'_>) -> Result<Dict> {
        match dict {
            Named::Name(name) => Ok(Dict::new(py.detach(|| self.container.dict(&name))?)),
            Named::Dict(dict) => {
                let dict = &*dict.inner;
                let within = py.detach(|| match &*self.inner.lock()? {
                    Some(transaction) => dict.within(transaction),
                    None => Err(ended()),
                })?;
                Ok(Dict::new(within))
            }
        }
    }

    /// An ordered map as the transaction sees and changes it.
    #[pyo3(signature = (map, /))]
    fn map(&self, py: Python<'_>, map: NamedMap<'_>) -> Result<OrderedMap> {
        match map {
            NamedMap::Name(name) => Ok(OrderedMap::new(py.detach(|| self.container.map(&name))?)),
            NamedMap::Map(map) => {
                let map = &*map.inner;
                let within = py.detach(|| match &*self.inner.lock()? {
                    Some(transaction) => map.within(transaction),
                    None => Err(ended()),
                })?;
                Ok(OrderedMap::new(within))
            }
        }
    }

    /// A store of blobs as the transaction sees and changes it.
    #[pyo3(signature = (blobs=NamedBlobs::default(), /), text_signature = "($self, blobs=\"blobs\", /)")]
    fn blobs(&self, py: Python<'_>, blobs: NamedBlobs<'_>) -> Result<Blobs> {
        match blobs {
            NamedBlobs::Name(name) => Ok(Blobs::new(py.detach(|| self.container.blobs(&name))?)),
            NamedBlobs::Blobs(blobs) => {
                let blobs = &*blobs.inner;
                let within = py.detach(|| match &*self.inner.lock()? {
                    Some(transaction) => blobs.within(transaction),
                    None => Err(ended()),
                })?;
                Ok(Blobs::new(within))
            }
        }
    }

    fn __getitem__<'py>(&self, py: Python<'py>, object: Given<'_>) -> Result<Bound<'py, PyAny>> {
        Ok(match object {
            Given::Blobs(blobs) => Bound::new(py, self.blobs(py, NamedBlobs::Blobs(blobs))?)?.into_any(),
            Given::Map(map) => Bound::new(py, self.map(py, NamedMap::Map(map))?)?.into_any(),
            Given::Dict(dict) => Bound::new(py, self.dict(py, Named::Dict(dict))?)?.into_any(),
            Given::Name(name) => Bound::new(py, self.dict(py, Named::Name(name))?)?.into_any(),
        })
    }

    /// Makes everything that was written take effect at once.
    fn commit(&self, py: Python<'_>) -> Result<u64> {
        Ok(py.detach(|| self.take()?.commit())?.0)
    }

    /// Gives up what was written.
    fn abort(&self, py: Python<'_>) -> Result<()> {
        Ok(py.detach(|| self.take().map(millpond::Transaction::abort))?)
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*exception))]
    fn __exit__(&self, py: Python<'_>, exception: &Bound<'_, PyTuple>) -> Result<()> {
        let failed = exception.get_item(0).is_ok_and(|class| !class.is_none());
        py.detach(|| match self.inner.lock()?.take() {
            Some(transaction) if !failed => transaction.commit().map(drop),
            // Given up, or ended by hand before.
            transaction => {
                drop(transaction);
                Ok(())
            }
        })?;
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("<millpond.Transaction of {} as of epoch {}>", self.container.url(), self.epoch)
    }
}
