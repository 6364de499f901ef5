//! The class `NativeEngineTransaction`: changes of an engine that take effect together.

use millpond_pmemkv::EngineTransaction;
use pyo3::prelude::*;

use crate::{
    arguments::{Data, Key},
    errors::Result,
    handle::Owned,
};

/// Puts and removals that nobody sees before they are committed.
#[pyclass(frozen, module = "millpond")]
pub struct NativeEngineTransaction {
    transaction: Owned<EngineTransaction>,
}

impl NativeEngineTransaction {
    pub fn new(transaction: EngineTransaction) -> Self {
        Self { transaction: Owned::new("a transaction of an engine", transaction) }
    }

    fn call<T: Send>(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&mut EngineTransaction) -> millpond_pmemkv::Result<T> + Send,
    ) -> Result<T> {
        py.detach(|| Ok(call(&mut *self.transaction.lock()?)?))
    }
}

#[pymethods]
impl NativeEngineTransaction {
    /// Puts a record at the commit.
    #[pyo3(signature = (key, value, /))]
    fn put(&self, py: Python<'_>, key: Key<'_>, value: Data<'_>) -> Result<()> {
        self.call(py, |transaction| transaction.put(key.as_ref(), value.as_ref()))
    }

    /// Removes a record at the commit.
    #[pyo3(signature = (key, /))]
    fn remove(&self, py: Python<'_>, key: Key<'_>) -> Result<()> {
        self.call(py, |transaction| transaction.remove(key.as_ref()))
    }

    /// Makes the changes.
    fn commit(&self, py: Python<'_>) -> Result<()> {
        self.call(py, EngineTransaction::commit)
    }

    /// Lets go of the changes.
    fn abort(&self, py: Python<'_>) -> Result<()> {
        self.call(py, |transaction| {
            transaction.abort();
            Ok(())
        })
    }
}
