//! What a merge of a window would make of its extents.

use std::{collections::HashSet, ops::Range};

use super::{
    super::{
        extent::Stamp,
        read::{Extents, Held},
        visible::{Piece, visible},
    },
    Worth,
};

/// What a merge of a window would make.
pub(super) struct Outline {
    /// The extents that go, by their places.
    pub(super) goes: Vec<usize>,
    /// The extents that come.
    pub(super) runs: Vec<Run>,
    /// Records that extents that go hold, over and over.
    held: u128,
    /// Records of them that show.
    shown: u128,
}

/// An extent that comes.
pub(super) struct Run {
    pub(super) records: Range<u64>,
    pub(super) pieces: Vec<Piece>,
    pub(super) is_hole: bool,
    pub(super) stamp: Stamp,
}

impl Outline {
    pub(super) fn new(extents: &Extents, range: &Range<u64>, width: u64) -> Self {
        let pieces = visible(&extents.found, range);
        // What is lost stays as it is, until nothing of it shows.
        let lost: HashSet<usize> = pieces
            .iter()
            .map(|piece| piece.extent)
            .filter(|extent| matches!(extents.held[*extent], Held::Lost(_)))
            .collect();
        let goes_of = |extent: usize| {
            let records = &extents.found[extent].0;
            range.start <= records.start && records.end <= range.end && !lost.contains(&extent)
        };
        let stays: Vec<&Range<u64>> = (0..extents.found.len())
            .filter(|&extent| !goes_of(extent))
            .map(|extent| &extents.found[extent].0)
            .collect();
        let mut outline = Self { goes: Vec::new(), runs: Vec::new(), held: 0, shown: 0 };
        let mut kept = HashSet::new();
        for piece in pieces {
            let is_hole = matches!(extents.held[piece.extent], Held::Hole);
            if !goes_of(piece.extent) {
                continue;
            }
            outline.shown += u128::from(piece.records.end - piece.records.start);
            let needed = |hole: &Range<u64>| {
                stays.iter().any(|stays| stays.start < hole.end && hole.start < stays.end)
            };
            if is_hole && !needed(&piece.records) {
                continue;
            }
            outline.add(piece, is_hole, extents, width);
        }
        // What is as it would become stays as it is.
        outline.runs.retain(|run| match &run.pieces[..] {
            [piece] if extents.found[piece.extent].0 == run.records => {
                kept.insert(piece.extent);
                false
            }
            _ => true,
        });
        outline.goes =
            (0..extents.found.len()).filter(|extent| goes_of(*extent) && !kept.contains(extent)).collect();
        for &extent in &outline.goes {
            let records = &extents.found[extent].0;
            outline.held += u128::from(records.end - records.start);
        }
        for &extent in &kept {
            let records = &extents.found[extent].0;
            outline.shown -= u128::from(records.end - records.start);
        }
        outline
    }

    /// Adds a piece to the last run, if it goes on from that in the same window.
    fn add(&mut self, piece: Piece, is_hole: bool, extents: &Extents, width: u64) {
        let stamp = extents.found[piece.extent].1;
        let mut rest = piece.records;
        while !rest.is_empty() {
            // A hole costs the same however long it is.
            let edge = match is_hole {
                true => rest.end,
                false => (rest.start - rest.start % width).saturating_add(width),
            };
            let records = rest.start..rest.end.min(edge);
            rest.start = records.end;
            let part = Piece { records: records.clone(), extent: piece.extent };
            match self.runs.last_mut() {
                Some(run)
                    if run.records.end == records.start
                        && run.is_hole == is_hole
                        && !records.start.is_multiple_of(width) =>
                {
                    run.records.end = records.end;
                    run.stamp = run.stamp.max(stamp);
                    run.pieces.push(part);
                }
                _ => self.runs.push(Run { records, pieces: vec![part], is_hole, stamp }),
            }
        }
    }

    pub(super) fn is_worth(&self, worth: Worth) -> bool {
        match worth {
            Worth::Hidden => !self.goes.is_empty() && self.held >= 2 * self.shown,
            Worth::Anything => self.goes.len() > self.runs.len(),
        }
    }
}
