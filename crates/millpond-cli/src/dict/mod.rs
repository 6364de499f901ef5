//! `millpond dict`: dictionaries, their entries, and copies of them as JSON Lines.

mod examples;
mod keys;
mod range;

use clap::{Args, Subcommand};
use millpond::{Container, Dict, OpenOptions};
use serde_json::json;

use self::range::{Bounds, RangeOptions};
use crate::{
    entries::{
        CountCommand, DeleteCommand, DumpCommand, GetCommand, KeyForm, LoadCommand, PutCommand, Target,
    },
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
    #[command(after_help = examples::GET)]
    Get(GetCommand<DictName>),

    /// Store a value under a key.
    #[command(after_help = examples::PUT)]
    Put(PutCommand<DictName>),

    /// Delete keys, all of them or none.
    #[command(visible_alias = "del", after_help = examples::DELETE)]
    Delete(DeleteCommand<DictName>),

    /// List keys in the order of their bytes.
    #[command(after_help = keys::EXAMPLES)]
    Keys(keys::KeysCommand),

    /// Write entries as JSON Lines: {"key": …, "value": …}, binary ones under key_hex, value_hex.
    #[command(after_help = examples::DUMP)]
    Dump(DumpCommand<DictName>),

    /// Store entries from JSON Lines, as dump writes them.
    #[command(after_help = examples::LOAD)]
    Load(LoadCommand<DictName>),

    /// Print how many keys there are, in all or of a range.
    #[command(after_help = examples::COUNT)]
    Count(CountCommand<DictName>),
}

/// Whether the dictionary is made where there is none.
#[derive(Args)]
pub(crate) struct DictCreation {
    /// Create the dictionary if there is none of that name.
    #[arg(long)]
    create: bool,
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

impl Target for DictName {
    type Entries = Dict;
    type Creation = DictCreation;
    type Bounds = Bounds;
    type Range = RangeOptions;

    fn container(&self) -> &ContainerName {
        &self.container
    }

    fn find(&self, container: &Container) -> Outcome<Dict> {
        container.dict(&self.dict).map_err(|error| self.suggest(error, container).into())
    }

    fn key_form(&self, _: &Container, _: &DictCreation) -> Outcome<KeyForm> {
        Ok(KeyForm::Bytes)
    }

    fn find_or_create(&self, container: &Container, creation: &DictCreation) -> Outcome<Dict> {
        match creation.create {
            true => Ok(container.open_or_create_dict(&self.dict)?),
            false => self.find(container),
        }
    }

    fn shown(&self) -> String {
        format!("{} {}", self.container.shown(), self.dict)
    }
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
