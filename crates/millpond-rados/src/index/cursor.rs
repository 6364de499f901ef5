//! Cursors: a scan, page by page.
//!
//! The cluster lists in ascending order alone. A backward scan first walks to the end of its range,
//! noting where each page begins, and then reads the pages from the last one to the first.

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
    start: SortBound,
    /// Where the pages begin that are still to be read, once that is known.
    pages: Option<Vec<SortBound>>,
    /// The end of the last of them.
    end: SortBound,
}

impl Backward {
    pub(super) fn new(pin: Arc<Pin>, range: KeyRange<'_>) -> Self {
        let scan = Scan::new(pin, range);
        let end = scan.end.clone();
        Self { scan, start: range.start.map(<[u8]>::to_vec), pages: None, end }
    }

    /// Walks to the end, and reads ahead what the last page holds.
    fn walk(&mut self) -> Result<()> {
        let mut pages = Vec::new();
        let mut start = self.start.clone();
        loop {
            let page = self.scan.page(&start, &self.scan.end, RECORDS_MAX)?;
            if let Some(next) = page.next {
                pages.push(std::mem::replace(&mut start, next));
            } else {
                self.scan.ahead = page.items.into();
                self.end = complement(start);
                self.pages = Some(pages);
                return Ok(());
            }
        }
    }

    /// Reads ahead what lies between the beginning of the last page and its end.
    fn read_page(&mut self, start: SortBound) -> Result<()> {
        let mut items = VecDeque::new();
        let mut next = Some(start.clone());
        while let Some(from) = next {
            let page = self.scan.page(&from, &self.end, RECORDS_MAX)?;
            items.extend(page.items);
            next = page.next;
        }
        self.scan.ahead = items;
        self.end = complement(start);
        Ok(())
    }
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
        if self.pages.is_none() {
            self.walk()?;
        }
        loop {
            let item = self.scan.ahead.pop_back();
            if let Some(step) = self.scan.step(item) {
                return step;
            }
            let Some(start) = self.pages.as_ref().and_then(|pages| pages.last().cloned()) else {
                return self.scan.end();
            };
            self.read_page(start)?;
            if let Some(pages) = &mut self.pages {
                pages.pop();
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
