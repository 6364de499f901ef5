//! `millpond dict keys`.

use clap::Args;

use super::range::RangeOptions;
use crate::{
    entries::{EntriesRange, Target},
    failure::Outcome,
    names::{AtOption, DictName},
    output::{Entry, Output, hex, printable_bytes},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  millpond dict keys lab/results runs
  millpond dict keys lab/results runs --prefix 2026- --limit 10
  millpond dict keys lab/results runs --after run-17 --limit 10
  millpond dict keys lab/results runs --reverse -n 1
  millpond dict keys lab/results runs --null | xargs -0 -n 1 echo

Keys that aren't printable are shown with \\xNN; --hex, --null and --json give them exactly.";

#[derive(Args)]
pub(crate) struct KeysCommand {
    #[command(flatten)]
    dict: DictName,
    #[command(flatten)]
    at: AtOption,
    #[command(flatten)]
    range: RangeOptions,
    /// Keys are in hexadecimal digits, here and as printed.
    #[arg(long, short = 'x')]
    hex: bool,
    /// End each key with a NUL byte instead of a line feed, and print it as it is.
    #[arg(long, short = '0', conflicts_with = "hex")]
    null: bool,
}

impl KeysCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let (entries, limit) = self.range.of(&self.dict.read(&self.at)?, self.hex)?;
        let mut keys = entries.keys_only();
        let mut left = limit;
        if output.is_json() {
            output.begin("[", "]")?;
        }
        while left > 0 {
            let Some(key) = keys.next().transpose()? else { break };
            if output.is_json() {
                let entry = Entry { key: &key, ..Entry::default() };
                output.raw(|to| {
                    to.write_all(if left == limit { b"" } else { b"," })?;
                    serde_json::to_writer(to, &entry).map_err(Into::into)
                })?;
            } else if self.null {
                output.raw(|to| to.write_all(&key).and_then(|()| to.write_all(b"\0")))?;
            } else {
                let line = if self.hex { hex(&key) } else { printable_bytes(&key) };
                output.raw(|to| writeln!(to, "{line}"))?;
            }
            left -= 1;
        }
        if output.is_json() { output.finish() } else { Ok(()) }
    }
}
