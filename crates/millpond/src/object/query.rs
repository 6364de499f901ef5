//! The smallest and the largest of an object's keys and extents, and its newest epoch.

use std::ops::Range;

use millpond_core::{Direction, Epoch, Error, ErrorKind, KeyRange, Result, View};

use super::{
    Object, ObjectKeys,
    extent::ExtentValue,
    key::{KeyKind, ObjectKey},
    read::{Extents, Held},
    records::{self, ArrayHeader, ENTRY, Place, Slot},
    visible::visible,
};

/// Records that are looked at together at first.
const WINDOW: u64 = 4096;

impl Object {
    /// The smallest dkey, if there is one.
    ///
    /// # Errors
    /// `NotSupported` when the dkeys are hashed, so that they have no order.
    pub fn smallest_dkey(&self) -> Result<Option<ObjectKey<'static>>> {
        self.check_ordered(self.kind().dkeys, "dkeys")?;
        self.list_dkeys()?.next().transpose()
    }

    /// The largest dkey, if there is one.
    ///
    /// # Errors
    /// As [`Object::smallest_dkey`].
    pub fn largest_dkey(&self) -> Result<Option<ObjectKey<'static>>> {
        self.check_ordered(self.kind().dkeys, "dkeys")?;
        self.largest(&[ENTRY], self.kind().dkeys)
    }

    /// The smallest akey of a dkey, if there is one.
    ///
    /// # Errors
    /// `NotSupported` when the akeys are hashed, so that they have no order.
    pub fn smallest_akey<'d>(&self, dkey: impl Into<ObjectKey<'d>>) -> Result<Option<ObjectKey<'static>>> {
        self.check_ordered(self.kind().akeys, "akeys")?;
        let mut akeys: ObjectKeys = self.list_akeys(dkey)?;
        akeys.next().transpose()
    }

    /// The largest akey of a dkey, if there is one.
    ///
    /// # Errors
    /// As [`Object::smallest_akey`].
    pub fn largest_akey<'d>(&self, dkey: impl Into<ObjectKey<'d>>) -> Result<Option<ObjectKey<'static>>> {
        self.check_ordered(self.kind().akeys, "akeys")?;
        let dkey = records::dkey_prefix(self.kind(), &dkey.into())?;
        self.largest(&dkey, self.kind().akeys)
    }

    /// The first extent of an array, if any of its records shows.
    ///
    /// # Errors
    /// `InvalidArgument` when the akey has a single value; `KeyTooLong`.
    pub fn smallest_extent<'d, 'a>(
        &self,
        dkey: impl Into<ObjectKey<'d>>,
        akey: impl Into<ObjectKey<'a>>,
    ) -> Result<Option<Range<u64>>> {
        let first = self.list_extents(dkey, akey)?.next().transpose()?;
        Ok(first.map(|extent| extent.records))
    }

    /// The last extent of an array, if any of its records shows: the length of the array is its end.
    ///
    /// # Errors
    /// As [`Object::smallest_extent`].
    pub fn largest_extent<'d, 'a>(
        &self,
        dkey: impl Into<ObjectKey<'d>>,
        akey: impl Into<ObjectKey<'a>>,
    ) -> Result<Option<Range<u64>>> {
        let dkey = records::dkey_prefix(self.kind(), &dkey.into())?;
        let akey = records::akey_prefix(self.kind(), &dkey, &akey.into())?;
        self.last_extent(&akey, u64::MAX)
    }

    /// The epoch of the newest change that the object still shows, zero where there is none. Reads
    /// every record of the object; a punch leaves none.
    pub fn newest_epoch(&self) -> Result<Epoch> {
        let view = self.view()?;
        let mut cursor = view.scan(self.range(&[ENTRY], None), Direction::Forward)?;
        let mut newest = Epoch::ZERO;
        let mut record_bytes = 0;
        while cursor.advance()? {
            let record = cursor.record();
            let epoch = match Place::parse(self.kind(), cursor.key())?.record {
                Slot::Single => record.version,
                Slot::Array => {
                    // That it got a new level is no change that shows.
                    record_bytes = ArrayHeader::parse(record.value)?.record_bytes;
                    continue;
                }
                Slot::Extent(records) => {
                    let bytes = (records.end - records.start).saturating_mul(record_bytes);
                    ExtentValue::parse(record, bytes)?.stamp.epoch
                }
            };
            newest = newest.max(epoch);
        }
        Ok(newest)
    }

    fn largest(&self, prefix: &[u8], kind: KeyKind) -> Result<Option<ObjectKey<'static>>> {
        let view = self.view()?;
        let end = KeyRange::prefix_end(prefix);
        let mut cursor = view.scan(self.range(prefix, end.as_deref()), Direction::Backward)?;
        if !cursor.advance()? {
            return Ok(None);
        }
        let key = cursor.key().get(prefix.len()..).and_then(|mut rest| ObjectKey::decode(kind, &mut rest));
        key.map(Some).ok_or_else(|| self.malformed(cursor.key()))
    }

    pub(super) fn last_extent(&self, akey: &[u8], before: u64) -> Result<Option<Range<u64>>> {
        let view = self.view()?;
        match self.array(Some(&*view), akey, &records::array_key(akey))? {
            Some((header, _)) => self.last_extent_in(&*view, akey, header, before),
            None => self.check_no_single(&*view, akey).map(|()| None),
        }
    }

    /// The last extent that shows before a record.
    pub(super) fn last_extent_in(
        &self,
        view: &dyn View,
        akey: &[u8],
        header: ArrayHeader,
        before: u64,
    ) -> Result<Option<Range<u64>>> {
        let (mut before, mut window) = (before, WINDOW);
        while let Some(start) = self.last_start(view, akey, header, before)? {
            let range = start.min(before.saturating_sub(window))..before;
            let extents = Extents::collect(self, view, akey, header, &range)?;
            let pieces = visible(&extents.found, &range);
            let shown = pieces.iter().rev().find(|piece| !matches!(extents.held[piece.extent], Held::Hole));
            if let Some(piece) = shown {
                // It may begin before what was looked at.
                let whole = extents.found[piece.extent].0.start.min(range.start)..piece.records.end;
                let extents = Extents::collect(self, view, akey, header, &whole)?;
                return Ok(visible(&extents.found, &whole).pop().map(|piece| piece.records));
            }
            (before, window) = (range.start, window.saturating_mul(2));
        }
        Ok(None)
    }

    fn check_ordered(&self, kind: KeyKind, what: &str) -> Result<()> {
        if kind.is_ordered() {
            return Ok(());
        }
        let text = format!(
            "the {what} of {self} are hashed and have no order, so that none is the smallest or the largest: create \
             the object with lexical or integer {what}"
        );
        Err(Error::new(ErrorKind::NotSupported, text))
    }
}
