//! Writing a loose object: to the sandbox, synced, then renamed to its place, whose directory is synced.
//! An object is there, whole, or it isn't, whatever happens.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use millpond::{BlobId, Error, Hasher, Result};

use crate::{
    files,
    folder::Folder,
    source::{Source, failed, fill, with_opened},
};

/// What is asked of a source at a time.
const CHUNK: usize = 512 << 10;

/// A file in the sandbox, which goes with it unless it was renamed.
struct Sandboxed {
    path: PathBuf,
    file: File,
}

impl Drop for Sandboxed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Folder {
    /// Stores an object as a loose one, durably. One that is loose already, and sound, stays as it is; whether
    /// it is packed isn't asked.
    ///
    /// # Errors
    /// Where the source or the disk fails.
    pub fn add_loose<S: Source + ?Sized>(&self, source: &mut S) -> Result<BlobId> {
        self.add_loose_unless(source, |_| Ok(false)).map(|(id, _)| id)
    }

    /// Stores an object as a loose one, unless it is packed. Answers whether it is new, too.
    pub(crate) fn add_loose_unless_packed<S: Source + ?Sized>(
        &self,
        source: &mut S,
    ) -> Result<(BlobId, bool)> {
        self.add_loose_unless(source, |id| self.with_index(|index| index.contains(id)))
    }

    fn add_loose_unless<S: Source + ?Sized>(
        &self,
        source: &mut S,
        is_known: impl Fn(&BlobId) -> Result<bool>,
    ) -> Result<(BlobId, bool)> {
        with_opened(source, |source| {
            if let Some(bytes) = source.bytes() {
                return self.add_loose_bytes(bytes, is_known);
            }
            let mut chunk = vec![0; CHUNK];
            let mut length = fill(source, &mut chunk, CHUNK).map_err(failed)?;
            if length < chunk.len() {
                return self.add_loose_bytes(&chunk[..length], is_known);
            }
            let mut hasher = Hasher::new(self.config()?.hash_type);
            let mut sandboxed = self.new_sandboxed()?;
            while length > 0 {
                hasher.update(&chunk[..length]);
                sandboxed.write(&chunk[..length])?;
                length = fill(source, &mut chunk, CHUNK).map_err(failed)?;
            }
            let id = hasher.finish();
            let is_there = self.has_sound_loose(&id, |file, _| self.has_digest(file, &id))? || is_known(&id)?;
            if !is_there {
                self.put_in_place(sandboxed, &id)?;
            }
            Ok((id, !is_there))
        })
    }

    fn add_loose_bytes(
        &self,
        bytes: &[u8],
        is_known: impl Fn(&BlobId) -> Result<bool>,
    ) -> Result<(BlobId, bool)> {
        let id = self.config()?.hash_type.hash(bytes);
        let is_same = |file: &mut File, size| {
            if size != bytes.len() as u64 {
                return Ok(false);
            }
            let mut there = Vec::with_capacity(bytes.len());
            file.read_to_end(&mut there)?;
            Ok(there == bytes)
        };
        let is_there = self.has_sound_loose(&id, is_same)? || is_known(&id)?;
        if !is_there {
            let mut sandboxed = self.new_sandboxed()?;
            sandboxed.write(bytes)?;
            self.put_in_place(sandboxed, &id)?;
        }
        Ok((id, !is_there))
    }

    /// Whether an object is loose, and `is_sound`. If so, it is made durable, since who wrote it may not
    /// have come so far.
    fn has_sound_loose(
        &self,
        id: &BlobId,
        is_sound: impl FnOnce(&mut File, u64) -> io::Result<bool>,
    ) -> Result<bool> {
        let path = self.loose_path(id)?;
        let Some(mut file) = files::open(&path)? else { return Ok(false) };
        let sound = file.metadata().and_then(|metadata| is_sound(&mut file, metadata.len()));
        if !sound.map_err(|error| Error::io(format!("reading {}", path.display()), error))? {
            return Ok(false);
        }
        files::sync(&file, &path)?;
        files::sync_directory(parent(&path))?;
        Ok(true)
    }

    fn has_digest(&self, file: &mut File, id: &BlobId) -> io::Result<bool> {
        let mut hasher = Hasher::new(self.config().map_err(io::Error::other)?.hash_type);
        let mut chunk = vec![0; CHUNK];
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok(hasher.finish() == *id),
                length => hasher.update(&chunk[..length]),
            }
        }
    }

    fn new_sandboxed(&self) -> Result<Sandboxed> {
        self.config()?;
        let path = self.layout().new_sandbox();
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.map_err(|error| Error::io(format!("making {}", path.display()), error))?;
        Ok(Sandboxed { path, file })
    }

    fn put_in_place(&self, sandboxed: Sandboxed, id: &BlobId) -> Result<()> {
        files::sync(&sandboxed.file, &sandboxed.path)?;
        let path = self.loose_path(id)?;
        let directory = parent(&path);
        let is_new = match fs::rename(&sandboxed.path, &path) {
            Ok(()) => false,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                match fs::create_dir(directory) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(Error::io(format!("making {}", directory.display()), error));
                    }
                    _ => {}
                }
                files::rename(&sandboxed.path, &path)?;
                true
            }
            Err(error) => return Err(Error::io(format!("making {}", path.display()), error)),
        };
        files::sync_directory(directory)?;
        if is_new {
            files::sync_directory(&self.layout().loose_root())?;
        }
        Ok(())
    }

    /// Puts a file that has the content of an object in the place of the loose one.
    pub(crate) fn replace_loose(&self, from: &Path, id: &BlobId) -> Result<()> {
        let path = self.loose_path(id)?;
        let directory = parent(&path);
        fs::create_dir_all(directory)
            .map_err(|error| Error::io(format!("making {}", directory.display()), error))?;
        files::rename(from, &path)?;
        files::sync_directory(directory)?;
        files::sync_directory(&self.layout().loose_root())
    }
}

impl Sandboxed {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| Error::io(format!("writing {}", self.path.display()), error))
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
