//! `millpond dict put` and `millpond map put`.

use std::{ffi::OsString, io::Write};

use clap::Args;
use serde_json::json;

use super::{
    Entries, Target, WriteOptions,
    bytes::{Source, store_error},
};
use crate::{failure::Outcome, output::Output};

/// Bytes of a value that are in memory at once; a longer one is streamed.
const CHUNK_BYTES: usize = 1 << 20;

#[derive(Args)]
pub(crate) struct PutCommand<T: Target> {
    #[command(flatten)]
    target: T,
    /// The key.
    #[arg(allow_negative_numbers = true)]
    key: OsString,
    /// The value: `-` for the standard input, @FILE for the content of a file, and else itself.
    value: OsString,
    /// KEY, unless it is a number, is in hexadecimal digits, and so is a VALUE that is given here; what
    /// is read from a file or the standard input is taken as it is.
    #[arg(long, short = 'x')]
    hex: bool,
    /// VALUE is itself, also if it begins with @ or is `-`.
    #[arg(long)]
    literal: bool,
    #[command(flatten)]
    options: WriteOptions<T>,
}

impl<T: Target> PutCommand<T> {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let source = Source::new(self.value, self.hex, self.literal)?;
        let container = self.options.container(&self.target)?;
        // A wrong key makes nothing.
        let key = self.options.key_form(&self.target, &container)?.decode(self.key, self.hex)?;
        let entries = self.options.entries(&self.target, &container)?;
        let (existed, length) = match source {
            Source::Bytes(value) => (entries.put(&key, &value)?, value.len() as u64),
            source => stream(&entries, &key, source, output)?,
        };
        container.close()?;
        output.respond(&json!({ "existed": existed, "length": length }), |_| Ok(()))
    }
}

/// Stores what `source` gives: at once if it is short, else as it comes; the key has its old value
/// until all of the new one is there.
fn stream(
    entries: &impl Entries,
    key: &[u8],
    mut source: Source,
    output: &mut Output<'_, '_>,
) -> Outcome<(bool, u64)> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut count = source.fill(&mut buffer, output)?;
    if count < buffer.len() {
        return Ok((entries.put(key, &buffer[..count])?, count as u64));
    }
    let mut writer = entries.writer(key)?;
    let mut length = 0;
    while count > 0 {
        writer.write_all(&buffer[..count]).map_err(|error| store_error("storing the value", error))?;
        length += count as u64;
        count = source.fill(&mut buffer, output)?;
    }
    Ok((writer.commit()?, length))
}
