//! Cursors: a scan, page by page.
//!
//! The cluster lists in ascending order alone. A backward scan looks for the last page of its range:
//! it goes a page forward, and then leaps half-way to the end, as long as something is behind. What it
//! passed over it comes back to, window by window. So the last records of a million are found in some
//! twenty operations where keys are spread evenly, and in no more than twice a walk where they aren't.

use std::{collections::VecDeque, ops::Bound, sync::Arc};

use millpond_core::{Cursor, KeyRange, Record, RecordRef, Result};

use super::page::{Item, Page, Range, SortBound, page};
use crate::container::Pin;

/// Records of the first page: most scans look for few. Each page is twice as long as the one before.
const RECORDS_FIRST: u64 = 32;
/// Records of the longest page: what a cluster lists at most.
const RECORDS_MAX: u64 = 1024;

/// What both kinds of cursors know.
struct Scan {
    pin: Arc<Pin>,
    partition: Vec<u8>,
    end: SortBound,
    ahead: VecDeque<Item>,
    current: Option<(Vec<u8>, Record)>,
}

impl Scan {
    fn new(pin: Arc<Pin>, range: KeyRange<'_>) -> Self {
        let end = range.end.map(<[u8]>::to_vec);
        Self { pin, partition: range.partition.to_vec(), end, ahead: VecDeque::new(), current: None }
    }

    fn page(&self, start: &SortBound, end: &SortBound, max: u64) -> Result<Page> {
        let range = Range { epoch: self.pin.epoch, partition: &self.partition, start, end };
        page(&self.pin.container, range, max)
    }

    /// Goes to the next record of what was read ahead; `None` where there is none.
    fn step(&mut self, item: Option<Item>) -> Option<Result<bool>> {
        let (sort, record) = item?;
        Some(record.map(|record| {
            self.current = Some((sort, record));
            true
        }))
    }

    fn end(&mut self) -> Result<bool> {
        self.current = None;
        Ok(false)
    }

    fn at(&self) -> &(Vec<u8>, Record) {
        self.current.as_ref().expect("a cursor shows a record only after advance() answered true")
    }

    fn record(&self) -> RecordRef<'_> {
        let record = &self.at().1;
        RecordRef { version: record.version, value: &record.value, extents: &record.extents }
    }
}

/// Goes from small keys to great ones.
pub(super) struct Forward {
    scan: Scan,
    next: Option<SortBound>,
    max: u64,
}

impl Forward {
    pub(super) fn new(pin: Arc<Pin>, range: KeyRange<'_>) -> Self {
        let next = Some(range.start.map(<[u8]>::to_vec));
        Self { scan: Scan::new(pin, range), next, max: RECORDS_FIRST }
    }
}

impl Cursor for Forward {
    fn advance(&mut self) -> Result<bool> {
        self.scan.pin.container.check_open()?;
        loop {
            let item = self.scan.ahead.pop_front();
            if let Some(step) = self.scan.step(item) {
                return step;
            }
            let Some(start) = &self.next else { return self.scan.end() };
            let page = self.scan.page(start, &self.scan.end, self.max)?;
            self.max = RECORDS_MAX.min(2 * self.max);
            self.scan.ahead = page.items.into();
            self.next = page.next;
        }
    }

    fn key(&self) -> &[u8] {
        &self.scan.at().0
    }

    fn record(&self) -> RecordRef<'_> {
        self.scan.record()
    }
}

/// Goes from great keys to small ones.
pub(super) struct Backward {
    scan: Scan,
    /// Where the windows begin that are still to be read; each ends where the one above it begins.
    windows: Vec<SortBound>,
    /// The end of the last window.
    end: SortBound,
}

impl Backward {
    pub(super) fn new(pin: Arc<Pin>, range: KeyRange<'_>) -> Self {
        let scan = Scan::new(pin, range);
        let end = scan.end.clone();
        Self { scan, windows: vec![range.start.map(<[u8]>::to_vec)], end }
    }

    /// Reads ahead what lies at the end of the last window; false when none is left.
    fn fill(&mut self) -> Result<bool> {
        let Some(start) = self.windows.last().cloned() else { return Ok(false) };
        let page = self.scan.page(&start, &self.end, RECORDS_MAX)?;
        match page.next {
            None => {
                self.windows.pop();
                self.scan.ahead = page.items.into();
                self.end = complement(start);
            }
            Some(next) => {
                let middle = between(&next, &self.end);
                self.windows.push(next);
                if let Some(middle) = middle {
                    self.leap(middle)?;
                }
            }
        }
        Ok(true)
    }

    /// Begins another window at `middle`, or ends the last one there, if nothing is behind.
    fn leap(&mut self, middle: Vec<u8>) -> Result<()> {
        let start = Bound::Included(middle.clone());
        let page = self.scan.page(&start, &self.end, 1)?;
        if page.items.is_empty() && page.next.is_none() {
            self.end = Bound::Excluded(middle);
        } else {
            self.windows.push(start);
        }
        Ok(())
    }
}

/// A sort key about half-way between a beginning and an end, if there is one that differs from both
/// within eight bytes behind what they share.
fn between(start: &SortBound, end: &SortBound) -> Option<Vec<u8>> {
    let of = |bound: &SortBound| match bound {
        Bound::Included(sort) | Bound::Excluded(sort) => Some(sort.clone()),
        Bound::Unbounded => None,
    };
    let (start, end) = (of(start).unwrap_or_default(), of(end));
    let shared = end.as_ref().map_or(0, |end| start.iter().zip(end).take_while(|(a, b)| a == b).count());
    let digits = |sort: &[u8]| {
        let mut digits = [0; 8];
        let rest = &sort[shared.min(sort.len())..];
        let count = rest.len().min(8);
        digits[..count].copy_from_slice(&rest[..count]);
        u64::from_be_bytes(digits)
    };
    let (low, high) = (digits(&start), end.as_ref().map_or(u64::MAX, |end| digits(end)));
    let middle = low + high.checked_sub(low)? / 2;
    (low < middle && middle < high).then(|| [&start[..shared], &middle.to_be_bytes()].concat())
}

/// The end of what lies before a beginning.
fn complement(start: SortBound) -> SortBound {
    match start {
        Bound::Included(sort) => Bound::Excluded(sort),
        Bound::Excluded(sort) => Bound::Included(sort),
        Bound::Unbounded => Bound::Excluded(Vec::new()),
    }
}

impl Cursor for Backward {
    fn advance(&mut self) -> Result<bool> {
        self.scan.pin.container.check_open()?;
        loop {
            let item = self.scan.ahead.pop_back();
            if let Some(step) = self.scan.step(item) {
                return step;
            }
            if !self.fill()? {
                return self.scan.end();
            }
        }
    }

    fn key(&self) -> &[u8] {
        &self.scan.at().0
    }

    fn record(&self) -> RecordRef<'_> {
        self.scan.record()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_lies_strictly_between() {
        let sort = |text: &[u8]| text.to_vec();
        let pairs: [(&[u8], Option<&[u8]>); 6] = [
            (b"", None),
            (b"", Some(b"\x01")),
            (b"user:0001", Some(b"user:9")),
            (b"\x02abc", Some(b"\x03")),
            (b"\xFF\xFE", None),
            (b"a", Some(b"a\0\0\x01")),
        ];
        for (start, end) in pairs {
            let last = end.map_or(Bound::Unbounded, |end| Bound::Excluded(sort(end)));
            let middle = between(&Bound::Excluded(sort(start)), &last).expect("there is room");
            assert!(start < middle.as_slice() && end.is_none_or(|end| middle.as_slice() < end), "{middle:?}");
        }
        let none = between(&Bound::Included(sort(b"a")), &Bound::Excluded(sort(b"a\0\0\0\0\0\0\0\0\x01")));
        assert_eq!(none, None);
        assert_eq!(between(&Bound::Included(sort(b"b")), &Bound::Included(sort(b"a"))), None);
    }
}
