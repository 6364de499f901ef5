//! `millpond dict dump`.

use std::path::PathBuf;

use clap::Args;
use millpond::Dict;
use serde_json::json;

use super::{
    bytes::{fill, store_error},
    lines::{PART_BYTES_MAX, whole_characters},
    range::RangeOptions,
    sink::Sink,
};
use crate::{
    failure::Outcome,
    names::{AtOption, DictName},
    output::{Entry, Output, plural},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  millpond dict dump lab/results runs > runs.jsonl
  millpond dict dump lab/results runs --prefix 2026- --output runs.jsonl
  millpond dict dump lab/results runs | jq -r .key

A value longer than 1 MiB is spread over several lines, each with the offset of its part and the
length of the whole; `millpond dict load` puts them together again.";

#[derive(Args)]
pub(crate) struct DumpCommand {
    #[command(flatten)]
    dict: DictName,
    #[command(flatten)]
    at: AtOption,
    #[command(flatten)]
    range: RangeOptions,
    /// The keys of --prefix, --start, --end and --after are in hexadecimal digits.
    #[arg(long, short = 'x')]
    hex: bool,
    /// Write to FILE, which appears when it is complete; `-` is the standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What a dump has written so far, and how lines are told apart.
struct Dump<'a, 'o, 's> {
    sink: Sink,
    output: &'a mut Output<'o, 's>,
    /// Between two entries: a JSON array needs one, lines don't.
    separator: &'static [u8],
    terminator: &'static [u8],
    lines: u64,
    entries: u64,
    bytes: u64,
}

impl DumpCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let everything = self.range.is_everything();
        let (range, limit) = self.range.decode(self.hex)?;
        let dict = self.dict.read(&self.at)?;
        let sink = Sink::new(self.output.as_deref())?;
        let to_output = matches!(sink, Sink::Output);
        // A bar would be drawn into the lines that a person looks at.
        let progress = match to_output && output.is_terminal() {
            true => None,
            false => Some(output.progress("dumping", if everything { Some(dict.len()?) } else { None })),
        };
        let as_array = to_output && output.is_json();
        if as_array {
            output.begin("[", "]")?;
        }
        let (separator, terminator): (&[u8], &[u8]) = if as_array { (b",", b"") } else { (b"", b"\n") };
        let mut dump = Dump { sink, output, separator, terminator, lines: 0, entries: 0, bytes: 0 };
        let mut entries = dict.range(range)?;
        while dump.entries < limit {
            let Some(entry) = entries.next_entry()? else { break };
            if entry.value_length()? <= PART_BYTES_MAX as u64 {
                dump.whole(entry.key(), &entry.value()?)?;
            } else {
                dump.parts(&dict, entry.key())?;
            }
            if let Some(progress) = &progress {
                progress.advance(1);
            }
        }
        let Dump { sink, entries: count, bytes, .. } = dump;
        sink.finish()?;
        drop(progress);
        match self.output {
            Some(path) if !to_output => {
                let path = path.to_string_lossy();
                let response = json!({ "entries": count, "bytes": bytes, "output": path });
                output.respond(&response, |page| {
                    page.line(&format!("dumped {} to {path}", plural(count, "entry")))
                })
            }
            _ if as_array => output.finish(),
            _ => Ok(()),
        }
    }
}

impl Dump<'_, '_, '_> {
    /// An entry on one line.
    fn whole(&mut self, key: &[u8], value: &[u8]) -> Outcome {
        self.entries += 1;
        self.line(&Entry { key, value: Some(value), ..Entry::default() }, value.len())
    }

    /// An entry whose value is spread over lines.
    fn parts(&mut self, dict: &Dict, key: &[u8]) -> Outcome {
        // Deleted since the walk began: the dump is as if it had begun after that.
        let Some(mut reader) = dict.reader(key)? else { return Ok(()) };
        let length = reader.len();
        let mut buffer = vec![0; PART_BYTES_MAX];
        let (mut held, mut offset) = (0, 0);
        loop {
            let read = fill(&mut reader, &mut buffer[held..])
                .map_err(|error| store_error("reading the value", error))?;
            held += read;
            if held == 0 && offset > 0 {
                break;
            }
            let last = read == 0 || offset + held as u64 == length;
            let part = if last { held } else { whole_characters(&buffer[..held]) };
            let entry =
                Entry { key, value: Some(&buffer[..part]), offset: Some(offset), length: Some(length) };
            self.line(&entry, part)?;
            buffer.copy_within(part..held, 0);
            held -= part;
            offset += part as u64;
            if last {
                break;
            }
        }
        self.entries += 1;
        Ok(())
    }

    fn line(&mut self, entry: &Entry<'_>, bytes: usize) -> Outcome {
        let mut line = if self.lines == 0 { Vec::new() } else { self.separator.to_vec() };
        serde_json::to_writer(&mut line, entry)
            .map_err(|error| millpond::Error::io("writing an entry as JSON", std::io::Error::from(error)))?;
        line.extend_from_slice(self.terminator);
        self.sink.write(&line, self.output)?;
        self.lines += 1;
        self.bytes += bytes as u64;
        Ok(())
    }
}
