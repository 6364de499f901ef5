//! `millpond container`: containers, their checks, properties and attributes.

use std::{io, path::PathBuf};

use clap::{Args, Subcommand};
use millpond::{
    CheckReport, ContainerOptions, ContainerQuery, ContainerSummary, ContainerType, Durability, Error,
    ErrorKind, LastScrub, Metrics, OpenOptions, ScrubOptions, SnapshotSpace, format_size,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    attributes::{self, DeleteAttribute, GetAttribute, GetProperty, SetAttribute, SetProperty, assignment},
    backup::{self, BackupCommand, RestoreCommand},
    failure::{Failure, Outcome},
    names::{self, ContainerName, ContainerWords},
    output::{Output, Page, Table, moment, plural},
    scrub::{self, Rate},
    watch::{self, WatchCommand},
};

#[derive(Subcommand)]
pub(crate) enum ContainerCommand {
    /// Create a container in a pool.
    #[command(after_help = "\
Examples:
  millpond container create lab/results --type PYTHON
  millpond container create lab/results --type PYTHON --path ./results
  millpond container create lab/scratch --property durability=async
  millpond container create lab results")]
    Create(CreateContainer),

    /// List the containers of a pool.
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  millpond container list lab\n  millpond container list lab --json"
    )]
    List {
        /// The pool: its label, its UUID, or its URL.
        #[arg(value_name = "POOL")]
        pool: String,
    },

    /// Show a container: its identity, what it holds and how much space that takes.
    #[command(
        after_help = "Examples:\n  millpond container query lab/results\n  millpond container query ./results --json\n  millpond container query lab/results --snapshots"
    )]
    Query {
        #[command(flatten)]
        container: ContainerWords,
        /// Also tell the bytes that snapshots alone need, and those that they share with the newest state: this
        /// reads every record.
        #[arg(long)]
        snapshots: bool,
    },

    /// Destroy a container with all that it holds.
    #[command(
        after_help = "Examples:\n  millpond container destroy lab/results\n  millpond container destroy lab/results --force"
    )]
    Destroy {
        #[command(flatten)]
        container: ContainerWords,
        /// Also while others have it open: their handles fail.
        #[arg(long, short)]
        force: bool,
    },

    /// Read and verify every stored byte of a container.
    ///
    /// Names each damaged place, and dictionaries that lost their name. Exits with 7 if something
    /// is damaged.
    #[command(
        after_help = "Examples:\n  millpond container check lab/results\n  millpond container check lab/results --repair"
    )]
    Check {
        #[command(flatten)]
        container: ContainerWords,
        /// Give dictionaries that lost their name a new one, give up what damage took, and put a marker
        /// in the place of each long value that is lost.
        #[arg(long)]
        repair: bool,
        /// Delete the markers of values that were lost, so that their keys are simply absent.
        #[arg(long)]
        forget: bool,
    },

    /// Compare every stored byte of a container with its checksum, while others use it.
    ///
    /// Names each damage: file and offset, object, key and bytes of the value. Exits with 7 if something
    /// is damaged. `query` shows when the last scrub was finished, and what it found.
    #[command(
        after_help = "Examples:\n  millpond container scrub lab/results\n  millpond container scrub lab/results --rate 100MiB"
    )]
    Scrub {
        #[command(flatten)]
        container: ContainerWords,
        #[command(flatten)]
        rate: Rate,
    },

    /// Give back the space of what was deleted or replaced. Happens in the background by itself;
    /// this does it now.
    #[command(after_help = "Examples:\n  millpond container compact lab/results")]
    Compact {
        #[command(flatten)]
        container: ContainerWords,
    },

    /// Write a backup of a container to a new directory in DIR.
    #[command(after_help = backup::BACKUP_EXAMPLES)]
    Backup(BackupCommand),

    /// Make a container of a backup, every byte of which is verified.
    #[command(after_help = backup::RESTORE_EXAMPLES)]
    Restore(RestoreCommand),

    /// Show what a container holds as metrics: Prometheus' text format, or JSON.
    ///
    /// For the textfile collector of Prometheus' node exporter, redirect it to a file from time to time. What is
    /// done to a container is counted by the processes that do it, if they ask for it: from Python,
    /// `container.metrics().prometheus`.
    #[command(after_help = "\
Examples:
  millpond container metrics lab/results
  millpond container metrics lab/results lab/raw > /var/lib/node_exporter/millpond.prom
  millpond container metrics lab/results --json")]
    Metrics {
        /// The containers, as POOL/CONTAINER, URLs or paths.
        #[arg(required = true)]
        containers: Vec<ContainerName>,
    },
    /// Tell of each commit, whole and in order, as it is made by whatever process.
    #[command(after_help = watch::EXAMPLES)]
    Watch(WatchCommand),

    /// Show a property of a container, or all of them.
    #[command(
        after_help = "Examples:\n  millpond container get-prop lab/results\n  millpond container get-prop lab/results durability"
    )]
    GetProp {
        #[command(flatten)]
        container: ContainerName,
        #[command(flatten)]
        what: GetProperty,
    },

    /// Change properties of a container.
    #[command(after_help = "Examples:\n  millpond container set-prop lab/results durability=async")]
    SetProp {
        #[command(flatten)]
        container: ContainerName,
        #[command(flatten)]
        what: SetProperty,
    },

    /// Show an attribute of a container.
    #[command(after_help = "Examples:\n  millpond container get-attr lab/results owner")]
    GetAttr {
        #[command(flatten)]
        container: ContainerName,
        #[command(flatten)]
        what: GetAttribute,
    },

    /// Note attributes on a container: whatever you like.
    #[command(after_help = "\
Examples:
  millpond container set-attr lab/results owner=ada loom=jacquard
  millpond container set-attr lab/results note 'of the second run'")]
    SetAttr {
        #[command(flatten)]
        container: ContainerName,
        #[command(flatten)]
        what: SetAttribute,
    },

    /// List the attributes of a container.
    #[command(after_help = "Examples:\n  millpond container list-attrs lab/results")]
    ListAttrs {
        #[command(flatten)]
        container: ContainerName,
    },

    /// Delete attributes of a container.
    #[command(after_help = "Examples:\n  millpond container del-attr lab/results owner")]
    DelAttr {
        #[command(flatten)]
        container: ContainerName,
        #[command(flatten)]
        what: DeleteAttribute,
    },
}

/// What a new container is like.
#[derive(Args)]
pub(crate) struct CreateContainer {
    #[command(flatten)]
    container: ContainerWords,
    /// What it is for: PYTHON, POSIX, HDF5, KV, BLOB, … It is shown, and forbids nothing.
    #[arg(long = "type", short, value_name = "TYPE", value_parser = container_type)]
    container_type: Option<ContainerType>,
    /// A directory to create that stands for the container (unified namespace).
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// A property to begin with, such as durability=async; may be repeated.
    #[arg(long = "property", short, value_name = "NAME=VALUE", value_parser = assignment)]
    properties: Vec<(String, String)>,
    /// Bytes in each file of its commit log, a power of two such as 1MiB.
    #[arg(long = "log-size", value_name = "SIZE", value_parser = names::size)]
    log_bytes: Option<u64>,
}

impl ContainerCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        match self {
            ContainerCommand::Create(create) => create.run(output),
            ContainerCommand::List { pool } => {
                let containers = names::open_pool(&pool)?.containers()?;
                output.respond(&containers, |page| show_list(&containers, page))
            }
            ContainerCommand::Query { container, snapshots } => {
                let container = container.join().read()?;
                let query = container.query()?;
                let space = if snapshots { Some(container.snapshot_space()?) } else { None };
                let answer = Queried { query: &query, snapshot_space: space };
                output.respond(&answer, |page| show(&query, space, page))
            }
            ContainerCommand::Destroy { container, force } => destroy(&container.join(), force, output),
            ContainerCommand::Check { container, repair, forget } => {
                check(&container.join(), repair, forget, output)
            }
            ContainerCommand::Scrub { container, rate } => {
                let name = container.join();
                let container = writable(&name)?;
                let scrub = |options: ScrubOptions<'_>| Ok(vec![container.scrub(options)?]);
                scrub::run(&name.shown(), &rate, output, scrub, true)
            }
            ContainerCommand::Compact { container } => compact(&container.join(), output),
            ContainerCommand::Backup(command) => command.run(output),
            ContainerCommand::Restore(command) => command.run(output),
            ContainerCommand::Metrics { containers } => metrics(&containers, output),
            ContainerCommand::Watch(command) => command.run(output),
            ContainerCommand::GetProp { container, what } => what.run(&container.read()?, output),
            ContainerCommand::SetProp { container, what } => what.run(&writable(&container)?, output),
            ContainerCommand::GetAttr { container, what } => what.run(&container.read()?, output),
            ContainerCommand::SetAttr { container, what } => what.run(&writable(&container)?, output),
            ContainerCommand::ListAttrs { container } => {
                attributes::list_attributes(&container.read()?, output)
            }
            ContainerCommand::DelAttr { container, what } => what.run(&writable(&container)?, output),
        }
    }
}

impl CreateContainer {
    fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        let name = self.container.join();
        let Some((pool, label)) = name.parts() else {
            return Err(Failure::usage(format!(
                "{:?} doesn't say which container in which pool: give POOL/CONTAINER",
                name.shown()
            )));
        };
        let mut options = ContainerOptions {
            log_bytes: self.log_bytes,
            path: self.path,
            properties: self.properties.into_iter().collect(),
            ..ContainerOptions::default()
        };
        if let Some(container_type) = self.container_type {
            options.container_type = container_type;
        }
        let container = names::open_pool(pool)?.create_container(Some(label), options)?;
        let query = container.query()?;
        container.close()?;
        output.respond(&query, |page| {
            page.line(&format!("created container {} ({})", name.shown(), query.container_type))?;
            page.fields(
                [
                    ("UUID", Some(query.uuid.to_string())),
                    ("Location", Some(query.url.clone())),
                    ("Path", query.path.clone()),
                ]
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
            )
        })
    }
}

/// Shows containers as rows.
pub(crate) fn show_list(containers: &[ContainerSummary], page: &mut Page<'_>) -> io::Result<()> {
    let mut table = Table::new(["CONTAINER", "TYPE", "CREATED", "UUID", "PATH"]);
    for container in containers {
        table.row([
            container.label.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            container.container_type.to_string(),
            moment(container.created),
            container.uuid.to_string(),
            container.path.clone().unwrap_or_default(),
        ]);
    }
    page.table(&table)
}

fn writable(container: &ContainerName) -> Outcome<millpond::Container> {
    container.open(OpenOptions::default())
}

fn destroy(name: &ContainerName, force: bool, output: &mut Output<'_, '_>) -> Outcome {
    let (pool, container) = name.split()?;
    pool.destroy_container(&container, force).map_err(|error| name.suggest(error))?;
    let shown = name.shown();
    output.respond(&json!({ "destroyed": shown }), |page| page.line(&format!("destroyed container {shown}")))
}

fn check(name: &ContainerName, repair: bool, forget: bool, output: &mut Output<'_, '_>) -> Outcome {
    let container = if repair || forget { writable(name)? } else { name.read()? };
    let (mut report, mut forgotten) = (CheckReport::default(), 0);
    {
        let _spinner = output.progress("checking", None);
        // What is repaired is there to be forgotten, and what is forgotten isn't found any more.
        for repair in [repair].into_iter().chain(forget.then_some(false)) {
            let repaired = std::mem::take(&mut report.repaired);
            let lost = report.lost;
            if forget && !repair {
                forgotten = container.forget()?;
            }
            report = container.check(repair)?;
            report.repaired.extend(repaired);
            report.lost += lost;
        }
    }
    if forgotten > 0 {
        output.remark(&format!("{} forgotten", plural(forgotten, "lost value")));
    }
    if !report.markers.is_empty() {
        let markers = plural(report.markers.len() as u64, "value");
        output.remark(&format!("{markers} lost: put them again from a copy, or --forget them"));
    }
    if !report.leaked.is_empty() && !repair {
        let leaked = plural(report.leaked.len() as u64, "dictionary");
        output.remark(&format!("{leaked} without a name: --repair gives them one"));
    }
    if report.lost > 0 {
        let lost = plural(report.lost, "place");
        output.remark(&format!("records were lost at {lost}: what they held is as it was before, or gone"));
    }
    if report.damages.is_empty() {
        return output.respond(&report, |page| show_report(&report, page));
    }
    let places = plural(report.damages.len() as u64, "damaged place");
    let error = Error::new(
        ErrorKind::Corrupt,
        format!(
            "{} has {places}: what lies there can't be read; restore it from a copy{}",
            name.shown(),
            if repair { "" } else { ", or see what --repair can do" }
        ),
    );
    output.respond_failed(&report, &error, |page| show_report(&report, page))
}

fn compact(name: &ContainerName, output: &mut Output<'_, '_>) -> Outcome {
    let container = writable(name)?;
    let taken = |statistics: &millpond::Statistics| {
        statistics.bytes_records + statistics.bytes_segments + statistics.bytes_log
    };
    let before = taken(&container.query()?.statistics);
    let compacted = {
        let _spinner = output.progress("compacting", None);
        container.compact_and_report()?
    };
    for damage in &compacted.left {
        output.remark(&format!("{} was left as it is: {}", damage.place, damage.what));
    }
    let after = taken(&container.query()?.statistics);
    container.close()?;
    output.respond(&json!({ "bytes_before": before, "bytes_after": after, "left": compacted.left }), |page| {
        page.line(&format!(
            "compacted {}: {} before, {} now",
            name.shown(),
            format_size(before),
            format_size(after)
        ))
    })
}

fn metrics(containers: &[ContainerName], output: &mut Output<'_, '_>) -> Outcome {
    let mut metrics = Vec::new();
    for container in containers {
        metrics.push(container.read()?.metrics()?);
    }
    let text = Metrics::all_to_prometheus(&metrics);
    output.respond(&metrics, |page| text.lines().try_for_each(|line| page.line(line)))
}

/// What a query answers.
#[derive(Serialize)]
struct Queried<'a> {
    #[serde(flatten)]
    query: &'a ContainerQuery,
    snapshot_space: Option<SnapshotSpace>,
}

fn show(query: &ContainerQuery, space: Option<SnapshotSpace>, page: &mut Page<'_>) -> io::Result<()> {
    let statistics = &query.statistics;
    let name = query.label.as_ref().map_or_else(|| query.uuid.to_string(), ToString::to_string);
    page.heading(&format!("Container {name}"))?;
    let mut fields: Vec<(String, String)> = [
        ("UUID", query.uuid.to_string()),
        ("Pool", query.pool.to_string()),
        ("Location", query.url.clone()),
        ("Path", query.path.clone().unwrap_or_else(|| "-".to_owned())),
        ("Type", query.container_type.to_string()),
        ("Created", moment(query.created)),
        ("Durability", durability(query.durability).to_owned()),
        ("Dictionaries", query.dicts.to_string()),
        ("Objects", query.objects.to_string()),
        ("Stores of blobs", query.blob_stores.to_string()),
        ("Ordered maps", query.maps.to_string()),
        (
            "Records",
            format!("{} in {}", format_size(statistics.bytes_records), plural(statistics.runs, "run")),
        ),
        (
            "Bulk values",
            format!(
                "{} in {}, {} of them live",
                format_size(statistics.bytes_segments),
                plural(statistics.segments, "segment"),
                format_size(statistics.bytes_segments_live)
            ),
        ),
        ("Dead", format!("about {}, which a compaction gives back", format_size(statistics.bytes_dead))),
        ("Snapshots", space.map_or_else(|| "see --snapshots".to_owned(), snapshot_space)),
        ("Log", format_size(statistics.bytes_log)),
        ("Epoch", format!("{} (synced: {})", statistics.epoch, statistics.epoch_synced)),
        ("Last scrub", query.last_scrub.map_or_else(|| "never".to_owned(), last_scrub)),
        ("Open in", plural(statistics.processes, "process")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    fields.extend(attributes::fields(&query.properties, &query.attributes));
    page.fields(fields)
}

fn snapshot_space(space: SnapshotSpace) -> String {
    format!(
        "{}, which hold back {}; {} of the newest state are theirs too, {} are not",
        plural(space.snapshots, "snapshot"),
        format_size(space.bytes_held),
        format_size(space.bytes_shared),
        format_size(space.bytes_unshared)
    )
}

fn last_scrub(last: LastScrub) -> String {
    let found = match last.damages {
        0 => "all well".to_owned(),
        damages => plural(damages, "damage"),
    };
    format!("{}: {} read, {found}", moment(last.finished), format_size(last.bytes))
}

fn show_report(report: &CheckReport, page: &mut Page<'_>) -> io::Result<()> {
    let bytes = format_size(report.bytes);
    if report.damages.is_empty() {
        page.good(&format!("{bytes} read and verified"))?;
    } else {
        page.bad(&format!("{bytes} read, {}", plural(report.damages.len() as u64, "damaged place")))?;
        page.table(&scrub::places(&report.damages))?;
    }
    if !report.repaired.is_empty() {
        page.line("repaired:")?;
        page.table(&scrub::places(&report.repaired))?;
    }
    if !report.markers.is_empty() {
        page.line("lost:")?;
        page.table(&scrub::places(&report.markers))?;
    }
    for name in &report.leaked {
        page.line(&format!("leaked    {name}"))?;
    }
    for name in &report.relinked {
        page.line(&format!("relinked  {name}"))?;
    }
    Ok(())
}

fn durability(durability: Durability) -> &'static str {
    match durability {
        Durability::Sync => "sync: a change that is done survives a loss of power",
        Durability::Async => "async: a loss of power may take the last second",
    }
}

fn container_type(text: &str) -> Result<ContainerType, String> {
    text.parse().map_err(|error: Error| error.to_string())
}
