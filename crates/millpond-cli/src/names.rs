//! From what a user calls a thing to the thing, with a suggestion where a name is nearly right.
//!
//! A container's name is `POOL/CONTAINER`, a URL, or a path of the unified namespace; only a path
//! may be something else than UTF-8.

use std::{ffi::OsString, path::Path};

use clap::Args;
use millpond::{Container, Error, ErrorKind, Moment, OpenOptions, Pool};

use crate::failure::Outcome;

/// How alike two names must be (1: the same) for one to be suggested for the other.
const LIKENESS_MIN: f64 = 0.8;

/// Which container.
#[derive(Args, Clone)]
pub(crate) struct ContainerName {
    /// The container: POOL/CONTAINER by labels or UUIDs, a URL such as file:///data/lab/results, or
    /// a directory that stands for a container.
    #[arg(value_name = "POOL/CONTAINER")]
    pub(crate) name: OsString,
}

/// Which container, where a second word can't mean anything else.
#[derive(Args, Clone)]
pub(crate) struct ContainerWords {
    /// The container: POOL/CONTAINER by labels or UUIDs, a URL such as file:///data/lab/results, or
    /// a directory that stands for a container.
    #[arg(value_name = "POOL/CONTAINER")]
    name: OsString,
    /// The container, where the first word is the pool alone.
    #[arg(value_name = "CONTAINER")]
    container: Option<OsString>,
}

/// Which dictionary.
#[derive(Args, Clone)]
pub(crate) struct DictName {
    #[command(flatten)]
    pub(crate) container: ContainerName,
    /// The dictionary in it.
    #[arg(value_name = "DICT")]
    pub(crate) dict: String,
}

/// As of when a command reads.
#[derive(Args, Clone)]
pub(crate) struct AtOption {
    /// Read the state that a snapshot keeps, or the one just after an epoch, instead of the newest one.
    #[arg(long, value_name = "SNAPSHOT")]
    at: Option<String>,
}

impl AtOption {
    pub(crate) fn is_given(&self) -> bool {
        self.at.is_some()
    }

    /// The container in that state.
    pub(crate) fn of(&self, container: Container) -> Outcome<Container> {
        match &self.at {
            Some(at) => Ok(container.at(Moment::parse(at))?),
            None => Ok(container),
        }
    }
}

impl ContainerWords {
    /// The two words as one name.
    pub(crate) fn join(self) -> ContainerName {
        let mut name = self.name;
        if let Some(container) = self.container {
            name.push("/");
            name.push(container);
        }
        ContainerName { name }
    }
}

impl From<OsString> for ContainerName {
    fn from(name: OsString) -> Self {
        Self { name }
    }
}

impl ContainerName {
    /// Opens the container to look at it.
    pub(crate) fn read(&self) -> Outcome<Container> {
        self.open(OpenOptions { read_only: true, ..OpenOptions::default() })
    }

    /// Opens the container.
    pub(crate) fn open(&self, options: OpenOptions) -> Outcome<Container> {
        match self.name.to_str() {
            Some(name) => Container::open_with(name, options).map_err(|error| self.suggest(error).into()),
            None => Ok(Container::open_path(Path::new(&self.name), options)?),
        }
    }

    /// The pool, and the container's name in it, which need not exist or be sound unless it is named
    /// by a path.
    pub(crate) fn split(&self) -> Outcome<(Pool, String)> {
        match self.parts() {
            Some((pool, container)) if !self.is_path() => Ok((open_pool(pool)?, container.to_owned())),
            _ => {
                let container = self.read()?;
                Ok((container.pool().clone(), container.uuid().to_string()))
            }
        }
    }

    /// What is before and after the last slash, if both are something.
    pub(crate) fn parts(&self) -> Option<(&str, &str)> {
        let (pool, container) = self.name.to_str()?.rsplit_once('/')?;
        (!pool.is_empty() && !container.is_empty()).then_some((pool, container))
    }

    /// Whether the name may be that of a directory, by the rule of [`Container::open_with`].
    fn is_path(&self) -> bool {
        let path = Path::new(&self.name);
        path.is_absolute() || path.starts_with(".") || path.starts_with("..") || path.is_dir()
    }

    /// As people write it.
    pub(crate) fn shown(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    /// Adds what the user may have meant to an error of a missing pool or container.
    pub(crate) fn suggest(&self, error: Error) -> Error {
        let Some((pool, container)) = self.parts() else { return error };
        if error.kind() != ErrorKind::NotFound {
            return error;
        }
        match Pool::open(pool).and_then(|pool| pool.containers()) {
            Ok(containers) => {
                let labels =
                    containers.into_iter().filter_map(|one| one.label.map(|label| label.to_string()));
                did_you_mean(error, container, labels, |label| format!("{pool}/{label}"))
            }
            Err(_) => suggest_pool(error, pool),
        }
    }
}

impl DictName {
    /// Adds what the user may have meant to an error of a missing dictionary.
    pub(crate) fn suggest(&self, error: Error, container: &Container) -> Error {
        suggest(error, &self.dict, container.dicts().unwrap_or_default())
    }
}

/// Opens a pool.
pub(crate) fn open_pool(location: &str) -> Outcome<Pool> {
    Pool::open(location).map_err(|error| suggest_pool(error, location).into())
}

/// Adds what the user may have meant to an error of a missing pool.
pub(crate) fn suggest_pool(error: Error, location: &str) -> Error {
    if error.kind() != ErrorKind::NotFound || location.contains("://") {
        return error;
    }
    let labels = Pool::list().unwrap_or_default().into_iter().map(|pool| pool.label.to_string());
    did_you_mean(error, location, labels, |label| label.to_owned())
}

/// Adds the known name that the user may have meant to an error of a missing one.
pub(crate) fn suggest(error: Error, wanted: &str, known: Vec<String>) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    did_you_mean(error, wanted, known, |name| name.to_owned())
}

/// A size, for the argument parser.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    millpond::parse_size(text).map_err(|error| error.to_string())
}

fn did_you_mean(
    error: Error,
    wanted: &str,
    known: impl IntoIterator<Item = String>,
    full: impl Fn(&str) -> String,
) -> Error {
    let likeness = |name: &str| strsim::jaro_winkler(&name.to_lowercase(), &wanted.to_lowercase());
    let best = known
        .into_iter()
        .map(|name| (likeness(&name), name))
        .filter(|(likeness, name)| *likeness >= LIKENESS_MIN && name != wanted)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    match best {
        Some((_, name)) => {
            let kind = error.kind();
            Error::new(kind, format!("{error}; did you mean {:?}?", full(&name)))
        }
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggested(wanted: &str, known: &[&str]) -> String {
        let error = Error::new(ErrorKind::NotFound, "none");
        let known = known.iter().map(|&name| name.to_owned());
        did_you_mean(error, wanted, known, |name| name.to_owned()).to_string()
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        assert_eq!(suggested("pydoas", &["lab", "pydaos"]), "none; did you mean \"pydaos\"?");
        assert_eq!(suggested("LAB", &["lab", "pydaos"]), "none; did you mean \"lab\"?");
        assert_eq!(suggested("zebra", &["lab", "pydaos"]), "none");
        assert_eq!(suggested("x", &[]), "none");
    }

    #[test]
    fn names_split_at_the_last_slash() {
        let parts = |name: &str| {
            ContainerName { name: name.into() }
                .parts()
                .map(|(pool, container)| (pool.to_owned(), container.to_owned()))
        };
        let pair = |pool: &str, container: &str| Some((pool.to_owned(), container.to_owned()));
        assert_eq!(parts("lab/results"), pair("lab", "results"));
        assert_eq!(parts("file:///data/lab/results"), pair("file:///data/lab", "results"));
        assert_eq!(parts("mem:lab/results"), pair("mem:lab", "results"));
        assert_eq!(parts("lab"), None);
        assert_eq!(parts("lab/"), None);
        assert_eq!(parts("/lab"), None);
    }
}
