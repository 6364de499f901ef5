//! What a container is for, and the defaults that follow from it.

use std::{fmt, str::FromStr};

use millpond_core::{Error, ErrorKind, Result, limits::VALUE_INLINE_BYTES_MAX};
use serde::{Serialize, Serializer};

/// What a container is for: shown to people and kept in the unified namespace's mark. It sets
/// defaults of properties and forbids no data model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ContainerType(&'static str);

macro_rules! container_types {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        impl ContainerType {
            $($(#[$doc])* pub const $name: Self = Self(stringify!($name));)*

            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

container_types! {
    /// Nothing is known about it.
    UNKNOWN,
    /// Files and directories.
    POSIX,
    /// HDF5 files.
    HDF5,
    /// Dictionaries of Python programs.
    PYTHON,
    /// A key-value store.
    KV,
    /// Immutable blobs.
    BLOB,
    /// Spark's intermediate data.
    SPARK,
    /// A database.
    DATABASE,
    /// ROOT's n-tuples.
    ROOT,
    /// Seismic graphs.
    SEISMIC,
    /// Fields of weather models.
    METEO,
}

impl ContainerType {
    /// Its name, in upper case.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// The default of the property `inline-size`, in bytes.
    ///
    /// Records are carried along when runs are merged, so values that are written once and read as a
    /// whole are better off in segments, even short ones. Entries of dictionaries and tables are
    /// looked up and overwritten one by one: beside their keys, a read finds them in one step.
    pub fn inline_bytes(self) -> usize {
        match self {
            Self::UNKNOWN | Self::PYTHON | Self::KV | Self::DATABASE => VALUE_INLINE_BYTES_MAX,
            _ => VALUE_INLINE_BYTES_MAX / 4,
        }
    }

    /// The type that a pool's document names; one that only a newer version knows is unknown here.
    pub(crate) fn recorded(name: &str) -> Self {
        name.parse().unwrap_or_default()
    }
}

impl Default for ContainerType {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl FromStr for ContainerType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.iter().find(|known| known.0.eq_ignore_ascii_case(text)).copied().ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|known| known.0).collect();
            let message = format!("{text:?} is no type of container; the types are {}", known.join(", "));
            Error::new(ErrorKind::InvalidArgument, message)
        })
    }
}

impl fmt::Display for ContainerType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl Serialize for ContainerType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_in_any_case_and_an_unknown_one_lists_them() {
        assert_eq!("Python".parse::<ContainerType>().expect("a type"), ContainerType::PYTHON);
        assert_eq!(ContainerType::HDF5.to_string(), "HDF5");
        assert_eq!(ContainerType::recorded("QUANTUM"), ContainerType::UNKNOWN);
        let error = "x".parse::<ContainerType>().expect_err("no type");
        assert!(error.to_string().contains("POSIX, HDF5, PYTHON"), "{error}");
    }
}
