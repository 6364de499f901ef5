//! How entries are stored: the options of every command that does.

use clap::{Args, ValueEnum};
use millpond::{Container, Durability, OpenOptions};

use super::{KeyForm, Target};
use crate::{failure::Outcome, names::ContainerName};

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
pub(crate) struct WriteOptions<T: Target> {
    #[command(flatten)]
    durability: DurabilityOption,
    #[command(flatten)]
    creation: T::Creation,
}

#[derive(Clone, Copy, ValueEnum)]
enum DurabilityWord {
    Sync,
    Async,
}

impl DurabilityOption {
    /// What the user asks for.
    pub(crate) fn given(&self) -> Option<Durability> {
        self.durability.map(|word| match word {
            DurabilityWord::Sync => Durability::Sync,
            DurabilityWord::Async => Durability::Async,
        })
    }

    /// Opens the container for writing.
    pub(crate) fn open(&self, name: &ContainerName) -> Outcome<Container> {
        name.open(OpenOptions { durability: self.given(), ..OpenOptions::default() })
    }
}

impl<T: Target> WriteOptions<T> {
    /// Opens the container for writing.
    pub(super) fn container(&self, target: &T) -> Outcome<Container> {
        self.durability.open(target.container())
    }

    /// What the keys are, before anything is made.
    pub(super) fn key_form(&self, target: &T, container: &Container) -> Outcome<KeyForm> {
        target.key_form(container, &self.creation)
    }

    /// The target in its container.
    pub(super) fn entries(&self, target: &T, container: &Container) -> Outcome<T::Entries> {
        target.find_or_create(container, &self.creation)
    }
}
