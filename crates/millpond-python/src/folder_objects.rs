//! Many objects of a folder of disk-objectstore, one after the other, and what is known of them.

use millpond::BlobId;
use millpond_disk_objectstore::{Folder, Found, Ids, ObjectMeta, ObjectReader, Objects};
use pyo3::{
    Borrowed,
    exceptions::PyTypeError,
    prelude::*,
    types::{PyString, PyTuple},
};

use crate::{
    arguments::type_name,
    blobs::text,
    errors::{Failure, Result},
    handle::Owned,
    reader::NativeReader,
    value::to_python,
};

/// Ids of a page of a list: the interpreter is let go of for so many at a time.
const IDS_AT_A_TIME: usize = 512;

/// The key of an object; none where there can be no object of that key.
pub struct Key(pub Option<BlobId>);

impl<'a, 'py> FromPyObject<'a, 'py> for Key {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let text = object.cast::<PyString>().map_err(|_| {
            PyTypeError::new_err(format!("the key of an object is a str, not {}", type_name(object)))
        })?;
        // One that isn't even text is no id either.
        Ok(Self(text.to_str().ok().and_then(|text| text.parse().ok())))
    }
}

/// The ids among the keys.
pub fn ids_of(keys: &Bound<'_, PyAny>) -> PyResult<Vec<BlobId>> {
    keys.try_iter()?.filter_map(|key| key.and_then(|key| Ok(key.extract::<Key>()?.0)).transpose()).collect()
}

/// The fields of `ObjectMeta`: type, size, and where it lies if it is packed: pack, whether it is compressed,
/// offset and length.
pub type MetaRow = (&'static str, Option<u64>, Option<i64>, Option<bool>, Option<u64>, Option<u64>);

pub fn meta_row(meta: &ObjectMeta) -> MetaRow {
    match meta {
        ObjectMeta::Loose { size } => ("loose", Some(*size), None, None, None, None),
        ObjectMeta::Packed(place) => (
            "packed",
            Some(place.size),
            Some(place.pack.number()),
            Some(place.is_compressed),
            Some(place.offset),
            Some(place.length),
        ),
        ObjectMeta::Missing => ("missing", None, None, None, None, None),
    }
}

/// Many objects of a folder, as tuples of the key, the stream if there is one, and what is known.
#[pyclass(frozen, module = "millpond._millpond")]
pub struct FolderObjects {
    inner: Owned<Walk>,
}

struct Walk {
    objects: Objects,
    /// Keys that no object can have, in reverse; they come last.
    strange: Vec<String>,
}

impl Walk {
    /// The next object, or else the next strange key.
    fn next(&mut self) -> millpond::Result<(Option<Found>, Option<String>)> {
        let found = self.objects.next().transpose()?;
        let strange = if found.is_none() { self.strange.pop() } else { None };
        Ok((found, strange))
    }
}

impl FolderObjects {
    pub fn new(
        py: Python<'_>,
        folder: &Folder,
        keys: &Bound<'_, PyAny>,
        skip_if_missing: bool,
        with_streams: bool,
    ) -> Result<Self> {
        let (mut ids, mut strange) = (Vec::new(), Vec::new());
        for key in keys.try_iter()? {
            let key = key?;
            match key.extract::<Key>()?.0 {
                Some(id) => ids.push(id),
                None if skip_if_missing => {}
                None => strange.push(key.extract::<String>()?),
            }
        }
        strange.sort_unstable_by(|left, right| right.cmp(left));
        strange.dedup();
        let objects = py.detach(|| {
            folder.config()?;
            if with_streams {
                folder.streams(ids, skip_if_missing)
            } else {
                folder.metas(ids, skip_if_missing)
            }
        })?;
        Ok(Self { inner: Owned::new("an iterator over objects", Walk { objects, strange }) })
    }
}

#[pymethods]
impl FolderObjects {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyTuple>>> {
        let (found, strange) = py.detach(|| Ok::<_, Failure>(self.inner.lock()?.next()?))?;
        if let Some(found) = found {
            let reader = found.reader.map(|reader| {
                let size = reader.size();
                NativeReader::new(reader, size)
            });
            let row = (text(py, &found.id), reader, meta_row(&found.meta));
            return Ok(Some(row.into_pyobject(py)?));
        }
        let Some(key) = strange else { return Ok(None) };
        let row = (key, None::<NativeReader>, meta_row(&ObjectMeta::Missing));
        Ok(Some(row.into_pyobject(py)?))
    }
}

/// Many objects of a folder, as pairs of the key and the content, None for missing ones.
#[pyclass(frozen, module = "millpond._millpond")]
pub struct FolderContents {
    objects: FolderObjects,
}

impl FolderContents {
    pub fn new(objects: FolderObjects) -> Self {
        Self { objects }
    }
}

#[pymethods]
impl FolderContents {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyTuple>>> {
        let (found, strange) = py.detach(|| {
            let (found, strange) = self.objects.inner.lock()?.next()?;
            let found = found.map(|Found { id, reader, .. }| {
                Ok::<_, millpond::Error>((id, reader.map(ObjectReader::content).transpose()?))
            });
            Ok::<_, Failure>((found.transpose()?, strange))
        })?;
        if let Some((id, content)) = found {
            let content = content.map(|content| to_python(py, &content)).transpose()?;
            return Ok(Some((text(py, &id), content).into_pyobject(py)?));
        }
        let Some(key) = strange else { return Ok(None) };
        Ok(Some((key, None::<NativeReader>).into_pyobject(py)?))
    }
}

struct Page {
    ids: Ids,
    /// In reverse.
    ready: Vec<BlobId>,
}

/// Walks over the ids of a folder.
#[pyclass(frozen, module = "millpond._millpond")]
pub struct FolderIds {
    inner: Owned<Page>,
}

impl FolderIds {
    pub fn new(ids: Ids) -> Self {
        Self { inner: Owned::new("an iterator over ids of objects", Page { ids, ready: Vec::new() }) }
    }
}

#[pymethods]
impl FolderIds {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyString>>> {
        let id = py.detach(|| {
            let mut page = self.inner.lock()?;
            if page.ready.is_empty() {
                let ids = page.ids.by_ref().take(IDS_AT_A_TIME).collect::<millpond::Result<Vec<_>>>()?;
                page.ready = ids;
                page.ready.reverse();
            }
            Ok::<_, Failure>(page.ready.pop())
        })?;
        Ok(id.map(|id| text(py, &id)))
    }
}
