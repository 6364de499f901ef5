//! Fetches: single values and extents of any number of akeys, of one consistent state.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use millpond_core::{Error, ErrorKind, Result, View};

use super::{
    Object,
    condition::{Conditions, Operation},
    key::ObjectKey,
    records,
};

/// What to read of a dkey, all of it as of one epoch.
pub struct ObjectFetch {
    object: Object,
    dkey: Vec<u8>,
    items: Vec<Item>,
    conditions: Conditions,
    /// By the akey's prefix.
    akey_conditions: BTreeMap<Vec<u8>, Conditions>,
}

struct Item {
    akey: Vec<u8>,
    /// None for a single value.
    ranges: Option<Vec<Range<u64>>>,
}

/// What an akey has, in the order in which it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// There is no such akey.
    Absent,
    /// Its single value.
    Single(Bytes),
    /// Records of its array.
    Extents(FetchedExtents),
}

/// Records of an array.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchedExtents {
    /// Bytes in a record.
    pub record_bytes: u64,
    /// The bytes of all the ranges that were asked for, one range after another; those of holes are
    /// zeros.
    pub bytes: Vec<u8>,
    /// The records of the ranges that were never written, or punched.
    pub holes: Vec<Range<u64>>,
}

impl ObjectFetch {
    pub(super) fn new(object: Object, dkey: Vec<u8>) -> Self {
        Self {
            object,
            dkey,
            items: Vec::new(),
            conditions: Conditions::NONE,
            akey_conditions: BTreeMap::new(),
        }
    }

    /// Asks for the single value of an akey.
    ///
    /// # Errors
    /// `KeyTooLong`; `InvalidArgument` when the object has akeys of another kind.
    pub fn single<'k>(&mut self, akey: impl Into<ObjectKey<'k>>) -> Result<&mut Self> {
        let akey = records::akey_prefix(self.object.kind(), &self.dkey, &akey.into())?;
        self.items.push(Item { akey, ranges: None });
        Ok(self)
    }

    /// Asks for records of an array.
    ///
    /// # Errors
    /// As [`ObjectFetch::single`].
    pub fn extents<'k>(
        &mut self,
        akey: impl Into<ObjectKey<'k>>,
        ranges: impl IntoIterator<Item = Range<u64>>,
    ) -> Result<&mut Self> {
        let akey = records::akey_prefix(self.object.kind(), &self.dkey, &akey.into())?;
        let ranges = ranges.into_iter().filter(|range| !range.is_empty()).collect();
        self.items.push(Item { akey, ranges: Some(ranges) });
        Ok(self)
    }

    /// Adds conditions; those of akeys hold for each akey that is asked for.
    ///
    /// # Errors
    /// `InvalidArgument` when they aren't of fetches.
    pub fn condition(&mut self, conditions: Conditions) -> Result<&mut Self> {
        let all = self.conditions | conditions;
        all.check(Operation::Fetch)?;
        self.conditions = all;
        Ok(self)
    }

    /// Adds a condition of one akey, after [`Conditions::PER_AKEY`].
    ///
    /// # Errors
    /// `InvalidArgument` when it isn't one of akeys and fetches, or `PER_AKEY` is missing;
    /// `KeyTooLong`.
    pub fn akey_condition<'k>(
        &mut self,
        akey: impl Into<ObjectKey<'k>>,
        conditions: Conditions,
    ) -> Result<&mut Self> {
        conditions.check_akey(Operation::Fetch, self.conditions)?;
        let akey = records::akey_prefix(self.object.kind(), &self.dkey, &akey.into())?;
        self.akey_conditions.insert(akey, conditions);
        Ok(self)
    }

    /// Reads what was asked for, in that order.
    ///
    /// # Errors
    /// `NotFound` when a condition doesn't hold; `InvalidArgument` when extents are asked of a
    /// single value, or the other way round; `ValueTooLong` when it doesn't fit in memory; `Corrupt`
    /// when bytes fail their checksum.
    pub fn read(&self) -> Result<Vec<Fetched>> {
        let view = self.object.view()?;
        if self.conditions.contains(Conditions::DKEY_FETCH)
            && self.object.first(&*view, &self.dkey)?.is_none()
        {
            return Err(self.object.missing(&self.dkey));
        }
        self.items.iter().map(|item| self.read_item(&*view, item)).collect()
    }

    fn read_item(&self, view: &dyn View, item: &Item) -> Result<Fetched> {
        let object = &self.object;
        let conditions = match self.conditions.contains(Conditions::PER_AKEY) {
            true => self.akey_conditions.get(&item.akey).copied().unwrap_or_default(),
            false => self.conditions,
        };
        let fetched = match &item.ranges {
            None => object.load_single(Some(view), &item.akey)?.map_or(Fetched::Absent, Fetched::Single),
            Some(ranges) => match object.array(Some(view), &item.akey, &records::array_key(&item.akey))? {
                Some((header, _)) => {
                    let mut fetched =
                        FetchedExtents { record_bytes: header.record_bytes, ..FetchedExtents::default() };
                    fetched.bytes = room(ranges, header.record_bytes)?;
                    let mut rest = &mut fetched.bytes[..];
                    for range in ranges {
                        let length = ((range.end - range.start) * header.record_bytes) as usize;
                        let (into, behind) = rest.split_at_mut(length);
                        object.read_array(view, &item.akey, header, range, into, &mut fetched.holes)?;
                        rest = behind;
                    }
                    Fetched::Extents(fetched)
                }
                None => {
                    object.check_no_single(view, &item.akey)?;
                    Fetched::Absent
                }
            },
        };
        if fetched == Fetched::Absent && conditions.contains(Conditions::AKEY_FETCH) {
            return Err(object.missing(&item.akey));
        }
        Ok(fetched)
    }
}

/// Zeros for all the ranges.
fn room(ranges: &[Range<u64>], record_bytes: u64) -> Result<Vec<u8>> {
    let records = ranges.iter().try_fold(0u64, |sum, range| sum.checked_add(range.end - range.start));
    let length = records.and_then(|records| usize::try_from(records.checked_mul(record_bytes)?).ok());
    let too_long = || {
        let text = "the ranges that were asked for don't fit in memory: read them in parts";
        Error::new(ErrorKind::ValueTooLong, text)
    };
    let length = length.ok_or_else(too_long)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| too_long())?;
    bytes.resize(length, 0);
    Ok(bytes)
}
