//! Reading one object, and asking for one.
//!
//! An object is looked for among loose ones and in the index. Packing adds it to the index before it
//! removes the loose file, so whoever looks at the file first finds it. Whoever asks the index first, to
//! say where a packed object lies although it is loose, too, asks it again before it says that there is
//! none.

use std::{fs::File, iter, sync::Arc};

use millpond::{BlobId, Error, ErrorKind, Result};

use super::{ObjectMeta, ObjectReader};
use crate::{
    files,
    folder::{Folder, Version},
    layout::PackId,
    place::Place,
};

/// How often a pack may go away under one who reads, or the index change, before it counts as damage.
const ATTEMPTS_MAX: u32 = 64;
/// From this attempt on, a row that is still the same is enough.
const ATTEMPTS_STRICT: u32 = 8;

impl Folder {
    /// An object's content.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no such object, [`ErrorKind::Corrupt`] where it is damaged.
    pub fn read(&self, id: &BlobId) -> Result<Vec<u8>> {
        self.stream(id)?.content()
    }

    /// A stream of an object.
    ///
    /// # Errors
    /// As of [`Folder::read`].
    pub fn stream(&self, id: &BlobId) -> Result<ObjectReader> {
        if self.has_index_open() {
            return Ok(self.stream_and_meta(id)?.0);
        }
        if let Some(reader) = self.open_loose(id)? {
            return Ok(reader);
        }
        let packed = self.open_packed(id)?;
        packed.map(|(reader, _)| reader).ok_or_else(|| self.no_such_object(id))
    }

    /// A stream of an object, and what is known of it. An object that is packed is read from there, even
    /// if it is loose, too.
    ///
    /// # Errors
    /// As of [`Folder::read`].
    pub fn stream_and_meta(&self, id: &BlobId) -> Result<(ObjectReader, ObjectMeta)> {
        let packed = self.open_packed(id);
        if let Ok(Some((reader, place))) = packed {
            return Ok((reader, ObjectMeta::Packed(place)));
        }
        if let Some(reader) = self.open_loose(id)? {
            let size = reader.size();
            return Ok((reader, ObjectMeta::Loose { size }));
        }
        packed?;
        match self.open_packed(id)? {
            Some((reader, place)) => Ok((reader, ObjectMeta::Packed(place))),
            None => Err(self.no_such_object(id)),
        }
    }

    /// What is known of an object, [`ObjectMeta::Missing`] where there is none.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn meta(&self, id: &BlobId) -> Result<ObjectMeta> {
        if let Some(place) = self.with_index(|index| index.find(id))? {
            return Ok(ObjectMeta::Packed(place));
        }
        if let Some(size) = files::size(&self.loose_path(id)?)? {
            return Ok(ObjectMeta::Loose { size });
        }
        let place = self.with_index(|index| index.find(id))?;
        Ok(place.map_or(ObjectMeta::Missing, ObjectMeta::Packed))
    }

    /// Whether there is such an object.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn has(&self, id: &BlobId) -> Result<bool> {
        Ok(files::size(&self.loose_path(id)?)?.is_some() || self.with_index(|index| index.contains(id))?)
    }

    /// Whether there are such objects, in the order in which they are asked for.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn has_many(&self, ids: impl IntoIterator<Item = BlobId>) -> Result<Vec<bool>> {
        let ids: Vec<_> = ids.into_iter().collect();
        let packed = self.with_index(|index| {
            index.at_one_moment(|| ids.iter().map(|id| index.contains(id)).collect::<Result<Vec<_>>>())
        })?;
        // Who isn't packed may be loose, or may have been packed since.
        iter::zip(&ids, packed).map(|(id, is_packed)| Ok(is_packed || self.has(id)?)).collect()
    }

    /// Where an object lies when it is loose.
    pub(crate) fn loose_path(&self, id: &BlobId) -> Result<std::path::PathBuf> {
        Ok(self.layout().loose(self.config()?.loose_prefix_len, id))
    }

    pub(crate) fn open_loose(&self, id: &BlobId) -> Result<Option<ObjectReader>> {
        let file = files::open(&self.loose_path(id)?)?;
        file.map(|file| ObjectReader::loose(*id, file, self.check()?)).transpose()
    }

    /// A reader of a packed object, from the pack in which it lies now.
    pub(crate) fn open_packed(&self, id: &BlobId) -> Result<Option<(ObjectReader, Place)>> {
        for attempt in 0..ATTEMPTS_MAX {
            let found = self.with_index(|index| Ok((self.version(index)?, index.find(id)?)))?;
            let (version, Some(place)) = found else { return Ok(None) };
            let opened = self.open_pack(place.pack)?;
            // A pack is removed only after the index says so: what was opened is the right one if the
            // index still says the same.
            let is_same = self.with_index(|index| {
                let is_patient = attempt < ATTEMPTS_STRICT;
                Ok(self.version(index)? == version || !is_patient && index.find(id)? == Some(place))
            })?;
            match opened {
                Some((file, size)) if is_same => {
                    let reader = ObjectReader::packed(*id, place, file, size, self.check()?)?;
                    return Ok(Some((reader, place)));
                }
                None if is_same => return Err(self.no_pack(place.pack, id)),
                _ => {}
            }
        }
        Err(Error::new(ErrorKind::Timeout, format!("object {id} is being moved again and again: try again")))
    }

    /// The file of a pack and its size, if it is there.
    pub(crate) fn open_pack(&self, pack: PackId) -> Result<Option<(Arc<File>, u64)>> {
        let path = self.layout().pack(pack);
        let Some(file) = files::open(&path)? else { return Ok(None) };
        let size = file
            .metadata()
            .map_err(|error| Error::io(format!("looking at {}", path.display()), error))?
            .len();
        Ok(Some((Arc::new(file), size)))
    }

    pub(crate) fn version_now(&self) -> Result<Version> {
        self.with_index(|index| self.version(index))
    }

    pub(crate) fn no_pack(&self, pack: PackId, id: &BlobId) -> Error {
        let path = self.layout().pack(pack);
        let message =
            format!("{} is missing, in which object {id} should be: restore it from a copy", path.display());
        Error::new(ErrorKind::Corrupt, message)
    }

    pub(crate) fn no_such_object(&self, id: &BlobId) -> Error {
        Error::new(ErrorKind::NotFound, format!("there is no object {id} in {}", self.path().display()))
    }
}
