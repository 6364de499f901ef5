//! `millpond object put`.

use std::ffi::OsString;

use clap::Args;
use serde_json::json;

use super::{ObjectName, keys::Word};
use crate::{
    entries::{
        DurabilityOption,
        bytes::{Source, store_error},
        lines::PART_BYTES_MAX,
    },
    failure::{Failure, Outcome},
    output::Output,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  millpond object put lab/results 10000000000000000000000000000007 17 parameters dt=0.1
  millpond object put lab/runs 10000000000000000000000000000007 17 u @u --start 9 --record-size 8
  cat p.json | millpond object put lab/runs 10000000000000000000000000000007 17 parameters -";

#[derive(Args)]
pub(crate) struct PutCommand {
    #[command(flatten)]
    object: ObjectName,
    /// The dkey.
    dkey: OsString,
    /// The akey.
    akey: OsString,
    /// The value: `-` for the standard input, @FILE for the content of a file, and else itself.
    value: OsString,
    /// Write VALUE to the akey's array, from this record on.
    #[arg(long, value_name = "RECORD")]
    start: Option<u64>,
    /// Bytes in a record of the array.
    #[arg(long, value_name = "BYTES", default_value_t = 1, requires = "start")]
    record_size: u64,
    /// Keys are in hexadecimal digits, and so is a VALUE that is given here; what is read from a file or
    /// the standard input is taken as it is.
    #[arg(long, short = 'x')]
    hex: bool,
    /// VALUE is itself, also if it begins with @ or is `-`.
    #[arg(long)]
    literal: bool,
    #[command(flatten)]
    durability: DurabilityOption,
}

impl PutCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let mut source = Source::new(self.value, self.hex, self.literal)?;
        let (container, object) = self.object.write(&self.durability)?;
        let kind = object.kind();
        let dkey = Word::new(self.dkey, self.hex).key(kind.dkeys, "DKEY")?;
        let akey = Word::new(self.akey, self.hex).key(kind.akeys, "AKEY")?;
        // Whole records, so that a piece that isn't full is the last one.
        let records = (PART_BYTES_MAX as u64 / self.record_size.max(1)).max(1);
        let piece_bytes = records.saturating_mul(self.record_size.max(1));
        let mut piece = Vec::new();
        usize::try_from(piece_bytes)
            .ok()
            .filter(|bytes| piece.try_reserve_exact(*bytes).is_ok())
            .ok_or_else(|| Failure::usage(format!("{} bytes are too many for a record", self.record_size)))?;
        piece.resize(piece_bytes as usize, 0);
        let mut update = object.update(&dkey)?;
        let mut length = 0;
        match self.start {
            Some(start) => loop {
                let count = source.fill(&mut piece, output)?;
                let at = start.saturating_add(length / self.record_size.max(1));
                update.extent(&akey, self.record_size, at, &piece[..count])?;
                length += count as u64;
                if count < piece.len() {
                    break;
                }
            },
            None => {
                let mut value = Vec::new();
                loop {
                    let count = source.fill(&mut piece, output)?;
                    value
                        .try_reserve(count)
                        .map_err(|error| store_error("reading the value", std::io::Error::other(error)))?;
                    value.extend_from_slice(&piece[..count]);
                    if count < piece.len() {
                        break;
                    }
                }
                length = value.len() as u64;
                update.single(&akey, &value)?;
            }
        }
        update.commit()?;
        container.close()?;
        output.respond(&json!({ "length": length }), |_| Ok(()))
    }
}
