//! Ordered maps: any bytes to any bytes, in an order of their own.
//!
//! A map is a dictionary whose keys lie under an order (`order.rs`), so that all that is said of
//! dictionaries holds for it: what is here turns users' keys and ranges into sort keys and back.

mod comparator;
mod order;
mod range;
mod seeker;

use std::fmt;

use bytes::Bytes;
use millpond_core::{Direction, Error, ErrorKind, Result};

pub(crate) use self::order::{KeyForm, UserKey};
pub use self::{
    comparator::{Comparator, KeyFunction},
    order::{KeyOrder, NumberKey},
    range::MapRange,
    seeker::MapSeeker,
};
use crate::{
    catalog,
    container::Container,
    dict::{Dict, DictBatch, DictEntry, DictIter, ValueReader, ValueWriter},
    layout::{NamedKind, Settings},
    named::Named,
    transaction::Transaction,
};

/// Changes of a map that take effect together. See [`DictBatch`].
pub type MapBatch = DictBatch;

/// Entries of a map, in its order. See [`DictIter`].
pub type MapIter = DictIter;

/// An entry of a map, under an iterator. See [`DictEntry`].
pub type MapEntry<'a> = DictEntry<'a>;

/// An ordered map: keys of 0 to 1024 bytes, values from empty to many GiB, in the order of its
/// [`Comparator`]. Clones are cheap; threads and processes may use it at once.
///
/// Where order is of no use, a [`Dict`] is the same without it: its keys cost no less, since any key lies in order
/// here.
///
/// ```
/// use millpond::{Comparator, ContainerOptions, MapRange, Pool, PoolOptions};
///
/// # fn main() -> millpond::Result<()> {
/// let pool = Pool::create("mem:maps", PoolOptions::default())?;
/// let container = pool.create_container(Some("weather"), ContainerOptions::default())?;
/// let readings = container.create_map("readings", &Comparator::Integer)?;
/// for hour in 0..24i64 {
///     readings.put(&hour.to_le_bytes(), format!("{} degrees", hour / 2).as_bytes())?;
/// }
/// let noon = 12i64.to_le_bytes();
/// assert_eq!(readings.count(&MapRange::above(noon))?, 11);
/// let last = readings.range(&MapRange::below(noon).reversed())?.next();
/// assert_eq!(last.transpose()?.expect("an entry").1, "5 degrees");
/// # Pool::destroy("mem:maps", true)
/// # }
/// ```
#[derive(Clone)]
pub struct OrderedMap {
    dict: Dict,
    comparator: Comparator,
}

impl OrderedMap {
    fn new(named: Named, comparator: Comparator) -> Result<Self> {
        let order = comparator.order().map_err(|error| error.context(format_args!("can't open {named}")))?;
        Ok(Self { dict: Dict::new(named.ordered(order)), comparator })
    }

    /// The same map, as a transaction sees and changes it.
    ///
    /// # Errors
    /// `InvalidArgument` when the transaction is of another container.
    pub fn within(&self, transaction: &Transaction) -> Result<Self> {
        Ok(Self { dict: self.dict.within(transaction)?, comparator: self.comparator.clone() })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.dict.name()
    }

    /// The container that holds it.
    pub fn container(&self) -> &Container {
        self.dict.container()
    }

    /// In which order its keys are.
    pub fn comparator(&self) -> &Comparator {
        &self.comparator
    }

    /// The value of a key; see [`Dict::get`]. It stays as it is, whatever becomes of the entry.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.dict.get(key)
    }

    /// The values of many keys, in the order in which they are asked for, all of one consistent state.
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Bytes>>> {
        self.dict.get_many(keys)
    }

    /// Whether there is an entry of that key.
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        self.dict.contains(key)
    }

    /// The length in bytes of the value of a key, without reading it.
    pub fn value_length(&self, key: &[u8]) -> Result<Option<u64>> {
        self.dict.value_length(key)
    }

    /// Sets the value of a key; answers whether there was one before. See [`Dict::put`].
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<bool> {
        self.dict.put(key, value)
    }

    /// Sets many values in one atomic commit; see [`Dict::put_many`].
    pub fn put_many<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<()> {
        self.dict.put_many(entries)
    }

    /// Begins a batch of changes that take effect in one atomic commit.
    pub fn batch(&self) -> MapBatch {
        self.dict.batch()
    }

    /// Sets the value of a key that has none; else answers the one that it has, unchanged.
    pub fn insert_if_absent(&self, key: &[u8], value: &[u8]) -> Result<Option<Bytes>> {
        self.dict.insert_if_absent(key, value)
    }

    /// See [`Dict::compare_and_swap`].
    pub fn compare_and_swap(&self, key: &[u8], expected: Option<&[u8]>, new: Option<&[u8]>) -> Result<bool> {
        self.dict.compare_and_swap(key, expected, new)
    }

    /// See [`Dict::update_in_place`].
    pub fn update_in_place(&self, key: &[u8], offset: u64, bytes: &[u8]) -> Result<bool> {
        self.dict.update_in_place(key, offset, bytes)
    }

    /// Removes an entry; answers whether there was one.
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        self.dict.delete(key)
    }

    /// Removes an entry and answers its value, atomically.
    pub fn take(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.dict.take(key)
    }

    /// Removes the entry of the first key and answers it; several callers at once get different entries.
    pub fn take_first(&self) -> Result<Option<(Bytes, Bytes)>> {
        self.dict.take_end(self.physical(Direction::Forward))
    }

    /// Removes the entry of the last key, as [`OrderedMap::take_first`] that of the first.
    pub fn take_last(&self) -> Result<Option<(Bytes, Bytes)>> {
        self.dict.take_end(self.physical(Direction::Backward))
    }

    /// How many entries there are: exact, and as quick for millions as for none.
    pub fn len(&self) -> Result<u64> {
        self.dict.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> Result<bool> {
        self.dict.is_empty()
    }

    /// Removes every entry; see [`Dict::clear`].
    pub fn clear(&self) -> Result<()> {
        self.dict.clear()
    }

    /// All entries in the map's order, of one consistent state.
    pub fn iter(&self) -> Result<MapIter> {
        self.range(&MapRange::all())
    }

    /// The entries of a range, of one consistent state.
    pub fn range(&self, range: &MapRange) -> Result<MapIter> {
        let direction = if range.reverse { Direction::Backward } else { Direction::Forward };
        let bounds = range.bounds(&self.dict.inner)?;
        DictIter::between(self.dict.clone(), bounds, self.physical(direction), range.is_all())
    }

    /// How many entries a range has. That of everything costs what [`OrderedMap::len`] does.
    pub fn count(&self, range: &MapRange) -> Result<u64> {
        if range.is_all() {
            return self.len();
        }
        self.dict.count_between(range.bounds(&self.dict.inner)?)
    }

    /// Walks over the entries from any key, in either direction, and changes their values.
    pub fn seeker(&self) -> MapSeeker {
        MapSeeker::new(self.clone())
    }

    /// Reads the value of a key in bounded memory, if it has one; see [`Dict::reader`].
    pub fn reader(&self, key: &[u8]) -> Result<Option<ValueReader>> {
        self.dict.reader(key)
    }

    /// Writes the value of a key in bounded memory; see [`Dict::writer`].
    pub fn writer(&self, key: &[u8]) -> Result<ValueWriter> {
        self.dict.writer(key)
    }

    /// Which way sort keys go when the map's keys go in a direction.
    fn physical(&self, direction: Direction) -> Direction {
        match (self.dict.inner.order.is_reversed(), direction) {
            (false, same) => same,
            (true, Direction::Forward) => Direction::Backward,
            (true, Direction::Backward) => Direction::Forward,
        }
    }
}

impl fmt::Debug for OrderedMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderedMap({:?} of {}, {})", self.name(), self.container(), self.comparator)
    }
}

impl Container {
    /// Opens an ordered map.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name, or when its comparator isn't registered in this process.
    pub fn map(&self, name: &str) -> Result<OrderedMap> {
        self.find_map(name)?.ok_or_else(|| catalog::missing(self, NamedKind::Map, name))
    }

    /// Opens an ordered map that has to have a comparator.
    ///
    /// # Errors
    /// As [`Container::map`]; `ComparatorMismatch` when it was made with another one.
    pub fn map_under(&self, name: &str, comparator: &Comparator) -> Result<OrderedMap> {
        self.find_map_under(name, comparator)?.ok_or_else(|| catalog::missing(self, NamedKind::Map, name))
    }

    /// In which order a map has its keys, also of one that this process can't open, since nothing is registered under
    /// its comparator's name.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name.
    pub fn map_comparator(&self, name: &str) -> Result<Comparator> {
        match catalog::open(self, NamedKind::Map, name)? {
            Some((_, Settings::Map(comparator))) => Ok(comparator),
            Some(_) => Err(self.not_a_map(name)),
            None => Err(catalog::missing(self, NamedKind::Map, name)),
        }
    }

    /// Creates an ordered map, of a name of 1 to 512 bytes. Its comparator stays.
    ///
    /// # Errors
    /// `AlreadyExists` when there is an object of that name; `NotFound` when nothing is registered under the
    /// comparator's name.
    pub fn create_map(&self, name: &str, comparator: &Comparator) -> Result<OrderedMap> {
        // Nothing is made that this process couldn't open.
        comparator.order()?;
        let named = catalog::create(self, &Settings::Map(comparator.clone()), name)?;
        OrderedMap::new(named, comparator.clone())
    }

    /// Opens an ordered map as [`Container::map_under`], or creates it where there is none.
    pub fn open_or_create_map(&self, name: &str, comparator: &Comparator) -> Result<OrderedMap> {
        loop {
            if let Some(map) = self.find_map_under(name, comparator)? {
                return Ok(map);
            }
            match self.create_map(name, comparator) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                other => return other,
            }
        }
    }

    /// The names of the ordered maps, sorted.
    pub fn maps(&self) -> Result<Vec<String>> {
        catalog::names(self, NamedKind::Map)
    }

    /// Destroys an ordered map, as [`Container::destroy_dict`] does a dictionary.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name.
    pub fn destroy_map(&self, name: &str) -> Result<()> {
        catalog::destroy(self, NamedKind::Map, name)
    }

    fn find_map(&self, name: &str) -> Result<Option<OrderedMap>> {
        match catalog::open(self, NamedKind::Map, name)? {
            Some((named, Settings::Map(comparator))) => OrderedMap::new(named, comparator).map(Some),
            Some(_) => Err(self.not_a_map(name)),
            None => Ok(None),
        }
    }

    /// What is listed as a map has the header of something else.
    fn not_a_map(&self, name: &str) -> Error {
        let message = format!("the header of the ordered map {name:?} of {self} is another object's");
        Error::new(ErrorKind::Corrupt, message)
    }

    fn find_map_under(&self, name: &str, comparator: &Comparator) -> Result<Option<OrderedMap>> {
        let found = match catalog::open(self, NamedKind::Map, name)? {
            Some((_, Settings::Map(found))) => found,
            // What it is instead is told there.
            _ => return self.find_map(name),
        };
        if found != *comparator {
            let message = format!(
                "the ordered map {name:?} of {self} has its keys in the order {found:?}, not {:?}: open it with that",
                comparator.name(),
                found = found.name()
            );
            return Err(Error::new(ErrorKind::ComparatorMismatch, message));
        }
        self.find_map(name)
    }
}
