//! The class `OrderedMap`: a mutable mapping in an order of its own.

use millpond::Comparator;
use pyo3::{
    prelude::*,
    types::{PyBytes, PyDict, PyMemoryView, PyTuple},
};

use crate::{
    arguments::{KeyType, Value, durability_name},
    bulk,
    container::Container,
    dict::Fallback,
    errors::{Result, key_not_found},
    handle::Handle,
    iterator::{DictIterator, Shape},
    map_range::MapRange,
    map_seeker::MapSeeker,
    package,
    value::to_python,
    view::view_of,
};

/// A persistent map whose keys are in an order of its own.
#[pyclass(frozen, mapping, module = "millpond")]
pub struct OrderedMap {
    pub inner: Handle<millpond::OrderedMap>,
    keys: KeyType,
}

impl OrderedMap {
    pub fn new(inner: millpond::OrderedMap) -> Self {
        let keys = KeyType::of(inner.comparator());
        Self { inner: Handle::new(inner), keys }
    }

    fn missing(&self, key: &Bound<'_, PyAny>) -> PyErr {
        let place = Container::place(self.inner.container());
        key_not_found(key, &format!("the ordered map {} of {place}", self.inner.name()))
    }

    fn part(&self, range: millpond::MapRange) -> MapRange {
        MapRange::new(&self.inner, range)
    }

    fn vec(&self, key: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
        Ok(self.keys.extract(key)?.into_vec())
    }

    fn pair<'py>(&self, py: Python<'py>, key: &[u8], value: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
        (self.keys.to_python(py, key)?, to_python(py, value)?).into_pyobject(py)
    }

    /// The first entry of a range.
    fn first_of<'py>(
        &self,
        py: Python<'py>,
        range: millpond::MapRange,
    ) -> Result<Option<Bound<'py, PyTuple>>> {
        let entry = py.detach(|| self.inner.range(&range)?.next().transpose())?;
        Ok(entry.map(|(key, value)| self.pair(py, &key, &value)).transpose()?)
    }
}

#[pymethods]
impl OrderedMap {
    /// The map's name in its container.
    #[getter]
    fn name(&self) -> &str {
        self.inner.name()
    }

    /// The container that it is in.
    #[getter]
    fn container(&self) -> Container {
        Container::new(self.inner.container().clone())
    }

    /// The name of the order of its keys.
    #[getter]
    fn comparator(&self) -> &str {
        self.inner.comparator().name()
    }

    // ---- one key

    /// The value of a key, or the default.
    #[pyo3(signature = (key, default=None, /))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> Result<Option<Bound<'py, PyAny>>> {
        let py = key.py();
        let bytes = self.keys.extract(key)?;
        match py.detach(|| self.inner.get(bytes.as_ref()))? {
            Some(value) => Ok(Some(to_python(py, &value)?.into_any())),
            None => Ok(default),
        }
    }

    /// The value of a key as a memoryview, without a copy; None if there is none.
    #[pyo3(signature = (key, /))]
    fn get_view<'py>(&self, key: &Bound<'py, PyAny>) -> Result<Option<Bound<'py, PyMemoryView>>> {
        let py = key.py();
        let bytes = self.keys.extract(key)?;
        let value = py.detach(|| self.inner.get(bytes.as_ref()))?;
        Ok(value.map(|value| view_of(py, value)).transpose()?)
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> Result<Bound<'py, PyBytes>> {
        let py = key.py();
        let bytes = self.keys.extract(key)?;
        match py.detach(|| self.inner.get(bytes.as_ref()))? {
            Some(value) => Ok(to_python(py, &value)?),
            None => Err(self.missing(key).into()),
        }
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> Result<bool> {
        let Ok(bytes) = self.keys.extract(key) else { return Ok(false) };
        Ok(key.py().detach(|| self.inner.contains(bytes.as_ref()))?)
    }

    /// Bytes in the value of a key, without reading it.
    #[pyo3(signature = (key, /))]
    fn value_length(&self, key: &Bound<'_, PyAny>) -> Result<u64> {
        let bytes = self.keys.extract(key)?;
        let length = key.py().detach(|| self.inner.value_length(bytes.as_ref()))?;
        Ok(length.ok_or_else(|| self.missing(key))?)
    }

    /// Sets the value of a key; answers whether the key existed.
    #[pyo3(signature = (key, value, /))]
    fn put(&self, key: &Bound<'_, PyAny>, value: Value<'_>) -> Result<bool> {
        let bytes = self.keys.extract(key)?;
        Ok(key.py().detach(|| self.inner.put(bytes.as_ref(), value.as_ref()))?)
    }

    fn __setitem__(&self, key: &Bound<'_, PyAny>, value: Value<'_>) -> Result<()> {
        self.put(key, value)?;
        Ok(())
    }

    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> Result<()> {
        if self.discard(key)? {
            return Ok(());
        }
        Err(self.missing(key).into())
    }

    /// Removes a key if it is there; answers whether it was.
    #[pyo3(signature = (key, /))]
    fn discard(&self, key: &Bound<'_, PyAny>) -> Result<bool> {
        let bytes = self.keys.extract(key)?;
        Ok(key.py().detach(|| self.inner.delete(bytes.as_ref()))?)
    }

    /// Removes a key and answers its value, in one step; the default, if given, when it isn't there.
    #[pyo3(signature = (key, default=Fallback(None), /), text_signature = "($self, key, default=..., /)")]
    fn pop<'py>(&self, key: &Bound<'py, PyAny>, default: Fallback<'py>) -> Result<Bound<'py, PyAny>> {
        let py = key.py();
        let bytes = self.keys.extract(key)?;
        match (py.detach(|| self.inner.take(bytes.as_ref()))?, default.0) {
            (Some(value), _) => Ok(to_python(py, &value)?.into_any()),
            (None, Some(default)) => Ok(default),
            (None, None) => Err(self.missing(key).into()),
        }
    }

    /// Removes the last entry, or the first one, and answers it, in one step.
    #[pyo3(signature = (last=true))]
    fn popitem<'py>(&self, py: Python<'py>, last: bool) -> Result<Bound<'py, PyTuple>> {
        match py.detach(|| if last { self.inner.take_last() } else { self.inner.take_first() })? {
            Some((key, value)) => Ok(self.pair(py, &key, &value)?),
            None => Err(self.missing(py.None().bind(py)).into()),
        }
    }

    /// The value of a key, which is set to the default first if it isn't there, in one step.
    #[pyo3(signature = (key, default, /))]
    fn setdefault<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyBytes>> {
        let py = default.py();
        let bytes = self.keys.extract(key)?;
        let value: Value<'_> = default.extract()?;
        let existing = py.detach(|| self.inner.insert_if_absent(bytes.as_ref(), value.as_ref()))?;
        Ok(match existing {
            Some(existing) => to_python(py, &existing)?,
            None => to_python(py, value.as_ref())?,
        })
    }

    /// Puts a value in the place of another one, if it is still that; answers whether it was.
    #[pyo3(signature = (key, expected, new, /))]
    fn compare_and_swap(
        &self,
        key: &Bound<'_, PyAny>,
        expected: Option<Value<'_>>,
        new: Option<Value<'_>>,
    ) -> Result<bool> {
        let bytes = self.keys.extract(key)?;
        let (expected, new) = (expected.as_ref().map(AsRef::as_ref), new.as_ref().map(AsRef::as_ref));
        Ok(key.py().detach(|| self.inner.compare_and_swap(bytes.as_ref(), expected, new))?)
    }

    /// Writes over a part of a value, in one step.
    #[pyo3(signature = (key, offset, data, /))]
    fn update_in_place(&self, key: &Bound<'_, PyAny>, offset: u64, data: Value<'_>) -> Result<()> {
        let bytes = self.keys.extract(key)?;
        match key.py().detach(|| self.inner.update_in_place(bytes.as_ref(), offset, data.as_ref()))? {
            true => Ok(()),
            false => Err(self.missing(key).into()),
        }
    }

    // ---- many keys

    /// Sets many keys in one atomic commit.
    #[pyo3(signature = (entries, /))]
    fn bput(&self, entries: &Bound<'_, PyAny>) -> Result<()> {
        bulk::put(&*self.inner, entries, None)
    }

    /// Sets many keys and removes others in one atomic commit.
    #[pyo3(signature = (changes, /))]
    fn apply(&self, changes: &Bound<'_, PyAny>) -> Result<()> {
        bulk::apply(&*self.inner, changes)
    }

    /// The values of many keys, as of one moment; None where there is no such key.
    #[pyo3(signature = (keys, /))]
    fn bget<'py>(&self, keys: &Bound<'py, PyAny>) -> Result<Bound<'py, PyDict>> {
        bulk::get(&*self.inner, keys)
    }

    /// Everything, as a plain dict in the map's order, as of one moment.
    fn dump<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
        bulk::dump(&*self.inner, py)
    }

    /// Sets many keys in one atomic commit, as :meth:`bput` does.
    #[pyo3(signature = (other=None, /, **keywords), text_signature = "($self, other=(), /, **keywords)")]
    fn update(
        &self,
        py: Python<'_>,
        other: Option<&Bound<'_, PyAny>>,
        keywords: Option<&Bound<'_, PyDict>>,
    ) -> Result<()> {
        match other {
            Some(other) => bulk::put(&*self.inner, other, keywords),
            None => bulk::put(&*self.inner, &PyTuple::empty(py), keywords),
        }
    }

    fn __ior__(&self, other: &Bound<'_, PyAny>) -> Result<()> {
        bulk::put(&*self.inner, other, None)
    }

    /// Removes everything.
    fn clear(&self, py: Python<'_>) -> Result<()> {
        Ok(py.detach(|| self.inner.clear())?)
    }

    fn __len__(&self, py: Python<'_>) -> Result<usize> {
        Ok(usize::try_from(py.detach(|| self.inner.len())?).unwrap_or(usize::MAX))
    }

    fn __bool__(&self, py: Python<'_>) -> Result<bool> {
        Ok(!py.detach(|| self.inner.is_empty())?)
    }

    fn __eq__<'py>(&self, other: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        bulk::equal(&*self.inner, other)
    }

    // ---- in order

    fn __iter__(&self, py: Python<'_>) -> Result<DictIterator> {
        self.part(millpond::MapRange::all()).iterate(py, Shape::Keys)
    }

    fn __reversed__(&self, py: Python<'_>) -> Result<DictIterator> {
        self.part(millpond::MapRange::all().reversed()).iterate(py, Shape::Keys)
    }

    /// The keys, in order: a live view, with the operations of a set.
    fn keys<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        package::views(slf.py())?.getattr("DictKeys")?.call1((slf,))
    }

    /// The entries, in the order of their keys: a live view.
    fn items<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        package::views(slf.py())?.getattr("DictItems")?.call1((slf,))
    }

    /// The values, in the order of their keys: a live view.
    fn values<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        package::views(slf.py())?.getattr("DictValues")?.call1((slf,))
    }

    /// The first entry; None where there is none.
    fn first<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyTuple>>> {
        self.first_of(py, millpond::MapRange::all())
    }

    /// The last entry; None where there is none.
    fn last<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyTuple>>> {
        self.first_of(py, millpond::MapRange::all().reversed())
    }

    /// The keys from a start, up to but without a stop.
    #[pyo3(signature = (start=None, stop=None, *, reverse=false))]
    fn range(
        &self,
        start: Option<&Bound<'_, PyAny>>,
        stop: Option<&Bound<'_, PyAny>>,
        reverse: bool,
    ) -> Result<MapRange> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let start = start.map_or(Ok(Unbounded), |key| self.vec(key).map(Included))?;
        let end = stop.map_or(Ok(Unbounded), |key| self.vec(key).map(Excluded))?;
        Ok(self.part(millpond::MapRange { start, end, reverse }))
    }

    /// The keys behind a key.
    #[pyo3(signature = (key, /))]
    fn above(&self, key: &Bound<'_, PyAny>) -> Result<MapRange> {
        Ok(self.part(millpond::MapRange::above(self.vec(key)?)))
    }

    /// A key, and those behind it.
    #[pyo3(signature = (key, /))]
    fn equal_above(&self, key: &Bound<'_, PyAny>) -> Result<MapRange> {
        Ok(self.part(millpond::MapRange::equal_above(self.vec(key)?)))
    }

    /// The keys before a key.
    #[pyo3(signature = (key, /))]
    fn below(&self, key: &Bound<'_, PyAny>) -> Result<MapRange> {
        Ok(self.part(millpond::MapRange::below(self.vec(key)?)))
    }

    /// A key, and those before it.
    #[pyo3(signature = (key, /))]
    fn equal_below(&self, key: &Bound<'_, PyAny>) -> Result<MapRange> {
        Ok(self.part(millpond::MapRange::equal_below(self.vec(key)?)))
    }

    /// The keys behind one and before another.
    #[pyo3(signature = (start, end, /))]
    fn between(&self, start: &Bound<'_, PyAny>, end: &Bound<'_, PyAny>) -> Result<MapRange> {
        Ok(self.part(millpond::MapRange::between(self.vec(start)?, self.vec(end)?)))
    }

    /// An iterator that seeks, steps both ways and writes.
    fn seeker(&self) -> MapSeeker {
        MapSeeker::new(self.inner.seeker(), self.keys)
    }

    // ---- large values

    /// The value of a key as a binary file, read in bounded memory.
    #[pyo3(signature = (key, /))]
    fn reader<'py>(&self, key: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        let py = key.py();
        let bytes = self.keys.extract(key)?;
        let reader = py.detach(|| self.inner.reader(bytes.as_ref()))?;
        let reader = reader.ok_or_else(|| self.missing(key))?;
        let length = reader.len();
        let native = crate::reader::NativeReader::new(reader, length);
        Ok(package::streams(py)?.getattr("ValueReader")?.call1((native,))?)
    }

    /// A binary file that becomes the value of a key when it is committed, written in bounded memory.
    #[pyo3(signature = (key, /))]
    fn writer<'py>(&self, key: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        let py = key.py();
        let bytes = self.keys.extract(key)?;
        let writer = py.detach(|| self.inner.writer(bytes.as_ref()))?;
        let native = crate::writer::NativeWriter::new(writer);
        Ok(package::streams(py)?.getattr("ValueWriter")?.call1((native,))?)
    }

    // ---- the object

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> Result<()> {
        let container = self.inner.container();
        if !container.is_in_transaction() {
            py.detach(|| container.flush())?;
        }
        Ok(())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyTuple>> {
        let container = self.inner.container();
        package::outside_of_transactions(container)?;
        let arguments = (
            package::portable(container.url())?,
            self.inner.name().to_owned(),
            container.is_read_only(),
            durability_name(container.durability()),
        );
        Ok((package::pickle(py)?.getattr("open_map")?, arguments).into_pyobject(py)?)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let count = match py.detach(|| self.inner.len()) {
            Ok(1) => "1 key".to_owned(),
            Ok(count) => format!("{count} keys"),
            // What can't be counted is still worth showing; the next use says why it can't.
            Err(error) => format!("{:?}", error.kind()).to_lowercase(),
        };
        format!(
            "<millpond.OrderedMap {} of {}, by {}, {count}>",
            self.inner.name(),
            Container::place(self.inner.container()),
            self.comparator()
        )
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        package::display(slf.py())?.getattr("map_html")?.call1((slf,))
    }
}

/// Registers an order in this process: what :func:`millpond.register_comparator` calls.
#[pyfunction]
#[pyo3(signature = (name, key, /))]
pub fn register_comparator(name: &str, key: Py<PyAny>) -> Result<()> {
    Comparator::register(name, move |bytes| {
        Python::attach(|py| {
            let made = key.bind(py).call1((PyBytes::new(py, bytes),))?;
            let made: Value<'_> = made.extract()?;
            Ok(made.as_ref().to_vec())
        })
        .map_err(|error: PyErr| {
            // It arrives unchanged.
            millpond::Error::io("the function of a comparator failed", std::io::Error::other(error))
        })
    })?;
    Ok(())
}
