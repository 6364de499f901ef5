//! `millpond dict get` and `millpond map get`.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;
use millpond::ValueReader;
use serde_json::json;

use super::{
    Entries, KeyForm, Target,
    bytes::{fill, store_error},
    sink::Sink,
};
use crate::{
    failure::Outcome,
    names::AtOption,
    output::{Entry, Output, hex},
};

/// Bytes of a value that are in memory at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// A value up to this long is looked at whole, to see whether JSON can hold it as text.
const TEXT_BYTES_MAX: u64 = 16 << 20;

#[derive(Args)]
pub(crate) struct GetCommand<T: Target> {
    #[command(flatten)]
    target: T,
    #[command(flatten)]
    at: AtOption,
    /// The key.
    #[arg(allow_negative_numbers = true)]
    key: OsString,
    /// KEY, unless it is a number, is in hexadecimal digits, and so is what is printed.
    #[arg(long, short = 'x')]
    hex: bool,
    /// Write the value to FILE, always as it is; `-` is the standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl<T: Target> GetCommand<T> {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let entries = self.target.read(&self.at)?;
        let form = entries.key_form();
        let key = form.decode(self.key, self.hex)?;
        let Some(mut reader) = entries.reader(&key)? else {
            return Err(self.target.no_key(form, &key).into());
        };
        if output.is_json() && self.output.is_none() {
            return respond(form, &key, &mut reader, output);
        }
        let in_digits = self.hex && self.output.is_none();
        let mut sink = Sink::new(self.output.as_deref())?;
        let to_output = matches!(sink, Sink::Output);
        let mut last = b'\n';
        chunks(&mut reader, |chunk| {
            last = chunk.last().copied().unwrap_or(last);
            if in_digits { sink.write(hex(chunk).as_bytes(), output) } else { sink.write(chunk, output) }
        })?;
        sink.finish()?;
        if in_digits || (to_output && output.is_terminal() && last != b'\n') {
            output.raw(|to| to.write_all(b"\n"))?;
        }
        match self.output {
            Some(path) if output.is_json() && !to_output => {
                let response = json!({ "output": path.to_string_lossy(), "length": reader.len() });
                output.respond(&response, |_| Ok(()))
            }
            _ => Ok(()),
        }
    }
}

/// The JSON document of a value. A long one is written in digits as it is read, since whether it
/// is text shows only at its end.
fn respond(form: KeyForm, key: &[u8], reader: &mut ValueReader, output: &mut Output<'_, '_>) -> Outcome {
    let length = Some(reader.len());
    if reader.len() <= TEXT_BYTES_MAX {
        let mut value = Vec::new();
        chunks(reader, |chunk| {
            value.extend_from_slice(chunk);
            Ok(())
        })?;
        return output.respond(&Entry { key, form, length, value: Some(&value), offset: None }, |_| Ok(()));
    }
    let head = serde_json::to_string(&Entry { key, form, length, ..Entry::default() }).unwrap_or_default();
    output.begin(&format!("{},\"value_hex\":\"", head.trim_end_matches('}')), "\"}")?;
    chunks(reader, |chunk| output.raw(|to| to.write_all(hex(chunk).as_bytes())))?;
    output.finish()
}

/// Calls `each` with the value's bytes, chunk by chunk.
fn chunks(reader: &mut ValueReader, mut each: impl FnMut(&[u8]) -> Outcome) -> Outcome {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = fill(reader, &mut buffer).map_err(|error| store_error("reading the value", error))?;
        if count == 0 {
            return Ok(());
        }
        each(&buffer[..count])?;
    }
}
