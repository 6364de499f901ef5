//! The class `Dict`: a mutable mapping of bytes to bytes.

use pyo3::{
    prelude::*,
    types::{PyBytes, PyDict, PyTuple},
};

use crate::{
    arguments::{Key, Value, durability_name},
    bulk,
    container::Container,
    errors::{Result, key_not_found},
    handle::Handle,
    iterator::{DictIterator, Shape},
    package,
    range::DictRange,
    value::to_python,
};

/// A persistent, ordered dictionary.
#[pyclass(frozen, mapping, module = "millpond")]
pub struct Dict {
    pub inner: Handle<millpond::Dict>,
}

impl Dict {
    pub fn new(inner: millpond::Dict) -> Self {
        Self { inner: Handle::new(inner) }
    }

    fn missing(&self, key: &Bound<'_, PyAny>) -> PyErr {
        let place = Container::place(self.inner.container());
        key_not_found(key, &format!("the dictionary {} of {place}", self.inner.name()))
    }

    fn all(&self, reverse: bool) -> DictRange {
        DictRange::new(&self.inner, millpond::DictRange { reverse, ..Default::default() })
    }
}

/// What `pop` answers of a missing key, if anything.
pub struct Fallback<'py>(pub Option<Bound<'py, PyAny>>);

impl<'a, 'py> FromPyObject<'a, 'py> for Fallback<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Ok(Self(Some(object.to_owned())))
    }
}

#[pymethods]
impl Dict {
    /// The dictionary's name in its container.
    #[getter]
    fn name(&self) -> &str {
        self.inner.name()
    }

    /// The container that it is in.
    #[getter]
    fn container(&self) -> Container {
        Container::new(self.inner.container().clone())
    }

    // ---- one key

    /// The value of a key, or the default.
    #[pyo3(signature = (key, default=None, /))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: Key<'_>,
        default: Option<Bound<'py, PyAny>>,
    ) -> Result<Option<Bound<'py, PyAny>>> {
        let found = py.detach(|| self.inner.get(key.as_ref()))?;
        match found {
            Some(value) => Ok(Some(to_python(py, &value)?.into_any())),
            None => Ok(default),
        }
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> Result<Bound<'py, PyBytes>> {
        let py = key.py();
        let bytes: Key<'_> = key.extract()?;
        match py.detach(|| self.inner.get(bytes.as_ref()))? {
            Some(value) => Ok(to_python(py, &value)?),
            None => Err(self.missing(key).into()),
        }
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> Result<bool> {
        // As of a dict, one may ask whether anything at all is in it.
        let Ok(bytes) = key.extract::<Key<'_>>() else { return Ok(false) };
        Ok(key.py().detach(|| self.inner.contains(bytes.as_ref()))?)
    }

    /// Bytes in the value of a key, without reading it.
    #[pyo3(signature = (key, /))]
    fn value_length(&self, key: &Bound<'_, PyAny>) -> Result<u64> {
        let bytes: Key<'_> = key.extract()?;
        let length = key.py().detach(|| self.inner.value_length(bytes.as_ref()))?;
        Ok(length.ok_or_else(|| self.missing(key))?)
    }

    /// Sets the value of a key; answers whether the key existed.
    #[pyo3(signature = (key, value, /))]
    fn put(&self, py: Python<'_>, key: Key<'_>, value: Value<'_>) -> Result<bool> {
        Ok(py.detach(|| self.inner.put(key.as_ref(), value.as_ref()))?)
    }

    fn __setitem__(&self, py: Python<'_>, key: Key<'_>, value: Value<'_>) -> Result<()> {
        self.put(py, key, value)?;
        Ok(())
    }

    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> Result<()> {
        let bytes: Key<'_> = key.extract()?;
        if key.py().detach(|| self.inner.delete(bytes.as_ref()))? {
            return Ok(());
        }
        Err(self.missing(key).into())
    }

    /// Removes a key if it is there; answers whether it was.
    #[pyo3(signature = (key, /))]
    fn discard(&self, py: Python<'_>, key: Key<'_>) -> Result<bool> {
        Ok(py.detach(|| self.inner.delete(key.as_ref()))?)
    }

    /// Removes a key and answers its value, in one step; the default, if given, when it isn't there.
    #[pyo3(signature = (key, default=Fallback(None), /), text_signature = "($self, key, default=..., /)")]
    fn pop<'py>(&self, key: &Bound<'py, PyAny>, default: Fallback<'py>) -> Result<Bound<'py, PyAny>> {
        let py = key.py();
        let bytes: Key<'_> = key.extract()?;
        match (py.detach(|| self.inner.take(bytes.as_ref()))?, default.0) {
            (Some(value), _) => Ok(to_python(py, &value)?.into_any()),
            (None, Some(default)) => Ok(default),
            (None, None) => Err(self.missing(key).into()),
        }
    }

    /// Removes the greatest key and answers it with its value, in one step.
    fn popitem<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        match py.detach(|| self.inner.take_last())? {
            Some((key, value)) => Ok((PyBytes::new(py, &key), to_python(py, &value)?)),
            None => Err(self.missing(py.None().bind(py)).into()),
        }
    }

    /// The value of a key, which is set to the default first if it isn't there, in one step.
    #[pyo3(signature = (key, default, /))]
    fn setdefault<'py>(&self, key: Key<'_>, default: &Bound<'py, PyAny>) -> Result<Bound<'py, PyBytes>> {
        let py = default.py();
        let value: Value<'_> = default.extract()?;
        let existing = py.detach(|| self.inner.insert_if_absent(key.as_ref(), value.as_ref()))?;
        Ok(match existing {
            Some(existing) => to_python(py, &existing)?,
            None => to_python(py, value.as_ref())?,
        })
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

    /// Everything, as a plain dict, as of one moment.
    fn dump<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
        bulk::dump(&*self.inner, py)
    }

    /// Everything, as a plain dict, as of one moment.
    fn copy<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
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
        self.all(false).iterate(py, Shape::Keys)
    }

    fn __reversed__(&self, py: Python<'_>) -> Result<DictIterator> {
        self.all(true).iterate(py, Shape::Keys)
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

    /// A part of the dictionary, to iterate over in order.
    #[pyo3(signature = (start=None, stop=None, *, prefix=None, reverse=false, after=None))]
    fn range(
        &self,
        start: Option<Key<'_>>,
        stop: Option<Key<'_>>,
        prefix: Option<Key<'_>>,
        reverse: bool,
        after: Option<Key<'_>>,
    ) -> DictRange {
        DictRange::bounded(
            &self.inner,
            start.map(Key::into_vec),
            stop.map(Key::into_vec),
            prefix.map(Key::into_vec),
            reverse,
            after.map(Key::into_vec),
        )
    }

    // ---- large values

    /// The value of a key as a binary file, read in bounded memory.
    #[pyo3(signature = (key, /))]
    fn reader<'py>(&self, key: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        let py = key.py();
        let bytes: Key<'_> = key.extract()?;
        let reader = py.detach(|| self.inner.reader(bytes.as_ref()))?;
        let reader = reader.ok_or_else(|| self.missing(key))?;
        let length = reader.len();
        let native = crate::reader::NativeReader::new(reader, length);
        Ok(package::streams(py)?.getattr("ValueReader")?.call1((native,))?)
    }

    /// A binary file that becomes the value of a key when it is committed, written in bounded memory.
    #[pyo3(signature = (key, /))]
    fn writer<'py>(&self, py: Python<'py>, key: Key<'_>) -> Result<Bound<'py, PyAny>> {
        let writer = py.detach(|| self.inner.writer(key.as_ref()))?;
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
        let url = package::portable(container.url())?;
        let arguments = (
            url,
            self.inner.name().to_owned(),
            container.is_read_only(),
            durability_name(container.durability()),
        );
        Ok((package::pickle(py)?.getattr("open_dict")?, arguments).into_pyobject(py)?)
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let count = match py.detach(|| self.inner.len()) {
            Ok(1) => "1 key".to_owned(),
            Ok(count) => format!("{count} keys"),
            // What can't be counted is still worth showing; the next use says why it can't.
            Err(error) => format!("{:?}", error.kind()).to_lowercase(),
        };
        format!(
            "<millpond.Dict {} of {}, {count}>",
            self.inner.name(),
            Container::place(self.inner.container())
        )
    }

    fn _repr_html_<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        package::display(slf.py())?.getattr("dict_html")?.call1((slf,))
    }
}
