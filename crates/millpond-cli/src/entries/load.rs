//! `millpond dict load` and `millpond map load`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use millpond::{Error, ErrorKind, ValueWriter};
use serde_json::json;

use super::{
    Entries, Target, WriteOptions,
    bytes::store_error,
    lines::{self, Line},
};
use crate::{
    failure::{Failure, Outcome},
    output::{Output, Progress, plural},
};

/// Bytes of keys and values that are committed together.
const BATCH_BYTES: usize = 4 << 20;

/// Entries that are committed together.
const BATCH_ENTRIES: usize = 10_000;

/// Bytes read at once.
const BUFFER_BYTES: usize = 256 * 1024;

#[derive(Args)]
pub(crate) struct LoadCommand<T: Target> {
    #[command(flatten)]
    target: T,
    /// The file; `-`, or nothing, is the standard input.
    file: Option<PathBuf>,
    #[command(flatten)]
    options: WriteOptions<T>,
}

/// Entries on their way to where they are stored.
struct Load<'a, E: Entries> {
    target: &'a E,
    batch: Vec<(Vec<u8>, Vec<u8>)>,
    batch_bytes: usize,
    /// The value whose parts are coming.
    partial: Option<Partial>,
    /// Entries stored.
    stored: u64,
    bytes: u64,
}

/// A value that is spread over lines.
struct Partial {
    key: Vec<u8>,
    writer: ValueWriter,
    written: u64,
    length: u64,
}

impl<T: Target> LoadCommand<T> {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let path = self.file.filter(|path| path.as_os_str() != "-");
        let file = path.as_deref().map(open).transpose()?;
        let total = file.as_ref().and_then(|file| file.metadata().ok()).map(|metadata| metadata.len());
        let container = self.options.container(&self.target)?;
        let target = self.options.entries(&self.target, &container)?;
        let progress = output.progress("loading", total);
        let mut load =
            Load { target: &target, batch: Vec::new(), batch_bytes: 0, partial: None, stored: 0, bytes: 0 };
        let name = path.as_ref().map_or("the standard input".into(), |path| path.display().to_string());
        let loaded = match file {
            Some(file) => load.all(BufReader::with_capacity(BUFFER_BYTES, file), &name, &progress),
            None => load.all(BufReader::with_capacity(BUFFER_BYTES, output.input()), &name, &progress),
        };
        drop(progress);
        let Load { stored, bytes, .. } = load;
        loaded.map_err(|failure| match failure {
            Failure::Failed(error) => {
                let message = format!("{error} ({} stored before)", plural(stored, "entry"));
                Failure::Failed(Error::new(error.kind(), message))
            }
            other => other,
        })?;
        container.close()?;
        output.respond(&json!({ "entries": stored, "bytes": bytes }), |page| {
            page.line(&format!("loaded {} into {}", plural(stored, "entry"), self.target.shown()))
        })
    }
}

impl<E: Entries> Load<'_, E> {
    /// Stores every line, and whatever was collected before the first that is wrong.
    fn all(&mut self, mut reader: impl BufRead, name: &str, progress: &Progress) -> Outcome {
        let outcome = self.lines(&mut reader, name, progress);
        let last = self.commit();
        outcome.and(last)
    }

    fn lines(&mut self, reader: &mut impl BufRead, name: &str, progress: &Progress) -> Outcome {
        let mut text = Vec::new();
        for number in 1u64.. {
            let wrong = |why: &str| Failure::usage(format!("line {number} of {name}: {why}"));
            let more = lines::read(reader, &mut text).map_err(|error| match error.kind() {
                io::ErrorKind::InvalidData => wrong(&error.to_string()),
                _ => Error::io(format!("reading {name}"), error).into(),
            })?;
            if !more {
                break;
            }
            progress.advance(text.len() as u64 + 1);
            if text.is_empty() {
                continue;
            }
            let line = lines::parse(&text, self.target.key_form()).map_err(|why| wrong(&why))?;
            self.line(line, &wrong)?;
        }
        match self.partial.take() {
            Some(partial) => Err(Failure::usage(format!(
                "{name} ends in the middle of the value of {}: {} of {} bytes are there",
                self.target.key_form().quoted(&partial.key),
                partial.written,
                partial.length
            ))),
            None => Ok(()),
        }
    }

    fn line(&mut self, line: Line, wrong: &dyn Fn(&str) -> Failure) -> Outcome {
        let Some((offset, length)) = line.part else {
            if self.partial.is_some() {
                return Err(wrong("a new entry before the last part of the one before"));
            }
            return self.whole(line.key, line.value);
        };
        if offset == 0 && self.partial.is_none() {
            // Entries take effect in the order of their lines.
            self.commit()?;
            let writer = self.target.writer(&line.key)?;
            self.partial = Some(Partial { key: line.key.clone(), writer, written: 0, length });
        }
        let Some(partial) = &mut self.partial else {
            return Err(wrong("a part of a value whose first part is missing"));
        };
        if partial.key != line.key || partial.written != offset || partial.length != length {
            return Err(wrong(&format!(
                "not the part at offset {} of the value of {}, which should come here",
                partial.written,
                self.target.key_form().quoted(&partial.key)
            )));
        }
        partial.writer.write_all(&line.value).map_err(|error| store_error("storing the value", error))?;
        partial.written += line.value.len() as u64;
        if partial.written > length {
            return Err(wrong(&format!("more than the {length} bytes of the whole value")));
        }
        if partial.written == length
            && let Some(partial) = self.partial.take()
        {
            partial.writer.commit()?;
            self.stored += 1;
            self.bytes += length;
        }
        Ok(())
    }

    fn whole(&mut self, key: Vec<u8>, value: Vec<u8>) -> Outcome {
        self.batch_bytes += key.len() + value.len();
        self.batch.push((key, value));
        if self.batch_bytes >= BATCH_BYTES || self.batch.len() >= BATCH_ENTRIES {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Outcome {
        if self.batch.is_empty() {
            return Ok(());
        }
        let (count, bytes) =
            (self.batch.len(), self.batch.iter().map(|(_, value)| value.len()).sum::<usize>());
        self.batch_bytes = 0;
        self.target.put_many(self.batch.drain(..))?;
        self.stored += count as u64;
        self.bytes += bytes as u64;
        Ok(())
    }
}

fn open(path: &Path) -> Outcome<File> {
    let failed = |error| Error::io(format!("opening {}", path.display()), error);
    let file = File::open(path).map_err(failed)?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        let message = format!("{} is a directory: give a file of JSON Lines", path.display());
        return Err(Error::new(ErrorKind::InvalidArgument, message).into());
    }
    Ok(file)
}
