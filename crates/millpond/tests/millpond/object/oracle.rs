//! What an object ought to hold: plain maps, and an array of bytes for each array.

use std::{collections::BTreeMap, ops::Range};

use millpond::ObjectKey;

pub type Key = ObjectKey<'static>;

/// An object as it ought to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Oracle {
    pub dkeys: BTreeMap<Key, BTreeMap<Key, Akey>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Akey {
    Single(Vec<u8>),
    Array(Records),
}

/// The records of an array: what was written last, and holes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    pub record_bytes: u64,
    bytes: Vec<u8>,
    written: Vec<bool>,
}

impl Records {
    pub fn new(record_bytes: u64) -> Self {
        Self { record_bytes, ..Self::default() }
    }

    fn grow(&mut self, end: u64) {
        if self.written.len() < end as usize {
            self.written.resize(end as usize, false);
            self.bytes.resize((end * self.record_bytes) as usize, 0);
        }
    }

    fn place(&self, records: &Range<u64>) -> Range<usize> {
        (records.start * self.record_bytes) as usize..(records.end * self.record_bytes) as usize
    }

    pub fn write(&mut self, start: u64, bytes: &[u8]) {
        let records = start..start + bytes.len() as u64 / self.record_bytes;
        self.grow(records.end);
        let place = self.place(&records);
        self.bytes[place].copy_from_slice(bytes);
        self.written[records.start as usize..records.end as usize].fill(true);
    }

    pub fn punch(&mut self, records: Range<u64>) {
        let end = records.end.min(self.written.len() as u64);
        if records.start < end {
            let place = self.place(&(records.start..end));
            self.bytes[place].fill(0);
            self.written[records.start as usize..end as usize].fill(false);
        }
    }

    /// The bytes of a range, and its holes.
    pub fn read(&self, records: &Range<u64>) -> (Vec<u8>, Vec<Range<u64>>) {
        let mut whole = self.clone();
        whole.grow(records.end);
        let bytes = whole.bytes[whole.place(records)].to_vec();
        (bytes, runs(&whole.written, records, false))
    }

    /// Ranges of records that hold something.
    pub fn held(&self, records: &Range<u64>) -> Vec<Range<u64>> {
        runs(&self.written, &(records.start..records.end.min(self.written.len() as u64)), true)
    }

    /// One more than the last record that holds something.
    pub fn end(&self) -> u64 {
        self.written.iter().rposition(|written| *written).map_or(0, |last| last as u64 + 1)
    }
}

/// Where `flags` are `wanted`, joined.
fn runs(flags: &[bool], within: &Range<u64>, wanted: bool) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for record in within.clone() {
        if flags[record as usize] != wanted {
            continue;
        }
        match runs.last_mut() {
            Some(last) if last.end == record => last.end += 1,
            _ => runs.push(record..record + 1),
        }
    }
    runs
}
