//! The one who packs: appends objects to packs, opens the next pack when one is full, and has rows
//! committed after their bytes are durable.

use std::collections::HashSet;

use millpond::{BlobId, Error, ErrorKind, Result};

use crate::{
    folder::Folder,
    index::Written,
    layout::PackId,
    lock::Packer,
    pack::PackWriter,
    place::{Place, Row},
    zlib::Deflater,
};

/// Rows that wait in memory, at most.
const ROWS_MAX: usize = 100_000;

/// Whoever packs.
#[derive(Debug)]
pub(crate) struct Packing {
    folder: Folder,
    sync: bool,
    written: Written,
    deflater: Option<Deflater>,
    next: PackId,
    writer: Option<PackWriter>,
    /// What was appended and isn't in the index.
    rows: Vec<Row>,
    waiting: HashSet<BlobId>,
    /// Whether rows were given up, of which it was said that they would be stored.
    has_lost: bool,
    // Last, so that it goes after the lock of the pack.
    packer: Packer,
}

/// An object that is being appended.
#[derive(Debug)]
pub(crate) struct Begun {
    offset: u64,
    size: u64,
    is_compressed: bool,
}

impl Begun {
    /// Bytes that it was given so far.
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Packing {
    pub fn new(folder: &Folder, packer: Packer, sync: bool, written: Written) -> Self {
        Self {
            folder: folder.clone(),
            sync,
            written,
            deflater: None,
            next: PackId::FIRST,
            writer: None,
            rows: Vec::new(),
            waiting: HashSet::new(),
            has_lost: false,
            packer,
        }
    }

    /// Whether the next object is to wait until this pack is complete: it is full, or many rows wait.
    pub fn is_full(&self) -> Result<bool> {
        let target = self.folder.config()?.pack_size_target;
        let is_full = self.writer.as_ref().is_some_and(|writer| writer.position() >= target);
        Ok(is_full || self.rows.len() >= ROWS_MAX)
    }

    /// Begins an object. The pack may be another one than before.
    pub fn begin(&mut self, is_compressed: bool) -> Result<Begun> {
        if self.is_full()? {
            self.complete()?;
        }
        if is_compressed && self.deflater.is_none() {
            self.deflater = Some(Deflater::new(self.folder.config()?.zlib_level)?);
        }
        let offset = self.writer()?.position();
        Ok(Begun { offset, size: 0, is_compressed })
    }

    /// Appends more of the object.
    pub fn append(&mut self, begun: &mut Begun, bytes: &[u8]) -> Result<()> {
        begun.size += bytes.len() as u64;
        match (&mut self.writer, &mut self.deflater) {
            (Some(writer), Some(deflater)) if begun.is_compressed => {
                writer.append_compressed(bytes, deflater)
            }
            (Some(writer), _) => writer.append(bytes),
            (None, _) => Err(nothing_begun()),
        }
    }

    /// Ends the object, whose row waits for [`Packing::complete`].
    pub fn end(&mut self, begun: Begun, id: BlobId) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Err(nothing_begun()) };
        if begun.is_compressed
            && let Some(deflater) = &mut self.deflater
        {
            writer.end_compressed(deflater)?;
        }
        let place = Place {
            pack: writer.pack(),
            offset: begun.offset,
            length: writer.position() - begun.offset,
            size: begun.size,
            is_compressed: begun.is_compressed,
        };
        self.rows.push(Row { id, place });
        self.waiting.insert(id);
        Ok(())
    }

    /// Whether an object was appended and isn't in the index.
    pub fn has_waiting(&self, id: &BlobId) -> bool {
        self.waiting.contains(id)
    }

    /// Forgets the object.
    pub fn give_up(&mut self, begun: &Begun) -> Result<()> {
        if let Some(deflater) = &mut self.deflater {
            deflater.abandon()?;
        }
        self.writer.as_mut().map_or(Ok(()), |writer| writer.take_back(begun.offset))
    }

    /// Closes the pack, and commits the rows of what is in it. Answers which objects these are.
    pub fn complete(&mut self) -> Result<Vec<Row>> {
        if self.has_lost {
            let message = "objects that were added before could not be stored: add them again";
            return Err(Error::new(ErrorKind::Io, message));
        }
        let completed = self.try_complete();
        self.has_lost = completed.is_err();
        completed
    }

    fn try_complete(&mut self) -> Result<Vec<Row>> {
        let rows = std::mem::take(&mut self.rows);
        self.waiting.clear();
        if let Some(mut writer) = self.writer.take() {
            if rows.is_empty() {
                // Nothing in it is new.
                return Ok(rows);
            }
            writer.complete(self.sync)?;
            self.next = writer.pack();
            self.folder.with_index(|index| index.insert(&rows, self.written))?;
        }
        Ok(rows)
    }

    fn writer(&mut self) -> Result<&mut PackWriter> {
        match &mut self.writer {
            Some(writer) => Ok(writer),
            slot => {
                let pack = self.folder.pack_to_write(self.next)?;
                Ok(slot.insert(PackWriter::open(&self.folder, &self.packer, pack)?))
            }
        }
    }
}

fn nothing_begun() -> Error {
    Error::new(ErrorKind::InvalidArgument, "no object was begun")
}
