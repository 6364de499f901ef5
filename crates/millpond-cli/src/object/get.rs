//! `millpond object get`.

use std::{ffi::OsString, ops::Range, path::PathBuf};

use clap::Args;
use millpond::{Error, ErrorKind, Fetched, Object, ObjectKey};
use serde_json::{Map, json};

use super::{
    ObjectName,
    keys::{Word, add_bytes, shown_key},
};
use crate::{
    entries::{lines::PART_BYTES_MAX, sink::Sink},
    failure::{Failure, Outcome},
    names::AtOption,
    output::{Output, hex},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  millpond object get lab/results 10000000000000000000000000000007 17 parameters
  millpond object get lab/results 10000000000000000000000000000007 17 field --start 100 --count 50
  millpond object get lab/results 10000000000000000000000000000007 17 field --output field.bin
  millpond object get lab/results 10000000000000000000000000000007 17 field --at before-cleanup

Holes among the records of an array are read as zeros.";

#[derive(Args)]
pub(crate) struct GetCommand {
    #[command(flatten)]
    object: ObjectName,
    #[command(flatten)]
    at: AtOption,
    /// The dkey.
    dkey: OsString,
    /// The akey.
    akey: OsString,
    /// Of an array, the first record to read; 0 by default.
    #[arg(long, value_name = "RECORD")]
    start: Option<u64>,
    /// Of an array, how many records to read; all up to its end by default.
    #[arg(long, value_name = "RECORDS")]
    count: Option<u64>,
    /// Keys are in hexadecimal digits, and so is what is printed.
    #[arg(long, short = 'x')]
    hex: bool,
    /// Write to FILE, always as it is; `-` is the standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What an akey has.
pub(super) enum Held {
    Single(bytes::Bytes),
    /// Bytes in a record.
    Array(u64),
}

/// What an akey has, if it is there.
pub(super) fn held(object: &Object, dkey: &ObjectKey<'_>, akey: &ObjectKey<'_>) -> Outcome<Option<Held>> {
    match object.get(dkey, akey) {
        Ok(Some(value)) => Ok(Some(Held::Single(value))),
        Ok(None) => Ok(None),
        // It has an array, or the keys are wrong, which the fetch says again.
        Err(error) if error.kind() == ErrorKind::InvalidArgument => {
            let fetched = object.fetch(dkey)?.extents(akey, [])?.read()?;
            Ok(fetched.into_iter().find_map(|fetched| match fetched {
                Fetched::Extents(extents) => Some(Held::Array(extents.record_bytes)),
                Fetched::Absent | Fetched::Single(_) => None,
            }))
        }
        Err(error) => Err(error.into()),
    }
}

/// Calls `each` with the bytes of an array's records, piece by piece, and the records of the piece.
pub(super) fn pieces(
    object: &Object,
    (dkey, akey): (&ObjectKey<'_>, &ObjectKey<'_>),
    record_bytes: u64,
    records: Range<u64>,
    mut each: impl FnMut(Range<u64>, &[u8]) -> Outcome,
) -> Outcome {
    let step = (PART_BYTES_MAX as u64 / record_bytes).max(1);
    let mut start = records.start;
    while start < records.end {
        let piece = start..start.saturating_add(step).min(records.end);
        let fetched = object.fetch(dkey)?.extents(akey, [piece.clone()])?.read()?;
        if let Some(Fetched::Extents(extents)) = fetched.first() {
            each(piece.clone(), &extents.bytes)?;
        }
        start = piece.end;
    }
    Ok(())
}

impl GetCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let (_state, object) = self.object.read(&self.at)?;
        let kind = object.kind();
        let dkey = Word::new(self.dkey, self.hex).key(kind.dkeys, "DKEY")?;
        let akey = Word::new(self.akey, self.hex).key(kind.akeys, "AKEY")?;
        let Some(held) = held(&object, &dkey, &akey)? else {
            let (dkey, akey) = (shown_key(&dkey, self.hex), shown_key(&akey, self.hex));
            let text = format!("there is no akey \"{akey}\" in the dkey \"{dkey}\" of {object}");
            return Err(Error::new(ErrorKind::NotFound, text).into());
        };
        let as_json = output.is_json() && self.output.is_none();
        let in_digits = self.hex && self.output.is_none();
        let mut sink = Sink::new(self.output.as_deref())?;
        let to_output = matches!(sink, Sink::Output);
        let mut length = 0;
        let mut write = |bytes: &[u8], output: &mut Output<'_, '_>| {
            length += bytes.len() as u64;
            if in_digits { sink.write(hex(bytes).as_bytes(), output) } else { sink.write(bytes, output) }
        };
        match held {
            Held::Single(_) if self.start.is_some() || self.count.is_some() => {
                return Err(Failure::usage(
                    "--start and --count are of arrays, and the akey has a single value",
                ));
            }
            Held::Single(value) if as_json => {
                let mut entry = Map::new();
                add_bytes(&mut entry, "value", &value);
                entry.insert("length".to_owned(), json!(value.len()));
                return output.respond(&entry, |_| Ok(()));
            }
            Held::Single(value) => write(&value, output)?,
            Held::Array(record_bytes) => {
                let start = self.start.unwrap_or(0);
                let end = match self.count {
                    Some(count) => start.saturating_add(count),
                    None => {
                        object.largest_extent(&dkey, &akey)?.map_or(start, |extent| extent.end.max(start))
                    }
                };
                if as_json {
                    // In digits from the first piece on: whether it all is text shows only at its end.
                    let head = format!("{{\"records\":[{start},{end}],\"record_bytes\":{record_bytes}");
                    output.begin(&format!("{head},\"value_hex\":\""), "\"}")?;
                    pieces(&object, (&dkey, &akey), record_bytes, start..end, |_, bytes| {
                        output.raw(|to| to.write_all(hex(bytes).as_bytes()))
                    })?;
                    return output.finish();
                }
                pieces(&object, (&dkey, &akey), record_bytes, start..end, |_, bytes| write(bytes, output))?;
            }
        }
        sink.finish()?;
        if in_digits {
            output.raw(|to| to.write_all(b"\n"))?;
        }
        match self.output {
            Some(path) if output.is_json() && !to_output => {
                output.respond(&json!({ "output": path.to_string_lossy(), "length": length }), |_| Ok(()))
            }
            _ => Ok(()),
        }
    }
}
