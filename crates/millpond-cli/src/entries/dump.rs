//! `millpond dict dump` and `millpond map dump`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{
    Entries, EntriesRange, KeyForm, Target,
    bytes::{fill, store_error},
    lines::{PART_BYTES_MAX, whole_characters},
    sink::Sink,
};
use crate::{
    failure::Outcome,
    names::AtOption,
    output::{Entry, Output, plural},
};

#[derive(Args)]
pub(crate) struct DumpCommand<T: Target> {
    #[command(flatten)]
    target: T,
    #[command(flatten)]
    at: AtOption,
    #[command(flatten)]
    range: T::Range,
    /// The keys that say where to begin and to end, unless they are numbers, are in hexadecimal digits.
    #[arg(long, short = 'x')]
    hex: bool,
    /// Write to FILE, which appears when it is complete; `-` is the standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What a dump has written so far, and how lines are told apart.
struct Dump<'a, 'o, 's> {
    form: KeyForm,
    sink: Sink,
    output: &'a mut Output<'o, 's>,
    /// Between two entries: a JSON array needs one, lines don't.
    separator: &'static [u8],
    terminator: &'static [u8],
    lines: u64,
    entries: u64,
    bytes: u64,
}

impl<T: Target> DumpCommand<T> {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let everything = self.range.is_everything();
        let target = self.target.read(&self.at)?;
        let (mut entries, limit) = self.range.of(&target, self.hex)?;
        let sink = Sink::new(self.output.as_deref())?;
        let to_output = matches!(sink, Sink::Output);
        // A bar would be drawn into the lines that a person looks at.
        let progress = match to_output && output.is_terminal() {
            true => None,
            false => Some(output.progress("dumping", if everything { Some(target.len()?) } else { None })),
        };
        let as_array = to_output && output.is_json();
        if as_array {
            output.begin("[", "]")?;
        }
        let (separator, terminator): (&[u8], &[u8]) = if as_array { (b",", b"") } else { (b"", b"\n") };
        let form = target.key_form();
        let mut dump = Dump { form, sink, output, separator, terminator, lines: 0, entries: 0, bytes: 0 };
        while dump.entries < limit {
            let Some(entry) = entries.next_entry()? else { break };
            if entry.value_length()? <= PART_BYTES_MAX as u64 {
                dump.whole(entry.key(), &entry.value()?)?;
            } else {
                dump.parts(&target, entry.key())?;
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
        self.line(&Entry { key, form: self.form, value: Some(value), ..Entry::default() }, value.len())
    }

    /// An entry whose value is spread over lines.
    fn parts(&mut self, target: &impl Entries, key: &[u8]) -> Outcome {
        // Deleted since the walk began: the dump is as if it had begun after that.
        let Some(mut reader) = target.reader(key)? else { return Ok(()) };
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
            let entry = Entry {
                key,
                form: self.form,
                value: Some(&buffer[..part]),
                offset: Some(offset),
                length: Some(length),
            };
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
