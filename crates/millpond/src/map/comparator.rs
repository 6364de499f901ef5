//! Comparators: names of the orders in which maps have their keys.

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{Arc, LazyLock, PoisonError, RwLock},
};

use millpond_core::{Error, ErrorKind, Result};

use super::order::{KeyForm, KeyOrder};

/// Makes of a key the bytes by which it is sorted.
pub type KeyFunction = Arc<dyn Fn(&[u8]) -> Result<Vec<u8>> + Send + Sync>;

/// Bytes in the name of a comparator.
const NAME_BYTES_MAX: usize = 128;

/// In which order a map has its keys. Its name is kept with the map, which opens with that one only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Comparator {
    /// By their bytes, ascending: `bytes`.
    #[default]
    Bytes,
    /// By their bytes, descending: `reverse`.
    Reverse,
    /// Keys are whole numbers, an `i64` in 8 bytes, least significant first: `integer`.
    Integer,
    /// Keys are floating-point numbers, an `f64` in 8 bytes, least significant first, in IEEE 754's
    /// total order (-0 before 0, not-a-numbers at the ends): `float`.
    Float,
    /// By what a function makes of them, which each process that opens the map registers under
    /// this name; of keys that it makes the same of, by their bytes.
    Registered(Arc<str>),
}

static REGISTERED: LazyLock<RwLock<HashMap<Arc<str>, KeyFunction>>> = LazyLock::new(RwLock::default);

impl Comparator {
    const BUILT_IN: [Self; 4] = [Self::Bytes, Self::Reverse, Self::Integer, Self::Float];

    /// Registers an order in this process: maps under it are sorted by the bytes that `function` makes of
    /// their keys, at most 1024. It has to make the same of a key for ever, in every process, or
    /// entries are not found again. A function that was registered under the name before is replaced for maps that
    /// are opened from now on.
    ///
    /// # Errors
    /// `InvalidArgument` when the name is that of a built-in comparator, empty, or of more than 128 bytes.
    ///
    /// ```
    /// use millpond::{Comparator, ContainerOptions, Pool, PoolOptions};
    ///
    /// # fn main() -> millpond::Result<()> {
    /// let by_length = Comparator::register("length", |key| Ok((key.len() as u64).to_be_bytes().to_vec()))?;
    /// let pool = Pool::create("mem:comparators", PoolOptions::default())?;
    /// let container = pool.create_container(Some("words"), ContainerOptions::default())?;
    /// let words = container.create_map("words", &by_length)?;
    /// words.put_many([("three", "3"), ("a", "1"), ("tea", "2")])?;
    /// let keys: Vec<_> = words.iter()?.map(|entry| Ok(entry?.0)).collect::<millpond::Result<_>>()?;
    /// assert_eq!(keys, ["a", "tea", "three"]);
    /// # Pool::destroy("mem:comparators", true)
    /// # }
    /// ```
    pub fn register(
        name: &str,
        function: impl Fn(&[u8]) -> Result<Vec<u8>> + Send + Sync + 'static,
    ) -> Result<Self> {
        let comparator: Self = name.parse()?;
        let Self::Registered(name) = &comparator else {
            let message = format!("{name:?} is a built-in comparator: register yours under another name");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        };
        let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
        registered.insert(name.clone(), Arc::new(function));
        Ok(comparator)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Bytes => "bytes",
            Self::Reverse => "reverse",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Registered(name) => name,
        }
    }

    /// The order, ready for use.
    ///
    /// # Errors
    /// `NotFound` when nothing is registered in this process under its name.
    pub fn order(&self) -> Result<KeyOrder> {
        KeyOrder::of(self)
    }

    pub(crate) fn form(&self) -> KeyForm {
        match self {
            Self::Bytes | Self::Reverse => KeyForm::Plain,
            Self::Integer => KeyForm::Integer,
            Self::Float => KeyForm::Float,
            Self::Registered(_) => KeyForm::SortedBy,
        }
    }
}

/// Its name.
impl fmt::Display for Comparator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// By its name; any name that is no built-in one's is a registered one's.
impl FromStr for Comparator {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            let message =
                format!("the name of a comparator has 1 to {NAME_BYTES_MAX} bytes, not {}", name.len());
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let built_in = Self::BUILT_IN.into_iter().find(|built_in| built_in.name() == name);
        Ok(built_in.unwrap_or_else(|| Self::Registered(name.into())))
    }
}

/// What is registered under a name.
pub(super) fn function(name: &str) -> Result<KeyFunction> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    registered.get(name).cloned().ok_or_else(|| {
        let message = format!(
            "no comparator {name:?} is registered in this process: register it before its maps are opened"
        );
        Error::new(ErrorKind::NotFound, message)
    })
}
