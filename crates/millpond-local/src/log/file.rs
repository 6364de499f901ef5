//! One file of the log: its header, then records from `base` on, then zeros.
//!
//! Invariant: a file that has its final name has its header, is zeroed to its end, and all of
//! that is synced, its directory entry included: an append into it allocates nothing.

use std::{path::Path, sync::Arc};

use millpond_core::{Error, Result};
use uuid::Uuid;

use super::{HEADER_BYTES, LogHeader};
use crate::{
    bugs::{Bug, planted},
    media::{File, FileExt, Media, OpenMode},
};

const EXTENSION: &str = ".log";
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The name of log file `number`.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number:016x}{EXTENSION}")
}

/// The number of the log file of that name, if it is one.
pub(crate) fn file_number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(EXTENSION)?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}

/// The name that a log file has while it is made by the process of serial number `serial`.
pub(crate) fn scratch_name(serial: u64) -> String {
    format!("{serial:016x}.tmp")
}

/// The name of a file that is to be the next one of the log: zeros, synced.
pub(crate) const AHEAD_NAME: &str = "next.tmp";

/// The name that it has while it is made by the process of serial number `serial`, who may have a file
/// of its other name in the making at the same time.
pub(crate) fn ahead_scratch_name(serial: u64) -> String {
    format!("{serial:016x}.next.tmp")
}

/// An open file of the log.
#[derive(Clone, Debug)]
pub(crate) struct LogFile {
    pub(crate) header: LogHeader,
    file: Arc<dyn File>,
    path: Arc<Path>,
}

impl LogFile {
    /// Makes a log file under `scratch`, fills it with `records` and zeros, syncs it, and gives it
    /// its name in `dir`.
    pub(crate) fn create(
        media: &Arc<dyn Media>,
        dir: &Path,
        scratch: &str,
        header: LogHeader,
        records: &[u8],
    ) -> Result<Self> {
        let made_at = dir.join(scratch);
        let file = make(media, &made_at)?;
        fill(&*file, &[&header.encode(), records], HEADER_BYTES + header.capacity)
            .map_err(|error| abandon(media, &made_at, error))?;
        Self::name(media, dir, &made_at, header, file)
    }

    /// Makes a file of `length` bytes of zeros under `scratch`, syncs it, and gives it the name under
    /// which the next file of the log is found.
    pub(crate) fn make_ahead(media: &Arc<dyn Media>, dir: &Path, scratch: &str, length: u64) -> Result<()> {
        let made_at = dir.join(scratch);
        let file = make(media, &made_at)?;
        fill(&*file, &[], length)
            .and_then(|()| media.rename(&made_at, &dir.join(AHEAD_NAME)))
            .map_err(|error| abandon(media, &made_at, error))
    }

    /// Makes a file that was made ahead, and is now under `scratch`, one of the log.
    pub(crate) fn begin(
        media: &Arc<dyn Media>,
        dir: &Path,
        scratch: &str,
        header: LogHeader,
    ) -> Result<Self> {
        let made_at = dir.join(scratch);
        let file = media
            .open(&made_at, OpenMode::Write)
            .and_then(|file| {
                file.write_all_at(&header.encode(), 0)?;
                file.sync()?;
                Ok(file)
            })
            .map_err(|error| abandon(media, &made_at, error))?;
        Self::name(media, dir, &made_at, header, file)
    }

    /// Gives a file that is complete and synced its name.
    fn name(
        media: &Arc<dyn Media>,
        dir: &Path,
        made_at: &Path,
        header: LogHeader,
        file: Arc<dyn File>,
    ) -> Result<Self> {
        let path = dir.join(file_name(header.number));
        media
            .rename(made_at, &path)
            .and_then(|()| if planted(Bug::SkipLogDirectorySync) { Ok(()) } else { media.sync_dir(dir) })
            .map_err(|error| abandon(media, made_at, error))?;
        Ok(Self { header, file, path: path.into() })
    }

    pub(crate) fn open(media: &Arc<dyn Media>, dir: &Path, container: Uuid, number: u64) -> Result<Self> {
        let path = dir.join(file_name(number));
        let doing = || format!("opening log file {}", path.display());
        let file = media.open(&path, OpenMode::Write).map_err(|error| Error::io(doing(), error))?;
        let length = file.length().map_err(|error| Error::io(doing(), error))?;
        let mut head = vec![0; HEADER_BYTES.min(length) as usize];
        file.read_exact_at(&mut head, 0).map_err(|error| Error::io(doing(), error))?;
        let header = LogHeader::decode(&head, &path, container, number)?;
        Ok(Self { header, file, path: path.into() })
    }

    pub(crate) fn number(&self) -> u64 {
        self.header.number
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Log offset behind the last place for a record.
    pub(crate) fn end(&self) -> u64 {
        self.header.base + self.header.capacity
    }

    /// Where log offset `offset` lies in the file.
    pub(crate) fn place(&self, offset: u64) -> u64 {
        HEADER_BYTES + (offset - self.header.base)
    }

    /// Reads up to `most` bytes from log offset `offset` on, none past the file's end.
    pub(crate) fn read(&self, offset: u64, most: u64) -> Result<Vec<u8>> {
        let count = most.min(self.end().saturating_sub(offset)) as usize;
        let mut bytes = vec![0; count];
        let mut filled = 0;
        while filled < count {
            match self.file.read_at(&mut bytes[filled..], self.place(offset) + filled as u64) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(Error::io(
                        format!("reading log file {} at offset {}", self.path.display(), self.place(offset)),
                        error,
                    ));
                }
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    pub(crate) fn write(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file.write_all_at(bytes, self.place(offset)).map_err(|error| self.failed_write(offset, error))
    }

    /// As `write`, for bytes that nobody waits for to be synced: without asking the kernel, where that
    /// is possible. The space is there, so that it can't be missing when they are written back.
    pub(crate) fn store(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.file.store(bytes, self.place(offset)).map_err(|error| self.failed_write(offset, error))
    }

    fn failed_write(&self, offset: u64, error: std::io::Error) -> Error {
        Error::io(format!("writing log file {} at offset {}", self.path.display(), self.place(offset)), error)
    }

    /// Zeroes what isn't zero from log offset `from` to the file's end; answers whether anything was.
    pub(crate) fn zero_from(&self, from: u64) -> Result<bool> {
        let mut offset = from;
        let mut any = false;
        while offset < self.end() {
            let bytes = self.read(offset, ZEROS.len() as u64)?;
            let count =
                if bytes.is_empty() { ZEROS.len().min((self.end() - offset) as usize) } else { bytes.len() };
            if bytes.is_empty() || bytes.iter().any(|&byte| byte != 0) {
                self.write(&ZEROS[..count], offset)?;
                any = true;
            }
            offset += count as u64;
        }
        Ok(any)
    }

    /// Writes what lies between two log offsets again, where it is.
    pub(crate) fn write_again(&self, from: u64, to: u64) -> Result<()> {
        let mut offset = from;
        while offset < to {
            let part = self.read(offset, (to - offset).min(1 << 20))?;
            if part.is_empty() {
                break;
            }
            self.write(&part, offset)?;
            offset += part.len() as u64;
        }
        Ok(())
    }

    pub(crate) fn sync(&self) -> std::io::Result<()> {
        self.file.sync()
    }
}

/// An empty file, in the place of what a process of that name left there.
fn make(media: &Arc<dyn Media>, path: &Path) -> Result<Arc<dyn File>> {
    match media.open(path, OpenMode::Create) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            media.remove(path).and_then(|()| media.open(path, OpenMode::Create))
        }
        other => other,
    }
    .map_err(|error| Error::io(format!("creating log file {}", path.display()), error))
}

/// Fills a file with some parts, and zeros up to `end`, and syncs it.
fn fill(file: &dyn File, parts: &[&[u8]], end: u64) -> std::io::Result<()> {
    let mut place = 0;
    for part in parts {
        file.write_all_at(part, place)?;
        place += part.len() as u64;
    }
    if planted(Bug::LogSpaceNotZeroedAhead) {
        return file.sync();
    }
    while place < end {
        let count = ZEROS.len().min((end - place) as usize);
        file.write_all_at(&ZEROS[..count], place)?;
        place += count as u64;
    }
    file.sync()
}

/// Removes a file that can't be made.
fn abandon(media: &Arc<dyn Media>, path: &Path, error: std::io::Error) -> Error {
    let _ = media.remove(path);
    Error::io(format!("making log file {}", path.display()), error)
}
