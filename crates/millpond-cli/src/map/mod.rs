//! `millpond map`: ordered maps, their entries and ranges, copies of them as JSON Lines, and benchmarks.

mod bench;
mod examples;
mod name;
mod range;

use clap::Subcommand;
use millpond::{Comparator, OpenOptions};
use serde_json::json;

use self::{bench::BenchCommand, name::ComparatorWord, range::RangeCommand};
use crate::{
    entries::{CountCommand, DeleteCommand, DumpCommand, GetCommand, LoadCommand, PutCommand, Target},
    failure::Outcome,
    names::{AtOption, ContainerName},
    output::{Output, Table},
};

pub(crate) use self::name::MapName;

#[derive(Subcommand)]
pub(crate) enum MapCommand {
    /// Create an ordered map. Its order stays.
    #[command(after_help = "\
Examples:
  millpond map create lab/results index
  millpond map create lab/results readings --comparator integer")]
    Create {
        #[command(flatten)]
        map: MapName,
        /// In which order it has its keys.
        #[arg(long, value_enum, default_value_t)]
        comparator: ComparatorWord,
    },

    /// Destroy an ordered map with all its entries.
    #[command(after_help = "Examples:\n  millpond map destroy lab/results readings")]
    Destroy {
        #[command(flatten)]
        map: MapName,
    },

    /// List the ordered maps of a container, and their orders.
    #[command(visible_alias = "ls", after_help = "Examples:\n  millpond map list lab/results")]
    List {
        #[command(flatten)]
        container: ContainerName,
        #[command(flatten)]
        at: AtOption,
    },

    /// Write the value of a key to the standard output, byte by byte as it is stored.
    #[command(after_help = examples::GET)]
    Get(GetCommand<MapName>),

    /// Store a value under a key.
    #[command(after_help = examples::PUT)]
    Put(PutCommand<MapName>),

    /// Remove keys, all of them or none.
    #[command(visible_alias = "delete", alias = "del", after_help = examples::REMOVE)]
    Remove(DeleteCommand<MapName>),

    /// Print the entries of a range, in the map's order.
    #[command(after_help = range::EXAMPLES)]
    Range(RangeCommand),

    /// Print how many entries there are, or how many of them are in a range.
    #[command(after_help = examples::COUNT)]
    Count(CountCommand<MapName>),

    /// Write entries as JSON Lines: {"key": …, "value": …}, binary ones under key_hex, value_hex.
    #[command(after_help = examples::DUMP)]
    Dump(DumpCommand<MapName>),

    /// Store entries from JSON Lines, as dump writes them.
    #[command(after_help = examples::LOAD)]
    Load(LoadCommand<MapName>),

    /// Measure one of pmemkv's engines: run pmemkv-bench's workloads, and print its CSV.
    #[command(after_help = bench::EXAMPLES)]
    Bench(BenchCommand),
}

impl MapCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        match self {
            MapCommand::Create { map, comparator } => create(&map, comparator.into(), output),
            MapCommand::Destroy { map } => destroy(&map, output),
            MapCommand::List { container, at } => list(&container, &at, output),
            MapCommand::Get(command) => command.run(output),
            MapCommand::Put(command) => command.run(output),
            MapCommand::Remove(command) => command.run(output),
            MapCommand::Range(command) => command.run(output),
            MapCommand::Count(command) => command.run(output),
            MapCommand::Dump(command) => command.run(output),
            MapCommand::Load(command) => command.run(output),
            MapCommand::Bench(command) => command.run(output),
        }
    }
}

fn create(name: &MapName, comparator: Comparator, output: &mut Output<'_, '_>) -> Outcome {
    let container = name.container.open(OpenOptions::default())?;
    container.create_map(&name.map, &comparator)?;
    container.close()?;
    output.respond(&json!({ "created": name.map, "comparator": comparator.name() }), |page| {
        page.line(&format!("created ordered map {} ({comparator})", name.shown()))
    })
}

fn destroy(name: &MapName, output: &mut Output<'_, '_>) -> Outcome {
    let container = name.container.open(OpenOptions::default())?;
    container.destroy_map(&name.map).map_err(|error| name.suggest(error, &container))?;
    container.close()?;
    output.respond(&json!({ "destroyed": name.map }), |page| {
        page.line(&format!("destroyed ordered map {}", name.shown()))
    })
}

fn list(name: &ContainerName, at: &AtOption, output: &mut Output<'_, '_>) -> Outcome {
    let container = at.of(name.read()?)?;
    let mut maps = Vec::new();
    for name in container.maps()? {
        let comparator = container.map_comparator(&name)?;
        maps.push((name, comparator));
    }
    let response: Vec<_> = maps
        .iter()
        .map(|(name, comparator)| json!({ "map": name, "comparator": comparator.name() }))
        .collect();
    output.respond(&response, |page| {
        let mut table = Table::new(["MAP", "COMPARATOR"]);
        for (name, comparator) in &maps {
            table.row([name, comparator.name()]);
        }
        page.table(&table)
    })
}
