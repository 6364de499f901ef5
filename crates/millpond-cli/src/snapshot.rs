//! `millpond snapshot`: named states of a container, what is between two, and back to one.

use std::io;

use clap::Subcommand;
use millpond::{
    Difference, DifferenceKind, DifferentKey, DifferentObject, Error, Moment, ObjectKey, OpenOptions,
    Snapshot, SnapshotSize, format_size,
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::json;

use crate::{
    entries::KeyForm,
    failure::Outcome,
    names::ContainerName,
    output::{Output, Page, Table, bytes_entry, moment, plural, printable, printable_bytes},
};

#[derive(Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Keep the state of a container readable, under a name.
    #[command(after_help = "\
Examples:
  millpond snapshot create lab/results before-the-run
  millpond container set-prop lab/results snapshot-keep=hourly:24,daily:7
  millpond snapshot create lab/results --rule")]
    Create {
        #[command(flatten)]
        container: ContainerName,
        /// Its name; it isn't a number.
        #[arg(value_name = "NAME", required_unless_present = "rule", conflicts_with = "rule")]
        snapshot: Option<String>,
        /// Name it by the time, and destroy older ones made so, as the container's property
        /// snapshot-keep says. For a timer.
        #[arg(long)]
        rule: bool,
    },

    /// List the snapshots of a container, the oldest first.
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  millpond snapshot list lab/results\n  millpond snapshot list lab/results --sizes"
    )]
    List {
        #[command(flatten)]
        container: ContainerName,
        /// Also show how much would come back if it alone were destroyed. Reads all that was changed
        /// since the oldest one.
        #[arg(long)]
        sizes: bool,
    },

    /// Destroy snapshots. What only they held comes back with the next compaction.
    #[command(after_help = "Examples:\n  millpond snapshot destroy lab/results before-the-run")]
    Destroy {
        #[command(flatten)]
        container: ContainerName,
        /// Their names.
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },

    /// Show what was added (+), changed (~) and removed (-) from one state to another.
    #[command(after_help = "\
Examples:
  millpond snapshot diff lab/results before-the-run
  millpond snapshot diff lab/results monday tuesday --json
  millpond snapshot diff lab/results 1099511627790 before-the-run")]
    Diff {
        #[command(flatten)]
        container: ContainerName,
        /// The first state: a snapshot, or the number of an epoch that is still kept.
        #[arg(value_name = "FROM")]
        from: String,
        /// The second one; now by default.
        #[arg(value_name = "TO")]
        to: Option<String>,
    },

    /// Give every object and key what it had at a snapshot, all at once. Snapshots stay: take one
    /// before, to be able to undo it.
    #[command(
        after_help = "Examples:\n  millpond snapshot create lab/results bad\n  millpond snapshot rollback lab/results before-the-run"
    )]
    Rollback {
        #[command(flatten)]
        container: ContainerName,
        /// The snapshot.
        #[arg(value_name = "NAME")]
        snapshot: String,
    },
}

impl SnapshotCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        match self {
            SnapshotCommand::Create { container, snapshot, .. } => {
                create(&container, snapshot.as_deref(), output)
            }
            SnapshotCommand::List { container, sizes: false } => {
                let snapshots = container.read()?.snapshots()?;
                let shown: Vec<_> = snapshots.iter().map(|snapshot| (snapshot, None)).collect();
                output.respond(&snapshots, |page| show_list(&shown, page))
            }
            SnapshotCommand::List { container, sizes: true } => {
                let sizes = container.read()?.snapshot_sizes()?;
                let shown: Vec<_> =
                    sizes.iter().map(|SnapshotSize { snapshot, bytes }| (snapshot, Some(*bytes))).collect();
                output.respond(&sizes, |page| show_list(&shown, page))
            }
            SnapshotCommand::Destroy { container, names } => destroy(&container, &names, output),
            SnapshotCommand::Diff { container, from, to } => diff(&container, &from, to.as_deref(), output),
            SnapshotCommand::Rollback { container, snapshot } => rollback(&container, &snapshot, output),
        }
    }
}

fn create(container: &ContainerName, name: Option<&str>, output: &mut Output<'_, '_>) -> Outcome {
    let open = container.open(OpenOptions::default())?;
    let snapshot = match name {
        Some(name) => open.snapshot(name)?,
        None => open.snapshot_by_rule()?,
    };
    open.close()?;
    output.respond(&snapshot, |page| {
        let name = printable(&snapshot.name);
        page.line(&format!("snapshot {name} of {} keeps epoch {}", container.shown(), snapshot.epoch))
    })
}

fn show_list(snapshots: &[(&Snapshot, Option<u64>)], page: &mut Page<'_>) -> io::Result<()> {
    let mut table = Table::new(["SNAPSHOT", "CREATED", "EPOCH", "RULE", "HOLDS"]);
    for (snapshot, bytes) in snapshots {
        table.row([
            snapshot.name.clone(),
            moment(snapshot.created_millis / 1000),
            snapshot.epoch.to_string(),
            snapshot.rule.clone().unwrap_or_else(|| "-".to_owned()),
            bytes.map(format_size).unwrap_or_default(),
        ]);
    }
    page.table(&table)
}

fn destroy(container: &ContainerName, names: &[String], output: &mut Output<'_, '_>) -> Outcome {
    let open = container.open(OpenOptions::default())?;
    for name in names {
        open.destroy_snapshot(name)?;
    }
    open.close()?;
    output.respond(&json!({ "destroyed": names }), |page| {
        page.line(&format!("destroyed {}", plural(names.len() as u64, "snapshot")))
    })
}

fn rollback(container: &ContainerName, name: &str, output: &mut Output<'_, '_>) -> Outcome {
    let open = container.open(OpenOptions::default())?;
    let done = {
        let _spinner = output.progress("rolling back", None);
        open.rollback(name)?
    };
    open.close()?;
    output.respond(&json!({ "epoch": done.epoch, "keys": done.keys }), |page| {
        let keys = plural(done.keys, "record");
        page.line(&format!("{} is as it was at {}: {keys} changed", container.shown(), printable(name)))
    })
}

fn diff(container: &ContainerName, from: &str, to: Option<&str>, output: &mut Output<'_, '_>) -> Outcome {
    let open = container.read()?;
    let differences = open.diff(Moment::parse(from), to.map_or(Moment::Now, Moment::parse))?;
    if output.is_json() {
        output.begin("[", "]")?;
    }
    let mut first = true;
    // What is damaged is named at the end, after what isn't.
    let mut failed: Option<Error> = None;
    for difference in differences {
        let difference = match difference {
            Ok(difference) => difference,
            Err(error) => {
                failed.get_or_insert(error);
                continue;
            }
        };
        if output.is_json() {
            output.raw(|to| {
                to.write_all(if first { b"" } else { b"," })?;
                serde_json::to_writer(to, &Shown(&difference)).map_err(Into::into)
            })?;
        } else {
            let line = line(&difference);
            output.raw(|to| writeln!(to, "{line}"))?;
        }
        first = false;
    }
    match failed {
        Some(error) => Err(error.into()),
        None if output.is_json() => output.finish(),
        None => Ok(()),
    }
}

/// A difference as one line.
fn line(difference: &Difference) -> String {
    let sign = match difference.change {
        DifferenceKind::Added => '+',
        DifferenceKind::Changed => '~',
        DifferenceKind::Removed => '-',
    };
    let object = difference.object.to_string();
    let key = match &difference.key {
        None => String::new(),
        Some(DifferentKey::Entry(key)) => printable_bytes(key),
        Some(akey) => akey.to_string(),
    };
    format!("{sign} {}\t{key}", printable(&object)).trim_end_matches('\t').to_owned()
}

/// A difference as a JSON object.
struct Shown<'a>(&'a Difference);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(difference) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("change", &difference.change)?;
        match &difference.object {
            DifferentObject::Dict(name) => map.serialize_entry("dict", &**name)?,
            DifferentObject::Blobs(name) => map.serialize_entry("blobs", &**name)?,
            DifferentObject::Map(name) => map.serialize_entry("map", &**name)?,
            DifferentObject::Object(id) => map.serialize_entry("object", &id.to_string())?,
        }
        match &difference.key {
            None => {}
            Some(DifferentKey::Entry(key)) => bytes_entry(&mut map, ["key", "key_hex"], key)?,
            Some(DifferentKey::Number(number)) => {
                KeyForm::of_number(number).serialize(&mut map, &number.bytes())?
            }
            Some(DifferentKey::Akey { dkey, akey, records }) => {
                object_key(&mut map, ["dkey", "dkey_hex"], dkey)?;
                object_key(&mut map, ["akey", "akey_hex"], akey)?;
                if let Some(records) = records {
                    map.serialize_entry("records", &[records.start, records.end])?;
                }
            }
        }
        map.end()
    }
}

fn object_key<M: SerializeMap>(
    map: &mut M,
    names: [&'static str; 2],
    key: &ObjectKey<'_>,
) -> Result<(), M::Error> {
    match key {
        ObjectKey::Bytes(bytes) => bytes_entry(map, names, bytes),
        ObjectKey::Integer(number) => map.serialize_entry(names[0], number),
    }
}
