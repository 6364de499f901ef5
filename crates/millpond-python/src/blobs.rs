//! The class `Blobs`: a content-addressed store.

use std::{
    collections::{BTreeMap, VecDeque},
    io::Read,
    path::PathBuf,
};

use bytes::Bytes;
use millpond::{
    BlobId, BlobRead, BlobSource, BlobStore, Compression, Error, ErrorKind, InsertOptions, OptimizeOptions,
};
use millpond_disk_objectstore::{Folder, MigrateOptions, Migrated};
use pyo3::{
    Borrowed,
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBytes, PyIterator, PyString, PyTuple},
};

use crate::{
    arguments::{Value, durability_name},
    container::Container,
    errors::{Failure, Result},
    handle::{Handle, Owned},
    package,
    reader::NativeReader,
    told::Told,
    value::to_python,
};

/// Ids of a page of a list: the interpreter is let go of for so many at a time.
const IDS_AT_A_TIME: usize = 512;

/// Blobs that are read while the interpreter is let go of, at most, and bytes of them.
const READ_AHEAD_BLOBS: usize = 64;
const READ_AHEAD_BYTES: usize = 1 << 20;

/// A content-addressed store of immutable blobs.
#[pyclass(frozen, module = "millpond")]
pub struct Blobs {
    pub inner: Handle<millpond::Blobs>,
}

impl Blobs {
    pub fn new(inner: millpond::Blobs) -> Self {
        Self { inner: Handle::new(inner) }
    }
}

/// The id of a blob: a `str` of hexadecimal digits.
pub struct Id(pub BlobId);

impl<'a, 'py> FromPyObject<'a, 'py> for Id {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let text = object
            .cast::<PyString>()
            .map_err(|_| PyTypeError::new_err("the id of a blob is a str of hexadecimal digits"))?;
        Ok(Self(text.to_str()?.parse().map_err(Failure::from)?))
    }
}

/// The text of an id.
pub fn text<'py>(py: Python<'py>, id: &BlobId) -> Bound<'py, PyString> {
    PyString::new(py, id.text(&mut [0; BlobId::TEXT_MAX]))
}

/// What is inserted: bytes-like, a path object, or a binary file.
struct Source(BlobSource<'static>);

impl<'a, 'py> FromPyObject<'a, 'py> for Source {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self(bytes.as_bytes().to_vec().into()));
        }
        if object.hasattr("read")? {
            return Ok(Self(BlobSource::Reader(Box::new(PythonReader(object.to_owned().unbind())))));
        }
        if object.is_instance_of::<PyString>() {
            let hint = "a blob is inserted from bytes, a binary file or a pathlib.Path, not from a str: \
                        encode a text, or wrap a path in pathlib.Path()";
            return Err(PyTypeError::new_err(hint));
        }
        if object.hasattr("__fspath__")? {
            return Ok(Self(BlobSource::Path(object.extract()?)));
        }
        let value: Value<'_> = object.extract()?;
        Ok(Self(value.as_ref().to_vec().into()))
    }
}

/// A binary file of Python's, read with the interpreter attached for each part.
pub struct PythonReader(pub Py<PyAny>);

impl Read for PythonReader {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        Python::attach(|py| {
            py.check_signals()?;
            let part = self.0.bind(py).call_method1("read", (into.len(),))?;
            let value: Value<'_> = part.extract().map_err(|_| {
                PyTypeError::new_err("a file that a blob is inserted from has to be open in binary mode")
            })?;
            let bytes = value.as_ref();
            if bytes.len() > into.len() {
                return Err(PyTypeError::new_err("read() of a file answered more than it was asked for"));
            }
            into[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        })
        .map_err(std::io::Error::from)
    }
}

/// Options of an insert, from what Python names.
fn options(
    compression: Option<&str>,
    recompress: bool,
    note: Option<Value<'_>>,
) -> millpond::Result<InsertOptions> {
    Ok(InsertOptions {
        compression: compression.map(str::parse).transpose()?,
        recompress,
        note: note.map(|note| note.as_ref().to_vec().into()),
    })
}

#[pymethods]
impl Blobs {
    /// The store's name in its container.
    #[getter]
    fn name(&self) -> &str {
        self.inner.name()
    }

    /// The container that it is in.
    #[getter]
    fn container(&self) -> Container {
        Container::new(self.inner.container().clone())
    }

    /// The hash that names its blobs.
    #[getter]
    fn hash_type(&self) -> &'static str {
        self.inner.settings().hash.as_str()
    }

    /// How blobs are stored that look worth compressing.
    #[getter]
    fn compression(&self) -> String {
        self.inner.settings().compression.to_string()
    }

    /// Stores a blob, unless it is there already; answers its id.
    #[pyo3(signature = (source, /, *, compression=None, recompress=false, note=None))]
    fn insert<'py>(
        &self,
        source: &Bound<'py, PyAny>,
        compression: Option<&str>,
        recompress: bool,
        note: Option<Value<'_>>,
    ) -> Result<Bound<'py, PyString>> {
        let py = source.py();
        let options = options(compression, recompress, note)?;
        let inserted = if let Ok(bytes) = source.cast::<PyBytes>() {
            // They can't change, and the caller holds them.
            let bytes = bytes.as_bytes();
            py.detach(|| self.inner.insert(bytes.into(), &options))?
        } else {
            let Source(source) = source.extract()?;
            py.detach(|| self.inner.insert(source, &options))?
        };
        Ok(text(py, &inserted.id))
    }

    /// Stores many blobs, many of them with one sync; answers their ids, in the order of the sources.
    #[pyo3(signature = (sources, /, *, compression=None, recompress=false, note=None))]
    fn insert_many(
        &self,
        py: Python<'_>,
        sources: &Bound<'_, PyAny>,
        compression: Option<&str>,
        recompress: bool,
        note: Option<Value<'_>>,
    ) -> Result<BlobInsertions> {
        let options = options(compression, recompress, note)?;
        let sources = Sources(sources.try_iter()?.unbind());
        let insertions = py.detach(|| self.inner.insertions(Box::new(sources), &options))?;
        Ok(BlobInsertions { inner: Owned::new("an iterator that inserts blobs", insertions) })
    }

    /// All of a blob; or, with ``into``, copies it to a binary file and answers how many bytes it has.
    #[pyo3(signature = (id, /, into=None))]
    fn extract<'py>(
        &self,
        py: Python<'py>,
        id: Id,
        into: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let Some(into) = into else {
            let content = py.detach(|| self.inner.extract(&id.0))?;
            return Ok(to_python(py, &content)?.into_any());
        };
        let mut writer = PythonWriter(into.unbind());
        let copied = py.detach(|| self.inner.extract_into(&id.0, &mut writer))?;
        Ok(copied.into_pyobject(py).map_err(PyErr::from)?.into_any())
    }

    /// Many blobs, as pairs of an id and the content, or None where there is no such blob; in whatever
    /// order is fast.
    #[pyo3(signature = (ids, /))]
    fn extract_many(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> Result<BlobExtractions> {
        self.extractions(py, ids, false)
    }

    /// Many blobs, as pairs of an id and a file, or None where there is no such blob; in whatever order is
    /// fast.
    #[pyo3(signature = (ids, /))]
    fn open_many(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> Result<BlobExtractions> {
        self.extractions(py, ids, true)
    }

    /// A blob as a binary file.
    #[pyo3(signature = (id, /))]
    fn open<'py>(&self, py: Python<'py>, id: Id) -> Result<Bound<'py, PyAny>> {
        let reader = py.detach(|| self.inner.reader(&id.0))?;
        let reader = reader.ok_or_else(|| missing(&self.inner, &id.0))?;
        let length = reader.len();
        open_file(py, NativeReader::new(reader, length))
    }

    /// Whether there is a blob of that id.
    fn __contains__(&self, id: &Bound<'_, PyAny>) -> Result<bool> {
        // As of a set, one may ask whether anything at all is in it.
        let Ok(Id(id)) = id.extract::<Id>() else { return Ok(false) };
        Ok(self.inner.has(&id)?)
    }

    /// Which of many ids there are, in their order.
    #[pyo3(signature = (ids, /))]
    fn has_many(&self, py: Python<'_>, ids: &Bound<'_, PyAny>) -> Result<Vec<bool>> {
        let ids = ids_of(ids)?;
        Ok(py.detach(|| self.inner.has_many(&ids))?)
    }

    /// What is known of a blob.
    #[pyo3(signature = (id, /))]
    fn meta<'py>(&self, py: Python<'py>, id: Id) -> Result<Bound<'py, PyAny>> {
        let meta = py.detach(|| self.inner.meta(&id.0))?;
        meta_to_python(py, &meta.ok_or_else(|| missing(&self.inner, &id.0))?)
    }

    /// What is known of many blobs, in the order of the ids; None where there is no such blob.
    #[pyo3(signature = (ids, /))]
    fn meta_many<'py>(
        &self,
        py: Python<'py>,
        ids: &Bound<'_, PyAny>,
    ) -> Result<Vec<Option<Bound<'py, PyAny>>>> {
        let ids = ids_of(ids)?;
        let metas = py.detach(|| self.inner.meta_many(&ids))?;
        metas.iter().map(|meta| meta.as_ref().map(|meta| meta_to_python(py, meta)).transpose()).collect()
    }

    fn __len__(&self, py: Python<'_>) -> Result<usize> {
        let count = py.detach(|| self.inner.count())?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn __iter__(&self, py: Python<'_>) -> Result<BlobIds> {
        let ids = py.detach(|| self.inner.list())?;
        Ok(BlobIds { inner: Owned::new("an iterator over blobs", Page { ids, ready: Vec::new() }) })
    }

    /// The ids of all blobs, sorted.
    fn list<'py>(&self, py: Python<'py>) -> Result<Vec<Bound<'py, PyString>>> {
        let ids = py.detach(|| self.inner.list()?.collect::<millpond::Result<Vec<_>>>())?;
        Ok(ids.iter().map(|id| text(py, id)).collect())
    }

    /// How many blobs and bytes it holds.
    fn status<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let status = py.detach(|| self.inner.status())?;
        package::answer(py, "blobs_status", &status)
    }

    /// Deletes what is there of the ids; answers those.
    #[pyo3(signature = (ids, /))]
    fn delete<'py>(&self, py: Python<'py>, ids: &Bound<'_, PyAny>) -> Result<Vec<Bound<'py, PyString>>> {
        let ids = ids_of(ids)?;
        let deleted = py.detach(|| self.inner.delete(&ids))?;
        Ok(deleted.iter().map(|id| text(py, id)).collect())
    }

    /// Notes something about a blob, in place of what was noted before; nothing where it is empty.
    #[pyo3(signature = (id, note, /))]
    fn set_note(&self, py: Python<'_>, id: Id, note: Value<'_>) -> Result<()> {
        let note = note.as_ref();
        Ok(py.detach(|| self.inner.set_note(&id.0, note))?)
    }

    /// The id that a blob would have; nothing is stored.
    #[pyo3(signature = (source, /))]
    fn hash_of<'py>(&self, source: &Bound<'py, PyAny>) -> Result<Bound<'py, PyString>> {
        let py = source.py();
        let Source(source) = source.extract()?;
        Ok(text(py, &py.detach(|| self.inner.hash_of(source))?))
    }

    /// Compresses what looks worth it and isn't compressed, and gives back what that leaves.
    #[pyo3(signature = (*, compression=None, recompress=false, progress=None))]
    fn optimize<'py>(
        &self,
        py: Python<'py>,
        compression: Option<&str>,
        recompress: bool,
        progress: Option<Py<PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let compression = compression.map(str::parse::<Compression>).transpose()?;
        let options = OptimizeOptions { compression, recompress, keep_dead: false };
        let mut told = Told::new(progress);
        let optimized = py.detach(|| self.inner.optimize(options, &mut told));
        package::answer(py, "optimized", &told.settle(optimized)?)
    }

    /// Reads every blob and compares it with its checksums or, with ``full``, with its id.
    #[pyo3(signature = (*, full=false, progress=None))]
    fn validate<'py>(
        &self,
        py: Python<'py>,
        full: bool,
        progress: Option<Py<PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let mut told = Told::new(progress);
        let validated = py.detach(|| self.inner.validate(full, &mut told));
        package::answer(py, "validated", &told.settle(validated)?)
    }

    /// Stores what is in a folder of disk-objectstore, and compares every object with its id.
    #[pyo3(signature = (folder, /, *, dry_run=false, compression=None, progress=None))]
    fn migrate_from<'py>(
        &self,
        py: Python<'py>,
        folder: PathBuf,
        dry_run: bool,
        compression: Option<&str>,
        progress: Option<Py<PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let compression = compression.map(str::parse::<Compression>).transpose()?;
        let options = MigrateOptions { compression, dry_run };
        let mut told = Told::new(progress);
        let migrated = py.detach(|| Folder::open(&folder)?.migrate(&*self.inner, &options, &mut told));
        let Migrated { count, bytes, present, damaged } = told.settle(migrated)?;
        let damaged: BTreeMap<String, String> =
            damaged.into_iter().map(|(id, why)| (id.to_string(), why)).collect();
        Ok(package::info(py)?.getattr("Migrated")?.call1((count, bytes, present, damaged))?)
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
        Ok((package::pickle(py)?.getattr("open_blobs")?, arguments).into_pyobject(py)?)
    }

    fn __repr__(&self) -> String {
        format!("<millpond.Blobs {:?} of {}>", self.inner.name(), Container::place(self.inner.container()))
    }
}

impl Blobs {
    fn extractions(&self, py: Python<'_>, ids: &Bound<'_, PyAny>, as_files: bool) -> Result<BlobExtractions> {
        let (ids, failed) = Ids::new(ids.try_iter()?);
        let extractions = py.detach(|| self.inner.extractions(Box::new(ids)));
        let ahead = Ahead { extractions, ready: VecDeque::new(), failed: None };
        Ok(BlobExtractions { inner: Owned::new("an iterator that extracts blobs", ahead), failed, as_files })
    }
}

fn missing(blobs: &millpond::Blobs, id: &BlobId) -> Error {
    let place = Container::place(blobs.container());
    Error::new(ErrorKind::NotFound, format!("there is no blob {id} in {:?} of {place}", blobs.name()))
}

fn ids_of(ids: &Bound<'_, PyAny>) -> PyResult<Vec<BlobId>> {
    if ids.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("many ids are an iterable of str, not one str"));
    }
    ids.try_iter()?.map(|id| Ok(id?.extract::<Id>()?.0)).collect()
}

fn meta_to_python<'py>(py: Python<'py>, meta: &millpond::BlobMeta) -> Result<Bound<'py, PyAny>> {
    let note = meta.note.as_ref().map(|note| PyBytes::new(py, note));
    let class = package::info(py)?.getattr("BlobMeta")?;
    Ok(class.call1((text(py, &meta.id), meta.raw_size, meta.size, meta.codec.as_str(), note))?)
}

fn open_file(py: Python<'_>, reader: NativeReader) -> Result<Bound<'_, PyAny>> {
    Ok(package::streams(py)?.getattr("ValueReader")?.call1((reader,))?)
}

/// A binary file of Python's to write to.
struct PythonWriter(Py<PyAny>);

impl std::io::Write for PythonWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Python::attach(|py| {
            py.check_signals()?;
            let written = self.0.bind(py).call_method1("write", (PyBytes::new(py, bytes),))?;
            // A raw file may take less; one that says nothing took it all.
            Ok(written.extract::<Option<usize>>()?.unwrap_or(bytes.len()).min(bytes.len()))
        })
        .map_err(|error: PyErr| error.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Sources that Python hands out one by one.
struct Sources(Py<PyIterator>);

impl Iterator for Sources {
    type Item = millpond::Result<BlobSource<'static>>;

    fn next(&mut self) -> Option<Self::Item> {
        Python::attach(|py| {
            let source = self.0.bind(py).clone().next()?;
            let source = source.and_then(|source| source.extract::<Source>());
            Some(
                source.map(|Source(source)| source).map_err(|raised| {
                    Error::io("taking what is to be inserted", std::io::Error::from(raised))
                }),
            )
        })
    }
}

/// Ids that Python hands out one by one, and what it raised instead of one.
struct Ids {
    ids: Py<PyIterator>,
    failed: Failed,
}

/// What an iterator of Python's raised.
type Failed = std::sync::Arc<std::sync::Mutex<Option<PyErr>>>;

impl Ids {
    fn new(ids: Bound<'_, PyIterator>) -> (Self, Failed) {
        let failed = Failed::default();
        (Self { ids: ids.unbind(), failed: failed.clone() }, failed)
    }
}

impl Iterator for Ids {
    type Item = BlobId;

    fn next(&mut self) -> Option<BlobId> {
        let id = Python::attach(|py| {
            let id = self.ids.bind(py).clone().next()?;
            Some(id.and_then(|id| id.extract::<Id>()))
        })?;
        match id {
            Ok(Id(id)) => Some(id),
            Err(raised) => {
                *self.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(raised);
                None
            }
        }
    }
}

/// Inserts blobs as it is advanced, and answers their ids.
#[pyclass(frozen, module = "millpond")]
pub struct BlobInsertions {
    inner: Owned<millpond::Insertions<'static>>,
}

#[pymethods]
impl BlobInsertions {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyString>>> {
        let inserted = py.detach(|| self.inner.lock()?.next().transpose())?;
        Ok(inserted.map(|inserted| text(py, &inserted.id)))
    }
}

/// Reads blobs as it is advanced.
#[pyclass(frozen, module = "millpond")]
pub struct BlobExtractions {
    inner: Owned<Ahead>,
    failed: Failed,
    as_files: bool,
}

/// Blobs that were read while the interpreter was let go of, in their order.
struct Ahead {
    extractions: millpond::Extractions<'static>,
    ready: VecDeque<Extracted>,
    /// What comes behind those.
    failed: Option<Error>,
}

/// A blob on its way to Python.
struct Extracted {
    id: BlobId,
    content: Content,
}

enum Content {
    Missing,
    Held(Bytes),
    File(Box<dyn BlobRead>),
}

impl Ahead {
    /// Reads some blobs, up to a long one.
    fn fill(&mut self, as_files: bool) -> Result<()> {
        let mut bytes = 0;
        while self.ready.len() < READ_AHEAD_BLOBS && bytes < READ_AHEAD_BYTES {
            let Some(extracted) = self.extractions.next() else { break };
            let extracted = match extracted {
                Ok(extracted) => extracted,
                // What was read before it comes first; whoever goes on asks for what is behind it.
                Err(error) if self.ready.is_empty() => return Err(error.into()),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            };
            let content = match extracted.content {
                None => Content::Missing,
                Some(reader) if as_files => Content::File(reader),
                Some(mut reader) => Content::Held(match reader.whole() {
                    Some(whole) => whole.clone(),
                    None => read_whole(&mut *reader)?.into(),
                }),
            };
            if let Content::Held(content) = &content {
                bytes += content.len();
            }
            self.ready.push_back(Extracted { id: extracted.id, content });
        }
        Ok(())
    }
}

/// All of a long blob.
fn read_whole(reader: &mut dyn BlobRead) -> Result<Vec<u8>> {
    let length = reader.meta().raw_size;
    let mut content = Vec::new();
    let too_long = |_| {
        let message = format!("a blob of {length} bytes doesn't fit in memory: use open_many()");
        Error::new(ErrorKind::ValueTooLong, message)
    };
    content.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX)).map_err(too_long)?;
    reader.read_to_end(&mut content)?;
    Ok(content)
}

#[pymethods]
impl BlobExtractions {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyTuple>>> {
        let next = match self.inner.try_lock()?.and_then(|mut ahead| ahead.ready.pop_front()) {
            Some(ready) => Some(ready),
            None => py.detach(|| {
                let mut ahead = self.inner.lock()?;
                if ahead.ready.is_empty() {
                    if let Some(error) = ahead.failed.take() {
                        return Err(error.into());
                    }
                    ahead.fill(self.as_files)?;
                }
                Ok::<_, Failure>(ahead.ready.pop_front())
            })?,
        };
        let Some(Extracted { id, content }) = next else {
            let mut failed = self.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            return failed.take().map_or(Ok(None), |raised| Err(raised.into()));
        };
        let content = match content {
            Content::Missing => py.None().into_bound(py),
            Content::Held(content) => to_python(py, &content)?.into_any(),
            Content::File(reader) => {
                let length = reader.meta().raw_size;
                open_file(py, NativeReader::new(reader, length))?
            }
        };
        Ok(Some((text(py, &id), content).into_pyobject(py)?))
    }
}

/// Ids of a store, some at a time.
struct Page {
    ids: Box<dyn Iterator<Item = millpond::Result<BlobId>> + Send>,
    /// In reverse.
    ready: Vec<BlobId>,
}

/// Walks over the ids of a store.
#[pyclass(frozen, module = "millpond")]
pub struct BlobIds {
    inner: Owned<Page>,
}

#[pymethods]
impl BlobIds {
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
