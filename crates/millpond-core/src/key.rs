//! Keys of the index.
//!
//! Invariant, kept by the data models: no partition in use is a prefix of another one, so that a
//! backend may order keys by the plain concatenation of partition and sort key.

use std::ops::Bound;

/// The partition whose records keep past epochs readable: each of them the epoch of the commit that
/// put it, for as long as the record exists. What sort keys and values mean is up to the data model.
pub const RETAINED: &[u8; 18] = b"\xFF\xFF\xFF\xFFretained\0\0\0\0\0\0";

/// A key of the index: what is placed together, and the order within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key<'a> {
    /// What a cluster places as a unit: a shard of a map, a directory, the catalogue.
    pub partition: &'a [u8],
    /// Orders the records of a partition, byte by byte.
    pub sort: &'a [u8],
}

impl<'a> Key<'a> {
    /// A key of `partition` that sorts by `sort`.
    pub fn new(partition: &'a [u8], sort: &'a [u8]) -> Self {
        Self { partition, sort }
    }

    /// The two parts in one piece, as a backend without partitions orders them.
    pub fn concat(&self) -> Vec<u8> {
        [self.partition, self.sort].concat()
    }

    /// Calls `with` with the two parts in one piece, which takes no allocation for keys of up to 256
    /// bytes.
    pub fn with_concat<T>(&self, with: impl FnOnce(&[u8]) -> T) -> T {
        let (partition, length) = (self.partition.len(), self.partition.len() + self.sort.len());
        let mut buffer = [0u8; 256];
        match buffer.get_mut(..length) {
            Some(whole) => {
                whole[..partition].copy_from_slice(self.partition);
                whole[partition..].copy_from_slice(self.sort);
                with(whole)
            }
            None => with(&self.concat()),
        }
    }
}

/// A range of sort keys in one partition.
#[derive(Clone, Copy, Debug)]
pub struct KeyRange<'a> {
    /// The partition that the range lies in.
    pub partition: &'a [u8],
    /// Where the range begins.
    pub start: Bound<&'a [u8]>,
    /// Where the range ends.
    pub end: Bound<&'a [u8]>,
}

impl<'a> KeyRange<'a> {
    /// The whole of `partition`.
    pub fn all(partition: &'a [u8]) -> Self {
        Self { partition, start: Bound::Unbounded, end: Bound::Unbounded }
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: Key<'_>) -> bool {
        self.partition == key.partition
            && match self.start {
                Bound::Included(start) => start <= key.sort,
                Bound::Excluded(start) => start < key.sort,
                Bound::Unbounded => true,
            }
            && match self.end {
                Bound::Included(end) => key.sort <= end,
                Bound::Excluded(end) => key.sort < end,
                Bound::Unbounded => true,
            }
    }

    /// The smallest byte string that sorts after every one that begins with `prefix`, or `None`
    /// where there is no such string (an empty prefix, or one of 0xFF alone).
    pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
        let last = prefix.iter().rposition(|&byte| byte != 0xFF)?;
        let mut end = prefix[..=last].to_vec();
        end[last] += 1;
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_end_is_the_first_string_past_the_prefix() {
        assert_eq!(KeyRange::prefix_end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(KeyRange::prefix_end(b"a\xFF\xFF"), Some(b"b".to_vec()));
        assert_eq!(KeyRange::prefix_end(b"\xFF"), None);
        assert_eq!(KeyRange::prefix_end(b""), None);
    }

    #[test]
    fn a_range_holds_its_own_partition_alone() {
        let range = KeyRange { partition: b"p", start: Bound::Excluded(b"a"), end: Bound::Included(b"c") };
        assert!(!range.contains(Key::new(b"p", b"a")));
        assert!(range.contains(Key::new(b"p", b"a\0")));
        assert!(range.contains(Key::new(b"p", b"c")));
        assert!(!range.contains(Key::new(b"p", b"c\0")));
        assert!(!range.contains(Key::new(b"q", b"b")));
    }
}
