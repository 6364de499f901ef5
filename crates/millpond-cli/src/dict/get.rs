//! `millpond dict get`.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;
use millpond::ValueReader;
use serde_json::json;

use super::{
    bytes::{decode, fill, store_error},
    no_key,
    sink::Sink,
};
use crate::{
    failure::Outcome,
    names::{AtOption, DictName},
    output::{Entry, Output, hex},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  millpond dict get lab/results runs run-1
  millpond dict get lab/results images loom --output loom.png
  millpond dict get lab/results runs --hex 00ff
  millpond dict get lab/results runs run-1 --at before-cleanup
  millpond dict get lab/results runs -- -dashed-key";

/// Bytes of a value that are in memory at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// A value up to this long is looked at whole, to see whether JSON can hold it as text.
const TEXT_BYTES_MAX: u64 = 16 << 20;

#[derive(Args)]
pub(crate) struct GetCommand {
    #[command(flatten)]
    dict: DictName,
    #[command(flatten)]
    at: AtOption,
    /// The key.
    key: OsString,
    /// KEY is in hexadecimal digits, and so is what is printed.
    #[arg(long, short = 'x')]
    hex: bool,
    /// Write the value to FILE, always as it is; `-` is the standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl GetCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let key = decode(self.key, self.hex)?;
        let dict = self.dict.read(&self.at)?;
        let Some(mut reader) = dict.reader(&key)? else {
            return Err(no_key(&key, &self.dict).into());
        };
        if output.is_json() && self.output.is_none() {
            return respond(&key, &mut reader, output);
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
fn respond(key: &[u8], reader: &mut ValueReader, output: &mut Output<'_, '_>) -> Outcome {
    let length = Some(reader.len());
    if reader.len() <= TEXT_BYTES_MAX {
        let mut value = Vec::new();
        chunks(reader, |chunk| {
            value.extend_from_slice(chunk);
            Ok(())
        })?;
        return output.respond(&Entry { key, length, value: Some(&value), offset: None }, |_| Ok(()));
    }
    let head = serde_json::to_string(&Entry { key, length, ..Entry::default() }).unwrap_or_default();
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
