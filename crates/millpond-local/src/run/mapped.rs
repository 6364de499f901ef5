//! A run's file as memory: each block is verified when this process first touches it.
//!
//! Invariants:
//! - Bytes of the mapping are believed only where the block was verified, through a read of the file,
//!   and [`MappedRun::is_sound`] says afterwards that no page was missing.
//! - What was verified may have been evicted since, and be read from the disk again, damaged. Records
//!   have checksums of their own for that, which are checked whenever one is returned. What such damage
//!   can do is hide a record, or show an older version of it; a check of the container finds it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{filter::FilterBytes, lookup::Source};
use crate::{
    media::{File, Mapping},
    wire::Malformed,
};

/// See the module.
#[derive(Debug)]
pub(super) struct MappedRun {
    mapping: Arc<Mapping>,
    /// A bit for each block.
    verified: Box<[AtomicU64]>,
}

impl MappedRun {
    /// Maps a file of `length` bytes with that many blocks; none where that isn't possible, since it
    /// can be read without.
    pub(super) fn new(file: &dyn File, length: u64, blocks: usize) -> Option<Self> {
        let mapping = Arc::new(file.map(length).ok().flatten()?);
        let verified = (0..blocks.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Some(Self { mapping, verified })
    }

    /// Whether every page that was touched so far was there.
    #[inline]
    pub(super) fn is_sound(&self) -> bool {
        !self.mapping.failed()
    }

    #[inline]
    pub(super) fn is_verified(&self, block: usize) -> bool {
        self.verified[block / 64].load(Ordering::Relaxed) >> (block % 64) & 1 != 0
    }

    pub(super) fn set_verified(&self, block: usize) {
        self.verified[block / 64].fetch_or(1 << (block % 64), Ordering::Relaxed);
    }

    /// A block, to be searched.
    #[inline]
    pub(super) fn block(&self, (offset, length): (u64, usize)) -> MappedBlock<'_> {
        MappedBlock { mapping: &self.mapping, at: offset as usize, length }
    }

    /// The filter, whose bytes were verified, where it is.
    pub(super) fn filter(&self, offset: u64, length: u64) -> FilterBytes {
        FilterBytes::Mapped { mapping: self.mapping.clone(), at: offset as usize, length: length as usize }
    }
}

/// A block of a mapped run.
#[derive(Debug)]
pub(super) struct MappedBlock<'a> {
    mapping: &'a Mapping,
    at: usize,
    length: usize,
}

impl Source for MappedBlock<'_> {
    fn length(&self) -> usize {
        self.length
    }

    #[inline]
    fn copy(&self, at: usize, into: &mut [u8]) -> Result<(), Malformed> {
        let inside = at.checked_add(into.len()).is_some_and(|end| end <= self.length);
        if inside && self.mapping.read(self.at + at, into) {
            Ok(())
        } else {
            Err(Malformed("a block names a place that it doesn't have"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, ops::Bound, os::unix::fs::FileExt};

    use millpond_core::{Epoch, Error, ErrorKind};

    use crate::run::tests::{ID, Place, current, damages, found, model, numbered};

    fn file_of(place: &Place) -> fs::File {
        fs::OpenOptions::new().write(true).open(&place.path).expect("the file")
    }

    /// Every record is right, or an error of the run.
    fn errors(run: &std::sync::Arc<crate::run::Run>, records: &model::Records) -> usize {
        let named = |error: Error| {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert!(error.to_string().contains(&ID.file_name()), "{error}");
        };
        let mut errors = 0;
        for (key, epoch, _) in records {
            match run.get(key, Epoch(*epoch)) {
                Ok(answer) => assert_eq!(answer, found(records, key, *epoch)),
                Err(error) => {
                    named(error);
                    errors += 1;
                }
            }
        }
        let mut cursor = run.cursor();
        let mut step = cursor.seek(Bound::Unbounded);
        let mut seen = 0;
        loop {
            match step {
                Ok(true) => {
                    assert!(records.contains(&current(&cursor)));
                    seen += 1;
                }
                Ok(false) => break,
                Err(error) => named(error),
            }
            step = cursor.next();
        }
        assert_eq!(records.len() - seen, errors, "a walk and lookups meet the same damage");
        errors
    }

    #[test]
    fn a_file_that_is_cut_while_it_is_mapped_is_an_error_and_the_rest_is_read() {
        let records = numbered(2000);
        let place = Place::new();
        place.write(&records);
        let length = fs::metadata(&place.path).expect("a file").len();
        for touched_before in [true, false] {
            let run = place.open().expect("the run");
            if touched_before {
                assert_eq!(errors(&run, &records), 0);
            }
            let bytes = fs::read(&place.path).expect("the file");
            let cut = (length / 2).next_multiple_of(4096);
            file_of(&place).set_len(cut).expect("cut");
            let lost = errors(&run, &records);
            assert!((600..1400).contains(&lost), "{lost} of 2000 are lost with half of the file");
            assert!(!damages(&run).is_empty());
            file_of(&place).write_all_at(&bytes, 0).expect("put back");
            assert_eq!(errors(&run, &records), 0, "what comes back is read");
        }
    }

    #[test]
    fn a_page_that_is_damaged_after_it_was_verified_is_an_error() {
        let records = numbered(200);
        let place = Place::new();
        place.write(&records);
        let run = place.open().expect("the run");
        assert_eq!(errors(&run, &records), 0);
        let bytes = fs::read(&place.path).expect("the file");
        let value = b"value 77 ";
        let at = bytes.windows(value.len()).position(|window| window == value).expect("a value");
        file_of(&place).write_all_at(b"V", at as u64).expect("damaged");
        let (key, epoch, _) = &records[77];
        let error = run.get(key, Epoch(*epoch)).expect_err("its checksum fails");
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(&ID.file_name()), "{error}");
        let (key, epoch, _) = &records[75];
        let neighbour = run.get(key, Epoch(*epoch)).expect("a record of the same block is sound");
        assert_eq!(neighbour, found(&records, key, *epoch));
        let mut cursor = run.cursor();
        let walked = cursor.seek(Bound::Included(key)).expect_err("its block's checksum fails");
        assert_eq!(walked.kind(), ErrorKind::Corrupt);
        assert_eq!(damages(&run).len(), 1);
    }
}
