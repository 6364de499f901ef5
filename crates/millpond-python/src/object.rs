//! The class `Object`: values and extents under dkeys and akeys.

use millpond::{Fetched, ObjectForm};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyDict, PyList, PyTuple},
};

use crate::{
    arguments::{Value, durability_name},
    container::Container,
    errors::Result,
    handle::Handle,
    object_lists::{AnchorArgument, ObjectExtents, ObjectKeys},
    package,
    records::{
        Asked, Id, Named, Presence, Records, counted, fill_buffer, items, key_to_python, new_bytes, of_punch,
        of_put, pairs, ranges_of, room,
    },
    value::to_python,
};

/// An object: values and extents of records, under dkeys and akeys.
#[pyclass(frozen, module = "millpond")]
pub struct Object {
    pub inner: Handle<millpond::Object>,
}

impl Object {
    pub fn new(inner: millpond::Object) -> Self {
        Self { inner: Handle::new(inner) }
    }

    pub fn open(py: Python<'_>, container: &millpond::Container, id: &Id) -> Result<Self> {
        Ok(Self::new(py.detach(|| container.object(id.0))?))
    }
}

/// Records to write: where from, their bytes, and the bytes in one.
struct Extent<'py> {
    start: u64,
    bytes: Bound<'py, PyAny>,
    record_bytes: u64,
}

/// The extents that an update writes to an akey: one `(start, buffer)` or `(start, buffer, record_size)`,
/// or a list of them.
fn extents_of<'py>(given: &Bound<'py, PyAny>) -> PyResult<Vec<Extent<'py>>> {
    let one = |given: &Bound<'py, PyAny>| match given.extract::<(u64, Bound<'py, PyAny>, u64)>() {
        Ok((start, bytes, record_bytes)) => Ok(Extent { start, bytes, record_bytes }),
        Err(_) => {
            let (start, bytes) = given.extract()?;
            Ok(Extent { start, bytes, record_bytes: 1 })
        }
    };
    match given.cast::<PyList>() {
        Ok(list) => list.iter().map(|given| one(&given)).collect(),
        Err(_) => Ok(vec![one(given)?]),
    }
}

#[pymethods]
impl Object {
    /// Its id, in 32 hexadecimal digits.
    #[getter]
    fn id(&self) -> String {
        self.inner.id().to_string()
    }

    /// The container that it is in.
    #[getter]
    fn container(&self) -> Container {
        Container::new(self.inner.container().clone())
    }

    /// Which dkeys it takes: ``"hashed"``, ``"integer"`` or ``"lexical"``.
    #[getter]
    fn dkey_kind(&self) -> String {
        self.inner.kind().dkeys.to_string()
    }

    /// Which akeys it takes: ``"hashed"``, ``"integer"`` or ``"lexical"``.
    #[getter]
    fn akey_kind(&self) -> String {
        self.inner.kind().akeys.to_string()
    }

    /// How it is to be spread over devices, by DAOS's name.
    #[getter]
    fn object_class(&self) -> String {
        self.inner.kind().class.to_string()
    }

    /// Whether it holds a 1-D array, which ``container.array`` opens.
    #[getter]
    fn is_array(&self) -> bool {
        self.inner.kind().form == ObjectForm::Array
    }

    /// Whether anything was written to it, and it wasn't punched since.
    fn exists(&self, py: Python<'_>) -> Result<bool> {
        Ok(py.detach(|| self.inner.exists())?)
    }

    // ---- one akey

    /// Sets the single value of an akey.
    #[pyo3(signature = (dkey, akey, value, *, if_dkey=None, if_akey=None))]
    fn put(
        &self,
        py: Python<'_>,
        dkey: Named,
        akey: Named,
        value: Value<'_>,
        if_dkey: Option<Presence>,
        if_akey: Option<Presence>,
    ) -> Result<()> {
        let conditions = of_put(if_dkey, if_akey);
        let bytes = value.as_ref();
        Ok(py.detach(|| {
            let mut update = self.inner.update(&dkey.0)?;
            update.single(&akey.0, bytes)?.condition(conditions)?;
            update.commit()
        })?)
    }

    /// The single value of an akey, or the default.
    #[pyo3(signature = (dkey, akey, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        dkey: Named,
        akey: Named,
        default: Option<Bound<'py, PyAny>>,
    ) -> Result<Option<Bound<'py, PyAny>>> {
        match py.detach(|| self.inner.get(&dkey.0, &akey.0))? {
            Some(value) => Ok(Some(to_python(py, &value)?.into_any())),
            None => Ok(default),
        }
    }

    /// Writes records of an array, from the record ``offset`` on.
    #[pyo3(signature = (dkey, akey, offset, buffer, record_size=1))]
    fn write(
        &self,
        py: Python<'_>,
        dkey: Named,
        akey: Named,
        offset: u64,
        buffer: Value<'_>,
        record_size: u64,
    ) -> Result<()> {
        let bytes = buffer.as_ref();
        Ok(py.detach(|| self.inner.write(&dkey.0, &akey.0, record_size, offset, bytes))?)
    }

    /// Records of an array, as bytes; those of holes are zeros.
    #[pyo3(signature = (dkey, akey, offset, count, record_size=1))]
    fn read<'py>(
        &self,
        py: Python<'py>,
        dkey: Named,
        akey: Named,
        offset: u64,
        count: u64,
        record_size: u64,
    ) -> Result<Bound<'py, PyBytes>> {
        let length = room(count, record_size)?;
        new_bytes(py, length, |into| self.inner.read(&dkey.0, &akey.0, record_size, offset, into))
    }

    /// Reads records of an array until the buffer is full; answers the holes among them, as pairs.
    #[pyo3(signature = (dkey, akey, offset, buffer, record_size=1))]
    fn readinto(
        &self,
        dkey: Named,
        akey: Named,
        offset: u64,
        buffer: &Bound<'_, PyAny>,
        record_size: u64,
    ) -> Result<Vec<(u64, u64)>> {
        let holes = fill_buffer(buffer, |into| self.inner.read(&dkey.0, &akey.0, record_size, offset, into))?;
        Ok(pairs(holes))
    }

    /// Which records of an array hold nothing, as pairs, without reading any.
    fn holes(
        &self,
        py: Python<'_>,
        dkey: Named,
        akey: Named,
        offset: u64,
        count: u64,
    ) -> Result<Vec<(u64, u64)>> {
        let records = counted(offset, count)?;
        Ok(pairs(py.detach(|| self.inner.holes(&dkey.0, &akey.0, records))?))
    }

    /// Bytes in a record of an akey's array; None where there is no such akey.
    fn record_size(&self, py: Python<'_>, dkey: Named, akey: Named) -> Result<Option<u64>> {
        let fetched = py.detach(|| self.inner.fetch(&dkey.0)?.extents(&akey.0, [])?.read())?;
        Ok(fetched.into_iter().find_map(|fetched| match fetched {
            Fetched::Extents(extents) => Some(extents.record_bytes),
            _ => None,
        }))
    }

    // ---- many akeys

    /// Changes many akeys of a dkey, in one atomic commit.
    #[pyo3(signature = (dkey, values=None, *, extents=None, holes=None, if_dkey=None, if_akey=None))]
    #[expect(clippy::too_many_arguments, reason = "they are the keywords of a Python method")]
    fn update(
        &self,
        py: Python<'_>,
        dkey: Named,
        values: Option<&Bound<'_, PyAny>>,
        extents: Option<&Bound<'_, PyAny>>,
        holes: Option<&Bound<'_, PyAny>>,
        if_dkey: Option<Presence>,
        if_akey: Option<&Bound<'_, PyAny>>,
    ) -> Result<()> {
        let asked = Asked::new(if_dkey, if_akey, false)?;
        let values = values.map_or(Ok(Vec::new()), items)?;
        let singles = values
            .iter()
            .map(|(akey, value)| Ok((akey.extract()?, value.extract()?)))
            .collect::<PyResult<Vec<(Named, Value<'_>)>>>()?;
        let mut written = Vec::new();
        for (akey, given) in extents.map_or(Ok(Vec::new()), items)? {
            written.extend(extents_of(&given)?.into_iter().map(|extent| (akey.clone(), extent)));
        }
        let written = written
            .iter()
            .map(|(akey, extent)| {
                Ok((akey.extract()?, extent.record_bytes, extent.start, extent.bytes.extract()?))
            })
            .collect::<PyResult<Vec<(Named, u64, u64, Value<'_>)>>>()?;
        let mut punched = Vec::new();
        for (akey, ranges) in holes.map_or(Ok(Vec::new()), items)? {
            punched.push((akey.extract::<Named>()?, ranges_of(&ranges)?));
        }
        Ok(py.detach(|| {
            let mut update = self.inner.update(&dkey.0)?;
            update.condition(asked.all)?;
            for (akey, conditions) in asked.akeys {
                update.akey_condition(akey, conditions)?;
            }
            for (akey, ranges) in &punched {
                for range in ranges {
                    update.punch_extent(&akey.0, range.clone())?;
                }
            }
            for (akey, value) in &singles {
                update.single(&akey.0, value.as_ref())?;
            }
            for (akey, record_bytes, start, bytes) in &written {
                update.extent(&akey.0, *record_bytes, *start, bytes.as_ref())?;
            }
            update.commit()
        })?)
    }

    /// Reads many akeys of a dkey, all of one state, as a dict.
    #[pyo3(signature = (dkey, akeys=None, *, extents=None, if_dkey=None, if_akey=None))]
    fn fetch<'py>(
        &self,
        py: Python<'py>,
        dkey: Named,
        akeys: Option<&Bound<'py, PyAny>>,
        extents: Option<&Bound<'py, PyAny>>,
        if_dkey: Option<Presence>,
        if_akey: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyDict>> {
        let asked = Asked::new(if_dkey, if_akey, true)?;
        let mut names = Vec::new();
        let mut wanted = Vec::new();
        for akey in akeys.map_or(Ok(Vec::new()), |akeys| akeys.try_iter()?.collect::<PyResult<Vec<_>>>())? {
            wanted.push((akey.extract::<Named>()?, None));
            names.push(akey);
        }
        for (akey, ranges) in extents.map_or(Ok(Vec::new()), items)? {
            wanted.push((akey.extract::<Named>()?, Some(ranges_of(&ranges)?)));
            names.push(akey);
        }
        let fetched = py.detach(|| {
            let mut fetch = self.inner.fetch(&dkey.0)?;
            fetch.condition(asked.all)?;
            for (akey, conditions) in asked.akeys {
                fetch.akey_condition(akey, conditions)?;
            }
            for (akey, ranges) in &wanted {
                match ranges {
                    None => fetch.single(&akey.0)?,
                    Some(ranges) => fetch.extents(&akey.0, ranges.iter().cloned())?,
                };
            }
            fetch.read()
        })?;
        let answer = PyDict::new(py);
        for (name, fetched) in names.into_iter().zip(fetched) {
            let bytes = match &fetched {
                Fetched::Absent => None,
                Fetched::Single(bytes) => Some(to_python(py, bytes)?),
                Fetched::Extents(extents) => Some(to_python(py, &extents.bytes)?),
            };
            answer.set_item(name, bytes)?;
        }
        Ok(answer)
    }

    // ---- punches

    /// Removes the object with all that it holds, in one atomic commit.
    #[pyo3(signature = (*, must_exist=false))]
    fn punch(&self, py: Python<'_>, must_exist: bool) -> Result<()> {
        Ok(py.detach(|| self.inner.punch(of_punch(must_exist)))?)
    }

    /// Removes dkeys with all that they hold, in one atomic commit.
    #[pyo3(signature = (dkeys, *, must_exist=false))]
    fn punch_dkeys(&self, py: Python<'_>, dkeys: Vec<Named>, must_exist: bool) -> Result<()> {
        let dkeys = dkeys.into_iter().map(|dkey| dkey.0);
        Ok(py.detach(|| self.inner.punch_dkeys(dkeys, of_punch(must_exist)))?)
    }

    /// Removes akeys of a dkey with all that they hold, in one atomic commit.
    #[pyo3(signature = (dkey, akeys, *, must_exist=false))]
    fn punch_akeys(&self, py: Python<'_>, dkey: Named, akeys: Vec<Named>, must_exist: bool) -> Result<()> {
        let akeys = akeys.into_iter().map(|akey| akey.0);
        Ok(py.detach(|| self.inner.punch_akeys(&dkey.0, akeys, of_punch(must_exist)))?)
    }

    /// Makes holes of records of an array, in one atomic commit.
    fn punch_extents(&self, dkey: Named, akey: Named, records: &Bound<'_, PyAny>) -> Result<()> {
        let ranges = ranges_of(records)?;
        Ok(records.py().detach(|| self.inner.punch_extents(&dkey.0, &akey.0, ranges))?)
    }

    // ---- lists

    /// Iterates over the dkeys.
    fn dkeys(&self, py: Python<'_>) -> Result<ObjectKeys> {
        Ok(ObjectKeys::new(py.detach(|| self.inner.list_dkeys())?))
    }

    /// Iterates over the akeys of a dkey.
    fn akeys(&self, py: Python<'_>, dkey: Named) -> Result<ObjectKeys> {
        Ok(ObjectKeys::new(py.detach(|| self.inner.list_akeys(&dkey.0))?))
    }

    /// Iterates over the extents of an akey's array.
    #[pyo3(signature = (dkey, akey, records=None))]
    fn extents(
        &self,
        py: Python<'_>,
        dkey: Named,
        akey: Named,
        records: Option<Records>,
    ) -> Result<ObjectExtents> {
        let records = records.map_or(0..u64::MAX, |records| records.0);
        Ok(ObjectExtents::new(py.detach(|| self.inner.list_extents_in(&dkey.0, &akey.0, records))?))
    }

    /// Goes on with a list, in the newest state.
    #[pyo3(signature = (anchor, /))]
    fn resume<'py>(&self, py: Python<'py>, anchor: AnchorArgument) -> Result<Bound<'py, PyAny>> {
        let anchor = anchor.0;
        if anchor.is_of_extents() {
            let extents = ObjectExtents::new(py.detach(|| self.inner.extents_from(&anchor))?);
            return Ok(Bound::new(py, extents)?.into_any());
        }
        let keys = ObjectKeys::new(py.detach(|| self.inner.keys_from(&anchor))?);
        Ok(Bound::new(py, keys)?.into_any())
    }

    /// Splits what an anchor has still to list, for scans in parallel.
    fn split(&self, py: Python<'_>, anchor: AnchorArgument, parts: usize) -> Result<Vec<String>> {
        let split = py.detach(|| self.inner.split(&anchor.0, parts))?;
        Ok(split.iter().map(ToString::to_string).collect())
    }

    // ---- queries

    /// The smallest dkey; None where there is none.
    fn smallest_dkey<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        let key = py.detach(|| self.inner.smallest_dkey())?;
        Ok(key.map(|key| key_to_python(py, &key)).transpose()?)
    }

    /// The largest dkey; None where there is none.
    fn largest_dkey<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        let key = py.detach(|| self.inner.largest_dkey())?;
        Ok(key.map(|key| key_to_python(py, &key)).transpose()?)
    }

    /// The smallest akey of a dkey; None where there is none.
    fn smallest_akey<'py>(&self, py: Python<'py>, dkey: Named) -> Result<Option<Bound<'py, PyAny>>> {
        let key = py.detach(|| self.inner.smallest_akey(&dkey.0))?;
        Ok(key.map(|key| key_to_python(py, &key)).transpose()?)
    }

    /// The largest akey of a dkey; None where there is none.
    fn largest_akey<'py>(&self, py: Python<'py>, dkey: Named) -> Result<Option<Bound<'py, PyAny>>> {
        let key = py.detach(|| self.inner.largest_akey(&dkey.0))?;
        Ok(key.map(|key| key_to_python(py, &key)).transpose()?)
    }

    /// The first extent of an array, as a pair; None where none of its records shows.
    fn smallest_extent(&self, py: Python<'_>, dkey: Named, akey: Named) -> Result<Option<(u64, u64)>> {
        let extent = py.detach(|| self.inner.smallest_extent(&dkey.0, &akey.0))?;
        Ok(extent.map(|extent| (extent.start, extent.end)))
    }

    /// The last extent of an array, as a pair; None where none of its records shows.
    fn largest_extent(&self, py: Python<'_>, dkey: Named, akey: Named) -> Result<Option<(u64, u64)>> {
        let extent = py.detach(|| self.inner.largest_extent(&dkey.0, &akey.0))?;
        Ok(extent.map(|extent| (extent.start, extent.end)))
    }

    /// The epoch of the newest change that the object still shows; 0 where there is none.
    fn newest_epoch(&self, py: Python<'_>) -> Result<u64> {
        Ok(py.detach(|| self.inner.newest_epoch())?.0)
    }

    // ---- the object of Python

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyTuple>> {
        reduce(py, &self.inner, "open_object")
    }

    fn __repr__(&self) -> String {
        format!("<millpond.Object {} of {}>", self.inner.id(), Container::place(self.inner.container()))
    }
}

/// A pickle of an object, or of an array: its place.
pub fn reduce<'py>(py: Python<'py>, object: &millpond::Object, opener: &str) -> Result<Bound<'py, PyTuple>> {
    let container = object.container();
    package::outside_of_transactions(container)?;
    let url = package::portable(container.url())?;
    let durability = durability_name(container.durability());
    let arguments = (url, object.id().to_string(), container.is_read_only(), durability);
    Ok((package::pickle(py)?.getattr(opener)?, arguments).into_pyobject(py)?)
}
