//! Dkeys and akeys as arguments and in answers, and `millpond object list-keys`.

use std::ffi::OsString;

use clap::Args;
use millpond::{KeyKind, ObjectKey};
use serde_json::{Map, Value, json};

use super::ObjectName;
use crate::{
    entries::bytes::decode,
    failure::{Failure, Outcome},
    names::AtOption,
    output::{Output, hex, printable_bytes},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  millpond object list-keys lab/results 10000000000000000000000000000007
  millpond object list-keys lab/results 10000000000000000000000000000007 17
  millpond object list-keys lab/results 10000000000000000000000000000007 17 field --json
  millpond object list-keys lab/results 10000000000000000000000000000007 --limit 100 --json

With --json the answer has an anchor, if there is more than --limit: give it to --anchor to go on.";

/// A dkey or an akey as it is given.
pub(super) struct Word {
    word: OsString,
    hex: bool,
}

impl Word {
    pub(super) fn new(word: OsString, hex: bool) -> Self {
        Self { word, hex }
    }

    /// The key that it stands for in an object whose keys are of that kind; `name` is the argument's.
    pub(super) fn key(self, kind: KeyKind, name: &str) -> Outcome<ObjectKey<'static>> {
        if kind != KeyKind::Integer {
            return Ok(decode(self.word, self.hex)?.into());
        }
        let text = self.word.to_string_lossy();
        let number = if self.hex { u64::from_str_radix(&text, 16) } else { text.parse() };
        number.map(ObjectKey::Integer).map_err(|_| {
            Failure::usage(format!(
                "{name} is {text:?}, but this object's are whole numbers from 0 to 2^64 - 1"
            ))
        })
    }
}

/// A key for people, or exactly, in digits.
pub(super) fn shown_key(key: &ObjectKey<'_>, in_digits: bool) -> String {
    match key {
        ObjectKey::Integer(number) if in_digits => format!("{number:x}"),
        ObjectKey::Integer(number) => number.to_string(),
        ObjectKey::Bytes(bytes) if in_digits => hex(bytes),
        ObjectKey::Bytes(bytes) => printable_bytes(bytes),
    }
}

/// A key by itself: a number, text, or `{"hex": digits}`.
pub(super) fn json_key(key: &ObjectKey<'_>) -> Value {
    match key {
        ObjectKey::Integer(number) => json!(number),
        ObjectKey::Bytes(bytes) => match str::from_utf8(bytes) {
            Ok(text) => json!(text),
            Err(_) => json!({ "hex": hex(bytes) }),
        },
    }
}

/// Bytes under one of two names: as text, or in hexadecimal digits.
pub(super) fn add_bytes(map: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match str::from_utf8(bytes) {
        Ok(text) => map.insert(name.to_owned(), json!(text)),
        Err(_) => map.insert(format!("{name}_hex"), json!(hex(bytes))),
    };
}

/// A key under one of two names.
pub(super) fn add_key(map: &mut Map<String, Value>, name: &str, key: &ObjectKey<'_>) {
    match key {
        ObjectKey::Integer(number) => {
            map.insert(name.to_owned(), json!(number));
        }
        ObjectKey::Bytes(bytes) => add_bytes(map, name, bytes),
    }
}

#[derive(Args)]
pub(crate) struct ListKeysCommand {
    #[command(flatten)]
    object: ObjectName,
    #[command(flatten)]
    at: AtOption,
    /// The dkey whose akeys are listed.
    dkey: Option<OsString>,
    /// The akey whose extents are listed: the first record, the one behind the last, the epoch.
    akey: Option<OsString>,
    /// List at most so many.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,
    /// Go on where an earlier list ended.
    #[arg(long, conflicts_with_all = ["dkey", "akey"])]
    anchor: Option<String>,
    /// Keys are in hexadecimal digits, here and as printed.
    #[arg(long, short = 'x')]
    hex: bool,
}

impl ListKeysCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let (_state, object) = self.object.read(&self.at)?;
        let kind = object.kind();
        let dkey = self.dkey.map(|dkey| Word::new(dkey, self.hex).key(kind.dkeys, "DKEY")).transpose()?;
        let akey = self.akey.map(|akey| Word::new(akey, self.hex).key(kind.akeys, "AKEY")).transpose()?;
        let anchor = match (self.anchor, &dkey, &akey) {
            (Some(anchor), ..) => anchor.parse()?,
            (None, None, _) => object.list_dkeys()?.anchor(),
            (None, Some(dkey), None) => object.list_akeys(dkey)?.anchor(),
            (None, Some(dkey), Some(akey)) => object.list_extents(dkey, akey)?.anchor(),
        };
        if output.is_json() {
            output.begin("{\"entries\":[", "]}")?;
        }
        let mut listed = 0;
        let mut show = |output: &mut Output<'_, '_>, line: String, entry: Value| {
            let separator = if listed == 0 { "" } else { "," };
            listed += 1;
            match output.is_json() {
                true => output.raw(|to| write!(to, "{separator}{entry}")),
                false => output.raw(|to| writeln!(to, "{line}")),
            }
        };
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let behind = if anchor.is_of_extents() {
            let mut extents = object.extents_from(&anchor)?;
            for extent in extents.by_ref().take(limit) {
                let extent = extent?;
                let (records, epoch) = (extent.records, extent.epoch.0);
                let entry = json!({ "records": [records.start, records.end], "epoch": epoch });
                show(output, format!("{}..{} {epoch}", records.start, records.end), entry)?;
            }
            extents.anchor()
        } else {
            let mut keys = object.keys_from(&anchor)?;
            for key in keys.by_ref().take(limit) {
                let key = key?;
                let mut entry = Map::new();
                add_key(&mut entry, "key", &key);
                show(output, shown_key(&key, self.hex), entry.into())?;
            }
            keys.anchor()
        };
        if !output.is_json() {
            return Ok(());
        }
        let anchor = if behind.is_done() { Value::Null } else { json!(behind.to_string()) };
        output.raw(|to| write!(to, "],\"anchor\":{anchor}}}"))?;
        output.close()
    }
}
