//! `millpond blob add-files`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use clap::Args;
use millpond::{BlobSource, Compression, Error, ErrorKind, InsertOptions, Inserted, Result, format_size};
use serde_json::json;

use super::{StoreName, compression};
use crate::{
    failure::Outcome,
    output::{Output, Progress, plural, printable},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  millpond blob add-files lab/files structure.cif results.h5
  millpond blob add-files lab/files --recursive calculations/
  millpond blob add-files lab/files --compression none photo.jpg

Links in directories aren't followed, and what isn't a regular file is left out; a link that is named is
followed. Of a file that can't be read, the error says which it is; those before it are stored.";

#[derive(Args)]
pub(crate) struct AddCommand {
    #[command(flatten)]
    store: StoreName,
    /// The files.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Store the files in directories, too.
    #[arg(long, short)]
    recursive: bool,
    /// How they are stored if they look worth compressing; the store's setting decides otherwise.
    #[arg(long, value_name = "CODEC", value_parser = compression)]
    compression: Option<Compression>,
}

/// The files that are taken, in order, so that answers can be named.
type Taken = Arc<Mutex<Vec<PathBuf>>>;

impl AddCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        for path in &self.paths {
            if path.is_dir() && !self.recursive {
                let message = format!(
                    "{} is a directory: --recursive stores the files in it",
                    printable(&path.to_string_lossy())
                );
                return Err(Error::new(ErrorKind::InvalidArgument, message).into());
            }
        }
        let blobs = self.store.write()?;
        let options = InsertOptions { compression: self.compression, ..InsertOptions::default() };
        let taken = Taken::default();
        let sources = Files {
            pending: self.paths.into_iter().rev().map(|path| (path, true)).collect(),
            taken: taken.clone(),
        };
        let (mut files, mut bytes, mut new) = (0u64, 0u64, 0u64);
        let mut answers = Vec::new();
        {
            let bar = output.progress("storing files", None);
            let is_shown = !output.is_json() && !output.is_terminal();
            for inserted in blobs.insertions(Box::new(sources), &options)? {
                let inserted = inserted?;
                let path = taken.lock().unwrap_or_else(PoisonError::into_inner)[files as usize].clone();
                files += 1;
                bytes += inserted.raw_size;
                new += u64::from(inserted.is_new);
                advance(&bar);
                if output.is_json() {
                    answers.push(json!({
                        "id": inserted.id, "path": path.to_string_lossy(), "size": inserted.raw_size, "new": inserted.is_new,
                    }));
                } else if is_shown {
                    output.raw(|to| writeln!(to, "{}", line(&inserted, &path)))?;
                } else {
                    answers.push(json!(line(&inserted, &path)));
                }
            }
        }
        blobs.container().close()?;
        let response = json!({ "files": answers, "bytes": bytes, "new": new });
        output.respond(&response, |page| {
            for answer in &answers {
                page.line(answer.as_str().unwrap_or_default())?;
            }
            Ok(())
        })?;
        if output.is_terminal() {
            let (files, bytes) = (plural(files, "file"), format_size(bytes));
            output.remark(&format!("stored {files}, {bytes}, of which {new} new"));
        }
        Ok(())
    }
}

fn advance(bar: &Progress) {
    bar.advance(1);
}

fn line(inserted: &Inserted, path: &Path) -> String {
    format!("{}  {}", inserted.id, printable(&path.to_string_lossy()))
}

/// Goes over files, and into directories.
struct Files {
    /// What is still to come, the next one last; whether the user named it.
    pending: Vec<(PathBuf, bool)>,
    taken: Taken,
}

impl Files {
    fn next_file(&mut self) -> Result<Option<PathBuf>> {
        while let Some((path, is_named)) = self.pending.pop() {
            let failed =
                |error| Error::io(format_args!("reading {}", printable(&path.to_string_lossy())), error);
            let metadata = if is_named { fs::metadata(&path) } else { fs::symlink_metadata(&path) };
            let metadata = metadata.map_err(failed)?;
            if metadata.is_file() {
                return Ok(Some(path));
            }
            if metadata.is_dir() {
                let mut inside = Vec::new();
                for entry in fs::read_dir(&path).map_err(failed)? {
                    inside.push((entry.map_err(failed)?.path(), false));
                }
                inside.sort();
                self.pending.extend(inside.into_iter().rev());
            } else if is_named {
                let message = format!(
                    "{} is neither a file nor a directory: give a regular file",
                    printable(&path.to_string_lossy())
                );
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
        }
        Ok(None)
    }
}

impl Iterator for Files {
    type Item = Result<BlobSource<'static>>;

    fn next(&mut self) -> Option<Self::Item> {
        let path = self.next_file().transpose()?;
        Some(path.map(|path| {
            self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
            BlobSource::Path(path)
        }))
    }
}
