//! `millpond dict count`.

use std::{ffi::OsString, ops::Bound};

use clap::Args;
use millpond::DictRange;

use super::bytes::decode;
use crate::{
    failure::Outcome,
    names::{AtOption, DictName},
    output::Output,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  millpond dict count lab/results runs
  millpond dict count lab/results runs --prefix 2026-
  millpond dict count lab/results runs --start run-17 --end run-30";

#[derive(Args)]
pub(crate) struct CountCommand {
    #[command(flatten)]
    dict: DictName,
    #[command(flatten)]
    at: AtOption,
    /// Only keys that begin with PREFIX.
    #[arg(long, value_name = "PREFIX", allow_hyphen_values = true)]
    prefix: Option<OsString>,
    /// Only keys from KEY on, itself included.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    start: Option<OsString>,
    /// Only keys before KEY, itself not included.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    end: Option<OsString>,
    /// Keys are in hexadecimal digits.
    #[arg(long, short = 'x')]
    hex: bool,
}

impl CountCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let decode = |word: Option<OsString>| word.map(|word| decode(word, self.hex)).transpose();
        let range = DictRange {
            prefix: decode(self.prefix)?,
            start: decode(self.start)?.map_or(Bound::Unbounded, Bound::Included),
            end: decode(self.end)?.map_or(Bound::Unbounded, Bound::Excluded),
            reverse: false,
        };
        let count = self.dict.read(&self.at)?.count(&range)?;
        output.respond(&count, |page| page.line(&count.to_string()))
    }
}
