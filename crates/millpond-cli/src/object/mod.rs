//! `millpond object`: objects of dkeys and akeys, and arrays, by their ids.

mod dump;
mod get;
mod keys;
mod put;

use std::ffi::OsString;

use clap::{Args, Subcommand};
use millpond::{
    Conditions, Container, KeyKind, Object, ObjectClass, ObjectForm, ObjectId, ObjectOptions, Transaction,
    TransactionOptions,
};
use serde_json::{Value, json};

use crate::{
    entries::DurabilityOption,
    failure::{Failure, Outcome},
    names::{AtOption, ContainerName},
    object::keys::{Word, json_key, shown_key},
    output::Output,
};

#[derive(Subcommand)]
pub(crate) enum ObjectCommand {
    /// Print the id of a new object. Nothing is stored before its first value.
    #[command(after_help = "\
Examples:
  millpond object create lab/results
  millpond object create lab/results --dkeys integer --akeys lexical")]
    Create {
        #[command(flatten)]
        container: ContainerName,
        /// Its dkeys: hashed, integer or lexical.
        #[arg(long, value_name = "KIND", default_value = "hashed", value_parser = key_kind)]
        dkeys: KeyKind,
        /// Its akeys: hashed, integer or lexical.
        #[arg(long, value_name = "KIND", default_value = "hashed", value_parser = key_kind)]
        akeys: KeyKind,
        /// How it is to be spread over devices, such as S1 or SX.
        #[arg(long, value_name = "CLASS", default_value = "", hide_default_value = true, value_parser = class)]
        class: ObjectClass,
    },

    /// List the objects of a container, dictionaries left out: their ids, and what these say.
    #[command(visible_alias = "ls", after_help = "Examples:\n  millpond object list lab/results")]
    List {
        #[command(flatten)]
        container: ContainerName,
        #[command(flatten)]
        at: AtOption,
    },

    /// Show what is known of an object without reading its values.
    #[command(after_help = "Examples:\n  millpond object query lab/results 10000000000000000000000000000007")]
    Query {
        #[command(flatten)]
        object: ObjectName,
        #[command(flatten)]
        at: AtOption,
    },

    /// List the dkeys of an object, the akeys of a dkey, or the extents of an akey's array.
    #[command(after_help = keys::EXAMPLES)]
    ListKeys(keys::ListKeysCommand),

    /// Write all values and records of an object as JSON Lines, all of one moment.
    #[command(after_help = dump::EXAMPLES)]
    Dump(dump::DumpCommand),

    /// Write the value of an akey, or records of its array, to the standard output as they are stored.
    #[command(after_help = get::EXAMPLES)]
    Get(get::GetCommand),

    /// Store the value of an akey, or with --start records of its array.
    #[command(after_help = put::EXAMPLES)]
    Put(put::PutCommand),

    /// Remove an object, a dkey, akeys of it, or records of an array; all of it in one commit.
    #[command(after_help = "\
Examples:
  millpond object punch lab/results 10000000000000000000000000000007
  millpond object punch lab/results 10000000000000000000000000000007 17
  millpond object punch lab/results 10000000000000000000000000000007 17 field mesh
  millpond object punch lab/results 10000000000000000000000000000007 17 field --records 100..200")]
    Punch(PunchCommand),
}

/// Which object.
#[derive(Args, Clone)]
pub(crate) struct ObjectName {
    #[command(flatten)]
    container: ContainerName,
    /// The object's id: 32 hexadecimal digits.
    #[arg(value_name = "OBJECT", value_parser = object_id)]
    object: ObjectId,
}

#[derive(Args)]
pub(crate) struct PunchCommand {
    #[command(flatten)]
    object: ObjectName,
    /// The dkey; without one, the whole object goes.
    dkey: Option<OsString>,
    /// Akeys of it; without any, the dkey goes.
    #[arg(value_name = "AKEY")]
    akeys: Vec<OsString>,
    /// Records FIRST up to before END of the one AKEY become a hole.
    #[arg(long, value_name = "FIRST..END", value_parser = records, requires = "akeys")]
    records: Option<std::ops::Range<u64>>,
    /// Fail if something of it doesn't exist.
    #[arg(long)]
    must_exist: bool,
    /// Keys are in hexadecimal digits.
    #[arg(long, short = 'x')]
    hex: bool,
    #[command(flatten)]
    durability: DurabilityOption,
}

impl ObjectCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        match self {
            ObjectCommand::Create { container, dkeys, akeys, class } => {
                let options = ObjectOptions { dkeys, akeys, class, low: None };
                let object = container.read()?.create_object(options)?;
                let id = object.id().to_string();
                output.respond(&json!({ "object": id }), |page| page.line(&id))
            }
            ObjectCommand::List { container, at } => list(&container, &at, output),
            ObjectCommand::Query { object, at } => query(&object, &at, output),
            ObjectCommand::ListKeys(command) => command.run(output),
            ObjectCommand::Dump(command) => command.run(output),
            ObjectCommand::Get(command) => command.run(output),
            ObjectCommand::Put(command) => command.run(output),
            ObjectCommand::Punch(command) => command.run(output),
        }
    }
}

/// One state of a container: it stays while this is held.
enum State {
    Newest(Transaction),
    Kept(Container),
}

impl State {
    fn of(container: Container, at: &AtOption) -> Outcome<Self> {
        if at.is_given() {
            return Ok(Self::Kept(at.of(container)?));
        }
        let options = TransactionOptions { read_only: true, ..TransactionOptions::default() };
        Ok(Self::Newest(container.begin(options)?))
    }

    fn container(&self) -> &Container {
        match self {
            Self::Newest(transaction) => transaction.container(),
            Self::Kept(container) => container,
        }
    }
}

impl ObjectName {
    /// One state of the object, for reading.
    fn read(&self, at: &AtOption) -> Outcome<(State, Object)> {
        let state = State::of(self.container.read()?, at)?;
        let object = state.container().object(self.object)?;
        Ok((state, object))
    }

    /// Opens the container for writing, and the object in it.
    fn write(&self, durability: &DurabilityOption) -> Outcome<(Container, Object)> {
        let container = durability.open(&self.container)?;
        let object = container.object(self.object)?;
        Ok((container, object))
    }
}

impl PunchCommand {
    fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        if self.records.is_some() && (self.akeys.len() != 1 || self.must_exist) {
            return Err(Failure::usage("--records is of one AKEY, and doesn't go with --must-exist"));
        }
        let (container, object) = self.object.write(&self.durability)?;
        let conditions = if self.must_exist { Conditions::PUNCH } else { Conditions::NONE };
        let kind = object.kind();
        let akeys: Outcome<Vec<_>> =
            self.akeys.into_iter().map(|akey| Word::new(akey, self.hex).key(kind.akeys, "AKEY")).collect();
        let akeys = akeys?;
        match (self.dkey, self.records, akeys.first()) {
            (None, ..) => object.punch(conditions)?,
            (Some(dkey), records, akey) => {
                let dkey = Word::new(dkey, self.hex).key(kind.dkeys, "DKEY")?;
                match (akey, records) {
                    (None, _) => object.punch_dkeys([dkey], conditions)?,
                    (Some(akey), Some(records)) => object.punch_extents(dkey, akey, [records])?,
                    (Some(_), None) => object.punch_akeys(dkey, akeys, conditions)?,
                }
            }
        }
        container.close()?;
        output.respond(&Value::Null, |_| Ok(()))
    }
}

/// What an id says, in JSON.
fn kind(id: ObjectId) -> Outcome<Value> {
    let kind = id.kind()?;
    Ok(json!({
        "object": id.to_string(),
        "form": form(kind.form),
        "dkeys": kind.dkeys.to_string(),
        "akeys": kind.akeys.to_string(),
        "class": kind.class.to_string(),
    }))
}

fn form(form: ObjectForm) -> &'static str {
    match form {
        ObjectForm::Keyed => "keyed",
        ObjectForm::Array => "array",
    }
}

fn list(container: &ContainerName, at: &AtOption, output: &mut Output<'_, '_>) -> Outcome {
    let objects = at.of(container.read()?)?.objects()?;
    if output.is_json() {
        output.begin("[", "]")?;
    }
    for (place, id) in objects.enumerate() {
        let id = id?;
        let said = kind(id)?;
        if output.is_json() {
            let separator = if place == 0 { "" } else { "," };
            output.raw(|to| write!(to, "{separator}{said}"))?;
        } else {
            let of = id.kind()?;
            let keys = match of.form {
                ObjectForm::Keyed => format!("dkeys {}, akeys {}", of.dkeys, of.akeys),
                ObjectForm::Array => "1-D array".to_owned(),
            };
            output.raw(|to| writeln!(to, "{id}  {keys}"))?;
        }
    }
    if output.is_json() { output.finish() } else { Ok(()) }
}

fn query(name: &ObjectName, at: &AtOption, output: &mut Output<'_, '_>) -> Outcome {
    let (state, object) = name.read(at)?;
    let exists = object.exists()?;
    let mut said = kind(object.id())?;
    let mut fields = vec![("exists", if exists { "yes" } else { "no" }.to_owned())];
    said["exists"] = json!(exists);
    fields.push(("class", object.kind().class.to_string()));
    if exists {
        let newest = object.newest_epoch()?;
        said["newest_epoch"] = json!(newest.0);
        fields.push(("newest epoch", newest.0.to_string()));
    }
    if exists && object.kind().form == ObjectForm::Array {
        let array = state.container().array(object.id())?;
        for (name, shown, number) in [
            ("size", "cells", array.size()?),
            ("cell_bytes", "bytes in a cell", array.cell_bytes()),
            ("chunk_cells", "cells in a chunk", array.chunk_cells()),
        ] {
            said[name] = json!(number);
            fields.push((shown, number.to_string()));
        }
    } else {
        let kind = object.kind();
        fields.push(("keys", format!("dkeys {}, akeys {}", kind.dkeys, kind.akeys)));
        if kind.dkeys.is_ordered()
            && let (Some(first), Some(last)) = (object.smallest_dkey()?, object.largest_dkey()?)
        {
            said["smallest_dkey"] = json_key(&first);
            said["largest_dkey"] = json_key(&last);
            fields.push(("smallest dkey", shown_key(&first, false)));
            fields.push(("largest dkey", shown_key(&last, false)));
        }
    }
    output.respond(&said, |page| {
        page.heading(&format!("object {}", object.id()))?;
        page.fields(fields)
    })
}

fn object_id(text: &str) -> Result<ObjectId, String> {
    text.parse().map_err(|error: millpond::Error| error.to_string())
}

fn key_kind(text: &str) -> Result<KeyKind, String> {
    text.parse().map_err(|error: millpond::Error| error.to_string())
}

fn class(text: &str) -> Result<ObjectClass, String> {
    text.parse().map_err(|error: millpond::Error| error.to_string())
}

fn records(text: &str) -> Result<std::ops::Range<u64>, String> {
    let parsed = text.split_once("..").and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
    match parsed {
        Some(records) if records.start <= records.end => Ok(records),
        _ => Err("records are given as FIRST..END, such as 100..200".to_owned()),
    }
}
