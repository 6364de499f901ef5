//! `millpond object dump`.

use std::path::PathBuf;

use clap::Args;
use millpond::{Object, ObjectKey};
use serde_json::{Map, Value, json};

use super::{
    ObjectName,
    get::{Held, held, pieces},
    keys::{add_bytes, add_key},
};
use crate::{
    entries::sink::Sink,
    failure::Outcome,
    names::AtOption,
    output::{Output, plural},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  millpond object dump lab/results 10000000000000000000000000000007 > run.jsonl
  millpond object dump lab/results 10000000000000000000000000000007 --output run.jsonl

A single value is one line. Records of an array are lines of up to 1 MiB, each with the first record and
the one behind the last; holes have none.";

#[derive(Args)]
pub(crate) struct DumpCommand {
    #[command(flatten)]
    object: ObjectName,
    #[command(flatten)]
    at: AtOption,
    /// Write to FILE, which appears when it is complete; `-` is the standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Where lines go.
struct Lines<'a, 'o, 's> {
    sink: Sink,
    output: &'a mut Output<'o, 's>,
    as_array: bool,
    count: u64,
}

impl Lines<'_, '_, '_> {
    fn line(&mut self, entry: Map<String, Value>) -> Outcome {
        let entry = Value::from(entry);
        let line = match self.as_array {
            false => format!("{entry}\n"),
            true if self.count == 0 => entry.to_string(),
            true => format!(",{entry}"),
        };
        self.count += 1;
        self.sink.write(line.as_bytes(), self.output)
    }
}

impl DumpCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let (_state, object) = self.object.read(&self.at)?;
        let sink = Sink::new(self.output.as_deref())?;
        let to_output = matches!(sink, Sink::Output);
        let as_array = to_output && output.is_json();
        if as_array {
            output.begin("[", "]")?;
        }
        let mut lines = Lines { sink, output, as_array, count: 0 };
        for dkey in object.list_dkeys()? {
            let dkey = dkey?;
            for akey in object.list_akeys(&dkey)? {
                dump(&object, &dkey, &akey?, &mut lines)?;
            }
        }
        let Lines { sink, output, count, .. } = lines;
        sink.finish()?;
        match self.output {
            Some(path) if !to_output => {
                let path = path.to_string_lossy();
                output.respond(&json!({ "lines": count, "output": path }), |page| {
                    page.line(&format!("dumped {} to {path}", plural(count, "line")))
                })
            }
            _ if as_array => output.finish(),
            _ => Ok(()),
        }
    }
}

fn dump(
    object: &Object,
    dkey: &ObjectKey<'_>,
    akey: &ObjectKey<'_>,
    lines: &mut Lines<'_, '_, '_>,
) -> Outcome {
    let mut head = Map::new();
    add_key(&mut head, "dkey", dkey);
    add_key(&mut head, "akey", akey);
    match held(object, dkey, akey)? {
        None => Ok(()),
        Some(Held::Single(value)) => {
            add_bytes(&mut head, "value", &value);
            lines.line(head)
        }
        Some(Held::Array(record_bytes)) => {
            head.insert("record_bytes".to_owned(), json!(record_bytes));
            for extent in object.list_extents(dkey, akey)? {
                pieces(object, (dkey, akey), record_bytes, extent?.records, |records, bytes| {
                    let mut entry = head.clone();
                    entry.insert("records".to_owned(), json!([records.start, records.end]));
                    add_bytes(&mut entry, "value", bytes);
                    lines.line(entry)
                })?;
            }
            Ok(())
        }
    }
}
