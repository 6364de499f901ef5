//! `millpond container watch`.

use std::{ffi::OsString, io, os::unix::ffi::OsStringExt, time::Duration};

use clap::Args;
use millpond::{Change, ChangeSet, Epoch, ErrorKind, OpenOptions, WatchOptions};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{
    entries::KeyForm,
    exit,
    failure::{Failure, Outcome},
    names::ContainerName,
    output::{Output, hex, parse_hex, plural, printable, printable_bytes},
    signals::Signals,
};

pub(crate) const EXAMPLES: &str = "\
Examples:
  millpond container watch lab/results
  millpond container watch lab/results --dict runs --prefix 2026-
  millpond container watch lab/results --after 1099511627781 --json | jq -r '.changes[].key'
  millpond container watch lab/results --cursor plots --json --values
  millpond container watch lab/results --drop-cursor plots

Runs until it is interrupted, or until --limit. Each commit is told whole, in order and once; with --json it
is one object on a line of its own. With --cursor, what is committed while nobody watches is kept (as far as
the property watch-retention allows), and a commit is acknowledged when it has been written out.";

/// How long to wait before looking whether the user had enough.
const NAP: Duration = Duration::from_millis(200);

#[derive(Args)]
pub(crate) struct WatchCommand {
    #[command(flatten)]
    container: ContainerName,
    /// Only changes of this dictionary, which may be still to come.
    #[arg(long, value_name = "DICT")]
    dict: Option<String>,
    /// Only keys that begin with this.
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<OsString>,
    /// --prefix is in hexadecimal digits.
    #[arg(long, short = 'x', requires = "prefix")]
    hex: bool,
    /// Begin after the commit of this epoch; by default where the cursor is, or now.
    #[arg(long, value_name = "EPOCH")]
    after: Option<u64>,
    /// Register a cursor of this name, or go on with it.
    #[arg(long, value_name = "NAME")]
    cursor: Option<String>,
    /// Also tell of what a loss of power could still take back, a little earlier.
    #[arg(long)]
    not_durable: bool,
    /// With --json, tell the values that were put, too.
    #[arg(long)]
    values: bool,
    /// End after so many commits.
    #[arg(long, short = 'n', value_name = "COUNT")]
    limit: Option<u64>,
    /// List the registered cursors instead of watching.
    #[arg(long, conflicts_with_all = ["cursor", "after", "dict", "prefix", "limit", "values", "not_durable"])]
    cursors: bool,
    /// Remove a cursor instead of watching: nothing is kept for it any more.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["cursors", "cursor", "after", "dict", "prefix", "limit", "values", "not_durable"])]
    drop_cursor: Option<String>,
}

impl WatchCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        if self.cursors {
            return self.list(output);
        }
        if let Some(name) = &self.drop_cursor {
            let container = self.container.open(OpenOptions::default())?;
            container.remove_watch_cursor(name)?;
            container.close()?;
            let response = serde_json::json!({ "dropped": name });
            return output
                .respond(&response, |page| page.line(&format!("dropped cursor {}", printable(name))));
        }
        let mut options = WatchOptions { durable: !self.not_durable, ..WatchOptions::default() };
        options.after = self.after.map(Epoch);
        options.dict = self.dict;
        options.cursor = self.cursor.clone();
        if let Some(prefix) = self.prefix {
            let bytes = prefix.into_vec();
            options.prefix = if self.hex { parse_hex(&bytes).map_err(Failure::usage)? } else { bytes };
        }
        let open = OpenOptions { read_only: self.cursor.is_none(), ..OpenOptions::default() };
        let container = self.container.open(open)?;
        let mut watch = container.watch(options)?;
        let signals = Signals::catch(output.may_catch_signals());
        let mut left = self.limit.unwrap_or(u64::MAX);
        while left > 0 {
            if signals.came() {
                output.flush()?;
                return Err(Failure::Told(exit::INTERRUPTED));
            }
            let Some(set) = watch.next_within(NAP)? else { continue };
            let epoch = set.epoch();
            if output.is_json() {
                json(set, self.values, output)?;
            } else {
                lines(set, output)?;
            }
            // Whoever reads it sees it now, and it is theirs before it is acknowledged.
            output.flush()?;
            if self.cursor.is_some() {
                watch.acknowledge(epoch)?;
            }
            left -= 1;
        }
        Ok(())
    }

    fn list(&self, output: &mut Output<'_, '_>) -> Outcome {
        let cursors = self.container.read()?.watch_cursors()?;
        let response: Vec<_> = cursors
            .iter()
            .map(|cursor| serde_json::json!({ "name": cursor.name, "epoch": cursor.epoch.0 }))
            .collect();
        output.respond(&response, |page| {
            cursors
                .iter()
                .try_for_each(|cursor| page.line(&format!("{}  {}", cursor.epoch, printable(&cursor.name))))
        })
    }
}

/// For people, a line for each change.
fn lines(set: ChangeSet, output: &mut Output<'_, '_>) -> Outcome {
    let epoch = set.epoch();
    for change in set {
        let change = change?;
        let dict =
            change.dict().or(change.blobs()).or(change.map()).map_or_else(|| change.object(), str::to_owned);
        let mut line = format!("{epoch}  {:7}  {}", change.kind().as_str(), printable(&dict));
        if let Some(key) = change.key() {
            line.push_str("  ");
            line.push_str(&change.number().map_or_else(|| printable_bytes(key), |number| number.to_string()));
        }
        for key in [change.dkey(), change.akey()].into_iter().flatten() {
            line.push_str(&format!("  {key}"));
        }
        if let Some(records) = change.records() {
            line.push_str(&format!("  [{}, {})", records.start, records.end));
        }
        if let Some(length) = change.value_length()? {
            line.push_str(&format!("  ({})", plural(length, "byte")));
        }
        output.raw(|to| writeln!(to, "{line}"))?;
    }
    Ok(())
}

/// For programs, an object for the commit, written as its changes are read.
fn json(set: ChangeSet, values: bool, output: &mut Output<'_, '_>) -> Outcome {
    let epoch = set.epoch().0;
    output.raw(|to| write!(to, "{{\"epoch\":{epoch},\"changes\":["))?;
    let mut separator = "";
    for change in set {
        let change = change?;
        let mut of = Told { length: change.value_length()?, change: &change, value: None };
        if values {
            of.value = match change.value() {
                // Deleted or replaced since: the length is all that is left of it.
                Err(error) if error.kind() == ErrorKind::EpochGone => None,
                value => value?,
            };
        }
        output.raw(|to| {
            to.write_all(separator.as_bytes())?;
            serde_json::to_writer(to, &of).map_err(io::Error::from)
        })?;
        separator = ",";
    }
    output.raw(|to| to.write_all(b"]}\n"))
}

/// A change as an object: bytes that are UTF-8 as text, others as hexadecimal digits.
struct Told<'a> {
    change: &'a Change,
    length: Option<u64>,
    value: Option<bytes::Bytes>,
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("kind", self.change.kind().as_str())?;
        map.serialize_entry("dict", &self.change.dict())?;
        if let Some(name) = self.change.blobs() {
            map.serialize_entry("blobs", name)?;
        }
        if let Some(name) = self.change.map() {
            map.serialize_entry("map", name)?;
        }
        map.serialize_entry("object", &self.change.object())?;
        let put = |map: &mut S::SerializeMap, [text, digits]: [&'static str; 2], bytes: &[u8]| {
            match str::from_utf8(bytes) {
                Ok(utf8) => map.serialize_entry(text, utf8),
                Err(_) => map.serialize_entry(digits, &hex(bytes)),
            }
        };
        if let Some(number) = self.change.number() {
            KeyForm::of_number(&number).serialize(&mut map, &number.bytes())?;
        } else if let Some(key) = self.change.key() {
            put(&mut map, ["key", "key_hex"], key)?;
        }
        for (name, key) in [("dkey", self.change.dkey()), ("akey", self.change.akey())] {
            if let Some(key) = key {
                map.serialize_entry(name, &key.to_string())?;
            }
        }
        if let Some(records) = self.change.records() {
            map.serialize_entry("records", &[records.start, records.end])?;
        }
        if let Some(value) = &self.value {
            put(&mut map, ["value", "value_hex"], value)?;
        }
        if let Some(length) = self.length {
            map.serialize_entry("length", &length)?;
        }
        map.end()
    }
}
