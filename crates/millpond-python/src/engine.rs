//! The class `NativeEngine`: an engine of pmemkv's, for `millpond.compat.pmemkv`.
//!
//! A call of one record of a volatile engine takes less time than to let go of the interpreter and get it
//! back, and waits for nothing but other such calls, so that it keeps it. All others let go of it.

use millpond_pmemkv::{Config, Engine, Range, Shape, Steps};
use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{PyBytes, PyDict, PyMemoryView},
};

use crate::{
    arguments::{Data, Key},
    bulk::pairs,
    engine_config::EngineConfig,
    engine_iterator::NativeEngineIterator,
    engine_records::{NativeEngineRecords, view},
    engine_transaction::NativeEngineTransaction,
    errors::Result,
    handle::Handle,
    value::to_python,
};

/// Bytes of a value whose copy is worth letting go of the interpreter for.
const LONG_BYTES_MIN: usize = 1 << 16;

/// An open engine.
#[pyclass(frozen, module = "millpond")]
pub struct NativeEngine {
    engine: Handle<Engine>,
    is_quick: bool,
}

impl NativeEngine {
    /// Calls the engine about one record, with the interpreter released where that may take long.
    fn call<T: Send>(
        &self,
        py: Python<'_>,
        bytes: usize,
        call: impl FnOnce(&Engine) -> millpond_pmemkv::Result<T> + Send,
    ) -> Result<T> {
        let engine: &Engine = &self.engine;
        if self.is_quick && bytes < LONG_BYTES_MIN {
            Ok(call(engine)?)
        } else {
            Ok(py.detach(|| call(engine))?)
        }
    }
}

#[pymethods]
impl NativeEngine {
    /// Opens the engine of a name, with a configuration in JSON or as a mapping.
    #[new]
    fn new(py: Python<'_>, engine: &str, config: EngineConfig) -> Result<Self> {
        let config: Config = config.0;
        let engine = py.detach(|| Engine::open(engine, &config))?;
        Ok(Self { is_quick: !engine.traits().persistent, engine: Handle::new(engine) })
    }

    /// The engine's name.
    #[getter]
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    /// Whether it was stopped.
    #[getter]
    fn is_stopped(&self) -> bool {
        self.engine.is_closed()
    }

    /// What the engine is and does.
    #[getter]
    fn traits<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
        let traits = self.engine.traits();
        let answer = PyDict::new(py);
        for (name, is_so) in [
            ("persistent", traits.persistent),
            ("concurrent", traits.concurrent),
            ("sorted", traits.sorted),
            ("comparator", traits.comparator),
            ("ranges", traits.ranges),
            ("iterators", traits.iterators >= Steps::Seek),
            ("steps", traits.iterators >= Steps::Forward),
            ("steps_back", traits.iterators >= Steps::Full),
            ("transactions", traits.transactions),
            ("defrag", traits.defrag),
            ("fixed_size", traits.fixed_bytes.is_some()),
        ] {
            answer.set_item(name, is_so)?;
        }
        Ok(answer)
    }

    /// Closes the engine; may be called again.
    fn stop(&self, py: Python<'_>) -> Result<()> {
        Ok(py.detach(|| self.engine.close())?)
    }

    // ---- one record

    /// Puts a record.
    #[pyo3(signature = (key, value, /))]
    fn put(&self, py: Python<'_>, key: Key<'_>, value: Data<'_>) -> Result<()> {
        let (key, value) = (key.as_ref(), value.as_ref());
        self.call(py, value.len(), |engine| engine.put(key, value))
    }

    /// The value of a key, or None.
    #[pyo3(signature = (key, /))]
    fn get<'py>(&self, py: Python<'py>, key: Key<'_>) -> Result<Option<Bound<'py, PyBytes>>> {
        let value = self.call(py, 0, |engine| engine.get(key.as_ref()))?;
        Ok(value.map(|value| to_python(py, &value)).transpose()?)
    }

    /// The value of a key without a copy, or None.
    #[pyo3(signature = (key, /))]
    fn get_view<'py>(&self, py: Python<'py>, key: Key<'_>) -> Result<Option<Bound<'py, PyMemoryView>>> {
        let value = self.call(py, 0, |engine| engine.get(key.as_ref()))?;
        Ok(value.map(|value| view(py, value)).transpose()?)
    }

    /// Whether there is a record of a key.
    #[pyo3(signature = (key, /))]
    fn exists(&self, py: Python<'_>, key: Key<'_>) -> Result<bool> {
        self.call(py, 0, |engine| engine.exists(key.as_ref()))
    }

    /// Removes a record; answers whether there was one.
    #[pyo3(signature = (key, /))]
    fn remove(&self, py: Python<'_>, key: Key<'_>) -> Result<bool> {
        self.call(py, 0, |engine| engine.remove(key.as_ref()))
    }

    /// Writes into a value; answers whether there was such a record.
    #[pyo3(signature = (key, offset, data, /))]
    fn update(&self, py: Python<'_>, key: Key<'_>, offset: usize, data: Data<'_>) -> Result<bool> {
        let (key, data) = (key.as_ref(), data.as_ref());
        self.call(py, data.len(), |engine| engine.update(key, offset, data))
    }

    /// Puts a value in place of the expected one; answers whether it was there.
    #[pyo3(signature = (key, expected, new, /))]
    fn compare_and_swap(
        &self,
        py: Python<'_>,
        key: Key<'_>,
        expected: Option<Data<'_>>,
        new: Option<Data<'_>>,
    ) -> Result<bool> {
        let (expected, new) = (expected.as_ref().map(AsRef::as_ref), new.as_ref().map(AsRef::as_ref));
        let bytes = new.map_or(0, <[u8]>::len);
        self.call(py, bytes, |engine| engine.compare_and_swap(key.as_ref(), expected, new))
    }

    // ---- many records

    /// Puts many records, or none.
    #[pyo3(signature = (entries, /))]
    fn put_many(&self, entries: &Bound<'_, PyAny>) -> Result<()> {
        let pairs = pairs(entries)?;
        let held = pairs
            .iter()
            .map(|(key, value)| Ok((key.extract()?, value.extract()?)))
            .collect::<PyResult<Vec<(Key<'_>, Data<'_>)>>>()?;
        let records: Vec<_> = held.iter().map(|(key, value)| (key.as_ref(), value.as_ref())).collect();
        Ok(entries.py().detach(|| self.engine.put_many(&records))?)
    }

    /// The values of many keys, by key.
    #[pyo3(signature = (keys, /))]
    fn get_many<'py>(&self, keys: &Bound<'py, PyAny>) -> Result<Bound<'py, PyDict>> {
        let py = keys.py();
        let objects = keys.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        let held = objects.iter().map(|key| key.extract()).collect::<PyResult<Vec<Key<'_>>>>()?;
        let keys: Vec<&[u8]> = held.iter().map(AsRef::as_ref).collect();
        let values = py.detach(|| self.engine.get_many(&keys))?;
        let answer = PyDict::new(py);
        for ((object, key), value) in objects.iter().zip(keys).zip(values) {
            let value = value.map(|value| to_python(py, &value)).transpose()?;
            match object.cast_exact::<PyBytes>() {
                Ok(key) => answer.set_item(key, value)?,
                Err(_) => answer.set_item(PyBytes::new(py, key), value)?,
            }
        }
        Ok(answer)
    }

    /// How many records a range has.
    #[pyo3(signature = (which, key=None, key2=None, /))]
    fn count(&self, py: Python<'_>, which: &str, key: Option<Key<'_>>, key2: Option<Key<'_>>) -> Result<u64> {
        let range = range(which, key.as_ref(), key2.as_ref())?;
        Ok(py.detach(|| self.engine.count(range))?)
    }

    /// Calls back for each record of a range.
    #[pyo3(signature = (which, key, key2, shape, callback, /))]
    fn each(
        &self,
        which: &str,
        key: Option<Key<'_>>,
        key2: Option<Key<'_>>,
        shape: &str,
        callback: &Bound<'_, PyAny>,
    ) -> Result<()> {
        let py = callback.py();
        let range = range(which, key.as_ref(), key2.as_ref())?;
        let shape = shape_of(shape)?;
        let records = py.detach(|| self.engine.records(range, false, shape))?;
        NativeEngineRecords::new(records, shape).each(callback)
    }

    /// The records of a range.
    #[pyo3(signature = (which, key=None, key2=None, shape="items", reverse=false))]
    fn entries(
        &self,
        py: Python<'_>,
        which: &str,
        key: Option<Key<'_>>,
        key2: Option<Key<'_>>,
        shape: &str,
        reverse: bool,
    ) -> Result<NativeEngineRecords> {
        let range = range(which, key.as_ref(), key2.as_ref())?;
        let shape = shape_of(shape)?;
        let records = py.detach(|| self.engine.records(range, reverse, shape))?;
        Ok(NativeEngineRecords::new(records, shape))
    }

    /// An iterator as pmemkv has them.
    #[pyo3(signature = (write=false))]
    fn iterator(&self, py: Python<'_>, write: bool) -> Result<NativeEngineIterator> {
        let engine: &Engine = &self.engine;
        let iterator = py.detach(|| if write { engine.write_iterator() } else { engine.iterator() })?;
        Ok(NativeEngineIterator::new(iterator))
    }

    /// A transaction.
    fn transaction(&self, py: Python<'_>) -> Result<NativeEngineTransaction> {
        Ok(NativeEngineTransaction::new(py.detach(|| self.engine.transaction())?))
    }

    /// Moves records together.
    #[pyo3(signature = (start=0.0, amount=100.0))]
    fn defrag(&self, py: Python<'_>, start: f64, amount: f64) -> Result<()> {
        Ok(py.detach(|| self.engine.defrag(start, amount))?)
    }

    fn __repr__(&self) -> String {
        let state = if self.engine.is_closed() { ", stopped" } else { "" };
        format!("<millpond.NativeEngine {}{state}>", self.engine.name())
    }
}

/// The range of a name, with the keys that it takes.
fn range<'k>(which: &str, key: Option<&'k Key<'_>>, key2: Option<&'k Key<'_>>) -> PyResult<Range<'k>> {
    let (key, key2) = (key.map(AsRef::as_ref), key2.map(AsRef::as_ref));
    match (which, key, key2) {
        ("all", None, None) => Ok(Range::All),
        ("above", Some(key), None) => Ok(Range::Above(key)),
        ("equal_above", Some(key), None) => Ok(Range::EqualAbove(key)),
        ("below", Some(key), None) => Ok(Range::Below(key)),
        ("equal_below", Some(key), None) => Ok(Range::EqualBelow(key)),
        ("between", Some(first), Some(second)) => Ok(Range::Between(first, second)),
        _ => Err(PyValueError::new_err(format!(
            "{which:?} with these keys is no range: all takes none, between takes two, and above, equal_above, \
             below and equal_below take one"
        ))),
    }
}

fn shape_of(name: &str) -> PyResult<Shape> {
    match name {
        "keys" => Ok(Shape::Keys),
        "items" => Ok(Shape::Items),
        _ => Err(PyValueError::new_err(format!("the shape is \"keys\" or \"items\", not {name:?}"))),
    }
}
