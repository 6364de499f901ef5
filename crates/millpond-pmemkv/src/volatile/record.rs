//! A record in memory: one allocation, shared with whoever looks at its value.

use std::sync::Arc;

use super::budget::RECORD_BYTES;
use crate::{
    error::{Error, Result},
    value::Value,
};

/// What places it in the order, its key and its value, one behind the other.
///
/// The bytes of a record that was given out never change: [`Record::change`] makes new ones then.
#[derive(Clone, Debug)]
pub struct Record {
    bytes: Arc<[u8]>,
    key_at: u32,
    value_at: u32,
}

impl Record {
    /// A record with `place` before its key, by which it is sorted.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a key of 4 GiB.
    pub fn new(place: &[u8], key: &[u8], value: &[u8]) -> Result<Self> {
        let at = u32::try_from(place.len()).ok().zip(u32::try_from(place.len() + key.len()).ok());
        let Some((key_at, value_at)) = at else {
            return Err(Error::invalid(format!("a key of {} bytes is too long", key.len())));
        };
        let mut bytes = Arc::<[u8]>::new_uninit_slice(place.len() + key.len() + value.len());
        let mut begin = bytes_of(&mut bytes);
        for part in [place, key, value] {
            // SAFETY: the allocation has room for all three parts, each of which goes behind the one before.
            // It was just made, so that no part overlaps it.
            unsafe {
                std::ptr::copy_nonoverlapping(part.as_ptr(), begin, part.len());
                begin = begin.add(part.len());
            }
        }
        // SAFETY: the three parts have filled it.
        let bytes = unsafe { bytes.assume_init() };
        Ok(Self { bytes, key_at, value_at })
    }

    /// What it is sorted by: what places it, and its key.
    pub fn order(&self) -> &[u8] {
        &self.bytes[..self.value_at as usize]
    }

    pub fn key(&self) -> &[u8] {
        &self.bytes[self.key_at as usize..self.value_at as usize]
    }

    pub fn value(&self) -> &[u8] {
        &self.bytes[self.value_at as usize..]
    }

    /// The value, shared.
    pub fn shared(&self) -> Value {
        Value::of_record(Arc::clone(&self.bytes), self.value_at as usize)
    }

    /// Bytes that it counts for.
    pub fn counted(&self) -> u64 {
        self.bytes.len() as u64 + RECORD_BYTES
    }

    /// Writes into the value, in place unless somebody looks at it.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` where the value ends before a piece does; then nothing is changed.
    pub fn change(&mut self, pieces: &[(usize, impl AsRef<[u8]>)]) -> Result<()> {
        let length = self.value().len();
        for (offset, piece) in pieces {
            check_piece(*offset, piece.as_ref().len(), length)?;
        }
        if Arc::get_mut(&mut self.bytes).is_none() {
            self.bytes = Arc::from(&*self.bytes);
        }
        // It is this record's alone now, by one way or the other.
        if let Some(bytes) = Arc::get_mut(&mut self.bytes) {
            let value = &mut bytes[self.value_at as usize..];
            for (offset, piece) in pieces {
                let piece = piece.as_ref();
                value[*offset..*offset + piece.len()].copy_from_slice(piece);
            }
        }
        Ok(())
    }
}

/// Whether a piece lies within a value of that length.
///
/// # Errors
/// `INVALID_ARGUMENT`.
pub fn check_piece(offset: usize, piece: usize, length: usize) -> Result<()> {
    match offset.checked_add(piece) {
        Some(end) if end <= length => Ok(()),
        _ => Err(Error::invalid(format!(
            "{piece} bytes from {offset} on aren't all within the value of {length} bytes: put a longer value"
        ))),
    }
}

/// Where the bytes of a new allocation begin.
fn bytes_of(allocation: &mut Arc<[std::mem::MaybeUninit<u8>]>) -> *mut u8 {
    match Arc::get_mut(allocation) {
        Some(bytes) => bytes.as_mut_ptr().cast(),
        None => unreachable!("nobody else knows of a new allocation"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_parts_are_those_that_it_was_made_of() {
        let record = Record::new(b"place", b"k\0y", b"value").expect("made");
        assert_eq!(
            (record.order(), record.key(), record.value()),
            (&b"placek\0y"[..], &b"k\0y"[..], &b"value"[..])
        );
        let empty = Record::new(b"", b"", b"").expect("made");
        assert_eq!((empty.order(), empty.key(), empty.value()), (&b""[..], &b""[..], &b""[..]));
        assert_eq!(empty.counted(), RECORD_BYTES);
    }

    #[test]
    fn a_change_is_not_seen_by_who_looks_already() {
        let mut record = Record::new(b"", b"key", b"value").expect("made");
        let seen = record.shared();
        record.change(&[(1, b"xx")]).expect("changed");
        assert_eq!((record.value(), &*seen), (&b"vxxue"[..], &b"value"[..]));
        drop(seen);
        let place = record.value().as_ptr();
        record.change(&[(0, b"y"), (4, b"z")]).expect("changed");
        assert_eq!((record.value(), record.value().as_ptr()), (&b"yxxuz"[..], place));
    }

    #[test]
    fn a_change_that_does_not_fit_changes_nothing() {
        let mut record = Record::new(b"", b"key", b"value").expect("made");
        assert!(record.change(&[(0, b"ab"), (4, b"cd")]).is_err());
        assert!(record.change(&[(usize::MAX, b"ab")]).is_err());
        assert_eq!(record.value(), b"value");
        record.change(&[(5, b"")]).expect("nothing fits at the end");
    }
}
