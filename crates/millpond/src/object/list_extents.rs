//! Lists of the extents of an array, as they show.

use std::{collections::VecDeque, ops::Range};

use millpond_core::{Direction, Epoch, Result, View};

use super::{
    Object, add_range,
    anchor::{Anchor, ListOf},
    key::ObjectKey,
    read::{Extents, Held},
    records::{self, ArrayHeader},
    visible::visible,
};

/// Records that are looked at together at first.
const WINDOW: u64 = 4096;

/// Extents of a window beyond which the next one is narrower, or below which it is wider.
const EXTENTS: Range<usize> = 512..4096;

/// Records of an array that were written together, as far as they show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectExtent {
    /// The records.
    pub records: Range<u64>,
    /// The epoch at which they were written; where extents were merged, that of the newest one.
    pub epoch: Epoch,
}

/// The extents of an array, in the order of their records, of one consistent state: none overlaps
/// another, and holes are left out.
pub struct ObjectExtents {
    object: Object,
    view: Box<dyn View>,
    header: Option<ArrayHeader>,
    anchor: Anchor,
    /// Where the next window begins.
    at: u64,
    window: u64,
    ready: VecDeque<ObjectExtent>,
}

impl ObjectExtents {
    fn new(object: Object, anchor: Anchor) -> Result<Self> {
        let view = object.view()?;
        let array_key = records::array_key(&anchor.prefix);
        let array = object.array(Some(&*view), &anchor.prefix, &array_key)?;
        if array.is_none() {
            object.check_no_single(&*view, &anchor.prefix)?;
        }
        let (at, header) = (anchor.records().start, array.map(|(header, _)| header));
        Ok(Self { object, view, header, anchor, at, window: WINDOW, ready: VecDeque::new() })
    }

    /// Where a list has to go on to give what this one hasn't given yet.
    pub fn anchor(&self) -> Anchor {
        self.anchor.clone()
    }

    fn next_extent(&mut self) -> Result<Option<ObjectExtent>> {
        let end = self.anchor.records().end;
        if let Some(header) = self.header {
            // The last one may go on in the next window.
            while self.ready.len() < 2 && self.at < end {
                self.look(header, end)?;
            }
        }
        let next = self.ready.pop_front();
        let at = next.as_ref().map_or(end, |extent| extent.records.end);
        self.anchor.start = at.to_be_bytes().to_vec();
        Ok(next)
    }

    fn look(&mut self, header: ArrayHeader, end: u64) -> Result<()> {
        let range = self.at..self.at.saturating_add(self.window).min(end);
        let extents = Extents::collect(&self.object, &*self.view, &self.anchor.prefix, header, &range)?;
        self.at = range.end;
        if extents.found.is_empty() {
            self.at =
                self.object.next_start(&*self.view, &self.anchor.prefix, header, range.end)?.unwrap_or(end);
        }
        if extents.found.len() < EXTENTS.start {
            self.window = self.window.saturating_mul(2);
        } else if extents.found.len() > EXTENTS.end {
            self.window = (self.window / 4).max(1);
        }
        for piece in visible(&extents.found, &range) {
            if matches!(extents.held[piece.extent], Held::Hole) {
                continue;
            }
            let epoch = extents.found[piece.extent].1.epoch;
            match self.ready.back_mut() {
                Some(last) if last.records.end == piece.records.start && last.epoch == epoch => {
                    last.records.end = piece.records.end;
                }
                _ => self.ready.push_back(ObjectExtent { records: piece.records, epoch }),
            }
        }
        Ok(())
    }

    /// See [`Object::split`].
    pub(super) fn split(object: &Object, anchor: &Anchor, parts: usize) -> Result<Vec<Anchor>> {
        let all = anchor.records();
        let first = Self::new(object.clone(), anchor.clone())?.next_extent()?;
        let last = object.last_extent(&anchor.prefix, all.end)?;
        let (Some(first), Some(last)) = (first, last) else { return Ok(vec![anchor.clone()]) };
        let held = first.records.start..last.end.max(first.records.end);
        let step = ((held.end - held.start) / parts.max(1) as u64).max(1);
        let mut split = Vec::new();
        let mut at = all.start;
        for part in 1..parts as u64 {
            let end = held.start.saturating_add(step.saturating_mul(part)).min(all.end);
            if at < end {
                split.push(Anchor {
                    start: at.to_be_bytes().to_vec(),
                    end: end.to_be_bytes().to_vec(),
                    ..anchor.clone()
                });
                at = end;
            }
        }
        split.push(Anchor { start: at.to_be_bytes().to_vec(), ..anchor.clone() });
        Ok(split)
    }
}

impl Iterator for ObjectExtents {
    type Item = Result<ObjectExtent>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_extent().transpose()
    }
}

impl Object {
    /// The extents of an akey's array; of an akey that doesn't exist, none.
    ///
    /// # Errors
    /// `KeyTooLong`; `InvalidArgument` when the akey has a single value.
    pub fn list_extents<'d, 'a>(
        &self,
        dkey: impl Into<ObjectKey<'d>>,
        akey: impl Into<ObjectKey<'a>>,
    ) -> Result<ObjectExtents> {
        self.list_extents_in(dkey, akey, 0..u64::MAX)
    }

    /// The extents of some records of an akey's array, as far as they lie in there.
    ///
    /// # Errors
    /// As [`Object::list_extents`].
    pub fn list_extents_in<'d, 'a>(
        &self,
        dkey: impl Into<ObjectKey<'d>>,
        akey: impl Into<ObjectKey<'a>>,
        records: Range<u64>,
    ) -> Result<ObjectExtents> {
        let dkey = records::dkey_prefix(self.kind(), &dkey.into())?;
        let akey = records::akey_prefix(self.kind(), &dkey, &akey.into())?;
        ObjectExtents::new(self.clone(), Anchor::extents(self.id(), akey, records))
    }

    /// Which of some records of an akey's array hold nothing: those never written, or punched. Reads
    /// none of their bytes.
    ///
    /// # Errors
    /// As [`Object::list_extents`].
    pub fn holes<'d, 'a>(
        &self,
        dkey: impl Into<ObjectKey<'d>>,
        akey: impl Into<ObjectKey<'a>>,
        records: Range<u64>,
    ) -> Result<Vec<Range<u64>>> {
        let mut holes = Vec::new();
        let mut at = records.start;
        for extent in self.list_extents_in(dkey, akey, records.clone())? {
            let extent = extent?;
            add_range(&mut holes, at..extent.records.start);
            at = extent.records.end;
        }
        add_range(&mut holes, at..records.end);
        Ok(holes)
    }

    /// Goes on with a list of extents, in the newest state.
    ///
    /// # Errors
    /// `InvalidArgument` when the anchor is of another object, or of keys.
    pub fn extents_from(&self, anchor: &Anchor) -> Result<ObjectExtents> {
        self.check_anchor(anchor, anchor.of == ListOf::Extents)?;
        ObjectExtents::new(self.clone(), anchor.clone())
    }

    /// The first record from `from` on at which an extent begins.
    pub(super) fn next_start(
        &self,
        view: &dyn View,
        akey: &[u8],
        header: ArrayHeader,
        from: u64,
    ) -> Result<Option<u64>> {
        self.start_beside(view, akey, header, from, Direction::Forward)
    }

    /// The last record before `before` at which an extent begins.
    pub(super) fn last_start(
        &self,
        view: &dyn View,
        akey: &[u8],
        header: ArrayHeader,
        before: u64,
    ) -> Result<Option<u64>> {
        self.start_beside(view, akey, header, before, Direction::Backward)
    }

    fn start_beside(
        &self,
        view: &dyn View,
        akey: &[u8],
        header: ArrayHeader,
        at: u64,
        direction: Direction,
    ) -> Result<Option<u64>> {
        let mut nearest = None;
        for level in header.each_level() {
            let here = records::level_key(akey, level, at);
            let (start, end) = match direction {
                Direction::Forward => (here, records::level_end(akey, level)),
                Direction::Backward => (records::level_key(akey, level, 0), here),
            };
            let mut cursor = view.scan(self.range(&start, Some(&end)), direction)?;
            if !cursor.advance()? {
                continue;
            }
            let place = cursor.key().get(akey.len() + 1..).and_then(records::parse_extent);
            let start = place.ok_or_else(|| self.malformed(cursor.key()))?.start;
            nearest = Some(match (nearest, direction) {
                (None, _) => start,
                (Some(other), Direction::Forward) => start.min(other),
                (Some(other), Direction::Backward) => start.max(other),
            });
        }
        Ok(nearest)
    }
}
