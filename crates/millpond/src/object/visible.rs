//! Which of overlapping extents shows where.

use std::{collections::BTreeMap, ops::Range};

use super::extent::Stamp;

/// A part of a range, and which extent shows there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) records: Range<u64>,
    /// Its place among the extents that were given.
    pub(super) extent: usize,
}

/// What of `range` which extent shows, from its beginning on; what is in none of the pieces was never
/// written.
pub(super) fn visible(extents: &[(Range<u64>, Stamp)], range: &Range<u64>) -> Vec<Piece> {
    let clip = |extent: &Range<u64>| extent.start.max(range.start)..extent.end.min(range.end);
    let is_sorted = extents.windows(2).all(|two| two[0].0.end <= two[1].0.start);
    if is_sorted {
        let pieces = extents.iter().map(|(records, _)| clip(records)).enumerate();
        return pieces
            .filter(|(_, records)| !records.is_empty())
            .map(|(extent, records)| Piece { records, extent })
            .collect();
    }
    let mut newest_first: Vec<usize> = (0..extents.len()).collect();
    newest_first.sort_unstable_by_key(|&extent| std::cmp::Reverse(extents[extent].1));
    let mut shown = Shown::default();
    let mut pieces = Vec::with_capacity(extents.len());
    for extent in newest_first {
        shown.show(clip(&extents[extent].0), |records| pieces.push(Piece { records, extent }));
    }
    pieces.sort_unstable_by_key(|piece| piece.records.start);
    pieces
}

/// Ranges that some extent shows in already: their ends by their beginnings, none touching another.
#[derive(Default)]
struct Shown(BTreeMap<u64, u64>);

impl Shown {
    /// Adds a range; says which parts of it are new.
    fn show(&mut self, range: Range<u64>, mut fresh: impl FnMut(Range<u64>)) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end, mut at) = (range.start, range.end, range.start);
        if let Some((&before, &ends)) = self.0.range(..range.start).next_back()
            && ends >= range.start
        {
            (start, at, end) = (before, ends, end.max(ends));
        }
        let mut swallowed = Vec::new();
        for (&next, &ends) in self.0.range(range.start..=range.end) {
            if at < next {
                fresh(at..next);
            }
            (at, end) = (ends, end.max(ends));
            swallowed.push(next);
        }
        if at < range.end {
            fresh(at..range.end);
        }
        for next in swallowed {
            self.0.remove(&next);
        }
        self.0.insert(start, end);
    }
}

#[cfg(test)]
mod tests {
    use millpond_core::Epoch;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        /// As if each extent were painted over those before it, record by record.
        #[test]
        fn the_newest_shows(
            extents in vec((0u64..60, 1u64..20, 0u64..6, 0u64..3), 0..20),
            start in 0u64..60,
            length in 0u64..40,
        ) {
            let mut given: Vec<(Range<u64>, Stamp)> = Vec::new();
            for (start, length, epoch, sequence) in extents {
                let stamp = Stamp { epoch: Epoch(epoch), sequence };
                if given.iter().all(|(_, other)| *other != stamp) {
                    given.push((start..start + length, stamp));
                }
            }
            let range = start..start + length;
            let mut painted = vec![None; 100];
            let mut order: Vec<usize> = (0..given.len()).collect();
            order.sort_by_key(|&extent| given[extent].1);
            for extent in order {
                for record in given[extent].0.clone() {
                    painted[record as usize] = Some(extent);
                }
            }
            let mut shown = vec![None; 100];
            let mut last = range.start;
            for piece in visible(&given, &range) {
                prop_assert!(piece.records.start >= last && piece.records.end <= range.end);
                prop_assert!(!piece.records.is_empty());
                last = piece.records.end;
                for record in piece.records {
                    shown[record as usize] = Some(piece.extent);
                }
            }
            for record in range {
                prop_assert_eq!(shown[record as usize], painted[record as usize], "record {}", record);
            }
        }
    }
}
