//! Objects: DAOS's model of dkeys, akeys, single values and extents of arrays.
//!
//! An [`Object`] has dkeys, a dkey has akeys, and an akey has either a single value or an array of
//! records of one size, addressed by extents. An object isn't created: it exists from its first
//! update to its punch. What of it lies where is in `records.rs`.
//!
//! Invariants:
//! - Everything goes through the contracts of the container's handle, so that objects take part in
//!   transactions and snapshots without knowing of them.
//! - Writers of different records never conflict for longer than it takes to try again: a commit
//!   depends on the object's header and the array's header, which hardly ever change.
//! - What a write finds is neither read nor split. Which of overlapping extents shows is decided when
//!   they are read; a merge makes one of them later, and never hides what was written meanwhile.

mod anchor;
mod array;
mod bugs;
mod class;
mod condition;
mod extent;
mod fetch;
mod header;
mod id;
mod key;
mod list;
mod list_extents;
mod listing;
mod lost;
mod merge;
mod plan;
mod punch;
mod query;
mod read;
mod records;
mod update;
mod verify;
mod visible;

use std::{
    collections::HashMap,
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use millpond_core::{At, Direction, Epoch, Error, ErrorKind, Key, KeyRange, Record, Result, View};

#[cfg(feature = "planted-bugs")]
pub use self::bugs::{ObjectBug, PlantedObjectBug};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::fuzzing::DECODERS;
pub use self::{
    anchor::Anchor,
    array::{Array, ArrayOptions, ArrayStat},
    class::ObjectClass,
    condition::Conditions,
    fetch::{Fetched, FetchedExtents, ObjectFetch},
    id::{ObjectForm, ObjectKind},
    key::{KeyKind, ObjectKey},
    list::ObjectKeys,
    list_extents::{ObjectExtent, ObjectExtents},
    listing::{ObjectOptions, Objects},
    merge::Merged,
    update::ObjectUpdate,
};
pub(crate) use self::{listing::count, lost::LostBytes, merge::merge_all, verify::verify_object};
use self::{merge::MergeState, records::ArrayHeader};
use crate::{
    container::Container,
    layout::{HEADER, ObjectId, Partition},
};

#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;

/// Arrays whose headers a handle remembers.
const ARRAYS_KNOWN_MAX: usize = 1024;

/// An object: values and extents under dkeys and akeys. Clones are cheap; threads and processes may
/// use it at once.
///
/// It exists from the first update to [`Object::punch`], and may exist again after that. Reading what
/// doesn't exist finds nothing.
///
/// ```
/// use millpond::{KeyKind, ObjectOptions};
/// # use millpond::{ContainerOptions, Pool, PoolOptions};
/// # fn main() -> millpond::Result<()> {
/// # let pool = Pool::create("mem:object-example", PoolOptions::default())?;
/// # let container = pool.create_container(Some("runs"), ContainerOptions::default())?;
///
/// // Dkeys are numbers, akeys are bytes in their order.
/// let options = ObjectOptions { dkeys: KeyKind::Integer, akeys: KeyKind::Lexical, ..ObjectOptions::default() };
/// let run = container.create_object(options)?;
///
/// // A step of a simulation: its parameters and its field, in one atomic update.
/// let mut step = run.update(17)?;
/// step.single("parameters", b"dt=0.1")?;
/// step.extent("field", 8, 100, &[1; 8 * 50])?; // fifty records of 8 bytes, from record 100 on
/// step.commit()?;
///
/// assert_eq!(run.get(17, "parameters")?.as_deref(), Some(&b"dt=0.1"[..]));
/// let mut field = vec![0; 8 * 60];
/// let holes = run.read(17, "field", 8, 95, &mut field)?;
/// assert_eq!(holes, [95..100, 150..155]);
/// assert_eq!(run.largest_dkey()?, Some(17.into()));
/// # Pool::destroy("mem:object-example", true)
/// # }
/// ```
#[derive(Clone)]
pub struct Object {
    inner: Arc<Inner>,
}

struct Inner {
    container: Container,
    id: ObjectId,
    kind: ObjectKind,
    partition: Partition,
    /// The version of the header, as last seen; 0 where it wasn't seen.
    header: AtomicU64,
    /// Headers of arrays and their versions, as last seen, by the prefix of their akey.
    arrays: Mutex<HashMap<Vec<u8>, (ArrayHeader, Epoch)>>,
    merge: MergeState,
}

impl Object {
    pub(crate) fn new(container: Container, id: ObjectId) -> Result<Self> {
        let inner = Inner {
            container,
            id,
            kind: id.kind()?,
            partition: id.partition(),
            header: AtomicU64::new(0),
            arrays: Mutex::default(),
            merge: MergeState::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Its id.
    pub fn id(&self) -> ObjectId {
        self.inner.id
    }

    /// What its id says of it.
    pub fn kind(&self) -> ObjectKind {
        self.inner.kind
    }

    /// The container that holds it.
    pub fn container(&self) -> &Container {
        &self.inner.container
    }

    /// Whether it exists: something was written to it, and it wasn't punched since.
    pub fn exists(&self) -> Result<bool> {
        Ok(self.look(None, HEADER)?.is_some())
    }

    /// Begins an update: any number of single values and extents, in one atomic commit.
    ///
    /// # Errors
    /// `KeyTooLong`; `InvalidArgument` when the object has dkeys of another kind.
    pub fn update<'k>(&self, dkey: impl Into<ObjectKey<'k>>) -> Result<ObjectUpdate> {
        let dkey = records::dkey_prefix(self.kind(), &dkey.into())?;
        Ok(ObjectUpdate::new(self.clone(), dkey))
    }

    /// Begins a fetch: any number of single values and extents, all of one consistent state.
    ///
    /// # Errors
    /// `KeyTooLong`; `InvalidArgument` when the object has dkeys of another kind.
    pub fn fetch<'k>(&self, dkey: impl Into<ObjectKey<'k>>) -> Result<ObjectFetch> {
        let dkey = records::dkey_prefix(self.kind(), &dkey.into())?;
        Ok(ObjectFetch::new(self.clone(), dkey))
    }

    /// Sets the single value of an akey.
    ///
    /// # Errors
    /// As [`ObjectUpdate::single`] and [`ObjectUpdate::commit`].
    pub fn put<'d, 'a>(
        &self,
        dkey: impl Into<ObjectKey<'d>>,
        akey: impl Into<ObjectKey<'a>>,
        value: &[u8],
    ) -> Result<()> {
        let mut update = self.update(dkey)?;
        update.single(akey, value)?;
        update.commit()
    }

    /// Writes records of an array; see [`ObjectUpdate::extent`].
    ///
    /// # Errors
    /// As [`ObjectUpdate::extent`] and [`ObjectUpdate::commit`].
    pub fn write<'d, 'a>(
        &self,
        dkey: impl Into<ObjectKey<'d>>,
        akey: impl Into<ObjectKey<'a>>,
        record_bytes: u64,
        start: u64,
        bytes: &[u8],
    ) -> Result<()> {
        let mut update = self.update(dkey)?;
        update.extent(akey, record_bytes, start, bytes)?;
        update.commit()
    }

    fn partition(&self) -> &Partition {
        &self.inner.partition
    }

    fn key<'a>(&'a self, sort: &'a [u8]) -> Key<'a> {
        Key::new(&self.inner.partition, sort)
    }

    /// The newest state.
    fn view(&self) -> Result<Box<dyn View>> {
        self.container().index()?.view(At::Latest)
    }

    /// A record of a view, or the newest one.
    fn look(&self, view: Option<&dyn View>, sort: &[u8]) -> Result<Option<Record>> {
        match view {
            Some(view) => view.get(self.key(sort)),
            None => self.container().index()?.get(self.key(sort)),
        }
    }

    /// The sort key and the version of the first record under a prefix.
    fn first(&self, view: &dyn View, prefix: &[u8]) -> Result<Option<(Vec<u8>, Epoch)>> {
        let end = KeyRange::prefix_end(prefix);
        let mut cursor = view.scan(self.range(prefix, end.as_deref()), Direction::Forward)?;
        Ok(cursor.advance()?.then(|| (cursor.key().to_vec(), cursor.record().version)))
    }

    /// The records from `start` on, to before `end`.
    fn range<'a>(&'a self, start: &'a [u8], end: Option<&'a [u8]>) -> KeyRange<'a> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        KeyRange { partition: self.partition(), start: Included(start), end: end.map_or(Unbounded, Excluded) }
    }

    /// The version of the header: that in a view, or one that was the newest some time ago; zero
    /// where there is no object.
    fn header(&self, view: Option<&dyn View>) -> Result<Epoch> {
        let known = self.inner.header.load(Ordering::Acquire);
        if known > 0 && view.is_none() && !self.container().is_scoped() {
            return Ok(Epoch(known));
        }
        let record = self.look(view, HEADER)?;
        if record.is_none() && self.kind().form == ObjectForm::Array {
            return Err(self.no_array());
        }
        let version = record.map_or(Epoch::ZERO, |record| record.version);
        self.remember_header(version);
        Ok(version)
    }

    fn remember_header(&self, version: Epoch) {
        self.inner.header.store(version.0, Ordering::Release);
    }

    /// The header of an array and its version: those in a view, or as they were some time ago.
    fn array(
        &self,
        view: Option<&dyn View>,
        akey: &[u8],
        array_key: &[u8],
    ) -> Result<Option<(ArrayHeader, Epoch)>> {
        if view.is_none()
            && !self.container().is_scoped()
            && let Some(known) = self.arrays().get(akey)
        {
            return Ok(Some(*known));
        }
        let Some(record) = self.look(view, array_key)? else { return Ok(None) };
        let header = ArrayHeader::parse(&record.value).map_err(|error| self.about(akey, error))?;
        if view.is_none() {
            self.remember_array(akey, header, record.version);
        }
        Ok(Some((header, record.version)))
    }

    fn remember_array(&self, akey: &[u8], header: ArrayHeader, version: Epoch) {
        if self.container().is_scoped() {
            return;
        }
        let mut arrays = self.arrays();
        if arrays.len() >= ARRAYS_KNOWN_MAX {
            arrays.clear();
        }
        arrays.insert(akey.to_vec(), (header, version));
    }

    fn arrays(&self) -> MutexGuard<'_, HashMap<Vec<u8>, (ArrayHeader, Epoch)>> {
        self.inner.arrays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that the handle remembers isn't true any more.
    fn forget(&self) {
        self.remember_header(Epoch::ZERO);
        self.arrays().clear();
    }

    /// The dkey and the akey, or the dkey alone, of a prefix of sort keys, for messages.
    fn describe(&self, prefix: &[u8]) -> String {
        let mut rest = prefix.get(1..).unwrap_or_default();
        let dkey = ObjectKey::decode(self.kind().dkeys, &mut rest);
        let akey = ObjectKey::decode(self.kind().akeys, &mut rest);
        match (dkey, akey) {
            (Some(dkey), Some(akey)) => format!("the akey {akey} of the dkey {dkey} of {self}"),
            (Some(dkey), None) => format!("the dkey {dkey} of {self}"),
            (None, _) => self.to_string(),
        }
    }

    fn mixed(&self, akey: &[u8], has: &str, wanted: &str) -> Error {
        let what = self.describe(akey);
        let text = format!("{what} has {has}, and can't have {wanted} as well: punch it first");
        Error::new(ErrorKind::InvalidArgument, text)
    }

    fn exists_already(&self, prefix: &[u8]) -> Error {
        Error::new(ErrorKind::AlreadyExists, format!("{} exists already", self.describe(prefix)))
    }

    fn missing(&self, prefix: &[u8]) -> Error {
        Error::new(ErrorKind::NotFound, format!("{} doesn't exist", self.describe(prefix)))
    }

    fn no_array(&self) -> Error {
        let text = format!("there is no array {self}: it was punched, or never created");
        Error::new(ErrorKind::NotFound, text)
    }

    fn contended(&self, doing: &str) -> Error {
        let text = format!("other writers of {self} were always faster; couldn't {doing} it: try again");
        Error::new(ErrorKind::Conflict, text)
    }

    /// The error with the name of what couldn't be read. Bytes that are nowhere, however often the
    /// record is looked up again, haven't moved: they are lost.
    fn about(&self, prefix: &[u8], error: Error) -> Error {
        let error = match error.kind() {
            ErrorKind::EpochGone => error.with_kind(ErrorKind::Corrupt),
            _ => error,
        };
        error.context(format_args!("can't read {}", self.describe(prefix)))
    }
}

/// What has to be written where a record of the past is to be as it was: its value, but that an
/// extent is told when it was written, on which it depends what it hides.
pub(crate) fn restored_value(partition: &[u8], sort: &[u8], version: Epoch, value: &Bytes) -> Bytes {
    let id = partition.first_chunk().map(|id| ObjectId::from_number(u128::from_be_bytes(*id)));
    let Some(Ok(kind)) = id.map(ObjectId::kind) else { return value.clone() };
    match records::Place::parse(kind, sort) {
        Ok(records::Place { record: records::Slot::Extent(_), .. }) => {
            extent::restamped(value, version).into()
        }
        _ => value.clone(),
    }
}

/// What is to be written in the place of the marker of an extent, for the loss to be forgotten. None for
/// other records.
pub(crate) fn forgotten_value(value: &[u8]) -> Option<Vec<u8>> {
    extent::forgotten(value)
}

/// What a record of an object is to a user: of which dkey and akey, and of which records of an array.
/// None for what is none of an object's records.
pub(crate) fn key_of_record(id: ObjectId, sort: &[u8]) -> Option<RecordKey> {
    let kind = id.kind().ok()?;
    let place = records::Place::parse(kind, sort).ok()?;
    Some(RecordKey {
        dkey: records::Place::dkey(kind, sort)?,
        akey: place.akey(kind, sort)?,
        is_header: place.record == records::Slot::Array,
        records: match place.record {
            records::Slot::Extent(records) => Some(records),
            records::Slot::Single | records::Slot::Array => None,
        },
    })
}

/// Whether the record of an extent was written again, by a merge or a return to a snapshot: it says
/// what others have said before.
pub(crate) fn is_told_again(value: &[u8]) -> bool {
    extent::has_epoch(value)
}

/// See [`key_of_record`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordKey {
    pub(crate) dkey: ObjectKey<'static>,
    pub(crate) akey: ObjectKey<'static>,
    /// It says that the akey is an array, and holds none of its records.
    pub(crate) is_header: bool,
    pub(crate) records: Option<Range<u64>>,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({self})")
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the object {} of {}", self.id(), self.container())
    }
}

/// Adds a range to ranges in order, which it may go on from.
fn add_range(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        _ if range.is_empty() => {}
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}
