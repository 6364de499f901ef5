//! Reading many objects: packed ones first, in the order in which they lie in the packs, then loose ones,
//! then those that there aren't.
//!
//! Others may move objects meanwhile. A pack is opened once, and everything that the index said of it
//! when it was opened is read from that file. When the index has changed since it was asked, the objects
//! that are still to come are looked up again.

use std::{fs::File, mem, sync::Arc, vec};

use millpond::{BlobId, Error, Result};

use super::{ObjectMeta, ObjectReader, check::corrupt};
use crate::{
    files,
    folder::{Folder, Version},
    index::Lookup,
    layout::PackId,
    place::Row,
};

/// One of many objects.
#[derive(Debug)]
pub struct Found {
    /// Its id.
    pub id: BlobId,
    /// What is known of it.
    pub meta: ObjectMeta,
    /// Its content, where streams were asked for and there is such an object.
    pub reader: Option<ObjectReader>,
}

/// Many objects, one after the other. It knows nothing of other threads: whoever uses it holds nothing
/// that anybody waits for.
#[derive(Debug)]
pub struct Objects {
    folder: Folder,
    with_streams: bool,
    skip_missing: bool,
    /// The state of the index in which `packed` were found.
    version: Option<Version>,
    packed: vec::IntoIter<Row>,
    pack: Option<OpenPack>,
    loose: vec::IntoIter<BlobId>,
    /// Were not loose, and are looked up once more.
    vanished: Vec<BlobId>,
    /// Have a damaged row and no loose file.
    damaged: Vec<Error>,
    missing: vec::IntoIter<BlobId>,
}

#[derive(Debug)]
struct OpenPack {
    pack: PackId,
    file: Option<(Arc<File>, u64)>,
}

impl Folder {
    /// Streams of many objects, each once, in the order in which they are read fastest. Objects that
    /// there aren't are left out, or come last.
    ///
    /// # Errors
    /// Where the folder can't be read; an object's own error comes in its place.
    pub fn streams(&self, ids: impl IntoIterator<Item = BlobId>, skip_missing: bool) -> Result<Objects> {
        Objects::new(self, ids, skip_missing, true)
    }

    /// What is known of many objects, in the same order.
    ///
    /// # Errors
    /// Where the folder can't be read.
    pub fn metas(&self, ids: impl IntoIterator<Item = BlobId>, skip_missing: bool) -> Result<Objects> {
        Objects::new(self, ids, skip_missing, false)
    }
}

impl Objects {
    fn new(
        folder: &Folder,
        ids: impl IntoIterator<Item = BlobId>,
        skip_missing: bool,
        with_streams: bool,
    ) -> Result<Self> {
        let mut objects = Self {
            folder: folder.clone(),
            with_streams,
            skip_missing,
            version: None,
            packed: Vec::new().into_iter(),
            pack: None,
            loose: Vec::new().into_iter(),
            vanished: Vec::new(),
            damaged: Vec::new(),
            missing: Vec::new().into_iter(),
        };
        let mut ids: Vec<BlobId> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        objects.loose = maybe_loose(objects.look_up(ids)?).collect::<Vec<_>>().into_iter();
        Ok(objects)
    }

    /// Takes those of `ids` that are packed as what comes next; answers the others, and those whose row is
    /// damaged.
    fn look_up(&mut self, ids: Vec<BlobId>) -> Result<Lookup> {
        let (version, mut lookup) = self.folder.with_index(|index| {
            // The version first: what is committed in between is looked up again without need.
            Ok((self.folder.version(index)?, index.find_all(ids)?))
        })?;
        let mut rows = mem::take(&mut lookup.rows);
        rows.sort_unstable_by_key(|row| (row.place.pack, row.place.offset, row.id));
        self.version = Some(version);
        self.packed = rows.into_iter();
        self.pack = None;
        Ok(lookup)
    }

    /// The next packed object.
    fn next_packed(&mut self) -> Result<Option<Found>> {
        loop {
            let Some(row) = self.packed.as_slice().first().copied() else { return Ok(None) };
            let meta = ObjectMeta::Packed(row.place);
            if !self.with_streams {
                self.packed.next();
                return Ok(Some(Found { id: row.id, meta, reader: None }));
            }
            let pack = match self.pack.take() {
                Some(pack) if pack.pack == row.place.pack => pack,
                _ => {
                    let file = self.folder.open_pack(row.place.pack)?;
                    if self.version != Some(self.folder.version_now()?) {
                        // It may be another file of that name. Who was packed and is no longer in the
                        // index may be loose.
                        let ids: Vec<_> = mem::take(&mut self.packed).map(|row| row.id).collect();
                        let others = maybe_loose(self.look_up(ids)?);
                        self.loose = mem::take(&mut self.loose).chain(others).collect::<Vec<_>>().into_iter();
                        continue;
                    }
                    OpenPack { pack: row.place.pack, file }
                }
            };
            self.packed.next();
            let reader = match &pack.file {
                Some((file, size)) => {
                    ObjectReader::packed(row.id, row.place, file.clone(), *size, self.folder.check()?)
                }
                None => Err(corrupt(&row.id, &format!("pack {} is missing", pack.pack))),
            };
            self.pack = Some(pack);
            return Ok(Some(Found { id: row.id, meta, reader: Some(reader?) }));
        }
    }

    /// The next loose object.
    fn next_loose(&mut self) -> Result<Option<Found>> {
        for id in self.loose.by_ref() {
            let found = if self.with_streams {
                self.folder.open_loose(&id)?.map(|reader| (reader.size(), Some(reader)))
            } else {
                files::size(&self.folder.loose_path(&id)?)?.map(|size| (size, None))
            };
            match found {
                Some((size, reader)) => {
                    return Ok(Some(Found { id, meta: ObjectMeta::Loose { size }, reader }));
                }
                None => self.vanished.push(id),
            }
        }
        Ok(None)
    }

    fn remaining(&self) -> usize {
        let waiting = self.vanished.len() + self.damaged.len();
        self.packed.len() + self.loose.len() + waiting + self.missing.len()
    }

    fn advance(&mut self) -> Result<Option<Found>> {
        loop {
            if let Some(found) = self.next_packed()? {
                return Ok(Some(found));
            }
            if let Some(found) = self.next_loose()? {
                return Ok(Some(found));
            }
            if let Some(error) = self.damaged.pop() {
                return Err(error);
            }
            if self.vanished.is_empty() {
                let missing = self.missing.next();
                return Ok(missing.map(|id| Found { id, meta: ObjectMeta::Missing, reader: None }));
            }
            // They may have been packed meanwhile. Who isn't in the index now either doesn't exist.
            let ids = mem::take(&mut self.vanished);
            let Lookup { absent, damaged, .. } = self.look_up(ids)?;
            self.damaged.extend(damaged.into_iter().map(|(_, error)| error));
            if !self.skip_missing {
                self.missing = mem::take(&mut self.missing).chain(absent).collect::<Vec<_>>().into_iter();
            }
        }
    }
}

/// Who has no row, and whose row is damaged.
fn maybe_loose(lookup: Lookup) -> impl Iterator<Item = BlobId> {
    lookup.absent.into_iter().chain(lookup.damaged.into_iter().map(|(id, _)| id))
}

impl Iterator for Objects {
    type Item = Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        let before = self.remaining();
        let next = self.advance().transpose();
        if matches!(next, Some(Err(_))) && self.remaining() == before {
            // It isn't one object that failed: there is no use in going on.
            self.packed = Vec::new().into_iter();
            self.loose = Vec::new().into_iter();
            self.missing = Vec::new().into_iter();
            self.vanished.clear();
            self.damaged.clear();
        }
        next
    }
}
