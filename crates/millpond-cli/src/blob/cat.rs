//! `millpond blob cat`.

use std::{
    io::{self, Read},
    path::PathBuf,
};

use clap::Args;
use millpond::{BlobId, BlobReader};
use serde_json::json;

use super::{StoreName, id, no_blob};
use crate::{
    entries::{bytes::store_error, sink::Sink},
    failure::Outcome,
    output::{Output, hex},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  millpond blob cat lab/files ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
  millpond blob cat lab/files ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad --output results.h5";

/// Bytes of a blob that are in memory at once.
const CHUNK_BYTES: usize = 1 << 20;

/// A blob up to this long is looked at whole, to see whether JSON can hold it as text.
const TEXT_BYTES_MAX: u64 = 16 << 20;

#[derive(Args)]
pub(crate) struct CatCommand {
    #[command(flatten)]
    store: StoreName,
    /// Its id.
    #[arg(value_parser = id)]
    id: BlobId,
    /// Write it to FILE, which appears when it is complete; `-` is the standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl CatCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let blobs = self.store.read()?;
        let Some(mut reader) = blobs.reader(&self.id)? else {
            return Err(no_blob(&self.id, &self.store).into());
        };
        let mut sink = Sink::new(self.output.as_deref())?;
        let to_output = matches!(sink, Sink::Output);
        if to_output && output.is_json() {
            return respond(&self.id, &mut reader, output);
        }
        chunks(&mut reader, |chunk| sink.write(chunk, output))?;
        sink.finish()?;
        match self.output {
            Some(path) if !to_output => {
                let path = path.to_string_lossy();
                output.respond(&json!({ "output": path, "length": reader.len() }), |_| Ok(()))
            }
            _ => Ok(()),
        }
    }
}

/// The JSON document of a blob. A long one is written in digits as it is read, since whether it is text
/// shows only at its end.
fn respond(id: &BlobId, reader: &mut BlobReader, output: &mut Output<'_, '_>) -> Outcome {
    let length = reader.len();
    if length <= TEXT_BYTES_MAX {
        let mut value = Vec::new();
        chunks(reader, |chunk| {
            value.extend_from_slice(chunk);
            Ok(())
        })?;
        let response = match String::from_utf8(value) {
            Ok(text) => json!({ "id": id, "length": length, "value": text }),
            Err(error) => json!({ "id": id, "length": length, "value_hex": hex(error.as_bytes()) }),
        };
        return output.respond(&response, |_| Ok(()));
    }
    output.begin(&format!("{{\"id\":\"{id}\",\"length\":{length},\"value_hex\":\""), "\"}")?;
    chunks(reader, |chunk| output.raw(|to| to.write_all(hex(chunk).as_bytes())))?;
    output.finish()
}

/// Calls `each` with the blob's bytes, chunk by chunk.
fn chunks(reader: &mut BlobReader, mut each: impl FnMut(&[u8]) -> Outcome) -> Outcome {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => each(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(store_error("reading the blob", error)),
        }
    }
}
