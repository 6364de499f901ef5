//! What the tree of a sorted engine compares.
//!
//! The beginning of what a record is sorted by lies in the tree itself, so that most comparisons follow no
//! pointer: most keys aren't longer.

use std::{borrow::Borrow, cmp::Ordering};

use super::record::Record;

/// What the tree compares: the beginning of what a record is sorted by, and all of it.
pub trait Sorts {
    fn head(&self) -> u128;
    fn order(&self) -> &[u8];
}

/// A record in the tree.
pub struct Sorted {
    head: u128,
    pub record: Record,
}

impl Sorted {
    pub fn new(record: Record) -> Self {
        Self { head: head(record.order()), record }
    }
}

impl Sorts for Sorted {
    fn head(&self) -> u128 {
        self.head
    }

    fn order(&self) -> &[u8] {
        self.record.order()
    }
}

/// A place in the tree where there may be no record.
pub struct Probe<'a> {
    head: u128,
    pub order: &'a [u8],
}

impl<'a> Probe<'a> {
    pub fn new(order: &'a [u8]) -> Self {
        Self { head: head(order), order }
    }
}

impl Sorts for Probe<'_> {
    fn head(&self) -> u128 {
        self.head
    }

    fn order(&self) -> &[u8] {
        self.order
    }
}

/// The first 16 bytes as a number that compares as they do, zeros behind a shorter end.
fn head(order: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let length = order.len().min(16);
    bytes[..length].copy_from_slice(&order[..length]);
    u128::from_be_bytes(bytes)
}

/// Equal heads say nothing of keys that differ behind them, or in zeros at the end.
fn compare(one: &(impl Sorts + ?Sized), other: &(impl Sorts + ?Sized)) -> Ordering {
    one.head().cmp(&other.head()).then_with(|| one.order().cmp(other.order()))
}

impl PartialEq for Sorted {
    fn eq(&self, other: &Self) -> bool {
        compare(self, other).is_eq()
    }
}

impl Eq for Sorted {}

impl PartialOrd for Sorted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sorted {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self, other)
    }
}

impl<'a> Borrow<dyn Sorts + 'a> for Sorted {
    fn borrow(&self) -> &(dyn Sorts + 'a) {
        self
    }
}

impl PartialEq for dyn Sorts + '_ {
    fn eq(&self, other: &Self) -> bool {
        compare(self, other).is_eq()
    }
}

impl Eq for dyn Sorts + '_ {}

impl PartialOrd for dyn Sorts + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for dyn Sorts + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self, other)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    proptest! {
        /// Also where they differ behind the head, or in zeros at its end alone.
        #[test]
        fn records_compare_as_what_they_are_sorted_by(
            left in vec(select(vec![0u8, 1]), 0..20),
            right in vec(select(vec![0u8, 1]), 0..20),
        ) {
            let [one, other] = [&left, &right].map(|key| Sorted::new(Record::new(b"", key, b"value").expect("made")));
            prop_assert_eq!(one.cmp(&other), left.cmp(&right));
            let probe = Probe::new(&right);
            let (one, probe): (&dyn Sorts, &dyn Sorts) = (&one, &probe);
            prop_assert_eq!(one.cmp(probe), left.cmp(&right));
        }
    }
}
