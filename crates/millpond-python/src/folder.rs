//! The class `NativeFolder`: a folder of disk-objectstore, opened in place. What programs use is
//! `millpond.compat.disk_objectstore.Container`, which has the names and exceptions that they know.

use std::path::PathBuf;

use millpond::{Error, ErrorKind};
use millpond_disk_objectstore::{
    AddOptions, CompressMode, Config, Folder, ImportOptions, ObjectMeta, PackId, PackLooseOptions,
    RepackOptions, parse_compression, parse_hash_type,
};
use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{PyBytes, PyDict, PyList, PyString},
};

use crate::{
    blobs::text,
    errors::Result,
    folder_objects::{FolderContents, FolderIds, FolderObjects, Key, MetaRow, ids_of, meta_row},
    folder_source::{PythonSource, PythonSources},
    handle::Handle,
    progress::{Called, Told},
    reader::NativeReader,
    value::to_python,
};

/// What was fixed when the folder was made, in the order in which `Container` names it.
type Settings = (usize, u64, &'static str, String, String);

/// A folder of disk-objectstore, which may not be there yet.
#[pyclass(frozen, module = "millpond._millpond")]
pub struct NativeFolder {
    folder: Handle<Folder>,
}

#[pymethods]
impl NativeFolder {
    #[new]
    fn new(path: PathBuf) -> Self {
        Self { folder: Handle::new(Folder::at(path)) }
    }

    /// Whether it is there.
    #[getter]
    fn is_initialised(&self, py: Python<'_>) -> bool {
        py.detach(|| self.folder.is_initialised())
    }

    /// Makes the folder, as a new handle.
    #[staticmethod]
    #[pyo3(signature = (path, clear, pack_size_target, loose_prefix_len, hash_type, compression_algorithm))]
    fn init(
        py: Python<'_>,
        path: PathBuf,
        clear: bool,
        pack_size_target: u64,
        loose_prefix_len: usize,
        hash_type: &str,
        compression_algorithm: &str,
    ) -> Result<Self> {
        let config = Config {
            pack_size_target,
            loose_prefix_len,
            hash_type: parse_hash_type(hash_type)?,
            zlib_level: parse_compression(compression_algorithm)?,
            ..Config::default()
        };
        let folder =
            py.detach(
                || {
                    if clear { Folder::init_cleared(path, &config) } else { Folder::init(path, &config) }
                },
            )?;
        Ok(Self { folder: Handle::new(folder) })
    }

    /// The prefix of loose objects, the size of packs, the hash, the identity and the compression.
    fn settings(&self) -> Result<Settings> {
        let config = self.folder.config()?;
        Ok((
            config.loose_prefix_len,
            config.pack_size_target,
            config.hash_type.as_str(),
            config.container_id.clone(),
            config.compression_algorithm(),
        ))
    }

    /// Closes the index; it is opened again when it is needed.
    fn close(&self, py: Python<'_>) -> Result<()> {
        Ok(py.detach(|| self.folder.close())?)
    }

    /// An object's content, or None where there is no such object.
    fn read<'py>(&self, py: Python<'py>, key: Key) -> Result<Option<Bound<'py, PyBytes>>> {
        let Some(id) = key.0 else { return Ok(None) };
        match py.detach(|| self.folder.read(&id)) {
            Ok(content) => Ok(Some(to_python(py, &content)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.folder.config()?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A stream of an object, and what is known of it; None where there is no such object.
    fn open(&self, py: Python<'_>, key: Key) -> Result<Option<(NativeReader, MetaRow)>> {
        let Some(id) = key.0 else { return Ok(None) };
        match py.detach(|| self.folder.stream_and_meta(&id)) {
            Ok((reader, meta)) => {
                let size = reader.size();
                Ok(Some((NativeReader::new(reader, size), meta_row(&meta))))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.folder.config()?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Many objects, each once, in the order in which they are read fastest.
    fn objects(
        &self,
        py: Python<'_>,
        keys: &Bound<'_, PyAny>,
        skip_if_missing: bool,
        with_streams: bool,
    ) -> Result<FolderObjects> {
        FolderObjects::new(py, &self.folder, keys, skip_if_missing, with_streams)
    }

    /// The contents of many objects, each once, in the order in which they are read fastest.
    fn contents(
        &self,
        py: Python<'_>,
        keys: &Bound<'_, PyAny>,
        skip_if_missing: bool,
    ) -> Result<FolderContents> {
        Ok(FolderContents::new(FolderObjects::new(py, &self.folder, keys, skip_if_missing, true)?))
    }

    /// What is known of an object.
    fn meta(&self, py: Python<'_>, key: Key) -> Result<MetaRow> {
        self.folder.config()?;
        let Some(id) = key.0 else { return Ok(meta_row(&ObjectMeta::Missing)) };
        Ok(meta_row(&py.detach(|| self.folder.meta(&id))?))
    }

    /// Which of the objects there are, in the order of the keys.
    fn has(&self, py: Python<'_>, keys: &Bound<'_, PyAny>) -> Result<Vec<bool>> {
        let keys = keys.try_iter()?.map(|key| Ok(key?.extract::<Key>()?.0)).collect::<PyResult<Vec<_>>>()?;
        let has = py.detach(|| {
            self.folder.config()?;
            keys.iter()
                .map(|id| id.as_ref().map_or(Ok(false), |id| self.folder.has(id)))
                .collect::<millpond::Result<_>>()
        });
        Ok(has?)
    }

    /// Stores an object with a file of its own.
    fn add<'py>(&self, py: Python<'py>, content: &Bound<'py, PyAny>) -> Result<Bound<'py, PyString>> {
        let id = if let Ok(bytes) = content.cast::<PyBytes>() {
            // They can't change, and the caller holds them.
            let mut bytes = bytes.as_bytes();
            py.detach(|| self.folder.add_loose(&mut bytes))?
        } else {
            let mut source = PythonSource::stream(content, false);
            py.detach(|| self.folder.add_loose(&mut source))?
        };
        Ok(text(py, &id))
    }

    /// Stores objects in packs: of bytes, or of streams. The flags: whether to compress, whether streams are
    /// opened as context managers, whether to tell of known objects and then to read twice, whether to sync
    /// and whether to commit.
    #[pyo3(signature = (sources, flags, callback))]
    fn add_to_pack<'py>(
        &self,
        py: Python<'py>,
        sources: &Bound<'py, PyList>,
        flags: (bool, bool, bool, bool, bool, bool),
        callback: Option<Py<PyAny>>,
    ) -> Result<Vec<Bound<'py, PyString>>> {
        let (compress, open_streams, no_holes, read_twice, sync, commit) = flags;
        let options = AddOptions { compress, no_holes, read_twice, sync, commit };
        let sources = PythonSources::new(sources, open_streams);
        let mut told = callback.map(|callback| Told::new(callback, Called::ByPosition));
        let added = py.detach(|| self.folder.add_to_pack(sources, options, Told::lend(&mut told)));
        let ids = Told::settle(told, added)?;
        Ok(ids.iter().map(|id| text(py, id)).collect())
    }

    /// How many objects are packed and loose, and how many packs there are.
    fn count(&self, py: Python<'_>) -> Result<(u64, u64, u64)> {
        let count = py.detach(|| self.folder.count_objects())?;
        Ok((count.packed, count.loose, count.pack_files))
    }

    /// Bytes of packed objects, as they are read and as they lie there; of packs, of the index, and of loose
    /// objects.
    fn sizes(&self, py: Python<'_>) -> Result<(u64, u64, u64, u64, u64)> {
        let size = py.detach(|| self.folder.total_size())?;
        Ok((size.packed, size.packed_on_disk, size.pack_files_on_disk, size.index_on_disk, size.loose))
    }

    /// The ids of all objects, each once.
    fn ids(&self, py: Python<'_>) -> Result<FolderIds> {
        Ok(FolderIds::new(py.detach(|| self.folder.ids())?))
    }

    /// Packs all loose objects.
    #[pyo3(signature = (compress, validate, do_fsync, clean_per_pack, callback))]
    fn pack_all_loose(
        &self,
        py: Python<'_>,
        compress: &str,
        validate: bool,
        do_fsync: bool,
        clean_per_pack: bool,
        callback: Option<Py<PyAny>>,
    ) -> Result<()> {
        let options =
            PackLooseOptions { compress: mode(compress)?, validate, sync: do_fsync, clean_per_pack };
        let mut told = callback.map(|callback| Told::new(callback, Called::ByPosition));
        let packed = py.detach(|| self.folder.pack_all_loose(options, Told::lend(&mut told)));
        Told::settle(told, packed)
    }

    /// Removes loose files of packed objects, and what killed programs left.
    fn clean_storage(&self, py: Python<'_>, vacuum: bool) -> Result<()> {
        Ok(py.detach(|| self.folder.clean_storage(vacuum))?)
    }

    /// Repacks a pack or, without a number, all of them; they keep their numbers.
    #[pyo3(signature = (pack, compress, callback))]
    fn repack(
        &self,
        py: Python<'_>,
        pack: Option<i64>,
        compress: &str,
        callback: Option<Py<PyAny>>,
    ) -> Result<()> {
        let options = RepackOptions { compress: mode(compress)?, keep_ids: true };
        let mut told = callback.map(|callback| Told::new(callback, Called::ByPosition));
        let repacked = match pack {
            None => py.detach(|| self.folder.repack(options, Told::lend(&mut told))),
            Some(number) => {
                let pack = PackId::new(number).ok_or_else(|| {
                    Error::new(ErrorKind::InvalidArgument, format!("there can be no pack {number}"))
                })?;
                py.detach(|| self.folder.repack_pack(pack, options, Told::lend(&mut told)).map(drop))
            }
        };
        Told::settle(told, repacked)
    }

    /// Deletes objects; answers those that there were.
    fn delete<'py>(&self, py: Python<'py>, keys: &Bound<'_, PyAny>) -> Result<Vec<Bound<'py, PyString>>> {
        let ids = ids_of(keys)?;
        let deleted = py.detach(|| self.folder.delete(ids))?;
        Ok(deleted.iter().map(|id| text(py, id)).collect())
    }

    /// What is wrong: hashes of loose objects, hashes and sizes of packed ones, and overlaps.
    #[pyo3(signature = (callback))]
    fn validate<'py>(
        &self,
        py: Python<'py>,
        callback: Option<Py<PyAny>>,
    ) -> Result<[Vec<Bound<'py, PyString>>; 4]> {
        let mut told = callback.map(|callback| Told::new(callback, Called::ByName));
        let validated = py.detach(|| self.folder.validate(Told::lend(&mut told)));
        let issues = Told::settle(told, validated)?;
        let lists = [
            issues.invalid_hashes_loose,
            issues.invalid_hashes_packed,
            issues.invalid_sizes_packed,
            issues.overlapping_packed,
        ];
        Ok(lists.map(|ids| ids.iter().map(|id| text(py, id)).collect()))
    }

    /// Imports objects of another folder; answers which id has which id here. The options: whether to
    /// compress, the memory that disk-objectstore would take, and whether to sync.
    #[pyo3(signature = (keys, source, options, callback))]
    fn import_objects<'py>(
        &self,
        py: Python<'py>,
        keys: &Bound<'_, PyAny>,
        source: PyRef<'_, Self>,
        options: (bool, u64, bool),
        callback: Option<Py<PyAny>>,
    ) -> Result<Bound<'py, PyDict>> {
        let ids = ids_of(keys)?;
        let (compress, target_memory, sync) = options;
        let options = ImportOptions { compress, target_memory, sync };
        let mut told = callback.map(|callback| Told::new(callback, Called::ByPosition));
        let source = &*source.folder;
        let imported = py.detach(|| self.folder.import(ids, source, options, Told::lend(&mut told)));
        let names = PyDict::new(py);
        for (there, here) in Told::settle(told, imported)? {
            names.set_item(text(py, &there), text(py, &here))?;
        }
        Ok(names)
    }

    /// Has an object also loose; answers where, None where there is no such object.
    fn loosen(&self, py: Python<'_>, key: Key) -> Result<Option<PathBuf>> {
        self.folder.config()?;
        let Some(id) = key.0 else { return Ok(None) };
        match py.detach(|| self.folder.loosen(&id)) {
            Ok(path) => Ok(Some(path)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The mode of that name, which is the value of `CompressMode` in Python.
fn mode(name: &str) -> PyResult<CompressMode> {
    match name {
        "no" => Ok(CompressMode::No),
        "yes" => Ok(CompressMode::Yes),
        "keep" => Ok(CompressMode::Keep),
        "auto" => Ok(CompressMode::Auto),
        _ => Err(PyValueError::new_err(format!("there is no mode {name:?}: take no, yes, keep or auto"))),
    }
}
