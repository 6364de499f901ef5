//! Appending to a pack.
//!
//! Bytes behind those that the index knows belong to nobody, until rows that name them are committed,
//! and only after the bytes are durable. What is given up before that is cut off again, so that nothing
//! is left in the pack that nobody can reach; what a dead process leaves behind stays until a repack.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    path::PathBuf,
};

use millpond::{Error, ErrorKind, Result};

use crate::{
    files,
    folder::Folder,
    layout::PackId,
    lock::{PackLock, Packer},
    zlib::Deflater,
};

/// Bytes that are written at a time.
const BUFFER: usize = 1 << 20;

/// The end of a pack.
#[derive(Debug)]
pub(crate) struct PackWriter {
    pack: PackId,
    path: PathBuf,
    packs: PathBuf,
    file: File,
    lock: PackLock,
    /// Whether its directory entry may not be durable.
    is_new: bool,
    is_made_for_nothing: bool,
    /// Where what may be in the index ends.
    kept: u64,
    /// Where what is in the file ends.
    flushed: u64,
    buffer: Vec<u8>,
}

impl PackWriter {
    /// Opens a pack at its end, or makes it.
    pub fn open(folder: &Folder, packer: &Packer, pack: PackId) -> Result<Self> {
        let layout = folder.layout();
        let lock = PackLock::acquire(packer, layout.pack_lock(pack), folder.options().timeout)?;
        let path = layout.pack(pack);
        let failed = |error| Error::io(format!("opening {}", path.display()), error);
        let is_made_for_nothing = files::size(&path)?.is_none();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let packs = layout.packs();
        Ok(Self {
            pack,
            path,
            packs,
            file,
            lock,
            is_new: size == 0,
            is_made_for_nothing,
            kept: size,
            flushed: size,
            buffer: Vec::new(),
        })
    }

    /// Its number.
    pub fn pack(&self) -> PackId {
        self.pack
    }

    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        self.flushed + self.buffer.len() as u64
    }

    /// Appends bytes as they are.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        self.flush_if_full()
    }

    /// Appends bytes of an object, compressed.
    pub fn append_compressed(&mut self, bytes: &[u8], deflater: &mut Deflater) -> Result<()> {
        deflater.update(bytes, &mut self.buffer)?;
        self.flush_if_full()
    }

    /// Ends a compressed object.
    pub fn end_compressed(&mut self, deflater: &mut Deflater) -> Result<()> {
        deflater.finish(&mut self.buffer)
    }

    /// Takes back what was appended since `position`.
    pub fn take_back(&mut self, position: u64) -> Result<()> {
        if let Some(length) = position.checked_sub(self.flushed) {
            self.buffer.truncate(length as usize);
            return Ok(());
        }
        self.expect_alone()?;
        self.buffer.clear();
        self.file.set_len(position).map_err(|error| self.failed(error))?;
        self.flushed = position;
        Ok(())
    }

    /// Has everything in the file, and, for `sync`, durable. From now on rows may name it.
    pub fn complete(&mut self, sync: bool) -> Result<()> {
        self.flush()?;
        self.expect_alone()?;
        if sync {
            files::sync(&self.file, &self.path)?;
            if self.is_new {
                files::sync_directory(&self.packs)?;
                self.is_new = false;
            }
        }
        self.kept = self.flushed;
        self.is_made_for_nothing = false;
        Ok(())
    }

    fn flush_if_full(&mut self) -> Result<()> {
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        // Before, too: what another has appended meanwhile must not be written over.
        self.expect_alone()?;
        if let Err(error) = self.file.write_all_at(&self.buffer, self.flushed) {
            if self.lock.is_held() {
                // As far as it was written. Whatever fails here has failed before.
                let _ = self.file.set_len(self.flushed);
            }
            return Err(self.failed(error));
        }
        self.flushed += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// An error where somebody else has come to write to the pack: then nobody knows whose bytes are where.
    fn expect_alone(&mut self) -> Result<()> {
        self.lock.renew();
        if self.is_alone()? {
            return Ok(());
        }
        let message = format!(
            "another program began to write to {} meanwhile, so nothing was added: let one of them pack at a time",
            self.path.display()
        );
        Err(Error::new(ErrorKind::Conflict, message))
    }

    fn is_alone(&self) -> Result<bool> {
        let size = self.file.metadata().map_err(|error| self.failed(error))?.len();
        Ok(size == self.flushed && self.lock.is_held())
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::io(format!("writing {}", self.path.display()), error)
    }
}

impl Drop for PackWriter {
    fn drop(&mut self) {
        if !self.is_alone().unwrap_or(false) {
            // What stays behind harms nobody.
            return;
        }
        if self.flushed > self.kept {
            let _ = self.file.set_len(self.kept);
        }
        if self.is_made_for_nothing {
            let _ = files::remove(&self.path);
        }
    }
}
