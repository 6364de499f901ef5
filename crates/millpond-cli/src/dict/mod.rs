//! `millpond dict`: dictionaries, their entries, and copies of them as JSON Lines.

pub(crate) mod bytes;
mod count;
mod delete;
mod dump;
mod get;
mod keys;
pub(crate) mod lines;
mod load;
mod put;
mod range;
pub(crate) mod sink;

use clap::{Args, Subcommand, ValueEnum};
use millpond::{Container, Dict, Durability, Error, ErrorKind, OpenOptions};
use serde_json::json;

use crate::{
    failure::Outcome,
    names::{AtOption, ContainerName, DictName},
    output::Output,
};

#[derive(Subcommand)]
pub(crate) enum DictCommand {
    /// Create a dictionary.
    #[command(after_help = "Examples:\n  millpond dict create lab/results runs")]
    Create {
        #[command(flatten)]
        dict: DictName,
    },

    /// Destroy a dictionary with all its entries.
    #[command(after_help = "Examples:\n  millpond dict destroy lab/results runs")]
    Destroy {
        #[command(flatten)]
        dict: DictName,
    },

    /// List the dictionaries of a container.
    #[command(visible_alias = "ls", after_help = "Examples:\n  millpond dict list lab/results")]
    List {
        #[command(flatten)]
        container: ContainerName,
        #[command(flatten)]
        at: AtOption,
    },

    /// Write the value of a key to the standard output, byte by byte as it is stored.
    #[command(after_help = get::EXAMPLES)]
    Get(get::GetCommand),

    /// Store a value under a key.
    #[command(after_help = put::EXAMPLES)]
    Put(put::PutCommand),

    /// Delete keys, all of them or none.
    #[command(visible_alias = "del", after_help = delete::EXAMPLES)]
    Delete(delete::DeleteCommand),

    /// List keys in the order of their bytes.
    #[command(after_help = keys::EXAMPLES)]
    Keys(keys::KeysCommand),

    /// Write entries as JSON Lines: {"key": …, "value": …}, binary ones under key_hex, value_hex.
    #[command(after_help = dump::EXAMPLES)]
    Dump(dump::DumpCommand),

    /// Store entries from JSON Lines, as dump writes them.
    #[command(after_help = load::EXAMPLES)]
    Load(load::LoadCommand),

    /// Print how many keys there are, in all or of a range.
    #[command(after_help = count::EXAMPLES)]
    Count(count::CountCommand),
}

/// How durably a command writes.
#[derive(Args)]
pub(crate) struct DurabilityOption {
    /// What a success promises: sync survives a loss of power, async the death of the process. The
    /// container's property decides otherwise.
    #[arg(long, value_enum)]
    durability: Option<DurabilityWord>,
}

/// How a command stores entries.
#[derive(Args)]
pub(crate) struct WriteOptions {
    #[command(flatten)]
    durability: DurabilityOption,
    /// Create the dictionary if there is none of that name.
    #[arg(long)]
    create: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum DurabilityWord {
    Sync,
    Async,
}

impl DictCommand {
    pub(crate) fn run(self, output: &mut Output<'_, '_>) -> Outcome {
        match self {
            DictCommand::Create { dict } => create(&dict, output),
            DictCommand::Destroy { dict } => destroy(&dict, output),
            DictCommand::List { container, at } => list(&container, &at, output),
            DictCommand::Get(command) => command.run(output),
            DictCommand::Put(command) => command.run(output),
            DictCommand::Delete(command) => command.run(output),
            DictCommand::Keys(command) => command.run(output),
            DictCommand::Dump(command) => command.run(output),
            DictCommand::Load(command) => command.run(output),
            DictCommand::Count(command) => command.run(output),
        }
    }
}

impl DurabilityOption {
    /// Opens the container for writing.
    pub(crate) fn open(&self, name: &ContainerName) -> Outcome<Container> {
        let durability = self.durability.map(|word| match word {
            DurabilityWord::Sync => Durability::Sync,
            DurabilityWord::Async => Durability::Async,
        });
        name.open(OpenOptions { durability, ..OpenOptions::default() })
    }
}

impl WriteOptions {
    /// Opens the container for writing, and the dictionary in it.
    fn open(&self, name: &DictName) -> Outcome<(Container, Dict)> {
        let container = self.durability.open(&name.container)?;
        let dict =
            if self.create { container.open_or_create_dict(&name.dict)? } else { name.find(&container)? };
        Ok((container, dict))
    }
}

/// There is no such key.
fn no_key(key: &[u8], name: &DictName) -> Error {
    let key = crate::output::printable_bytes(key);
    Error::new(ErrorKind::NotFound, format!("there is no key \"{key}\" in {}", name.shown()))
}

fn create(name: &DictName, output: &mut Output<'_, '_>) -> Outcome {
    let container = name.container.open(OpenOptions::default())?;
    container.create_dict(&name.dict)?;
    container.close()?;
    output.respond(&json!({ "created": name.dict }), |page| {
        page.line(&format!("created dictionary {}", name.shown()))
    })
}

fn destroy(name: &DictName, output: &mut Output<'_, '_>) -> Outcome {
    let container = name.container.open(OpenOptions::default())?;
    container.destroy_dict(&name.dict).map_err(|error| name.suggest(error, &container))?;
    container.close()?;
    output.respond(&json!({ "destroyed": name.dict }), |page| {
        page.line(&format!("destroyed dictionary {}", name.shown()))
    })
}

fn list(name: &ContainerName, at: &AtOption, output: &mut Output<'_, '_>) -> Outcome {
    let names = at.of(name.read()?)?.dicts()?;
    output.respond(&names, |page| names.iter().try_for_each(|name| page.line(name)))
}
