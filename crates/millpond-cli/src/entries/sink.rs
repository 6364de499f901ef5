//! Where bytes go: the standard output, or a file that appears whole or not at all.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use millpond::Error;

use crate::{failure::Outcome, output::Output};

/// Bytes collected before a write.
const BUFFER_BYTES: usize = 256 * 1024;

/// A destination of bytes.
pub(crate) enum Sink {
    /// Standard output.
    Output,
    /// A file.
    File(TargetFile),
}

/// A file that is being written.
///
/// A regular file is written beside its place and moved there by [`Sink::finish`], so that a
/// failure leaves what was there before; anything else (a pipe, a terminal, `/dev/null`) is
/// written directly.
pub(crate) struct TargetFile {
    shown: PathBuf,
    writer: BufWriter<File>,
    /// The file's temporary and its final path; none if it is written directly.
    to_move: Option<(PathBuf, PathBuf)>,
}

impl Sink {
    /// The file at `path`; `-` and nothing are standard output.
    pub(crate) fn new(path: Option<&Path>) -> Outcome<Self> {
        match path {
            None => Ok(Self::Output),
            Some(path) if path.as_os_str() == "-" => Ok(Self::Output),
            Some(path) => Ok(Self::File(TargetFile::create(path)?)),
        }
    }

    /// Writes all of `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8], output: &mut Output<'_, '_>) -> Outcome {
        match self {
            Self::Output => output.raw(|to| to.write_all(bytes)),
            Self::File(file) => {
                let written = file.writer.write_all(bytes);
                Ok(written.map_err(|error| file.failed(error))?)
            }
        }
    }

    /// Puts a file in its place.
    pub(crate) fn finish(self) -> Outcome {
        match self {
            Self::Output => Ok(()),
            Self::File(mut file) => {
                file.writer.flush().map_err(|error| file.failed(error))?;
                if let Some((from, to)) = file.to_move.take() {
                    fs::rename(&from, &to).map_err(|error| {
                        // The error to tell is why the file couldn't be moved.
                        let _leftover = fs::remove_file(&from);
                        file.failed(error)
                    })?;
                }
                Ok(())
            }
        }
    }
}

impl TargetFile {
    fn create(path: &Path) -> Result<Self, Error> {
        let failed = |error| Error::io(format!("writing {}", path.display()), error);
        let shown = path.to_owned();
        let existing = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        if existing.as_ref().is_some_and(|metadata| !metadata.is_file()) {
            let file = fs::OpenOptions::new().write(true).open(path).map_err(failed)?;
            return Ok(Self { shown, writer: BufWriter::with_capacity(BUFFER_BYTES, file), to_move: None });
        }
        // Behind a link, the file is replaced and not the link.
        let place = if existing.is_some() { fs::canonicalize(path).map_err(failed)? } else { shown.clone() };
        let mut name = std::ffi::OsString::from(".");
        name.push(place.file_name().unwrap_or_default());
        name.push(format!(".{}.part", std::process::id()));
        let temporary = place.with_file_name(name);
        let file = File::create(&temporary).map_err(failed)?;
        let to_move = Some((temporary, place));
        let target = Self { shown, writer: BufWriter::with_capacity(BUFFER_BYTES, file), to_move };
        if let Some(metadata) = existing {
            target.writer.get_ref().set_permissions(metadata.permissions()).map_err(failed)?;
        }
        Ok(target)
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::io(format!("writing {}", self.shown.display()), error)
    }
}

impl Drop for TargetFile {
    fn drop(&mut self) {
        if let Some((temporary, _)) = self.to_move.take() {
            // The command failed, and says why.
            let _leftover = fs::remove_file(temporary);
        }
    }
}
