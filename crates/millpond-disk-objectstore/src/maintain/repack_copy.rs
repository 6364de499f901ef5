//! Copying what is live in a pack to another one.

use std::{fs::File, io::Read, sync::Arc};

use millpond::{BlobId, Error, Result};

use crate::{
    files,
    folder::Folder,
    index::Mark,
    layout::PackId,
    lock::Packer,
    pack::PackWriter,
    place::{Place, Row},
    progress::Steps,
    read::{ObjectReader, corrupt, into_error},
    zlib::{CompressMode, Deflater, Sample, should_compress},
};

/// Rows that are moved by a commit.
const ROWS_MAX: usize = 100_000;
/// Bytes that are copied at a time.
const BUFFER: usize = 256 << 10;

pub(super) struct Copy<'a> {
    folder: &'a Folder,
    from: PackId,
    source: Arc<File>,
    source_size: u64,
    writer: PackWriter,
    compress: CompressMode,
    deflater: Deflater,
    buffer: Vec<u8>,
}

/// Where an object lies, for a sample of it.
struct Stored<'a> {
    copy: &'a Copy<'a>,
    id: BlobId,
    place: Place,
}

impl<'a> Copy<'a> {
    pub fn new(
        folder: &'a Folder,
        packer: &Packer,
        from: PackId,
        to: PackId,
        compress: CompressMode,
    ) -> Result<Self> {
        let Some((source, source_size)) = folder.open_pack(from)? else {
            let path = folder.layout().pack(from);
            let message = format!("{} is missing, but objects should be there: restore it", path.display());
            return Err(Error::new(millpond::ErrorKind::Corrupt, message));
        };
        let deflater = Deflater::new(folder.config()?.zlib_level)?;
        let writer = PackWriter::open(folder, packer, to)?;
        Ok(Self { folder, from, source, source_size, writer, compress, deflater, buffer: vec![0; BUFFER] })
    }

    /// Copies everything, and has the index say so.
    pub fn run(mut self, steps: &mut Steps<'_, '_>) -> Result<()> {
        let mut mark = Mark::BEGIN;
        loop {
            let page = self.folder.with_index(|index| index.page_of_pack(self.from, mark, ROWS_MAX))?;
            let (rows, Some(last)) = page else { return Ok(()) };
            mark = last;
            let mut moves = Vec::with_capacity(rows.len());
            for (id, place) in rows {
                let place = place?;
                moves.push((Row { id, place }, self.copy(&id, place)?));
                steps.advance(place.size)?;
            }
            self.writer.complete(true)?;
            self.folder.with_index(|index| index.relocate(&moves))?;
            self.folder.has_moved();
        }
    }

    /// Copies an object. Answers where to.
    fn copy(&mut self, id: &BlobId, place: Place) -> Result<Place> {
        if place.end() > self.source_size {
            return Err(corrupt(id, &format!("pack {} ends before it does", place.pack)));
        }
        let compressed_length = place.is_compressed.then_some(place.length);
        let stored = Stored { copy: self, id: *id, place };
        let is_compressed = should_compress(self.compress, compressed_length, place.size, &stored)?;
        let offset = self.writer.position();
        if is_compressed == place.is_compressed {
            self.transfer(id, place)?;
        } else {
            self.recode(id, place, is_compressed)?;
        }
        let length = self.writer.position() - offset;
        Ok(Place { pack: self.writer.pack(), offset, length, size: place.size, is_compressed })
    }

    fn transfer(&mut self, id: &BlobId, place: Place) -> Result<()> {
        let mut done = 0;
        while done < place.length {
            let length = (place.length - done).min(BUFFER as u64) as usize;
            self.read(id, &place, done, length)?;
            self.writer.append(&self.buffer[..length])?;
            done += length as u64;
        }
        Ok(())
    }

    fn read(&mut self, id: &BlobId, place: &Place, done: u64, length: usize) -> Result<()> {
        let room = &mut self.buffer[..length];
        let read = files::read_at(&self.source, room, place.offset + done);
        let read = read.map_err(|error| Error::io(format!("reading object {id}"), error))?;
        if read == length { Ok(()) } else { Err(corrupt(id, "its pack became shorter")) }
    }

    fn recode(&mut self, id: &BlobId, place: Place, compress: bool) -> Result<()> {
        let hash_type = self.folder.config()?.hash_type;
        let source = self.source.clone();
        let mut reader = ObjectReader::packed(*id, place, source, self.source_size, Some(hash_type))?;
        loop {
            let length = reader.read(&mut self.buffer).map_err(|error| into_error(error, id))?;
            if length == 0 {
                break;
            }
            if compress {
                self.writer.append_compressed(&self.buffer[..length], &mut self.deflater)?;
            } else {
                self.writer.append(&self.buffer[..length])?;
            }
        }
        if compress { self.writer.end_compressed(&mut self.deflater) } else { Ok(()) }
    }
}

impl Sample for Stored<'_> {
    fn read_at(&self, room: &mut [u8], offset: u64) -> Result<usize> {
        let length = room.len().min(self.place.length.saturating_sub(offset) as usize);
        let read = files::read_at(&self.copy.source, &mut room[..length], self.place.offset + offset);
        read.map_err(|error| Error::io(format!("reading object {}", self.id), error))
    }
}
