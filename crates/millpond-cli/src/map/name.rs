//! Which ordered map, and in which order one is made.

use clap::{Args, ValueEnum};
use millpond::{Comparator, Container, Error, ErrorKind, OrderedMap};

use super::range::{Bounds, RangeOptions};
use crate::{
    entries::{KeyForm, Target},
    failure::Outcome,
    names::{ContainerName, suggest},
};

/// Which map.
#[derive(Args, Clone)]
pub(crate) struct MapName {
    #[command(flatten)]
    pub(super) container: ContainerName,
    /// The ordered map in it.
    #[arg(value_name = "MAP")]
    pub(super) map: String,
}

/// The order of a map's keys, by its name. Registered ones are functions of the programs that register them.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum ComparatorWord {
    /// By their bytes.
    #[default]
    Bytes,
    /// By their bytes, the greatest first.
    Reverse,
    /// Keys are whole numbers.
    Integer,
    /// Keys are numbers.
    Float,
}

/// Whether the map is made where there is none, and in which order.
#[derive(Args)]
pub(crate) struct MapCreation {
    /// Create the map if there is none of that name.
    #[arg(long)]
    create: bool,
    /// In which order a map that is created has its keys; one that is there has to be in that order.
    #[arg(long, value_enum, requires = "create")]
    comparator: Option<ComparatorWord>,
}

impl From<ComparatorWord> for Comparator {
    fn from(word: ComparatorWord) -> Self {
        match word {
            ComparatorWord::Bytes => Self::Bytes,
            ComparatorWord::Reverse => Self::Reverse,
            ComparatorWord::Integer => Self::Integer,
            ComparatorWord::Float => Self::Float,
        }
    }
}

impl MapName {
    /// Adds what the user may have meant to an error of a missing map.
    pub(super) fn suggest(&self, error: Error, container: &Container) -> Error {
        suggest(error, &self.map, container.maps().unwrap_or_default())
    }

    /// Why a map can't be opened.
    fn explain(&self, error: Error, container: &Container) -> Error {
        let comparator = container.map_comparator(&self.map);
        if let (ErrorKind::NotFound, Ok(Comparator::Registered(name))) = (error.kind(), comparator) {
            let message = format!(
                "{} is in the order {name:?}, a function that programs register under that name: the command line \
                 doesn't have it, so open the map with a program that does",
                self.shown()
            );
            return Error::new(ErrorKind::NotSupported, message);
        }
        self.suggest(error, container)
    }
}

impl Target for MapName {
    type Entries = OrderedMap;
    type Creation = MapCreation;
    type Bounds = Bounds;
    type Range = RangeOptions;

    fn container(&self) -> &ContainerName {
        &self.container
    }

    fn find(&self, container: &Container) -> Outcome<OrderedMap> {
        container.map(&self.map).map_err(|error| self.explain(error, container).into())
    }

    fn key_form(&self, container: &Container, creation: &MapCreation) -> Outcome<KeyForm> {
        match container.map_comparator(&self.map) {
            Err(error) if error.kind() == ErrorKind::NotFound && creation.create => {
                Ok(KeyForm::of(&creation.comparator.unwrap_or_default().into()))
            }
            found => Ok(KeyForm::of(&found.map_err(|error| self.suggest(error, container))?)),
        }
    }

    fn find_or_create(&self, container: &Container, creation: &MapCreation) -> Outcome<OrderedMap> {
        let map = match (creation.create, creation.comparator) {
            (false, _) => return self.find(container),
            (true, Some(comparator)) => container.open_or_create_map(&self.map, &comparator.into()),
            (true, None) if container.map_comparator(&self.map).is_ok() => return self.find(container),
            (true, None) => container.open_or_create_map(&self.map, &Comparator::default()),
        };
        Ok(map?)
    }

    fn shown(&self) -> String {
        format!("{} {}", self.container.shown(), self.map)
    }
}
