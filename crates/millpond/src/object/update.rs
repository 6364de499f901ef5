//! Updates: single values, extents and holes of any number of akeys, in one commit.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use millpond_core::{Direction, Epoch, Error, ErrorKind, Extent, Outcome, Result, View};

use super::{
    Object,
    condition::{Conditions, Operation},
    extent::{self, Content},
    key::ObjectKey,
    plan::{Plan, Put, Untouched},
    records::{self, ArrayHeader},
};
use crate::value::{self, Applied, CONFLICT_RETRIES, LongValues};

/// Extents that a transaction writes are told apart by this, in the order in which they come.
static SEQUENCE: AtomicU64 = AtomicU64::new(1);

/// Changes of an object that take effect together. Dropped uncommitted, it changes nothing.
///
/// Short values wait in memory; long ones are written as they come. What is added later wins over
/// what was added before.
pub struct ObjectUpdate {
    object: Object,
    /// The dkey to which changes are added.
    dkey: Vec<u8>,
    dkeys: Vec<Vec<u8>>,
    /// By the akey's prefix.
    changes: BTreeMap<Vec<u8>, Change>,
    conditions: Conditions,
    /// By the akey's prefix.
    akey_conditions: BTreeMap<Vec<u8>, Conditions>,
    long: LongValues,
    /// Where the sort keys begin that go, to the last of the object.
    truncated: Option<Vec<u8>>,
}

/// What happens to an akey.
enum Change {
    Single { record: Vec<u8>, extents: Vec<Extent> },
    Array(ArrayChange),
}

/// What happens to an array.
#[derive(Default)]
struct ArrayChange {
    /// None where there are holes only, which need no array.
    record_bytes: Option<u64>,
    levels: u64,
    puts: Vec<ExtentPut>,
}

struct ExtentPut {
    sort: Vec<u8>,
    value: Vec<u8>,
    extents: Vec<Extent>,
}

/// An array's header as an update leaves it.
struct Written<'a> {
    akey: &'a [u8],
    header: ArrayHeader,
}

impl ObjectUpdate {
    pub(super) fn new(object: Object, dkey: Vec<u8>) -> Self {
        Self {
            object,
            dkeys: vec![dkey.clone()],
            dkey,
            changes: BTreeMap::new(),
            conditions: Conditions::NONE,
            akey_conditions: BTreeMap::new(),
            long: LongValues::default(),
            truncated: None,
        }
    }

    /// Removes everything of the object from a sort key on.
    pub(super) fn truncate(&mut self, from: Vec<u8>) {
        self.truncated = Some(from);
    }

    /// Goes on with another dkey: what is added from here on is of that one.
    ///
    /// # Errors
    /// `KeyTooLong`; `InvalidArgument` when the object has dkeys of another kind.
    pub fn dkey<'k>(&mut self, dkey: impl Into<ObjectKey<'k>>) -> Result<&mut Self> {
        self.dkey = records::dkey_prefix(self.object.kind(), &dkey.into())?;
        if !self.dkeys.contains(&self.dkey) {
            self.dkeys.push(self.dkey.clone());
        }
        Ok(self)
    }

    /// Sets the single value of an akey.
    ///
    /// # Errors
    /// `InvalidArgument` when the update writes extents of that akey too; `KeyTooLong`; `NoSpace`;
    /// `Forked` in a child of the process that began the update.
    pub fn single<'k>(&mut self, akey: impl Into<ObjectKey<'k>>, bytes: &[u8]) -> Result<&mut Self> {
        self.check()?;
        let akey = self.akey(&akey.into())?;
        if let Some(Change::Array(_)) = self.changes.get(&akey) {
            return Err(self.both(&akey));
        }
        let mut record = Vec::new();
        let extents = if self.object.container().fits_inline(bytes.len()) {
            value::put_inline(&mut record, bytes);
            Vec::new()
        } else {
            self.long.append(self.object.container().segments()?, bytes)?;
            value::put_long(&mut record, bytes.len() as u64);
            self.long.finish()?
        };
        self.changes.insert(akey, Change::Single { record, extents });
        Ok(self)
    }

    /// Writes records of an array, from the record `start` on. All records of an akey have
    /// `record_bytes` bytes. No bytes are no change.
    ///
    /// # Errors
    /// `InvalidArgument` when `bytes` aren't whole records, when the last one would be beyond
    /// 2^64 - 2, or when the update sets a single value of that akey, or records of another size;
    /// `KeyTooLong`; `NoSpace`; `Forked` in a child of the process that began the update.
    pub fn extent<'k>(
        &mut self,
        akey: impl Into<ObjectKey<'k>>,
        record_bytes: u64,
        start: u64,
        bytes: &[u8],
    ) -> Result<&mut Self> {
        self.check()?;
        let akey = self.akey(&akey.into())?;
        let length = bytes.len() as u64;
        if record_bytes == 0 || !length.is_multiple_of(record_bytes) {
            let text = format!("{length} bytes aren't whole records of {record_bytes} bytes");
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let records = start..end_of(start, length / record_bytes)?;
        match self.array(&akey)?.record_bytes.get_or_insert(record_bytes) {
            known if *known == record_bytes => {}
            known => {
                let text =
                    format!("the update writes records of {known} bytes and of {record_bytes} to one akey");
                return Err(Error::new(ErrorKind::InvalidArgument, text));
            }
        }
        if records.is_empty() {
            return Ok(self);
        }
        if self.object.container().fits_inline(bytes.len()) {
            return self.add(akey, &records, Content::Inline(bytes), Vec::new());
        }
        self.long.append(self.object.container().segments()?, bytes)?;
        let extents = self.long.finish()?;
        self.add(akey, &records, Content::Segments, extents)
    }

    /// Makes a hole of records of an array. Where there is no such akey, it changes nothing.
    ///
    /// # Errors
    /// As [`ObjectUpdate::extent`].
    pub fn punch_extent<'k>(
        &mut self,
        akey: impl Into<ObjectKey<'k>>,
        records: Range<u64>,
    ) -> Result<&mut Self> {
        self.check()?;
        let akey = self.akey(&akey.into())?;
        self.array(&akey)?;
        if records.is_empty() {
            return Ok(self);
        }
        self.add(akey, &records, Content::Hole, Vec::new())
    }

    /// Adds conditions; those of dkeys hold for each dkey of the update, those of akeys for each of
    /// its akeys.
    ///
    /// # Errors
    /// `InvalidArgument` when they contradict each other, or aren't of updates.
    pub fn condition(&mut self, conditions: Conditions) -> Result<&mut Self> {
        let all = self.conditions | conditions;
        all.check(Operation::Update)?;
        self.conditions = all;
        Ok(self)
    }

    /// Adds a condition of one akey, after [`Conditions::PER_AKEY`].
    ///
    /// # Errors
    /// `InvalidArgument` when it isn't one of akeys and updates, or `PER_AKEY` is missing;
    /// `KeyTooLong`.
    pub fn akey_condition<'k>(
        &mut self,
        akey: impl Into<ObjectKey<'k>>,
        conditions: Conditions,
    ) -> Result<&mut Self> {
        conditions.check_akey(Operation::Update, self.conditions)?;
        let akey = self.akey(&akey.into())?;
        self.akey_conditions.insert(akey, conditions);
        Ok(self)
    }

    /// Makes the changes, all of them or none.
    ///
    /// # Errors
    /// `InvalidArgument` when an akey has a single value and extents are to be written to it, or the
    /// other way round, or records of another size: punch it first. `AlreadyExists` and `NotFound`
    /// when a condition doesn't hold. `NoSpace` when the pool's quota or the disk is full. `Conflict`
    /// when other writers were faster again and again. Nothing has changed then.
    pub fn commit(mut self) -> Result<()> {
        self.check()?;
        self.object.container().check_writable()?;
        for change in self.changes.values_mut() {
            if let Change::Array(array) = change {
                array.drop_replaced();
            }
        }
        let applied = self.apply();
        std::mem::take(&mut self.long).settle(&applied);
        match applied? {
            Applied::Done(existed) => {
                self.merge_after_write(&existed);
                Ok(())
            }
            Applied::Conflict => Err(self.object.contended("update")),
        }
    }

    /// Lets the object know how many extents have come, one of which may hide others.
    fn merge_after_write(&self, existed: &[bool]) {
        let arrays = self.changes.iter().rev().filter(|(_, change)| matches!(change, Change::Array(_)));
        if let Some((akey, _)) = arrays.into_iter().next() {
            let fresh = existed.iter().filter(|existed| !**existed).count();
            self.object.merge_after_write(akey, fresh as u64);
        }
    }

    fn apply(&self) -> Result<Applied> {
        let object = &self.object;
        for attempt in 0..CONFLICT_RETRIES {
            // Conditions are decided in one state; without any, what the handle knows will do, since
            // the commit asks for it.
            let has_conditions = !self.conditions.is_empty() || self.truncated.is_some();
            let view = if has_conditions { Some(object.view()?) } else { None };
            let mut plan = Plan::default();
            let (mut written, mut is_anchored) = (Vec::new(), true);
            for (akey, change) in &self.changes {
                match change {
                    Change::Single { record, extents } => {
                        is_anchored = false;
                        // Something in the way is looked for once a conflict has shown that there is some.
                        if attempt > 0 || has_conditions {
                            self.check_no_array(view.as_deref(), akey)?;
                        }
                        plan.unchanged.push((Cow::Owned(records::array_key(akey)), Epoch::ZERO));
                        let sort = Cow::Owned(records::single_key(akey));
                        plan.puts.push(Put { sort, value: Cow::Borrowed(record), extents });
                    }
                    Change::Array(array) => {
                        is_anchored &=
                            self.plan_array(&mut plan, view.as_deref(), akey, array, &mut written)?;
                    }
                }
            }
            if let Some(view) = &view {
                self.plan_conditions(&mut plan, &**view)?;
                self.plan_truncation(&mut plan, &**view)?;
            }
            if plan.is_empty() {
                return Ok(Applied::Done(Vec::new()));
            }
            if !is_anchored || has_conditions {
                plan.header = Some(object.header(view.as_deref())?);
            }
            match plan.commit(object)? {
                Outcome::Committed { epoch, existed } => {
                    if plan.header == Some(Epoch::ZERO) {
                        object.remember_header(epoch);
                    }
                    for Written { akey, header } in written {
                        object.remember_array(akey, header, epoch);
                    }
                    return Ok(Applied::Done(existed));
                }
                Outcome::Conflict { .. } => object.forget(),
            }
        }
        Ok(Applied::Conflict)
    }

    fn check_no_array(&self, view: Option<&dyn View>, akey: &[u8]) -> Result<()> {
        match self.object.look(view, &records::array_key(akey))? {
            Some(_) => Err(self.object.mixed(akey, "an array", "a single value")),
            None => Ok(()),
        }
    }

    /// Adds what happens to an array, and its header if that is written; answers whether there is
    /// such an array already.
    fn plan_array<'a>(
        &'a self,
        plan: &mut Plan<'a>,
        view: Option<&dyn View>,
        akey: &'a [u8],
        change: &'a ArrayChange,
        written: &mut Vec<Written<'a>>,
    ) -> Result<bool> {
        let object = &self.object;
        let array_key = records::array_key(akey);
        let known = object.array(view, akey, &array_key)?;
        let mut wanted = match (known, change.record_bytes) {
            (Some((header, _)), Some(record_bytes)) if header.record_bytes != record_bytes => {
                return Err(object.mixed(
                    akey,
                    &format!("records of {} bytes", header.record_bytes),
                    &format!("records of {record_bytes} bytes"),
                ));
            }
            (Some((header, _)), _) => header,
            (None, record_bytes) => {
                // Neither an array nor, when this is committed, a single value.
                let single_key = records::single_key(akey);
                if object.look(view, &single_key)?.is_some() {
                    return Err(object.mixed(akey, "a single value", "an extent"));
                }
                plan.unchanged.push((Cow::Owned(single_key), Epoch::ZERO));
                match record_bytes {
                    Some(record_bytes) => ArrayHeader { record_bytes, levels: 0 },
                    None => {
                        plan.unchanged.push((Cow::Owned(array_key), Epoch::ZERO));
                        return Ok(false);
                    }
                }
            }
        };
        wanted.levels |= change.levels;
        if known.is_none_or(|(header, _)| header != wanted) {
            let value = Cow::Owned(wanted.encode());
            plan.puts.push(Put { sort: Cow::Owned(array_key.clone()), value, extents: &[] });
            written.push(Written { akey, header: wanted });
        }
        plan.unchanged.push((Cow::Owned(array_key), known.map_or(Epoch::ZERO, |(_, version)| version)));
        plan.puts.extend(change.puts.iter().map(|put| Put {
            sort: Cow::Borrowed(&put.sort),
            value: Cow::Borrowed(&put.value),
            extents: &put.extents,
        }));
        Ok(known.is_some())
    }

    /// Decides the conditions in a view, and asks that what decided them stay as it is.
    fn plan_conditions<'a>(&'a self, plan: &mut Plan<'a>, view: &dyn View) -> Result<()> {
        let object = &self.object;
        if self.conditions.contains(Conditions::DKEY_INSERT) {
            for dkey in &self.dkeys {
                if object.first(view, dkey)?.is_some() {
                    return Err(object.exists_already(dkey));
                }
                plan.untouched.push(Untouched::prefix(dkey, view.epoch()));
            }
        }
        if self.conditions.contains(Conditions::DKEY_UPDATE) {
            for dkey in &self.dkeys {
                let witness = object.first(view, dkey)?.ok_or_else(|| object.missing(dkey))?;
                plan.unchanged.push((Cow::Owned(witness.0), witness.1));
            }
        }
        let of_each = self.changes.keys().map(|akey| {
            let own = self.akey_conditions.get(akey).copied().unwrap_or_default();
            (akey, if self.conditions.contains(Conditions::PER_AKEY) { own } else { self.conditions })
        });
        for (akey, conditions) in of_each {
            if conditions.contains(Conditions::AKEY_INSERT) {
                if object.first(view, akey)?.is_some() {
                    return Err(object.exists_already(akey));
                }
                plan.unchanged.push((Cow::Owned(records::single_key(akey)), Epoch::ZERO));
                plan.unchanged.push((Cow::Owned(records::array_key(akey)), Epoch::ZERO));
            }
            if conditions.contains(Conditions::AKEY_UPDATE) {
                let witness = object.first(view, akey)?.ok_or_else(|| object.missing(akey))?;
                plan.unchanged.push((Cow::Owned(witness.0), witness.1));
            }
        }
        Ok(())
    }

    fn plan_truncation(&self, plan: &mut Plan<'_>, view: &dyn View) -> Result<()> {
        let Some(start) = &self.truncated else { return Ok(()) };
        let mut cursor = view.scan(self.object.range(start, None), Direction::Forward)?;
        while cursor.advance()? {
            plan.deletes.push(cursor.key().to_vec());
        }
        plan.untouched.push(Untouched { start: start.clone(), end: None, since: view.epoch() });
        Ok(())
    }

    fn add(
        &mut self,
        akey: Vec<u8>,
        records: &Range<u64>,
        content: Content<'_>,
        extents: Vec<Extent>,
    ) -> Result<&mut Self> {
        let is_scoped = self.object.container().is_scoped();
        let length = records.end - records.start;
        let sort = records::extent_key(&akey, records.start, length);
        let array = self.array(&akey)?;
        let sequence = match is_scoped {
            // Another update of the transaction may have written here; its extents get the same version.
            true => SEQUENCE.fetch_add(1, Ordering::Relaxed),
            false => array.puts.len() as u64,
        };
        array.levels |= 1 << records::level(length);
        array.puts.push(ExtentPut { sort, value: extent::encode(content, None, sequence), extents });
        Ok(self)
    }

    fn array(&mut self, akey: &[u8]) -> Result<&mut ArrayChange> {
        if !self.changes.contains_key(akey) {
            self.changes.insert(akey.to_vec(), Change::Array(ArrayChange::default()));
        }
        if let Some(Change::Single { .. }) = self.changes.get(akey) {
            return Err(self.both(akey));
        }
        match self.changes.get_mut(akey) {
            Some(Change::Array(array)) => Ok(array),
            _ => Err(Error::new(ErrorKind::InvalidArgument, "no such akey in the update")),
        }
    }

    fn akey(&self, akey: &ObjectKey<'_>) -> Result<Vec<u8>> {
        records::akey_prefix(self.object.kind(), &self.dkey, akey)
    }

    fn check(&self) -> Result<()> {
        self.long.check("an update of an object")
    }

    fn both(&self, akey: &[u8]) -> Error {
        let text = format!(
            "the update sets a single value and extents of {}: an akey has one or the other",
            self.object.describe(akey)
        );
        Error::new(ErrorKind::InvalidArgument, text)
    }
}

impl ArrayChange {
    /// Of extents of the same records, the last one stays.
    fn drop_replaced(&mut self) {
        if self.puts.len() > 1 {
            self.puts.reverse();
            self.puts.sort_by(|one, other| one.sort.cmp(&other.sort));
            self.puts.dedup_by(|later, first| later.sort == first.sort);
        }
    }
}

/// Where an extent ends.
pub(super) fn end_of(start: u64, length: u64) -> Result<u64> {
    start.checked_add(length).ok_or_else(|| {
        let text = format!("{length} records from {start} on end beyond the greatest record, 2^64 - 2");
        Error::new(ErrorKind::InvalidArgument, text)
    })
}
