//! Which entries of a map: `millpond map range`, and the options that it shares with `count` and `dump`.

use std::{ffi::OsString, io::Write, ops::Bound};

use clap::Args;
use millpond::{DictIter, MapEntry, MapRange, OrderedMap};

use super::MapName;
use crate::{
    entries::{Entries, EntriesBounds, EntriesRange, KeyForm, Target, lines::PART_BYTES_MAX},
    failure::Outcome,
    names::AtOption,
    output::{Entry, Output, hex, printable_bytes},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  millpond map range lab/results readings --equal-above 1719835200 --below 1719838800
  millpond map range lab/results readings --above -7.5 --keys
  millpond map range lab/results readings --reverse -n 1
  millpond map range lab/results index --hex --below 00ff

Keys and values are a line, with a tab between them. What isn't printable is shown with \\xNN; --hex
and --json give it exactly. Of a value longer than 1 MiB only the length is shown: get and dump write
it.";

/// Between which keys, in the map's order.
#[derive(Args)]
pub(crate) struct Bounds {
    /// Only keys behind KEY.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true, conflicts_with = "equal_above")]
    above: Option<OsString>,
    /// Only KEY and those behind it.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    equal_above: Option<OsString>,
    /// Only keys before KEY.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true, conflicts_with = "equal_below")]
    below: Option<OsString>,
    /// Only KEY and those before it.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    equal_below: Option<OsString>,
}

/// Which entries, in which order.
#[derive(Args)]
pub(crate) struct RangeOptions {
    #[command(flatten)]
    bounds: Bounds,
    /// From the last key to the first.
    #[arg(long, short)]
    reverse: bool,
    /// At most COUNT entries.
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<u64>,
}

#[derive(Args)]
pub(crate) struct RangeCommand {
    #[command(flatten)]
    map: MapName,
    #[command(flatten)]
    at: AtOption,
    #[command(flatten)]
    range: RangeOptions,
    /// Print keys alone.
    #[arg(long)]
    keys: bool,
    /// Keys that aren't numbers are in hexadecimal digits, here and as printed, and so are values.
    #[arg(long, short = 'x')]
    hex: bool,
}

impl Bounds {
    /// The keys between them, as those of `map` are written.
    fn range(self, map: &OrderedMap, hex: bool) -> Outcome<MapRange> {
        let bound = |open: Option<OsString>, closed: Option<OsString>| {
            let decode = |word| map.key_form().decode(word, hex);
            Ok(match (open, closed) {
                (Some(word), _) => Bound::Excluded(decode(word)?),
                (None, Some(word)) => Bound::Included(decode(word)?),
                (None, None) => Bound::Unbounded,
            })
        };
        let start: Outcome<_> = bound(self.above, self.equal_above);
        let end: Outcome<_> = bound(self.below, self.equal_below);
        Ok(MapRange { start: start?, end: end?, reverse: false })
    }

    fn is_everything(&self) -> bool {
        [&self.above, &self.equal_above, &self.below, &self.equal_below].into_iter().all(Option::is_none)
    }
}

impl EntriesBounds<OrderedMap> for Bounds {
    fn count(self, map: &OrderedMap, hex: bool) -> Outcome<u64> {
        Ok(map.count(&self.range(map, hex)?)?)
    }
}

impl EntriesRange<OrderedMap> for RangeOptions {
    fn is_everything(&self) -> bool {
        self.bounds.is_everything() && self.limit.is_none()
    }

    fn of(self, map: &OrderedMap, hex: bool) -> Outcome<(DictIter, u64)> {
        let range = MapRange { reverse: self.reverse, ..self.bounds.range(map, hex)? };
        Ok((map.range(&range)?, self.limit.unwrap_or(u64::MAX)))
    }
}

impl RangeCommand {
    pub(super) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let map = self.map.read(&self.at)?;
        let (mut entries, limit) = self.range.of(&map, self.hex)?;
        let form = map.key_form();
        if output.is_json() {
            output.begin("[", "]")?;
        }
        for place in 0..limit {
            let Some(entry) = entries.next_entry()? else { break };
            match (output.is_json(), self.keys) {
                (true, keys_only) => respond(form, &entry, place > 0, keys_only, output)?,
                (false, true) => {
                    let key = form.shown(entry.key(), self.hex);
                    output.raw(|to| writeln!(to, "{key}"))?;
                }
                (false, false) => {
                    let key = form.shown(entry.key(), self.hex);
                    let value = shown_value(&entry, self.hex)?;
                    output.raw(|to| writeln!(to, "{key}\t{value}"))?;
                }
            }
        }
        if output.is_json() { output.finish() } else { Ok(()) }
    }
}

/// Whether a value is short enough to be shown among others.
fn is_short(length: u64) -> bool {
    length <= PART_BYTES_MAX as u64
}

/// A value as people read it.
fn shown_value(entry: &MapEntry<'_>, hexadecimal: bool) -> Outcome<String> {
    let length = entry.value_length()?;
    if !is_short(length) {
        return Ok(format!("({length} bytes)"));
    }
    let value = entry.value()?;
    Ok(if hexadecimal { hex(&value) } else { printable_bytes(&value) })
}

/// An entry as an element of a JSON array.
fn respond(
    form: KeyForm,
    entry: &MapEntry<'_>,
    is_another: bool,
    keys_only: bool,
    output: &mut Output<'_, '_>,
) -> Outcome {
    let length = if keys_only { None } else { Some(entry.value_length()?) };
    let value = length.filter(|length| is_short(*length)).map(|_| entry.value()).transpose()?;
    let entry = Entry { key: entry.key(), form, length, value: value.as_deref(), offset: None };
    output.raw(|to: &mut dyn Write| {
        to.write_all(if is_another { b"," } else { b"" })?;
        serde_json::to_writer(to, &entry).map_err(Into::into)
    })
}
